//! The end of a step: one frame with its rows for the writer, or nothing to write.

use super::Step;
use crate::{
    cell::{Head, Phase, Resident, RunCell},
    effects,
    error::Error,
    host::Inner,
    recovery::row_of_new_run,
    writer::{Part, Submission},
};
use sandglass_engine::{
    Changes, EventId, FrameOutput, Run, RunSummary, Status, Successor, Timestamp, encode,
};
use sandglass_store::{OutboxRow, RunKey, RunStatus, Write};
use std::sync::Arc;

impl Step<'_> {
    /// The run as it is now, with the requests to cancel it that came after the first.
    pub(super) fn summary(&self, run: &Run) -> RunSummary {
        RunSummary {
            cancel_repeats: self.cell.lock().repeats,
            ..run.summary()
        }
    }

    /// Hands the step to the writer; if there is nothing to write, the step is over now.
    pub(super) fn submit(mut self) {
        let after = self.run.as_deref_mut().and_then(Run::take_frame);
        let output = match (self.before.take(), after) {
            (Some(before), Some(after)) => Some(before.merge(after)),
            (before, after) => before.or(after),
        };
        let head = match &self.run {
            Some(run) => {
                let (summary, now) = (self.summary(run), self.host.clock.now());
                Arc::new(head_of(&self.head, summary, output.as_ref(), now))
            }
            None => Arc::clone(&self.head),
        };
        let write = (output.is_some() || self.row_changed)
            .then(|| write_of(self.cell, &self.head, &head, output.as_ref()));
        let follower = output
            .as_ref()
            .and_then(|output| output.changes.successor.clone());
        let mut successor = follower.map(|start| successor_of(self.host, &head, *start));
        let mut state = self.cell.lock();
        debug_assert!(
            state.step == Some(self.token),
            "a step whose run was taken over does not submit"
        );
        state.phase = Phase::Committing;
        state.retry_at = self.retry_at;
        // Whoever loaded its component meanwhile has not seen that the run waits for it.
        let waits = state.retry_at == Some(Timestamp(u64::MAX));
        if waits && self.host.components.is_loaded(head.row.digest) {
            state.retry_at = None;
        }
        // Without its guest a run must be rebuilt anyhow when it has something to do.
        state.resident = match (self.run.take(), self.instance.take()) {
            (Some(run), Some(instance)) => Some(Resident { run, instance }),
            _ => None,
        };
        drop(state);
        let mut write = write.unwrap_or_else(|| Write::new(self.cell.key));
        write.outbox_deleted = std::mem::take(&mut self.settled);
        write.successor = successor
            .as_mut()
            .map(|next| Box::new(std::mem::take(&mut next.write)));
        let submission = Submission {
            cell: Arc::clone(self.cell),
            write,
            changes: output.map(|output| output.changes).unwrap_or_default(),
            head: Some(head),
            acks: std::mem::take(&mut self.acks),
            part: Part::Step,
            successor,
        };
        if submission.write.row.is_some() {
            self.host.writer.end(self.token, Some(submission));
        } else {
            self.host.writer.end(self.token, None);
            effects::through(self.host, submission);
        }
    }

    /// The store or the history does not let the run go on: everybody is told, and it is tried
    /// again later.
    pub(super) fn give_up(mut self, error: Error) {
        // If the inputs are committed after all, or lost, whoever brought them has been told.
        let _settled = self.take_inputs_back();
        let acks = std::mem::take(&mut self.acks);
        self.host.writer.end(self.token, None);
        effects::lost(self.host, self.cell, &error);
        for (ack, _) in acks {
            drop(ack.send(Err(error.clone())));
        }
    }
}

/// The run that follows one that closes, with the first that is stored of it. Nobody finds it
/// before that is committed.
fn successor_of(host: &Inner, before: &Head, mut successor: Successor) -> Box<Submission> {
    // It goes on with the component that its predecessor had last.
    successor.start.digest = before.row.digest;
    let at = successor.at;
    let key = host.new_key();
    let head = Head {
        row: row_of_new_run(key, &successor.start, at),
        summary: RunSummary {
            next_event_id: EventId(1),
            ..RunSummary::default()
        },
        next_seq: 1,
    };
    let request_id = successor.start.request_id.clone();
    let cell = RunCell::new(head.clone(), request_id, Phase::Committing);
    let mut run = successor.begin(host.config.limits);
    let output = run.take_frame();
    let after = Arc::new(head_after(&head, &run, output.as_ref(), at));
    let write = write_of(&cell, &head, &after, output.as_ref());
    // Whoever finds it may ask who its parent is.
    cell.lock().head = Arc::clone(&after);
    host.entered_step();
    Box::new(Submission {
        cell: Arc::new(cell),
        write,
        changes: output.map(|output| output.changes).unwrap_or_default(),
        head: Some(after),
        acks: Vec::new(),
        part: Part::Step,
        successor: None,
    })
}

/// The head of a run once this output is committed.
pub(crate) fn head_after(
    before: &Head,
    run: &Run,
    output: Option<&FrameOutput>,
    now: Timestamp,
) -> Head {
    let summary = RunSummary {
        cancel_repeats: before.summary.cancel_repeats,
        ..run.summary()
    };
    head_of(before, summary, output, now)
}

/// The head of a run that is so once this output is committed.
pub(crate) fn head_of(
    before: &Head,
    summary: RunSummary,
    output: Option<&FrameOutput>,
    now: Timestamp,
) -> Head {
    let mut row = before.row.clone();
    row.status = status_of(&summary.status);
    row.cancel_requested = summary.cancel.is_some();
    row.summary = encode(&summary);
    if row.status != RunStatus::Running && row.closed_at.is_none() {
        let last = output.and_then(|output| output.last_event_time);
        row.closed_at = Some(last.unwrap_or(now));
    }
    Head {
        row,
        summary,
        next_seq: before.next_seq + u64::from(output.is_some()),
    }
}

fn status_of(status: &Status) -> RunStatus {
    match status {
        Status::Running => RunStatus::Running,
        Status::Completed { .. } => RunStatus::Completed,
        Status::Failed { .. } => RunStatus::Failed,
        Status::Canceled { .. } => RunStatus::Canceled,
        Status::Terminated { .. } => RunStatus::Terminated,
        Status::TimedOut => RunStatus::TimedOut,
        Status::ContinuedAsNew { .. } => RunStatus::ContinuedAsNew,
    }
}

/// What is to be stored for one output of a run.
pub(crate) fn write_of(
    cell: &RunCell,
    before: &Head,
    after: &Head,
    output: Option<&FrameOutput>,
) -> Write {
    let changed = output.map(|output| changed_rows(cell, &output.changes));
    write_with(cell.key, before, after, output, changed.unwrap_or_default())
}

/// Encoded activities, by scheduled event.
pub(crate) type StoredActivities = Vec<(EventId, Vec<u8>)>;

/// The rows of activities that an output changes, beside those that it schedules. Until the output
/// is stored or lost no newer ones are.
pub(super) fn changed_rows(cell: &RunCell, changes: &Changes) -> StoredActivities {
    if changes.cancel_requested.is_empty() {
        return Vec::new();
    }
    let mut state = cell.lock();
    state.rows_offered = true;
    let requested = changes.cancel_requested.iter();
    let rows = requested.filter_map(|(id, reason)| {
        let mut pending = state.activities.get(id)?.pending.clone();
        pending.cancel_requested = Some(reason.clone());
        Some((*id, encode(&pending)))
    });
    rows.collect()
}

/// As [`write_of`], with the rows of [`changed_rows`].
pub(crate) fn write_with(
    key: RunKey,
    before: &Head,
    after: &Head,
    output: Option<&FrameOutput>,
    changed: StoredActivities,
) -> Write {
    let mut write = Write::new(key);
    write.row = Some(after.row.clone());
    let Some(FrameOutput { frame, changes, .. }) = output else {
        return write;
    };
    write.frame = Some((before.next_seq, encode(frame)));
    let rows = changes.effects.iter().map(|(id, effect)| OutboxRow {
        source: key,
        source_event_id: *id,
        body: encode(effect),
    });
    write.outbox_put = rows.collect();
    write.clear = changes.closed;
    if changes.closed {
        return write;
    }
    let scheduled = changes.scheduled.iter();
    let scheduled = scheduled.map(|pending| (pending.scheduled_event_id, encode(pending)));
    let put = scheduled.chain(changed);
    write.activities_put = put
        .filter(|(id, _)| !changes.activities_closed.contains(id))
        .collect();
    write
        .activities_deleted
        .clone_from(&changes.activities_closed);
    let timers: Vec<(EventId, Timestamp)> = changes
        .timers_started
        .iter()
        .map(|timer| (timer.started_event_id, timer.due))
        .collect();
    write.timers_put = timers;
    write.timers_deleted.clone_from(&changes.timers_ended);
    write
}
