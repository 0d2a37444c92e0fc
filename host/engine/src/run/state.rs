//! How a run stands, as those outside of the engine see it.

use super::{PendingTask, Run};
use crate::{
    CancelRequest, ChainSummary, Escalation, EventId, Failure, Fields, ForceRequest, Millis,
    OperatorRequest, Origin, Payload, ScopeId, TaskFailedCause, Timestamp, UpdateCounts,
    frame::{since_v3, since_v4, since_v5},
};
use serde::{Deserialize, Serialize};

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Status {
    /// It has not ended.
    #[default]
    Running,
    /// It returned a value.
    Completed {
        /// The value.
        result: Payload,
    },
    /// It returned a failure.
    Failed {
        /// The failure.
        failure: Failure,
    },
    /// It ended by cancellation.
    Canceled {
        /// Details of the canceled failure.
        details: Vec<Payload>,
    },
    /// It was terminated.
    Terminated {
        /// Why.
        reason: String,
        /// By whom.
        identity: String,
    },
    /// It exceeded its timeout.
    TimedOut,
    /// It asked to be continued by another run.
    ContinuedAsNew {
        /// That run.
        new_run_id: String,
    },
}

impl Status {
    /// Its name, as people and programs read it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "canceled",
            Self::Terminated { .. } => "terminated",
            Self::TimedOut => "timed-out",
            Self::ContinuedAsNew { .. } => "continued-as-new",
        }
    }
}

/// How far a request to cancel a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum CancelState {
    /// There is none.
    #[default]
    None,
    /// It is recorded.
    Requested,
    /// A workflow task has completed with it.
    Delivered,
    /// The run was ended by force.
    ForceRequested,
    /// The run was ended by force, and its activities were killed.
    KillRequested,
}

impl CancelState {
    /// Its name, as people and programs read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Requested => "requested",
            Self::Delivered => "delivered",
            Self::ForceRequested => "force-requested",
            Self::KillRequested => "kill-requested",
        }
    }
}

/// Why an input was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The run has ended.
    #[error("the run has already ended")]
    Closed,
    /// The run was started before.
    #[error("the run was already started")]
    AlreadyStarted,
    /// The run has no start yet.
    #[error("the run was not started")]
    NotStarted,
    /// The same request was recorded before.
    #[error("the request was already recorded")]
    Duplicate,
    /// Cancellation was requested before.
    #[error("cancellation was already requested")]
    AlreadyRequested,
    /// It has taken as many signals as one run may.
    #[error("the run has taken {0} signals, the most that one run takes")]
    TooManySignals(usize),
    /// The run has as many updates that are not completed as it may have.
    #[error("{0} updates of the run are not completed yet, and no more may be")]
    TooManyUpdatesInFlight(usize),
    /// The run has had as many updates as it may have.
    #[error("the run has had {0} updates, and may have no more")]
    TooManyUpdates(usize),
    /// The run is not any more where it was when an update was validated.
    #[error("the run has gone on since the update was validated")]
    Moved,
    /// The activity is not pending.
    #[error("no activity with scheduled event {0} is pending")]
    UnknownActivity(EventId),
    /// The timer is not pending.
    #[error("no timer with started event {0} is pending")]
    UnknownTimer(EventId),
    /// The child is not pending.
    #[error("no child workflow with initiated event {0} is pending")]
    UnknownChild(EventId),
    /// The signal or request to cancel is not pending.
    #[error("nothing with initiated event {0} is on its way to another run")]
    UnknownExternal(EventId),
    /// The run is paused.
    #[error("workflow is already paused")]
    AlreadyPaused,
    /// The run is paused, and takes no update.
    #[error("workflow is paused; it takes no update until it is unpaused")]
    Paused,
    /// The run is not paused.
    #[error("workflow is not paused")]
    NotPaused,
    /// The scope is not open.
    #[error("no scope {0} is open")]
    UnknownScope(ScopeId),
    /// The root scope is the whole run.
    #[error("scope 0 is the whole run; cancel the run itself")]
    RootScope,
    /// The activity undoes work and is the host's own.
    #[error("the activity with scheduled event {0} is a compensation, which cannot be canceled")]
    Compensation(EventId),
}

/// What describe, list and recovery need to know without replay. Stored with each frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunSummary {
    /// How the run stands.
    pub status: Status,
    /// Id of the next event.
    pub next_event_id: EventId,
    /// The request to cancel it, and when it was recorded.
    pub cancel: Option<(CancelRequest, Timestamp)>,
    /// How far that request has come.
    pub cancel_state: CancelState,
    /// Whether a workflow task is to be run.
    pub task_pending: bool,
    /// Which attempt it is, from 1.
    pub task_attempt: u32,
    /// Why its last recorded attempt failed, if it did.
    pub task_failure: Option<(TaskFailedCause, Failure)>,
    /// Compensations that failed, as text.
    pub uncompensated: Vec<String>,
    /// How it was ended by force, and when.
    pub force: Option<(ForceRequest, Timestamp)>,
    /// The event of the cancel request whose deadline is a timer, and what follows it.
    pub grace: Option<(EventId, Escalation)>,
    /// The run that started it as a child.
    pub parent: Option<Origin>,
    /// Where it stands in its chain.
    #[serde(deserialize_with = "since_v3")]
    pub chain: ChainSummary,
    /// Values that are shown with it.
    #[serde(deserialize_with = "since_v3")]
    pub memo: Fields,
    /// Values by which it can be found.
    #[serde(deserialize_with = "since_v3")]
    pub search_attributes: Fields,
    /// How many updates it has had.
    #[serde(deserialize_with = "since_v3")]
    pub updates: UpdateCounts,
    /// Whether its first workflow task has completed.
    #[serde(deserialize_with = "since_v3")]
    pub begun: bool,
    /// Who paused it, and when, while it is paused.
    #[serde(deserialize_with = "since_v3")]
    pub paused: Option<(OperatorRequest, Timestamp)>,
    /// The runs whose histories it began with, if it was made by a reset: the first event that is
    /// not of it, and its run id.
    #[serde(deserialize_with = "since_v3")]
    pub lineage: Vec<(EventId, String)>,
    /// The request that made it so.
    #[serde(deserialize_with = "since_v3")]
    pub reset_request: String,
    /// Requests to cancel it after the first. No history has them: whoever stores the summary
    /// counts (R2).
    #[serde(deserialize_with = "since_v4")]
    pub cancel_repeats: u64,
    /// Workflow tasks that have failed with a request to cancel that no completed one has
    /// delivered; 0 without such a request (R31).
    #[serde(deserialize_with = "since_v5")]
    pub undelivered_tasks: u32,
}

impl Run {
    /// What describe, list and recovery need to know without replay.
    #[must_use]
    pub fn summary(&self) -> RunSummary {
        let task_failure = match &self.task {
            PendingTask::Retrying { failure, .. } => Some(failure.clone()),
            _ => None,
        };
        RunSummary {
            status: self.status.clone(),
            next_event_id: self.next_event_id,
            cancel: self
                .cancel
                .as_ref()
                .map(|cancel| (cancel.request.clone(), cancel.at)),
            cancel_state: self.cancel_state(),
            task_pending: self.wants_task(),
            task_attempt: self.task_attempt(),
            task_failure,
            uncompensated: self.compensations.failed.clone(),
            force: self.force.clone(),
            grace: self.cancel.as_ref().and_then(|cancel| {
                let escalation = cancel.request.escalation?;
                Some((cancel.event_id, escalation))
            }),
            parent: self.start().and_then(|start| start.parent.clone()),
            chain: self.chain_summary(),
            memo: self.memo.clone(),
            search_attributes: self.search_attributes.clone(),
            updates: self.update_counts(),
            begun: self.first_task_done,
            paused: self.paused.clone(),
            lineage: self.lineage.clone(),
            reset_request: self.reset_request.clone(),
            cancel_repeats: 0,
            undelivered_tasks: match &self.cancel {
                Some(cancel) if !cancel.delivered => cancel.failed_tasks,
                _ => 0,
            },
        }
    }

    /// Restores the count of workflow tasks that failed with a request to cancel, those that were
    /// not recorded included, after a rebuild from frames. A lower count changes nothing.
    pub fn restore_undelivered(&mut self, count: u32) {
        if let Some(cancel) = &mut self.cancel {
            cancel.failed_tasks = count.max(cancel.failed_tasks);
        }
    }

    /// How long a workflow task of it may take.
    #[must_use]
    pub fn task_timeout(&self) -> Millis {
        let own = self.start().and_then(|start| start.task_timeout);
        let limit = own.unwrap_or(Millis(self.limits.workflow_task_timeout as u64));
        limit.min(Millis(self.limits.workflow_task_timeout_max as u64))
    }

    /// The request to cancel it, if there is one.
    #[must_use]
    pub fn cancel_request(&self) -> Option<&CancelRequest> {
        self.cancel.as_ref().map(|cancel| &cancel.request)
    }

    fn cancel_state(&self) -> CancelState {
        match (&self.force, &self.cancel) {
            (Some((force, _)), _) if force.rung == Escalation::Kill => CancelState::KillRequested,
            (Some(_), _) => CancelState::ForceRequested,
            (None, Some(cancel)) if cancel.delivered => CancelState::Delivered,
            (None, Some(_)) => CancelState::Requested,
            (None, None) => CancelState::None,
        }
    }
}
