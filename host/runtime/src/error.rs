//! What can go wrong outside of workflows and activities: the world, and how the host is asked.
//!
//! Failures of runs, activities and workflow tasks are data, see [`sandglass_engine::Failure`].

use sandglass_engine::{DecodeError, Digest, Status, TaskFailure};
use sandglass_store::Place;
use std::{path::Path, sync::Arc};

/// Why a request was not carried out. Nothing is half done when one of these is returned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such run.
    #[error("no run of workflow {workflow_id:?}{} is known", run_suffix(run_id.as_deref()))]
    NotFound {
        /// The workflow id that was asked for.
        workflow_id: String,
        /// The run id, if one was asked for.
        run_id: Option<String>,
    },
    /// The run was deleted while it was looked at.
    #[error("run {0} was deleted")]
    Deleted(String),
    /// The run has ended, and what was asked needs an open one.
    #[error("workflow {workflow_id:?} has already ended ({})", status.name())]
    Closed {
        /// The workflow id.
        workflow_id: String,
        /// How it ended.
        status: Box<Status>,
    },
    /// An activity, or the attempt of it that was meant, is not pending. As in Temporal's API,
    /// where its run has ended too.
    #[error("workflow {workflow_id:?}: {reason}")]
    ActivityNotFound {
        /// The workflow id.
        workflow_id: String,
        /// Why, in the words of Temporal's server.
        reason: String,
    },
    /// What was asked for does not fit how the run or the activity stands.
    #[error("workflow {workflow_id:?}: {reason}")]
    Refused {
        /// The workflow id.
        workflow_id: String,
        /// How it stands.
        reason: String,
    },
    /// The store failed. The request may be made again.
    #[error("store: {0}")]
    Store(Arc<sandglass_store::Error>),
    /// A row of the store cannot be read, or contradicts the others.
    #[error("run {run_id}: {reason}; other runs are not affected")]
    Damaged {
        /// The run it belongs to.
        run_id: String,
        /// What is wrong.
        reason: String,
    },
    /// A component is not loaded and not in the store.
    #[error("component {0} is neither loaded nor in the store; load it first")]
    UnknownComponent(Digest),
    /// A component is needed by open runs.
    #[error(
        "component {digest} is needed by {}: let them end, move them with `workflow upgrade`, or \
         only let nothing new begin with it",
        in_use(*open_runs, some)
    )]
    ComponentInUse {
        /// The component.
        digest: Digest,
        /// How many runs need it.
        open_runs: usize,
        /// Some of them: workflow id and run id.
        some: Vec<(String, String)>,
    },
    /// A component cannot be used.
    #[error("component: {0}")]
    Component(String),
    /// Arguments are larger than the host takes.
    #[error("{what} are {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The run has taken as much as one run may; see [`sandglass_engine::Limits`].
    #[error("{0}")]
    LimitExceeded(String),
    /// The host is shutting down or has shut down.
    #[error("the host has shut down")]
    ShutDown,
    /// The operating system refused something.
    #[error("{what}: {reason}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        reason: String,
    },
}

/// Why a run was not started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// A run with this workflow id is open.
    #[error("workflow {workflow_id:?} is already running as run {run_id}")]
    AlreadyStarted {
        /// The workflow id.
        workflow_id: String,
        /// The open run.
        run_id: String,
    },
    /// No loaded component has the workflow type.
    #[error("no workflow type {workflow_type:?}; there are: {}", known.join(", "))]
    UnknownType {
        /// The type that was asked for.
        workflow_type: String,
        /// The types that there are.
        known: Vec<String>,
    },
    /// The workflow id is empty or too long.
    #[error("a workflow id has 1 to {limit} bytes, not {len}")]
    InvalidId {
        /// Its length in bytes.
        len: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// Runs of the workflow id have ended, and the reuse policy allows no further one.
    #[error("workflow id {workflow_id:?} was used by run {run_id}, and its reuse is not allowed")]
    IdUsed {
        /// The workflow id.
        workflow_id: String,
        /// The last run of it.
        run_id: String,
    },
    /// Something else of what was asked for makes no sense.
    #[error("{reason}")]
    Invalid {
        /// What, and why.
        reason: String,
    },
    /// Anything else.
    #[error(transparent)]
    Host(#[from] Error),
}

/// Why a run was not moved to another component.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpgradeError {
    /// Replaying the history with the new component failed. Nothing was changed.
    #[error("the history cannot be replayed with component {digest}: {failure}")]
    Replay {
        /// The new component.
        digest: Digest,
        /// What differed; `failure.nondeterminism` has the event id, recorded and attempted.
        failure: Box<TaskFailure>,
    },
    /// The new component lacks the run's workflow type.
    #[error("component {digest} has no workflow type {workflow_type:?}")]
    UnknownType {
        /// The new component.
        digest: Digest,
        /// The run's type.
        workflow_type: String,
    },
    /// Anything else.
    #[error(transparent)]
    Host(#[from] Error),
}

impl From<sandglass_store::Error> for Error {
    fn from(error: sandglass_store::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl Error {
    pub(crate) fn not_found(workflow_id: &str, run_id: Option<&str>) -> Self {
        Self::NotFound {
            workflow_id: workflow_id.into(),
            run_id: run_id.map(Into::into),
        }
    }

    pub(crate) fn system(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::System {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    /// The error of reading a run: one that is damaged harms it alone.
    pub(crate) fn reading(run_id: &str, error: sandglass_store::Error) -> Self {
        match error {
            sandglass_store::Error::Corrupt { place, .. } if place.run.is_some() => Self::Damaged {
                run_id: run_id.into(),
                reason: error.to_string(),
            },
            error => error.into(),
        }
    }

    /// The error for a row whose bytes cannot be decoded, named as the store names it.
    pub(crate) fn undecodable(
        file: &Path,
        run_id: &str,
        place: Place,
        error: &DecodeError,
    ) -> Self {
        let corrupt = sandglass_store::Error::Corrupt {
            file: file.to_owned(),
            place,
            reason: error.to_string(),
        };
        Self::Damaged {
            run_id: run_id.into(),
            reason: corrupt.to_string(),
        }
    }
}

/// How many runs, and which.
fn in_use(open_runs: usize, some: &[(String, String)]) -> String {
    let runs = if open_runs == 1 { "run" } else { "runs" };
    let named = some
        .iter()
        .map(|(workflow_id, run_id)| format!("{workflow_id:?} (run {run_id})"));
    let mut text = format!(
        "{open_runs} open {runs}: {}",
        named.collect::<Vec<_>>().join(", ")
    );
    if open_runs > some.len() {
        text.push_str(&format!(" and {} more", open_runs - some.len()));
    }
    text
}

fn run_suffix(run_id: Option<&str>) -> String {
    run_id.map_or_else(String::new, |run_id| format!(" with run id {run_id:?}"))
}
