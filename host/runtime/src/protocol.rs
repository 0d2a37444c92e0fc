//! What the owner of a store and other processes say to each other: one JSON object per line.

use crate::{
    activity::ActivityOp,
    describe::RunDescription,
    error::Error,
    handle::{CancelOptions, CancelResponse, ForceOptions, TerminateOptions},
    message::MessageError,
    query::QueryOptions,
    reset::ResetOptions,
    update::{UpdateOptions, UpdateResponse},
    upgrade::{UpgradeOptions, UpgradeReport},
};
use sandglass_engine::{OperatorRequest, Payload, ScopeId, Signal, Status};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
        op: ActivityOp,
    },
    /// Move runs to the component in this file; the run of the request does not matter.
    Upgrade {
        component: PathBuf,
        options: UpgradeOptions,
    },
    Describe,
    /// Answered when the run has ended.
    Result,
}

/// The owner's answer, after its commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Response {
    Canceled(CancelResponse),
    Done,
    Description(Box<RunDescription>),
    Answer(Payload),
    Updated(UpdateResponse),
    /// What became of a query or update.
    Unanswered(Unanswered),
    Ended(Status),
    /// The run id of a new run.
    Made(String),
    Upgraded(UpgradeReport),
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
    Other(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::NotFound,
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
            Self::Other(reason) => Error::system("ask the owner of the store", reason),
        }
    }
}
