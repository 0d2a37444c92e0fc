//! Whether a file is whole and its pages hang together, looked at before anything is written to it.

use super::failure::failed;
use crate::{Error, Place};
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

/// Files up to this size are looked through when they are opened for writing: 20 to 26 ms.
/// In a larger one a damaged page is found when it is used.
const CHECKED_BYTES: u64 = 16 << 20;

/// How many complaints are read; SQLite gives those about pages first.
const COMPLAINTS: u32 = 8;

/// Refuses a file that ends before its last page does, and no log has the rest. SQLite reads what
/// is missing of a page as zeros: rows would be empty, or gone.
pub(super) fn check_length(connection: &Connection, file: &Path) -> Result<(), Error> {
    let pragma = |name: &str| -> Result<u64, rusqlite::Error> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let sizes = || Ok((pragma("page_count")?, pragma("page_size")?));
    let (pages, page_size) =
        sizes().map_err(|error| failed(file, Place::STORE, "read how large it is", error))?;
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = Path::new(&log);
    // Asked for in this order: what the log held a moment ago is in the file by now.
    let missing = |logged: &BTreeSet<u64>| {
        let whole = length(file) / page_size;
        (whole + 1..=pages).any(|page| !logged.contains(&page))
    };
    if !missing(&BTreeSet::new()) {
        return Ok(());
    }
    let logged = pages_in(log, page_size)
        .map_err(|error| Error::io(file, "read which pages its log has", error))?;
    if !missing(&logged) {
        return Ok(());
    }
    let reason = format!(
        "it was cut: it has {} of {} bytes",
        length(file),
        pages * page_size
    );
    Err(Error::Corrupt {
        file: file.to_owned(),
        place: Place::STORE,
        reason,
    })
}

/// The pages that a log may have. Its header has two salts, and so has each frame that counts; a
/// frame is a header and a page.
fn pages_in(log: &Path, page_size: u64) -> Result<BTreeSet<u64>, io::Error> {
    let mut pages = BTreeSet::new();
    let log = match File::open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(pages),
        log => log?,
    };
    let mut header = [0; 32];
    if log.read_exact_at(&mut header, 0).is_err() {
        return Ok(pages);
    }
    let mut frame = [0; 24];
    for number in 0.. {
        let at = 32 + number * (24 + page_size);
        if log.read_exact_at(&mut frame, at).is_err() || frame[8..16] != header[16..24] {
            break;
        }
        let page: [u8; 4] = frame[..4].try_into().expect("it has four bytes");
        pages.insert(u32::from_be_bytes(page).into());
    }
    Ok(pages)
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
