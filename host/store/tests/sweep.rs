//! A file damaged byte by byte and cut sector by sector: whatever is read of it afterwards is what
//! was written, or an error that names the file and the run.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::{DecodeError, Digest, EventId, Timestamp, decode, encode};
use sandglass_store::{
    Error, Reader, RunKey, SqliteStore, Store, Write,
    conformance::sample::{commit, first, run},
};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const PAGE: usize = 4096;
const RUNS: u64 = 4;
const FRAMES: u64 = 3;

/// A frame of a size that frames have.
fn frame(key: u64, seq: u64) -> Vec<u8> {
    encode(&(key, seq, vec![format!("frame {seq} of run {key}"); 6]))
}

fn is_frame(key: u64, seq: u64, body: &[u8]) -> Result<bool, DecodeError> {
    let (found_key, found_seq, _): (u64, u64, Vec<String>) = decode(body)?;
    Ok((found_key, found_seq) == (key, seq))
}

fn next(key: u64, seq: u64) -> Write {
    Write {
        frame: Some((seq, frame(key, seq))),
        ..Write::new(RunKey(key))
    }
}

/// Rows of each kind, the frames of all runs mixed, each frame a commit of its own.
fn fill(store: &mut SqliteStore) {
    store.put_component(Digest([7; 32]), &[9; 6000]).unwrap();
    for seq in 1..=FRAMES {
        for key in 1..=RUNS {
            let row = (seq == 1).then(|| run(key));
            let write = Write {
                row,
                activities_put: vec![(EventId(5 + seq), frame(key, 77))],
                timers_put: vec![(EventId(60 + seq), Timestamp(seq))],
                ..next(key, seq)
            };
            commit(store, &[write]);
        }
    }
}

/// A closed store, all in its main file.
fn store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().canonicalize().unwrap().join("store.db");
    fill(&mut SqliteStore::open(&db).unwrap());
    assert!(!folder.path().join("store.db-wal").exists());
    (folder, db)
}

/// Writes a file, with nothing left beside it of the one that was there.
fn put(db: &Path, bytes: &[u8]) {
    for beside in ["-wal", "-shm"] {
        let mut name = db.as_os_str().to_owned();
        name.push(beside);
        let _none = fs::remove_file(name);
    }
    fs::write(db, bytes).unwrap();
}

/// An error of this class names the file.
fn assert_clear(db: &Path, error: &Error, case: &str) {
    let text = error.to_string();
    let clear = matches!(
        error,
        Error::Corrupt { .. } | Error::NotAStore { .. } | Error::Newer { .. } | Error::Io { .. }
    );
    assert!(
        clear && text.contains(db.to_str().unwrap()),
        "{case}: {text}"
    );
}

/// What the frames of a run turn out to be.
#[derive(Debug, PartialEq)]
enum Seen {
    Right,
    /// An error names the file, the run and, where one is damaged, the frame.
    Named(Option<u64>),
}

/// Reads a run's frames and checks that they are right or that what is said names them.
fn look(reader: &dyn Reader, key: u64, case: &str) -> Seen {
    let named = |error: &Error| match error {
        Error::Corrupt { place, .. } if place.run == Some(RunKey(key)) => Seen::Named(place.row),
        error => {
            assert_clear(reader.file(), error, case);
            Seen::Named(None)
        }
    };
    let frames = match reader.frames(RunKey(key)) {
        Ok(frames) => frames,
        Err(error) => {
            assert!(error.to_string().contains(reader.file().to_str().unwrap()));
            return named(&error);
        }
    };
    assert_eq!(frames.len() as u64, FRAMES, "{case}: run {key}");
    for (body, seq) in frames.iter().zip(1..) {
        match is_frame(key, seq, body) {
            Ok(right) => assert!(
                right,
                "{case}: another frame in the place of {seq} of {key}"
            ),
            Err(error) => {
                let error = Error::corrupt(reader.file(), "frame", RunKey(key), Some(seq), error);
                return named(&error);
            }
        }
    }
    Seen::Right
}

/// Where the second frame of the second run is in the file. It is packed.
fn place_of_frame(db: &Path, bytes: &[u8]) -> Range<usize> {
    let connection = rusqlite::Connection::open(db).unwrap();
    let sql = "SELECT body FROM frame WHERE run = 2 AND seq = 2 AND size > length(body)";
    let stored: Vec<u8> = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    place_of(bytes, &stored)
}

/// Where the bytes `body` are in the file.
fn place_of(bytes: &[u8], body: &[u8]) -> Range<usize> {
    let mut places = (0..bytes.len() - body.len()).filter(|at| bytes[*at..].starts_with(body));
    let at = places.next().unwrap();
    assert_eq!(places.next(), None, "the bytes are in the file once");
    at..at + body.len()
}

#[test]
fn each_damaged_byte_of_a_frame_is_found_and_harms_its_run_alone() {
    let (_folder, db) = store();
    let whole = fs::read(&db).unwrap();
    let place = place_of_frame(&db, &whole);
    let (mut harmed, places) = (0, place.len() * 3);
    assert!(places > 60, "{places}");
    for at in place {
        for bits in [0x01, 0x80, 0xff] {
            let case = format!("byte {at} ^ {bits:#x}");
            let mut bytes = whole.clone();
            bytes[at] ^= bits;
            put(&db, &bytes);
            let mut store = SqliteStore::open(&db).unwrap();
            let reader = store.reader().unwrap();
            for key in 1..=RUNS {
                let seen = look(reader.as_ref(), key, &case);
                // Another block may stand for the same bytes.
                let named = key == 2 && seen == Seen::Named(Some(2));
                assert!(
                    named || seen == Seen::Right,
                    "{case}: run {key} is {seen:?}"
                );
                harmed += usize::from(named);
            }
            // The others go on, and so does what is recorded of this one (a request to end it).
            commit(
                &mut store,
                &[next(1, FRAMES + 1), next(2, FRAMES + 1), first(9)],
            );
        }
    }
    assert!(harmed * 10 > places * 9, "{harmed} of {places}");
}

/// The row around a frame: its length, its number, its columns' types, its run. The file is
/// refused, or the damage is that run's alone.
#[test]
fn each_damaged_byte_of_a_frames_row_is_found_or_harmless() {
    let (_folder, db) = store();
    let whole = fs::read(&db).unwrap();
    let place = place_of_frame(&db, &whole);
    let mut harmed = 0;
    // Behind the bytes is their length, if they are packed.
    for at in (place.start - 10..place.start).chain(place.end..place.end + 2) {
        for bits in [0x01, 0x02, 0x10, 0x80, 0xff] {
            let case = format!("byte {at} ^ {bits:#x}");
            let mut bytes = whole.clone();
            bytes[at] ^= bits;
            put(&db, &bytes);
            let store = match SqliteStore::open(&db) {
                Ok(store) => store,
                Err(error) => {
                    assert_clear(&db, &error, &case);
                    assert_eq!(
                        fs::read(&db).unwrap(),
                        bytes,
                        "a refused file stays as it is"
                    );
                    harmed += 1;
                    continue;
                }
            };
            let reader = store.reader().unwrap();
            for key in 1..=RUNS {
                let seen = look(reader.as_ref(), key, &case);
                assert!(
                    key == 2 || seen == Seen::Right,
                    "{case}: run {key} is {seen:?}"
                );
                harmed += u32::from(seen != Seen::Right);
            }
        }
    }
    assert!(harmed > 20, "{harmed}");
}

/// Every byte of the file's header, of every page's header, and of the place of its first rows. The
/// host is refused the file, or all that it reads is right: nothing is hidden.
#[test]
fn each_damaged_byte_of_a_page_header_is_found_or_harmless() {
    let (_folder, db) = store();
    let whole = fs::read(&db).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 12, "{pages} pages");
    let headers = (0..pages).flat_map(|page| page * PAGE..page * PAGE + 16);
    let places: Vec<usize> = headers.chain(16..116).collect();
    let mut refused = 0;
    for at in &places {
        for bits in [0x01, 0xff] {
            let case = format!("byte {} of page {} ^ {bits:#x}", at % PAGE, at / PAGE + 1);
            let mut bytes = whole.clone();
            bytes[*at] ^= bits;
            put(&db, &bytes);
            match SqliteStore::open(&db) {
                Err(error) => {
                    assert_clear(&db, &error, &case);
                    refused += 1;
                    // Who only reads is given what can be read, and told of the rest.
                    match SqliteStore::open_read_only(&db) {
                        Err(error) => assert_clear(&db, &error, &case),
                        Ok(reader) => read_some(&reader, &case),
                    }
                }
                Ok(store) => {
                    let reader = store.reader().unwrap();
                    assert_eq!(reader.open_runs().unwrap().len() as u64, RUNS, "{case}");
                    assert_eq!(reader.all_activities().unwrap().len() as u64, RUNS * FRAMES);
                    assert_eq!(
                        reader.all_timers().unwrap().len() as u64,
                        RUNS * FRAMES,
                        "{case}"
                    );
                    for key in 1..=RUNS {
                        assert_eq!(look(reader.as_ref(), key, &case), Seen::Right, "{case}");
                    }
                }
            }
        }
    }
    println!(
        "{} bytes damaged twice, {refused} times refused",
        places.len()
    );
    assert!(refused > places.len(), "{refused} of {}", 2 * places.len());
}

/// Reads all runs where rows may be hidden: each frame that is given is right.
fn read_some(reader: &dyn Reader, case: &str) {
    for key in 1..=RUNS {
        match reader.frames(RunKey(key)) {
            Err(error) => assert_clear(reader.file(), &error, case),
            Ok(frames) => {
                for (body, seq) in frames.iter().zip(1..) {
                    let right = is_frame(key, seq, body);
                    assert!(
                        right.is_err() || right.unwrap(),
                        "{case}: run {key} frame {seq}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_file_cut_at_any_sector_is_refused_and_left_as_it_is() {
    let (_folder, db) = store();
    let whole = fs::read(&db).unwrap();
    for length in (512..whole.len()).step_by(512) {
        let case = format!("cut at {length}");
        put(&db, &whole[..length]);
        let opened = SqliteStore::open(&db).map(drop);
        let read = SqliteStore::open_read_only(&db).map(drop);
        for refused in [opened, read] {
            let error = refused.expect_err(&case);
            assert_clear(&db, &error, &case);
        }
        assert!(
            fs::read(&db).unwrap() == whole[..length],
            "{case}: it was changed"
        );
    }
    put(&db, &whole);
    let store = SqliteStore::open(&db).unwrap();
    for key in 1..=RUNS {
        assert_eq!(
            look(store.reader().unwrap().as_ref(), key, "whole"),
            Seen::Right
        );
    }
}

/// The log cut anywhere, or damaged: whole commits up to that place are there, in order, nothing of
/// the next, and the store goes on.
#[test]
fn a_log_cut_or_damaged_at_any_sector_keeps_whole_commits_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().canonicalize().unwrap().join("live.db");
    let mut live = SqliteStore::open(&db).unwrap();
    live.checkpoint().unwrap();
    fill(&mut live);
    let (main, log) = (
        fs::read(&db).unwrap(),
        fs::read(folder.path().join("live.db-wal")).unwrap(),
    );
    assert!(log.len() > 50_000, "{}", log.len());
    let copy = folder.path().canonicalize().unwrap().join("copy.db");
    let mut seen = Vec::new();
    for at in (0..log.len()).step_by(512) {
        for cut in [true, false] {
            put(&copy, &main);
            let mut log = log.clone();
            if cut {
                log.truncate(at);
            } else {
                log[at] ^= 0xff;
            }
            fs::write(folder.path().join("copy.db-wal"), log).unwrap();
            let mut store = SqliteStore::open(&copy).unwrap();
            let reader = store.reader().unwrap();
            let count = |key| reader.frames(RunKey(key)).unwrap().len() as u64;
            let counts: Vec<u64> = (1..=RUNS).map(count).collect();
            let commits: u64 = counts.iter().sum();
            // The runs took turns: what is there is the first so many of the commits.
            for (key, count) in (1..=RUNS).zip(&counts) {
                assert_eq!(*count, (commits + RUNS - key) / RUNS, "at {at}: {counts:?}");
                for (body, seq) in reader.frames(RunKey(key)).unwrap().iter().zip(1..) {
                    assert!(is_frame(key, seq, body).unwrap());
                }
                assert_eq!(reader.activities(RunKey(key)).unwrap().len() as u64, *count);
                assert_eq!(reader.timers(RunKey(key)).unwrap().len() as u64, *count);
                if *count > 0 {
                    commit(&mut store, &[next(key, count + 1)]);
                }
            }
            seen.push(commits);
        }
    }
    let reached = |commits| seen.contains(&commits);
    assert!(
        (0..RUNS * FRAMES).all(reached),
        "each commit was cut: {seen:?}"
    );
}
