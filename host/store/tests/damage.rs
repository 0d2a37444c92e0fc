//! What is wrong with a file is said clearly, and does not spread to other runs.

#![expect(clippy::unwrap_used, reason = "tests")]

use rusqlite::Connection;
use sandglass_engine::{DecodeError, decode};
use sandglass_store::{
    Error, Reader, RunKey, SqliteStore, Store,
    conformance::sample::{commit, first, frame, next, run},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A closed store with two runs of two frames each, all in the main file.
fn store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().canonicalize().unwrap().join("store.db");
    let mut store = SqliteStore::open(&db).unwrap();
    commit(&mut store, &[first(1), first(2), next(1, 2), next(2, 2)]);
    drop(store);
    assert!(!folder.path().join("store.db-wal").exists());
    (folder, db)
}

/// Changes a closed store behind its back.
fn change(db: &Path, sql: &str) {
    Connection::open(db).unwrap().execute_batch(sql).unwrap();
}

/// Why the file cannot be opened; checks that it is named, and the same to a reader.
fn refused(db: &Path) -> Error {
    let before = fs::read(db).ok();
    let error = SqliteStore::open(db).map(drop).unwrap_err();
    let to_reader = SqliteStore::open_read_only(db).map(drop).unwrap_err();
    assert!(error.to_string().contains(db.to_str().unwrap()), "{error}");
    assert_eq!(
        std::mem::discriminant(&error),
        std::mem::discriminant(&to_reader),
        "{to_reader}"
    );
    assert!(fs::read(db).ok() == before, "a refused file stays as it is");
    error
}

#[test]
fn a_newer_store_is_left_alone() {
    let (_folder, db) = store();
    change(&db, "PRAGMA user_version = 7");
    let error = refused(&db);
    assert!(
        matches!(
            error,
            Error::Newer {
                found: 7,
                known: 3,
                ..
            }
        ),
        "{error}"
    );
    let expected = format!(
        "{} has store format 7, this sandglass knows 3; use a newer sandglass",
        db.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn another_programs_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "Buy milk. Call Anna about the boat. ".repeat(100)).unwrap();
    let other = folder.path().join("other.db");
    change(&other, "CREATE TABLE run (key INTEGER PRIMARY KEY)");
    let versioned = folder.path().join("versioned.db");
    change(
        &versioned,
        "PRAGMA application_id = 17; PRAGMA user_version = 1; CREATE TABLE a (b)",
    );
    for file in [text, other, versioned] {
        let error = refused(&file);
        assert!(matches!(error, Error::NotAStore { .. }), "{error}");
    }
}

#[test]
fn paths_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(&folder.path().join("missing/store.db")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("missing/store.db: cannot use the directory"),
        "{text}"
    );
    let error = refused(&folder.path().canonicalize().unwrap()).to_string();
    assert!(
        error.ends_with("cannot open it: it is a directory"),
        "{error}"
    );

    let absent = folder.path().join("absent.db");
    let error = SqliteStore::open_read_only(&absent)
        .unwrap_err()
        .to_string();
    assert!(error.contains("absent.db"), "{error}");
    assert!(!absent.exists(), "a reader makes no store");
    fs::write(&absent, "").unwrap();
    let error = SqliteStore::open_read_only(&absent).unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }), "{error}");
    drop(SqliteStore::open(&absent).unwrap());
    SqliteStore::open_read_only(&absent).unwrap();
}

/// Flips one bit of the stored bytes `body` in the file.
fn flip(db: &Path, body: &[u8], offset: usize) {
    let mut bytes = fs::read(db).unwrap();
    let places: Vec<_> = (0..bytes.len() - body.len())
        .filter(|at| bytes[*at..].starts_with(body))
        .collect();
    assert_eq!(places.len(), 1, "the body is in the file once");
    bytes[places[0] + offset] ^= 0x40;
    fs::write(db, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_a_frame_is_found_and_harms_one_run() {
    let (_folder, db) = store();
    flip(&db, &frame(1, 2), frame(1, 2).len() - 1);
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    let frames = reader.frames(RunKey(1)).unwrap();
    type Frame = (String, u64, u64);
    assert_eq!(
        decode::<Frame>(&frames[0]).unwrap(),
        ("frame".to_owned(), 1, 1)
    );
    let reason = decode::<Frame>(&frames[1]).unwrap_err();
    assert_eq!(reason, DecodeError::Checksum);
    let error = Error::corrupt(reader.file(), "frame", RunKey(1), Some(2), reason);
    let expected = format!(
        "{}: frame 2 of run 1 is corrupt: checksum mismatch; restore it from a backup",
        db.display()
    );
    assert_eq!(error.to_string(), expected);
    for body in reader.frames(RunKey(2)).unwrap() {
        decode::<Frame>(&body).unwrap();
    }
    commit(&mut store, &[next(2, 3)]);
}

#[test]
fn a_damaged_row_hides_no_other() {
    let (_folder, db) = store();
    change(&db, "UPDATE run SET status = 77 WHERE key = 1");
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    let listed = reader.list(&Default::default(), 10, None).unwrap();
    assert_eq!(listed[0].as_ref().unwrap(), &run(2));
    let error = listed[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("run 1 is corrupt"), "{error}");
    assert_eq!(reader.open_runs().unwrap().len(), 1);
    reader.run(RunKey(1)).unwrap_err();
    commit(&mut store, &[next(2, 3)]);
}

/// A run row whose text is no text any more: its place in the file is damaged, not its type.
#[test]
fn a_flipped_bit_in_an_open_run_hides_no_other() {
    let (_folder, db) = store();
    change(
        &db,
        "UPDATE run SET workflow_type = 'order-\u{fc}bersicht' WHERE key = 1",
    );
    flip(&db, "\u{fc}bersicht".as_bytes(), 1);
    let reader = SqliteStore::open_read_only(&db).unwrap();
    let open = reader.open_runs().unwrap();
    let error = open[0].as_ref().unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("run 1 is corrupt"), "{error}");
    assert_eq!(open[1].as_ref().unwrap(), &run(2));
}

#[test]
fn a_missing_frame_is_found() {
    let (_folder, db) = store();
    change(&db, "DELETE FROM frame WHERE run = 1 AND seq = 1");
    let reader = SqliteStore::open_read_only(&db).unwrap();
    let error = reader.frames(RunKey(1)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("frame 1 of run 1 is corrupt: it is missing"),
        "{error}"
    );
    assert_eq!(reader.frames(RunKey(2)).unwrap().len(), 2);
}

#[test]
fn a_truncated_file_is_found() {
    let (_folder, db) = store();
    let whole = fs::read(&db).unwrap();
    for length in [whole.len() - 4096, whole.len() / 2, 4096, 1000, 50] {
        fs::write(&db, &whole[..length]).unwrap();
        let error = refused(&db);
        let clear = matches!(error, Error::Corrupt { .. } | Error::NotAStore { .. });
        assert!(clear, "{length} bytes: {error}");
    }
    fs::write(&db, &whole).unwrap();
    assert_eq!(
        SqliteStore::open_read_only(&db)
            .unwrap()
            .frames(RunKey(2))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_locked_file_is_waited_for_and_then_named() {
    let (_folder, db) = store();
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    let shell = Connection::open(&db).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(&[next(1, 3)]).unwrap_err();
    let Error::NotCommitted(inner) = &error else {
        panic!("{error}")
    };
    assert!(matches!(**inner, Error::Busy { .. }), "{error}");
    assert!(
        error.to_string().contains("is locked by another program"),
        "{error}"
    );
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 2, "readers go on");
    shell.execute_batch("COMMIT").unwrap();
    commit(&mut store, &[next(1, 3)]);
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 3);
}

#[test]
fn a_file_that_may_not_be_written_is_named() {
    let (folder, db) = store();
    // A directory in the log's place: refused to every user, root too.
    fs::create_dir(folder.path().join("store.db-wal")).unwrap();
    let error = SqliteStore::open(&db)
        .and_then(|mut store| store.mark_running().map(drop))
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains(db.to_str().unwrap()), "{error}");
    fs::remove_dir(folder.path().join("store.db-wal")).unwrap();
    fs::set_permissions(&db, Permissions::from_mode(0o600)).unwrap();
    SqliteStore::open(&db).unwrap().mark_running().unwrap();
}
