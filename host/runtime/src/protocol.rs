//! What the owner of a store and other processes say to each other: one JSON object per line.

use crate::{
    activity::ActivityOp,
    describe::RunDescription,
    error::Error,
    handle::{CancelOptions, CancelResponse, ForceOptions, TerminateOptions},
    message::MessageError,
    query::QueryOptions,
    reset::ResetOptions,
    start::StartOptions,
    starts::{Asked, RunStart},
    update::{UpdateOptions, UpdateResponse, UpdateStage},
    upgrade::{UpgradeOptions, UpgradeReport},
};
use sandglass_engine::{
    Digest, EventId, HeartbeatAnswer, OperatorRequest, Payload, ScopeId, Signal, Status, Timestamp,
};
use sandglass_store::{RunKey, RunRow, RunStatus};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// A request to the owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) workflow_id: String,
    pub(crate) run_id: Option<String>,
    /// The chain whose current run is meant (R4).
    #[serde(default)]
    pub(crate) first_run_id: Option<String>,
    pub(crate) op: Op,
}

/// What to do with the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Cancel(CancelOptions),
    Force(ForceOptions),
    Terminate(TerminateOptions),
    Signal(Signal),
    Query(QueryOptions),
    Update(UpdateOptions),
    Pause(OperatorRequest),
    Unpause(OperatorRequest),
    CancelScope {
        scope: ScopeId,
        request: OperatorRequest,
    },
    Reset(ResetOptions),
    Activity {
        activity_id: String,
        /// Names the attempt, in place of the id.
        #[serde(default)]
        token: Option<String>,
        op: ActivityOp,
    },
    /// Start a run with a message, or send it to the open run of the id.
    SignalWithStart {
        options: Box<StartOptions>,
        signal: Signal,
    },
    /// Move runs to the component in this file; the run of the request does not matter.
    Upgrade {
        component: PathBuf,
        options: UpgradeOptions,
    },
    Describe,
    /// Delete one run.
    Delete,
    /// Answered when the run has ended.
    Result,
    /// Stored frames of the run, from this number on: as many as one answer should have.
    Frames {
        first: u64,
    },
    /// Runs of the store; the run of the request does not matter.
    List(Listed),
    /// How far an update has come that was asked for before.
    PollUpdate {
        update_id: String,
        wait_for: UpdateStage,
        timeout: Option<Duration>,
    },
    /// Answered when the run has an event after this one, or has ended.
    Wait {
        after: EventId,
    },
    /// How these runs were started; the run of the request does not matter.
    Starts(Vec<Asked>),
}

impl Op {
    /// Whether it changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        matches!(
            self,
            Self::Query(_)
                | Self::Describe
                | Self::Result
                | Self::Frames { .. }
                | Self::List(_)
                | Self::PollUpdate { .. }
                | Self::Wait { .. }
                | Self::Starts(_)
        )
    }
}

/// Which runs are listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) workflow_id: Option<String>,
    pub(crate) status: Option<u8>,
    pub(crate) cancel_requested: Option<bool>,
    pub(crate) limit: usize,
    pub(crate) after: Option<u64>,
}

/// A run's row, as it crosses between processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    key: u64,
    workflow_id: String,
    run_id: String,
    first_run_id: String,
    workflow_type: String,
    status: u8,
    digest: Digest,
    started_at: Timestamp,
    closed_at: Option<Timestamp>,
    cancel_requested: bool,
    summary: Vec<u8>,
}

impl From<RunRow> for Row {
    fn from(row: RunRow) -> Self {
        Self {
            key: row.key.0,
            workflow_id: row.workflow_id,
            run_id: row.run_id,
            first_run_id: row.first_run_id,
            workflow_type: row.workflow_type,
            status: row.status as u8,
            digest: row.digest,
            started_at: row.started_at,
            closed_at: row.closed_at,
            cancel_requested: row.cancel_requested,
            summary: row.summary,
        }
    }
}

impl Row {
    /// `None`: its status is one of a newer version.
    pub(crate) fn into_row(self) -> Option<RunRow> {
        Some(RunRow {
            key: RunKey(self.key),
            workflow_id: self.workflow_id,
            run_id: self.run_id,
            first_run_id: self.first_run_id,
            workflow_type: self.workflow_type,
            status: RunStatus::from_number(self.status)?,
            digest: self.digest,
            started_at: self.started_at,
            closed_at: self.closed_at,
            cancel_requested: self.cancel_requested,
            summary: self.summary,
        })
    }
}

/// The owner's answer, after its commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Response {
    Canceled(CancelResponse),
    Done,
    /// The answer to a heartbeat.
    Told(HeartbeatAnswer),
    Description(Box<RunDescription>),
    Answer(Payload),
    Updated(UpdateResponse),
    /// How far an update has come, if there is one.
    Polled(Option<UpdateResponse>),
    /// What became of a query or update.
    Unanswered(Unanswered),
    Ended(Status),
    /// The run id of a new run.
    Made(String),
    Upgraded(UpgradeReport),
    /// Encoded frames; none: there are no more.
    Frames(Vec<Vec<u8>>),
    /// Rows, or why one cannot be read.
    Rows(Vec<Result<Row, String>>),
    /// Of each run that was asked about.
    Starts(Vec<RunStart>),
    Refused(Refusal),
}

/// Why a query or update was not answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unanswered(pub(crate) MessageError);

impl From<MessageError> for Response {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Host(error) => Self::Refused(error.into()),
            error => Self::Unanswered(Unanswered(error)),
        }
    }
}

/// An error that has crossed between processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    NotFound,
    ActivityNotFound(String),
    Precondition(String),
    Closed(Status),
    ShutDown,
    /// What is wrong with a request.
    Usage(String),
    Other(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } | Error::Deleted(_) => Self::NotFound,
            Error::ActivityNotFound { reason, .. } => Self::ActivityNotFound(reason),
            Error::Refused { reason, .. } => Self::Precondition(reason),
            Error::Closed { status, .. } => Self::Closed(*status),
            Error::ShutDown => Self::ShutDown,
            other => Self::Other(other.to_string()),
        }
    }
}

impl Refusal {
    pub(crate) fn into_error(self, workflow_id: &str, run_id: Option<&str>) -> Error {
        match self {
            Self::NotFound => Error::not_found(workflow_id, run_id),
            Self::ActivityNotFound(reason) => Error::ActivityNotFound {
                workflow_id: workflow_id.into(),
                reason,
            },
            Self::Precondition(reason) => Error::Refused {
                workflow_id: workflow_id.into(),
                reason,
            },
            Self::Closed(status) => Error::Closed {
                workflow_id: workflow_id.into(),
                status: Box::new(status),
            },
            Self::ShutDown => Error::ShutDown,
            Self::Usage(reason) => Error::LimitExceeded(reason),
            Self::Other(reason) => Error::system("ask the owner of the store", reason),
        }
    }
}
