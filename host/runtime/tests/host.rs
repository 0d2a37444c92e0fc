//! The host with scripted guests, a clock that is moved by hand, and stores that fail when told to.

#![expect(clippy::unwrap_used, reason = "tests")]

mod host {
    pub(crate) mod support;

    mod activities;
    mod cancel;
    mod chains;
    mod children;
    mod commits;
    mod deletes;
    mod families;
    mod force;
    mod local;
    mod operators;
    mod outside;
    mod owner;
    mod queues;
    mod queues_control;
    mod queues_random;
    mod recovery;
    mod resets;
    mod runs;
    mod shown;
    mod store_faults;
    mod tasks;
    mod temporal;
    mod updates;
}

#[test]
fn rule_breakers_are_caught() {
    sandglass_semantics::breakers::catch("host/runtime/tests/host");
}
