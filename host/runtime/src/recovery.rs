//! What a host finds in its store when it starts, and what a run finds after the store failed it.
//!
//! Everything is read from rows: open runs, pending activities, timers. No history is replayed
//! before a run has something to do.

use crate::{
    activity::{Handed, Slot, Ticket},
    cell::{CellState, Head, Mail, Phase, RunCell},
    clock::lock,
    effects::{plan_retry, timer_alarm},
    error::Error,
    host::Inner,
    outbox,
    timers::Alarm,
};
use sandglass_engine::{
    EventId, Frame, Input, PendingActivity, RunSummary, Start, Timestamp, Verdict, decode,
};
use sandglass_store::{ActivityRow, Place, Reader, RunKey, RunRow, RunStatus};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

/// The row of a run that is about to be started.
pub(crate) fn row_of_new_run(key: RunKey, start: &Start, at: Timestamp) -> RunRow {
    RunRow {
        key,
        workflow_id: start.workflow_id.clone(),
        run_id: start.run_id.clone(),
        first_run_id: start.first_run_id().to_owned(),
        workflow_type: start.workflow_type.clone(),
        status: RunStatus::Running,
        digest: start.digest,
        started_at: at,
        closed_at: None,
        cancel_requested: false,
        summary: Vec::new(),
    }
}

/// A run's frames as they lie in a store, without a host: all from the first to the last that its
/// row tells of.
///
/// # Errors
/// [`Error::Damaged`] naming the file and the frame that cannot be read or is missing,
/// [`Error::Store`] if the store cannot be read.
pub fn stored_frames(reader: &dyn Reader, key: RunKey) -> Result<Vec<Frame>, Error> {
    let run_id = reader.run(key)?.map_or_else(String::new, |row| row.run_id);
    read_frames(reader, key, &run_id)
}

/// Reads a run's frames, all from the first to at least the last that its row tells of: where a
/// page is damaged the newest may be missing without any other sign.
pub(crate) fn read_frames(
    reader: &dyn Reader,
    key: RunKey,
    run_id: &str,
) -> Result<Vec<Frame>, Error> {
    let file = reader.file();
    // Before the frames: one that is committed in between is then one more, not one missing.
    let row = reader.run(key)?;
    let frames = reader.frames(key);
    let frames = frames.map_err(|error| Error::reading(run_id, error))?;
    let frames = decode_frames(file, key, run_id, &frames)?;
    let summary = row.and_then(|row| decode_summary(file, &row).ok());
    if frames.is_empty() && reader.run(key)?.is_none() {
        // It was deleted since.
        return Ok(frames);
    }
    let end = frames.last().map_or(EventId(1), |last| last.next_event_id);
    match summary {
        Some(summary) if end < summary.next_event_id => {
            let seq = frames.len() as u64 + 1;
            let reason = format!(
                "it is missing, the run has events up to {}",
                summary.next_event_id.0 - 1
            );
            let error = sandglass_store::Error::corrupt(file, "frame", key, Some(seq), reason);
            Err(Error::Damaged {
                run_id: run_id.into(),
                reason: error.to_string(),
            })
        }
        _ => Ok(frames),
    }
}

fn decode_frames(
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
    let _phase = crate::crash::phase(crate::crash::Phase::Recovery);
    crate::crash::point("recovery.before");
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
            Ok(mut pending) => {
                if pending.call.task_queue.is_none() {
                    // An older host left it to the run's start.
                    pending.call.task_queue = task_queue(host, cell);
                }
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
    let begun = if clean {
        BTreeSet::new()
    } else {
        begun_before(host, cells.values())
    };
    set_going(host, &cells, &begun);
    outbox::recover(host)
}

/// The task queue that a run was started with, if its start can be read.
fn task_queue(host: &Inner, cell: &RunCell) -> Option<String> {
    let frames = host.frames(cell.key, &cell.run_id).ok()?;
    let inputs = frames.iter().flat_map(|frame| &frame.records);
    inputs
        .flat_map(|record| record.inputs())
        .find_map(|(_, input)| match input {
            Input::Started(start) => Some(start.task_queue.clone()),
            _ => None,
        })
}

/// Sets the recovered runs going: first their activities, then their workflow tasks.
fn set_going(
    host: &Arc<Inner>,
    cells: &HashMap<RunKey, Arc<RunCell>>,
    begun: &BTreeSet<(RunKey, EventId)>,
) {
    let mut due: Vec<Due> = Vec::new();
    for cell in cells.values() {
        restart(host, cell, begun, &mut due);
    }
    // In the order in which they were dispatched, and before any workflow task: an attempt may have
    // been made of each, so none must be taken for one that was never started (R18).
    due.sort_unstable_by_key(|(since, ticket)| (*since, ticket.cell.key, ticket.event_id));
    for (_, ticket) in due {
        host.dispatch.offer(host, ticket);
    }
    for cell in cells.values() {
        if cell.lock().head.summary.task_pending {
            host.wake(cell);
        }
    }
}

/// An activity whose attempt is to be made at once, and since when it is.
type Due = (Timestamp, Ticket);

/// The activities that the last host may have crashed with: those whose time had come, of types
/// that have a worker, as many as may run at once. Which were really begun is not stored: it would
/// cost a write for each attempt.
fn begun_before<'a>(
    host: &Inner,
    cells: impl Iterator<Item = &'a Arc<RunCell>>,
) -> BTreeSet<(RunKey, EventId)> {
    let now = host.clock.now();
    let mut due = Vec::new();
    for cell in cells {
        for (id, slot) in &cell.lock().activities {
            let pending = &slot.pending;
            let is_held = pending.elsewhere.is_some() || pending.paused.is_some();
            if !is_held
                && pending.next_attempt_at <= now
                && host.dispatch.serves(&pending.call.activity_type)
            {
                due.push((pending.next_attempt_at, cell.key, *id));
            }
        }
    }
    // In the order in which they were dispatched.
    due.sort_unstable();
    due.truncate(host.dispatch.limit());
    due.into_iter().map(|(_, key, id)| (key, id)).collect()
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

/// Sets a recovered run's activities going, each with the attempt it was at. `begun`: those that
/// the last host may have crashed with. Those to be made at once are added to `due`.
fn restart(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    begun: &BTreeSet<(RunKey, EventId)>,
    due: &mut Vec<Due>,
) {
    let now = host.clock.now();
    let mut state = cell.lock();
    let ids: Vec<EventId> = state.activities.keys().copied().collect();
    for id in ids {
        let Some(slot) = state.activities.get_mut(&id) else {
            continue;
        };
        let before = slot.pending.unclean_starts;
        match slot
            .pending
            .host_restarted(now, !begun.contains(&(cell.key, id)))
        {
            Some(verdict @ (Verdict::Close(_) | Verdict::Retry { .. })) => {
                let posted =
                    crate::activity::settle(host, cell, &mut state, id, verdict, now, None);
                host.queue(cell, posted);
            }
            None => {
                slot.dirty = slot.pending.unclean_starts != before;
                slot.arm_deadline(host, cell.key);
                let since = slot.pending.next_attempt_at;
                if slot.pending.started.is_some() {
                    // Made elsewhere, it goes on. Whether its worker was told to stop is not known.
                    slot.handed = Some(Handed::before(id));
                    if slot.pending.cancel_requested.is_some() {
                        slot.recall(host, cell);
                    }
                } else if since <= now {
                    due.push((since, slot.ticket(cell)));
                } else {
                    slot.arm_retry(host, cell.key);
                }
            }
        }
    }
    crate::activity::flush(host, cell, &mut state);
}

/// The store failed a run some time ago: everything that was on its way when it did is done again.
pub(crate) fn after_store_failure(host: &Arc<Inner>, cell: &Arc<RunCell>) {
    let mut state = cell.lock();
    state.store_retry = false;
    if state.phase == Phase::Closed {
        return;
    }
    repeat_endings(host, cell, &mut state);
    for slot in state
        .activities
        .values_mut()
        .filter(|slot| slot.pending.started.is_none() && !slot.closing)
    {
        slot.arm_deadline(host, cell.key);
        slot.arm_retry(host, cell.key);
    }
    let alarms: Vec<_> = state
        .timers
        .iter()
        .map(|(id, due)| timer_alarm(cell, *id, *due))
        .collect();
    crate::activity::flush(host, cell, &mut state);
    drop(state);
    host.timers.arm_all(alarms);
    host.wake(cell);
}

/// Ends of activities that were lost with a step are sent again, so that nothing is done twice.
/// While somebody is at the run they may be with him: then the next try looks.
fn repeat_endings(host: &Arc<Inner>, cell: &Arc<RunCell>, state: &mut CellState) {
    if !matches!(state.phase, Phase::Idle | Phase::Queued) {
        if state.activities.values().any(|slot| slot.closing) {
            plan_retry(host, cell, state);
        }
        return;
    }
    let waiting: Vec<EventId> = state.mailbox.iter().filter_map(Mail::closes).collect();
    let lost = state
        .activities
        .iter()
        .filter(|(id, _)| !waiting.contains(id));
    let mails: Vec<Mail> = lost.filter_map(|(_, slot)| slot.ending()).collect();
    for mail in mails {
        host.post(cell, state, mail);
    }
}
