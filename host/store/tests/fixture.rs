//! Stores of every format that ever was can be opened, by every version to come.
//! A new format adds a file, written once by `UPDATE_FIXTURES=1 cargo test -p sandglass-store
//! --test fixture` and checked in; the old ones are never written again.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::{Digest, EventId, Timestamp};
use sandglass_store::{
    Error, ListFilter, OutboxRow, Reader, RunKey, RunRow, RunStatus, SqliteStore, Store, Write,
    conformance::sample::{closed, commit, first, frame, next, run},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/store-v1.db")
}

/// One of everything that format 1 can hold.
fn write_v1(db: &Path) {
    let mut store = SqliteStore::open(db).unwrap();
    assert!(store.mark_running().unwrap());
    store
        .put_component(Digest([7; 32]), b"\0asm component")
        .unwrap();
    let open = Write {
        activities_put: vec![(EventId(5), b"charge".to_vec())],
        timers_put: vec![(EventId(6), Timestamp(1_800_000_000_000))],
        outbox_put: vec![OutboxRow {
            source: RunKey(1),
            source_event_id: EventId(7),
            body: b"cancel".to_vec(),
        }],
        ..first(1)
    };
    let done = Write {
        row: Some(closed(run(2), RunStatus::Canceled)),
        ..first(2)
    };
    commit(&mut store, &[open, next(1, 2), done]);
}

/// What was encoded, without the header of the encoding: that has a version of its own, and a store
/// keeps whatever it is given.
fn body(mut encoded: Vec<u8>) -> Vec<u8> {
    encoded.split_off(5)
}

fn bare(row: RunRow) -> RunRow {
    RunRow {
        summary: body(row.summary),
        ..row
    }
}

#[test]
fn a_store_of_format_1_is_read_and_continued() {
    if env::var_os("UPDATE_FIXTURES").is_some() && !fixture().exists() {
        fs::create_dir_all(fixture().parent().unwrap()).unwrap();
        write_v1(&fixture());
    }
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    fs::copy(fixture(), &db).unwrap();
    // Before a host has brought it up to date.
    let old = SqliteStore::open_read_only(&db).unwrap();
    let found = old.find(&run(1).workflow_id, None).unwrap().unwrap();
    assert_eq!(bare(found), bare(run(1)));
    let chain = ListFilter {
        first_run_id: Some(run(1).run_id),
        ..ListFilter::default()
    };
    assert_eq!(old.list(&chain, 10, None).unwrap().len(), 1);

    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    let runs: Result<Vec<_>, Error> = reader
        .list(&Default::default(), 10, None)
        .unwrap()
        .into_iter()
        .map(|row| row.map(bare))
        .collect();
    let expected = [closed(run(2), RunStatus::Canceled), run(1)].map(bare);
    assert_eq!(runs.unwrap(), expected);
    let frames = reader.frames(RunKey(1)).unwrap();
    let frames: Vec<_> = frames.into_iter().map(body).collect();
    assert_eq!(frames, [frame(1, 1), frame(1, 2)].map(body));
    let activities = reader.all_activities().unwrap();
    let [charge] = activities.as_slice() else {
        panic!("{activities:?}")
    };
    assert_eq!(
        (charge.run, charge.scheduled_event_id),
        (RunKey(1), EventId(5))
    );
    assert_eq!(charge.body, b"charge");
    let timers = reader.all_timers().unwrap();
    let [timer] = timers.as_slice() else {
        panic!("{timers:?}")
    };
    assert_eq!((timer.run, timer.started_event_id), (RunKey(1), EventId(6)));
    assert_eq!(timer.due, Timestamp(1_800_000_000_000));
    assert_eq!(reader.outbox().unwrap()[0].body, b"cancel");
    let component = reader.component(Digest([7; 32])).unwrap();
    assert_eq!(component.as_deref(), Some(&b"\0asm component"[..]));

    assert!(!store.mark_running().unwrap(), "it was left as by a crash");
    commit(&mut store, &[next(1, 3), next(2, 2), first(3)]);
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 3);
    assert_eq!(reader.list(&chain, 10, None).unwrap().len(), 1);
    drop(store);
    SqliteStore::open(&db).unwrap();
}
