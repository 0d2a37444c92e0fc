//! What needs a hand on the store's own connection: a disk that is full.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::SqliteStore;
use crate::{
    Error, Place, RunKey, Store as _, Write,
    conformance::sample::{commit, first, next, noise, run},
};
use sandglass_engine::EventId;

/// A store that cannot grow by more than a few pages.
fn nearly_full(folder: &tempfile::TempDir) -> SqliteStore {
    let mut store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    commit(&mut store, &[first(1), first(2)]);
    let connection = store.connection.as_ref().unwrap();
    let pages: u32 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    connection
        .pragma_update(None, "max_page_count", pages + 4)
        .unwrap();
    store
}

#[test]
fn what_does_not_fit_on_the_disk_is_refused_and_what_fits_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = nearly_full(&folder);
    let large = Write {
        row: Some(run(1)),
        activities_put: vec![(EventId(5), vec![1; 10])],
        frame: Some((2, noise(100_000))),
        ..Write::new(RunKey(1))
    };
    let answers = store.commit(&[large, next(2, 2)]).unwrap();
    let error = answers[0].as_ref().unwrap_err();
    let place = Place {
        table: "frame",
        run: Some(RunKey(1)),
        row: Some(2),
    };
    assert!(
        matches!(error, Error::Full { place: at, .. } if *at == place),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.ends_with("no space left while writing frame 2 of run 1; free some on its disk"));
    answers[1].as_ref().unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 1);
    assert!(reader.all_activities().unwrap().is_empty());
    assert_eq!(reader.frames(RunKey(2)).unwrap().len(), 2);

    // Somebody makes room.
    let connection = store.connection.as_ref().unwrap();
    connection
        .pragma_update(None, "max_page_count", 1_000_000)
        .unwrap();
    let large = Write {
        frame: Some((2, noise(100_000))),
        ..Write::new(RunKey(1))
    };
    commit(&mut store, &[large]);
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 2);
}

#[test]
fn a_component_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = nearly_full(&folder);
    let digest = sandglass_engine::Digest([3; 32]);
    let error = store.put_component(digest, &[0; 100_000]).unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    let reader = store.reader().unwrap();
    assert!(reader.components().unwrap().is_empty());
    // The connection is a new one, without the limit of this test.
    store.put_component(digest, &[0; 100_000]).unwrap();
    commit(&mut store, &[next(1, 2)]);
    assert_eq!(reader.components().unwrap().len(), 1);
}

#[test]
fn counters_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    commit(&mut store, &[first(1), first(2)]);
    let answers = store.commit(&[next(1, 2), next(2, 9)]).unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err());
    assert!(store.commit(&[next(1, 9)]).unwrap()[0].is_err());
    let stats = store.stats();
    assert_eq!(
        (stats.commits, stats.writes, stats.writes_refused),
        (2, 3, 2)
    );
    let written = [first(1), first(2), next(1, 2)];
    let bytes = |write: &Write| {
        let row = write.row.as_ref().map_or(0, |row| row.summary.len());
        row + write.frame.as_ref().map_or(0, |(_, body)| body.len())
    };
    assert_eq!(stats.bytes, written.iter().map(bytes).sum::<usize>() as u64);
    assert!(stats.log_bytes > 4096);
    let done = store.checkpoint().unwrap();
    assert!(done.log_pages > 0 && done.moved_pages == done.log_pages && !done.truncated);
    assert_eq!(store.stats().checkpoints, 1);
}

/// Pages move to the main file only when the host says so, and a large log is cut then.
#[test]
fn the_log_grows_until_the_checkpoint_that_cuts_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    commit(&mut store, &[first(1)]);
    for seq in 2..=6 {
        let large = Write {
            frame: Some((seq, noise(4 << 20))),
            ..Write::new(RunKey(1))
        };
        commit(&mut store, &[large]);
    }
    assert!(store.stats().log_bytes > 20 << 20);
    assert!(store.checkpoint().unwrap().truncated);
    assert_eq!(store.stats().log_bytes, 0);
    let reader = store.reader().unwrap();
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 6);
}

/// Whatever set the file to another journal, the next host sets it back.
#[test]
fn a_store_that_was_switched_to_another_journal_is_switched_back() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    drop(SqliteStore::open(&db).unwrap());
    let other = rusqlite::Connection::open(&db).unwrap();
    let mode = |connection: &rusqlite::Connection, sql| -> String {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(mode(&other, "PRAGMA journal_mode = DELETE"), "delete");
    drop(other);
    let store = SqliteStore::open(&db).unwrap();
    assert_eq!(
        mode(store.connection.as_ref().unwrap(), "PRAGMA journal_mode"),
        "wal"
    );
}
