//! The scenarios of the semantics that need no host, and the rules of cancellation one by one.
//!
//! Guests are scripts, so that each history shows what the engine does and nothing else.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "scenarios/attempts.rs"]
mod attempts;
#[path = "scenarios/capabilities.rs"]
mod capabilities;
#[path = "scenarios/chains.rs"]
mod chains;
#[path = "scenarios/compensations.rs"]
mod compensations;
#[path = "scenarios/force.rs"]
mod force;
#[path = "scenarios/limits.rs"]
mod limits;
#[path = "scenarios/local.rs"]
mod local;
#[path = "scenarios/messages.rs"]
mod messages;
#[path = "scenarios/operators.rs"]
mod operators;
#[path = "scenarios/races.rs"]
mod races;
#[path = "scenarios/random.rs"]
mod random;
#[path = "scenarios/relatives.rs"]
mod relatives;
#[path = "scenarios/resets.rs"]
mod resets;
#[path = "scenarios/scopes.rs"]
mod scopes;
#[path = "scenarios/support.rs"]
mod support;
#[path = "scenarios/temporal.rs"]
mod temporal;
#[path = "scenarios/undone.rs"]
mod undone;
#[path = "scenarios/undone_scopes.rs"]
mod undone_scopes;

use CancellationType::{Abandon, TryCancel, WaitCancellationCompleted as Wait};
use sandglass_engine::*;
use sandglass_semantics::scenario;
use support::{Script, World};

#[test]
fn rule_breakers_are_caught() {
    sandglass_semantics::breakers::catch("host/engine/tests/scenarios");
}

const ROOT: ScopeId = ScopeId::ROOT;

/// Ends with the first failure that reaches it, or with the first value.
fn propagate(event: &GuestEvent, guest: &mut support::Guest<'_>) {
    match event {
        GuestEvent::TimerFired(_, Err(failure))
        | GuestEvent::ActivityResolved(_, Err(failure))
        | GuestEvent::WaitCanceled(_, failure) => guest.fail(failure),
        GuestEvent::ActivityResolved(_, Ok(value)) => {
            let outcome = Outcome::Completed(value.clone());
            guest.command(Command::Complete { outcome });
        }
        GuestEvent::TimerFired(_, Ok(())) => guest.complete("\"fired\""),
        _ => {}
    }
}

fn sleeper() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        other => propagate(other, guest),
    })
}

fn one_activity<const TYPE: u8>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            _ = guest.activity(ROOT, "Work", [Wait, TryCancel, Abandon][usize::from(TYPE)]);
        }
        other => propagate(other, guest),
    })
}

fn cleanup<const RETHROW: bool>() -> Script {
    let mut failure = None;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        GuestEvent::TimerFired(_, Err(canceled)) => {
            failure = Some(canceled.clone());
            let detached = guest.scope(ROOT, ScopeKind::Detached);
            guest.activity(detached, "Cleanup", Wait);
        }
        GuestEvent::ActivityResolved(..) if RETHROW => guest.fail(failure.as_ref().unwrap()),
        GuestEvent::ActivityResolved(..) => guest.complete("\"cleaned\""),
        _ => {}
    })
}

#[test]
fn a01_a_timer_is_canceled_and_ends_the_run() {
    let mut w = World::start(sleeper);
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("A01"));
    let canceled = w.events.iter().find_map(|event| match &event.attributes {
        EventAttributes::TimerCanceled {
            started_event_id, ..
        } => Some(*started_event_id),
        _ => None,
    });
    assert_eq!(canceled, Some(EventId(5)));
    assert_eq!(w.run().summary().cancel_state, CancelState::Delivered);
}

#[test]
fn a02_and_a03_a_cancel_before_the_first_task_is_recorded_once() {
    let mut w = World::start(sleeper);
    w.cancel().unwrap();
    assert_eq!(w.cancel(), Err(InputError::AlreadyRequested));
    assert_eq!(w.history(), "WES,Ts,CR");
    w.task();
    assert_eq!(w.replayed_history(), scenario("A02a"));
}

#[test]
fn a04_a_shield_keeps_its_timer() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let shield = guest.scope(ROOT, ScopeKind::Shielded);
                guest.timer(shield, 2);
            }
            GuestEvent::ScopeCanceled(scope, info) => {
                assert_eq!(info.cause, CancelCause::Parent);
                assert_eq!(guest.cancel_info(*scope).unwrap().reason, "r1");
            }
            other => propagate(other, guest),
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), scenario("A04a"));
}

#[test]
fn a05_and_a06_cleanup_runs_in_a_detached_scope() {
    for (make, expected) in [
        (cleanup::<true> as fn() -> Script, scenario("A05")),
        (cleanup::<false>, scenario("A06")),
    ] {
        let mut w = World::start(make);
        w.task();
        w.cancel().unwrap();
        w.task();
        w.complete("Cleanup");
        w.evict();
        w.task();
        assert_eq!(w.replayed_history(), expected);
    }
}

#[test]
fn a07_and_a24_operations_are_canceled_in_the_order_of_their_start() {
    let mut w = World::start(|| {
        let mut raised = Vec::new();
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => {
                guest.activity(ROOT, "a1", TryCancel);
                guest.timer(ROOT, 60);
                guest.activity(ROOT, "a2", TryCancel);
                guest.timer(ROOT, 60);
                guest.operation(Command::OpenWait {
                    scope: ROOT,
                    label: "flag".into(),
                });
            }
            GuestEvent::TimerFired(id, Err(f)) | GuestEvent::ActivityResolved(id, Err(f)) => {
                assert!(f.is_cancellation());
                raised.push(id.0);
            }
            GuestEvent::WaitCanceled(id, failure) => {
                assert_eq!((&raised[..], id.0), (&[1, 2, 3, 4][..], 5));
                guest.fail(failure);
            }
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("A07"));
}

#[test]
fn a08_and_a09_waiting_takes_whatever_the_activity_reports() {
    let cases = [
        (
            Report::Canceled(vec![Payload::json("\"d\"")]),
            scenario("A08"),
        ),
        (Report::Completed(Payload::json("7")), scenario("A09")),
    ];
    for (report, expected) in cases {
        let mut w = World::start(one_activity::<0>);
        w.task();
        w.cancel().unwrap();
        w.task();
        w.report("Work", report);
        w.task();
        assert_eq!(w.replayed_history(), expected);
    }
}

#[test]
fn a_canceled_activity_reports_its_details_to_the_run_and_the_request_to_history() {
    let mut w = World::start(one_activity::<0>);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.report("Work", Report::Canceled(vec![Payload::json("\"d\"")]));
    w.task();
    let details = vec![Payload::json("\"d\"")];
    assert_eq!(w.run().status(), &Status::Canceled { details });
    let latest = w.events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskCanceled {
            latest_cancel_requested_event_id,
            ..
        } => Some(*latest_cancel_requested_event_id),
        _ => None,
    });
    assert_eq!(latest, Some(EventId(10)));
}

#[test]
fn a10_and_s18_other_types_do_not_wait() {
    for (make, events) in [
        (one_activity::<1> as fn() -> Script, scenario("S18")),
        (one_activity::<2>, scenario("A10")),
    ] {
        let mut w = World::start(make);
        w.task();
        w.cancel().unwrap();
        w.task();
        assert_eq!(w.replayed_history(), events);
        let Verdict::Close(late) = w
            .pending("Work")
            .report(Timestamp(9), Report::Canceled(vec![]))
        else {
            panic!("no further attempt was allowed");
        };
        assert_eq!(w.append(late), Err(InputError::Closed));
    }
}

/// Waits a second for `Work` to end after a cancellation, then cleans up.
fn impatient() -> Script {
    let mut failure = None;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let limit = CancellationType::WaitAtMost(Millis::from_secs(1));
            guest.activity(ROOT, "Work", limit);
        }
        GuestEvent::ActivityResolved(_, Err(canceled)) if failure.is_none() => {
            failure = Some(canceled.clone());
            let detached = guest.scope(ROOT, ScopeKind::Detached);
            guest.activity(detached, "Cleanup", Wait);
        }
        GuestEvent::ActivityResolved(..) => guest.fail(failure.as_ref().unwrap()),
        _ => {}
    })
}

#[test]
fn r23_a_wait_with_a_limit_ends_unsettled_when_the_limit_passes() {
    let mut w = World::start(impatient);
    w.task();
    w.cancel().unwrap();
    w.task();
    let asked = w.now;
    assert_eq!(
        w.timers.values().copied().collect::<Vec<_>>(),
        [asked + Millis::from_secs(1)]
    );
    w.evict();
    w.fire();
    w.task();
    // What the activity does afterwards is recorded and changes nothing.
    w.complete("Work");
    w.task();
    w.complete("Cleanup");
    w.evict();
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,AS,CR,T,ACR,AWTO,T,AS,AB,AC,T,AB,AC,T,WX"
    );
    let late = w.events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityCancelWaitTimedOut {
            scheduled_event_id,
            cancel_requested_event_id,
        } => Some((*scheduled_event_id, *cancel_requested_event_id)),
        _ => None,
    });
    assert_eq!(late, Some((EventId(5), EventId(10))));
}

#[test]
fn r23_a_limit_that_does_not_pass_leaves_no_trace() {
    for (report, end) in [
        (Report::Canceled(vec![]), "AX"),
        (Report::Failed(Failure::application("E", "e")), "AF"),
    ] {
        let mut w = World::start(impatient);
        w.task();
        w.cancel().unwrap();
        w.task();
        w.report("Work", report);
        assert!(w.timers.is_empty(), "the limit is disarmed");
        w.task();
        w.complete("Cleanup");
        w.task();
        assert_eq!(
            w.replayed_history(),
            format!(
                "WES,T,AS,CR,T,ACR,AB,{end},T,AS,AB,AC,T,{}",
                match end {
                    "AX" => "WX",
                    _ => "WF",
                }
            )
        );
    }
    // An activity that was never begun is canceled by the request itself.
    let mut w = World::start(impatient);
    w.worker = false;
    w.task();
    w.cancel().unwrap();
    w.task();
    assert!(w.timers.is_empty());
    assert_eq!(w.replayed_history(), "WES,T,AS,CR,T,ACR,AX,Ts");
}

#[test]
fn a11_an_activity_that_was_never_begun_is_canceled_at_once() {
    let mut w = World::start(one_activity::<0>);
    w.worker = false;
    w.task();
    w.cancel().unwrap();
    w.task().task();
    assert_eq!(w.replayed_history(), scenario("A11"));
}

#[test]
fn a17_terminate_needs_no_guest() {
    let mut w = World::start(cleanup::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.terminate();
    let expected = scenario("row35_terminate_during_cleanup");
    assert_eq!(w.replayed_history(), expected);
    assert_eq!(w.cancel(), Err(InputError::Closed));
}

#[test]
fn r11_what_comes_first_in_history_wins() {
    // The close first: the value counts, whatever the type.
    for make in [
        one_activity::<0> as fn() -> Script,
        one_activity::<1>,
        one_activity::<2>,
    ] {
        let mut w = World::start(make);
        w.task();
        w.complete("Work");
        w.cancel().unwrap();
        w.task();
        assert_eq!(w.replayed_history(), "WES,T,AS,AB,AC,Ts,CR,Tb,Tc,WC");
    }
    // The request first: waiting takes the real outcome, the others are canceled, none sends a
    // command.
    for (make, expected) in [
        (one_activity::<0> as fn() -> Script, scenario("row13_wait")),
        (one_activity::<1>, scenario("row13_completes_before_wft")),
        (one_activity::<2>, scenario("row13_completes_before_wft")),
    ] {
        let mut w = World::start(make);
        w.task();
        w.cancel().unwrap();
        w.complete("Work");
        w.task();
        assert_eq!(w.replayed_history(), expected);
    }
    // A timer that fires after the request in the same task: no TC.
    let mut w = World::start(sleeper);
    w.task();
    w.cancel().unwrap();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), scenario("row3_timer_fired_first"));
}

#[test]
fn r10_what_is_canceled_before_it_is_sent_leaves_no_trace() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let scope = guest.scope(ROOT, ScopeKind::Timeout(Millis(5)));
                guest.activity(scope, "Work", Wait);
                let timer = guest.timer(ROOT, 1);
                guest.command(Command::CancelScope {
                    scope,
                    reason: "changed my mind".into(),
                });
                guest.command(Command::CancelOperation { operation: timer });
            }
            GuestEvent::TimerFired(_, outcome) => guest.fail(&outcome.clone().unwrap_err()),
            _ => {}
        })
    });
    w.task();
    // A cancellation that nobody requested is a failure (R12).
    assert_eq!(w.replayed_history(), "WES,T,WF");
}

#[test]
fn another_guest_is_a_nondeterminism_error_that_names_event_and_commands() {
    let mut w = World::start(sleeper);
    w.task();
    w.cancel().unwrap();
    let Err(ReplayError::Task(failure)) = w.reload_with(one_activity::<0>) else {
        panic!("a different command replays");
    };
    let difference = failure.nondeterminism.unwrap();
    assert_eq!(difference.event_id, EventId(5));
    assert_eq!(difference.recorded, "start timer of 3600000 ms in scope 0");
    assert_eq!(difference.attempted, "schedule activity Work in scope 0");
    let Err(ReplayError::Task(failure)) = w.reload_with(|| Box::new(|_, _| ())) else {
        panic!("a missing command replays");
    };
    let difference = failure.nondeterminism.unwrap();
    assert_eq!(
        difference.attempted,
        "no further command in this activation"
    );
    // The run is as it was: the right guest goes on.
    w.evict();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,WX");
}

#[test]
fn signals_before_the_first_task_are_delivered_before_the_start() {
    let mut w = World::start(|| {
        let mut seen = Vec::new();
        Box::new(move |event, guest| {
            seen.push(match event {
                GuestEvent::Initialize { .. } => "start".to_owned(),
                GuestEvent::SignalReceived(signal) => signal.name.clone(),
                GuestEvent::CancelRequested(_) => "cancel".to_owned(),
                other => panic!("unexpected {other:?}"),
            });
            if seen.len() == 4 {
                guest.complete(&format!("\"{}\"", seen.join(" ")));
            }
        })
    });
    w.signal("one");
    w.cancel().unwrap();
    w.signal("two");
    w.task();
    let Status::Completed { result } = w.run().status() else {
        panic!("not completed")
    };
    assert_eq!(result.data, b"\"one two start cancel\"");
}

#[test]
fn r39_a_repeated_signal_is_recorded_once() {
    let mut w = World::start(sleeper);
    let signal = |request_id: &str| {
        Input::Signaled(Signal {
            request_id: request_id.into(),
            ..Signal::default()
        })
    };
    w.append(signal("one")).unwrap();
    w.task();
    w.evict();
    assert_eq!(w.append(signal("one")), Err(InputError::Duplicate));
    w.append(signal("two")).unwrap();
    w.append(signal("")).unwrap();
    w.append(signal("")).unwrap();
    assert_eq!(w.history(), "WES,Ts,SG,Tb,Tc,TS,SG,Ts,SG,SG");
}
