//! Activities in flight: what the host knows of each attempt, and how an attempt ends.
//!
//! A [`Slot`] is one pending activity of a run, an [`Attempt`] one running try of it. What an
//! attempt reports counts only while it is the current one; the rules about that are the
//! engine's ([`sandglass_engine::PendingActivity`]).

mod bounds;
mod context;
mod dispatch;
mod first_poll;
mod heartbeat;
pub(crate) mod local;
mod native;
mod outside;
mod supervise;
mod token;
mod wasm;

pub use context::{ActivityContext, ActivityInfo};
pub use dispatch::Unserved;
pub(crate) use dispatch::{Dispatch, Ticket, may_begin};
pub(crate) use heartbeat::flush;
pub(crate) use native::Native;
pub(crate) use outside::{ActivityAnswer, NOT_PENDING, RUN_ENDED, apply, bounded};
pub use outside::{ActivityHandle, ActivityOp, ActivityRef, ActivityReset};
pub use sandglass_sandbox::AttemptState;
pub use token::{BadToken, TaskToken};
pub(crate) use wasm::WasmActivities;

use crate::{
    cell::{Ack, CellState, Delivery, Mail, Phase, Posted, RunCell},
    effects::plan_retry,
    host::Inner,
    queues::ControlCommand,
    timers::{Alarm, Kind},
    writer::{Part, Submission},
};
use first_poll::FirstPoll;
use sandglass_engine::{
    Changes, Elsewhere, EventId, Failure, HeartbeatAnswer, Input, Payload, PendingActivity, Report,
    Timestamp, Verdict, broken, encode,
};
use sandglass_store::{RunKey, Write};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
};
use tokio::sync::watch;

/// Whether the result of an attempt is not wanted any more.
pub(crate) fn is_over(state: &AttemptState) -> bool {
    matches!(
        state,
        AttemptState::NotFound | AttemptState::TimedOut | AttemptState::WorkerShutdown
    )
}

/// What makes attempts of one or several activity types.
pub(crate) trait Worker: Send + Sync {
    /// Makes one attempt.
    fn attempt(&self, context: ActivityContext) -> Attempting;

    /// Whether dropping the attempt's future ends it at once, wherever it is.
    fn is_killable(&self) -> bool;
}

/// A running attempt. Its failures are data; a panic counts as one.
pub(crate) type Attempting = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// One running try of an activity.
pub(crate) struct Attempt {
    /// How many attempts of its activity had been begun, this one included.
    pub(crate) begun: u32,
    pub(crate) state: watch::Sender<AttemptState>,
    /// It is ended without time to notice.
    pub(crate) killed: watch::Sender<bool>,
    /// Somebody else reports how it ends.
    pub(crate) elsewhere: AtomicBool,
    first_poll: FirstPoll,
}

impl Attempt {
    pub(crate) fn new(state: AttemptState, begun: u32) -> Self {
        Self {
            begun,
            state: watch::Sender::new(state),
            killed: watch::Sender::new(false),
            elsewhere: AtomicBool::new(false),
            first_poll: FirstPoll::default(),
        }
    }

    /// Tells it what has become of its activity, unless something graver was told before.
    pub(crate) fn tell(&self, answer: HeartbeatAnswer) {
        self.state.send_if_modified(|state| {
            if is_over(state) || matches!(state, AttemptState::CancelRequested(_)) {
                return false;
            }
            let told = AttemptState::from(answer);
            let changed = *state != told;
            *state = told;
            changed
        });
    }

    /// Tells it that cancellation was requested.
    pub(crate) fn request_cancel(&self, reason: String) {
        self.tell(HeartbeatAnswer::CancelRequested(reason));
    }

    /// Tells it that its result is not wanted any more. That its activity or run has ended does not
    /// end it: it may run on until its limit on time (S49). For any other cause its supervisor ends
    /// it.
    pub(crate) fn give_up(&self, cause: AttemptState) {
        let fresh = self.state.send_if_modified(|state| {
            let fresh = !is_over(state);
            if fresh {
                *state = cause;
            }
            fresh
        });
        if fresh {
            self.first_poll.give_up();
        }
    }

    /// Ends it at once, wherever it is (R29).
    pub(crate) fn kill(&self) {
        self.give_up(AttemptState::NotFound);
        self.killed.send_replace(true);
    }
}

/// One pending activity of a run.
pub(crate) struct Slot {
    pub(crate) pending: PendingActivity,
    pub(crate) attempt: Option<Arc<Attempt>>,
    /// Its end waits to be recorded: nothing else can happen to it.
    pub(crate) closing: bool,
    /// That end, for the case that the store fails: what the activity did is not to be done again.
    ending: Option<(Timestamp, Input)>,
    /// A workflow task that sees it as not started is being committed: it must not start.
    pub(crate) held: bool,
    /// It changed since its row was written.
    pub(crate) dirty: bool,
    pub(crate) persisted_at: Timestamp,
    /// Its running attempt, if that was given to a worker that polled.
    pub(crate) handed: Option<Handed>,
    deadline: Option<Alarm>,
    wake: Option<Alarm>,
}

/// What the host knows of an attempt that was given to a worker that polled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handed {
    /// The poll.
    pub(crate) poll: u64,
    /// Where the activity waited.
    pub(crate) place: u64,
    /// The poll has answered.
    pub(crate) reached: bool,
}

impl Handed {
    /// By the last host.
    pub(crate) fn before(event_id: EventId) -> Self {
        Self {
            poll: 0,
            // Before all that come.
            place: event_id.0,
            reached: true,
        }
    }
}

impl Slot {
    pub(crate) fn new(pending: PendingActivity) -> Self {
        Self {
            persisted_at: pending.scheduled_at,
            pending,
            attempt: None,
            handed: None,
            closing: false,
            held: false,
            ending: None,
            dirty: false,
            deadline: None,
            wake: None,
        }
    }

    pub(crate) fn ticket(&self, cell: &Arc<RunCell>) -> Ticket {
        Ticket {
            cell: Arc::clone(cell),
            event_id: self.pending.scheduled_event_id,
            activity_type: self.pending.call.activity_type.clone(),
            task_queue: self.pending.call.task_queue.clone().unwrap_or_default(),
        }
    }

    /// Sets the alarm for the limit on time that passes first.
    pub(crate) fn arm_deadline(&mut self, host: &Inner, run: RunKey) {
        let event = self.pending.scheduled_event_id;
        let kind = Kind::ActivityDeadline;
        let next = self.pending.deadline().map(|(due, _)| Alarm {
            due,
            run,
            event,
            kind,
        });
        set_alarm(host, &mut self.deadline, next);
    }

    /// Sets the alarm for the next attempt.
    pub(crate) fn arm_retry(&mut self, host: &Inner, run: RunKey) {
        self.arm_offer(host, run, self.pending.next_attempt_at);
    }

    /// Sets the alarm for looking at it again: it is offered then, if no attempt is running.
    pub(crate) fn arm_offer(&mut self, host: &Inner, run: RunKey, due: Timestamp) {
        let event = self.pending.scheduled_event_id;
        let kind = Kind::ActivityRetry;
        set_alarm(
            host,
            &mut self.wake,
            Some(Alarm {
                due,
                run,
                event,
                kind,
            }),
        );
    }

    /// Names its current attempt.
    pub(crate) fn token(&self, cell: &RunCell) -> TaskToken {
        TaskToken {
            workflow_id: cell.workflow_id.clone(),
            run_id: cell.run_id.clone(),
            scheduled_event_id: self.pending.scheduled_event_id,
            attempt: self.pending.attempt,
            begun: self.pending.begun,
        }
    }

    /// Tells the worker that makes its running attempt to stop, if that is a remote one that can be
    /// told (R22).
    pub(crate) fn recall(&self, host: &Inner, cell: &RunCell) {
        if let Some((queue, command)) = self.recalled(host, cell) {
            host.queues.push(host, &queue, command);
        }
    }

    /// What that worker is told, and where. One that was not reached yet never will be.
    fn recalled(&self, host: &Inner, cell: &RunCell) -> Option<(String, ControlCommand)> {
        let Elsewhere::Worker { control_queue, .. } = &self.pending.elsewhere else {
            return None;
        };
        let reached = self.handed.is_some_and(|handed| handed.reached);
        let told = host.config.push_cancel && !broken("R22");
        (told && reached && self.pending.started.is_some())
            .then(|| control_queue.clone())
            .flatten()
            .map(|queue| (queue, ControlCommand::CancelActivity(self.token(cell))))
    }

    /// Sets the alarm for storing heartbeat details.
    fn arm_flush(&mut self, host: &Inner, run: RunKey, due: Timestamp) {
        let event = self.pending.scheduled_event_id;
        set_alarm(
            host,
            &mut self.wake,
            Some(Alarm {
                due,
                run,
                event,
                kind: Kind::HeartbeatFlush,
            }),
        );
    }

    /// Its end is about to be recorded.
    pub(crate) fn close(&mut self, at: Timestamp, input: Input) {
        self.closing = true;
        self.dirty = false;
        self.ending = Some((at, input));
    }

    /// Its end as a mail, if it was to be recorded.
    pub(crate) fn ending(&self) -> Option<Mail> {
        let (at, input) = self.ending.clone()?;
        Some(Mail::input(at, input, None))
    }

    /// The activity is pending no more.
    pub(crate) fn end(mut self, host: &Inner, cell: &RunCell, cause: AttemptState) {
        self.recall(host, cell);
        host.queues
            .forget(cell.key, self.pending.scheduled_event_id);
        set_alarm(host, &mut self.deadline, None);
        set_alarm(host, &mut self.wake, None);
        if let Some(attempt) = &self.attempt {
            attempt.give_up(cause);
        }
    }
}

fn set_alarm(host: &Inner, place: &mut Option<Alarm>, next: Option<Alarm>) {
    if *place == next {
        return;
    }
    if let Some(alarm) = place.take() {
        host.timers.disarm(alarm);
    }
    if let Some(alarm) = next {
        host.timers.arm(alarm);
        *place = next;
    }
}

/// An attempt ended with this report.
///
/// Refused if it is not the current one: the run has ended, the activity has, or the attempt was
/// given up.
pub(crate) fn report(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    event_id: EventId,
    attempt: &Arc<Attempt>,
    report: Report,
) -> Result<(), Stale> {
    crate::crash::point("report.before");
    let now = host.clock.now();
    let mut state = cell.lock();
    let Some(slot) = current(&mut state, event_id, attempt) else {
        host.counters.stale_reports.add(1);
        return Err(Stale);
    };
    let verdict = slot.pending.report(now, report);
    slot.attempt = None;
    let posted = settle(host, cell, &mut state, event_id, verdict, now, None);
    drop(state);
    host.queue(cell, posted);
    crate::crash::point("report.after");
    Ok(())
}

/// The attempt is not the current one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

fn current<'a>(
    state: &'a mut CellState,
    event_id: EventId,
    attempt: &Arc<Attempt>,
) -> Option<&'a mut Slot> {
    let slot = state.activities.get_mut(&event_id)?;
    let is_current = slot
        .attempt
        .as_ref()
        .is_some_and(|own| Arc::ptr_eq(own, attempt));
    (is_current && !slot.closing).then_some(slot)
}

/// Does what follows from the end of an attempt, or from a limit on time. Whoever reported it is
/// answered when that is on disk.
pub(crate) fn settle(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    state: &mut CellState,
    event_id: EventId,
    verdict: Verdict,
    now: Timestamp,
    ack: Option<Ack>,
) -> Posted {
    let Some(slot) = state.activities.get_mut(&event_id) else {
        return Posted::Waiting;
    };
    match verdict {
        Verdict::Close(input) => {
            slot.close(now, input.clone());
            set_alarm(host, &mut slot.deadline, None);
            set_alarm(host, &mut slot.wake, None);
            state.post([Mail::input(now, input, ack)])
        }
        Verdict::Retry { .. } => {
            slot.dirty = true;
            slot.arm_deadline(host, cell.key);
            slot.arm_retry(host, cell.key);
            state.row_acks.extend(ack);
            flush(host, cell, state);
            Posted::Waiting
        }
    }
}

/// A limit on time of an activity may have passed: the alarm is older than the last heartbeat.
pub(crate) fn deadline_passed(host: &Arc<Inner>, cell: &Arc<RunCell>, event_id: EventId) {
    let now = host.clock.now();
    let mut state = cell.lock();
    let Some(slot) = state
        .activities
        .get_mut(&event_id)
        .filter(|slot| !slot.closing)
    else {
        return;
    };
    slot.deadline = None;
    match slot.pending.deadline() {
        Some((due, kind)) if due <= now => {
            slot.recall(host, cell);
            let verdict = slot.pending.time_out(now, kind);
            if let Some(attempt) = slot.attempt.take() {
                attempt.give_up(AttemptState::TimedOut);
            }
            let posted = settle(host, cell, &mut state, event_id, verdict, now, None);
            drop(state);
            host.queue(cell, posted);
        }
        _ => slot.arm_deadline(host, cell.key),
    }
}

/// The wait before the next attempt is over, or details are to be stored.
pub(crate) fn woken(host: &Arc<Inner>, cell: &Arc<RunCell>, event_id: EventId) {
    let mut state = cell.lock();
    let Some(slot) = state.activities.get_mut(&event_id) else {
        return;
    };
    slot.wake = None;
    if slot.pending.started.is_some() {
        flush(host, cell, &mut state);
        return;
    }
    let ticket = slot.ticket(cell);
    drop(state);
    host.dispatch.offer(host, ticket);
}

/// Overwrites rows of activities beside whatever the run is doing.
/// Whoever waits for that is answered afterwards.
fn store_rows(host: &Inner, cell: &Arc<RunCell>, rows: Vec<(EventId, Vec<u8>)>, acks: Vec<Ack>) {
    let mut write = Write::new(cell.key);
    let ids = rows.iter().map(|(id, _)| *id).collect();
    write.activities_put = rows;
    host.writer.submit(Submission {
        cell: Arc::clone(cell),
        write,
        changes: Changes::default(),
        head: None,
        acks: acks
            .into_iter()
            .map(|ack| (ack, Delivery::Recorded))
            .collect(),
        part: Part::Aside(ids),
        successor: None,
    });
}

/// Rows of these activities could not be stored: they are with the next step, or after a while.
pub(crate) fn not_stored(host: &Inner, cell: &RunCell, ids: &[EventId]) {
    let mut state = cell.lock();
    if state.phase == Phase::Closed {
        return;
    }
    for id in ids {
        if let Some(slot) = state.activities.get_mut(id) {
            slot.dirty = !slot.closing;
        }
    }
    state.store_failures += 1;
    plan_retry(host, cell, &mut state);
}

fn row(slot: &Slot) -> (EventId, Vec<u8>) {
    (slot.pending.scheduled_event_id, encode(&slot.pending))
}
