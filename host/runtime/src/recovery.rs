//! What a host finds in its store when it starts, and what a run finds after the store failed it.
//!
//! Everything is read from rows: open runs, pending activities, timers. No history is replayed
//! before a run has something to do.

use crate::{
    activity::Slot,
    cell::{Head, Phase, RunCell},
    clock::lock,
    effects::timer_alarm,
    error::Error,
    host::Inner,
    timers::Alarm,
};
use sandglass_engine::{
    EventId, Frame, PendingActivity, RunSummary, Start, Timestamp, Verdict, decode,
};
use sandglass_store::{ActivityRow, Place, Reader, RunKey, RunRow, RunStatus};
use std::{collections::HashMap, path::Path, sync::Arc};

/// The row of a run that is about to be started.
pub(crate) fn row_of_new_run(key: RunKey, start: &Start, at: Timestamp) -> RunRow {
    RunRow {
        key,
        workflow_id: start.workflow_id.clone(),
        run_id: start.run_id.clone(),
        workflow_type: start.workflow_type.clone(),
        status: RunStatus::Running,
        digest: start.digest,
        started_at: at,
        closed_at: None,
        cancel_requested: false,
        summary: Vec::new(),
    }
}

/// Decodes a run's frames, all from the first on. `file` is where they were read.
pub(crate) fn decode_frames(
    file: &Path,
    key: RunKey,
    run_id: &str,
    rows: &[Vec<u8>],
) -> Result<Vec<Frame>, Error> {
    let decoded = rows.iter().enumerate().map(|(index, bytes)| {
        let place = Place {
            table: "frame",
            run: Some(key),
            row: Some(index as u64 + 1),
        };
        decode(bytes).map_err(|error| Error::undecodable(file, run_id, place, &error))
    });
    decoded.collect()
}

/// Decodes the summary of a run's row. `file` is where it was read.
pub(crate) fn decode_summary(file: &Path, row: &RunRow) -> Result<RunSummary, Error> {
    let place = Place {
        table: "run",
        run: Some(row.key),
        row: None,
    };
    decode(&row.summary).map_err(|error| Error::undecodable(file, &row.run_id, place, &error))
}

/// Decodes a row of a run's pending activities. `file` is where it was read.
pub(crate) fn decode_activity(
    file: &Path,
    run_id: &str,
    row: &ActivityRow,
) -> Result<PendingActivity, Error> {
    let place = Place {
        table: "activity",
        run: Some(row.run),
        row: Some(row.scheduled_event_id.0),
    };
    decode(&row.body).map_err(|error| Error::undecodable(file, run_id, place, &error))
}

/// Takes up all that the last host left. `clean`: it stopped in order.
pub(crate) fn recover(host: &Arc<Inner>, clean: bool) -> Result<(), Error> {
    let mut cells = HashMap::new();
    let file = host.read(|reader| Ok(reader.file().to_owned()))?;
    for row in host.read(|reader| reader.open_runs())? {
        match row.map_err(Error::from).and_then(|row| open(&file, row)) {
            Ok(cell) => drop(cells.insert(cell.key, cell)),
            // It stays in the store as it is; the others go on.
            Err(error) => tracing::error!(%error, "a run cannot be taken up"),
        }
    }
    for row in host.read(|reader| reader.all_activities())? {
        let Some(cell) = cells.get(&row.run) else {
            continue;
        };
        match decode_activity(&file, &cell.run_id, &row) {
            Ok(pending) => {
                cell.lock()
                    .activities
                    .insert(row.scheduled_event_id, Slot::new(pending));
            }
            Err(error) => {
                tracing::error!(%error, "an activity cannot be taken up");
                cell.lock().trouble = Some(error.to_string());
            }
        }
    }
    let mut alarms: Vec<Alarm> = Vec::new();
    for row in host.read(|reader| reader.all_timers())? {
        let Some(cell) = cells.get(&row.run) else {
            continue;
        };
        cell.lock().timers.insert(row.started_event_id, row.due);
        alarms.push(timer_alarm(cell, row.started_event_id, row.due));
    }
    let mut runs = lock(&host.runs);
    for cell in cells.values() {
        runs.by_key.insert(cell.key, Arc::clone(cell));
        runs.by_workflow_id
            .insert(cell.workflow_id.clone(), Arc::clone(cell));
    }
    drop(runs);
    if !cells.is_empty() {
        tracing::info!(
            runs = cells.len(),
            timers = alarms.len(),
            clean,
            "took up open runs"
        );
    }
    host.timers.arm_all(alarms);
    for cell in cells.values() {
        restart(host, cell, clean);
    }
    Ok(())
}

fn open(file: &Path, row: RunRow) -> Result<Arc<RunCell>, Error> {
    let summary = decode_summary(file, &row)?;
    let head = Head {
        row,
        summary,
        next_seq: 0,
    };
    Ok(Arc::new(RunCell::new(head, String::new(), Phase::Idle)))
}

/// Sets a recovered run going: its pending workflow task, and each activity with the attempt it
/// was at.
fn restart(host: &Arc<Inner>, cell: &Arc<RunCell>, clean: bool) {
    let now = host.clock.now();
    let mut state = cell.lock();
    let ids: Vec<EventId> = state.activities.keys().copied().collect();
    for id in ids {
        let Some(slot) = state.activities.get_mut(&id) else {
            continue;
        };
        let before = slot.pending.unclean_starts;
        match slot.pending.host_restarted(now, clean) {
            Some(verdict @ (Verdict::Close(_) | Verdict::Retry { .. })) => {
                crate::activity::settle(host, cell, &mut state, id, verdict, now);
            }
            None => {
                slot.dirty = slot.pending.unclean_starts != before;
                slot.arm_deadline(host, cell.key);
                slot.arm_retry(host, cell.key);
            }
        }
    }
    crate::activity::flush(host, cell, &mut state);
    let wake = state.head.summary.task_pending;
    drop(state);
    if wake {
        host.wake(cell);
    }
}

/// The store failed a run some time ago: everything that was on its way when it did is done again.
pub(crate) fn after_store_failure(host: &Arc<Inner>, cell: &Arc<RunCell>) {
    let read = |reader: &dyn Reader| Ok((reader.file().to_owned(), reader.activities(cell.key)?));
    let (file, rows) = match host.read(read) {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(run_id = cell.run_id, %error, "the store still fails");
            Default::default()
        }
    };
    let mut state = cell.lock();
    state.store_retry = false;
    if state.phase == Phase::Closed {
        return;
    }
    for row in rows {
        let Ok(fresh) = decode_activity(&file, &cell.run_id, &row) else {
            continue;
        };
        if let Some(slot) = state.activities.get_mut(&row.scheduled_event_id)
            && slot.stale
        {
            let old = std::mem::replace(slot, Slot::new(fresh));
            old.end(host, crate::activity::AttemptState::NotFound);
        }
    }
    for slot in state
        .activities
        .values_mut()
        .filter(|slot| slot.attempt.is_none())
    {
        slot.arm_deadline(host, cell.key);
        slot.arm_retry(host, cell.key);
    }
    let alarms: Vec<_> = state
        .timers
        .iter()
        .map(|(id, due)| timer_alarm(cell, *id, *due))
        .collect();
    drop(state);
    host.timers.arm_all(alarms);
    host.wake(cell);
}
