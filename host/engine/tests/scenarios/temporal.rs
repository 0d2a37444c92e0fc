//! Rows of the semantics' table A1 and further cases that Temporal's server recorded, as far as
//! they need no host. Each sequence is compared with the recording by the test `oracle`.

use super::{ROOT, cleanup, one_activity, propagate, sleeper};
use crate::support::{Guest, Script, World, call};
use CancellationType::{TryCancel, WaitCancellationCompleted as Wait};
use sandglass_engine::*;
use sandglass_semantics::scenario;

fn close(verdict: Verdict) -> Input {
    match verdict {
        Verdict::Close(input) => input,
        Verdict::Retry { at } => panic!("retried at {at:?}"),
    }
}

/// Runs `Work` with ten attempts and ends with its outcome.
fn retried() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let mut call = call("Work", Wait);
            call.retry.as_mut().unwrap().maximum_attempts = 10;
            guest.operation(Command::ScheduleActivity { scope: ROOT, call });
        }
        other => propagate(other, guest),
    })
}

fn error() -> Report {
    Report::Failed(Failure::application("E", "e"))
}

fn retry_state(w: &World) -> Option<RetryState> {
    w.events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskFailed { retry_state, .. }
        | EventAttributes::ActivityTaskTimedOut { retry_state, .. } => Some(*retry_state),
        _ => None,
    })
}

#[test]
fn a02_the_code_may_catch_the_cancellation_at_its_first_wait() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            GuestEvent::TimerFired(_, Err(_)) => guest.complete("5"),
            _ => {}
        })
    });
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("A02b"));
}

#[test]
fn a03_a_second_request_is_refused_and_leaves_no_event() {
    let mut w = World::start(sleeper);
    w.task();
    w.cancel().unwrap();
    assert_eq!(w.cancel(), Err(InputError::AlreadyRequested));
    w.task();
    assert_eq!(w.replayed_history(), scenario("A03"));
}

#[test]
fn a04_the_next_wait_after_a_shield_raises() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let shield = guest.scope(ROOT, ScopeKind::Shielded);
                guest.timer(shield, 2);
            }
            GuestEvent::TimerFired(_, Ok(())) => {
                let duration = Millis::from_secs(1);
                let again = Command::StartTimer {
                    scope: ROOT,
                    duration,
                };
                let Answer::Refused(failure) = guest.command(again) else {
                    panic!("a canceled scope starts a timer");
                };
                guest.fail(&failure);
            }
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), scenario("A04b"));
}

#[test]
fn a12_after_a_terminate_nothing_is_reported() {
    let mut w = World::start(one_activity::<0>);
    w.task();
    w.terminate();
    let now = w.now;
    let late = close(w.pending("Work").report(now, Report::Canceled(vec![])));
    assert_eq!(w.append(late), Err(InputError::Closed));
    assert_eq!(w.replayed_history(), scenario("A12_terminate"));
}

#[test]
fn row_4_a_timer_that_fires_into_the_task_that_cancels_it_leaves_no_event() {
    let mut w = World::start(|| {
        let mut timer = None;
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => timer = Some(guest.timer(ROOT, 1)),
            GuestEvent::SignalReceived(_) => {
                let operation = timer.unwrap();
                guest.command(Command::CancelOperation { operation });
                guest.timer(ROOT, 60);
            }
            _ => {}
        })
    });
    w.task();
    w.signal("go");
    let (&started_event_id, _) = w.timers.first_key_value().unwrap();
    w.task();
    let fired = Input::TimerFired { started_event_id };
    let unknown = InputError::UnknownTimer(started_event_id);
    assert_eq!(w.append(fired), Err(unknown));
    let expected = scenario("row4_buffered_fire_canceled");
    assert_eq!(w.replayed_history(), expected);
}

#[test]
fn row_8_after_the_request_a_failure_is_final() {
    let mut w = World::start(retried);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.report("Work", error());
    assert_eq!(w.replayed_history(), scenario("R18_more:R19"));
    w.task();
    assert_eq!(w.replayed_history(), scenario("row8_fails_after_ACR"));
    assert_eq!(retry_state(&w), Some(RetryState::CancelRequested));
}

#[test]
fn row_9_after_the_request_a_timeout_is_final() {
    for (kind, expected) in [
        (TimeoutKind::Heartbeat, scenario("row9_heartbeat_timeout")),
        (TimeoutKind::StartToClose, scenario("row9_start_to_close")),
    ] {
        let mut w = World::start(retried);
        w.task();
        w.cancel().unwrap();
        w.task();
        let now = w.now;
        let timed_out = close(w.pending("Work").time_out(now, kind));
        w.append(timed_out).unwrap();
        w.task();
        assert_eq!(w.replayed_history(), expected);
        assert_eq!(retry_state(&w), Some(RetryState::CancelRequested));
    }
}

#[test]
fn row_10_between_two_attempts_a_request_ends_the_activity() {
    let mut w = World::start(retried);
    w.task();
    w.cancel().unwrap();
    // The attempt fails after the request and before the task that handles it.
    let now = w.now;
    let verdict = w.pending("Work").report(now, error());
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    w.task();
    let expected = scenario("ACR_while_failed_attempt_buffered");
    assert_eq!(w.replayed_history(), expected);
    w.task();
    assert_eq!(w.replayed_history(), scenario("row10_backoff"));
}

#[test]
fn row_10_what_follows_the_cancel_command_stands_before_its_effect() {
    let mut w = World::start(|| {
        let mut shield = None;
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let opened = guest.scope(ROOT, ScopeKind::Shielded);
                shield = Some(opened);
                guest.activity(ROOT, "Work", Wait);
                guest.timer(opened, 60);
            }
            GuestEvent::CancelRequested(_) => _ = guest.timer(shield.unwrap(), 60),
            other => propagate(other, guest),
        })
    });
    w.worker = false;
    w.task();
    w.cancel().unwrap();
    w.task().task();
    let expected = scenario("row10_not_started_two_others");
    assert_eq!(w.replayed_history(), expected);
}

#[test]
fn r18_activities_that_nobody_began_end_together_after_all_commands() {
    let mut w = World::start(|| {
        let mut ended = 0;
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => {
                for name in ["a1", "a2"] {
                    guest.activity(ROOT, name, Wait);
                    guest.timer(ROOT, 60);
                }
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => {
                ended += 1;
                if ended == 2 {
                    guest.fail(failure);
                }
            }
            _ => {}
        })
    });
    w.worker = false;
    w.task();
    w.cancel().unwrap();
    w.task();
    w.evict();
    w.task();
    let expected = scenario("A11_two_not_started_with_timers");
    assert_eq!(w.replayed_history(), expected);
}

#[test]
fn row_11_an_activity_that_nobody_began_is_not_waited_for() {
    let mut w = World::start(one_activity::<1>);
    w.worker = false;
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("row11_not_started_try"));
}

#[test]
fn row_14_an_activity_canceled_before_it_is_sent_leaves_no_event() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let operation = guest.activity(ROOT, "Work", Wait);
                guest.command(Command::CancelOperation { operation });
                guest.timer(ROOT, 1);
            }
            GuestEvent::TimerFired(_, Ok(())) => guest.complete("1"),
            _ => {}
        })
    });
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), scenario("row14_unsent"));
}

/// Cleans up when its timer is canceled, and fails if that fails.
fn fragile_cleanup() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        GuestEvent::TimerFired(_, Err(_)) => {
            let detached = guest.scope(ROOT, ScopeKind::Detached);
            guest.activity(detached, "Cleanup", Wait);
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

#[test]
fn row_28_a_failing_cleanup_fails_the_run() {
    let mut w = World::start(fragile_cleanup);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.report("Cleanup", error());
    w.task();
    assert_eq!(w.replayed_history(), scenario("row28_cleanup_fails"));
}

#[test]
fn row_29_a_second_request_does_not_disturb_the_cleanup() {
    let mut w = World::start(cleanup::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.cancel(), Err(InputError::AlreadyRequested));
    assert!(w.pending("Cleanup").cancel_requested.is_none());
    w.complete("Cleanup");
    w.task();
    let expected = scenario("row29_cancel_during_cleanup");
    assert_eq!(w.replayed_history(), expected);
}

#[test]
fn row_42_a_run_timeout_ends_a_cleanup() {
    let mut w = World::start(cleanup::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.append(Input::TimedOut).unwrap();
    let expected = scenario("row42_run_timeout_while_canceling");
    assert_eq!(w.replayed_history(), expected);
    assert_eq!(w.run().status(), &Status::TimedOut);
}

#[test]
fn r5_the_code_sees_the_reason() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            GuestEvent::TimerFired(_, Err(failure)) => guest.complete(&failure.message),
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("R5_reason"));
    let result = Payload::json("r1");
    assert_eq!(w.run().status(), &Status::Completed { result });
}

fn canceled(details: Vec<Payload>) -> Failure {
    let info = FailureInfo::Canceled {
        details,
        identity: String::new(),
        settled: true,
        request: None,
    };
    Failure::new("enough", info)
}

#[test]
fn r13_the_details_of_the_cancellation_are_those_of_the_close() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            GuestEvent::TimerFired(..) => guest.fail(&canceled(vec![Payload::json("1")])),
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("R13_details"));
    let details = vec![Payload::json("1")];
    assert_eq!(w.run().status(), &Status::Canceled { details });
}

#[test]
fn r12_a_cancellation_that_nobody_requested_is_a_failure() {
    let mut w = World::start(|| {
        Box::new(|event, guest| {
            if matches!(event, GuestEvent::Initialize { .. }) {
                guest.fail(&canceled(vec![]));
            }
        })
    });
    w.task();
    assert_eq!(w.replayed_history(), scenario("unrequested_cancel_command"));
}

#[test]
fn s2_a_request_adds_no_second_task() {
    let mut w = World::start(sleeper);
    w.task();
    w.signal("go");
    w.cancel().unwrap();
    assert_eq!(w.cancel(), Err(InputError::AlreadyRequested));
    assert_eq!(w.replayed_history(), scenario("S2_idle_then_pending"));
}

#[test]
fn s21_an_activity_that_hears_nothing_completes() {
    let mut w = World::start(one_activity::<0>);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.complete("Work");
    w.task();
    assert_eq!(w.replayed_history(), scenario("S21"));
}

#[test]
fn s31_after_a_run_timeout_nothing_is_reported() {
    let mut w = World::start(one_activity::<0>);
    w.task();
    w.append(Input::TimedOut).unwrap();
    let now = w.now;
    let report = Report::Completed(Payload::json("7"));
    let late = close(w.pending("Work").report(now, report));
    assert_eq!(w.append(late), Err(InputError::Closed));
    assert_eq!(w.replayed_history(), scenario("S31_not_found"));
}

/// Go's sample: an activity is canceled and returns a value, the next is skipped, a third cleans
/// up.
fn go_sample() -> Script {
    let mut failure = None;
    Box::new(move |event, guest: &mut Guest<'_>| match event {
        GuestEvent::Initialize { .. } => _ = guest.activity(ROOT, "ToBeCanceled", Wait),
        GuestEvent::ActivityResolved(_, Ok(_)) if failure.is_none() => {
            let call = call("ToBeSkipped", Wait);
            let skipped = guest.command(Command::ScheduleActivity { scope: ROOT, call });
            let Answer::Refused(canceled) = skipped else {
                panic!("a canceled scope schedules an activity");
            };
            assert!(canceled.is_cancellation());
            failure = Some(canceled);
            let detached = guest.scope(ROOT, ScopeKind::Detached);
            guest.activity(detached, "Cleanup", Wait);
        }
        GuestEvent::ActivityResolved(..) => guest.fail(failure.as_ref().unwrap()),
        _ => {}
    })
}

#[test]
fn s37_the_go_sample() {
    let mut w = World::start(go_sample);
    w.task();
    w.cancel().unwrap();
    w.task();
    w.complete("ToBeCanceled");
    w.task();
    w.complete("Cleanup");
    w.task();
    assert_eq!(w.replayed_history(), scenario("S37"));
    let scheduled = w.events.iter().filter_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskScheduled { call, .. } => Some(&*call.activity_type),
        _ => None,
    });
    assert_eq!(scheduled.collect::<Vec<_>>(), ["ToBeCanceled", "Cleanup"]);
}

#[test]
fn s53_terminate_is_immediate_and_enters_no_guest() {
    let mut w = World::start(sleeper);
    w.task();
    w.terminate();
    assert_eq!(w.replayed_history(), scenario("S53_terminate_idle"));
    assert!(!w.run().wants_task());
}

#[test]
fn s56_the_code_cancels_one_activity_and_goes_on() {
    let mut w = World::start(|| {
        let mut activity = None;
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => {
                activity = Some(guest.activity(ROOT, "Work", TryCancel));
                guest.timer(ROOT, 1);
            }
            GuestEvent::TimerFired(_, Ok(())) => {
                let operation = activity.unwrap();
                guest.command(Command::CancelOperation { operation });
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => {
                assert!(matches!(failure.info, FailureInfo::Activity { .. }));
                assert!(failure.is_cancellation());
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), scenario("S56"));
}

#[test]
fn signals_and_a_request_before_the_first_task_are_one_task() {
    let mut w = World::start(sleeper);
    w.signal("one");
    w.cancel().unwrap();
    w.signal("two");
    w.task();
    let expected = scenario("signal_then_cancel_first_wft");
    assert_eq!(w.replayed_history(), expected);
}

#[test]
fn r39_a_repeated_request_is_recorded_once() {
    let mut w = World::start(sleeper);
    let request = || {
        Input::CancelRequested(CancelRequest {
            request_id: "same".into(),
            ..CancelRequest::default()
        })
    };
    w.append(request()).unwrap();
    w.append(request()).unwrap_err();
    assert_eq!(w.replayed_history(), scenario("same_request_id"));
}

#[test]
fn an_activity_without_a_retry_policy_has_the_same_events() {
    let mut w = World::start(|| {
        Box::new(|event, guest| {
            if matches!(event, GuestEvent::Initialize { .. }) {
                let mut call = call("Work", Wait);
                call.retry = None;
                guest.operation(Command::ScheduleActivity { scope: ROOT, call });
            }
        })
    });
    w.task();
    w.complete("Work");
    assert_eq!(w.replayed_history(), scenario("R18_more:no_policy"));
}

fn broken() -> Script {
    Box::new(|_, guest| guest.trap())
}

/// A run whose first workflow task has failed this many times.
fn failing(attempts: u32) -> World {
    let mut w = World::start(broken);
    for _ in 0..attempts {
        w.task();
        w.evict();
    }
    w
}

#[test]
fn r38_a_request_ends_a_streak_of_failures() {
    let mut w = failing(2);
    w.cancel().unwrap();
    w.reload_with(sleeper).unwrap();
    w.task();
    assert_eq!(shorthand(&w.events), scenario("cancel_into_failing_wft"));
    // Failing again, it is recorded again, once.
    for expected in [
        scenario("cancel_in_transient_started_fails"),
        scenario("cancel_in_wft_backoff"),
    ] {
        let mut w = failing(2);
        w.cancel().unwrap();
        for _ in 0..2 {
            w.task();
            w.evict();
        }
        w.reload_with(sleeper).unwrap();
        w.task();
        assert_eq!(shorthand(&w.events), expected);
    }
}

#[test]
fn r38_a_later_attempt_that_succeeds_is_recorded() {
    let mut w = failing(1);
    w.reload_with(sleeper).unwrap();
    w.task();
    w.cancel().unwrap();
    let expected = scenario("cancel_in_transient_started:done");
    assert_eq!(shorthand(&w.events), expected);
}
