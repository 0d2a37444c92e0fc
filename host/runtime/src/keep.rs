//! Requests to cancel that arrive during a workflow task, on disk before the task ends (R1).
//!
//! In the history such a request stands after all that the task does, so it cannot be recorded
//! before that. It is stored as a row of the outbox that the run sends to itself, and answered;
//! the commit that records it deletes the row. After a crash it is taken up like any other row.

use crate::{
    cell::{CellState, Delivery, Letter, Mail, Phase, RunCell},
    host::Inner,
    writer::{Part, Submission},
};
use sandglass_engine::{Changes, Effect, EventId, Input, InputError, Status, encode};
use sandglass_store::{OutboxRow, Write};
use std::sync::Arc;

/// The row of a kept request. No event has this id, and a run has one such request at most.
const KEPT: EventId = EventId(u64::MAX >> 1);

/// Stores the request to cancel that waits for the end of a run's workflow task, and answers it. It
/// goes on waiting: the task must not close the run without it (R16). If no task is running, it is
/// about to be recorded anyhow.
pub(crate) fn keep_cancel(host: &Arc<Inner>, cell: &Arc<RunCell>) {
    let mut state = cell.lock();
    // One that ends the run by force interrupts the task: then nothing takes long.
    if state.phase != Phase::Running || state.force {
        return;
    }
    let mut known = state.head.summary.cancel.is_some() || state.cancel_kept.is_some();
    let (mut kept, mut again) = (None, Vec::new());
    for mail in &mut state.mailbox {
        let Letter::Input(input @ Input::CancelRequested(_)) = &mail.letter else {
            continue;
        };
        if mail.settles.is_some() {
            // Another run's, which has a row of its own, or the kept one.
            known = true;
            continue;
        }
        let Some(ack) = mail.ack.take() else {
            continue;
        };
        if std::mem::replace(&mut known, true) {
            again.push((input.clone(), ack));
        } else {
            mail.settles = Some((cell.key, KEPT));
            kept = Some((input.clone(), ack));
        }
    }
    let mut write = Write::new(cell.key);
    let mut acks = Vec::new();
    if let Some((input, ack)) = kept {
        write.outbox_put = vec![OutboxRow {
            source: cell.key,
            source_event_id: KEPT,
            body: encode(&deliver(cell, input.clone())),
        }];
        state.cancel_kept = Some(input);
        acks.push((ack, Delivery::Recorded));
    }
    for (input, ack) in again {
        if is_kept(&state, &input) {
            // The same request (R39): answered when it is on disk.
            acks.push((ack, Delivery::Recorded));
        } else {
            let refused = Delivery::Refused(InputError::AlreadyRequested, Status::Running);
            // Whoever asked may have gone away.
            drop(ack.send(Ok(refused)));
        }
    }
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

fn is_kept(state: &CellState, input: &Input) -> bool {
    match input {
        Input::CancelRequested(request) => state.was_canceled_by(&request.request_id),
        _ => false,
    }
}

/// A step was lost with all that it had taken from the mailbox: a kept request is delivered from
/// its row.
pub(crate) fn deliver_again(host: &Arc<Inner>, cell: &RunCell, state: &mut CellState) {
    let waits = state
        .mailbox
        .iter()
        .any(|mail| mail.settles == Some((cell.key, KEPT)));
    if let Some(input) = state.cancel_kept.take_if(|_| !waits)
        && state.head.summary.cancel.is_none()
    {
        host.outbox
            .offer(host, cell.key, KEPT, deliver(cell, input));
    }
}

/// What is to be applied if the run has ended before it took this mail, and the mail is a kept
/// request: its row is deleted then.
pub(crate) fn unread(cell: &RunCell, mail: &Mail) -> Option<(EventId, Effect)> {
    match &mail.letter {
        Letter::Input(input) if mail.settles == Some((cell.key, KEPT)) => {
            Some((KEPT, deliver(cell, input.clone())))
        }
        _ => None,
    }
}

fn deliver(cell: &RunCell, input: Input) -> Effect {
    Effect::Deliver {
        workflow_id: cell.workflow_id.clone(),
        input: Box::new(input),
    }
}
