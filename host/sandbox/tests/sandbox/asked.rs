//! Guests that are asked something and do what they must not. Nothing happens but that the asker is
//! told.

use crate::{guests, runs};
use sandglass_engine::{Query, Run, TaskFailure, Update, drive};
use sandglass_sandbox::{Instance, Sandbox};

/// An instance that has run its first workflow task, and its run.
fn rested(sandbox: &Sandbox, asked: &str) -> (Instance, Box<Run>) {
    let mut instance = runs::instance(sandbox, &guests::asked(asked, ""));
    let (task, result) = drive(runs::first_task(), &mut instance);
    result.unwrap();
    (instance, task.finish().unwrap())
}

/// Why a guest that does this could not be asked: as a query, and as a validator.
fn both(sandbox: &Sandbox, asked: &str) -> [TaskFailure; 2] {
    let (mut instance, run) = rested(sandbox, asked);
    let before = run.summary();
    let query = Query {
        name: "q".into(),
        ..Query::default()
    };
    let (task, result) = instance.query(&query, run.look());
    let query = result.unwrap_err();
    assert_eq!(task.into_run().summary(), before);
    let (mut instance, run) = rested(sandbox, asked);
    let (task, result) = instance.validate_update(&Update::default(), run.look());
    assert_eq!(task.into_run().summary(), before);
    [query, result.unwrap_err()]
}

#[test]
fn who_is_asked_must_not_command() {
    for (import, call) in [
        (
            "timers.start-timer",
            "(call $start_timer (i32.const 0) (i64.const 5) (i32.const 512))",
        ),
        (
            "cancellation.open-scope",
            "(drop (call $open_scope (i32.const 0) (i32.const 0) (i64.const 0)))",
        ),
        (
            "cancellation.cancel-scope",
            "(call $cancel_scope (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
        (
            "info.random-bytes",
            "(call $random_bytes (i32.const 8) (i32.const 512))",
        ),
    ] {
        for failure in both(&runs::sandbox(), &format!("{call} unreachable")) {
            assert_eq!(runs::failure_type(&failure.failure), "ReadOnly");
            let message = &failure.failure.message;
            assert!(message.contains(&format!("`{import}`")), "{message}");
            assert!(!failure.failure.stack_trace.is_empty(), "the guest's line");
        }
    }
}

#[test]
fn who_is_asked_has_the_time_of_one_event() {
    for failure in both(&runs::impatient(), "(loop $again (br $again)) unreachable") {
        assert_eq!(runs::failure_type(&failure.failure), "DeadlineExceeded");
    }
}

#[test]
fn a_trap_of_who_is_asked_is_told() {
    for failure in both(&runs::sandbox(), "unreachable") {
        assert_eq!(runs::failure_type(&failure.failure), "WasmTrap");
    }
}

#[test]
fn who_is_asked_may_look() {
    // An answer of no payload at all: case ok, no metadata, no data.
    let looks = "(drop (call $now)) (i32.const 512)";
    let (mut instance, run) = rested(&runs::sandbox(), looks);
    let (_, answer) = instance.query(&Query::default(), run.look());
    assert_eq!(answer.unwrap().unwrap().data, b"");
    let (mut instance, run) = rested(&runs::sandbox(), looks);
    let (_, answer) = instance.validate_update(&Update::default(), run.look());
    answer.unwrap().unwrap();
}
