//! One workflow task: delivers inputs to the guest, takes its commands, and becomes history.
//!
//! The numbered rules are those of the design's section *Scopes and cancellation, exactly*. Nobody
//! but the task knows whether it runs for the first time or in replay.

mod cancel;
mod commands;
mod compensate;
mod deliver;
mod finish;
mod local;
mod messages;
mod record;
mod relatives;
mod validate;

use crate::{
    Answer, CancelInfo, Command, Digest, EventId, Failure, GuestEvent, HistorySize, Input,
    LocalOrder, LocalResolution, OperationId, Payload, Run, ScopeId, SearchValue, Signal, Start,
    Target, TaskFailedCause, TaskFailure, Timestamp, Update,
    frame::Issued,
    local::LocalPhase,
    run::{ExternalKind, PendingTask, Undelivered},
};
use record::Recorded;
use std::collections::{BTreeSet, VecDeque};

/// A workflow task that is under way. It owns its run.
///
/// A task that fails is dropped with its run, whose state it has spoiled; the run is then rebuilt
/// from its frames.
#[derive(Debug)]
pub struct Task {
    run: Box<Run>,
    started_at: Timestamp,
    digest: Digest,
    /// How large the history was when it began.
    history: HistorySize,
    inputs: VecDeque<Undelivered>,
    /// Operations that the inputs still to come resolve.
    resolving: BTreeSet<OperationId>,
    queue: VecDeque<GuestEvent>,
    /// How many events were delivered.
    deliveries: u32,
    issued: Vec<Issued>,
    payload_bytes: usize,
    recorded: Option<Recorded>,
    planned: Vec<Planned>,
    /// How many of the planned commands start a timer, and how many an activity.
    timers_planned: usize,
    activities_planned: usize,
    children_planned: usize,
    /// How many are signals to other runs, and how many requests to cancel them.
    signals_planned: usize,
    cancels_planned: usize,
    /// Whether it has, or had, local activities.
    had_locals: bool,
    /// What the host is to do for local activities.
    orders: Vec<LocalOrder>,
    /// How they ended, as far as that is not delivered, and as far as it is.
    resolved: VecDeque<LocalResolution>,
    resolutions: Vec<LocalResolution>,
    failure: Option<TaskFailure>,
    /// The guest only looks: it must not command.
    read_only: bool,
}

/// A command that becomes an event when the task ends, in this order.
#[derive(Debug, Clone)]
enum Planned {
    /// Un-scheduled: canceled before it was sent.
    Nothing,
    ScheduleActivity {
        operation: OperationId,
        activity_id: String,
        call: Box<crate::ActivityCall>,
    },
    StartTimer {
        operation: OperationId,
        duration: crate::Millis,
    },
    CancelActivity {
        scheduled_event_id: EventId,
        reason: String,
        wait_at_most: Option<crate::Millis>,
    },
    CancelTimer {
        started_event_id: EventId,
        operation: OperationId,
    },
    StartChild {
        operation: OperationId,
        workflow_id: String,
        call: Box<crate::ChildCall>,
    },
    Signal {
        operation: OperationId,
        target: Target,
        signal: Box<Signal>,
    },
    CancelExternal {
        kind: ExternalKind,
        target: Target,
        reason: String,
    },
    Marker {
        name: String,
        details: Vec<(String, Vec<Payload>)>,
        failure: Option<Failure>,
    },
    Close(crate::Outcome),
    AcceptUpdate(Box<Update>),
    CompleteUpdate {
        id: String,
        outcome: Result<Payload, Failure>,
    },
    Memo(Vec<(String, Option<Payload>)>),
    SearchAttributes(Vec<(String, Option<SearchValue>)>),
}

impl Task {
    pub(crate) fn new(
        mut run: Box<Run>,
        started_at: Timestamp,
        digest: Digest,
        recorded: Option<Vec<Issued>>,
        resolutions: Vec<LocalResolution>,
        read_only: bool,
    ) -> Box<Self> {
        let history = run.history_size();
        // Who only looks takes nothing away.
        let mut inputs = match read_only {
            true => Vec::new(),
            false => std::mem::take(&mut run.undelivered),
        };
        if !run.first_task_done && !crate::broken("R6") {
            // Messages recorded before the first task come before the main function starts (R6).
            inputs.sort_by_key(|item| {
                !matches!(item.input, Input::Signaled(_) | Input::UpdateRequested(_))
            });
        }
        // What the guest sees as time never goes back, whatever the wall clock does.
        run.clock = run.clock.max(started_at);
        // The host may know them already; after a crash it does not.
        let had_locals = !run.locals.is_empty();
        let running = run.locals.iter();
        let running = running.filter(|(_, open)| open.phase == LocalPhase::Running);
        let orders = running.map(|(id, open)| open.begin(*id)).collect();
        Box::new(Self {
            run,
            started_at,
            digest,
            history,
            resolving: inputs.iter().filter_map(|item| item.resolves).collect(),
            inputs: inputs.into(),
            queue: VecDeque::new(),
            deliveries: 0,
            issued: Vec::new(),
            payload_bytes: 0,
            recorded: recorded.map(Recorded::new),
            planned: Vec::new(),
            timers_planned: 0,
            activities_planned: 0,
            children_planned: 0,
            signals_planned: 0,
            cancels_planned: 0,
            had_locals,
            orders,
            resolved: resolutions.into(),
            resolutions: Vec::new(),
            failure: None,
            read_only,
        })
    }

    /// The next event for the guest; `None` when there is nothing left to deliver.
    ///
    /// # Errors
    /// In replay, if the guest has issued fewer commands than were recorded.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not borrow the task"
    )]
    pub fn next(&mut self) -> Result<Option<GuestEvent>, TaskFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.check_none_left_here()?;
        let event = self.next_event();
        if event.is_some() {
            self.deliveries += 1;
        }
        Ok(event)
    }

    /// Takes one command of the guest.
    ///
    /// # Errors
    /// The command is malformed, passes a limit or, in replay, is not the recorded one. The guest
    /// must be trapped; every later call fails in the same way.
    pub fn command(&mut self, command: Command) -> Result<Answer, TaskFailure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let result = match self.read_only && !matches!(command, Command::Patched { .. }) {
            true => Err(only_looks(&command)),
            false => self.take_command(command),
        };
        if let Err(failure) = &result {
            self.failure = Some(failure.clone());
        }
        result
    }

    /// The cancellation of a scope, if it was canceled or, for a shielded one, requested.
    ///
    /// # Errors
    /// The scope was never opened.
    pub fn cancel_info(&self, scope: ScopeId) -> Result<Option<CancelInfo>, TaskFailure> {
        if !self.run.scopes.knows_scope(scope) {
            return Err(bad_scope(format!("scope {scope} was never opened")));
        }
        Ok(self
            .run
            .scopes
            .scope(scope)
            .and_then(|scope| scope.canceled.clone()))
    }

    /// What the guest is told the time is: the start of this task, never before that of an earlier
    /// one.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.run.clock
    }

    pub(crate) fn set_history(&mut self, history: HistorySize) {
        self.history = history;
    }

    /// Events of the history up to the one that began this task.
    #[must_use]
    pub fn history_length(&self) -> u64 {
        let scheduled = match self.run.task {
            PendingTask::Scheduled(_) => 0,
            _ => 1,
        };
        self.run.next_event_id().0 + scheduled
    }

    /// How large the history was when this task began, as recorded.
    #[must_use]
    pub fn history_size(&self) -> HistorySize {
        self.history
    }

    /// How the run was started.
    #[must_use]
    pub fn start(&self) -> &Start {
        self.run
            .start()
            .expect("a task begins only after an input, and the first input is the start")
    }

    /// Whether cancellation of the run was requested: before this task, or by one of the inputs
    /// that it delivers, whether or not it has come to that one.
    #[must_use]
    pub fn cancel_requested(&self) -> bool {
        self.run.cancel_requested()
    }

    /// The memo, as the task has made it so far.
    pub fn memo(&self) -> impl Iterator<Item = (&String, &Payload)> {
        self.run.memo.iter()
    }

    /// The search attributes, as the task has made them so far.
    pub fn search_attributes(&self) -> impl Iterator<Item = (&String, &Payload)> {
        self.run.search_attributes.iter()
    }

    /// Whether the guest is only to look: what it must not do traps it.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Ends a task that [`Run::look`] began. The run is as it was.
    ///
    /// # Panics
    /// If it is another task: that one must be finished.
    #[must_use]
    pub fn into_run(self) -> Box<Run> {
        assert!(self.read_only, "a workflow task ends by being finished");
        self.run
    }

    /// How long it may take.
    #[must_use]
    pub fn timeout(&self) -> crate::Millis {
        self.run.task_timeout()
    }

    /// Whether this is a replay, in which logs are muted.
    #[must_use]
    pub fn replaying(&self) -> bool {
        self.recorded.is_some()
    }

    /// In replay, the next recorded command if it was issued in the current activation.
    #[must_use]
    pub(crate) fn recorded_here(&self) -> Option<&Command> {
        let (recorded, here) = (self.recorded.as_ref()?, self.deliveries.checked_sub(1)?);
        recorded
            .next()
            .filter(|issued| issued.delivery == here)
            .map(|issued| &issued.command)
    }

    /// The rule that a command broke, if one did.
    pub(crate) fn failure(&self) -> Option<&TaskFailure> {
        self.failure.as_ref()
    }
}

/// The failure of a guest that commands where it may only look.
fn only_looks(command: &Command) -> TaskFailure {
    TaskFailure::new(
        TaskFailedCause::WorkflowWorkerUnhandledFailure,
        "ReadOnly",
        format!(
            "`{}` must not be called in a query or by the validator of an update: they may only \
             look",
            command.import()
        ),
    )
}

fn bad_scope(message: String) -> TaskFailure {
    TaskFailure::new(
        TaskFailedCause::BadScopeAttributes,
        "BadScopeAttributes",
        message,
    )
}
