//! What happens after a commit, and after one that failed. Nothing here happens before it.

use crate::{
    activity::{self, AttemptState, Slot, Ticket},
    cell::{Ack, CellState, Delivery, Mail, Phase, Posted, Progress, RunCell},
    error::Error,
    host::Inner,
    keep,
    timers::{Alarm, Kind},
    writer::{EarlySlot, Part, Submission},
};
use sandglass_engine::{
    Changes, Effect, EventId, InputError, Millis, Status, Timestamp, Verdict, broken,
};
use std::sync::Arc;

/// What remains to be done once the run's lock is released.
#[derive(Default)]
struct After {
    tickets: Vec<Ticket>,
    disarm: Vec<Alarm>,
    arm: Vec<Alarm>,
    effects: Vec<(EventId, Effect)>,
    resident_bytes: Option<usize>,
    queue: bool,
    closed: bool,
    /// What arrived too late, and the status that it is told.
    refused: Vec<(Mail, Status)>,
}

/// A submission is on disk.
pub(crate) fn committed(host: &Arc<Inner>, submission: Submission) {
    // Rows of activities alone do not show that the run can go on.
    if submission.head.is_some() {
        let mut state = submission.cell.lock();
        state.store_failures = 0;
        state.trouble = None;
    }
    through(host, submission);
}

/// A step is over without anything to write, or what it wrote is on disk.
pub(crate) fn through(host: &Arc<Inner>, submission: Submission) {
    let Submission {
        cell,
        changes,
        head,
        acks,
        part,
        successor,
        ..
    } = submission;
    let Some(head) = head else {
        answer(acks);
        return;
    };
    let mut after = After::default();
    let mut state = cell.lock();
    state.head = head;
    apply(host, &cell, &mut state, changes, &mut after);
    let status = &state.head.summary.status;
    let progress = Progress {
        next_event_id: state.head.summary.next_event_id,
        closed: (status != &Status::Running).then(|| status.clone()),
        successor: state.head.summary.chain.successor.clone(),
        lost: None,
        stopped: false,
    };
    if matches!(part, Part::Step) {
        end_step(host, &cell, &mut state, &mut after);
    }
    drop(state);
    // In this order: one that ended in the same commit that started it stays disarmed.
    host.timers.arm_all(after.arm);
    host.timers.disarm_all(after.disarm);
    // Whoever hears that the run has ended may start the next one of this id, unless it is reset.
    if after.closed {
        for (_, effect) in &after.effects {
            host.keep_for_reset(effect);
        }
        host.forget(&cell, successor.as_deref().map(|next| &next.cell));
    }
    // Whoever hears this may look for the run that follows.
    for (mail, status) in after.refused {
        mail.refuse(InputError::Closed, status);
    }
    answer(acks);
    tell_progress(&cell, progress);
    if let Part::Inputs(slot) = &part {
        inputs_stored(host, &cell, slot);
    }
    for ticket in after.tickets {
        host.dispatch.offer(host, ticket);
    }
    for (event_id, effect) in after.effects {
        host.outbox.offer(host, cell.key, event_id, effect);
    }
    if let Some(bytes) = after.resident_bytes {
        host.cache.touch(&cell, bytes, &host.counters);
    }
    if after.queue {
        host.enqueue(Arc::clone(&cell));
    }
    if matches!(part, Part::Step) {
        host.left_step();
    }
    if let Some(successor) = successor {
        through(host, *successor);
    }
}

/// What was recorded before the workflow task that runs is on disk.
fn inputs_stored(host: &Arc<Inner>, cell: &Arc<RunCell>, slot: &EarlySlot) {
    slot.finish(Ok(()));
    activity::flush(host, cell, &mut cell.lock());
    activity::local::begin_due(host, cell);
    crate::task::computing::look(host, cell);
}

/// Tells those who follow the run how far it has come.
fn tell_progress(cell: &RunCell, progress: Progress) {
    cell.tell_progress(|current| {
        // One that was committed later may be quicker here: a step that wrote nothing.
        let older = current.closed.is_some() || progress.next_event_id < current.next_event_id;
        let changed = !older && *current != progress;
        if changed {
            *current = progress;
        }
        changed
    });
}

/// Answers those whose requests are on disk.
fn answer(acks: Vec<(Ack, Delivery)>) {
    if acks.is_empty() {
        return;
    }
    crate::crash::point("answer.before");
    for (ack, delivery) in acks {
        // Whoever asked may have gone away.
        drop(ack.send(Ok(delivery)));
    }
    crate::crash::point("answer.after");
}

fn apply(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    state: &mut CellState,
    changes: Changes,
    after: &mut After,
) {
    state.rows_offered = false;
    for timer in changes.timers_started {
        state.timers.insert(timer.started_event_id, timer.due);
        after
            .arm
            .push(timer_alarm(cell, timer.started_event_id, timer.due));
    }
    for id in changes.timers_ended {
        if let Some(due) = state.timers.remove(&id) {
            after.disarm.push(timer_alarm(cell, id, due));
        }
    }
    for pending in changes.scheduled {
        let id = pending.scheduled_event_id;
        let mut slot = Slot::new(pending);
        slot.arm_deadline(host, cell.key);
        after.tickets.push(slot.ticket(cell));
        state.activities.insert(id, slot);
    }
    for (id, reason) in changes.cancel_requested {
        cancel_activity(host, cell, state, id, reason);
    }
    for id in changes.activities_closed {
        if let Some(slot) = state.activities.remove(&id) {
            slot.end(host, cell, AttemptState::NotFound);
        }
    }
    after.effects = changes.effects;
    for (id, progress) in changes.updates {
        cell.updates.note(&id, progress);
    }
    if let Some(open) = &changes.locals_open {
        activity::local::keep(state, open);
    }
    if changes.closed {
        cell.updates.close();
        host.sides.forget(cell.key);
        activity::local::end_all(state, &AttemptState::NotFound, changes.kill);
        for (_, slot) in std::mem::take(&mut state.activities) {
            slot.end(host, cell, AttemptState::NotFound);
        }
        if changes.kill {
            host.dispatch.kill(cell.key);
        }
        let timers = std::mem::take(&mut state.timers);
        after.disarm.extend(
            timers
                .into_iter()
                .map(|(id, due)| timer_alarm(cell, id, due)),
        );
    }
}

/// The activity was asked to stop: the running attempt is told, unless telling is left to its
/// heartbeats.
fn cancel_activity(
    host: &Inner,
    cell: &RunCell,
    state: &mut CellState,
    id: EventId,
    reason: String,
) {
    let Some(slot) = state.activities.get_mut(&id) else {
        return;
    };
    slot.pending.cancel_requested = Some(reason.clone());
    slot.recall(host, cell);
    match &slot.attempt {
        Some(attempt) if host.config.push_cancel && !broken("R22") => {
            attempt.request_cancel(reason)
        }
        Some(_) => {}
        // The attempt failed after the task had seen it running. There is no other attempt (R19).
        None if !slot.closing && !slot.held && slot.pending.started.is_none() => {
            let now = host.clock.now();
            if let Verdict::Close(input) = slot.pending.never_started() {
                slot.close(now, input.clone());
                state.mailbox.push(Mail::input(now, input, None));
            }
        }
        None => {}
    }
}

/// The step is over: the run is queued again, rests, or is closed.
fn end_step(host: &Arc<Inner>, cell: &Arc<RunCell>, state: &mut CellState, after: &mut After) {
    for slot in state.activities.values_mut().filter(|slot| slot.held) {
        slot.held = false;
        after.tickets.push(slot.ticket(cell));
    }
    if state.head.summary.status != Status::Running {
        state.phase = Phase::Closed;
        state.resident = None;
        let status = state.head.summary.status.clone();
        for mail in std::mem::take(&mut state.mailbox) {
            // Its row is to go: nobody waits for the answer.
            after.effects.extend(keep::unread(cell, &mail));
            after.refused.push((mail, status.clone()));
        }
        for ack in std::mem::take(&mut state.row_acks) {
            drop(ack.send(Ok(Delivery::Refused(InputError::Closed, status.clone()))));
        }
        after.closed = true;
        return;
    }
    if let Some(due) = state.retry_at.filter(|due| *due < Timestamp(u64::MAX)) {
        after.arm.push(Alarm {
            due,
            run: cell.key,
            event: EventId(0),
            kind: Kind::TaskRetry,
        });
    }
    let task_due = state.head.summary.task_pending && state.retry_at.is_none() && !host.is_paused();
    let again = !state.mailbox.is_empty() || task_due;
    state.phase = Phase::Idle;
    activity::flush(host, cell, state);
    // One whose local activities go on has another workflow task at once.
    if host.config.evict_always && !state.hosts_locals() && state.resident.take().is_some() {
        host.counters.evictions.add(1);
    }
    if let Some(resident) = &state.resident {
        after.resident_bytes = Some(resident.instance.resident_bytes());
    }
    if again {
        after.resident_bytes = None;
        after.queue = state.wake() == Posted::Queue;
    }
}

pub(crate) fn timer_alarm(cell: &RunCell, event: EventId, due: Timestamp) -> Alarm {
    Alarm {
        due,
        run: cell.key,
        event,
        kind: Kind::Timer,
    }
}

/// Nothing of a step was stored: the run goes back to what the store has, and tries again later.
pub(crate) fn lost(host: &Arc<Inner>, cell: &Arc<RunCell>, error: &Error) {
    let mut state = cell.lock();
    state.resident = None;
    state.interrupt = None;
    // A step that panicked in its guest has left it.
    state.computing = None;
    state.rows_offered = false;
    // What was counted in vain is asked again, or comes again from its row.
    state.repeats = state.head.summary.cancel_repeats;
    state.store_failures += 1;
    state.trouble = Some(error.to_string());
    for slot in state.activities.values_mut() {
        slot.held = false;
    }
    if state.head.next_seq == 1 {
        // It was to be started: as if it had never been asked for.
        state.phase = Phase::Closed;
        activity::local::end_all(&mut state, &AttemptState::NotFound, false);
        let mails = std::mem::take(&mut state.mailbox);
        drop(state);
        host.forget(cell, None);
        let lost = Some(error.to_string());
        cell.tell_progress(|progress| {
            progress.lost = lost;
            true
        });
        for ack in mails.into_iter().filter_map(|mail| mail.ack) {
            drop(ack.send(Err(error.clone())));
        }
    } else {
        if !host.is_stopping() {
            let run_id = cell.run_id.as_str();
            tracing::error!(run_id, %error, "the run cannot go on; it is tried again");
        }
        state.phase = Phase::Idle;
        keep::deliver_again(host, cell, &mut state);
        plan_retry(host, cell, &mut state);
        drop(state);
    }
    host.left_step();
}

/// Plans another try after the store failed a run, unless one is planned: after 1 s, doubling with
/// each failure in a row, at most 60 s.
pub(crate) fn plan_retry(host: &Inner, cell: &RunCell, state: &mut CellState) {
    if std::mem::replace(&mut state.store_retry, true) {
        return;
    }
    let doublings = state.store_failures.saturating_sub(1).min(6);
    host.timers.arm(Alarm {
        due: host.clock.now() + Millis((1000 << doublings).min(60_000)),
        run: cell.key,
        event: EventId(0),
        kind: Kind::StoreRetry,
    });
}
