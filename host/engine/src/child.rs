//! Child workflows and other runs that a run speaks to: what a guest asks for.
//!
//! These types are persisted in frames and in the outbox: append variants, never reorder.

use crate::{
    EventId, Failure, Fields, IdReusePolicy, Millis, Payload, RetryPolicy, RetryState,
    frame::since_v3,
};
use serde::{Deserialize, Serialize};

/// A complete description of one child workflow to start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChildCall {
    /// The workflow type.
    pub workflow_type: String,
    /// The child's workflow id. Default: the parent's run id, `_` and the operation's number.
    pub workflow_id: Option<String>,
    /// The task queue. Default: the parent's.
    pub task_queue: Option<String>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Limit for the child's run.
    pub run_timeout: Option<Millis>,
    /// What cancellation does to it.
    pub cancellation: ChildCancellation,
    /// What becomes of it when the parent closes.
    pub parent_close_policy: ParentClosePolicy,
    /// Limit for all runs of the child's chain together.
    #[serde(deserialize_with = "since_v3")]
    pub execution_timeout: Option<Millis>,
    /// Whether and when a failed run of it is followed by another.
    #[serde(deserialize_with = "since_v3")]
    pub retry: Option<RetryPolicy>,
    /// The cron schedule by which it is repeated.
    #[serde(deserialize_with = "since_v3")]
    pub cron: Option<String>,
    /// Whether its workflow id may have been used before.
    #[serde(deserialize_with = "since_v3")]
    pub id_reuse: IdReusePolicy,
    /// Values that are shown with it.
    #[serde(deserialize_with = "since_v3")]
    pub memo: Fields,
    /// Values by which it can be found.
    #[serde(deserialize_with = "since_v3")]
    pub search_attributes: Fields,
}

impl ChildCall {
    /// Whether the parent asks it to stop without waiting for it, and its close policy terminates
    /// it as soon as the parent ends: its cleanup is cut short.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.cancellation == ChildCancellation::TryCancel
            && self.parent_close_policy == ParentClosePolicy::Terminate
    }
}

/// What canceling a child workflow means to the parent that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ChildCancellation {
    /// Ask the child to end and wait for how it ends (R21).
    #[default]
    WaitCancellationCompleted,
    /// Ask the child to end and report it canceled once the request is recorded there (R25).
    WaitCancellationRequested,
    /// Ask the child to end and report it canceled at once.
    TryCancel,
    /// Do not tell the child; report it canceled at once.
    Abandon,
}

/// What becomes of a child workflow when its parent closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ParentClosePolicy {
    /// It is terminated.
    #[default]
    Terminate,
    /// It is asked to end.
    RequestCancel,
    /// It goes on.
    Abandon,
}

/// Another run, as code names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Target {
    /// Its workflow id.
    pub workflow_id: String,
    /// The run; `None` for the newest one of the workflow id.
    pub run_id: Option<String>,
}

/// One run, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunRef {
    /// Its workflow id.
    pub workflow_id: String,
    /// Its run id.
    pub run_id: String,
}

/// The run that started or canceled another, with the event that did it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The run.
    pub run: RunRef,
    /// Its event; 0 if the run's close did it.
    pub initiated_event_id: EventId,
}

/// How a child workflow ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChildClose {
    /// It returned a value.
    Completed(Payload),
    /// It returned a failure.
    Failed {
        /// The failure.
        failure: Failure,
        /// Why there is no further run.
        retry_state: RetryState,
    },
    /// It ended by cancellation.
    Canceled {
        /// Details of the canceled failure.
        details: Vec<Payload>,
    },
    /// It exceeded its timeout.
    TimedOut {
        /// Why there is no further run.
        retry_state: RetryState,
    },
    /// It was terminated.
    Terminated {
        /// By whom.
        identity: String,
    },
}

/// Why a child workflow was not started, under Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartChildFailedCause {
    /// Another run of its workflow id is open.
    WorkflowAlreadyExists,
    /// No loaded component has its workflow type. Temporal would start it and wait for a worker.
    WorkflowTypeNotFound,
}

/// Why another run was not reached, under Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalFailedCause {
    /// There is no such run, or it is not the one that was meant.
    ExternalWorkflowExecutionNotFound,
    /// It has taken as many signals as one run may.
    SignalCountLimitExceeded,
}

impl StartChildFailedCause {
    /// Its name in Temporal's API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkflowAlreadyExists => "WORKFLOW_ALREADY_EXISTS",
            Self::WorkflowTypeNotFound => "WORKFLOW_TYPE_NOT_FOUND",
        }
    }
}

impl ExternalFailedCause {
    /// Its name in Temporal's API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ExternalWorkflowExecutionNotFound => "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND",
            Self::SignalCountLimitExceeded => "SIGNAL_COUNT_LIMIT_EXCEEDED",
        }
    }
}

impl ChildCancellation {
    /// Whether the parent waits for what becomes of a canceled child.
    #[must_use]
    pub fn waits(self) -> bool {
        matches!(
            self,
            Self::WaitCancellationCompleted | Self::WaitCancellationRequested
        )
    }
}
