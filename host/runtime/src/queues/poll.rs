//! One poll: it waits in line, gets a task, and has the attempt stored before it answers.
//!
//! Whatever is dropped on the way gives back what it holds: the place in line, the task, the
//! attempt that was begun for it.

use super::{ActivityTask, Handout, PollOptions};
use crate::{
    TaskToken,
    activity::{Handed, NOT_PENDING, Slot, Ticket, flush, may_begin, settle},
    cell::{Delivery, RunCell},
    error::Error,
    handle::Found,
    host::{Host, Inner},
};
use sandglass_engine::{Elsewhere, EventId, Millis, PendingActivity, Timestamp, Verdict};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How long a task waits before it is handed out again whose begin could not be stored.
const AFTER_A_STORE_FAILURE: Millis = Millis(1000);

impl Host {
    /// Waits for an activity to be done, for a worker outside of this process. The attempt is
    /// stored before this returns: its token stays valid when the host is killed and started again,
    /// and it ends by a report ([`Host::activity`]) or by its limits on time, never because the
    /// host went away.
    ///
    /// Only activities are handed out whose type no worker of this process serves. Polls of a queue
    /// are served in the order in which they came. Runs take turns, each with its oldest activity.
    ///
    /// Dropping the future gives up the place in the queue. No task is lost: one that was handed to
    /// it already goes to the next poll, as the same attempt. For one that was returned and cannot
    /// be passed on see [`Host::give_back`].
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the host stops, [`Error::Store`] if the attempt could not be
    /// stored: it is handed out again after a while.
    pub async fn poll_activity(&self, options: PollOptions) -> Result<ActivityTask, Error> {
        let mut turn = Turn::new(&self.inner, options);
        loop {
            let handout = turn.next().await?;
            let Some(begun) = Begun::begin(&turn, handout) else {
                continue;
            };
            if let Some(task) = begun.stored().await? {
                return Ok(task);
            }
        }
    }

    /// Gives back an attempt that a poll returned and that never reached its worker, whose
    /// connection was gone. It is handed out again as the same attempt, before others of its run.
    ///
    /// # Errors
    /// [`Error::ActivityNotFound`] if the attempt is not (any more) with a worker.
    pub fn give_back(&self, token: &TaskToken) -> Result<(), Error> {
        let not_found = || Error::ActivityNotFound {
            workflow_id: token.workflow_id.clone(),
            reason: NOT_PENDING.into(),
        };
        let id = token.scheduled_event_id;
        let run = self.run(token.workflow_id.clone(), Some(&token.run_id));
        let Found::Open(cell) = run.find()? else {
            return Err(not_found());
        };
        let is_it = |pending: &PendingActivity, handed: Handed| {
            let remote = matches!(pending.elsewhere, Elsewhere::Worker { .. });
            let same = (pending.attempt, pending.begun) == (token.attempt, token.begun);
            remote && handed.reached && same
        };
        match take_back(&self.inner, &cell, id, true, is_it) {
            true => Ok(()),
            false => Err(not_found()),
        }
    }
}

/// A poll with its place in line.
struct Turn<'a> {
    host: &'a Arc<Inner>,
    options: PollOptions,
    number: u64,
    waiting: Option<oneshot::Receiver<Handout>>,
}

impl<'a> Turn<'a> {
    fn new(host: &'a Arc<Inner>, options: PollOptions) -> Self {
        Self {
            host,
            options,
            number: host.queues.place(),
            waiting: None,
        }
    }

    /// Waits for a task. If what it is given cannot be begun, it is in line again where it was.
    async fn next(&mut self) -> Result<Handout, Error> {
        let joined = self.host.queues.join(self.host, self.number, &self.options);
        let waiting = self.waiting.insert(joined.ok_or(Error::ShutDown)?);
        let handout = waiting.await.map_err(|_| Error::ShutDown);
        self.waiting = None;
        self.host.queues.left(self.host, self.number, &self.options);
        handout
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(mut waiting) = self.waiting.take() else {
            return;
        };
        // Once it has left, it is given nothing.
        self.host.queues.left(self.host, self.number, &self.options);
        if let Ok(handout) = waiting.try_recv() {
            self.host.queues.put_back(self.host, handout);
        }
    }
}

/// An attempt that was begun for a poll and is being stored.
struct Begun<'a> {
    host: &'a Arc<Inner>,
    handout: Handout,
    /// The poll.
    number: u64,
    stored: oneshot::Receiver<Result<Delivery, Error>>,
    /// If it is not handed over, it goes to the next poll.
    pass_on: bool,
}

impl<'a> Begun<'a> {
    /// Begins the attempt, if the activity still wants one now.
    fn begin(turn: &Turn<'a>, handout: Handout) -> Option<Self> {
        let host = turn.host;
        let cell = Arc::clone(&handout.ticket.cell);
        let now = host.clock.now();
        let mut state = cell.lock();
        let slot = state.activities.get_mut(&handout.ticket.event_id)?;
        if !may_begin(host, &cell, slot, now) {
            return None;
        }
        crate::crash::point("dispatch.before");
        let PollOptions {
            identity,
            control_queue,
            ..
        } = &turn.options;
        slot.pending.hand_out(now, identity, control_queue.clone());
        slot.handed = Some(Handed {
            poll: turn.number,
            place: handout.place,
            reached: false,
        });
        slot.dirty = true;
        slot.arm_deadline(host, cell.key);
        let (ack, stored) = oneshot::channel();
        state.row_acks.push(ack);
        flush(host, &cell, &mut state);
        Some(Self {
            host,
            handout,
            number: turn.number,
            stored,
            pass_on: true,
        })
    }

    /// Waits until the attempt is on disk. `None`: it is not wanted any more.
    async fn stored(mut self) -> Result<Option<ActivityTask>, Error> {
        // A host that ends may never write it.
        let cell = &self.handout.ticket.cell;
        let stored = tokio::select! {
            biased;
            stored = &mut self.stored => stored,
            () = cell.given_up() => return Err(Error::ShutDown),
        };
        match stored {
            Ok(Ok(Delivery::Recorded)) => Ok(self.hand_over()),
            Ok(Ok(Delivery::Refused(..))) => Ok(None),
            Ok(Err(error)) => {
                self.pass_on = false;
                Err(error)
            }
            Err(_) => Err(self.host.gone()),
        }
    }

    /// From here on it is the worker's.
    fn hand_over(&mut self) -> Option<ActivityTask> {
        let cell = &self.handout.ticket.cell;
        let mut state = cell.lock();
        let slot = state.activities.get_mut(&self.handout.ticket.event_id)?;
        let running = slot.pending.started.is_some() && !slot.closing;
        let own = slot.handed.as_mut();
        let own = own.filter(|handed| handed.poll == self.number && running)?;
        // It would be told to stop before it knows what: it is never started instead.
        if slot.pending.cancel_requested.is_some() {
            return None;
        }
        own.reached = true;
        self.host.counters.attempts.add(1);
        crate::crash::point("dispatch.after");
        Some(task(cell, slot))
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let number = self.number;
        let is_it = |_: &PendingActivity, handed: Handed| handed.poll == number && !handed.reached;
        let Ticket { cell, event_id, .. } = &self.handout.ticket;
        take_back(self.host, cell, *event_id, self.pass_on, is_it);
    }
}

/// Takes an attempt back that has not reached its worker, and puts it back in its queue where it
/// was, now or after a while. False if there is no such attempt.
fn take_back(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    id: EventId,
    at_once: bool,
    is_it: impl Fn(&PendingActivity, Handed) -> bool,
) -> bool {
    let now = host.clock.now();
    let mut state = cell.lock();
    let is_running = |slot: &&mut Slot| slot.pending.started.is_some() && !slot.closing;
    let Some(slot) = state.activities.get_mut(&id).filter(is_running) else {
        return false;
    };
    let Some(handed) = slot.handed.filter(|handed| is_it(&slot.pending, *handed)) else {
        return false;
    };
    slot.handed = None;
    let verdict = slot.pending.take_back();
    if let Verdict::Close(_) = verdict {
        let posted = settle(host, cell, &mut state, id, verdict, now, None);
        host.queue(cell, posted);
        return true;
    }
    slot.dirty = true;
    slot.arm_deadline(host, cell.key);
    let ticket = slot.ticket(cell);
    if !at_once {
        slot.arm_offer(host, cell.key, now + AFTER_A_STORE_FAILURE);
    }
    let handout = Handout {
        ticket,
        place: handed.place,
        since: slot.pending.next_attempt_at,
    };
    flush(host, cell, &mut state);
    drop(state);
    if at_once {
        host.queues.put_back(host, handout);
    }
    true
}

/// What a worker needs to know.
fn task(cell: &RunCell, slot: &Slot) -> ActivityTask {
    let pending = &slot.pending;
    let call = &pending.call;
    let started_at = pending.started.as_ref().map(|started| started.at);
    ActivityTask {
        token: slot.token(cell),
        workflow_type: cell.workflow_type.clone(),
        activity_type: call.activity_type.clone(),
        activity_id: pending.activity_id.clone(),
        task_queue: call.task_queue.clone().unwrap_or_default(),
        arguments: call.arguments.clone(),
        header: call.header.clone(),
        idempotency_key: pending.idempotency_key(&cell.run_id),
        attempt: pending.attempt,
        scheduled_at: pending.scheduled_at,
        attempt_scheduled_at: pending.next_attempt_at,
        started_at: started_at.unwrap_or(Timestamp(0)),
        schedule_to_close: call.schedule_to_close,
        start_to_close: call.start_to_close,
        heartbeat_timeout: call.heartbeat,
        retry: call.retry.clone().unwrap_or_default(),
        heartbeat_details: pending.heartbeat_details.clone(),
    }
}
