//! One step of a run: take what waits, rebuild the run if it is not resident, run its workflow
//! task, and hand one frame to the writer.
//!
//! A step never leaves half of itself behind: until its submission nothing outside has changed but
//! the mailbox it emptied, and a step that cannot go on gives every mail its answer.

use crate::{
    cell::{Ack, Delivery, Head, Letter, Mail, Phase, RunCell},
    component::GuestInstance,
    effects,
    error::Error,
    host::Inner,
    writer::{EarlySlot, Offer, Settled, Token},
};
use sandglass_engine::{
    Attempts, Command, EventId, Failure, FrameOutput, Input, Record, Run, Status, TaskFailedCause,
    TaskFailure, Timestamp, broken,
};
use sandglass_store::RunKey;
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

mod activations;
pub(crate) mod computing;
mod history_limit;
pub(crate) mod hosting;
mod inputs;
mod rebuild;
mod submit;
mod updates;

use hosting::Hosted;
use submit::changed_rows;
pub(crate) use submit::{StoredActivities, head_after, head_of, write_of, write_with};

/// Does what a queued run needs next.
pub(crate) fn step(host: &Arc<Inner>, cell: &Arc<RunCell>) {
    let span = tracing::info_span!(
        "run",
        run_id = cell.run_id,
        workflow_id = cell.workflow_id,
        workflow_type = cell.workflow_type,
    );
    let _entered = span.enter();
    let token = host.writer.begin();
    let step = || {
        let (mut step, mails) = match Step::take_up(host, cell, token) {
            Some(step) => (step, Vec::new()),
            None => Step::begin(host, cell, token),
        };
        match step.run(mails) {
            Ok(()) if step.is_taken_over => step.leave(),
            Ok(()) if step.hosted.is_some() => step.put_aside(),
            Ok(()) => step.submit(),
            Err(error) => step.give_up(error),
        }
    };
    // A mistake of ours that one run brings to light must not take a thread from all others.
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(step)) {
        host.writer.end(token, None);
        if cell.lock().step != Some(token) {
            return host.left_step();
        }
        let error = Error::system("run a workflow task", panic_text(panic));
        effects::lost(host, cell, &error);
    }
}

impl Drop for Step<'_> {
    /// Whoever waits for inputs that are still offered to the writer hears that nobody is at them.
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            drop(slot.settle());
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or_else(|_| "no message".into(), |text| (*text).into()),
    }
}

/// Something recorded in this step and not yet committed, to be recorded again after a rebuild.
#[derive(Clone)]
enum Fact {
    /// Inputs that came together, in their order.
    Inputs(Vec<(Timestamp, Input)>),
    TaskFailed(Timestamp, TaskFailedCause, Failure),
}

struct Step<'a> {
    host: &'a Arc<Inner>,
    cell: &'a Arc<RunCell>,
    token: Token,
    head: Arc<Head>,
    run: Option<Box<Run>>,
    instance: Option<Box<dyn GuestInstance>>,
    facts: Vec<Fact>,
    acks: Vec<(Ack, Delivery)>,
    /// Rows of the outbox that the commit of this deletes.
    settled: Vec<(RunKey, EventId)>,
    /// What was recorded before the workflow task began, while it is not with the writer.
    before: Option<FrameOutput>,
    slot: Option<Arc<EarlySlot>>,
    /// An input was recorded: a failed workflow task is tried again at once.
    fresh_input: bool,
    /// Something of the row changed, though perhaps nothing of the history.
    row_changed: bool,
    /// When a failed workflow task is to be tried again.
    retry_at: Option<Timestamp>,
    /// Why the guest could not be rebuilt, if it was tried before the task began.
    guest_failure: Option<TaskFailure>,
    /// The component could not be had when the guest was last to be rebuilt.
    component_missing: bool,
    /// Its workflow task waits for local activities.
    hosted: Option<Hosted>,
    /// When a workflow task began whose guest computes on another thread, and is not waited for.
    given_up: Option<Timestamp>,
    /// Another thread has ended the run, or will.
    is_taken_over: bool,
}

/// How a workflow task ended.
enum Ended {
    /// With or without success, the step is over.
    Done,
    /// It must be run again, with what arrived meanwhile.
    Again,
    /// Not yet: it waits for local activities.
    Hosting,
    /// The run was taken from this thread.
    TakenOver,
}

impl<'a> Step<'a> {
    fn begin(host: &'a Arc<Inner>, cell: &'a Arc<RunCell>, token: Token) -> (Self, Vec<Mail>) {
        let mut state = cell.lock();
        state.phase = Phase::Running;
        state.step = Some(token);
        let given_up = state.taken_over.take();
        // What ends it by force is read when that task has failed.
        let mails = match given_up {
            Some(_) => Vec::new(),
            None => state.take_mail(),
        };
        let (run, instance) = match state.resident.take() {
            Some(resident) => (Some(resident.run), Some(resident.instance)),
            None => (None, None),
        };
        let step = Self {
            host,
            cell,
            token,
            head: Arc::clone(&state.head),
            run,
            instance,
            facts: Vec::new(),
            acks: Vec::new(),
            settled: Vec::new(),
            before: None,
            slot: None,
            fresh_input: false,
            row_changed: false,
            retry_at: state.retry_at,
            guest_failure: None,
            component_missing: false,
            hosted: None,
            given_up,
            is_taken_over: false,
        };
        (step, mails)
    }

    fn run(&mut self, mut mails: Vec<Mail>) -> Result<(), Error> {
        if let Some(hosted) = self.hosted.take() {
            if self.slot.as_ref().is_some_and(|slot| slot.is_lost()) {
                self.take_inputs_back()?;
            }
            return match self.serve(hosted)? {
                Ended::Done | Ended::Hosting | Ended::TakenOver => Ok(()),
                Ended::Again => self.run_tasks(),
            };
        }
        if let Some(started_at) = self.given_up.take() {
            self.task_failed(started_at, computing::given_up())?;
            return self.run_tasks();
        }
        self.repin(&mut mails);
        let task_due = self.head.summary.task_pending && self.retry_at.is_none();
        if mails.is_empty() && (!task_due || self.host.is_paused()) {
            return Ok(());
        }
        let prepared = self.prepare(&mails);
        self.reached(prepared, &mut mails)?;
        self.append(mails);
        self.end_if_too_long();
        self.run_tasks()
    }

    fn run_tasks(&mut self) -> Result<(), Error> {
        while self.may_run_task() {
            match self.workflow_task()? {
                Ended::Done | Ended::Hosting | Ended::TakenOver => break,
                Ended::Again => {}
            }
        }
        self.end_if_too_long();
        Ok(())
    }

    /// On an error the mails that were not reached are answered with it, as the others are.
    fn reached(&mut self, result: Result<(), Error>, mails: &mut Vec<Mail>) -> Result<(), Error> {
        if result.is_err() {
            let acks = mails.drain(..).filter_map(|mail| mail.ack);
            self.acks.extend(acks.map(|ack| (ack, Delivery::Recorded)));
        }
        result
    }

    /// Makes the run resident, with its guest if a workflow task is likely to follow.
    fn prepare(&mut self, mails: &[Mail]) -> Result<(), Error> {
        if self.run.is_some() {
            return Ok(());
        }
        let task_likely = self.head.summary.task_pending
            || mails
                .iter()
                .any(|mail| matches!(mail.letter, Letter::Input(_) | Letter::Update(..)));
        let forced = mails.iter().any(Mail::is_forced);
        let backing_off = self.retry_at.is_some() && mails.is_empty();
        if task_likely && !forced && !backing_off && !self.host.is_paused() {
            match self.rebuild_with_guest()? {
                Ok(()) => return Ok(()),
                Err(failure) => self.guest_failure = Some(failure),
            }
        }
        self.rebuild()
    }

    fn repin(&mut self, mails: &mut Vec<Mail>) {
        for mail in mails.extract_if(.., |mail| matches!(mail.letter, Letter::Repin(_))) {
            let Letter::Repin(digest) = mail.letter else {
                continue;
            };
            if self.head.row.digest != digest {
                Arc::make_mut(&mut self.head).row.digest = digest;
                self.instance = None;
                self.row_changed = true;
                self.retry_at = None;
            }
            self.acks
                .extend(mail.ack.map(|ack| (ack, Delivery::Recorded)));
        }
    }

    fn may_run_task(&self) -> bool {
        self.run.as_deref().is_some_and(Run::wants_task)
            && self.retry_at.is_none()
            && !self.host.is_paused()
            && !self.cell.lock().force
    }

    fn workflow_task(&mut self) -> Result<Ended, Error> {
        let started_at = self.host.clock.now();
        let rebuilt = match self.guest_failure.take() {
            Some(failure) => Err(failure),
            None if self.instance.is_none() => self.rebuild_with_guest()?,
            None => Ok(()),
        };
        if let Err(failure) = rebuilt {
            return self.task_failed(started_at, failure);
        }
        if self.must_not_begin() {
            return Ok(Ended::Done);
        }
        let mut run = self.run.take().expect("a rebuilt run is resident");
        let span = tracing::info_span!(
            "workflow task",
            event_id = run.next_event_id().0,
            attempt = run.task_attempt()
        );
        let _entered = span.enter();
        self.offer_inputs(&mut run);
        let instance = self.instance.take();
        let now = self.host.clock.now();
        let task = run.begin(now, self.head.row.digest);
        let hosted = Hosted {
            until: now + task.timeout(),
            task,
            instance: instance.expect("a task is begun only with an instance"),
            started_at,
        };
        crate::crash::point("task.before");
        let activating = crate::crash::phase(crate::crash::Phase::Activation);
        let computed = self.compute(hosted);
        drop(activating);
        crate::crash::point("task.after");
        match computed {
            Some((hosted, Ok(()))) => self.serve(hosted),
            Some((_, Err(failure))) => self.task_failed(started_at, failure),
            None => Ok(Ended::TakenOver),
        }
    }

    /// Says how the task is interrupted, from now on. Whether it is to be interrupted already:
    /// then it is not begun, and what was recorded before is committed alone.
    fn must_not_begin(&self) -> bool {
        let mut state = self.cell.lock();
        if state.force || self.host.is_stopping() {
            return true;
        }
        state.interrupt = self.instance.as_ref().map(|guest| guest.interrupter());
        false
    }

    /// Gives the writer what was recorded before the task, in case the task takes long.
    fn offer_inputs(&mut self, run: &mut Run) {
        let Some(output) = run.take_frame() else {
            return;
        };
        let slot = EarlySlot::new(Offer {
            cell: Arc::clone(self.cell),
            head: Arc::clone(&self.head),
            summary: self.summary(run),
            changed: changed_rows(self.cell, &output.changes),
            output,
            at: self.host.clock.now(),
            acks: std::mem::take(&mut self.acks),
            settled: std::mem::take(&mut self.settled),
        });
        self.host.writer.offer(self.token, Some(Arc::clone(&slot)));
        self.slot = Some(slot);
    }

    /// Decides whether what was offered is still ours to commit. Afterwards the head tells.
    fn take_inputs_back(&mut self) -> Result<(), Error> {
        let Some(slot) = self.slot.take() else {
            return Ok(());
        };
        self.host.writer.offer(self.token, None);
        match slot.settle() {
            Settled::Back(offer) => {
                self.acks.splice(0..0, offer.acks);
                self.settled.splice(0..0, offer.settled);
                self.before = Some(offer.output);
                Ok(())
            }
            Settled::Committed => {
                self.host.counters.early_commits.add(1);
                self.head = Arc::clone(&self.cell.lock().head);
                self.facts.clear();
                Ok(())
            }
            Settled::Lost(error) => Err(error),
        }
    }

    /// Whether a worker is at the activity. If not, none will be until this step is through (R18).
    fn attempts(&self, id: EventId) -> Attempts {
        match self.cell.lock().activities.get_mut(&id) {
            Some(slot) if slot.closing => Attempts::Running,
            Some(slot) => {
                slot.held = slot.pending.started.is_none();
                slot.pending.attempts()
            }
            None => Attempts::None { unsettled: false },
        }
    }

    fn task_completed(&mut self, mut run: Box<Run>, started_at: Timestamp) -> Result<Ended, Error> {
        self.take_inputs_back()?;
        let mut output = run.take_frame();
        if let Some(output) = &mut output {
            // Those that it did not ask for any more, when it was tried again, are forgotten.
            output.changes.locals_open.get_or_insert_default();
        }
        log_completed(output.as_ref(), &run);
        if let Some(failure) = self.unknown_successor(output.as_ref()) {
            return self.task_failed(started_at, failure);
        }
        let closing = run.status() != &Status::Running;
        let mut state = self.cell.lock();
        if closing
            && state
                .mailbox
                .iter()
                .any(|mail| prevents_close(mail, &run, output.as_ref(), &state.timers))
        {
            let mails = state.take_mail();
            drop(state);
            return self.unhandled(mails, started_at);
        }
        state.phase = Phase::Committing;
        drop(state);
        self.before = match (self.before.take(), output) {
            (Some(before), Some(output)) => Some(before.merge(output)),
            (before, output) => before.or(output),
        };
        self.run = Some(run);
        Ok(Ended::Done)
    }

    /// An input arrived while the task that closes the run was running (R16): the task failed, and
    /// is run again.
    fn unhandled(&mut self, mut mails: Vec<Mail>, started_at: Timestamp) -> Result<Ended, Error> {
        tracing::info!(
            "an input arrived while the run was closing; its workflow task is run again"
        );
        let message = "an input arrived while the workflow task that closes the run was running";
        let failure = Failure::application("UnhandledCommand", message);
        let failed = self.fail_task(started_at, TaskFailedCause::UnhandledCommand, failure);
        self.reached(failed, &mut mails)?;
        self.repin(&mut mails);
        self.append(mails);
        Ok(Ended::Again)
    }

    fn task_failed(&mut self, started_at: Timestamp, failure: TaskFailure) -> Result<Ended, Error> {
        self.cell.lock().interrupt = None;
        self.take_inputs_back()?;
        if self.host.is_stopping() {
            // It may have been interrupted for that. The next host tries again; what was recorded
            // before the task is committed alone.
            self.before = None;
            self.rebuild()?;
            return Ok(Ended::Done);
        }
        self.host.counters.tasks_failed.add(1);
        let forced = self.cell.lock().force;
        if forced {
            let cause = TaskFailedCause::ForceCloseCommand;
            self.fail_task(started_at, cause, failure.failure)?;
            let mut mails = self.cell.lock().take_mail();
            self.repin(&mut mails);
            self.append(mails);
            return Ok(Ended::Done);
        }
        self.fail_task(started_at, failure.cause, failure.failure.clone())?;
        let attempt = self.run.as_deref().map_or(1, Run::task_attempt) - 1;
        let cause = failure.cause;
        tracing::warn!(attempt, ?cause, %failure, "workflow task failed");
        // A missing component is not tried again before it is loaded.
        self.retry_at = Some(if self.component_missing {
            Timestamp(u64::MAX)
        } else {
            self.host.clock.now() + self.host.config.task_backoff(attempt)
        });
        Ok(Ended::Done)
    }

    /// Drops the spoiled run and records the failure on a fresh one, without a guest.
    fn fail_task(
        &mut self,
        started_at: Timestamp,
        cause: TaskFailedCause,
        failure: Failure,
    ) -> Result<(), Error> {
        self.instance = None;
        self.before = None;
        self.rebuild()?;
        let run = self.run.as_mut().expect("a rebuilt run is resident");
        if run.fail_task(started_at, cause, failure.clone()) {
            self.facts
                .push(Fact::TaskFailed(started_at, cause, failure));
        }
        self.row_changed = true;
        Ok(())
    }
}

/// One line for whoever wants to see each workflow task. Those that fail are told of as warnings.
fn log_completed(output: Option<&FrameOutput>, run: &Run) {
    let Some(output) = output else {
        return;
    };
    let mut records = output.frame.records.iter().rev();
    let commands = records.find_map(|record| match record {
        Record::Task(task) => task.outcome.completed().map(|(_, commands)| commands),
        Record::Input { .. } | Record::Inputs(_) => None,
    });
    let commands = commands.unwrap_or_default();
    tracing::debug!(
        commands = commands.len(),
        events = output.frame.next_event_id.0 - output.frame.first_event_id.0,
        run = run.status().name(),
        "workflow task completed"
    );
    for issued in commands {
        if let Command::StartChild { call, .. } = &issued.command
            && call.is_cut_short()
        {
            tracing::warn!(
                workflow_type = call.workflow_type,
                workflow_id = call.workflow_id,
                "it is canceled without being waited for and terminated when its parent ends: it \
                 may have no time to clean up"
            );
        }
    }
    if run.status() == &Status::Running {
        return;
    }
    let unfinished = run.update_counts().in_flight;
    if unfinished > 0 {
        tracing::warn!(unfinished, "the run has ended before all of its updates");
    }
}

/// Whether a mail that arrived during the closing task means that the task must not close the run.
/// `timers` are those that were pending when the task began.
fn prevents_close(
    mail: &Mail,
    run: &Run,
    output: Option<&FrameOutput>,
    timers: &BTreeMap<EventId, Timestamp>,
) -> bool {
    if broken("R16") {
        return false;
    }
    match &mail.letter {
        // A timer that this task or an earlier one canceled has nothing to say any more.
        Letter::Input(Input::TimerFired {
            started_event_id: id,
        }) => {
            timers.contains_key(id)
                && !output.is_some_and(|output| output.changes.timers_ended.contains(id))
        }
        Letter::Input(Input::CancelRequested(_)) => !run.cancel_requested(),
        Letter::Input(
            Input::Signaled(_)
            | Input::ActivityClosed { .. }
            | Input::ChildStarted { .. }
            | Input::ChildStartFailed { .. }
            | Input::ChildClosed { .. }
            | Input::ExternalResolved { .. },
        ) => true,
        _ => false,
    }
}
