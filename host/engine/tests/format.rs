//! The stored format: it is found out when damaged, and what was once written loads for ever.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::*;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn failure() -> Failure {
    let canceled = FailureInfo::Canceled {
        details: vec![Payload::null()],
        identity: "worker".into(),
        settled: true,
        request: Some(CancelInfo {
            cause: CancelCause::Timeout,
            reason: "r".into(),
            requester: "op".into(),
            at: Timestamp(3),
            deadline: Some(Timestamp(4)),
        }),
    };
    let activity = FailureInfo::Activity {
        scheduled_event_id: EventId(5),
        started_event_id: EventId(6),
        identity: "worker".into(),
        activity_type: "Work".into(),
        activity_id: "1".into(),
        retry_state: RetryState::CancelRequested,
    };
    Failure::new("outer", activity).caused_by(Failure::new("inner", canceled))
}

/// A frame with every variant of what frames hold.
fn every_variant() -> Frame {
    let scope = ScopeId(1);
    let call = ActivityCall {
        activity_type: "Work".into(),
        arguments: vec![Payload::json("[1]")],
        header: vec![("h".into(), Payload::null())],
        start_to_close: Some(Millis(7)),
        retry: Some(RetryPolicy::default()),
        cancellation: CancellationType::Abandon,
        ..ActivityCall::default()
    };
    let commands = [
        Command::ScheduleActivity {
            scope,
            call: call.clone(),
        },
        Command::StartTimer {
            scope,
            duration: Millis(9),
        },
        Command::OpenWait {
            scope,
            label: "flag".into(),
        },
        Command::CloseWait {
            wait: OperationId(3),
        },
        Command::OpenScope {
            parent: scope,
            kind: ScopeKind::Cancellable,
        },
        Command::OpenScope {
            parent: scope,
            kind: ScopeKind::Shielded,
        },
        Command::OpenScope {
            parent: scope,
            kind: ScopeKind::Detached,
        },
        Command::OpenScope {
            parent: scope,
            kind: ScopeKind::Timeout(Millis(1)),
        },
        Command::CancelScope {
            scope,
            reason: "r".into(),
        },
        Command::CloseScope { scope },
        Command::CancelOperation {
            operation: OperationId(2),
        },
        Command::PushCompensation {
            scope,
            undoes: Some(OperationId(1)),
            call,
            when: CompensateWhen::Always,
        },
        Command::SetCompensationArguments {
            compensation: CompensationId(1),
            arguments: vec![Payload::json("2")],
        },
        Command::Compensate { scope },
        Command::Complete {
            outcome: Outcome::Completed(Payload::json("3")),
        },
        Command::Complete {
            outcome: Outcome::Failed(failure()),
        },
    ];
    let attempt = AttemptInfo {
        attempt: 2,
        at: Timestamp(8),
        identity: "worker".into(),
        last_failure: Some(Box::new(Failure::application("E", "e"))),
    };
    let closes = [
        ActivityClose::Completed(Payload::json("1")),
        ActivityClose::Failed {
            failure: failure(),
            retry_state: RetryState::Timeout,
        },
        ActivityClose::TimedOut {
            failure: Failure::new(
                "late",
                FailureInfo::Timeout {
                    kind: TimeoutKind::Heartbeat,
                    last_heartbeat_details: vec![Payload::json("4")],
                },
            ),
            retry_state: RetryState::NonRetryableFailure,
        },
        ActivityClose::Canceled {
            details: vec![],
            identity: "worker".into(),
        },
    ];
    let mut inputs = vec![
        Input::Started(Box::new(Start {
            workflow_id: "w".into(),
            ..Start::default()
        })),
        Input::Signaled(Signal {
            name: "s".into(),
            ..Signal::default()
        }),
        Input::CancelRequested(CancelRequest {
            reason: "r".into(),
            ..CancelRequest::default()
        }),
        Input::TimerFired {
            started_event_id: EventId(5),
        },
        Input::Terminated {
            reason: "t".into(),
            identity: "op".into(),
            details: vec![],
            request_id: String::new(),
        },
        Input::TimedOut,
    ];
    inputs.extend(closes.map(|close| Input::ActivityClosed {
        scheduled_event_id: EventId(5),
        started: Some(attempt.clone()),
        close,
        unsettled: false,
    }));
    let mut records: Vec<_> = inputs
        .into_iter()
        .map(|input| Record::Input {
            at: Timestamp(11),
            input,
        })
        .collect();
    let completed = TaskOutcome::Completed {
        digest: Digest([7; 32]),
        commands: commands
            .map(|command| Issued {
                delivery: 1,
                command,
            })
            .to_vec(),
    };
    let failed = TaskOutcome::Failed {
        cause: TaskFailedCause::NonDeterministicError,
        failure: Failure::application("Nondeterminism", "n"),
    };
    for outcome in [completed, failed] {
        records.push(Record::Task(TaskRecord {
            attempt: 1,
            started_at: Timestamp(12),
            outcome,
            history: HistorySize::default(),
        }));
    }
    Frame {
        first_event_id: EventId(1),
        next_event_id: EventId(40),
        records,
    }
}

/// What version 2 has more.
fn newer_variants() -> Frame {
    let target = || Target {
        workflow_id: "x".into(),
        run_id: Some("r".into()),
    };
    let origin = Origin {
        run: RunRef {
            workflow_id: "w".into(),
            run_id: "r".into(),
        },
        initiated_event_id: EventId(9),
    };
    let mut frame = every_variant();
    let mut inputs = vec![
        Input::Started(Box::new(Start {
            parent: Some(origin.clone()),
            ..Start::default()
        })),
        Input::CancelRequested(CancelRequest {
            deadline: Some(Timestamp(5)),
            escalation: Some(Escalation::Terminate),
            origin: Some(origin),
            ..CancelRequest::default()
        }),
        Input::Forced(ForceRequest {
            rung: Escalation::Kill,
            trigger: Trigger::Deadline,
            reason: "r".into(),
            identity: "op".into(),
            request_id: "q".into(),
        }),
        Input::ChildStarted {
            initiated_event_id: EventId(9),
            run_id: "c".into(),
        },
        Input::ChildStartFailed {
            initiated_event_id: EventId(9),
            cause: StartChildFailedCause::WorkflowTypeNotFound,
        },
        Input::ExternalResolved {
            initiated_event_id: EventId(9),
            outcome: Err(ExternalFailedCause::ExternalWorkflowExecutionNotFound),
        },
    ];
    let closes = [
        ChildClose::Completed(Payload::json("1")),
        ChildClose::Failed {
            failure: failure(),
            retry_state: RetryState::RetryPolicyNotSet,
        },
        ChildClose::Canceled { details: vec![] },
        ChildClose::TimedOut {
            retry_state: RetryState::Timeout,
        },
        ChildClose::Terminated {
            identity: "op".into(),
        },
    ];
    inputs.extend(closes.map(|close| Input::ChildClosed {
        initiated_event_id: EventId(9),
        close,
    }));
    let records = inputs.into_iter().map(|input| Record::Input {
        at: Timestamp(11),
        input,
    });
    frame.records.extend(records);
    frame.records.push(Record::Inputs(vec![
        (Timestamp(11), Input::TimedOut),
        (
            Timestamp(12),
            Input::Signaled(Signal {
                name: "s".into(),
                ..Signal::default()
            }),
        ),
    ]));
    let scope = ScopeId(3);
    let commands = [
        Command::ScheduleActivity {
            scope,
            call: ActivityCall {
                cancellation: CancellationType::WaitAtMost(Millis(7)),
                ..ActivityCall::default()
            },
        },
        Command::StartChild {
            scope,
            call: ChildCall {
                workflow_type: "c".into(),
                cancellation: ChildCancellation::Abandon,
                parent_close_policy: ParentClosePolicy::Abandon,
                ..ChildCall::default()
            },
        },
        Command::SignalExternal {
            scope,
            target: target(),
            name: "s".into(),
            arguments: vec![Payload::json("1")],
            header: vec![("h".into(), Payload::null())],
        },
        Command::CancelExternal {
            scope,
            target: target(),
            reason: "r".into(),
        },
    ];
    let commands = commands.map(|command| Issued {
        delivery: 1,
        command,
    });
    frame.records.push(Record::Task(TaskRecord {
        attempt: 1,
        started_at: Timestamp(12),
        outcome: TaskOutcome::Completed {
            digest: Digest([7; 32]),
            commands: commands.to_vec(),
        },
        history: HistorySize::default(),
    }));
    frame
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

#[test]
fn a_frame_of_version_1_loads_for_ever() {
    let stored = fs::read(fixture("frame-v1.bin")).unwrap();
    assert_eq!(stored[0], 1);
    assert_eq!(decode::<Frame>(&stored), Ok(every_variant()));
}

#[test]
fn a_frame_of_version_2_loads_for_ever() {
    let stored = fs::read(fixture("frame-v2.bin")).unwrap();
    assert_eq!(stored[0], 2);
    assert_eq!(decode::<Frame>(&stored), Ok(newer_variants()));
}

#[test]
fn every_flipped_byte_is_found() {
    let bytes = encode(&every_variant());
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        assert_eq!(
            decode::<Frame>(&damaged),
            Err(DecodeError::Checksum),
            "byte {place}"
        );
    }
}

#[test]
fn truncated_and_extended_frames_are_found() {
    let bytes = encode(&every_variant());
    for len in 0..bytes.len() {
        let error = decode::<Frame>(&bytes[..len]).unwrap_err();
        let expected = if len < 5 {
            DecodeError::Short(len)
        } else {
            DecodeError::Checksum
        };
        assert_eq!(error, expected);
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(decode::<Frame>(&longer), Err(DecodeError::Checksum));
}

#[test]
fn a_newer_version_is_named() {
    // A whole frame of the next version, as a newer host would write it.
    let next = FORMAT_VERSION + 1;
    let mut bytes = vec![next, 0, 0, 0, 0];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[next]);
    bytes[1..5].copy_from_slice(&hasher.finalize().to_le_bytes());
    let error = decode::<Frame>(&bytes).unwrap_err();
    assert_eq!(
        error,
        DecodeError::Version {
            found: next,
            known: FORMAT_VERSION
        }
    );
}
