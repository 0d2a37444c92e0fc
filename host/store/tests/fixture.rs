//! Stores of every format that ever was can be opened, by every version to come.
//! A new format adds a file, written once by `UPDATE_FIXTURES=1 cargo test -p sandglass-store
//! --test fixture` and checked in; the old ones are never written again.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::{
    DecodeError, Digest, EventId, Frame, Persisted, RunSummary, Timestamp, decode, encode,
};
use sandglass_store::{
    ListFilter, OutboxRow, Reader, RunKey, RunRow, RunStatus, SqliteStore, Store, Write,
    conformance::sample::{closed, commit, first, frame, next, run},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn fixture(format: u32) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    folder.join(format!("store-v{format}.db"))
}

/// The second run, which has ended. Since format 2 a run may be one of a chain.
fn second(format: u32) -> RunRow {
    let mut row = closed(run(2), RunStatus::Canceled);
    if format > 1 {
        row.first_run_id = run(1).first_run_id;
    }
    row
}

/// One of everything that a format can hold, in the newest one.
fn write(db: &Path) {
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
        row: Some(second(2)),
        ..first(2)
    };
    commit(&mut store, &[open, next(1, 2), done]);
    commit(&mut store, &[repetitive(3), repetitive(4)]);
}

/// A frame that is stored packed since format 3, the second time with the same words.
fn repetitive(seq: u64) -> Write {
    let words = vec!["charge the card, then ship the parcels"; 8];
    Write {
        frame: Some((seq, encode(&("frame", seq, words)))),
        ..Write::new(RunKey(1))
    }
}

/// Compares what the fixture gives with what is encoded now: the header of the encoding, its
/// version and its checksum, is as it was written; a store gives back the bytes that it was given.
fn assert_same<T: Persisted>(format: u32, found: &[u8], now: &[u8]) {
    let version = [1, 3, 5][format as usize - 1];
    assert_eq!(found[0], version, "version of the encoding");
    let broken = matches!(decode::<T>(found), Err(DecodeError::Checksum));
    assert!(!broken, "the header is that of this body");
    assert_eq!(found[5..], now[5..]);
}

fn assert_same_run(format: u32, found: RunRow, now: RunRow) {
    assert_same::<RunSummary>(format, &found.summary, &now.summary);
    let summary = Vec::new();
    let bare = |row: RunRow| RunRow {
        summary: summary.clone(),
        ..row
    };
    assert_eq!(bare(found), bare(now));
}

/// The format that a file says it has.
fn format_of(db: &Path) -> u32 {
    let connection = rusqlite::Connection::open(db).unwrap();
    let read = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    read.unwrap()
}

#[test]
fn a_store_of_format_1_is_read_and_continued() {
    is_read_and_continued(1);
}

#[test]
fn a_store_of_format_2_is_read_and_continued() {
    is_read_and_continued(2);
}

#[test]
fn a_store_of_format_3_is_read_and_continued() {
    is_read_and_continued(3);
}

fn is_read_and_continued(format: u32) {
    let fixture = fixture(format);
    if env::var_os("UPDATE_FIXTURES").is_some() && !fixture.exists() {
        write(&fixture);
    }
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    fs::copy(fixture, &db).unwrap();
    assert_eq!(format_of(&db), format);
    // Before a host has brought it up to date.
    let old = SqliteStore::open_read_only(&db).unwrap();
    let found = old.find(&run(1).workflow_id, None).unwrap().unwrap();
    assert_same_run(format, found, run(1));
    let chain = ListFilter {
        first_run_id: Some(run(1).run_id),
        ..ListFilter::default()
    };
    let runs_of_chain = if format > 1 { 2 } else { 1 };
    assert_eq!(old.list(&chain, 10, None).unwrap().len(), runs_of_chain);

    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    let runs = reader.list(&Default::default(), 10, None).unwrap();
    let expected = [second(format), run(1)];
    assert_eq!(runs.len(), expected.len());
    for (found, now) in runs.into_iter().zip(expected) {
        assert_same_run(format, found.unwrap(), now);
    }
    // Those that are packed came with format 3.
    let packed = [3, 4].map(|seq| repetitive(seq).frame.unwrap().1);
    let packed = packed.into_iter().take(if format > 2 { 2 } else { 0 });
    let expected: Vec<_> = [frame(1, 1), frame(1, 2)]
        .into_iter()
        .chain(packed)
        .collect();
    for frames in [old.frames(RunKey(1)), reader.frames(RunKey(1))] {
        let frames = frames.unwrap();
        assert_eq!(frames.len(), expected.len());
        for (found, now) in frames.iter().zip(&expected) {
            assert_same::<Frame>(format, found, now);
        }
    }
    let last = expected.len() as u64;
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
    commit(&mut store, &[repetitive(last + 1), next(2, 2), first(3)]);
    assert_eq!(
        reader.frame(RunKey(1), last + 1).unwrap(),
        repetitive(last + 1).frame.map(|(_, frame)| frame)
    );
    assert_eq!(reader.list(&chain, 10, None).unwrap().len(), runs_of_chain);
    drop(store);
    SqliteStore::open(&db).unwrap();
}
