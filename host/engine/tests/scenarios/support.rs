//! A run with a scripted guest: what the host does to it, without a host.

#[path = "support_local.rs"]
mod local;

use sandglass_engine::*;
use std::collections::BTreeMap;

/// A guest written as a function of each event. It keeps its state in what it captures.
pub(crate) type Script = Box<dyn FnMut(&GuestEvent, &mut Guest<'_>)>;

/// What a scripted guest can call.
pub(crate) struct Guest<'a> {
    task: &'a mut Task,
    failure: Option<TaskFailure>,
}

impl Guest<'_> {
    pub(crate) fn command(&mut self, command: Command) -> Answer {
        match self.task.command(command) {
            Ok(answer) => answer,
            Err(failure) => {
                self.failure.get_or_insert(failure);
                Answer::Done
            }
        }
    }

    pub(crate) fn operation(&mut self, command: Command) -> OperationId {
        match self.command(command) {
            Answer::Operation(operation) => operation,
            // The host would have trapped this guest.
            Answer::Done if self.failure.is_some() => OperationId(0),
            other => panic!("expected an operation, got {other:?}"),
        }
    }

    pub(crate) fn activity(
        &mut self,
        scope: ScopeId,
        name: &str,
        cancellation: CancellationType,
    ) -> OperationId {
        self.operation(Command::ScheduleActivity {
            scope,
            call: call(name, cancellation),
        })
    }

    pub(crate) fn local(
        &mut self,
        scope: ScopeId,
        name: &str,
        cancellation: CancellationType,
    ) -> OperationId {
        self.operation(Command::ScheduleLocalActivity {
            scope,
            call: call(name, cancellation),
            retry_threshold: None,
        })
    }

    pub(crate) fn timer(&mut self, scope: ScopeId, secs: u64) -> OperationId {
        self.operation(Command::StartTimer {
            scope,
            duration: Millis::from_secs(secs),
        })
    }

    pub(crate) fn scope(&mut self, parent: ScopeId, kind: ScopeKind) -> ScopeId {
        match self.command(Command::OpenScope { parent, kind }) {
            Answer::Scope(scope) => scope,
            other => panic!("expected a scope, got {other:?}"),
        }
    }

    pub(crate) fn compensation(&mut self, undoes: OperationId, name: &str) {
        self.command(Command::PushCompensation {
            scope: ScopeId::ROOT,
            undoes: Some(undoes),
            call: call(name, CancellationType::default()),
            when: CompensateWhen::Effective,
        });
    }

    pub(crate) fn complete(&mut self, result: &str) {
        self.command(Command::Complete {
            outcome: Outcome::Completed(Payload::json(result)),
        });
    }

    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.command(Command::Complete {
            outcome: Outcome::Failed(failure.clone()),
        });
    }

    /// Breaks off, as a guest does whose code has a bug.
    pub(crate) fn trap(&mut self) {
        let cause = TaskFailedCause::WorkflowWorkerUnhandledFailure;
        let failure = TaskFailure::new(cause, "WasmTrap", "a bug");
        self.failure.get_or_insert(failure);
    }

    /// The host finds that the workflow task has lasted too long.
    pub(crate) fn take_too_long(&mut self) {
        let cause = TaskFailedCause::TimedOut;
        self.failure = Some(TaskFailure::new(cause, "TimedOut", "it lasts too long"));
    }

    pub(crate) fn cancel_info(&self, scope: ScopeId) -> Option<CancelInfo> {
        self.task.cancel_info(scope).unwrap()
    }
}

pub(crate) fn call(name: &str, cancellation: CancellationType) -> ActivityCall {
    ActivityCall {
        activity_type: name.into(),
        start_to_close: Some(Millis::from_secs(60)),
        retry: Some(RetryPolicy {
            maximum_attempts: 1,
            ..RetryPolicy::default()
        }),
        cancellation,
        ..ActivityCall::default()
    }
}

struct Scripted(Script);

impl Driver for Scripted {
    fn deliver(
        &mut self,
        event: GuestEvent,
        mut task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        let mut guest = Guest {
            task: &mut task,
            failure: None,
        };
        (self.0)(&event, &mut guest);
        let result = guest.failure.take().map_or(Ok(()), Err);
        (task, result)
    }
}

/// One run, its frames, and the activities that are running.
pub(crate) struct World {
    make: fn() -> Script,
    run: Option<Box<Run>>,
    guest: Scripted,
    /// Which attempt the workflow task is that was begun last.
    attempt: u32,
    /// A workflow task that waits for local activities.
    hosting: Option<Box<Task>>,
    /// Those that run.
    pub(crate) locals: BTreeMap<OperationId, LocalActivity>,
    /// Those that were told to stop.
    pub(crate) told: Vec<(String, String)>,
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) pending: BTreeMap<EventId, PendingActivity>,
    pub(crate) timers: BTreeMap<EventId, Timestamp>,
    pub(crate) effects: BTreeMap<EventId, Effect>,
    pub(crate) successor: Option<Box<Successor>>,
    pub(crate) now: Timestamp,
    /// Whether activities are begun as soon as they are scheduled.
    pub(crate) worker: bool,
}

impl World {
    /// A started run whose first workflow task has not run.
    pub(crate) fn start(make: fn() -> Script) -> Self {
        Self::start_as(make, Start::default(), None)
    }

    /// The same of a run that is started like this, with an input that comes together with the
    /// start.
    pub(crate) fn start_as(make: fn() -> Script, start: Start, with: Option<Input>) -> Self {
        let start = Start {
            run_id: "run".into(),
            workflow_type: "w".into(),
            ..start
        };
        let mut world = Self::empty(make);
        let inputs = [Some(Input::Started(Box::new(start))), with];
        world.now = Timestamp(1_001);
        let inputs = inputs.into_iter().flatten();
        let run = world.run.as_mut().unwrap();
        let taken = run.append_all(inputs.map(|input| (Timestamp(1_001), input)));
        assert!(taken.iter().all(Result::is_ok), "{taken:?}");
        world.commit();
        world
    }

    /// The run that follows this one, as its host begins it.
    pub(crate) fn follow(&mut self) -> Self {
        let successor = self.successor.take().expect("a run follows");
        let mut world = Self::empty(self.make);
        world.now = self.now;
        world.run = Some(successor.begin(Limits::default()));
        world.commit();
        world
    }

    fn empty(make: fn() -> Script) -> Self {
        Self {
            make,
            run: Some(Run::new(Limits::default())),
            guest: Scripted(make()),
            attempt: 1,
            hosting: None,
            locals: BTreeMap::new(),
            told: Vec::new(),
            frames: Vec::new(),
            events: Vec::new(),
            pending: BTreeMap::new(),
            timers: BTreeMap::new(),
            effects: BTreeMap::new(),
            successor: None,
            now: Timestamp(1_000),
            worker: true,
        }
    }

    /// The run that a reset makes of this one's history.
    pub(crate) fn reset_to(&self, to: Reset, make: fn() -> Script) -> Result<Self, ResetError> {
        let frames = self.frames.iter();
        let frames = frames
            .map(|bytes| decode::<Frame>(bytes).unwrap())
            .collect();
        let (run, output) = reset(frames, self.now, to, Limits::default())?;
        let mut world = Self::start(make);
        world.frames.clear();
        world.events.clear();
        world.now = self.now;
        world.store(output);
        world.run = Some(run);
        world.evict();
        Ok(world)
    }

    pub(crate) fn run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    pub(crate) fn append(&mut self, input: Input) -> Result<(), InputError> {
        self.now = Timestamp(self.now.0 + 1);
        let result = self.run.as_mut().unwrap().append(self.now, input);
        self.commit();
        result
    }

    pub(crate) fn cancel(&mut self) -> Result<(), InputError> {
        self.append(Input::CancelRequested(CancelRequest {
            reason: "r1".into(),
            identity: "op".into(),
            ..CancelRequest::default()
        }))
    }

    pub(crate) fn terminate(&mut self) {
        self.append(Input::Terminated {
            reason: "t".into(),
            identity: "op".into(),
            details: vec![],
            request_id: String::new(),
        })
        .unwrap();
    }

    pub(crate) fn signal(&mut self, name: &str) {
        self.append(Input::Signaled(Signal {
            name: name.into(),
            ..Signal::default()
        }))
        .unwrap();
    }

    /// Runs the pending workflow task, if there is one.
    pub(crate) fn task(&mut self) -> &mut Self {
        if self.is_hosting() || !self.run().wants_task() {
            return self;
        }
        let run = self.run.take().unwrap();
        self.attempt = run.task_attempt();
        self.drive(run.begin(self.now, Digest::default()));
        self
    }

    /// Runs the pending workflow task, which ends the run, while this input arrives: as the host
    /// does, the task is dropped and counts as failed (R16).
    pub(crate) fn race(&mut self, input: Input) {
        let run = self.run.take().unwrap();
        let (task, result) = drive(run.begin(self.now, Digest::default()), &mut self.guest);
        result.unwrap();
        assert_ne!(task.finish().unwrap().status(), &Status::Running);
        let mut run = self.replayed(None).unwrap();
        let cause = TaskFailedCause::UnhandledCommand;
        let failure = Failure::application("UnhandledCommand", "an input arrived");
        run.fail_task(self.now, cause, failure);
        self.run = Some(run);
        self.append(input).unwrap();
        self.evict();
    }

    fn drive(&mut self, task: Box<Task>) {
        let (mut task, result) = drive(task, &mut self.guest);
        let orders = task.take_local_orders().into_iter();
        let ended: Vec<_> = orders.filter_map(|order| self.obey(order)).collect();
        for local in self.locals.values_mut() {
            if local.pending.started.is_none() {
                local.pending.start(self.now, "host");
            }
        }
        if result.is_ok() && !ended.is_empty() {
            for resolution in ended {
                task.resolve_local(resolution);
            }
            return self.drive(task);
        }
        if result.is_ok() && task.waits_for_local() {
            self.hosting = Some(task);
        } else {
            self.finish(task, result);
        }
    }

    fn finish(&mut self, task: Box<Task>, result: Result<(), TaskFailure>) {
        let attempt = self.attempt;
        let pending = &self.pending;
        let finished = result.and_then(|()| {
            task.finish_with(|id| {
                let none = Attempts::None { unsettled: false };
                pending.get(&id).map_or(none, PendingActivity::attempts)
            })
        });
        match finished {
            Ok(run) => self.run = Some(run),
            Err(failure) => {
                // As the host does: the run is rebuilt, the guest starts anew.
                let mut run = self.replayed(None).unwrap();
                run.restore_attempt(attempt);
                run.fail_task(self.now, failure.cause, failure.failure);
                self.run = Some(run);
                self.guest = Scripted(no_guest());
            }
        }
        self.commit();
    }

    /// Gives the run a new instance of its guest, brought up to date by replay.
    pub(crate) fn evict(&mut self) {
        self.reload_with(self.make).unwrap();
    }

    /// The same with another guest, as after an upgrade.
    pub(crate) fn reload_with(&mut self, make: fn() -> Script) -> Result<(), ReplayError> {
        let mut guest = Scripted(make());
        let mut run = self.replayed(Some(&mut guest))?;
        run.restore_attempt(self.run().task_attempt());
        (self.run, self.guest) = (Some(run), guest);
        Ok(())
    }

    fn replayed(&self, guest: Option<&mut dyn Driver>) -> Result<Box<Run>, ReplayError> {
        replay(
            self.frames
                .iter()
                .map(|bytes| decode::<Frame>(bytes).unwrap()),
            guest,
        )
    }

    fn commit(&mut self) {
        let Some(output) = self.run.as_deref_mut().and_then(Run::take_frame) else {
            return;
        };
        self.store(output);
    }

    fn store(&mut self, output: FrameOutput) {
        self.frames.push(encode(&output.frame));
        self.events.extend(output.events);
        let changes = output.changes;
        if let Some(open) = &changes.locals_open {
            self.locals.retain(|operation, _| open.contains(operation));
        }
        for mut activity in changes.scheduled {
            if self.worker {
                activity.start(self.now, "worker");
            }
            self.pending.insert(activity.scheduled_event_id, activity);
        }
        for (id, reason) in changes.cancel_requested {
            self.pending.get_mut(&id).unwrap().cancel_requested = Some(reason);
        }
        for id in changes.activities_closed {
            self.pending.remove(&id);
        }
        for (id, effect) in changes.effects {
            assert!(
                self.effects.insert(id, effect).is_none(),
                "{id} names one effect"
            );
        }
        if let Some(successor) = changes.successor {
            assert!(changes.closed, "only a run that has ended is followed");
            self.successor = Some(successor);
        }
        for timer in changes.timers_started {
            self.timers.insert(timer.started_event_id, timer.due);
        }
        for id in changes.timers_ended {
            self.timers.remove(&id);
        }
    }

    /// The newest pending activity of a type.
    pub(crate) fn pending(&mut self, name: &str) -> &mut PendingActivity {
        let found = self
            .pending
            .values_mut()
            .rev()
            .find(|a| a.call.activity_type == name);
        found.unwrap_or_else(|| panic!("{name} is not pending"))
    }

    pub(crate) fn report(&mut self, name: &str, report: Report) {
        let now = self.now;
        match self.pending(name).report(now, report) {
            Verdict::Close(input) => self.append(input).unwrap(),
            Verdict::Retry { at } => panic!("{name} is retried at {at:?}"),
        }
    }

    /// An attempt fails, and there is to be another one.
    pub(crate) fn attempt_fails(&mut self, name: &str) {
        let now = self.now;
        let failed = Report::Failed(Failure::application("E", "e"));
        let verdict = self.pending(name).report(now, failed);
        self.tried_again(verdict);
    }

    /// An attempt takes too long, and there is to be another one.
    pub(crate) fn attempt_times_out(&mut self, name: &str) {
        let now = self.now;
        let verdict = self.pending(name).time_out(now, TimeoutKind::StartToClose);
        self.tried_again(verdict);
    }

    fn tried_again(&mut self, verdict: Verdict) {
        let Verdict::Retry { at } = verdict else {
            panic!("it is not tried again: {verdict:?}");
        };
        self.now = self.now.max(at);
    }

    pub(crate) fn begin_attempt(&mut self, name: &str) {
        let now = self.now;
        self.pending(name).start(now, "worker");
    }

    pub(crate) fn complete(&mut self, name: &str) {
        self.report(name, Report::Completed(Payload::json("7")));
    }

    pub(crate) fn fire(&mut self) {
        let (&started_event_id, &due) = self.timers.iter().min_by_key(|(_, due)| **due).unwrap();
        self.now = self.now.max(due);
        let input = match started_event_id {
            EventId(0) => Input::FirstTaskDue,
            EventId(1) => Input::TimedOut,
            _ => Input::TimerFired { started_event_id },
        };
        self.append(input).unwrap();
    }

    /// The history in one line, after checking all that must hold of every history.
    pub(crate) fn history(&self) -> String {
        for (place, event) in self.events.iter().enumerate() {
            assert_eq!(
                event.event_id.0,
                place as u64 + 1,
                "event ids are contiguous"
            );
        }
        let frames = || {
            self.frames
                .iter()
                .map(|bytes| decode::<Frame>(bytes).unwrap())
        };
        assert_eq!(
            history(frames()).unwrap(),
            self.events,
            "the projection gives the same events"
        );
        let mut guest = Scripted((self.make)());
        let again = replay(frames(), Some(&mut guest)).map(|run| run.summary());
        if let Ok(again) = again {
            let stored = self.replayed(None).unwrap().summary();
            assert_eq!(again, stored, "replay with and without guest agree");
        }
        shorthand(&self.events)
    }

    /// The same for a guest that is known to replay.
    pub(crate) fn replayed_history(&self) -> String {
        let mut guest = Scripted((self.make)());
        self.replayed(Some(&mut guest))
            .expect("the history replays");
        self.history()
    }
}

fn no_guest() -> Script {
    Box::new(|event, _| panic!("a dead instance was given {event:?}"))
}
