//! The sandbox from outside: small guests in WebAssembly text, made components as any other.
#![expect(clippy::unwrap_used, reason = "tests")]

mod activities;
mod asked;
mod cache;
mod componentize;
mod determinism;
mod guests;
mod hostile;
mod loading;
mod runs;
mod ways;
