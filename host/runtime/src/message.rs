//! What queries and updates have in common: why one was not answered as it was asked.

use crate::error::Error;
use sandglass_engine::{Failure, Status, TaskFailedCause};
use serde::{Deserialize, Serialize};

/// Why a query or update was not answered. The run goes on as if it had not been asked, unless the
/// variant says otherwise.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageError {
    /// The run's code answered a query with a failure, or refused an update. A name that it does
    /// not handle is a failure of type `UnknownQuery` or `UnknownUpdate` that lists those it does.
    #[error("{0}")]
    Failed(Failure),
    /// The run stands as the query's [`crate::QueryReject`] excludes.
    #[error("the query was rejected: the run is {}", .0.name())]
    Rejected(Status),
    /// The run's workflow tasks fail, so that its code cannot be asked.
    #[error(
        "the run cannot be asked: its workflow task failed {failed} times, {cause:?}: {failure}"
    )]
    Failing {
        /// How many attempts in a row.
        failed: u32,
        /// Why the last one did.
        cause: TaskFailedCause,
        /// What happened.
        failure: Failure,
    },
    /// The run is paused.
    #[error("the run is paused: it can be asked when it is unpaused")]
    Paused,
    /// The code that was to answer trapped: it called what is not for looking, took too long, or
    /// has a bug. Also if the history cannot be replayed with the run's component.
    #[error("the run's code trapped when it was asked: {0}")]
    Trapped(Failure),
    /// No answer came in time. An update that was accepted goes on.
    #[error("no answer came within {} ms", .0)]
    DeadlineExceeded(u64),
    /// The run has as many updates as it may have.
    #[error("{0}")]
    Exhausted(String),
    /// `AbortedByWorkflowClosing`: the run ended before it accepted the update.
    #[error("AbortedByWorkflowClosing: the run ended before it accepted the update")]
    Aborted,
    /// Anything else.
    #[serde(skip)]
    #[error(transparent)]
    Host(#[from] Error),
}
