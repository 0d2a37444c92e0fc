//! Black-box tests of the `sandglass` program: what it prints, writes and exits with.
//!
//! Guests are built by the program itself with the real toolchain.
#![expect(clippy::unwrap_used, reason = "tests")]

mod build;
mod force;
mod guests;
mod limits;
mod messages;
mod operators;
mod resume;
mod run;
mod start;
mod support;
mod upgrade;
