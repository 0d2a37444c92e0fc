//! The tables, and the check that a file has them.

use super::{failure::failed, structure};
use crate::{Error, Place, owner};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::path::Path;

/// Marks a SQLite file as ours: "Sand" in ASCII.
const APPLICATION_ID: i32 = 0x5361_6e64;

/// The format that this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 3;

/// Format 3.
///
/// Frames are appended in the order of commits, not clustered by run: the frames of one commit,
/// mostly of different runs, then share a few pages at the end, and a commit writes whole pages.
/// `frame_of_run` is small and holds the order within a run. Measured with 64 frames of 250 bytes
/// in a commit, of 64 runs: 0.7 KB of log per frame, and 3.3 KB clustered; 11 us, and 19 us.
///
/// Lists are newest first by `key`, which counts up as runs start, so that a start time needs no
/// index. `run_open` lets no workflow id have two open runs, whatever the host does. `first_run_id`
/// is empty for a run that follows no other. `size` is the length of a frame that is packed
/// (`packing`), 0 for one that is not.
const TABLES: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE component (
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    added_at INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE run (
    key INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    run_id TEXT NOT NULL UNIQUE,
    workflow_type TEXT NOT NULL,
    status INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    started_at INTEGER NOT NULL,
    closed_at INTEGER,
    cancel_requested INTEGER NOT NULL,
    summary BLOB NOT NULL,
    first_run_id TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX run_open ON run (workflow_id) WHERE status = 0;
CREATE INDEX run_by_workflow_id ON run (workflow_id);
CREATE INDEX run_by_status ON run (status);
CREATE TABLE frame (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (key),
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    size INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX frame_of_run ON frame (run, seq);
CREATE TABLE activity (
    run INTEGER NOT NULL REFERENCES run (key),
    scheduled_event_id INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run, scheduled_event_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE timer (
    run INTEGER NOT NULL REFERENCES run (key),
    started_event_id INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (run, started_event_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    source INTEGER NOT NULL REFERENCES run (key),
    source_event_id INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (source, source_event_id)
) STRICT, WITHOUT ROWID;
";

/// What makes a file of one format one of the next, by the format that it has.
const MIGRATIONS: [(u32, &str); 2] = [
    (
        1,
        "ALTER TABLE run ADD COLUMN first_run_id TEXT NOT NULL DEFAULT ''",
    ),
    (
        2,
        "ALTER TABLE frame ADD COLUMN size INTEGER NOT NULL DEFAULT 0",
    ),
];

/// What a file is.
enum Found {
    Nothing,
    /// Ours, of this format.
    Ours(u32),
}

/// Makes sure that the file is a store of the newest format; an empty file is made one, one of an
/// older format is brought up to date, whole or not at all. Nothing is changed in a file that is
/// not ours.
pub(super) fn check_or_create(connection: &mut Connection, file: &Path) -> Result<(), Error> {
    let found = inspect(connection, file)?;
    let mut set_up = || -> Result<String, rusqlite::Error> {
        let mode = use_log(connection)?;
        if let Found::Nothing = found {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Somebody else may have been faster.
            if application_id(&transaction)? == 0 {
                create(&transaction)?;
            }
            transaction.commit()?;
        } else if let Found::Ours(1..FORMAT) = found {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            migrate(&transaction)?;
            transaction.commit()?;
        }
        Ok(mode)
    };
    match set_up() {
        Ok(mode) if mode == "wal" => Ok(()),
        Ok(mode) => {
            let reason = format!("its journal stays in mode {mode}; is it on a network disk?");
            Err(Error::io(file, "use a write-ahead log", reason))
        }
        Err(error) => Err(failed(file, Place::STORE, "set it up as a store", error)),
    }
}

/// Sets the file to the write-ahead log, and tells which mode it has then.
///
/// The statement that sets it gives its answer before it syncs, so that is not asked.
fn use_log(connection: &Connection) -> Result<String, rusqlite::Error> {
    let mut set = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut answers = set.query([])?;
    while answers.next()?.is_some() {}
    connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))
}

/// As [`check_or_create`], but an empty file is an error and an older one is left as it is. Returns
/// its format.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<u32, Error> {
    match inspect(connection, file)? {
        Found::Ours(format) => Ok(format),
        Found::Nothing => Err(Error::NotAStore {
            file: file.to_owned(),
            reason: "it is empty".to_owned(),
        }),
    }
}

fn inspect(connection: &Connection, file: &Path) -> Result<Found, Error> {
    let read = || {
        let id = application_id(connection)?;
        let version = format(connection)?;
        let tables: u64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((id, version, tables))
    };
    let read: Result<_, rusqlite::Error> = read();
    match read.map_err(|error| failed(file, Place::STORE, "read what it is", error))? {
        (0, 0, 0) => Ok(Found::Nothing),
        (APPLICATION_ID, found, _) if found > FORMAT => Err(Error::Newer {
            file: file.to_owned(),
            found,
            known: FORMAT,
        }),
        (APPLICATION_ID, format @ 1.., 1..) => {
            structure::check_length(connection, file).map(|()| Found::Ours(format))
        }
        _ => Err(Error::NotAStore {
            file: file.to_owned(),
            reason: "it is another program's SQLite database".to_owned(),
        }),
    }
}

fn application_id(connection: &Connection) -> Result<i32, rusqlite::Error> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

pub(super) fn format(connection: &Connection) -> Result<u32, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a file up to date, from whatever format it has now.
fn migrate(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    for (from, change) in MIGRATIONS {
        if format(transaction)? == from {
            transaction.execute_batch(change)?;
            transaction.pragma_update(None, "user_version", from + 1)?;
        }
    }
    transaction.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'format'",
        params![FORMAT.to_string()],
    )?;
    Ok(())
}

fn create(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    transaction.execute_batch(TABLES)?;
    let notes = [
        ("format", FORMAT.to_string()),
        ("created_by", env!("CARGO_PKG_VERSION").to_owned()),
        ("created_at", owner::now().0.to_string()),
        ("clean", "1".to_owned()),
    ];
    for (key, value) in notes {
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)",
            params![key, value],
        )?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)
}
