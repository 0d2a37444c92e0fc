//! Capabilities that the semantics list (S1 to S60) and rules about scopes, one test each, where no
//! scenario shows them.

use super::relatives::start_child;
use super::{ROOT, cleanup, propagate};
use crate::support::{Script, World, call};
use CancellationType::{TryCancel, WaitCancellationCompleted as Wait};
use sandglass_engine::*;

fn timer_in(scope: ScopeId) -> Command {
    let duration = Millis::from_secs(1);
    Command::StartTimer { scope, duration }
}

/// The scheduled or started events that the cancel commands of a history name, in their order.
fn canceled(w: &World) -> Vec<u64> {
    let ids = w.events.iter().filter_map(|event| match event.attributes {
        EventAttributes::TimerCanceled {
            started_event_id: id,
            ..
        }
        | EventAttributes::ActivityTaskCancelRequested {
            scheduled_event_id: id,
            ..
        } => Some(id.0),
        _ => None,
    });
    ids.collect()
}

#[test]
fn s4_no_child_starts_in_a_canceled_scope() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 60),
            GuestEvent::CancelRequested(_) => {
                let child = start_child(ChildCancellation::default());
                let Answer::Refused(failure) = guest.command(child) else {
                    panic!("a canceled scope starts a child");
                };
                assert!(failure.is_cancellation());
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,WC");
}

#[test]
fn r21_activities_and_children_are_waited_for_by_default() {
    assert_eq!(CancellationType::default(), Wait);
    assert_eq!(ActivityCall::default().cancellation, Wait);
    let child = ChildCancellation::WaitCancellationCompleted;
    assert_eq!(ChildCall::default().cancellation, child);
}

#[test]
fn s7_an_activity_in_a_shield_never_hears_of_a_request_that_the_code_ignores() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let shield = guest.scope(ROOT, ScopeKind::Shielded);
                guest.activity(shield, "Work", Wait);
            }
            other => propagate(other, guest),
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.pending("Work").cancel_requested, None);
    let now = w.now;
    let answer = w.pending("Work").heartbeat(now, vec![]);
    assert_eq!(answer, HeartbeatAnswer::Active);
    w.complete("Work");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,AS,CR,T,AB,AC,T,WC");
}

/// Each command that a canceled scope does not take (R7).
fn all_that_starts_something(scope: ScopeId) -> [Command; 7] {
    let target = || Target {
        workflow_id: "x".into(),
        run_id: None,
    };
    [
        timer_in(scope),
        Command::ScheduleActivity {
            scope,
            call: call("Work", Wait),
        },
        Command::ScheduleLocalActivity {
            scope,
            call: call("Local", Wait),
            retry_threshold: None,
        },
        Command::OpenWait {
            scope,
            label: "flag".into(),
        },
        Command::StartChild {
            scope,
            call: ChildCall {
                workflow_type: "c".into(),
                ..ChildCall::default()
            },
        },
        Command::SignalExternal {
            scope,
            target: target(),
            name: "s".into(),
            arguments: vec![],
            header: vec![],
        },
        Command::CancelExternal {
            scope,
            target: target(),
            reason: "r".into(),
        },
    ]
}

#[test]
fn s16_a_scope_canceled_by_the_code_starts_nothing_and_the_root_goes_on() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let scope = guest.scope(ROOT, ScopeKind::Cancellable);
                let reason = "enough".into();
                guest.command(Command::CancelScope { scope, reason });
                for refused in all_that_starts_something(scope) {
                    let name = format!("{refused:?}");
                    let Answer::Refused(failure) = guest.command(refused) else {
                        panic!("a canceled scope takes {name}");
                    };
                    assert!(failure.is_cancellation(), "{name}");
                    assert_eq!(failure.message, "enough");
                }
                guest.timer(ROOT, 1);
            }
            other => propagate(other, guest),
        })
    });
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TF,T,WC");
}

#[test]
fn s28_a_request_cancels_the_scopes_below_the_root_and_no_detached_one() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                for kind in [ScopeKind::Cancellable, ScopeKind::Detached] {
                    let scope = guest.scope(ROOT, kind);
                    guest.timer(scope, 60);
                }
            }
            GuestEvent::CancelRequested(_) => {
                let told = [0, 1, 2].map(|id| guest.cancel_info(ScopeId(id)).is_some());
                assert_eq!(told, [true, true, false]);
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TS,CR,T,TC,WC");
    assert_eq!(canceled(&w), [5]);
}

/// Cleans up with three activities, one after the other, and a timer.
fn long_cleanup() -> Script {
    let (mut canceled, mut step, mut shield) = (None, 0, None);
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        GuestEvent::TimerFired(_, Err(failure)) => {
            canceled = Some(failure.clone());
            let scope = guest.scope(ROOT, ScopeKind::Detached);
            shield = Some(scope);
            guest.activity(scope, "Cleanup", Wait);
        }
        GuestEvent::ActivityResolved(_, Ok(_)) => {
            step += 1;
            if step < 3 {
                guest.activity(shield.unwrap(), "Cleanup", Wait);
            } else {
                guest.timer(shield.unwrap(), 2);
            }
        }
        GuestEvent::TimerFired(_, Ok(())) => guest.fail(canceled.as_ref().unwrap()),
        _ => {}
    })
}

#[test]
fn s34_a_cleanup_may_take_as_many_tasks_as_it_needs() {
    let mut w = World::start(long_cleanup);
    w.task();
    w.cancel().unwrap();
    w.task();
    for _ in 0..3 {
        assert_eq!(w.run().status(), &Status::Running);
        w.complete("Cleanup");
        w.evict();
        w.task();
    }
    assert_eq!(w.run().status(), &Status::Running);
    w.fire();
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,TS,CR,T,TC,AS,AB,AC,T,AS,AB,AC,T,AS,AB,AC,T,TS,TF,T,WX"
    );
}

/// Cleans up only if its timer ended by a cancellation.
fn guarded_cleanup() -> Script {
    let mut ended = None;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 60),
        GuestEvent::TimerFired(_, Err(failure)) if failure.is_cancellation() => {
            ended = Some(failure.clone());
            let scope = guest.scope(ROOT, ScopeKind::Detached);
            guest.activity(scope, "Cleanup", Wait);
        }
        GuestEvent::ActivityResolved(..) => guest.fail(ended.as_ref().unwrap()),
        other => propagate(other, guest),
    })
}

#[test]
fn s35_a_cleanup_that_asks_for_a_cancellation_runs_only_on_one() {
    let mut w = World::start(guarded_cleanup);
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TF,T,WC");
    let mut w = World::start(guarded_cleanup);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.complete("Cleanup");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,AS,AB,AC,T,WX");
}

#[test]
fn s36_a_failing_cleanup_that_is_caught_leaves_the_run_canceled() {
    let mut w = World::start(cleanup::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    let failed = Report::Failed(Failure::application("E", "e"));
    w.report("Cleanup", failed);
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,AS,AB,AF,T,WX");
}

#[test]
fn r9_a_scope_cancels_its_own_operations_in_order_and_then_those_below() {
    let mut w = World::start(|| {
        Box::new(|event, guest| {
            if matches!(event, GuestEvent::Initialize { .. }) {
                let outer = guest.scope(ROOT, ScopeKind::Cancellable);
                let inner = guest.scope(outer, ScopeKind::Cancellable);
                let beside = guest.scope(ROOT, ScopeKind::Cancellable);
                // Events 5 to 11.
                guest.timer(beside, 60);
                guest.activity(inner, "Work", TryCancel);
                guest.timer(ROOT, 60);
                guest.activity(outer, "Work", TryCancel);
                guest.timer(inner, 60);
                guest.timer(outer, 60);
                guest.activity(ROOT, "Work", TryCancel);
            }
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(canceled(&w), [7, 11, 8, 10, 6, 9, 5]);
    w.replayed_history();
}

#[test]
fn r35_the_first_reason_of_a_scope_stays() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let scope = guest.scope(ROOT, ScopeKind::Cancellable);
                guest.timer(scope, 60);
                for reason in ["first", "second"] {
                    let reason = reason.into();
                    guest.command(Command::CancelScope { scope, reason });
                }
                assert_eq!(guest.cancel_info(scope).unwrap().reason, "first");
                guest.timer(ROOT, 60);
            }
            GuestEvent::CancelRequested(_) => {
                // Its parent is canceled after it.
                assert_eq!(guest.cancel_info(ScopeId(1)).unwrap().reason, "first");
                assert_eq!(guest.cancel_info(ROOT).unwrap().reason, "r1");
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,WC");
}
