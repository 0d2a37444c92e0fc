//! Workflow tasks that wait for local activities: they give their thread back, keep their guest,
//! and are taken up when one ends, when a request to cancel arrives, or at 80 % of their time.

use super::{Ended, Fact, Step, computing::given_up};
use crate::{
    activity::local,
    cell::{Ack, Delivery, Head, Mail, Phase, Posted, RunCell},
    component::GuestInstance,
    error::Error,
    host::Inner,
    timers::{Alarm, Kind},
    writer::{EarlySlot, Token},
};
use sandglass_engine::{EventId, FrameOutput, Task, Timestamp};
use sandglass_store::RunKey;
use std::sync::Arc;

/// A workflow task with its guest, between two events.
pub(super) struct Hosted {
    pub(super) task: Box<Task>,
    pub(super) instance: Box<dyn GuestInstance>,
    pub(super) started_at: Timestamp,
    /// When it is to be over. That a guest is rebuilt for it does not count.
    pub(super) until: Timestamp,
}

/// A step whose workflow task waits for local activities.
pub(crate) struct Hosting {
    hosted: Hosted,
    /// When the task is to end, whatever still runs.
    over_at: Timestamp,
    /// Inputs that may wait for it.
    inputs_max: usize,
    /// Bytes of inputs that may still come.
    bytes_left: usize,
    head: Arc<Head>,
    facts: Vec<Fact>,
    acks: Vec<(Ack, Delivery)>,
    settled: Vec<(RunKey, EventId)>,
    before: Option<FrameOutput>,
    slot: Option<Arc<EarlySlot>>,
    row_changed: bool,
}

impl Hosting {
    /// Whether what was recorded before the task is on disk: local activities may begin.
    pub(crate) fn is_committed(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| slot.is_committed())
    }

    /// Whether it is to be taken up.
    pub(crate) fn is_due(&self, state: &crate::cell::CellState, now: Timestamp) -> bool {
        state.force || local::any_told(state) || self.must_end(state, now) || self.is_lost()
    }

    /// Whether what was recorded before the task could not be stored.
    fn is_lost(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.is_lost())
    }

    /// Counts what is to wait for the task.
    pub(crate) fn count(&mut self, mail: &Mail) {
        self.bytes_left = self.bytes_left.saturating_sub(mail.bytes());
    }

    fn must_end(&self, state: &crate::cell::CellState, now: Timestamp) -> bool {
        now >= self.over_at
            || self.bytes_left == 0
            || ends(&self.hosted.task, state, self.inputs_max)
    }

    fn alarm(&self, run: RunKey) -> Alarm {
        Alarm {
            due: self.over_at,
            run,
            event: EventId(0),
            kind: Kind::TaskOver,
        }
    }
}

/// Whether what has arrived is not made to wait for local activities.
fn ends(task: &Task, state: &crate::cell::CellState, inputs_max: usize) -> bool {
    let mails = &state.mailbox;
    mails.len() >= inputs_max || mails.iter().any(|mail| mail.ends_hosting(task))
}

/// 80 % of the time that a workflow task has.
fn over_at(task: &Task, until: Timestamp) -> Timestamp {
    Timestamp(until.0.saturating_sub(task.timeout().0 / 5))
}

/// A waiting workflow task may have something to do.
pub(crate) fn look(host: &Inner, cell: &Arc<RunCell>) {
    let mut state = cell.lock();
    let posted = state.take_up_if_due(host.clock.now());
    drop(state);
    if posted == Posted::Queue {
        host.enqueue(Arc::clone(cell));
    }
}

/// Ends every waiting workflow task: the host is stopping.
pub(crate) fn end_all(host: &Inner) {
    for cell in host.open_runs() {
        let mut state = cell.lock();
        if state.phase == Phase::Waiting {
            state.phase = Phase::Queued;
            drop(state);
            host.enqueue(Arc::clone(&cell));
        }
    }
}

impl<'a> Step<'a> {
    /// Takes up a step whose workflow task was waiting.
    pub(super) fn take_up(
        host: &'a Arc<Inner>,
        cell: &'a Arc<RunCell>,
        token: Token,
    ) -> Option<Self> {
        let mut state = cell.lock();
        let hosting = state.hosting.take()?;
        state.phase = Phase::Running;
        state.step = Some(token);
        host.timers.disarm(hosting.alarm(cell.key));
        Some(Self {
            host,
            cell,
            token,
            head: hosting.head,
            run: None,
            instance: None,
            facts: hosting.facts,
            acks: hosting.acks,
            settled: hosting.settled,
            before: hosting.before,
            slot: hosting.slot,
            fresh_input: false,
            row_changed: hosting.row_changed,
            retry_at: None,
            guest_failure: None,
            component_missing: false,
            hosted: Some(hosting.hosted),
            given_up: None,
            is_taken_over: false,
        })
    }

    /// Goes on with a workflow task until it has ended, or waits for local activities again.
    pub(super) fn serve(&mut self, mut hosted: Hosted) -> Result<Ended, Error> {
        let started_at = hosted.started_at;
        loop {
            if self.must_be_given_up() {
                drop(hosted);
                return self.task_failed(started_at, given_up());
            }
            for order in hosted.task.take_local_orders() {
                local::obey(self.host, self.cell, order);
            }
            if hosted.task.is_full() {
                break;
            }
            let told = local::take_told(&mut self.cell.lock());
            if told.is_empty() {
                break;
            }
            for resolution in told {
                hosted.task.resolve_local(resolution);
            }
            let mut state = self.cell.lock();
            if state.force {
                continue;
            }
            state.interrupt = Some(hosted.instance.interrupter());
            drop(state);
            hosted = match self.compute(hosted) {
                Some((hosted, Ok(()))) => hosted,
                Some((_, Err(failure))) => return self.task_failed(started_at, failure),
                None => return Ok(Ended::TakenOver),
            };
        }
        let Hosted {
            task,
            instance,
            until,
            ..
        } = hosted;
        let waits = task.waits_for_local();
        if waits && !self.must_end(&task, until) {
            self.hosted = Some(Hosted {
                task,
                instance,
                started_at,
                until,
            });
            return Ok(Ended::Hosting);
        }
        match task.finish_with(|id| self.attempts(id)) {
            Ok(run) => {
                self.instance = Some(instance);
                self.host.counters.tasks.add(1);
                let ended = self.task_completed(run, started_at)?;
                if waits {
                    self.record_waiting();
                }
                Ok(ended)
            }
            Err(failure) => self.task_failed(started_at, failure),
        }
    }

    /// What waited for the task is recorded in the same commit: it may have ended because of that.
    fn record_waiting(&mut self) {
        let mut mails = self.cell.lock().take_mail();
        self.repin(&mut mails);
        self.append(mails);
    }

    /// The run is ended by force: its code is not asked.
    fn must_be_given_up(&self) -> bool {
        self.cell.lock().force
    }

    fn must_end(&self, task: &Task, until: Timestamp) -> bool {
        let limits = &self.host.config.limits;
        let state = self.cell.lock();
        let bytes = || state.mailbox.iter().map(Mail::bytes).sum::<usize>();
        self.host.is_stopping()
            || task.is_full()
            || self.host.clock.now() >= over_at(task, until)
            || ends(task, &state, limits.buffered_inputs)
            || bytes() >= limits.buffered_bytes
    }

    /// Puts the step aside. What was recorded before the task is committed at once, and then local
    /// activities begin.
    pub(super) fn put_aside(mut self) {
        let hosted = self
            .hosted
            .take()
            .expect("only a task that waits is put aside");
        let over_at = over_at(&hosted.task, hosted.until);
        // Whoever was refused has nothing to wait for, nor has anybody if all is on disk.
        let stored = self.slot.is_none() && self.before.is_none() && !self.row_changed;
        let at_once = |(_, delivery): &mut (Ack, Delivery)| {
            stored || matches!(delivery, Delivery::Refused(..))
        };
        for (ack, delivery) in self.acks.extract_if(.., at_once) {
            drop(ack.send(Ok(delivery)));
        }
        let mut hosting = Hosting {
            hosted,
            over_at,
            inputs_max: self.host.config.limits.buffered_inputs,
            bytes_left: self.host.config.limits.buffered_bytes,
            head: Arc::clone(&self.head),
            facts: std::mem::take(&mut self.facts),
            acks: std::mem::take(&mut self.acks),
            settled: std::mem::take(&mut self.settled),
            before: self.before.take(),
            slot: self.slot.take(),
            row_changed: self.row_changed,
        };
        let (host, cell) = (self.host, self.cell);
        host.timers.arm(hosting.alarm(cell.key));
        let mut state = cell.lock();
        state.mailbox.iter().for_each(|mail| hosting.count(mail));
        state.hosting = Some(Box::new(hosting));
        state.phase = Phase::Waiting;
        let posted = state.take_up_if_due(host.clock.now());
        drop(state);
        host.writer.wait(self.token);
        local::begin_due(host, cell);
        if posted == Posted::Queue {
            host.enqueue(Arc::clone(cell));
        }
        host.left_step();
    }
}
