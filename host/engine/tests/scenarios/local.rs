//! Local activities (S59, A22, rows 15 and 16 of table A1, section C): inside of a workflow task.

use crate::support::{Script, World, call};
use crate::{Abandon, ROOT, TryCancel, Wait, propagate};
use sandglass_engine::*;
use sandglass_semantics::scenario;
use std::cell::RefCell;

fn one_local<const TYPE: u8>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            _ = guest.local(ROOT, "Local", [Wait, TryCancel, Abandon][usize::from(TYPE)]);
        }
        other => propagate(other, guest),
    })
}

pub(crate) fn done(value: &str) -> Report {
    Report::Completed(Payload::json(value))
}

pub(crate) fn failed() -> Report {
    Report::Failed(Failure::application("E", "e"))
}

/// Failure and details of the markers, in order.
fn markers(w: &World) -> Vec<(Option<Failure>, serde_json::Value, bool)> {
    let marker = |event: &HistoryEvent| match &event.attributes {
        EventAttributes::MarkerRecorded {
            marker_name,
            details,
            failure,
            ..
        } => {
            assert_eq!(marker_name, "core_local_activity");
            let (key, data) = &details[0];
            assert_eq!(key, "data");
            let data = serde_json::from_slice(&data[0].data).unwrap();
            Some((failure.clone(), data, details.len() == 2))
        }
        _ => None,
    };
    w.events.iter().filter_map(marker).collect()
}

/// The request to cancel arrives while a task waits: that one ends at once.
pub(crate) fn cancel(w: &mut World) {
    w.end_task();
    w.cancel().unwrap();
    w.task();
}

#[test]
fn a_result_is_recorded_in_the_task_that_hosts_it() {
    let mut w = World::start(one_local::<0>);
    w.task();
    assert!(w.is_hosting());
    w.local("Local", done("7"));
    assert_eq!(w.replayed_history(), "WES,T,MR,WC");
    let [(failure, data, result)] = &markers(&w)[..] else {
        panic!("one marker");
    };
    assert!(failure.is_none() && *result);
    assert_eq!((&data["attempt"], &data["seq"]), (&1.into(), &1.into()));
    assert_eq!(data["activity_type"], "Local");
    assert_eq!(
        w.frames.len(),
        2,
        "the start, and one commit that has it all"
    );
}

#[test]
fn a22_a_request_ends_the_task_that_hosts_it() {
    for make in [one_local::<1>, one_local::<2>] {
        let mut w = World::start(make);
        w.task();
        cancel(&mut w);
        assert_eq!(w.replayed_history(), scenario("A22"));
        let (failure, _, result) = markers(&w).remove(0);
        assert!(matches!(failure.unwrap().info, FailureInfo::Canceled { .. }) && !result);
        assert!(matches!(w.run().status(), Status::Canceled { .. }));
    }
}

#[test]
fn row_15_try_cancel_tells_it_and_abandon_does_not() {
    let told = |make: fn() -> Script| {
        let mut w = World::start(make);
        w.task();
        cancel(&mut w);
        (w.told.clone(), w.history())
    };
    let asked = vec![("Local".to_owned(), "r1".to_owned())];
    assert_eq!(told(one_local::<1>), (asked, "WES,T,CR,T,MR,WX".into()));
    assert_eq!(told(one_local::<2>), (vec![], "WES,T,CR,T,MR,WX".into()));
}

#[test]
fn row_16_wait_records_how_it_ended() {
    let ends = |report: Report| {
        let mut w = World::start(one_local::<0>);
        w.task();
        cancel(&mut w);
        assert_eq!(w.told.len(), 1);
        assert!(w.is_hosting(), "its end is waited for");
        w.local("Local", report);
        (w.replayed_history(), markers(&w).remove(0).0)
    };
    let (history, failure) = ends(Report::Canceled(vec![]));
    assert_eq!(history, scenario("row16_local_wait"));
    assert!(matches!(
        failure.unwrap().info,
        FailureInfo::Canceled { .. }
    ));
    let (history, failure) = ends(done("7"));
    assert_eq!((history.as_str(), failure), ("WES,T,CR,T,MR,WC", None));
    // There is no other attempt after the request.
    let (history, failure) = ends(failed());
    assert_eq!(history, "WES,T,CR,T,MR,WF");
    assert_eq!(failure.unwrap().type_name(), "E");
}

#[test]
fn while_it_runs_one_workflow_task_follows_the_other() {
    let mut w = World::start(one_local::<0>);
    w.task();
    w.end_task();
    assert_eq!(w.history(), "WES,T");
    assert!(w.run().wants_task(), "another task waits for it");
    w.task();
    w.end_task();
    w.task();
    w.local("Local", done("7"));
    assert_eq!(w.replayed_history(), "WES,T,T,T,MR,WC");
}

#[test]
fn what_arrives_meanwhile_stands_after_the_task() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.local(ROOT, "Local", Wait),
            GuestEvent::SignalReceived(_) => _ = guest.timer(ROOT, 5),
            other => propagate(other, guest),
        })
    });
    w.task();
    w.end_task();
    w.signal("s");
    w.task();
    w.local("Local", done("7"));
    assert_eq!(w.replayed_history(), "WES,T,SG,T,TS,MR,WC");
}

#[test]
fn one_that_is_canceled_before_it_begins_leaves_no_event() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let operation = guest.local(ROOT, "Local", Wait);
                guest.command(Command::CancelOperation { operation });
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => {
                let settled = failure
                    .chain()
                    .any(|link| matches!(link.info, FailureInfo::Canceled { settled: true, .. }));
                assert!(settled, "{failure:?}");
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,WC");
    assert!(w.locals.is_empty());
}

#[test]
fn a_request_in_the_same_task_takes_it_back() {
    let mut w = World::start(one_local::<0>);
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,Ts,CR,Tb,Tc,WX");
}

#[test]
fn a_crash_before_the_commit_runs_it_again_and_one_after_does_not() {
    let two = || -> Script {
        let mut ended = 0;
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => {
                guest.local(ROOT, "First", Wait);
                guest.local(ROOT, "Second", Wait);
            }
            GuestEvent::ActivityResolved(..) => {
                ended += 1;
                if ended == 2 {
                    guest.complete("2");
                }
            }
            _ => {}
        })
    };
    let mut w = World::start(two);
    w.task();
    w.local("First", done("1"));
    w.crash();
    w.task();
    assert_eq!(w.locals.len(), 2, "nothing was committed: both run again");
    w.local("First", done("1"));
    w.end_task();
    w.crash();
    w.task();
    let names: Vec<_> = w
        .locals
        .values()
        .map(|local| &local.pending.call.activity_type)
        .collect();
    assert_eq!(names, ["Second"], "what was committed never runs again");
    w.local("Second", done("2"));
    assert_eq!(w.replayed_history(), "WES,T,MR,T,MR,WC");
}

#[test]
fn the_key_of_its_effect_outlives_a_crash() {
    let mut w = World::start(one_local::<0>);
    w.task();
    let key = |w: &World| w.locals.values().next().unwrap().idempotency_key.clone();
    let before = key(&w);
    w.crash();
    w.task();
    assert_eq!((key(&w), before.as_str()), (before.clone(), "run/local-1"));
}

#[test]
fn a_request_that_a_crash_left_undelivered_ends_it_without_another_attempt() {
    let mut w = World::start(one_local::<0>);
    w.task();
    cancel(&mut w);
    w.end_task();
    w.crash();
    w.task();
    assert!(w.locals.is_empty());
    assert_eq!(w.replayed_history(), "WES,T,CR,T,T,MR,WX");
    // Its body ran until the crash: nobody knows what it did.
    let failure = markers(&w).remove(0).0.unwrap();
    assert!(matches!(
        failure.info,
        FailureInfo::Canceled { settled: false, .. }
    ));
}

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn results_are_told_and_recorded_in_the_order_in_which_they_came() {
    let three = || -> Script {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                for name in ["A", "B", "C"] {
                    guest.local(ROOT, name, Wait);
                }
            }
            GuestEvent::ActivityResolved(operation, Ok(_)) => {
                SEEN.with_borrow_mut(|seen| seen.push(operation.to_string()));
                if operation.0 == 2 {
                    guest.timer(ROOT, 60);
                }
            }
            _ => {}
        })
    };
    let mut w = World::start(three);
    w.task();
    for name in ["C", "A", "B"] {
        w.local(name, done("1"));
    }
    assert_eq!(SEEN.take(), ["3", "1", "2"]);
    // The timer stands where the code asked for it: after the marker of what it was told.
    assert_eq!(w.replayed_history(), "WES,T,MR,MR,MR,TS");
    assert!(SEEN.take().ends_with(&["3".into(), "1".into(), "2".into()]));
    let order: Vec<_> = markers(&w)
        .into_iter()
        .map(|(_, data, _)| data["seq"].clone())
        .collect();
    assert_eq!(order, [3, 1, 2]);
}

/// A local activity that is tried again after 1 s, 2 s, and so on, up to a threshold.
fn retried() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let call = ActivityCall {
                retry: None,
                ..call("Local", Wait)
            };
            guest.operation(Command::ScheduleLocalActivity {
                scope: ROOT,
                call,
                retry_threshold: Some(Millis(1_500)),
            });
        }
        other => propagate(other, guest),
    })
}

#[test]
fn a_short_wait_passes_in_the_task_and_a_long_one_is_a_timer() {
    let mut w = World::start(retried);
    w.task();
    w.local("Local", failed());
    assert!(w.is_hosting(), "1 s is waited for here");
    w.local("Local", failed());
    assert_eq!(w.history(), "WES,T,MR,TS", "2 s are a timer");
    let (failure, data, _) = markers(&w).remove(0);
    assert_eq!(failure.unwrap().type_name(), "E");
    assert_eq!(
        (&data["attempt"], &data["backoff"]),
        (&2.into(), &2000.into())
    );
    w.evict();
    w.fire();
    w.task();
    let local = w.locals.values().next().unwrap();
    assert_eq!(local.pending.attempt, 3);
    w.local("Local", done("7"));
    assert_eq!(w.replayed_history(), "WES,T,MR,TS,TF,T,MR,WC");
    assert_eq!(markers(&w)[1].1["attempt"], 3);
}

#[test]
fn the_end_of_the_run_leaves_the_timer_of_an_attempt_alone() {
    let mut w = World::start(|| {
        let mut inner = retried();
        Box::new(move |event, guest| match event {
            GuestEvent::SignalReceived(_) => guest.complete("1"),
            other => inner(other, guest),
        })
    });
    w.task();
    w.local("Local", failed());
    w.local("Local", failed());
    w.signal("s");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,MR,TS,SG,T,WC");
}

#[test]
fn a_request_between_two_attempts_stops_the_timer() {
    let mut w = World::start(retried);
    w.task();
    w.local("Local", failed());
    w.local("Local", failed());
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,MR,TS,CR,T,TC,MR,WX");
}

#[test]
fn a_timer_that_fires_together_with_the_request_starts_no_attempt() {
    let mut w = World::start(retried);
    w.task();
    w.local("Local", failed());
    w.local("Local", failed());
    w.cancel().unwrap();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,MR,TS,CR,Ts,TF,Tb,Tc,MR,WX");
    assert!(w.locals.is_empty());
}

#[test]
fn the_wait_for_its_end_may_have_a_limit() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                _ = guest.local(ROOT, "Local", CancellationType::WaitAtMost(Millis(5)));
            }
            other => propagate(other, guest),
        })
    });
    w.task();
    cancel(&mut w);
    let operation = *w.locals.keys().next().unwrap();
    w.resolve(LocalResolution {
        operation,
        attempt: 1,
        at: w.now,
        outcome: LocalOutcome::Unsettled,
        unsettled: false,
    });
    assert_eq!(w.replayed_history(), "WES,T,CR,T,MR,WX");
    let failure = markers(&w).remove(0).0.unwrap();
    assert!(matches!(
        failure.info,
        FailureInfo::Canceled { settled: false, .. }
    ));
}

#[test]
fn what_was_told_to_nobody_is_not_recorded() {
    // The result comes while the task that cancels it runs.
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                guest.local(ROOT, "Slow", TryCancel);
                guest.local(ROOT, "Quick", Wait);
            }
            GuestEvent::ActivityResolved(operation, Ok(_)) => {
                assert_eq!(operation.0, 2);
                let operation = OperationId(1);
                guest.command(Command::CancelOperation { operation });
            }
            GuestEvent::ActivityResolved(operation, Err(_)) => {
                assert_eq!(operation.0, 1);
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.local("Quick", done("1"));
    assert_eq!(w.replayed_history(), "WES,T,MR,MR,WC");
    assert_eq!(w.told.len(), 1);
}

#[test]
fn the_end_of_the_run_drops_what_still_runs() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                guest.local(ROOT, "Slow", Wait);
                guest.local(ROOT, "Quick", Wait);
            }
            other => propagate(other, guest),
        })
    });
    w.task();
    w.local("Quick", done("1"));
    assert_eq!(w.replayed_history(), "WES,T,MR,WC");
    assert!(w.locals.is_empty());
}

#[test]
fn one_that_has_use_for_a_queue_is_none() {
    for (what, change) in [
        (
            "a task queue",
            ActivityCall {
                task_queue: Some("q".into()),
                ..call("L", Wait)
            },
        ),
        (
            "schedule-to-start",
            ActivityCall {
                schedule_to_start: Some(Millis(1)),
                ..call("L", Wait)
            },
        ),
        (
            "a heartbeat timeout",
            ActivityCall {
                heartbeat: Some(Millis(1)),
                ..call("L", Wait)
            },
        ),
    ] {
        let mut run = Run::new(Limits::default());
        let start = Input::Started(Box::default());
        run.append(Timestamp(1), start).unwrap();
        let mut task = run.begin(Timestamp(1), Digest::default());
        task.next().unwrap();
        let refused = task.command(Command::ScheduleLocalActivity {
            scope: ROOT,
            call: change,
            retry_threshold: None,
        });
        assert!(refused.unwrap_err().failure.message.contains(what));
    }
}

#[test]
fn another_command_at_its_place_differs() {
    let mut w = World::start(one_local::<0>);
    w.task();
    w.local("Local", done("7"));
    let differs = w.reload_with(|| {
        Box::new(|event, guest| {
            if let GuestEvent::Initialize { .. } = event {
                guest.activity(ROOT, "Local", Wait);
            }
        })
    });
    let Err(ReplayError::Task(failure)) = differs else {
        panic!("{differs:?}");
    };
    let difference = failure.nondeterminism.unwrap();
    assert_eq!(
        difference.recorded,
        "schedule local activity Local in scope 0"
    );
    assert_eq!(difference.event_id, EventId(5));
}
