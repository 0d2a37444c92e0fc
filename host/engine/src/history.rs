//! History as people and Temporal's tools see it: a projection of frames, never stored.
//!
//! Event types, order and numbering are Temporal's, workflow-task events included; the source of
//! names and attributes is `temporal.api.history.v1`.

mod shorthand;

pub use shorthand::{shorthand, skeleton};

use crate::{
    ActivityCall, CancelRequest, ChildCall, ContinueCall, Digest, EventId, ExternalFailedCause,
    Failure, ForceRequest, HistorySize, Initiator, Millis, OperatorRequest, OperatorTarget,
    Payload, RetryState, Signal, Start, StartChildFailedCause, Target, TaskFailedCause,
    TimeoutKind, Timestamp, Update,
};
use serde::Serialize;

/// One recorded fact of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryEvent {
    /// Its place in the history, from 1, without gaps.
    pub event_id: EventId,
    /// When it was recorded.
    pub event_time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub attributes: EventAttributes,
}

/// What happened, under the names of Temporal's event types.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event_type", content = "attributes")]
pub enum EventAttributes {
    /// The run was started.
    WorkflowExecutionStarted(Box<Start>),
    /// The run returned a value.
    WorkflowExecutionCompleted {
        /// The value.
        result: Payload,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
        /// The run that follows by a cron schedule.
        new_execution_run_id: Option<String>,
    },
    /// The run returned a failure.
    WorkflowExecutionFailed {
        /// The failure.
        failure: Failure,
        /// Why there is no further run.
        retry_state: RetryState,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
        /// Compensations that failed, as text.
        uncompensated: Vec<String>,
        /// The run that follows, by the retry policy or a cron schedule.
        new_execution_run_id: Option<String>,
    },
    /// The run ended by cancellation.
    WorkflowExecutionCanceled {
        /// Details of the canceled failure.
        details: Vec<Payload>,
        /// The workflow task that did it; 0 if it was ended by force.
        workflow_task_completed_event_id: EventId,
        /// The request; 0 if it was ended by force without one.
        cancel_requested_event_id: EventId,
        /// Compensations that failed, as text.
        uncompensated: Vec<String>,
        /// Whether it was ended by force. Not an attribute of Temporal's.
        forced: bool,
    },
    /// The run was terminated.
    WorkflowExecutionTerminated {
        /// Why.
        reason: String,
        /// By whom.
        identity: String,
        /// Values that describe it.
        details: Vec<Payload>,
    },
    /// The run exceeded its timeout.
    WorkflowExecutionTimedOut {
        /// Why there is no further run.
        retry_state: RetryState,
        /// The run that follows, by the retry policy or a cron schedule.
        new_execution_run_id: Option<String>,
    },
    /// Cancellation was requested.
    WorkflowExecutionCancelRequested(CancelRequest),
    /// A message arrived.
    WorkflowExecutionSignaled(Signal),
    /// A workflow task is to be run.
    WorkflowTaskScheduled {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A workflow task was begun.
    WorkflowTaskStarted {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// How large the history was then.
        #[serde(flatten)]
        history: HistorySize,
    },
    /// A workflow task ended as it should.
    WorkflowTaskCompleted {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// The component it ran with.
        digest: Digest,
    },
    /// A workflow task failed. It is tried again.
    WorkflowTaskFailed {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Why.
        cause: TaskFailedCause,
        /// What happened.
        failure: Failure,
    },
    /// A workflow task took longer than it may. It is tried again.
    WorkflowTaskTimedOut {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Which limit passed.
        timeout_type: TimeoutKind,
    },
    /// An activity was scheduled.
    ActivityTaskScheduled {
        /// Its id.
        activity_id: String,
        /// What to run.
        call: Box<ActivityCall>,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// The attempt that decided how an activity ends was begun. Written when it ends.
    ActivityTaskStarted {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Which attempt, from 1.
        attempt: u32,
        /// The worker.
        identity: String,
        /// Why the attempt before it failed.
        last_failure: Option<Failure>,
    },
    /// An activity returned a value.
    ActivityTaskCompleted {
        /// The value.
        result: Payload,
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
    },
    /// An activity failed for good.
    ActivityTaskFailed {
        /// How.
        failure: Failure,
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// An activity exceeded a limit on time for good.
    ActivityTaskTimedOut {
        /// Which limit, and the last attempt's failure.
        failure: Failure,
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event; 0 if it was never started.
        started_event_id: EventId,
        /// Why it is not tried again.
        retry_state: RetryState,
    },
    /// An activity was asked to stop.
    ActivityTaskCancelRequested {
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
        /// Why.
        reason: String,
    },
    /// An activity accepted cancellation, or had not been started.
    ActivityTaskCanceled {
        /// Values that it reported.
        details: Vec<Payload>,
        /// The request.
        latest_cancel_requested_event_id: EventId,
        /// Its scheduled event.
        scheduled_event_id: EventId,
        /// Its started event; 0 if it was never started.
        started_event_id: EventId,
        /// The worker that reported it.
        identity: String,
    },
    /// A timer was started.
    TimerStarted {
        /// Its id.
        timer_id: String,
        /// How long.
        start_to_fire_timeout: Millis,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// A timer fired.
    TimerFired {
        /// Its id.
        timer_id: String,
        /// Its started event.
        started_event_id: EventId,
    },
    /// A timer was canceled.
    TimerCanceled {
        /// Its id.
        timer_id: String,
        /// Its started event.
        started_event_id: EventId,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// A child workflow is to be started.
    StartChildWorkflowExecutionInitiated {
        /// Its workflow id.
        workflow_id: String,
        /// What to start.
        call: Box<ChildCall>,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// A child workflow could not be started.
    StartChildWorkflowExecutionFailed {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its type.
        workflow_type: String,
        /// Why.
        cause: StartChildFailedCause,
    },
    /// A child workflow was started.
    ChildWorkflowExecutionStarted {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// Its type.
        workflow_type: String,
    },
    /// A child workflow returned a value.
    ChildWorkflowExecutionCompleted {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// The value.
        result: Payload,
    },
    /// A child workflow returned a failure.
    ChildWorkflowExecutionFailed {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// The failure.
        failure: Failure,
        /// Why there is no further run.
        retry_state: RetryState,
    },
    /// A child workflow ended by cancellation.
    ChildWorkflowExecutionCanceled {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// Details of the canceled failure.
        details: Vec<Payload>,
    },
    /// A child workflow exceeded its timeout.
    ChildWorkflowExecutionTimedOut {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// Why there is no further run.
        retry_state: RetryState,
    },
    /// A child workflow was terminated.
    ChildWorkflowExecutionTerminated {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its started event.
        started_event_id: EventId,
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
    },
    /// A signal to another run is on its way.
    SignalExternalWorkflowExecutionInitiated {
        /// The run.
        target: Target,
        /// The message.
        signal: Signal,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// A signal cannot reach another run.
    SignalExternalWorkflowExecutionFailed {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// The run.
        target: Target,
        /// Why.
        cause: ExternalFailedCause,
    },
    /// A signal has reached another run.
    ExternalWorkflowExecutionSignaled {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// The run.
        target: Target,
    },
    /// A request to cancel another run is on its way.
    RequestCancelExternalWorkflowExecutionInitiated {
        /// The run.
        target: Target,
        /// Whether only a child of this run is meant.
        child_workflow_only: bool,
        /// Why.
        reason: String,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// A request to cancel cannot reach another run.
    RequestCancelExternalWorkflowExecutionFailed {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// The run.
        target: Target,
        /// Why.
        cause: ExternalFailedCause,
    },
    /// A request to cancel has reached another run.
    ExternalWorkflowExecutionCancelRequested {
        /// Its initiated event.
        initiated_event_id: EventId,
        /// The run.
        target: Target,
    },
    /// An update has reached the run's code.
    WorkflowExecutionUpdateAccepted {
        /// The update.
        update: Box<Update>,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// The run's code has answered an update.
    WorkflowExecutionUpdateCompleted {
        /// The update.
        update_id: String,
        /// The event of its acceptance.
        accepted_event_id: EventId,
        /// The answer.
        outcome: Result<Payload, Failure>,
    },
    /// Entries of the memo were set or, without a value, removed.
    WorkflowPropertiesModified {
        /// The entries.
        upserted_memo: Vec<(String, Option<Payload>)>,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// Search attributes were set or, without a value, removed.
    UpsertWorkflowSearchAttributes {
        /// The attributes.
        search_attributes: Vec<(String, Option<Payload>)>,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// Something that the code is to find again in a replay.
    MarkerRecorded {
        /// What kind of thing: `core_patch` or `core_local_activity`.
        marker_name: String,
        /// What there is to find.
        details: Vec<(String, Vec<Payload>)>,
        /// Why it went wrong, if it did.
        failure: Option<Failure>,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// The run is ended by force. Not an event of Temporal's.
    WorkflowExecutionForceCancelRequested(ForceRequest),
    /// A canceled activity did not end within the time that the run waits for it (R23). Not an
    /// event of Temporal's.
    ActivityCancelWaitTimedOut {
        /// The activity's scheduled event.
        scheduled_event_id: EventId,
        /// The request.
        cancel_requested_event_id: EventId,
    },
    /// The run is continued by another of its workflow id.
    WorkflowExecutionContinuedAsNew {
        /// That run.
        new_execution_run_id: String,
        /// How it differs from this one.
        call: Box<ContinueCall>,
        /// How long after this its first workflow task is scheduled.
        backoff_start_interval: Millis,
        /// Why it follows.
        initiator: Initiator,
        /// The workflow task that did it.
        workflow_task_completed_event_id: EventId,
    },
    /// The run was paused: no workflow task runs until it is unpaused.
    WorkflowExecutionPaused(OperatorRequest),
    /// The run was unpaused.
    WorkflowExecutionUnpaused(OperatorRequest),
    /// An operator cancels one activity or scope. Not an event of Temporal's.
    OperatorCancelRequested {
        /// What.
        target: OperatorTarget,
        /// Who asked, and why.
        request: OperatorRequest,
    },
}

impl EventAttributes {
    /// The event type under Temporal's name.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::WorkflowExecutionStarted(_) => "WorkflowExecutionStarted",
            Self::WorkflowExecutionCompleted { .. } => "WorkflowExecutionCompleted",
            Self::WorkflowExecutionFailed { .. } => "WorkflowExecutionFailed",
            Self::WorkflowExecutionCanceled { .. } => "WorkflowExecutionCanceled",
            Self::WorkflowExecutionContinuedAsNew { .. } => "WorkflowExecutionContinuedAsNew",
            Self::WorkflowExecutionTerminated { .. } => "WorkflowExecutionTerminated",
            Self::WorkflowExecutionTimedOut { .. } => "WorkflowExecutionTimedOut",
            Self::WorkflowExecutionCancelRequested(_) => "WorkflowExecutionCancelRequested",
            Self::WorkflowExecutionSignaled(_) => "WorkflowExecutionSignaled",
            Self::WorkflowTaskScheduled { .. } => "WorkflowTaskScheduled",
            Self::WorkflowTaskStarted { .. } => "WorkflowTaskStarted",
            Self::WorkflowTaskCompleted { .. } => "WorkflowTaskCompleted",
            Self::WorkflowTaskFailed { .. } => "WorkflowTaskFailed",
            Self::WorkflowTaskTimedOut { .. } => "WorkflowTaskTimedOut",
            Self::ActivityTaskScheduled { .. } => "ActivityTaskScheduled",
            Self::ActivityTaskStarted { .. } => "ActivityTaskStarted",
            Self::ActivityTaskCompleted { .. } => "ActivityTaskCompleted",
            Self::ActivityTaskFailed { .. } => "ActivityTaskFailed",
            Self::ActivityTaskTimedOut { .. } => "ActivityTaskTimedOut",
            Self::ActivityTaskCancelRequested { .. } => "ActivityTaskCancelRequested",
            Self::ActivityTaskCanceled { .. } => "ActivityTaskCanceled",
            Self::TimerStarted { .. } => "TimerStarted",
            Self::TimerFired { .. } => "TimerFired",
            Self::TimerCanceled { .. } => "TimerCanceled",
            Self::StartChildWorkflowExecutionInitiated { .. } => {
                "StartChildWorkflowExecutionInitiated"
            }
            Self::StartChildWorkflowExecutionFailed { .. } => "StartChildWorkflowExecutionFailed",
            Self::ChildWorkflowExecutionStarted { .. } => "ChildWorkflowExecutionStarted",
            Self::ChildWorkflowExecutionCompleted { .. } => "ChildWorkflowExecutionCompleted",
            Self::ChildWorkflowExecutionFailed { .. } => "ChildWorkflowExecutionFailed",
            Self::ChildWorkflowExecutionCanceled { .. } => "ChildWorkflowExecutionCanceled",
            Self::ChildWorkflowExecutionTimedOut { .. } => "ChildWorkflowExecutionTimedOut",
            Self::ChildWorkflowExecutionTerminated { .. } => "ChildWorkflowExecutionTerminated",
            Self::SignalExternalWorkflowExecutionInitiated { .. } => {
                "SignalExternalWorkflowExecutionInitiated"
            }
            Self::SignalExternalWorkflowExecutionFailed { .. } => {
                "SignalExternalWorkflowExecutionFailed"
            }
            Self::ExternalWorkflowExecutionSignaled { .. } => "ExternalWorkflowExecutionSignaled",
            Self::RequestCancelExternalWorkflowExecutionInitiated { .. } => {
                "RequestCancelExternalWorkflowExecutionInitiated"
            }
            Self::RequestCancelExternalWorkflowExecutionFailed { .. } => {
                "RequestCancelExternalWorkflowExecutionFailed"
            }
            Self::ExternalWorkflowExecutionCancelRequested { .. } => {
                "ExternalWorkflowExecutionCancelRequested"
            }
            Self::WorkflowExecutionUpdateAccepted { .. } => "WorkflowExecutionUpdateAccepted",
            Self::WorkflowExecutionUpdateCompleted { .. } => "WorkflowExecutionUpdateCompleted",
            Self::WorkflowPropertiesModified { .. } => "WorkflowPropertiesModified",
            Self::UpsertWorkflowSearchAttributes { .. } => "UpsertWorkflowSearchAttributes",
            Self::MarkerRecorded { .. } => "MarkerRecorded",
            Self::WorkflowExecutionForceCancelRequested(_) => {
                "WorkflowExecutionForceCancelRequested"
            }
            Self::ActivityCancelWaitTimedOut { .. } => "ActivityCancelWaitTimedOut",
            Self::WorkflowExecutionPaused(_) => "WorkflowExecutionPaused",
            Self::WorkflowExecutionUnpaused(_) => "WorkflowExecutionUnpaused",
            Self::OperatorCancelRequested { .. } => "OperatorCancelRequested",
        }
    }
}
