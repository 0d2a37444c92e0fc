//! Readers find the right rows in the right order, at once.

use super::{
    Open,
    sample::{closed, commit, first, frame, next, run},
};
use crate::{LIST_BYTES, ListFilter, RunKey, RunRow, RunStatus, Store, Write, is_last_page};
use sandglass_engine::Timestamp;

/// Ten runs: odd ones closed, 3 and 4 of one workflow id, 5 to 8 of another type.
fn ten_runs(store: &mut dyn Store) {
    for key in 1..=10 {
        let mut row = run(key);
        if key == 4 {
            row.workflow_id = run(3).workflow_id;
        }
        if (5..=8).contains(&key) {
            row.workflow_type = "refund".to_owned();
        }
        if key % 2 == 1 {
            row = closed(row, RunStatus::Completed);
        }
        commit(
            store,
            &[Write {
                row: Some(row),
                ..first(key)
            }],
        );
    }
}

fn keys(rows: Vec<Result<RunRow, crate::Error>>) -> Vec<u64> {
    rows.into_iter()
        .map(|row| row.expect("is whole").key.0)
        .collect()
}

/// Recovery reads the open runs, oldest first.
pub fn open_runs_are_listed_oldest_first(open: Open<'_>) {
    let mut store = open();
    ten_runs(&mut *store);
    let reader = store.reader().expect("a reader opens");
    assert_eq!(keys(reader.open_runs().expect("reads")), [2, 4, 6, 8, 10]);
}

/// A workflow id means its newest run; with a run id exactly that one.
pub fn find_gives_the_newest_run(open: Open<'_>) {
    let mut store = open();
    ten_runs(&mut *store);
    let reader = store.reader().expect("a reader opens");
    let find = |workflow_id: &str, run_id: Option<&str>| {
        reader
            .find(workflow_id, run_id)
            .expect("reads")
            .map(|row| row.key.0)
    };
    assert_eq!(find("order-3", None), Some(4));
    assert_eq!(find("order-3", Some(&run(3).run_id)), Some(3));
    assert_eq!(
        find("order-3", Some(&run(5).run_id)),
        None,
        "a run id of another workflow id"
    );
    assert_eq!(find("order-4", None), None);
    assert_eq!(find("ORDER-3", None), None);
}

/// Lists give the newest first, what matches only, and continue where they ended.
pub fn lists_filter_and_page(open: Open<'_>) {
    let mut store = open();
    ten_runs(&mut *store);
    let reader = store.reader().expect("a reader opens");
    let list = |filter: &ListFilter, limit, after: Option<u64>| {
        keys(
            reader
                .list(filter, limit, after.map(RunKey))
                .expect("reads"),
        )
    };
    let all = ListFilter::default();
    assert_eq!(list(&all, 100, None), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(list(&all, 4, None), [10, 9, 8, 7]);
    assert_eq!(list(&all, 4, Some(7)), [6, 5, 4, 3]);
    assert_eq!(list(&all, 4, Some(3)), [2, 1]);
    assert_eq!(list(&all, 0, None), [0; 0]);
    let twice = ListFilter {
        workflow_id: Some("order-3".to_owned()),
        ..all.clone()
    };
    assert_eq!(list(&twice, 100, None), [4, 3]);
    let open = ListFilter {
        status: Some(RunStatus::Running),
        ..twice
    };
    assert_eq!(list(&open, 100, None), [4]);
    let refunds = ListFilter {
        workflow_type: Some("refund".to_owned()),
        ..all.clone()
    };
    assert_eq!(list(&refunds, 100, None), [8, 7, 6, 5]);
    let done = ListFilter {
        status: Some(RunStatus::Completed),
        ..refunds
    };
    assert_eq!(list(&done, 100, None), [7, 5]);
    assert_eq!(list(&done, 1, Some(7)), [5]);
    let split: Vec<_> = [true, false]
        .map(|requested| {
            let filter = ListFilter {
                cancel_requested: Some(requested),
                ..all.clone()
            };
            list(&filter, 100, None)
        })
        .into();
    let requested = |key: &u64| run(*key).cancel_requested;
    assert!(split[0].iter().all(requested), "{split:?}");
    assert!(!split[1].iter().any(requested), "{split:?}");
    assert_eq!(split[0].len() + split[1].len(), 10);
    assert!(
        !split[0].is_empty() && !split[1].is_empty(),
        "both are tried"
    );
    let at = |key: u64| Some(run(key).started_at);
    let between = ListFilter {
        started_from: at(3),
        started_before: at(6),
        ..all.clone()
    };
    assert_eq!(list(&between, 100, None), [5, 4, 3]);
    let never = ListFilter {
        started_before: Some(Timestamp(0)),
        ..all
    };
    assert_eq!(list(&never, 100, None), [0; 0]);
}

/// A follower reads only the frames that it does not have.
pub fn frames_are_read_from_any_number(open: Open<'_>) {
    let mut store = open();
    commit(
        &mut *store,
        &[first(1), first(2), next(1, 2), next(2, 2), next(1, 3)],
    );
    let reader = store.reader().expect("a reader opens");
    let from = |first| reader.frames_from(RunKey(1), first).expect("reads");
    assert_eq!(from(1), [frame(1, 1), frame(1, 2), frame(1, 3)]);
    assert_eq!(from(3), [frame(1, 3)]);
    assert!(from(4).is_empty());
    let one = |number| reader.frame(RunKey(1), number).expect("reads");
    assert_eq!((one(1), one(3)), (Some(frame(1, 1)), Some(frame(1, 3))));
    assert_eq!(one(4), None);
}

/// A reader that was opened before a commit sees it as soon as the commit returned.
pub fn a_reader_sees_each_commit(open: Open<'_>) {
    let mut store = open();
    let reader = store.reader().expect("a reader opens");
    let early = store.reader().expect("another");
    commit(&mut *store, &[first(1)]);
    for seq in 2..=50 {
        commit(&mut *store, &[next(1, seq)]);
        assert_eq!(reader.frames(RunKey(1)).expect("reads").len() as u64, seq);
        if seq % 10 == 0 {
            store.checkpoint().expect("readers do not hinder it");
        }
    }
    assert_eq!(early.frames(RunKey(1)).expect("reads").len(), 50);
}

/// A page of runs ends where what is kept with them has become large.
pub fn lists_are_bounded_in_bytes(open: Open<'_>) {
    let mut store = open();
    for key in 1..=3 {
        let mut row = run(key);
        row.summary = vec![7; LIST_BYTES / 4 * 3];
        commit(
            &mut *store,
            &[Write {
                row: Some(row),
                ..first(key)
            }],
        );
    }
    let reader = store.reader().expect("a reader opens");
    let list = |limit, after: Option<u64>| {
        let rows = reader.list(&ListFilter::default(), limit, after.map(RunKey));
        let rows = rows.expect("reads");
        let is_last = is_last_page(&rows, limit);
        (keys(rows), is_last)
    };
    assert_eq!(list(10, None), (vec![3, 2], false));
    assert_eq!(list(10, Some(2)), (vec![1], true));
    assert_eq!(list(1, None), (vec![3], false));
}
