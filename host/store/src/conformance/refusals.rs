//! What contradicts the store is refused, alone, and leaves nothing.

use super::{
    Open,
    sample::{closed, commit, first, frame, next, refused, run},
};
use crate::{Error, ListFilter, OutboxRow, RunKey, RunRow, RunStatus, Write};
use sandglass_engine::{EventId, Timestamp};

/// One write of 64 is wrong: the others are stored, and durable.
pub fn one_bad_write_among_64_fails_alone(open: Open<'_>) {
    let mut store = open();
    let firsts: Vec<_> = (1..=64).map(first).collect();
    commit(&mut *store, &firsts);
    let nexts: Vec<_> = (1..=64)
        .map(|key| next(key, if key == 33 { 5 } else { 2 }))
        .collect();
    let answers = store.commit(&nexts).expect("the others are stored");
    for (write, answer) in nexts.iter().zip(&answers) {
        match answer {
            Err(Error::WrongSeq {
                run,
                seq: 5,
                last: 1,
                ..
            }) => assert_eq!(*run, RunKey(33)),
            answer => assert!(answer.is_ok() && write.key != RunKey(33), "{answer:?}"),
        }
    }
    drop(store);
    let reader = open().reader().expect("a reader opens");
    for key in 1..=64 {
        let frames = reader.frames(RunKey(key)).expect("reads").len();
        assert_eq!(frames, if key == 33 { 1 } else { 2 }, "run {key}");
    }
}

/// Frames of a run are numbered 1, 2, 3, ...; anything else is refused, naming run and number.
pub fn a_frame_must_follow_the_last(open: Open<'_>) {
    let mut store = open();
    let second_first = Write {
        row: Some(run(1)),
        ..next(1, 2)
    };
    let error = refused(&mut *store, second_first);
    assert!(
        matches!(
            error,
            Error::WrongSeq {
                run: RunKey(1),
                seq: 2,
                last: 0,
                ..
            }
        ),
        "{error}"
    );
    commit(&mut *store, &[first(1), next(1, 2)]);
    for (seq, wrong) in [
        (0, true),
        (1, true),
        (2, true),
        (4, true),
        (u64::MAX, true),
        (3, false),
    ] {
        let answer = store.commit(&[next(1, seq)]).expect("commits").remove(0);
        assert_eq!(answer.is_err(), wrong, "frame {seq}: {answer:?}");
    }
    // The first write of two is refused: the second does not follow either.
    let answers = store.commit(&[next(1, 5), next(1, 6)]).expect("commits");
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    let reader = store.reader().expect("a reader opens");
    let frames = reader.frames(RunKey(1)).expect("reads");
    assert_eq!(frames, [frame(1, 1), frame(1, 2), frame(1, 3)]);
}

/// A write that is refused at its end leaves nothing of its beginning.
pub fn a_refused_write_leaves_nothing(open: Open<'_>) {
    let mut store = open();
    let waits = Write {
        activities_put: vec![(EventId(5), b"charge".to_vec())],
        timers_put: vec![(EventId(7), Timestamp(10))],
        ..first(1)
    };
    commit(&mut *store, &[waits]);
    let nowhere = OutboxRow {
        source: RunKey(99),
        source_event_id: EventId(1),
        body: vec![1],
    };
    let bad = Write {
        row: Some(closed(run(1), RunStatus::Failed)),
        activities_put: vec![(EventId(6), b"ship".to_vec())],
        timers_deleted: vec![EventId(7)],
        clear: true,
        outbox_put: vec![nowhere],
        ..next(1, 2)
    };
    refused(&mut *store, bad);
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.run(RunKey(1)).expect("reads"), Some(run(1)));
    assert_eq!(reader.frames(RunKey(1)).expect("reads"), [frame(1, 1)]);
    assert_eq!(
        reader.activities(RunKey(1)).expect("reads")[0].scheduled_event_id,
        EventId(5)
    );
    assert_eq!(reader.timers(RunKey(1)).expect("reads").len(), 1);
    assert!(reader.outbox().expect("reads").is_empty());
    commit(&mut *store, &[next(1, 2)]);
}

/// A second open run of a workflow id is refused; a successor stored after the close of its
/// predecessor, in the same commit, is not.
pub fn a_workflow_id_has_one_open_run(open: Open<'_>) {
    let mut store = open();
    commit(&mut *store, &[first(1)]);
    let second = RunRow {
        workflow_id: run(1).workflow_id,
        ..run(2)
    };
    let start = Write {
        row: Some(second.clone()),
        ..first(2)
    };
    let error = refused(&mut *store, start.clone());
    assert!(error.to_string().contains("has an open run"), "{error}");
    let close = Write {
        row: Some(closed(run(1), RunStatus::Completed)),
        ..next(1, 2)
    };
    commit(&mut *store, &[close, start]);
    let reader = store.reader().expect("a reader opens");
    let found = reader.find(&second.workflow_id, None).expect("reads");
    assert_eq!(found, Some(second));
}

/// The run that follows another is stored with the close of that one, or neither is.
pub fn a_successor_comes_with_the_close_before_it(open: Open<'_>) {
    let mut store = open();
    commit(&mut *store, &[first(1), first(9)]);
    let follower = RunRow {
        workflow_id: run(1).workflow_id,
        first_run_id: run(1).run_id,
        ..run(2)
    };
    let close = |successor: Write| Write {
        row: Some(closed(run(1), RunStatus::ContinuedAsNew)),
        successor: Some(Box::new(successor)),
        ..next(1, 2)
    };
    let start = |row: RunRow| Write {
        row: Some(row),
        ..first(2)
    };
    let taken = RunRow {
        run_id: run(9).run_id,
        ..follower.clone()
    };
    refused(&mut *store, close(start(taken)));
    let reader = store.reader().expect("a reader opens");
    let newest = |workflow_id: &str| reader.find(workflow_id, None).expect("reads");
    assert_eq!(newest(&follower.workflow_id), Some(run(1)));
    assert_eq!(reader.frames(RunKey(1)).expect("reads").len(), 1);
    assert_eq!(reader.frames(RunKey(2)).expect("reads").len(), 0);

    commit(&mut *store, &[close(start(follower.clone()))]);
    assert_eq!(newest(&follower.workflow_id), Some(follower.clone()));
    let chain = ListFilter {
        first_run_id: Some(run(1).run_id),
        ..ListFilter::default()
    };
    let listed = reader.list(&chain, 10, None).expect("reads");
    let keys: Vec<_> = listed
        .into_iter()
        .map(|row| row.expect("is whole").key)
        .collect();
    assert_eq!(keys, [RunKey(2), RunKey(1)]);
}

/// A key stays with its workflow id and run id, and a run id with its key.
pub fn a_run_keeps_its_ids(open: Open<'_>) {
    let mut store = open();
    commit(&mut *store, &[first(1), first(2)]);
    let renamed = RunRow {
        workflow_id: "other".to_owned(),
        ..run(1)
    };
    let rerun = RunRow {
        run_id: "other".to_owned(),
        ..run(1)
    };
    let taken = RunRow {
        run_id: run(1).run_id,
        ..run(3)
    };
    let moved = RunRow {
        first_run_id: run(2).run_id,
        ..run(1)
    };
    for row in [renamed, rerun, taken, moved] {
        let write = Write {
            row: Some(row.clone()),
            ..Write::new(row.key)
        };
        let error = refused(&mut *store, write);
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
    let astray = Write {
        row: Some(run(2)),
        ..Write::new(RunKey(1))
    };
    refused(&mut *store, astray);
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.run(RunKey(1)).expect("reads"), Some(run(1)));
    assert_eq!(reader.run(RunKey(2)).expect("reads"), Some(run(2)));
}

/// Nothing is stored for a run that has no row.
pub fn unknown_runs_are_refused(open: Open<'_>) {
    let mut store = open();
    let event = EventId(5);
    let key = RunKey(9);
    let writes = [
        next(9, 1),
        Write {
            activities_put: vec![(event, vec![1])],
            ..Write::new(key)
        },
        Write {
            timers_put: vec![(event, Timestamp(1))],
            ..Write::new(key)
        },
    ];
    for write in writes {
        let error = refused(&mut *store, write);
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(error.to_string().contains("run 9"), "{error}");
    }
    let reader = store.reader().expect("a reader opens");
    assert!(reader.frames(key).expect("reads").is_empty());
    assert!(reader.all_activities().expect("reads").is_empty());
    assert!(reader.all_timers().expect("reads").is_empty());
}

/// An open run stays, and one of which other runs are still to hear; nothing of them is gone.
pub fn a_needed_run_is_not_deleted(open: Open<'_>) {
    let mut store = open();
    let effect = OutboxRow {
        source: RunKey(2),
        source_event_id: EventId(3),
        body: b"tell".to_vec(),
    };
    let ended = Write {
        row: Some(closed(run(2), RunStatus::Completed)),
        outbox_put: vec![effect],
        ..next(2, 1)
    };
    commit(&mut *store, &[first(1), ended]);
    let delete = |key| Write {
        delete: true,
        ..Write::new(RunKey(key))
    };
    for (key, why) in [(1, "is open"), (2, "is not applied yet")] {
        let error = refused(&mut *store, delete(key));
        assert!(error.to_string().contains(why), "{error}");
        let reader = store.reader().expect("a reader opens");
        assert!(reader.run(RunKey(key)).expect("reads").is_some());
        assert_eq!(reader.frames(RunKey(key)).expect("reads"), [frame(key, 1)]);
    }
    let applied = Write {
        outbox_deleted: vec![(RunKey(2), EventId(3))],
        ..Write::new(RunKey(2))
    };
    commit(&mut *store, &[applied, delete(2)]);
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.run(RunKey(2)).expect("reads"), None);
}
