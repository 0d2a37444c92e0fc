//! One activity between scheduling and end: limits on time, retries, cancellation (semantics,
//! table C).

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::*;

#[test]
fn rule_breakers_are_caught() {
    sandglass_semantics::breakers::catch("host/engine/tests/activities");
}

/// The pending activity of a run that schedules just this one.
fn pending(call: ActivityCall) -> PendingActivity {
    let mut run = Run::new(Limits::default());
    run.append(Timestamp(0), Input::Started(Box::default()))
        .unwrap();
    let mut task = run.begin(Timestamp(0), Digest::default());
    task.next().unwrap();
    task.command(Command::ScheduleActivity {
        scope: ScopeId::ROOT,
        call,
    })
    .unwrap();
    let output = task.finish().unwrap().take_frame().unwrap();
    output.changes.scheduled.into_iter().next().unwrap()
}

fn call(attempts: u32) -> ActivityCall {
    ActivityCall {
        activity_type: "Work".into(),
        start_to_close: Some(Millis(100)),
        retry: Some(RetryPolicy {
            maximum_attempts: attempts,
            ..RetryPolicy::default()
        }),
        ..ActivityCall::default()
    }
}

fn application(message: &str) -> Report {
    Report::Failed(Failure::application("E", message))
}

/// How it closed: the word of the event, its retry state, its failure.
fn closed(verdict: Verdict) -> (&'static str, Option<RetryState>, String) {
    let Verdict::Close(Input::ActivityClosed { close, .. }) = verdict else {
        panic!("not closed: {verdict:?}");
    };
    match close {
        ActivityClose::Completed(_) => ("AC", None, String::new()),
        ActivityClose::Canceled { .. } => ("AX", None, String::new()),
        ActivityClose::Failed {
            failure,
            retry_state,
        } => ("AF", Some(retry_state), failure.to_string()),
        ActivityClose::TimedOut {
            failure,
            retry_state,
        } => ("ATO", Some(retry_state), failure.to_string()),
    }
}

#[test]
fn the_limit_that_passes_first_is_the_deadline() {
    let mut activity = pending(ActivityCall {
        schedule_to_start: Some(Millis(30)),
        schedule_to_close: Some(Millis(500)),
        heartbeat: Some(Millis(40)),
        ..call(0)
    });
    assert_eq!(
        activity.deadline(),
        Some((Timestamp(30), TimeoutKind::ScheduleToStart))
    );
    activity.start(Timestamp(10), "w");
    assert_eq!(
        activity.deadline(),
        Some((Timestamp(50), TimeoutKind::Heartbeat))
    );
    activity.heartbeat(Timestamp(45), vec![]);
    assert_eq!(
        activity.deadline(),
        Some((Timestamp(85), TimeoutKind::Heartbeat))
    );
    activity.heartbeat(Timestamp(80), vec![]);
    assert_eq!(
        activity.deadline(),
        Some((Timestamp(110), TimeoutKind::StartToClose))
    );
}

#[test]
fn a_limit_of_zero_is_none() {
    let activity = pending(ActivityCall {
        schedule_to_close: Some(Millis(70)),
        schedule_to_start: Some(Millis(0)),
        start_to_close: Some(Millis(0)),
        heartbeat: Some(Millis(0)),
        retry: Some(RetryPolicy {
            initial_interval: Millis(0),
            ..RetryPolicy::default()
        }),
        ..call(0)
    });
    let call = activity.call;
    assert_eq!(call.schedule_to_start, Some(Millis(70)));
    assert_eq!(call.start_to_close, Some(Millis(70)));
    assert_eq!(call.heartbeat, None);
    assert_eq!(call.retry.unwrap().initial_interval, Millis(1000));
}

#[test]
fn a_total_limit_alone_bounds_the_attempt_and_the_wait() {
    let total = ActivityCall {
        start_to_close: None,
        schedule_to_close: Some(Millis(70)),
        ..call(0)
    };
    let mut activity = pending(total);
    assert_eq!(
        activity.deadline(),
        Some((Timestamp(70), TimeoutKind::ScheduleToStart))
    );
    activity.start(Timestamp(20), "w");
    assert_eq!(
        activity.deadline(),
        Some((Timestamp(70), TimeoutKind::ScheduleToClose))
    );
    assert_eq!(activity.call.start_to_close, Some(Millis(70)));
}

#[test]
fn a_failed_attempt_is_retried_with_the_last_details() {
    let mut activity = pending(call(3));
    activity.start(Timestamp(5), "w");
    activity.heartbeat(Timestamp(6), vec![Payload::json("3")]);
    let verdict = activity.report(Timestamp(10), application("first"));
    assert_eq!(
        verdict,
        Verdict::Retry {
            at: Timestamp(1010)
        }
    );
    assert_eq!((activity.attempt, activity.heartbeat_details.len()), (2, 1));
    activity.start(Timestamp(1010), "w");
    activity.report(Timestamp(1020), application("second"));
    activity.start(Timestamp(3020), "w");
    let verdict = activity.report(Timestamp(3030), application("third"));
    let Verdict::Close(Input::ActivityClosed {
        started: Some(attempt),
        ..
    }) = &verdict
    else {
        panic!("{verdict:?}");
    };
    assert_eq!(attempt.attempt, 3);
    assert_eq!(attempt.last_failure.as_ref().unwrap().message, "second");
    let state = Some(RetryState::MaximumAttemptsReached);
    assert_eq!(closed(verdict), ("AF", state, "E: third".into()));
}

#[test]
fn timeouts_of_attempts_are_retried_and_those_of_the_whole_are_not() {
    for kind in [TimeoutKind::StartToClose, TimeoutKind::Heartbeat] {
        let mut activity = pending(call(2));
        activity.start(Timestamp(0), "w");
        activity.heartbeat(Timestamp(1), vec![Payload::json("1")]);
        assert!(matches!(
            activity.time_out(Timestamp(100), kind),
            Verdict::Retry { .. }
        ));
        let last = activity.last_failure.clone().unwrap();
        let expected = FailureInfo::Timeout {
            kind,
            last_heartbeat_details: vec![],
        };
        assert_eq!(
            last.info, expected,
            "details reach the next attempt as its own"
        );
        activity.start(Timestamp(1100), "w");
        let verdict = activity.time_out(Timestamp(1200), kind);
        assert_eq!(closed(verdict).1, Some(RetryState::MaximumAttemptsReached));
    }
    for kind in [TimeoutKind::ScheduleToStart, TimeoutKind::ScheduleToClose] {
        let (word, state, _) = closed(pending(call(0)).time_out(Timestamp(9), kind));
        assert_eq!((word, state), ("ATO", Some(RetryState::Timeout)));
    }
}

#[test]
fn no_attempt_starts_after_the_total_limit() {
    let total = || ActivityCall {
        schedule_to_close: Some(Millis(1000)),
        ..call(0)
    };
    let mut failed = pending(total());
    failed.start(Timestamp(0), "w");
    let verdict = failed.report(Timestamp(10), application("late"));
    assert_eq!(
        closed(verdict),
        ("AF", Some(RetryState::Timeout), "E: late".into())
    );

    let mut silent = pending(ActivityCall {
        retry: Some(RetryPolicy {
            initial_interval: Millis(100),
            ..RetryPolicy::default()
        }),
        ..total()
    });
    silent.start(Timestamp(0), "w");
    silent.report(Timestamp(700), application("cause"));
    silent.start(Timestamp(800), "w");
    let (word, state, failure) = closed(silent.time_out(Timestamp(900), TimeoutKind::StartToClose));
    assert_eq!((word, state), ("ATO", Some(RetryState::Timeout)));
    assert_eq!(failure, "ScheduleToClose timeout: E: cause");
}

#[test]
fn after_a_cancel_request_there_is_no_further_attempt() {
    let requested = || {
        let mut activity = pending(call(0));
        activity.start(Timestamp(0), "w");
        activity.cancel_requested = Some("r1".into());
        activity
    };
    let answer = requested().heartbeat(Timestamp(1), vec![]);
    assert_eq!(answer, HeartbeatAnswer::CancelRequested("r1".into()));
    let verdict = requested().report(Timestamp(1), application("e"));
    assert_eq!(closed(verdict).1, Some(RetryState::CancelRequested));
    let verdict = requested().time_out(Timestamp(1), TimeoutKind::Heartbeat);
    assert_eq!(closed(verdict).1, Some(RetryState::CancelRequested));
    assert_eq!(
        closed(requested().report(Timestamp(1), Report::Canceled(vec![]))).0,
        "AX"
    );
}

#[test]
fn r20_a_cancellation_that_nobody_requested_is_a_failure() {
    let mut activity = pending(call(1));
    activity.start(Timestamp(0), "w");
    let (word, _, failure) = closed(activity.report(Timestamp(1), Report::Canceled(vec![])));
    assert_eq!(word, "AF");
    assert!(failure.starts_with("UnexpectedCancellation: "), "{failure}");
}

#[test]
fn a_host_that_crashes_three_times_on_an_attempt_fails_it() {
    let mut activity = pending(call(1));
    assert_eq!(activity.host_restarted(Timestamp(1), false), None);
    assert_eq!(
        activity.host_restarted(Timestamp(2), true),
        None,
        "a clean stop does not count"
    );
    assert_eq!(activity.host_restarted(Timestamp(3), false), None);
    let verdict = activity.host_restarted(Timestamp(4), false).unwrap();
    let (word, _, failure) = closed(verdict);
    assert_eq!(word, "AF");
    assert!(failure.starts_with("HostLost: "), "{failure}");

    let mut backing_off = pending(call(0));
    backing_off.start(Timestamp(0), "w");
    backing_off.report(Timestamp(1), application("e"));
    for _ in 0..9 {
        assert_eq!(
            backing_off.host_restarted(Timestamp(2), false),
            None,
            "it was not in flight"
        );
    }
}

#[test]
fn malformed_calls_fail_the_task_and_say_why() {
    let bad = [
        (
            ActivityCall {
                activity_type: String::new(),
                ..call(1)
            },
            "the type is empty",
        ),
        (
            ActivityCall {
                start_to_close: None,
                ..call(1)
            },
            "set start-to-close or schedule-to-close",
        ),
        (
            ActivityCall {
                start_to_close: Some(Millis(0)),
                ..call(1)
            },
            "set start-to-close",
        ),
        (
            ActivityCall {
                activity_id: Some("x".repeat(1001)),
                ..call(1)
            },
            "longer than 1000 bytes",
        ),
        (
            ActivityCall {
                retry: Some(RetryPolicy {
                    backoff_coefficient: 0.5,
                    ..RetryPolicy::default()
                }),
                ..call(1)
            },
            "backoff coefficient 0.5 is not at least 1",
        ),
    ];
    for (call, reason) in bad {
        let mut run = Run::new(Limits::default());
        run.append(Timestamp(0), Input::Started(Box::default()))
            .unwrap();
        let mut task = run.begin(Timestamp(0), Digest::default());
        task.next().unwrap();
        let command = Command::ScheduleActivity {
            scope: ScopeId::ROOT,
            call,
        };
        let failure = task.command(command.clone()).unwrap_err();
        assert_eq!(
            failure.cause,
            TaskFailedCause::BadScheduleActivityAttributes
        );
        assert!(
            failure.failure.message.contains(reason),
            "{}",
            failure.failure.message
        );
        assert_eq!(
            task.command(command).unwrap_err(),
            failure,
            "the task stays failed"
        );
        assert_eq!(task.finish().unwrap_err(), failure);
    }
}
