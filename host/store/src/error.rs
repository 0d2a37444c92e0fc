//! What can go wrong with a store, said so that a person knows which file and which row.
//!
//! A variant of its own only where a caller acts differently on it.

use crate::RunKey;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why a store did not do what it was asked. No error leaves anything half-written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file holds something else, or no store that can be opened.
    #[error("{file} is not a sandglass store: {reason}")]
    NotAStore {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// A newer version made the store.
    #[error("{file} has store format {found}, this sandglass knows {known}; use a newer sandglass")]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version knows.
        known: u32,
    },
    /// Another process owns the store.
    #[error("{file} is in use by process {pid} ({command}); stop it or use another file")]
    Owned {
        /// The store's file.
        file: PathBuf,
        /// The owner, 0 if it has not said yet.
        pid: u32,
        /// Its command line.
        command: String,
    },
    /// What is stored is damaged.
    #[error("{file}: {place} is corrupt: {reason}; restore it from a backup")]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// A frame is not the next one of its run.
    #[error("{file}: frame {seq} of run {run} does not follow frame {last}, its last")]
    WrongSeq {
        /// The file.
        file: PathBuf,
        /// The run.
        run: RunKey,
        /// The number it came with.
        seq: u64,
        /// The number of the run's last frame, 0 if it has none.
        last: u64,
    },
    /// A write contradicts what is stored.
    #[error("{file}: {place} is refused: {reason}")]
    Refused {
        /// The file.
        file: PathBuf,
        /// What was to be written.
        place: Place,
        /// What it contradicts.
        reason: String,
    },
    /// There is no room for more.
    #[error("{file}: no space left while writing {place}; free some on its disk")]
    Full {
        /// The file.
        file: PathBuf,
        /// What was to be written.
        place: Place,
    },
    /// Another program keeps the file locked.
    #[error("{file} is locked by another program; close what has it open and try again")]
    Busy {
        /// The file.
        file: PathBuf,
    },
    /// The file system, or SQLite itself, failed.
    #[error("{file}: cannot {doing}: {reason}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What was being done.
        doing: String,
        /// What it answered.
        reason: String,
    },
    /// A whole commit failed. None of its writes is acknowledged.
    #[error("nothing was committed: {0}")]
    NotCommitted(#[source] Box<Error>),
}

impl Error {
    /// The error for a row whose bytes the store gave but nobody can decode.
    ///
    /// `row` is the event id or frame number that names it within the run.
    #[must_use]
    pub fn corrupt(
        file: &Path,
        table: &'static str,
        run: RunKey,
        row: Option<u64>,
        reason: impl fmt::Display,
    ) -> Self {
        let place = Place {
            table,
            run: Some(run),
            row,
        };
        Self::Corrupt {
            file: file.to_owned(),
            place,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn io(file: &Path, doing: &str, reason: impl fmt::Display) -> Self {
        Self::Io {
            file: file.to_owned(),
            doing: doing.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// A place in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The kind of row: `run`, `frame`, `activity`, `timer`, `outbox`, `component`, or `store` for
    /// the whole.
    pub table: &'static str,
    /// The run it belongs to.
    pub run: Option<RunKey>,
    /// The event id or frame number that names it within the run.
    pub row: Option<u64>,
}

impl Place {
    pub(crate) const STORE: Self = Self {
        table: "store",
        run: None,
        row: None,
    };

    pub(crate) fn of(table: &'static str, run: RunKey) -> Self {
        Self {
            table,
            run: Some(run),
            row: None,
        }
    }

    pub(crate) fn row(table: &'static str, run: RunKey, row: u64) -> Self {
        Self {
            table,
            run: Some(run),
            row: Some(row),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.table, self.run, self.row) {
            ("store", ..) => f.write_str("the store"),
            ("run", Some(run), _) => write!(f, "run {run}"),
            (table, Some(run), Some(row)) => write!(f, "{table} {row} of run {run}"),
            (table, Some(run), None) => write!(f, "a row of table {table}, run {run}"),
            (table, None, _) => write!(f, "table {table}"),
        }
    }
}
