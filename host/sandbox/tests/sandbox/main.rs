//! The sandbox from outside: small guests in WebAssembly text, made components as any other.
#![expect(clippy::unwrap_used, reason = "tests")]

mod activities;
mod cache;
mod componentize;
mod determinism;
mod guests;
mod hostile;
mod loading;
mod runs;

#[test]
fn rule_breakers_are_caught() {
    sandglass_semantics::breakers::catch("host/sandbox/tests/sandbox");
}
