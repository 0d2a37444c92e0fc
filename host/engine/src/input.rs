//! What happens to a run from outside. These types are persisted: append variants, never reorder.

use crate::{
    Chain, ChildClose, Digest, EventId, ExternalFailedCause, Failure, Fields, Millis,
    OperatorRequest, OperatorTarget, Origin, Payload, Reset, RetryState, StartChildFailedCause,
    Timestamp, Update,
    frame::{since_v3, since_v4, since_v5},
};
use serde::{Deserialize, Serialize};

/// One fact that reaches a run from outside and is recorded in its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The run was started. The first input of every run, and only the first.
    Started(Box<Start>),
    /// A message was sent to the run.
    Signaled(Signal),
    /// Cancellation of the run was requested.
    CancelRequested(CancelRequest),
    /// An activity ended, and there is no further attempt.
    ActivityClosed {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its last attempt; `None` if it was never started.
        started: Option<AttemptInfo>,
        /// How it ended.
        close: ActivityClose,
        /// Whether an attempt of it ended without anybody knowing what it has done: it timed out,
        /// or was lost with its host.
        #[serde(deserialize_with = "since_v5")]
        unsettled: bool,
    },
    /// A timer is due.
    TimerFired {
        /// Its started event; for the one that limits the wait for a canceled activity, the
        /// request's.
        started_event_id: EventId,
    },
    /// The run was terminated.
    Terminated {
        /// Why.
        reason: String,
        /// By whom.
        identity: String,
        /// Values that describe it.
        details: Vec<Payload>,
        /// The request's id, if it has one.
        #[serde(deserialize_with = "since_v3")]
        request_id: String,
    },
    /// The run exceeded its run or execution timeout.
    TimedOut,
    /// The run is ended by force, without its code (R29).
    Forced(ForceRequest),
    /// A child workflow was started.
    ChildStarted {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its run.
        run_id: String,
    },
    /// A child workflow could not be started.
    ChildStartFailed {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Why.
        cause: StartChildFailedCause,
    },
    /// A child workflow ended.
    ChildClosed {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// How.
        close: ChildClose,
    },
    /// A signal or request to cancel has reached another run, or cannot.
    ExternalResolved {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Why it cannot.
        outcome: Result<(), ExternalFailedCause>,
    },
    /// An update was asked for. It has no event of its own: the workflow task that delivers it
    /// writes that it is accepted.
    UpdateRequested(Update),
    /// The backoff before the run's first workflow task is over.
    FirstTaskDue,
    /// The run is held: until it is let go, no workflow task runs (R40).
    Paused(OperatorRequest),
    /// The run is let go.
    Unpaused(OperatorRequest),
    /// An operator cancels one activity or scope, as the run's code could.
    OperatorCanceled {
        /// What.
        target: OperatorTarget,
        /// Who asked, and why.
        request: OperatorRequest,
    },
    /// The run ends, and another one that begins with a part of its history goes on (R17).
    Superseded(Box<Reset>),
    /// What is before this is the history of another run.
    Reset(Box<Reset>),
}

/// How and why a run was started.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Start {
    /// The workflow id, chosen by the client.
    pub workflow_id: String,
    /// The run id, chosen by the host.
    pub run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// The task queue.
    pub task_queue: String,
    /// The arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Who started it.
    pub identity: String,
    /// The request that started it; a repeated one finds this run.
    pub request_id: String,
    /// The component it began with.
    pub digest: Digest,
    /// Seed of the run's random numbers.
    pub seed: [u8; 32],
    /// Limit for this run.
    pub run_timeout: Option<Millis>,
    /// The run that started it as a child, with the event that did it.
    pub parent: Option<Origin>,
    /// What it has to do with the runs before and after it.
    #[serde(deserialize_with = "since_v3")]
    pub chain: Chain,
    /// Values that are shown with the run.
    #[serde(deserialize_with = "since_v3")]
    pub memo: Fields,
    /// Values by which the run can be found.
    #[serde(deserialize_with = "since_v3")]
    pub search_attributes: Fields,
    /// Limit for each of its workflow tasks; without one the host's
    /// ([`workflow_task_timeout`](crate::Limits::workflow_task_timeout)).
    #[serde(deserialize_with = "since_v4")]
    pub task_timeout: Option<Millis>,
}

impl Start {
    /// The first run of the chain that this run is in.
    #[must_use]
    pub fn first_run_id(&self) -> &str {
        match self.chain.first_run_id.as_str() {
            "" => &self.run_id,
            first => first,
        }
    }
}

/// A message to a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Who sent it.
    pub identity: String,
    /// The request that sent it. If it is not empty, a repeated one is not recorded again.
    pub request_id: String,
}

/// A request to cancel a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Why.
    pub reason: String,
    /// Who asked.
    pub identity: String,
    /// The request's id.
    pub request_id: String,
    /// When the host stops waiting for the run to end.
    pub deadline: Option<Timestamp>,
    /// What the host does then. Nothing if there is no deadline.
    pub escalation: Option<Escalation>,
    /// The run that asked, if a run did.
    pub origin: Option<Origin>,
    /// The run before this one in its chain, if the request was made to that one (R15).
    #[serde(deserialize_with = "since_v3")]
    pub inherited_from: Option<String>,
}

/// What follows when a canceled run has not ended by its deadline (R30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Escalation {
    /// It is closed as canceled, without its code.
    Force,
    /// The same, and its running activities are killed.
    Kill,
    /// It is terminated.
    Terminate,
    /// It is closed as failed.
    Fail,
}

impl Escalation {
    /// Its name, as people and programs read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Force => "force",
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Fail => "fail",
        }
    }
}

/// A request to end a run by force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForceRequest {
    /// How far it goes.
    pub rung: Escalation,
    /// What caused it.
    pub trigger: Trigger,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub identity: String,
    /// The request's id.
    pub request_id: String,
}

/// What caused a force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// Somebody asked.
    Request,
    /// The deadline of a request to cancel passed.
    Deadline,
}

/// One attempt of an activity, as its started event shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptInfo {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When a worker began it.
    pub at: Timestamp,
    /// The worker.
    pub identity: String,
    /// Why the attempt before it failed.
    pub last_failure: Option<Box<Failure>>,
}

/// How an activity ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ActivityClose {
    /// It returned a value.
    Completed(Payload),
    /// Its last attempt failed.
    Failed {
        /// How.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// It exceeded a limit on time.
    TimedOut {
        /// A timeout failure, with the last attempt's failure as its cause if there was one.
        failure: Failure,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// It accepted cancellation, or had not been started when it was canceled.
    Canceled {
        /// Values that it reported.
        details: Vec<Payload>,
        /// The worker that reported it.
        identity: String,
    },
}
