//! The crash sweep: a host is killed at every named point, at moments spread over its processor time
//! and in each phase of its work, and taken up again. Afterwards the history is that of an undisturbed
//! run, and every effect is there once.
//!
//! `make test` runs a sample, drawn by a seed that it prints; `make sweep` runs all.

#![expect(clippy::unwrap_used, reason = "tests")]

mod cancel;
mod kills;
mod languages;
mod local;
mod points;
mod programs;
mod shipped;
mod support;
