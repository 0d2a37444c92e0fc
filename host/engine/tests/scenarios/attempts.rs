//! Workflow tasks that fail and are tried again: what the history says of it.

use super::{ROOT, sleeper};
use crate::support::World;
use sandglass_engine::*;

#[test]
fn a20_only_the_first_failure_of_a_streak_is_recorded() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            // Canceling what was never started is the bug of this handler.
            _ => {
                let operation = OperationId(99);
                guest.command(Command::CancelOperation { operation });
            }
        })
    });
    w.task();
    w.cancel().unwrap();
    let failed = "WES,T,TS,CR,Ts,Tb,Tf(BAD_SCOPE_ATTRIBUTES)";
    w.task();
    for attempt in 2..5 {
        w.evict();
        w.task();
        assert_eq!(w.history(), failed);
        assert_eq!(w.run().task_attempt(), attempt + 1);
    }
    w.signal("new");
    assert_eq!(w.run().task_attempt(), 1);
    w.reload_with(sleeper).unwrap();
    w.task();
    assert_eq!(shorthand(&w.events), format!("{failed},SG,T,TC,WX"));
}

#[test]
fn the_attempt_that_succeeds_is_in_the_history() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            _ => {
                let operation = OperationId(99);
                guest.command(Command::CancelOperation { operation });
            }
        })
    });
    w.task();
    w.cancel().unwrap();
    for _ in 0..3 {
        w.task();
        w.evict();
    }
    w.reload_with(sleeper).unwrap();
    w.task();
    // That live and stored history agree is checked here too.
    w.history();
    let attempts = w.events.iter().filter_map(|event| match event.attributes {
        EventAttributes::WorkflowTaskScheduled { attempt } => Some(attempt),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 1, 4]);
}

#[test]
fn a_task_that_takes_too_long_times_out_and_is_tried_again() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            _ => guest.take_too_long(),
        })
    });
    w.task();
    w.cancel().unwrap();
    for attempt in 2..4 {
        w.task();
        // Only the first of a streak is recorded (R38).
        assert_eq!(w.history(), "WES,T,TS,CR,Ts,Tb,Tx");
        assert_eq!(w.run().task_attempt(), attempt);
        let failure = w.run().summary().task_failure.unwrap();
        assert_eq!(failure.0, TaskFailedCause::TimedOut);
        w.evict();
    }
    w.reload_with(sleeper).unwrap();
    w.task();
    assert_eq!(shorthand(&w.events), "WES,T,TS,CR,Ts,Tb,Tx,T,TC,WX");
}
