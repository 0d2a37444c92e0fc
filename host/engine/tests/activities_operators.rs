//! What operators and outsiders do to one pending activity: pause, reset, completion elsewhere.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::*;

/// A pending activity with this many attempts, the first of which is running.
fn running(attempts: u32) -> PendingActivity {
    let mut run = Run::new(Limits::default());
    run.append(Timestamp(0), Input::Started(Box::default()))
        .unwrap();
    let mut task = run.begin(Timestamp(0), Digest::default());
    task.next().unwrap();
    let call = ActivityCall {
        activity_type: "Work".into(),
        start_to_close: Some(Millis(100)),
        retry: Some(RetryPolicy {
            maximum_attempts: attempts,
            ..RetryPolicy::default()
        }),
        ..ActivityCall::default()
    };
    let scope = ScopeId::ROOT;
    task.command(Command::ScheduleActivity { scope, call })
        .unwrap();
    let output = task.finish().unwrap().take_frame().unwrap();
    let mut activity = output.changes.scheduled.into_iter().next().unwrap();
    activity.start(Timestamp(0), "worker");
    activity
}

fn operator() -> OperatorRequest {
    OperatorRequest::default()
}

fn failed() -> Report {
    Report::Failed(Failure::application("E", "no"))
}

fn canceled() -> Report {
    Report::Canceled(vec![])
}

#[test]
fn a_paused_activity_tells_its_attempt_and_takes_it_back() {
    let mut activity = running(1);
    assert_eq!(activity.state(), PendingState::Started);
    assert!(activity.pause(Timestamp(5), operator()));
    assert!(!activity.pause(Timestamp(6), operator()), "it is paused");
    assert_eq!(activity.state(), PendingState::PauseRequested);
    assert_eq!(
        activity.heartbeat(Timestamp(7), vec![]),
        HeartbeatAnswer::Paused
    );
    // It stops for that: the attempt does not count, though it was the last.
    let verdict = activity.report(Timestamp(8), canceled());
    assert_eq!(verdict, Verdict::Retry { at: Timestamp(8) });
    assert_eq!(
        (activity.attempt, activity.state()),
        (1, PendingState::Paused)
    );
    assert!(activity.unpause());
    assert!(!activity.unpause());
    assert_eq!(activity.state(), PendingState::Scheduled);
}

#[test]
fn a_failure_while_paused_counts() {
    let mut activity = running(1);
    activity.pause(Timestamp(5), operator());
    let verdict = activity.report(Timestamp(8), failed());
    assert!(matches!(verdict, Verdict::Close(_)), "{verdict:?}");
}

#[test]
fn a_reset_makes_the_next_attempt_the_first_without_a_wait() {
    let mut activity = running(2);
    let Verdict::Retry { at } = activity.report(Timestamp(10), failed()) else {
        panic!("it has an attempt left");
    };
    assert!(at > Timestamp(10));
    activity.reset(Timestamp(20), false);
    assert_eq!(
        (activity.attempt, activity.next_attempt_at),
        (1, Timestamp(20))
    );

    // While an attempt runs, even its last one: after it.
    activity.start(Timestamp(30), "worker");
    activity.report(Timestamp(31), failed());
    activity.start(Timestamp(3_000), "worker");
    assert_eq!(activity.attempt, 2);
    let details = vec![Payload::json("5")];
    activity.heartbeat(Timestamp(3_001), details.clone());
    activity.reset(Timestamp(3_001), false);
    assert_eq!(
        activity.heartbeat(Timestamp(3_002), details.clone()),
        HeartbeatAnswer::Reset
    );
    let verdict = activity.report(Timestamp(3_003), failed());
    assert_eq!(
        verdict,
        Verdict::Retry {
            at: Timestamp(3_003)
        }
    );
    assert_eq!(activity.attempt, 1);
    assert_eq!(activity.answer(), HeartbeatAnswer::Active);
    assert_eq!(activity.heartbeat_details, details);
    activity.reset(Timestamp(3_004), true);
    assert!(activity.heartbeat_details.is_empty());
}

#[test]
fn an_attempt_after_a_reset_is_told_from_that_of_its_number_before() {
    let mut activity = running(2);
    let before = (activity.attempt, activity.begun);
    activity.reset(Timestamp(1), false);
    activity.report(Timestamp(2), failed());
    activity.hand_out(Timestamp(3), "far", None);
    let after = (activity.attempt, activity.begun);
    assert_eq!((before, after), ((1, 1), (1, 2)));
    // A host that starts again goes on with the attempt that is elsewhere, and does not begin it.
    let mut stored: PendingActivity = decode(&encode(&activity)).unwrap();
    stored.host_restarted(Timestamp(4), false);
    assert_eq!((stored.attempt, stored.begun), after);
    assert!(stored.started.is_some());
}

#[test]
fn a_reset_that_forgets_heartbeats_forgets_those_of_the_running_attempt_too() {
    type End = fn(&mut PendingActivity) -> Verdict;
    let ends: [End; 3] = [
        |activity| activity.report(Timestamp(23), failed()),
        |activity| activity.report(Timestamp(23), canceled()),
        |activity| activity.time_out(Timestamp(23), TimeoutKind::StartToClose),
    ];
    let details = |json: &str| vec![Payload::json(json)];
    for forget in [true, false] {
        let kept = if forget { vec![] } else { details("6") };
        let mut activity = running(5);
        activity.heartbeat(Timestamp(20), details("5"));
        activity.reset(Timestamp(21), forget);
        let told = activity.heartbeat(Timestamp(22), details("6"));
        assert_eq!(told, HeartbeatAnswer::Reset);
        // Also if its host dies now.
        let stored: PendingActivity = decode(&encode(&activity)).unwrap();
        assert_eq!(stored.heartbeat_details, kept);
        for end in ends {
            let mut activity = activity.clone();
            assert!(matches!(end(&mut activity), Verdict::Retry { .. }));
            assert_eq!((activity.attempt, &activity.heartbeat_details), (1, &kept));
            activity.start(Timestamp(24), "worker");
            activity.heartbeat(Timestamp(25), details("7"));
            assert_eq!(activity.heartbeat_details, details("7"), "it counts again");
        }
    }
}

#[test]
fn what_an_attempt_is_told_first_is_the_gravest() {
    let mut activity = running(1);
    activity.pause(Timestamp(1), operator());
    activity.reset(Timestamp(1), false);
    assert_eq!(activity.answer(), HeartbeatAnswer::Reset);
    activity.cancel_requested = Some("stop".into());
    let stop = HeartbeatAnswer::CancelRequested("stop".into());
    assert_eq!(activity.answer(), stop);
    assert_eq!(activity.state(), PendingState::CancelRequested);
    let verdict = activity.report(Timestamp(2), canceled());
    assert!(matches!(verdict, Verdict::Close(_)), "{verdict:?}");
}

#[test]
fn an_attempt_that_is_made_elsewhere_outlives_its_host() {
    let mut activity = running(1);
    activity.complete_later();
    activity.heartbeat(Timestamp(40), vec![]);
    // As after a restart: what is stored is read again.
    let mut activity: PendingActivity = decode(&encode(&activity)).unwrap();
    assert_eq!(activity.started, None);
    for _ in 0..5 {
        assert_eq!(activity.host_restarted(Timestamp(50), false), None);
    }
    let started = activity.started.clone().unwrap();
    assert_eq!(started.last_heartbeat_at, Timestamp(40));
    let limit = (Timestamp(100), TimeoutKind::StartToClose);
    assert_eq!(activity.deadline(), Some(limit), "its limits still pass");
    let verdict = activity.report(Timestamp(60), Report::Completed(Payload::json("7")));
    let Verdict::Close(Input::ActivityClosed { started, .. }) = verdict else {
        panic!("not closed: {verdict:?}");
    };
    assert_eq!(started.unwrap().at, Timestamp(0));
}

#[test]
fn the_next_attempt_is_the_hosts_again() {
    let mut activity = running(2);
    activity.complete_later();
    activity.report(Timestamp(60), failed());
    assert_eq!(activity.elsewhere, Elsewhere::Nobody);
}

#[test]
fn an_activity_keeps_its_idempotency_key_when_its_run_is_made_from_another() {
    let mut activity = running(1);
    let key = format!("new/{}", activity.scheduled_event_id);
    assert_eq!(activity.idempotency_key("new"), key);
    activity.scheduled_by = Some("old".into());
    let key = format!("old/{}", activity.scheduled_event_id);
    assert_eq!(activity.idempotency_key("new"), key);
}

/// An attempt that a worker polled for, with a limit on its silence of 30 ms.
fn handed_out() -> PendingActivity {
    let mut activity = running(2);
    activity.call.heartbeat = Some(Millis(30));
    activity.started = None;
    activity.hand_out(Timestamp(10), "far", Some("control".into()));
    activity
}

/// The activity as a host finds it that starts at this time.
fn taken_up(activity: &PendingActivity, at: Timestamp) -> PendingActivity {
    let mut activity: PendingActivity = decode(&encode(activity)).unwrap();
    assert_eq!(activity.host_restarted(at, false), None);
    activity
}

#[test]
fn an_attempt_of_a_remote_worker_outlives_its_host() {
    let mut activity = handed_out();
    activity.heartbeat(Timestamp(20), vec![Payload::json("1")]);
    // Crashes do not count against it: it is not what makes the host crash.
    for _ in 0..5 {
        activity = taken_up(&activity, Timestamp(21));
    }
    let Elsewhere::Worker {
        started,
        control_queue,
    } = &activity.elsewhere
    else {
        panic!("not with a worker: {activity:?}");
    };
    assert_eq!(control_queue.as_deref(), Some("control"));
    assert_eq!(activity.started.as_ref(), Some(started));
    assert_eq!(
        (started.at, started.identity.as_str()),
        (Timestamp(10), "far")
    );
    let Verdict::Close(Input::ActivityClosed { started, .. }) =
        activity.report(Timestamp(60), Report::Completed(Payload::json("7")))
    else {
        panic!("not closed");
    };
    assert_eq!(started.unwrap().identity, "far");
}

#[test]
fn silence_counts_from_when_a_host_can_hear_and_an_attempt_from_its_start() {
    let silent = |at| Some((Timestamp(at), TimeoutKind::Heartbeat));
    let activity = handed_out();
    assert_eq!(activity.deadline(), silent(40));
    // It may have given signs of life that nobody heard, or that were not stored yet.
    let mut activity = taken_up(&activity, Timestamp(70));
    assert_eq!(activity.deadline(), silent(100));
    activity.heartbeat(Timestamp(75), vec![]);
    assert_eq!(activity.deadline(), silent(105));
    activity.heartbeat(Timestamp(100), vec![]);
    let attempt = (Timestamp(110), TimeoutKind::StartToClose);
    assert_eq!(
        activity.deadline(),
        Some(attempt),
        "its start is what it was"
    );
    let verdict = activity.time_out(Timestamp(110), TimeoutKind::StartToClose);
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!(
        (activity.attempt, &activity.elsewhere),
        (2, &Elsewhere::Nobody)
    );
}

#[test]
fn an_attempt_that_its_worker_never_got_is_not_used_up() {
    let mut activity = handed_out();
    let scheduled = activity.next_attempt_at;
    assert_eq!(activity.take_back(), Verdict::Retry { at: scheduled });
    assert_eq!((activity.attempt, activity.started.as_ref()), (1, None));
    assert_eq!(activity.elsewhere, Elsewhere::Nobody);
    let again = taken_up(&activity, Timestamp(20));
    assert_eq!(again.state(), PendingState::Scheduled);
}

#[test]
fn an_attempt_that_its_worker_never_got_is_not_made_if_it_is_to_stop() {
    let mut activity = handed_out();
    activity.cancel_requested = Some("stop".into());
    let Verdict::Close(Input::ActivityClosed { started, close, .. }) = activity.take_back() else {
        panic!("there is no other attempt (R19)");
    };
    assert_eq!(started, None);
    let details = vec![Payload::json("\"ACTIVITY_ID_NOT_STARTED\"")];
    let identity = String::new();
    assert_eq!(close, ActivityClose::Canceled { details, identity });
}
