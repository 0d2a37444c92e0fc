//! Frames: what a run's history is stored as, and their encoding.
//!
//! A frame holds the facts that history is derived from (inputs, the start time of a workflow
//! task, commands as issued), not the events themselves. The event ids it starts and ends at are
//! kept so that a changed rule or a lost frame is found at load and never shifts ids silently.

mod v1;
mod v2;

use crate::{Command, Digest, EventId, Failure, HistorySize, Input, LocalResolution, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
pub(crate) use v2::{since_v3, since_v4, since_v5};

/// What one commit adds to a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Id of the first event that these records give.
    pub first_event_id: EventId,
    /// Id of the next event after them.
    pub next_event_id: EventId,
    /// The facts, in order.
    pub records: Vec<Record>,
}

/// One fact. Persisted: append variants, never reorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Something reached the run.
    Input {
        /// When it was recorded.
        at: Timestamp,
        /// What.
        input: Input,
    },
    /// A workflow task ended.
    Task(TaskRecord),
    /// Several things reached the run together, each with when it was recorded.
    Inputs(Vec<(Timestamp, Input)>),
}

impl Record {
    /// The inputs that it has, each with when it was recorded.
    pub fn inputs(&self) -> impl Iterator<Item = (Timestamp, &Input)> {
        let (one, several): (_, &[(Timestamp, Input)]) = match self {
            Self::Input { at, input } => (Some((*at, input)), &[]),
            Self::Inputs(inputs) => (None, inputs),
            Self::Task(_) => (None, &[]),
        };
        one.into_iter()
            .chain(several.iter().map(|(at, input)| (*at, input)))
    }
}

/// One workflow task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// When it began, by the wall clock.
    pub started_at: Timestamp,
    /// Which attempt it was, from 1. Those between that failed are not recorded (R38).
    pub attempt: u32,
    /// How it ended.
    pub outcome: TaskOutcome,
    /// How large the history was when it began.
    #[serde(deserialize_with = "since_v3")]
    pub history: HistorySize,
}

/// How a workflow task ended. Persisted: append variants, never reorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskOutcome {
    /// The guest became quiescent.
    Completed {
        /// The component it ran with.
        digest: Digest,
        /// Its commands, as issued.
        commands: Vec<Issued>,
    },
    /// The guest could not run, or what it did cannot be accepted.
    Failed {
        /// Why.
        cause: TaskFailedCause,
        /// What happened.
        failure: Failure,
    },
    /// The guest became quiescent, and local activities ended in between.
    CompletedWithLocal {
        /// The component it ran with.
        digest: Digest,
        /// Its commands, as issued.
        commands: Vec<Issued>,
        /// How local activities ended, in the order in which the guest was told. Each was told
        /// when nothing else was left to deliver.
        resolutions: Vec<LocalResolution>,
    },
}

impl TaskOutcome {
    /// The component and the commands of a task that did not fail.
    #[must_use]
    pub fn completed(&self) -> Option<(Digest, &[Issued])> {
        match self {
            Self::Completed { digest, commands }
            | Self::CompletedWithLocal {
                digest, commands, ..
            } => Some((*digest, commands)),
            Self::Failed { .. } => None,
        }
    }
}

/// One command with the activation that issued it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// Which delivered event of the task, from 0.
    pub delivery: u32,
    /// The command.
    pub command: Command,
}

/// Why a workflow task failed, under Temporal's names. Persisted: append variants, never reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskFailedCause {
    /// An input arrived while the task that closes the run was running.
    UnhandledCommand,
    /// A malformed activity call.
    BadScheduleActivityAttributes,
    /// An activity that cannot be canceled.
    BadRequestCancelActivityAttributes,
    /// A malformed timer.
    BadStartTimerAttributes,
    /// A timer that cannot be canceled.
    BadCancelTimerAttributes,
    /// A malformed scope, wait or compensation call.
    BadScopeAttributes,
    /// An activity id that is in use.
    ScheduleActivityDuplicateId,
    /// The guest trapped, overran its time or memory, or passed another limit.
    WorkflowWorkerUnhandledFailure,
    /// The run was closed while the task was running.
    ForceCloseCommand,
    /// The component is missing or invalid.
    BadBinary,
    /// A command was not the recorded one.
    NonDeterministicError,
    /// Too many activities are pending.
    PendingActivitiesLimitExceeded,
    /// A malformed child workflow.
    BadStartChildExecutionAttributes,
    /// A malformed signal to another run.
    BadSignalWorkflowExecutionAttributes,
    /// A malformed request to cancel another run.
    BadRequestCancelExternalWorkflowExecutionAttributes,
    /// Too many child workflows are pending.
    PendingChildWorkflowsLimitExceeded,
    /// Too many signals to other runs are pending.
    PendingSignalsLimitExceeded,
    /// Too many requests to cancel other runs are pending.
    PendingRequestCancelLimitExceeded,
    /// A run that cannot be continued as new like this.
    BadContinueAsNewAttributes,
    /// An answer to an update that does not wait for one.
    BadUpdateWorkflowExecutionMessage,
    /// Malformed or too large search attributes.
    BadSearchAttributes,
    /// A malformed or too large memo.
    BadModifyWorkflowPropertiesAttributes,
    /// A malformed patch.
    BadRecordMarkerAttributes,
    /// The run was paused before the task was begun.
    WorkflowPauseRequestedBeforeTaskStarted,
    /// The run was made from another one's history, which ended here.
    ResetWorkflow,
    /// It took longer than a workflow task may. In the history it is a `WorkflowTaskTimedOut`.
    TimedOut,
}

impl TaskFailedCause {
    /// Its name in Temporal's API, as `WORKFLOW_TASK_FAILED_CAUSE_` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnhandledCommand => "UNHANDLED_COMMAND",
            Self::BadScheduleActivityAttributes => "BAD_SCHEDULE_ACTIVITY_ATTRIBUTES",
            Self::BadRequestCancelActivityAttributes => "BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES",
            Self::BadStartTimerAttributes => "BAD_START_TIMER_ATTRIBUTES",
            Self::BadCancelTimerAttributes => "BAD_CANCEL_TIMER_ATTRIBUTES",
            Self::BadScopeAttributes => "BAD_SCOPE_ATTRIBUTES",
            Self::ScheduleActivityDuplicateId => "SCHEDULE_ACTIVITY_DUPLICATE_ID",
            Self::WorkflowWorkerUnhandledFailure => "WORKFLOW_WORKER_UNHANDLED_FAILURE",
            Self::ForceCloseCommand => "FORCE_CLOSE_COMMAND",
            Self::BadBinary => "BAD_BINARY",
            Self::NonDeterministicError => "NON_DETERMINISTIC_ERROR",
            Self::PendingActivitiesLimitExceeded => "PENDING_ACTIVITIES_LIMIT_EXCEEDED",
            Self::BadStartChildExecutionAttributes => "BAD_START_CHILD_EXECUTION_ATTRIBUTES",
            Self::BadSignalWorkflowExecutionAttributes => {
                "BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES"
            }
            Self::BadRequestCancelExternalWorkflowExecutionAttributes => {
                "BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES"
            }
            Self::PendingChildWorkflowsLimitExceeded => "PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED",
            Self::PendingSignalsLimitExceeded => "PENDING_SIGNALS_LIMIT_EXCEEDED",
            Self::PendingRequestCancelLimitExceeded => "PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED",
            Self::BadContinueAsNewAttributes => "BAD_CONTINUE_AS_NEW_ATTRIBUTES",
            Self::BadUpdateWorkflowExecutionMessage => "BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE",
            Self::BadSearchAttributes => "BAD_SEARCH_ATTRIBUTES",
            Self::BadModifyWorkflowPropertiesAttributes => {
                "BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES"
            }
            Self::BadRecordMarkerAttributes => "BAD_RECORD_MARKER_ATTRIBUTES",
            Self::WorkflowPauseRequestedBeforeTaskStarted => {
                "WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED"
            }
            Self::ResetWorkflow => "RESET_WORKFLOW",
            // No cause there, but an event of its own.
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// Why stored bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There are too few bytes for a header.
    #[error("{0} bytes are too few")]
    Short(usize),
    /// A newer host wrote it.
    #[error("format version {found} is newer than {known}; use a newer sandglass")]
    Version {
        /// The version found.
        found: u8,
        /// The newest version this host knows.
        known: u8,
    },
    /// The checksum disagrees with the body.
    #[error("checksum mismatch")]
    Checksum,
    /// The body is not what the version says.
    #[error("malformed body: {0}")]
    Body(String),
}

/// The version that [`encode`] writes. Version 1 had no parents, origins and escalations, version 2
/// no chains of runs, version 3 no limit on a run's workflow tasks and no counts of what was begun
/// or asked again, version 4 no mark of what may have been done by an attempt that was lost and no
/// count of workflow tasks that failed with a request to cancel.
pub const FORMAT_VERSION: u8 = 5;

/// What is stored in this encoding. A type that has changed says how its older form is read; since
/// version 2 its new fields do, see `v2`.
pub trait Persisted: Serialize + DeserializeOwned {
    /// Reads the body of version 1 and gives what is left of it.
    ///
    /// # Errors
    /// The body is not of that form.
    fn from_v1(body: &[u8]) -> Result<(Self, &[u8]), postcard::Error> {
        postcard::take_from_bytes(body)
    }
}

/// Plain values are what they were; stores are tested with them.
impl<A, B, C> Persisted for (A, B, C) where Self: Serialize + DeserializeOwned {}
impl Persisted for crate::PendingActivity {}
impl Persisted for crate::Effect {}

/// Bytes before the body: one of version, four of checksum.
const HEADER: usize = 5;

/// Encodes a persisted value: version, CRC-32 of version and body (little endian), body in
/// postcard.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let header = vec![FORMAT_VERSION, 0, 0, 0, 0];
    let mut bytes = postcard::to_extend(value, header)
        .expect("postcard fails only on sequences of unknown length, which no persisted type has");
    let sum = checksum(&bytes).to_le_bytes();
    bytes[1..HEADER].copy_from_slice(&sum);
    bytes
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// Says what is wrong with the bytes. Nothing that fails its checksum is interpreted.
pub fn decode<T: Persisted>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() < HEADER {
        return Err(DecodeError::Short(bytes.len()));
    }
    let stored = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
    if stored != checksum(bytes) {
        return Err(DecodeError::Checksum);
    }
    let body = &bytes[HEADER..];
    let _reading = v2::reading(bytes[0]);
    let decoded = match bytes[0] {
        2..=FORMAT_VERSION => postcard::take_from_bytes(body),
        1 => T::from_v1(body),
        found => {
            return Err(DecodeError::Version {
                found,
                known: FORMAT_VERSION,
            });
        }
    };
    match decoded {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(DecodeError::Body(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(DecodeError::Body(error.to_string())),
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..1]);
    hasher.update(&bytes[HEADER..]);
    hasher.finalize()
}
