//! Version 1 of what is persisted, as far as version 2 differs. It is read for ever.

use super::Persisted;
use crate::{
    ActivityClose, AttemptInfo, CancelState, Digest, EventId, Failure, Frame, Input, Millis,
    Payload, Record, RunSummary, Signal, Status, TaskFailedCause, TaskRecord, Timestamp,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct FrameV1 {
    first_event_id: EventId,
    next_event_id: EventId,
    records: Vec<RecordV1>,
}

#[derive(Deserialize)]
enum RecordV1 {
    Input { at: Timestamp, input: InputV1 },
    Task(TaskRecord),
}

#[derive(Deserialize)]
enum InputV1 {
    Started(Box<Start>),
    Signaled(Signal),
    CancelRequested(CancelRequest),
    ActivityClosed {
        scheduled_event_id: EventId,
        started: Option<AttemptInfo>,
        close: ActivityClose,
    },
    TimerFired {
        started_event_id: EventId,
    },
    Terminated {
        reason: String,
        identity: String,
        details: Vec<Payload>,
    },
    TimedOut,
}

#[derive(Deserialize)]
struct Start {
    workflow_id: String,
    run_id: String,
    workflow_type: String,
    task_queue: String,
    arguments: Vec<Payload>,
    header: Vec<(String, Payload)>,
    identity: String,
    request_id: String,
    digest: Digest,
    seed: [u8; 32],
    run_timeout: Option<Millis>,
}

#[derive(Deserialize)]
struct CancelRequest {
    reason: String,
    identity: String,
    request_id: String,
    deadline: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Summary {
    status: Status,
    next_event_id: EventId,
    cancel: Option<(CancelRequest, Timestamp)>,
    cancel_state: CancelState,
    task_pending: bool,
    task_attempt: u32,
    task_failure: Option<(TaskFailedCause, Failure)>,
    uncompensated: Vec<String>,
}

impl Persisted for Frame {
    fn from_v1(body: &[u8]) -> Result<(Self, &[u8]), postcard::Error> {
        let (frame, rest) = postcard::take_from_bytes::<FrameV1>(body)?;
        let records = frame.records.into_iter().map(|record| match record {
            RecordV1::Input { at, input } => Record::Input {
                at,
                input: input.into(),
            },
            RecordV1::Task(task) => Record::Task(task),
        });
        let frame = Self {
            first_event_id: frame.first_event_id,
            next_event_id: frame.next_event_id,
            records: records.collect(),
        };
        Ok((frame, rest))
    }
}

impl Persisted for RunSummary {
    fn from_v1(body: &[u8]) -> Result<(Self, &[u8]), postcard::Error> {
        let (old, rest) = postcard::take_from_bytes::<Summary>(body)?;
        let summary = Self {
            status: old.status,
            next_event_id: old.next_event_id,
            cancel: old.cancel.map(|(request, at)| (request.into(), at)),
            cancel_state: old.cancel_state,
            task_pending: old.task_pending,
            task_attempt: old.task_attempt,
            task_failure: old.task_failure,
            uncompensated: old.uncompensated,
            ..Self::default()
        };
        Ok((summary, rest))
    }
}

impl From<InputV1> for Input {
    fn from(input: InputV1) -> Self {
        match input {
            InputV1::Started(start) => Self::Started(Box::new((*start).into())),
            InputV1::Signaled(signal) => Self::Signaled(signal),
            InputV1::CancelRequested(request) => Self::CancelRequested(request.into()),
            InputV1::ActivityClosed {
                scheduled_event_id,
                started,
                close,
            } => Self::ActivityClosed {
                scheduled_event_id,
                started,
                close,
                unsettled: false,
            },
            InputV1::TimerFired { started_event_id } => Self::TimerFired { started_event_id },
            InputV1::Terminated {
                reason,
                identity,
                details,
            } => Self::Terminated {
                reason,
                identity,
                details,
                request_id: String::new(),
            },
            InputV1::TimedOut => Self::TimedOut,
        }
    }
}

impl From<Start> for crate::Start {
    fn from(start: Start) -> Self {
        Self {
            workflow_id: start.workflow_id,
            run_id: start.run_id,
            workflow_type: start.workflow_type,
            task_queue: start.task_queue,
            arguments: start.arguments,
            header: start.header,
            identity: start.identity,
            request_id: start.request_id,
            digest: start.digest,
            seed: start.seed,
            run_timeout: start.run_timeout,
            ..Self::default()
        }
    }
}

impl From<CancelRequest> for crate::CancelRequest {
    fn from(request: CancelRequest) -> Self {
        Self {
            reason: request.reason,
            identity: request.identity,
            request_id: request.request_id,
            deadline: request.deadline,
            ..Self::default()
        }
    }
}
