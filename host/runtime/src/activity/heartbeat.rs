//! Heartbeats: signs of life at once, details on disk at intervals.
//!
//! Details are stored at most every min(0.8 x heartbeat timeout, 1 s) and flushed with a failure; a
//! crash loses at most that much progress, and a fast heartbeat costs no commits.

use super::{Attempt, AttemptState, Slot, bounds, current, row, store_rows};
use crate::{
    cell::{CellState, Phase, RunCell},
    host::Inner,
};
use sandglass_engine::{EventId, Millis, Payload};
use std::sync::Arc;

/// The longest wait before details are stored.
const FLUSH_AFTER_MAX: Millis = Millis(1000);

/// Takes a heartbeat of an attempt.
pub(super) fn heartbeat(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    event_id: EventId,
    attempt: &Arc<Attempt>,
    details: Vec<Payload>,
) -> AttemptState {
    let now = host.clock.now();
    let kept = bounds::keeps(&details, &host.config.limits);
    if !kept {
        tracing::warn!("details of a heartbeat are too large and are not kept");
    }
    let mut state = cell.lock();
    let Some(slot) = current(&mut state, event_id, attempt) else {
        drop(state);
        host.counters.stale_reports.add(1);
        attempt.give_up(AttemptState::NotFound);
        return attempt.state.borrow().clone();
    };
    let details = if kept {
        details
    } else {
        slot.pending.heartbeat_details.clone()
    };
    attempt.tell(slot.pending.heartbeat(now, details));
    store_soon(host, cell, &mut state, event_id);
    drop(state);
    attempt.state.borrow().clone()
}

/// Details of a heartbeat are new: they are stored now, or when it is time for that.
pub(super) fn store_soon(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    state: &mut CellState,
    event_id: EventId,
) {
    let now = host.clock.now();
    let Some(slot) = state.activities.get_mut(&event_id) else {
        return;
    };
    let due = slot.persisted_at + flush_after(slot);
    if due <= now {
        slot.dirty = true;
        flush(host, cell, state);
    } else if !slot.dirty {
        slot.dirty = true;
        slot.arm_flush(host, cell.key, due);
    }
}

fn flush_after(slot: &Slot) -> Millis {
    let share = slot
        .pending
        .call
        .heartbeat
        .map(|timeout| Millis(timeout.0 / 5 * 4));
    share.map_or(FLUSH_AFTER_MAX, |share| share.min(FLUSH_AFTER_MAX))
}

/// Stores what has changed of a run's activities. While a frame of the run is being written,
/// nothing: the frame may end activities whose rows must not come back, or have older rows. The end
/// of that step calls again.
pub(crate) fn flush(host: &Arc<Inner>, cell: &Arc<RunCell>, state: &mut CellState) {
    if matches!(state.phase, Phase::Committing | Phase::Closed) || state.rows_offered {
        return;
    }
    let now = host.clock.now();
    let mut rows = Vec::new();
    for slot in state
        .activities
        .values_mut()
        .filter(|slot| slot.dirty && !slot.closing)
    {
        slot.dirty = false;
        slot.persisted_at = now;
        rows.push(row(slot));
    }
    let acks = std::mem::take(&mut state.row_acks);
    if !rows.is_empty() || !acks.is_empty() {
        store_rows(host, cell, rows, acks);
    }
}
