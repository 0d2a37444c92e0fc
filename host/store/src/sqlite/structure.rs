//! Whether a file is whole and its pages hang together, looked at before anything is written to it.

use super::failure::failed;
use crate::{Error, Place};
use rusqlite::Connection;
use std::{fs, path::Path};

/// Files up to this size are looked through when they are opened for writing: some 40 ms at most.
/// In a larger one a damaged page is found when it is used.
const CHECKED_BYTES: u64 = 16 << 20;

/// How many complaints are read; SQLite gives those about pages first.
const COMPLAINTS: u32 = 8;

/// Refuses a file that ends before its last page does. SQLite reads what is missing of a page as
/// zeros: rows would be empty, or gone.
pub(super) fn check_length(connection: &Connection, file: &Path) -> Result<(), Error> {
    let pragma = |name: &str| -> Result<u64, rusqlite::Error> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let expected = pragma("page_count")
        .and_then(|pages| Ok(pages * pragma("page_size")?))
        .map_err(|error| failed(file, Place::STORE, "read how large it is", error))?;
    // Asked for in this order: while the log holds anything, the file may lack what is in it.
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    if length(log.as_ref()) > 0 || length(file) >= expected {
        return Ok(());
    }
    Err(Error::Corrupt {
        file: file.to_owned(),
        place: Place::STORE,
        reason: format!("it was cut: it has {} of {expected} bytes", length(file)),
    })
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}

/// Refuses a file whose pages are damaged: a page that says that it has fewer rows than it has
/// hides runs without any other sign, and writing to it would lose them for good. A row that is
/// damaged in itself is left to whoever reads it: it harms one run.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), Error> {
    if length(file) > CHECKED_BYTES {
        return Ok(());
    }
    let look = || {
        let mut look = connection.prepare(&format!("PRAGMA quick_check({COMPLAINTS})"))?;
        let complaints = look.query_map([], |row| row.get::<_, String>(0))?;
        complaints.collect::<Result<Vec<_>, rusqlite::Error>>()
    };
    let complaints =
        look().map_err(|error| failed(file, Place::STORE, "look it through", error))?;
    // About a row it speaks of that row; about pages it begins with the database's name.
    let about_pages = complaints
        .iter()
        .find_map(|complaint| complaint.strip_prefix("*** in database main ***\n"));
    match about_pages {
        None => Ok(()),
        Some(complaint) => Err(Error::Corrupt {
            file: file.to_owned(),
            place: Place::STORE,
            reason: complaint.lines().next().unwrap_or(complaint).to_owned(),
        }),
    }
}
