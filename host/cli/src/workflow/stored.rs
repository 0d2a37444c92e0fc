//! Runs as they lie in a store, read without a host.

use crate::{
    exit::{Exit, OrStop, Stop, usage},
    run::{self, Known},
};
use sandglass::RunDescription;
use sandglass_engine::{Frame, HistoryEvent, RunSummary};
use sandglass_store::{Error, Reader, RunKey, RunRow, RunStatus, SqliteReader, SqliteStore};
use std::{fs, io, path::Path};

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
    check_place(db)?;
    SqliteStore::open_read_only(db).map_err(stop)
}

/// Checks that a store is or can be at this place. Nothing is left there.
///
/// # Errors
/// With exit code 2, saying what is wrong with the place.
pub fn check_place(db: &Path) -> Result<(), Stop> {
    let refuse = |reason: String| Err(usage!("cannot keep a store in {}: {reason}", db.display()));
    match db.metadata() {
        Ok(found) if found.is_dir() => {
            return refuse("it is a folder; name a file in it with --db FILE".into());
        }
        Ok(found) if !found.is_file() => return refuse("it is no regular file".into()),
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return refuse(error.to_string()),
    }
    let Some(name) = db.file_name() else {
        return refuse("it names no file".into());
    };
    let folder = match db.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return refuse(format!("there is no such folder as {}", folder.display()));
    }
    // A store has files beside it: whether one can be made there says it all.
    let mut beside = name.to_owned();
    beside.push(format!("-{}", std::process::id()));
    let beside = folder.join(beside);
    match fs::File::create_new(&beside).and_then(|_| fs::remove_file(&beside)) {
        Ok(()) => Ok(()),
        Err(error) => refuse(format!("no file can be made there: {error}")),
    }
}

/// A store's error with its exit code.
#[must_use]
pub fn stop(error: Error) -> Stop {
    Stop {
        exit: exit(&error),
        error: error.into(),
    }
}

/// The exit code of a store's error: 2 if another file is meant or it is in use, 6 if it fails.
#[must_use]
pub fn exit(error: &Error) -> Exit {
    match error {
        Error::NotAStore { .. } | Error::Newer { .. } | Error::Owned { .. } => Exit::Usage,
        _ => Exit::Host,
    }
}

/// Finds a run, the newest of its workflow id if no run id is given.
///
/// # Errors
/// With exit code 2, naming the id, if there is none.
pub fn find(reader: &dyn Reader, id: &str, run_id: Option<&str>) -> Result<RunRow, Stop> {
    let row = reader.find(id, run_id).map_err(stop)?;
    row.ok_or_else(|| not_found(&reader.file().display().to_string(), id, run_id))
}

/// The error for a run that does not exist.
#[must_use]
pub fn not_found(place: &str, id: &str, run_id: Option<&str>) -> Stop {
    let run = run_id
        .map(|run_id| format!(" with run id {run_id}"))
        .unwrap_or_default();
    usage!("there is no workflow '{id}'{run} in {place}")
}

/// A run's frames.
///
/// # Errors
/// Names the frame that is damaged, or the first of those that the run's row tells of and that are
/// missing.
pub fn frames(reader: &dyn Reader, key: RunKey) -> Result<Vec<Frame>, Stop> {
    sandglass::stored_frames(reader, key).map_err(run::stop)
}

/// A run's history.
///
/// # Errors
/// As [`frames`], and if they contradict each other.
pub fn history(reader: &dyn Reader, key: RunKey) -> Result<Vec<HistoryEvent>, Stop> {
    sandglass_engine::history(frames(reader, key)?).or_host()
}

/// A run as its rows describe it.
///
/// # Errors
/// Names the row that is damaged.
pub fn describe(reader: &dyn Reader, row: &RunRow) -> Result<RunDescription, Stop> {
    RunDescription::from_store(reader, &row.workflow_id, Some(&row.run_id)).map_err(run::stop)
}

/// What is known of a run before a host takes it up; as of a new one if its row is damaged.
#[must_use]
pub(crate) fn known(row: &RunRow) -> Known {
    let summary = sandglass_engine::decode::<RunSummary>(&row.summary);
    summary.map_or(Known::NEW, |summary| Known {
        events: summary.next_event_id.0.saturating_sub(1),
        task_attempt: summary.task_attempt,
    })
}

/// Whether all that the store has of the newest run of this id can be read, so that a host can take
/// it up.
#[must_use]
pub(crate) fn is_readable(db: &Path, id: &str) -> bool {
    let read = || {
        let reader = open(db)?;
        let row = find(&reader, id, None)?;
        describe(&reader, &row)?;
        sandglass_engine::replay(frames(&reader, row.key)?, None).or_host()
    };
    read().is_ok()
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
        RunStatus::ContinuedAsNew => "continued-as-new",
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
