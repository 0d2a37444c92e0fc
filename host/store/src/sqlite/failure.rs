//! SQLite's error codes as the store's errors.

use crate::{Error, Place};
use rusqlite::{ErrorCode, ffi};
use std::{io, path::Path};

/// The error for what SQLite answered while `doing` something about `place`.
pub(super) fn failed(file: &Path, place: Place, doing: &str, error: rusqlite::Error) -> Error {
    let reason = error.to_string();
    let file = file.to_owned();
    let Some(code) = error.sqlite_error_code() else {
        // Not from SQLite but about a value it gave: wrong type, wrong length, not UTF-8.
        return Error::Corrupt {
            file,
            place,
            reason,
        };
    };
    // Only a store that is being made has a rollback journal: whoever made it was killed.
    let half_made = error.sqlite_error().map(|error| error.extended_code)
        == Some(ffi::SQLITE_READONLY_ROLLBACK);
    if half_made {
        let reason = "it was not made to its end; the next host to open it does that".to_owned();
        return Error::NotAStore { file, reason };
    }
    match code {
        ErrorCode::DatabaseCorrupt => Error::Corrupt {
            file,
            place,
            reason,
        },
        ErrorCode::NotADatabase => Error::NotAStore { file, reason },
        ErrorCode::DiskFull => Error::Full { file, place },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy { file },
        ErrorCode::ConstraintViolation => Error::Refused {
            file,
            place,
            reason: contradiction(&reason).to_owned(),
        },
        ErrorCode::TooBig => Error::Refused {
            file,
            place,
            reason,
        },
        ErrorCode::CannotOpen => {
            let reason = why_not_open(&file).to_owned();
            Error::Io {
                file,
                doing: doing.to_owned(),
                reason,
            }
        }
        _ => Error::Io {
            file,
            doing: doing.to_owned(),
            reason,
        },
    }
}

/// A violated constraint in the words of whoever wrote the row.
fn contradiction(reason: &str) -> &str {
    match reason {
        "FOREIGN KEY constraint failed" => "there is no such run",
        "UNIQUE constraint failed: run.workflow_id" => "its workflow id has an open run",
        "UNIQUE constraint failed: run.run_id" => "another run has its run id",
        reason => reason,
    }
}

/// SQLite only says that it cannot. Not found out by opening the file: closing it again would
/// release the locks of every other connection in this process.
fn why_not_open(file: &Path) -> &'static str {
    match file.metadata() {
        Ok(found) if found.is_dir() => "it is a directory",
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            "no such file, or none may be made"
        }
        _ => "its permissions or its directory do not allow it",
    }
}
