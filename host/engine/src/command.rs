//! What a guest asks for. These types are persisted in frames: append variants, never reorder.

use crate::{
    ChildCall, CompensationId, ContinueCall, Failure, Millis, OperationId, Payload, ScopeId,
    SearchValue, Target, Timestamp, retry,
};
use serde::{Deserialize, Serialize};

/// One call of a guest that must be made again, equal, in every replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Schedule an activity. Answers with its operation.
    ScheduleActivity {
        /// The scope it belongs to.
        scope: ScopeId,
        /// What to run.
        call: ActivityCall,
    },
    /// Start a timer. Answers with its operation.
    StartTimer {
        /// The scope it belongs to.
        scope: ScopeId,
        /// How long, from the start of the workflow task.
        duration: Millis,
    },
    /// Open a wait. Answers with its operation.
    OpenWait {
        /// The scope it belongs to.
        scope: ScopeId,
        /// What is waited for, for people.
        label: String,
    },
    /// Close a wait that is satisfied.
    CloseWait {
        /// The wait.
        wait: OperationId,
    },
    /// Open a scope. Answers with its number.
    OpenScope {
        /// Its parent.
        parent: ScopeId,
        /// How it takes part in cancellation.
        kind: ScopeKind,
    },
    /// Cancel a scope.
    CancelScope {
        /// The scope.
        scope: ScopeId,
        /// Why.
        reason: String,
    },
    /// Close a scope.
    CloseScope {
        /// The scope.
        scope: ScopeId,
    },
    /// Cancel one operation.
    CancelOperation {
        /// The operation.
        operation: OperationId,
    },
    /// Register a compensation. Answers with its number.
    PushCompensation {
        /// The scope it is registered with.
        scope: ScopeId,
        /// The operation it undoes.
        undoes: Option<OperationId>,
        /// What to run.
        call: ActivityCall,
        /// When it runs.
        when: CompensateWhen,
    },
    /// Replace the arguments of a compensation.
    SetCompensationArguments {
        /// The compensation.
        compensation: CompensationId,
        /// The new arguments.
        arguments: Vec<Payload>,
    },
    /// Run the compensations of a scope and those below it. Answers with an operation.
    Compensate {
        /// The scope.
        scope: ScopeId,
    },
    /// End the run.
    Complete {
        /// How.
        outcome: Outcome,
    },
    /// Start a child workflow. Answers with its operation.
    StartChild {
        /// The scope it belongs to.
        scope: ScopeId,
        /// What to start.
        call: ChildCall,
    },
    /// Send another run a message. Answers with its operation.
    SignalExternal {
        /// The scope it belongs to.
        scope: ScopeId,
        /// Whom.
        target: Target,
        /// The message's name.
        name: String,
        /// Its arguments.
        arguments: Vec<Payload>,
        /// Headers.
        header: Vec<(String, Payload)>,
    },
    /// Ask another run to end. Answers with its operation.
    CancelExternal {
        /// The scope it belongs to.
        scope: ScopeId,
        /// Whom.
        target: Target,
        /// Why.
        reason: String,
    },
    /// Run an activity in this host, inside of the workflow task. Answers with its operation.
    ScheduleLocalActivity {
        /// The scope it belongs to.
        scope: ScopeId,
        /// What to run.
        call: ActivityCall,
        /// The longest wait before an attempt that is not made a timer. Default: the host's.
        retry_threshold: Option<Millis>,
    },
    /// Answer an update.
    CompleteUpdate {
        /// The update.
        id: String,
        /// The answer.
        outcome: Result<Payload, Failure>,
    },
    /// Set or, without a value, remove entries of the memo.
    UpsertMemo {
        /// The entries.
        entries: Vec<(String, Option<Payload>)>,
    },
    /// Set or, without a value, remove search attributes.
    UpsertSearchAttributes {
        /// The attributes.
        entries: Vec<(String, Option<SearchValue>)>,
    },
    /// Ask whether to go the way of a patch. Recorded where the answer is first yes.
    Patched {
        /// Names the patch.
        id: String,
        /// No code is left that goes the other way.
        deprecated: bool,
    },
    /// Say what the failure of a compensation means for those that were to run after it.
    StopCompensatingOnFailure {
        /// Whether they are not run.
        stop: bool,
    },
}

impl Command {
    /// The import that guests issue it by.
    pub(crate) fn import(&self) -> &'static str {
        match self {
            Self::ScheduleActivity { .. } => "activities.schedule-activity",
            Self::StartTimer { .. } => "timers.start-timer",
            Self::OpenWait { .. } => "waits.open-wait",
            Self::CloseWait { .. } => "waits.close-wait",
            Self::OpenScope { .. } => "cancellation.open-scope",
            Self::CancelScope { .. } => "cancellation.cancel-scope",
            Self::CloseScope { .. } => "cancellation.close-scope",
            Self::CancelOperation { .. } => "cancellation.cancel-operation",
            Self::PushCompensation { .. } => "compensation.push-compensation",
            Self::SetCompensationArguments { .. } => "compensation.set-compensation-arguments",
            Self::Compensate { .. } => "compensation.compensate",
            Self::Complete { .. } => "execution.complete",
            Self::StartChild { .. } => "children.start-child",
            Self::SignalExternal { .. } => "externals.signal-external",
            Self::CancelExternal { .. } => "externals.cancel-external",
            Self::CompleteUpdate { .. } => "updates.complete-update",
            Self::UpsertMemo { .. } => "attributes.upsert-memo",
            Self::UpsertSearchAttributes { .. } => "attributes.upsert-search-attributes",
            Self::Patched { .. } => "info.patched",
            Self::ScheduleLocalActivity { .. } => "activities.schedule-local-activity",
            Self::StopCompensatingOnFailure { .. } => "compensation.stop-compensating-on-failure",
        }
    }
}

/// A complete description of one activity to run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ActivityCall {
    /// The activity type.
    pub activity_type: String,
    /// An id, unique among the run's pending activities. Default: the operation's number.
    pub activity_id: Option<String>,
    /// Which workers take it. Default: the run's task queue.
    pub task_queue: Option<String>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Limit for all attempts and waits together.
    pub schedule_to_close: Option<Millis>,
    /// Limit until a worker begins.
    pub schedule_to_start: Option<Millis>,
    /// Limit for one attempt.
    pub start_to_close: Option<Millis>,
    /// Longest silence between heartbeats.
    pub heartbeat: Option<Millis>,
    /// When to try again.
    pub retry: Option<RetryPolicy>,
    /// What cancellation does to it.
    pub cancellation: CancellationType,
}

/// An attempt that may take longer than this is long. It is what the SDK gives one by default.
const LONG_ATTEMPT: Millis = Millis(60_000);

impl ActivityCall {
    /// Whether its run waits for its end when it is canceled, its attempts may be long, and nobody
    /// would notice one that is stuck: it has no limit on the silence between heartbeats (S57).
    #[must_use]
    pub fn lacks_heartbeat(&self) -> bool {
        let is_long = self.start_to_close.is_none_or(|limit| limit > LONG_ATTEMPT);
        self.cancellation.waits() && self.heartbeat.is_none() && is_long
    }

    /// The same call with what Temporal fills in: the whole limit bounds each attempt and the wait
    /// for a worker, an attempt bounds the silence between heartbeats, and there is a retry
    /// policy.
    #[must_use]
    pub(crate) fn normalized(mut self) -> Self {
        // A limit of zero means none, as in Temporal.
        for limit in [
            &mut self.schedule_to_close,
            &mut self.schedule_to_start,
            &mut self.start_to_close,
            &mut self.heartbeat,
        ] {
            *limit = limit.filter(|limit| limit.0 > 0);
        }
        self.start_to_close = self.start_to_close.or(self.schedule_to_close);
        self.schedule_to_start = self.schedule_to_start.or(self.schedule_to_close);
        if let (Some(silence), Some(attempt)) = (self.heartbeat, self.start_to_close) {
            self.heartbeat = Some(silence.min(attempt));
        }
        let retry = self.retry.get_or_insert_default();
        if retry.initial_interval.0 == 0 {
            retry.initial_interval = RetryPolicy::default().initial_interval;
        }
        self
    }

    /// What its payloads count against limits on size, in bytes.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let header = self
            .header
            .iter()
            .map(|(key, payload)| key.len() + payload.size());
        self.arguments.iter().map(Payload::size).chain(header).sum()
    }
}

/// How often and when a failed activity is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Wait before the second attempt.
    pub initial_interval: Millis,
    /// Factor by which the wait grows; at least 1.
    pub backoff_coefficient: f64,
    /// Longest wait. Default: 100 times the initial interval.
    pub maximum_interval: Option<Millis>,
    /// Most attempts; 0 for no limit.
    pub maximum_attempts: u32,
    /// Failure types that are not retried.
    pub non_retryable_types: Vec<String>,
}

impl RetryPolicy {
    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        retry::invalid(self)
    }
}

impl Default for RetryPolicy {
    /// Temporal's default: 1 s, doubling, at most 100 s, without limit.
    fn default() -> Self {
        Self {
            initial_interval: Millis::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_types: Vec::new(),
        }
    }
}

/// What canceling an activity means to the run that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancellationType {
    /// Ask the activity to stop and wait for how it ends.
    WaitCancellationCompleted,
    /// Ask the activity to stop and report it canceled at once.
    TryCancel,
    /// Do not tell the activity; report it canceled at once.
    Abandon,
    /// Ask the activity to stop and wait for how it ends, but no longer than this (R23). Then it
    /// is reported canceled, unsettled.
    WaitAtMost(Millis),
}

impl Default for CancellationType {
    /// Waiting is safe: what has not settled is not undone (R21).
    fn default() -> Self {
        match crate::broken("R21") {
            true => Self::TryCancel,
            false => Self::WaitCancellationCompleted,
        }
    }
}

impl CancellationType {
    /// Whether the run waits for the activity's end.
    #[must_use]
    pub fn waits(self) -> bool {
        matches!(self, Self::WaitCancellationCompleted | Self::WaitAtMost(_))
    }
}

/// How a scope takes part in cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScopeKind {
    /// Canceled together with its parent.
    Cancellable,
    /// Told of its parent's cancellation, but its operations go on.
    Shielded,
    /// Without any tie to its parent's cancellation.
    Detached,
    /// Cancellable, and canceled when this much time has passed.
    Timeout(Millis),
}

/// When a compensation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompensateWhen {
    /// If the operation it undoes completed, timed out or is not known to have ended.
    Effective,
    /// Also if that operation failed, was canceled or was never sent.
    Always,
}

/// How a workflow ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It returned a value.
    Completed(Payload),
    /// It returned a failure.
    Failed(Failure),
    /// It is to be continued by another run of its workflow id.
    ContinueAsNew(Box<ContinueCall>),
}

/// What caused a scope to be canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelCause {
    /// A client asked for it.
    Requested,
    /// The scope's parent was canceled.
    Parent,
    /// The workflow's own code did it.
    Code,
    /// The scope's timeout passed.
    Timeout,
}

/// Why, by whom and when a scope was canceled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelInfo {
    /// What caused it.
    pub cause: CancelCause,
    /// The reason given.
    pub reason: String,
    /// Who asked for it.
    pub requester: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// When the host stops waiting.
    pub deadline: Option<Timestamp>,
}

/// What a command is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// The operation that was started.
    Operation(OperationId),
    /// The scope that was opened.
    Scope(ScopeId),
    /// The compensation that was registered.
    Compensation(CompensationId),
    /// The scope is canceled or closed: nothing was started.
    Refused(Failure),
    /// Whether the code is to go the way of the patch.
    Patched(bool),
}
