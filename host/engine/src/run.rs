//! One run: what its history has made of it, and which inputs it takes.
//!
//! [`Run::append`] and [`Task::finish`](crate::Task::finish) are the only ways in which a history
//! grows, live and in replay alike.

mod chain;
mod inputs;
mod messages;
mod operator;
mod recording;
mod relatives;
mod reset;
pub(crate) mod size;
mod state;

use recording::{Keep, Recording};

pub(crate) use relatives::{ExternalKind, OpenChild, OpenExternal};
pub use state::{CancelState, InputError, RunSummary, Status};

use crate::{
    CancelRequest, Digest, Effect, EventAttributes, EventId, Failure, Fields, ForceRequest,
    HistorySize, Input, Limits, LocalResolution, OperationId, OperatorRequest, Record, RetryState,
    Start, Task, TaskFailedCause, TaskOutcome, TaskRecord, TimeoutKind, Timestamp,
    compensation::Compensations, frame::Issued, local::OpenLocal, scopes::Scopes,
    update::UpdateState,
};
use std::collections::{BTreeMap, BTreeSet};

/// One run, rebuilt from its frames or grown by inputs and workflow tasks.
#[derive(Debug, Clone)]
pub struct Run {
    pub(crate) limits: Limits,
    pub(crate) start: Option<Box<Start>>,
    pub(crate) status: Status,
    pub(crate) clock: Timestamp,
    pub(crate) task: PendingTask,
    pub(crate) undelivered: Vec<Undelivered>,
    pub(crate) first_task_done: bool,
    pub(crate) guest_done: bool,
    pub(crate) cancel: Option<Cancellation>,
    pub(crate) scopes: Scopes,
    pub(crate) compensations: Compensations,
    pub(crate) activities: BTreeMap<EventId, OpenActivity>,
    pub(crate) timers: BTreeMap<EventId, OpenTimer>,
    pub(crate) children: BTreeMap<EventId, OpenChild>,
    pub(crate) externals: BTreeMap<EventId, OpenExternal>,
    /// How many of them are signals.
    pub(crate) signals_pending: usize,
    /// Who holds it, while it is paused.
    pub(crate) paused: Option<(OperatorRequest, Timestamp)>,
    /// Requests of operators that are recorded (R39).
    operator_requests: BTreeSet<String>,
    /// The runs whose histories it began with, each with the first event that is not of it.
    pub(crate) lineage: Vec<(EventId, String)>,
    /// The request that made it from another run's history.
    reset_request: String,
    /// Neither its parent nor its children are told of its end: they are another run's now.
    orphaned: bool,
    /// How it was ended by force.
    pub(crate) force: Option<(ForceRequest, Timestamp)>,
    /// Local activities that have not ended.
    pub(crate) locals: BTreeMap<OperationId, OpenLocal>,
    /// How many signals are recorded.
    pub(crate) signals: usize,
    pub(crate) memo: Fields,
    pub(crate) search_attributes: Fields,
    /// The run that follows this one, which has ended.
    pub(crate) successor: Option<String>,
    /// Updates by id, completed ones included: asked for again, they are the same.
    pub(crate) updates: BTreeMap<String, UpdateState>,
    /// Patches that the code has asked about, with the answer.
    pub(crate) patches: BTreeMap<String, bool>,
    /// Why there is no further run, for the parent.
    pub(crate) retry_state: RetryState,
    started_at: Timestamp,
    /// The first workflow task waits for a timer.
    backing_off: bool,
    /// Bytes of the records of all frames so far.
    history_bytes: u64,
    /// Requests whose signals are recorded (R39).
    signal_requests: BTreeSet<String>,
    next_event_id: EventId,
    recording: Recording,
}

/// The recorded request to cancel a run.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    pub request: CancelRequest,
    pub event_id: EventId,
    pub at: Timestamp,
    pub delivered: bool,
    /// Workflow tasks that have failed with it.
    pub failed_tasks: u32,
}

/// An input that no completed workflow task has delivered yet.
#[derive(Debug, Clone)]
pub(crate) struct Undelivered {
    pub at: Timestamp,
    pub input: Input,
    /// The started event of the activity or child that this closes, if it was started.
    pub started_event_id: EventId,
    /// The operation that this has to do with.
    pub concerns: Option<OperationId>,
    /// The operation that this ends, if it ends one.
    pub resolves: Option<OperationId>,
}

/// Inputs that came together and were taken.
#[derive(Default)]
struct Taken {
    /// When the last of them came.
    last: Option<Timestamp>,
    /// Not all of them are updates.
    with_others: bool,
    /// Those that are to be recorded.
    inputs: Vec<(Timestamp, Input)>,
}

/// A scheduled activity whose end is not recorded.
#[derive(Debug, Clone)]
pub(crate) struct OpenActivity {
    pub operation: OperationId,
    pub activity_id: String,
    pub cancel_requested_event_id: Option<EventId>,
}

/// A timer that has not fired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenTimer {
    pub operation: OperationId,
    /// The scheduled event of the activity whose cancellation it stops waiting for (R23); such a
    /// timer goes by the id of the request instead of a started event's.
    pub ends_wait_for: Option<EventId>,
}

/// The workflow task that is to be run, if one is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PendingTask {
    Idle,
    /// Local activities go on: its scheduled event is written after the inputs that came while
    /// the task before it was waiting for them.
    Due,
    /// Its scheduled event is written.
    Scheduled(EventId),
    /// The task before it failed. Its scheduled event is written when it ends (R38).
    Retrying {
        attempt: u32,
        failure: (TaskFailedCause, Failure),
    },
}

impl Run {
    /// A run without history. Its first input is [`Input::Started`].
    #[must_use]
    pub fn new(limits: Limits) -> Box<Self> {
        Box::new(Self {
            limits,
            start: None,
            status: Status::Running,
            clock: Timestamp(0),
            task: PendingTask::Idle,
            undelivered: Vec::new(),
            first_task_done: false,
            guest_done: false,
            cancel: None,
            scopes: Scopes::default(),
            compensations: Compensations::default(),
            activities: BTreeMap::new(),
            timers: BTreeMap::new(),
            children: BTreeMap::new(),
            externals: BTreeMap::new(),
            signals_pending: 0,
            paused: None,
            operator_requests: BTreeSet::new(),
            lineage: Vec::new(),
            reset_request: String::new(),
            orphaned: false,
            force: None,
            locals: BTreeMap::new(),
            signals: 0,
            memo: Fields::new(),
            search_attributes: Fields::new(),
            successor: None,
            updates: BTreeMap::new(),
            patches: BTreeMap::new(),
            retry_state: RetryState::RetryPolicyNotSet,
            started_at: Timestamp(0),
            backing_off: false,
            history_bytes: 0,
            signal_requests: BTreeSet::new(),
            next_event_id: EventId(1),
            recording: Recording::new(Keep::Events, EventId(1)),
        })
    }

    /// The same run under other limits.
    #[must_use]
    pub fn with_limits(mut self: Box<Self>, limits: Limits) -> Box<Self> {
        self.limits = limits;
        self
    }

    /// Records an input and schedules a workflow task if none is pending.
    ///
    /// # Errors
    /// Says why the input is not taken. Nothing is recorded then.
    pub fn append(&mut self, at: Timestamp, input: Input) -> Result<(), InputError> {
        let mut taken = Taken::default();
        self.take(at, input, &mut taken)?;
        self.conclude(taken);
        Ok(())
    }

    /// Records several inputs that came together, such as those that waited for a workflow task to
    /// end: one workflow task is scheduled after all of them (semantics A3, R18).
    ///
    /// Tells of each whether it was taken.
    pub fn append_all(
        &mut self,
        inputs: impl IntoIterator<Item = (Timestamp, Input)>,
    ) -> Vec<Result<(), InputError>> {
        let mut taken = Taken::default();
        let inputs = inputs.into_iter();
        let results = inputs
            .map(|(at, input)| self.take(at, input, &mut taken))
            .collect();
        self.conclude(taken);
        results
    }

    fn take(&mut self, at: Timestamp, input: Input, taken: &mut Taken) -> Result<(), InputError> {
        self.accepts(&input)?;
        if let Some(before) = self.resolves_before(&input) {
            self.take(at, before, taken)?;
        }
        let is_update = matches!(input, Input::UpdateRequested(_));
        taken.with_others |= !is_update;
        taken.last = Some(at);
        if self.keeps_records() {
            taken.inputs.push((at, input.clone()));
        }
        let started_event_id = self.record_input(at, &input);
        let concern = self.remove_pending(&input);
        if self.status == Status::Running {
            self.undelivered.push(Undelivered {
                at,
                input,
                started_event_id,
                concerns: concern.map(|(operation, _)| operation),
                resolves: concern.and_then(|(operation, ends)| ends.then_some(operation)),
            });
        }
        Ok(())
    }

    /// Ends the recording of inputs that came together.
    fn conclude(&mut self, taken: Taken) {
        let Some(at) = taken.last else {
            return;
        };
        let mut inputs = taken.inputs;
        match inputs.len() {
            0 => {}
            1 => {
                let (at, input) = inputs.remove(0);
                self.push_record(Record::Input { at, input });
            }
            _ => self.push_record(Record::Inputs(inputs)),
        }
        if self.status == Status::Running && (self.paused.is_none() || crate::broken("R40")) {
            self.schedule_task(at, !taken.with_others);
        }
    }

    fn accepts(&self, input: &Input) -> Result<(), InputError> {
        if self.status != Status::Running {
            return Err(InputError::Closed);
        }
        match (input, &self.start) {
            (Input::Started(_), None) => Ok(()),
            (Input::Started(_), Some(_)) => Err(InputError::AlreadyStarted),
            (_, None) => Err(InputError::NotStarted),
            (Input::Signaled(signal), _)
                if self.signal_requests.contains(&signal.request_id) && !crate::broken("R39") =>
            {
                Err(InputError::Duplicate)
            }
            (Input::Signaled(_), _) if self.signals >= self.limits.signals_per_run => {
                Err(InputError::TooManySignals(self.limits.signals_per_run))
            }
            (Input::UpdateRequested(update), _) if self.updates.contains_key(&update.id) => {
                Err(InputError::Duplicate)
            }
            (Input::UpdateRequested(_), _) if self.paused.is_some() => Err(InputError::Paused),
            (Input::UpdateRequested(_), _) => self.takes_update(),
            (Input::CancelRequested(_), _) if self.cancel.is_some() && !crate::broken("R2") => {
                Err(InputError::AlreadyRequested)
            }
            (Input::Forced(_), _) if self.cancel.is_none() && crate::broken("R29") => {
                Err(InputError::Duplicate)
            }
            _ => self.awaits(input),
        }
    }

    /// Whether that which an input answers is pending; inputs that answer nothing are taken.
    fn awaits(&self, input: &Input) -> Result<(), InputError> {
        match input {
            Input::ActivityClosed {
                scheduled_event_id: id,
                ..
            } if !self.activities.contains_key(id) => Err(InputError::UnknownActivity(*id)),
            Input::TimerFired {
                started_event_id: id,
            } if !self.timers.contains_key(id) => Err(InputError::UnknownTimer(*id)),
            Input::FirstTaskDue if !self.backing_off => {
                Err(InputError::UnknownTimer(chain::BACKOFF_TIMER))
            }
            Input::ChildStarted {
                initiated_event_id: id,
                ..
            } if self
                .children
                .get(id)
                .is_some_and(|child| child.started.is_some()) =>
            {
                Err(InputError::Duplicate)
            }
            Input::ChildStarted {
                initiated_event_id: id,
                ..
            }
            | Input::ChildStartFailed {
                initiated_event_id: id,
                ..
            }
            | Input::ChildClosed {
                initiated_event_id: id,
                ..
            } if !self.children.contains_key(id) => Err(InputError::UnknownChild(*id)),
            Input::ExternalResolved {
                initiated_event_id: id,
                ..
            } if !self.externals.contains_key(id) => Err(InputError::UnknownExternal(*id)),
            Input::Paused(request) => self.accepts_pause(request),
            Input::Unpaused(request) => self.accepts_unpause(request),
            Input::OperatorCanceled { target, request } => {
                self.accepts_operator_cancel(*target, request)
            }
            _ => Ok(()),
        }
    }

    fn schedule_task(&mut self, at: Timestamp, only_updates: bool) {
        if self.backing_off {
            return;
        }
        match &mut self.task {
            PendingTask::Idle | PendingTask::Due => {
                let attributes = EventAttributes::WorkflowTaskScheduled { attempt: 1 };
                self.task = PendingTask::Scheduled(self.emit(at, attributes));
            }
            PendingTask::Scheduled(_) if crate::broken("R1") => {
                self.emit(at, EventAttributes::WorkflowTaskScheduled { attempt: 1 });
            }
            PendingTask::Scheduled(_) => {}
            // A new event ends the streak of failing attempts (R38); an update brings none yet.
            PendingTask::Retrying { .. } if only_updates => {}
            PendingTask::Retrying { attempt, .. } => *attempt = 1,
        }
    }

    /// Whether a workflow task is to be run.
    #[must_use]
    pub fn wants_task(&self) -> bool {
        self.status == Status::Running && self.task != PendingTask::Idle
    }

    /// Which attempt the pending workflow task is, from 1.
    #[must_use]
    pub fn task_attempt(&self) -> u32 {
        match self.task {
            PendingTask::Retrying { attempt, .. } => attempt,
            _ => 1,
        }
    }

    /// Restores the count of attempts that failed without being recorded, after a rebuild from
    /// frames.
    ///
    /// Without a recorded failure before, or with a lower count, nothing changes.
    pub fn restore_attempt(&mut self, count: u32) {
        if let PendingTask::Retrying { attempt, .. } = &mut self.task {
            *attempt = count.max(*attempt);
        }
    }

    /// Begins the pending workflow task, over all inputs that were not delivered yet.
    ///
    /// # Panics
    /// If no workflow task is pending.
    #[must_use]
    pub fn begin(self: Box<Self>, started_at: Timestamp, digest: Digest) -> Box<Task> {
        assert!(
            self.wants_task(),
            "a workflow task is begun only when one is pending"
        );
        Task::new(self, started_at, digest, None, Vec::new(), false)
    }

    /// Begins a recorded workflow task again. Each command must equal the recorded one.
    pub(crate) fn begin_replay(
        self: Box<Self>,
        started_at: Timestamp,
        digest: Digest,
        recorded: Vec<Issued>,
        resolutions: Vec<LocalResolution>,
        history: HistorySize,
    ) -> Box<Task> {
        let mut task = Task::new(self, started_at, digest, Some(recorded), resolutions, false);
        task.set_history(history);
        task
    }

    /// Records that the pending workflow task failed; it stays pending as the next attempt.
    ///
    /// Of consecutive failing attempts only the first is recorded (R38); returns whether this one
    /// was.
    pub fn fail_task(
        &mut self,
        started_at: Timestamp,
        cause: TaskFailedCause,
        failure: Failure,
    ) -> bool {
        let history = self.history_size();
        self.record_failed_task(started_at, cause, failure, history)
    }

    pub(crate) fn record_failed_task(
        &mut self,
        started_at: Timestamp,
        cause: TaskFailedCause,
        failure: Failure,
        history: HistorySize,
    ) -> bool {
        let attempt = self.task_attempt();
        let recorded = (attempt == 1 || crate::broken("R38")) && self.wants_task();
        if recorded {
            let (scheduled_event_id, started_event_id) =
                self.emit_task_started(started_at, history);
            let attributes = match cause {
                TaskFailedCause::TimedOut => EventAttributes::WorkflowTaskTimedOut {
                    scheduled_event_id,
                    started_event_id,
                    timeout_type: TimeoutKind::StartToClose,
                },
                _ => EventAttributes::WorkflowTaskFailed {
                    scheduled_event_id,
                    started_event_id,
                    cause,
                    failure: failure.clone(),
                },
            };
            self.emit(started_at, attributes);
            let outcome = TaskOutcome::Failed {
                cause,
                failure: failure.clone(),
            };
            self.push_record(Record::Task(TaskRecord {
                started_at,
                attempt,
                outcome,
                history,
            }));
        }
        if let Some(cancel) = &mut self.cancel {
            cancel.failed_tasks = cancel.failed_tasks.saturating_add(1);
        }
        if self.wants_task() {
            let attempt = attempt.saturating_add(1);
            self.task = PendingTask::Retrying {
                attempt,
                failure: (cause, failure),
            };
        }
        recorded
    }

    /// Writes the started event of the pending task, and its scheduled event if that is still
    /// missing.
    pub(crate) fn emit_task_started(
        &mut self,
        at: Timestamp,
        history: HistorySize,
    ) -> (EventId, EventId) {
        let scheduled_event_id = match self.task {
            PendingTask::Scheduled(event_id) => event_id,
            _ => {
                let attempt = self.task_attempt();
                self.emit(at, EventAttributes::WorkflowTaskScheduled { attempt })
            }
        };
        let attributes = EventAttributes::WorkflowTaskStarted {
            scheduled_event_id,
            history,
        };
        (scheduled_event_id, self.emit(at, attributes))
    }

    pub(crate) fn close(&mut self, status: Status) {
        self.status = status;
        self.task = PendingTask::Idle;
        self.undelivered.clear();
        self.locals.clear();
        self.recording.changes.closed = true;
        if crate::broken("R26") {
            let effects = &mut self.recording.changes.effects;
            effects.retain(|(_, effect)| !matches!(effect, Effect::Cancel { .. }));
        }
        if !self.orphaned {
            self.tell_relatives();
        }
    }

    /// Id of the next event.
    #[must_use]
    pub fn next_event_id(&self) -> EventId {
        self.next_event_id
    }

    /// How the run stands.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How it was started; `None` before its first input.
    #[must_use]
    pub fn start(&self) -> Option<&Start> {
        self.start.as_deref()
    }

    /// Whether cancellation was requested.
    #[must_use]
    pub fn cancel_requested(&self) -> bool {
        self.cancel.is_some()
    }
}
