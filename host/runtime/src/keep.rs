//! Requests to cancel that arrive during a workflow task, on disk before the task ends (R1).
//!
//! In the history such a request stands after all that the task does, so it cannot be recorded
//! before that. It is stored as a row of the outbox that the run sends to itself, and answered;
//! the commit that records it deletes the row. After a crash it is taken up like any other row.

use crate::{
    cell::{CellState, Delivery, Letter, Mail, Phase, RunCell},
    host::{Inner, ended_by_deadline},
    timers::{Alarm, Kind},
    writer::{Part, Submission},
};
use sandglass_engine::{
    CancelRequest, Changes, Effect, EventId, Input, InputError, Status, Timestamp, encode,
};
use sandglass_store::{OutboxRow, Write};
use std::sync::Arc;

/// The row of a kept request. No event has this id. Requests after it, which are only counted (R2),
/// have the ids that follow, so that they come after it again.
const KEPT: EventId = EventId((u64::MAX >> 1) - (u32::MAX as u64));

/// Stores the requests to cancel that wait for the end of a run's workflow task, and answers them.
/// They go on waiting: the task must not close the run without the first (R16). If no task is
/// running, they are about to be recorded anyhow.
pub(crate) fn keep_cancel(host: &Arc<Inner>, cell: &Arc<RunCell>) {
    let mut state = cell.lock();
    // One that ends the run by force interrupts the task: then nothing takes long.
    if !matches!(state.phase, Phase::Running | Phase::Waiting) || state.force {
        return;
    }
    let mut write = Write::new(cell.key);
    let mut acks = Vec::new();
    let mut mailbox = std::mem::take(&mut state.mailbox);
    // Another run's, which has a row of its own, or the kept one.
    let waits = |mail: &Mail| mail.settles.is_some() && cancel_of(mail).is_some();
    let first = mailbox.iter().find(|mail| waits(mail)).and_then(cancel_of);
    // Also while a step has taken the first one and has not committed it.
    let mut known =
        state.head.summary.cancel.is_some() || state.cancel_kept.is_some() || first.is_some();
    let first = first.map_or_else(String::new, |first| first.request_id.clone());
    for mail in &mut mailbox {
        let Some(request) = cancel_of(mail).filter(|_| mail.settles.is_none()) else {
            continue;
        };
        let request = request.clone();
        let id = &request.request_id;
        let same = state.was_canceled_by(id) || !id.is_empty() && *id == first;
        let input = Input::CancelRequested(request.clone());
        let Some(ack) = mail.ack.take() else {
            continue;
        };
        if same {
            // The same request (R39): answered when it is on disk.
            acks.push((ack, Delivery::Recorded));
            continue;
        }
        let (id, delivery) = if known {
            state.repeats_kept += 1;
            let refused = Delivery::Refused(InputError::AlreadyRequested, Status::Running);
            (EventId(KEPT.0 + state.repeats_kept), refused)
        } else {
            arm_grace(host, cell, &request);
            state.cancel_kept = Some(input.clone());
            (KEPT, Delivery::Recorded)
        };
        known = true;
        write.outbox_put.push(OutboxRow {
            source: cell.key,
            source_event_id: id,
            body: encode(&deliver(cell, input)),
        });
        mail.settles = Some((cell.key, id));
        acks.push((ack, delivery));
    }
    state.mailbox = mailbox;
    if acks.is_empty() {
        return;
    }
    // Under the lock, so that it is stored before the commit that deletes it again.
    host.writer.submit(Submission {
        successor: None,
        cell: Arc::clone(cell),
        write,
        changes: Changes::default(),
        head: None,
        acks,
        part: Part::Aside(Vec::new()),
    });
}

/// The deadline of a request counts from when it is on disk, and not only from when the workflow
/// task ends and it is recorded (R30).
fn arm_grace(host: &Inner, cell: &RunCell, request: &CancelRequest) {
    if let (Some(due), Some(_)) = (request.deadline, request.escalation) {
        host.timers.arm(Alarm {
            due,
            run: cell.key,
            event: KEPT,
            kind: Kind::KeptGrace,
        });
    }
}

/// What follows when the deadline of a kept request passes; nothing if it is recorded by now. It
/// follows the request, which may still be on its way from its row.
pub(crate) fn grace_passed(cell: &RunCell, now: Timestamp) -> Vec<Mail> {
    let state = cell.lock();
    let (Some(input), None) = (&state.cancel_kept, &state.head.summary.cancel) else {
        return Vec::new();
    };
    let Input::CancelRequested(request) = input else {
        return Vec::new();
    };
    let Some(rung) = request.escalation else {
        return Vec::new();
    };
    let mut asked = Mail::input(now, input.clone(), None);
    asked.settles = Some((cell.key, KEPT));
    let ended = Mail::input(now, ended_by_deadline(request, rung), None);
    let waits = |mail: &Mail| mail.settles == asked.settles;
    match state.mailbox.iter().any(waits) {
        true => vec![ended],
        false => vec![asked, ended],
    }
}

/// What the last host has kept: the first request is known, its ids are not given again.
pub(crate) fn recall(host: &Inner, cell: &RunCell, id: EventId, effect: &Effect) {
    let Effect::Deliver { input, .. } = effect else {
        return;
    };
    let Some(number) = id.0.checked_sub(KEPT.0) else {
        return;
    };
    let mut state = cell.lock();
    state.repeats_kept = state.repeats_kept.max(number);
    if let (Input::CancelRequested(request), 0) = (&**input, number) {
        arm_grace(host, cell, request);
        state.cancel_kept = Some((**input).clone());
    }
}

fn cancel_of(mail: &Mail) -> Option<&CancelRequest> {
    match &mail.letter {
        Letter::Input(Input::CancelRequested(request)) => Some(request),
        _ => None,
    }
}

/// The row of a mail that is a kept request to cancel its run.
fn kept_as(cell: &RunCell, mail: &Mail) -> Option<EventId> {
    mail.settles
        .filter(|(source, id)| *source == cell.key && *id >= KEPT)
        .map(|(_, id)| id)
}

/// A step was lost with all that it had taken from the mailbox: a kept request is delivered from
/// its row.
pub(crate) fn deliver_again(host: &Arc<Inner>, cell: &RunCell, state: &mut CellState) {
    let waits = state
        .mailbox
        .iter()
        .any(|mail| mail.settles == Some((cell.key, KEPT)));
    if let Some(input) = state.cancel_kept.clone().filter(|_| !waits)
        && state.head.summary.cancel.is_none()
    {
        host.outbox
            .offer(host, cell.key, KEPT, deliver(cell, input));
    }
}

/// What is to be applied if the run has ended before it took this mail, and the mail is a kept
/// request: its row is deleted then.
pub(crate) fn unread(cell: &RunCell, mail: &Mail) -> Option<(EventId, Effect)> {
    let id = kept_as(cell, mail)?;
    let input = Input::CancelRequested(cancel_of(mail)?.clone());
    Some((id, deliver(cell, input)))
}

fn deliver(cell: &RunCell, input: Input) -> Effect {
    Effect::Deliver {
        workflow_id: cell.workflow_id.clone(),
        input: Box::new(input),
    }
}
