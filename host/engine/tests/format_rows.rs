//! Rows of version 2, as the release that had it wrote them, load for ever.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::*;
use std::{env, fs, path::Path};

fn failure() -> Failure {
    let info = FailureInfo::Activity {
        scheduled_event_id: EventId(5),
        started_event_id: EventId(6),
        identity: "worker".into(),
        activity_type: "Work".into(),
        activity_id: "1".into(),
        retry_state: RetryState::CancelRequested,
    };
    Failure::new("outer", info).caused_by(Failure::application("E", "inner"))
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let bytes = fs::read(folder.join(name)).unwrap();
    assert_eq!(bytes[0], 2);
    bytes
}

/// A summary with all that version 2 had.
fn summary_of_version_2() -> RunSummary {
    RunSummary {
        status: Status::Canceled {
            details: vec![Payload::json("1")],
        },
        next_event_id: EventId(9),
        cancel: Some((
            CancelRequest {
                reason: "r".into(),
                escalation: Some(Escalation::Kill),
                ..CancelRequest::default()
            },
            Timestamp(3),
        )),
        cancel_state: CancelState::KillRequested,
        task_pending: true,
        task_attempt: 4,
        task_failure: Some((TaskFailedCause::BadBinary, failure())),
        uncompensated: vec!["refund".into()],
        force: Some((
            ForceRequest {
                rung: Escalation::Kill,
                trigger: Trigger::Request,
                reason: "enough".into(),
                identity: "op".into(),
                request_id: "q".into(),
            },
            Timestamp(5),
        )),
        grace: Some((EventId(6), Escalation::Fail)),
        parent: Some(origin()),
        ..RunSummary::default()
    }
}

fn origin() -> Origin {
    Origin {
        run: RunRef {
            workflow_id: "w".into(),
            run_id: "r".into(),
        },
        initiated_event_id: EventId(9),
    }
}

/// An effect that begins a child with all that version 2 had.
fn effect_of_version_2() -> Effect {
    Effect::StartChild {
        parent: origin(),
        workflow_id: "child".into(),
        call: Box::new(ChildCall {
            workflow_type: "c".into(),
            workflow_id: Some("child".into()),
            task_queue: Some("q".into()),
            arguments: vec![Payload::json("1")],
            header: vec![("h".into(), Payload::null())],
            run_timeout: Some(Millis(7)),
            cancellation: ChildCancellation::TryCancel,
            parent_close_policy: ParentClosePolicy::RequestCancel,
            ..ChildCall::default()
        }),
        digest: Digest([7; 32]),
    }
}

/// A pending activity with all that version 2 had.
fn activity_of_version_2() -> PendingActivity {
    PendingActivity {
        scheduled_event_id: EventId(5),
        activity_id: "1".into(),
        call: ActivityCall {
            activity_type: "Work".into(),
            heartbeat: Some(Millis(7)),
            ..ActivityCall::default()
        },
        scheduled_at: Timestamp(1),
        attempt: 3,
        next_attempt_at: Timestamp(2),
        last_failure: Some(failure()),
        heartbeat_details: vec![Payload::json("4")],
        cancel_requested: Some("stop".into()),
        unclean_starts: 2,
        started: None,
        elsewhere: Elsewhere::Nobody,
        paused: None,
        reset: AttemptReset::None,
        scheduled_by: None,
        begun: 0,
        unsettled: false,
        heard_since: Timestamp(0),
    }
}

#[test]
fn rows_of_version_2_load_for_ever() {
    // What version 3 has more is not in the bytes, and has its default.
    let summary = decode::<RunSummary>(&fixture("summary-v2.bin"));
    assert_eq!(summary, Ok(summary_of_version_2()));
    let activity = decode::<PendingActivity>(&fixture("activity-v2.bin"));
    assert_eq!(activity, Ok(activity_of_version_2()));
    let effect = decode::<Effect>(&fixture("start-child-v2.bin"));
    assert_eq!(effect, Ok(effect_of_version_2()));
}

#[test]
fn a_reset_of_an_attempt_is_stored_as_the_bool_that_it_was() {
    let bytes = |reset| {
        let activity = PendingActivity {
            reset,
            ..activity_of_version_2()
        };
        // Behind it are the name of a run, which is not there, a count and a mark.
        let bytes = encode(&activity);
        bytes[bytes.len() - 4..].to_vec()
    };
    assert_eq!(bytes(AttemptReset::None), [0, 0, 0, 0]);
    assert_eq!(bytes(AttemptReset::Restart), [1, 0, 0, 0]);
    assert_eq!(bytes(AttemptReset::Forget), [2, 0, 0, 0]);
}
