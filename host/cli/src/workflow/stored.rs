//! Runs as they lie in a store, read without a host.

use crate::exit::{Exit, OrStop, Stop, usage};
use sandglass_engine::{Frame, HistoryEvent, PendingActivity, RunSummary, Status};
use sandglass_store::{Error, Reader, RunKey, RunRow, RunStatus, SqliteReader, SqliteStore};
use std::path::Path;

/// Opens a store for reading.
///
/// # Errors
/// With exit code 2 if there is no such store, 6 if it cannot be read.
pub fn open(db: &Path) -> Result<SqliteReader, Stop> {
    if !db.exists() {
        return Err(usage!(
            "there is no store at {}; name one with --db FILE",
            db.display()
        ));
    }
    SqliteStore::open_read_only(db).map_err(stop)
}

/// The exit code of a store's error: 2 if another file is meant, 6 if this one fails.
#[must_use]
pub fn stop(error: Error) -> Stop {
    match error {
        Error::NotAStore { .. } | Error::Newer { .. } | Error::Owned { .. } => Stop::usage(error),
        error => Stop::host(error),
    }
}

/// Finds a run, the newest of its workflow id if no run id is given.
///
/// # Errors
/// With exit code 2, naming the id, if there is none.
pub fn find(reader: &dyn Reader, id: &str, run_id: Option<&str>) -> Result<RunRow, Stop> {
    let row = reader.find(id, run_id).map_err(stop)?;
    row.ok_or_else(|| not_found(reader.file(), id, run_id))
}

/// The error for a run that does not exist.
#[must_use]
pub fn not_found(db: &Path, id: &str, run_id: Option<&str>) -> Stop {
    let run = run_id
        .map(|run_id| format!(" with run id {run_id}"))
        .unwrap_or_default();
    usage!("there is no workflow '{id}'{run} in {}", db.display())
}

/// A run's summary.
///
/// # Errors
/// Names the run if its row is damaged.
pub fn summary(reader: &dyn Reader, row: &RunRow) -> Result<RunSummary, Error> {
    sandglass_engine::decode(&row.summary)
        .map_err(|error| Error::corrupt(reader.file(), "run", row.key, None, error))
}

/// A run's history.
///
/// # Errors
/// Names the frame that is damaged.
pub fn history(reader: &dyn Reader, key: RunKey) -> Result<Vec<HistoryEvent>, Stop> {
    let mut frames: Vec<Frame> = Vec::new();
    for (index, bytes) in reader.frames(key).map_err(stop)?.iter().enumerate() {
        let frame = sandglass_engine::decode(bytes).map_err(|error| {
            let seq = index as u64 + 1;
            stop(Error::corrupt(
                reader.file(),
                "frame",
                key,
                Some(seq),
                error,
            ))
        })?;
        frames.push(frame);
    }
    sandglass_engine::history(frames).or_host()
}

/// A run's pending activities.
///
/// # Errors
/// Names the row that is damaged.
pub fn activities(reader: &dyn Reader, key: RunKey) -> Result<Vec<PendingActivity>, Stop> {
    let rows = reader.activities(key).map_err(stop)?;
    rows.iter()
        .map(|row| {
            sandglass_engine::decode(&row.body).map_err(|error| {
                let event = Some(row.scheduled_event_id.0);
                stop(Error::corrupt(reader.file(), "activity", key, event, error))
            })
        })
        .collect()
}

/// The word for a status, in text and in JSON.
#[must_use]
pub fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Completed => "completed",
        RunStatus::Failed => "failed",
        RunStatus::Canceled => "canceled",
        RunStatus::Terminated => "terminated",
        RunStatus::TimedOut => "timed-out",
    }
}

/// The number that a run's status is as an exit code. For an open one it is that of success.
#[must_use]
pub fn exit_code(status: &Status) -> Exit {
    match status {
        Status::Running | Status::Completed { .. } => Exit::Completed,
        Status::Failed { .. } => Exit::Failed,
        Status::Canceled { .. } => Exit::Canceled,
        Status::Terminated { .. } => Exit::Terminated,
        Status::TimedOut => Exit::TimedOut,
    }
}

/// What people are told: an open run with a recorded request is *canceling*.
#[must_use]
pub fn status_text(row: &RunRow) -> &'static str {
    match row.status {
        RunStatus::Running if row.cancel_requested => "canceling",
        status => status_word(status),
    }
}
