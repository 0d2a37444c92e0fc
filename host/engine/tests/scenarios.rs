//! The scenarios of the semantics that need no host, and the rules of cancellation one by one.
//!
//! Guests are scripts, so that each history shows what the engine does and nothing else.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "scenarios/random.rs"]
mod random;
#[path = "scenarios/support.rs"]
mod support;

use CancellationType::{Abandon, TryCancel, WaitCancellationCompleted as Wait};
use sandglass_engine::*;
use support::{Script, World, call};

const ROOT: ScopeId = ScopeId::ROOT;

type Make = fn() -> Script;

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
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,WX");
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
    assert_eq!(w.replayed_history(), "WES,Ts,CR,Tb,Tc,WX");
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
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TF,T,WC");
}

#[test]
fn a05_and_a06_cleanup_runs_in_a_detached_scope() {
    for (make, end) in [
        (cleanup::<true> as fn() -> Script, "WX"),
        (cleanup::<false>, "WC"),
    ] {
        let mut w = World::start(make);
        w.task();
        w.cancel().unwrap();
        w.task();
        w.complete("Cleanup");
        w.evict();
        w.task();
        assert_eq!(
            w.replayed_history(),
            format!("WES,T,TS,CR,T,TC,AS,AB,AC,T,{end}")
        );
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
    assert_eq!(
        w.replayed_history(),
        "WES,T,AS,TS,AS,TS,CR,T,ACR,TC,ACR,TC,WX"
    );
}

#[test]
fn a08_and_a09_waiting_takes_whatever_the_activity_reports() {
    let cases = [
        (Report::Canceled(vec![Payload::json("\"d\"")]), "AX,T,WX"),
        (Report::Completed(Payload::json("7")), "AC,T,WC"),
        (Report::Failed(Failure::application("E", "e")), "AF,T,WF"),
    ];
    for (report, end) in cases {
        let mut w = World::start(one_activity::<0>);
        w.task();
        w.cancel().unwrap();
        w.task();
        w.report("Work", report);
        w.task();
        assert_eq!(w.replayed_history(), format!("WES,T,AS,CR,T,ACR,AB,{end}"));
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
        (one_activity::<1> as fn() -> Script, "WES,T,AS,CR,T,ACR,WX"),
        (one_activity::<2>, "WES,T,AS,CR,T,WX"),
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

#[test]
fn a11_an_activity_that_was_never_begun_is_canceled_at_once() {
    let mut w = World::start(one_activity::<0>);
    w.worker = false;
    w.task();
    w.cancel().unwrap();
    w.task().task();
    assert_eq!(w.replayed_history(), "WES,T,AS,CR,T,ACR,AX,T,WX");
}

#[test]
fn a17_terminate_needs_no_guest() {
    let mut w = World::start(cleanup::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    let (reason, identity) = ("t".to_owned(), "op".to_owned());
    w.append(Input::Terminated {
        reason,
        identity,
        details: vec![],
    })
    .unwrap();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,AS,WK");
    assert_eq!(w.cancel(), Err(InputError::Closed));
}

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

fn saga() -> Script {
    let mut step = 0;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } | GuestEvent::ActivityResolved(_, Ok(_)) => {
            let Some(name) = ["A", "B", "C"].get(step) else {
                return guest.complete("1");
            };
            step += 1;
            let operation = guest.activity(ROOT, name, Wait);
            guest.compensation(operation, &name.to_lowercase());
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

#[test]
fn a21_compensations_run_in_reverse_without_any_cancel_handling() {
    let prefix = "WES,T,AS,AB,AC,T,AS,AB,AC,T,AS,CR,T,ACR,AB";
    for (accepts, tail) in [
        (true, "AX,T,AS,AB,AC,T,AS,AB,AC,T,WX"),
        (false, "AF,T,AS,AB,AC,T,AS,AB,AC,T,WF"),
    ] {
        let mut w = World::start(saga);
        for name in ["A", "B"] {
            w.task();
            w.complete(name);
        }
        w.task();
        w.cancel().unwrap();
        w.task();
        let report = match accepts {
            true => Report::Canceled(vec![]),
            false => Report::Failed(Failure::application("E", "e")),
        };
        w.report("C", report);
        for name in ["b", "a"] {
            w.evict();
            w.task();
            w.complete(name);
        }
        w.task();
        assert_eq!(w.replayed_history(), format!("{prefix},{tail}"));
    }
}

#[test]
fn a_failing_compensation_does_not_stop_the_others() {
    let mut w = World::start(saga);
    for name in ["A", "B"] {
        w.task();
        w.complete(name);
    }
    w.task();
    w.report("C", Report::Failed(Failure::application("E", "e")));
    w.task();
    w.report(
        "b",
        Report::Failed(Failure::application("Broken", "no undo")),
    );
    w.task();
    w.complete("a");
    w.task();
    assert!(w.replayed_history().ends_with("AB,AF,T,AS,AB,AC,T,WF"));
    assert_eq!(
        w.run().summary().uncompensated,
        ["activity b failed: Broken: no undo"]
    );
}

#[test]
fn compensations_wait_for_an_operation_that_was_not_waited_for() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let operation = guest.activity(ROOT, "A", TryCancel);
                guest.compensation(operation, "a");
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    // The run has its outcome, but A may still have its effect.
    assert_eq!(w.history(), "WES,T,AS,CR,T,ACR");
    w.complete("A");
    w.task();
    let undone = w.pending("a").call.header.clone();
    assert_eq!(undone, [("undoes".to_owned(), Payload::json("\"run/5\""))]);
    w.complete("a");
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,AS,CR,T,ACR,AB,AC,T,AS,AB,AC,T,WX"
    );
}

fn timeout_scope() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let scope = guest.scope(ROOT, ScopeKind::Timeout(Millis::from_secs(1)));
            guest.activity(scope, "X", Wait);
        }
        GuestEvent::ScopeCanceled(_, info) => assert_eq!(info.cause, CancelCause::Timeout),
        GuestEvent::ActivityResolved(_, outcome) => {
            guest.command(Command::CloseScope { scope: ScopeId(1) });
            guest.complete(if outcome.is_ok() {
                "1"
            } else {
                "\"timed out\""
            });
        }
        _ => {}
    })
}

#[test]
fn a23_a_timeout_scope_cancels_what_is_in_it() {
    let mut w = World::start(timeout_scope);
    w.task();
    w.fire();
    w.task();
    w.report("X", Report::Canceled(vec![]));
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,AS,TF,T,ACR,AB,AX,T,WC");

    let mut w = World::start(timeout_scope);
    w.task();
    w.complete("X");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,AS,AB,AC,T,TC,WC");
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
    for (make, end) in [
        (one_activity::<0> as fn() -> Script, "WC"),
        (one_activity::<1>, "WX"),
    ] {
        let mut w = World::start(make);
        w.task();
        w.cancel().unwrap();
        w.complete("Work");
        w.task();
        assert_eq!(
            w.replayed_history(),
            format!("WES,T,AS,CR,Ts,AB,AC,Tb,Tc,{end}")
        );
    }
    // A timer that fires after the request in the same task: no TC.
    let mut w = World::start(sleeper);
    w.task();
    w.cancel().unwrap();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,Ts,TF,Tb,Tc,WX");
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
fn r7_a_canceled_scope_starts_nothing_but_shields_work() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 60),
            GuestEvent::CancelRequested(_) => {
                for _ in 0..2 {
                    let call = call("Work", Wait);
                    let answer = guest.command(Command::ScheduleActivity { scope: ROOT, call });
                    let Answer::Refused(failure) = answer else {
                        panic!("{answer:?}")
                    };
                    assert!(failure.is_cancellation());
                    assert_eq!(failure.message, "r1");
                }
                let born = guest.scope(ROOT, ScopeKind::Timeout(Millis(5)));
                let duration = Millis(1);
                let answer = guest.command(Command::StartTimer {
                    scope: born,
                    duration,
                });
                assert!(matches!(answer, Answer::Refused(_)));
                let shield = guest.scope(ROOT, ScopeKind::Shielded);
                // The refused commands used no number: this is the second operation.
                assert_eq!(guest.timer(shield, 1), OperationId(2));
            }
            GuestEvent::TimerFired(OperationId(2), Ok(())) => guest.complete("1"),
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,TS,TF,T,WC");
}

#[test]
fn s27_canceling_a_scope_leaves_the_rest_alone() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let scope = guest.scope(ROOT, ScopeKind::Cancellable);
                guest.timer(scope, 60);
                guest.timer(ROOT, 1);
            }
            GuestEvent::SignalReceived(_) => {
                let (scope, reason) = (ScopeId(1), "enough".into());
                guest.command(Command::CancelScope { scope, reason });
            }
            GuestEvent::TimerFired(OperationId(2), Ok(())) => guest.complete("1"),
            _ => {}
        })
    });
    w.task();
    w.signal("go");
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TS,SG,T,TC,TF,T,WC");
}

/// Opens a scope of the second kind in one of the first, a timer in each, and cancels the first.
fn nested<const PARENT: u8, const CHILD: u8>() -> Script {
    const KINDS: [ScopeKind; 3] = [
        ScopeKind::Cancellable,
        ScopeKind::Shielded,
        ScopeKind::Detached,
    ];
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let parent = guest.scope(ROOT, KINDS[usize::from(PARENT)]);
            let child = guest.scope(parent, KINDS[usize::from(CHILD)]);
            guest.timer(parent, 60);
            guest.timer(child, 60);
        }
        GuestEvent::SignalReceived(_) => {
            let (scope, reason) = (ScopeId(1), "code".into());
            guest.command(Command::CancelScope { scope, reason });
        }
        GuestEvent::ScopeCanceled(ScopeId(2), info) => assert_eq!(info.cause, CancelCause::Parent),
        _ => {}
    })
}

#[test]
fn the_truth_table_of_nested_scopes_holds() {
    // Parent, child, timers canceled, child told.
    let table: [(Make, &str, bool); 5] = [
        (nested::<0, 0>, "TC,TC", true),
        (nested::<0, 1>, "TC", true),
        (nested::<0, 2>, "TC", false),
        (nested::<1, 0>, "", false),
        (nested::<2, 0>, "TC,TC", true),
    ];
    for (row, (make, canceled, told)) in table.into_iter().enumerate() {
        let mut w = World::start(make);
        w.task();
        w.signal("cancel");
        w.task();
        let expected = format!("WES,T,TS,TS,SG,T,{canceled}");
        assert_eq!(
            w.replayed_history(),
            expected.trim_end_matches(','),
            "row {row}"
        );
        let task = w.run().clone();
        w.signal("look");
        drop(task);
        let info = w
            .run()
            .clone()
            .begin(w.now, Digest::default())
            .cancel_info(ScopeId(2))
            .unwrap();
        assert_eq!(info.is_some(), told, "row {row}");
    }
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
fn a_run_timeout_is_a_timer_on_the_start_event() {
    let mut run = Run::new(Limits::default());
    let start = Start {
        run_timeout: Some(Millis(50)),
        ..Start::default()
    };
    run.append(Timestamp(100), Input::Started(Box::new(start)))
        .unwrap();
    let timer = PendingTimer {
        started_event_id: EventId(1),
        due: Timestamp(150),
    };
    assert_eq!(run.take_frame().unwrap().changes.timers_started, [timer]);
    run.append(Timestamp(150), Input::TimedOut).unwrap();
    let output = run.take_frame().unwrap();
    assert!(output.changes.closed);
    assert_eq!(shorthand(&output.events), "WTO");
}

/// Commands that a run of these limits takes, before one that it does not; and the failure's type.
fn taken(limits: Limits, mut command: impl FnMut(usize) -> Command) -> (usize, String) {
    let mut run = Run::new(limits);
    run.append(Timestamp(1), Input::Started(Box::default()))
        .unwrap();
    let mut task = run.begin(Timestamp(1), Digest::default());
    task.next().unwrap();
    for count in 0.. {
        if let Err(failure) = task.command(command(count)) {
            assert!(task.finish().is_err(), "the task has failed");
            return (count, failure.failure.type_name());
        }
    }
    unreachable!("a limit ends the loop")
}

#[test]
fn limits_are_checked_at_the_call() {
    let limits = Limits {
        commands_per_task: 20,
        payload_bytes_per_task: 1000,
        pending_timers: 5,
        pending_activities: 6,
        scopes_and_waits: 7,
    };
    let timer = |_| Command::StartTimer {
        scope: ROOT,
        duration: Millis(1),
    };
    let activity = |_| Command::ScheduleActivity {
        scope: ROOT,
        call: call("Work", Wait),
    };
    let wait = |_| Command::OpenWait {
        scope: ROOT,
        label: String::new(),
    };
    let scope = |kind| move |_| Command::OpenScope { parent: ROOT, kind };
    let large = |_| Command::PushCompensation {
        scope: ROOT,
        undoes: None,
        call: ActivityCall {
            arguments: vec![Payload {
                metadata: vec![],
                data: vec![0; 300],
            }],
            ..call("Undo", Wait)
        },
        when: CompensateWhen::Always,
    };
    let exceeded = |count| (count, "CommandLimitExceeded".to_owned());
    assert_eq!(taken(limits, timer), exceeded(5));
    assert_eq!(
        taken(limits, scope(ScopeKind::Timeout(Millis(1)))),
        exceeded(5)
    );
    let pending = (6, "PendingActivitiesLimitExceeded".to_owned());
    assert_eq!(taken(limits, activity), pending);
    // The root scope counts as well.
    assert_eq!(taken(limits, wait), exceeded(6));
    assert_eq!(taken(limits, scope(ScopeKind::Shielded)), exceeded(6));
    assert_eq!(taken(limits, large), exceeded(3));
    let compensate = |_| Command::Compensate { scope: ROOT };
    assert_eq!(taken(limits, compensate), exceeded(20));
    // Timers and activities do not count against each other, and what is canceled counts no more.
    let mixed = |count: usize| match count % 3 {
        0 => timer(count),
        1 => Command::CancelOperation {
            operation: OperationId(1 + count as u64 / 3 * 2),
        },
        _ => activity(count),
    };
    assert_eq!(taken(limits, mixed), exceeded(20));
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

#[test]
fn a_guest_cannot_cancel_what_the_host_runs() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.activity(ROOT, "A", Wait),
            GuestEvent::ActivityResolved(operation, _) => {
                guest.compensation(*operation, "a");
                let round = guest.operation(Command::Compensate { scope: ROOT });
                for number in [round.0, round.0 + 1] {
                    let operation = OperationId(number);
                    guest.command(Command::CancelOperation { operation });
                }
            }
            GuestEvent::Compensated(_, outcome) => {
                assert!(outcome.is_ok());
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.complete("A");
    w.task();
    w.complete("a");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,AS,AB,AC,T,AS,AB,AC,T,WC");
}
