//! A store in one SQLite file.
//!
//! SQLite because it is one file that needs no server, is transactional under `kill -9` and power
//! loss, and can be read by other processes while one writes. It is set up so that a commit is one
//! sequential write and one sync of the write-ahead log, and nothing else: pages move to the main
//! file only in [`Store::checkpoint`], at a time the host chooses.

mod commit;
mod components;
mod failure;
mod packing;
mod read;
mod schema;
mod structure;
#[cfg(test)]
mod tests;

pub use read::SqliteReader;

use crate::{
    Checkpoint, ComponentChange, Error, Place, Reader, Stats, Store, Write,
    crash::{self, Phase},
    resolve,
};
use failure::failed;
use packing::Tails;
use rusqlite::{Connection, OpenFlags, params};
use sandglass_engine::Digest;
use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A store in a SQLite file, and the write-ahead log (`FILE-wal`, `FILE-shm`) beside it.
///
/// Do not open the file with anything but SQLite while this is open: closing any other descriptor
/// of it would release SQLite's locks in this process.
#[derive(Debug)]
pub struct SqliteStore {
    file: PathBuf,
    /// None after a commit failed and until the file can be opened again.
    connection: Option<Connection>,
    stats: Stats,
    tails: Tails,
}

/// How long a foreign lock on the file is waited for. Nothing of ours holds one for longer than a
/// moment; a person with a SQLite shell might.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// The log is cut, not only used again, from this size on.
const LOG_BYTES_KEPT: u64 = 16 << 20;

/// Statements that differ are few; all stay prepared.
const STATEMENTS_CACHED: usize = 64;

impl SqliteStore {
    /// Opens the store at `path`, or makes one. The caller holds the store's `OwnerLock`.
    ///
    /// # Errors
    /// [`Error::NotAStore`], [`Error::Newer`], [`Error::Corrupt`], or why the file cannot be opened
    /// or made. A file that is refused is left as it was.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = resolve(path)?;
        let connection = open_for_writing(&file, OpenFlags::SQLITE_OPEN_CREATE)?;
        structure::check(&connection, &file)?;
        Ok(Self {
            file,
            connection: Some(connection),
            stats: Stats::default(),
            tails: Tails::default(),
        })
    }

    /// Opens the store at `path` for reading only; others, also in other processes, may write it.
    /// Its directory must be writable unless the owner runs: readers share the log's index.
    ///
    /// # Errors
    /// As [`SqliteStore::open`]; a missing file is an error here.
    pub fn open_read_only(path: &Path) -> Result<SqliteReader, Error> {
        SqliteReader::open(&resolve(path)?)
    }

    /// The connection; opened again if the last commit failed.
    ///
    /// After a failed write or sync nobody knows what of the log's tail is on disk, and asking for
    /// the same sync again could be answered with a lie. So nothing is built on that tail: it was
    /// dropped with the connection, and the log is emptied into the main file, which is synced by
    /// itself, before anything new is acknowledged.
    fn connection(&mut self) -> Result<&mut Connection, Error> {
        if self.connection.is_none() {
            let connection = open_for_writing(&self.file, OpenFlags::empty())?;
            checkpoint(&connection, "TRUNCATE").map_err(|error| {
                failed(
                    &self.file,
                    Place::STORE,
                    "empty the log after a failed commit",
                    error,
                )
            })?;
            self.connection = Some(connection);
        }
        Ok(self
            .connection
            .as_mut()
            .expect("it was opened above if it was not open"))
    }

    /// Changes the note about clean stops and returns what it was.
    fn swap_clean(&mut self, clean: bool) -> Result<bool, Error> {
        let file = self.file.clone();
        let connection = self.connection()?;
        let mut swap = || {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let was: String =
                transaction.query_row("SELECT value FROM meta WHERE key = 'clean'", [], |row| {
                    row.get(0)
                })?;
            transaction.execute(
                "UPDATE meta SET value = ?1 WHERE key = 'clean'",
                params![if clean { "1" } else { "0" }],
            )?;
            transaction.commit()?;
            Ok(was == "1")
        };
        crash::point("note.before");
        let swapped = swap();
        crash::point("note.after");
        swapped.map_err(|error| {
            self.connection = None;
            failed(&file, Place::STORE, "note how the host stopped", error)
        })
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<Result<(), Error>>, Error> {
        let file = self.file.clone();
        let tails = RefCell::new(std::mem::take(&mut self.tails));
        let committed = self
            .connection()
            .and_then(|connection| commit::commit(connection, &file, &tails, writes));
        let whole = |answers: &Vec<Result<(), Error>>| answers.iter().all(Result::is_ok);
        if committed.as_ref().is_ok_and(whole) {
            self.tails = tails.into_inner();
        }
        match committed {
            Ok(answers) => {
                self.count(writes, &answers);
                Ok(answers)
            }
            Err(error) => {
                // Where another program had the lock, nothing was even begun.
                if !matches!(error, Error::Busy { .. }) {
                    self.connection = None;
                }
                self.stats.commits_failed += 1;
                Err(Error::NotCommitted(Box::new(error)))
            }
        }
    }

    fn put_component(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        let file = self.file.clone();
        let connection = self.connection()?;
        crash::point("component.before");
        let put = components::put(connection, digest, bytes);
        crash::point("component.after");
        put.map_err(|error| {
            self.connection = None;
            let doing = format!("store component {digest}");
            failed(&file, components::PLACE, &doing, error)
        })
    }

    fn change_components(&mut self, change: &ComponentChange) -> Result<(), Error> {
        let file = self.file.clone();
        let connection = self.connection()?;
        crash::point("component.before");
        let changed = components::change(connection, change);
        crash::point("component.after");
        changed.map_err(|error| {
            self.connection = None;
            failed(&file, components::PLACE, "change what it keeps", error)
        })
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        let large = self.stats().log_bytes > LOG_BYTES_KEPT;
        let file = self.file.clone();
        let connection = self.connection()?;
        let run = || {
            // Readers are not waited for: commits may come any moment.
            connection.busy_timeout(Duration::ZERO)?;
            let done = checkpoint(connection, if large { "TRUNCATE" } else { "PASSIVE" });
            connection.busy_timeout(BUSY_WAIT)?;
            done
        };
        let _phase = crash::phase(Phase::Checkpoint);
        crash::point("checkpoint.before");
        let done = run();
        crash::point("checkpoint.after");
        let done =
            done.map_err(|error| failed(&file, Place::STORE, "move the log's pages", error))?;
        self.stats.checkpoints += 1;
        Ok(done)
    }

    fn mark_running(&mut self) -> Result<bool, Error> {
        self.swap_clean(false)
    }

    fn mark_clean(&mut self) -> Result<(), Error> {
        self.swap_clean(true).map(drop)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(SqliteReader::open(&self.file)?))
    }

    fn stats(&self) -> Stats {
        let mut log = self.file.as_os_str().to_owned();
        log.push("-wal");
        Stats {
            log_bytes: fs::metadata(log).map_or(0, |log| log.len()),
            ..self.stats
        }
    }

    fn file(&self) -> &Path {
        &self.file
    }
}

impl SqliteStore {
    fn count(&mut self, writes: &[Write], answers: &[Result<(), Error>]) {
        let stats = &mut self.stats;
        let stored = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        stats.commits += u64::from(stored > 0);
        stats.writes += stored;
        stats.writes_refused += answers.len() as u64 - stored;
        let pairs = writes
            .iter()
            .zip(answers)
            .filter(|(_, answer)| answer.is_ok());
        stats.bytes += pairs.map(|(write, _)| commit::bytes(write)).sum::<u64>();
    }
}

fn open_for_writing(file: &Path, create: OpenFlags) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let mut connection = connect(file, flags)?;
    schema::check_or_create(&mut connection, file)?;
    Ok(connection)
}

/// Opens a connection and sets what concerns only the connection, not the file.
fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let open = || {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        // FULL: a commit waits for the sync of the log. temp_store: savepoints need no file.
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cell_size_check = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA cache_size = -16384;",
        )?;
        Ok(connection)
    };
    open().map_err(|error| failed(file, Place::STORE, "open it", error))
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Checkpoint, rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (busy, log, moved): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Checkpoint {
            log_pages: u64::try_from(log).unwrap_or(0), // -1: no log
            moved_pages: u64::try_from(moved).unwrap_or(0),
            truncated: mode == "TRUNCATE" && !busy,
        })
    })
}
