//! What is stored is read again, whole, also after the store was closed.

use super::{
    Open,
    sample::{closed, commit, first, frame, next, run},
};
use crate::{
    ActivityRow, ComponentChange, OutboxRow, RunKey, RunRow, RunStatus, Store, TimerRow, Write,
};
use sandglass_engine::{Digest, EventId, Timestamp};

/// A new store has nothing in it, and answers so.
pub fn new_stores_are_empty(open: Open<'_>) {
    let store = open();
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.next_run_key().expect("reads"), RunKey(1));
    assert!(reader.open_runs().expect("reads").is_empty());
    assert!(
        reader
            .list(&Default::default(), 10, None)
            .expect("reads")
            .is_empty()
    );
    assert_eq!(reader.find("order", None).expect("reads"), None);
    assert_eq!(reader.run(RunKey(1)).expect("reads"), None);
    assert!(reader.frames(RunKey(1)).expect("reads").is_empty());
    assert!(reader.all_activities().expect("reads").is_empty());
    assert!(reader.all_timers().expect("reads").is_empty());
    assert!(reader.outbox().expect("reads").is_empty());
    assert!(reader.components().expect("reads").is_empty());
    assert_eq!(reader.component(Digest([1; 32])).expect("reads"), None);
    assert!(!reader.has_component(Digest([1; 32])).expect("reads"));
}

/// Everything that a write can carry is there when the store is opened again.
pub fn what_was_committed_is_there(open: Open<'_>) {
    let mut store = open();
    let effect = OutboxRow {
        source: RunKey(1),
        source_event_id: EventId(9),
        body: b"cancel run 2".to_vec(),
    };
    let whole = Write {
        activities_put: vec![
            (EventId(5), b"charge".to_vec()),
            (EventId(6), b"ship".to_vec()),
        ],
        timers_put: vec![(EventId(7), Timestamp(1_800_000_000_000))],
        outbox_put: vec![effect.clone()],
        ..first(1)
    };
    commit(&mut *store, &[whole, first(2), next(1, 2)]);
    drop(store);

    let store = open();
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.run(RunKey(1)).expect("reads"), Some(run(1)));
    assert_eq!(reader.run(RunKey(2)).expect("reads"), Some(run(2)));
    assert_eq!(
        reader.frames(RunKey(1)).expect("reads"),
        [frame(1, 1), frame(1, 2)]
    );
    assert_eq!(reader.frames(RunKey(2)).expect("reads"), [frame(2, 1)]);
    let activity = |event, body: &[u8]| ActivityRow {
        run: RunKey(1),
        scheduled_event_id: EventId(event),
        body: body.to_vec(),
    };
    let activities = [activity(5, b"charge"), activity(6, b"ship")];
    assert_eq!(reader.activities(RunKey(1)).expect("reads"), activities);
    assert_eq!(reader.all_activities().expect("reads"), activities);
    let due = Timestamp(1_800_000_000_000);
    let timers = [TimerRow {
        run: RunKey(1),
        started_event_id: EventId(7),
        due,
    }];
    assert_eq!(reader.timers(RunKey(1)).expect("reads"), timers);
    assert_eq!(reader.all_timers().expect("reads"), timers);
    assert!(reader.timers(RunKey(2)).expect("reads").is_empty());
    assert_eq!(reader.outbox().expect("reads"), [effect]);
    assert_eq!(reader.next_run_key().expect("reads"), RunKey(3));
}

/// A row put again is replaced; a row deleted again, or never there, is no error; within one write
/// deletes come after puts.
pub fn puts_replace_and_deletes_repeat(open: Open<'_>) {
    let mut store = open();
    let put = |body: &[u8], due| Write {
        activities_put: vec![(EventId(5), body.to_vec())],
        timers_put: vec![(EventId(7), Timestamp(due))],
        ..Write::new(RunKey(1))
    };
    commit(&mut *store, &[first(1), put(b"first", 10)]);
    commit(&mut *store, &[put(b"second", 20)]);
    let reader = store.reader().expect("a reader opens");
    assert_eq!(
        reader.activities(RunKey(1)).expect("reads")[0].body,
        b"second"
    );
    assert_eq!(
        reader.timers(RunKey(1)).expect("reads")[0].due,
        Timestamp(20)
    );

    let delete = Write {
        activities_deleted: vec![EventId(5), EventId(99)],
        timers_deleted: vec![EventId(7), EventId(99)],
        ..put(b"third", 30)
    };
    commit(&mut *store, &[delete.clone(), delete]);
    assert!(reader.activities(RunKey(1)).expect("reads").is_empty());
    assert!(reader.timers(RunKey(1)).expect("reads").is_empty());
}

/// Deleting a closed run leaves nothing of it, and all of the others, also when the store is opened
/// again; deleting what is not there is no error. Its ids may be used again.
pub fn a_deleted_run_leaves_nothing(open: Open<'_>) {
    let mut store = open();
    let ended = Write {
        row: Some(closed(run(2), RunStatus::Completed)),
        // A host that is late with them leaves such.
        activities_put: vec![(EventId(5), b"charge".to_vec())],
        timers_put: vec![(EventId(7), Timestamp(10))],
        ..next(2, 1)
    };
    commit(
        &mut *store,
        &[first(1), ended.clone(), next(2, 2), first(3)],
    );
    let delete = Write {
        delete: true,
        ..Write::new(RunKey(2))
    };
    commit(&mut *store, &[delete.clone(), delete]);
    drop(store);

    let mut store = open();
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.run(RunKey(2)).expect("reads"), None);
    assert_eq!(reader.find(&run(2).workflow_id, None).expect("reads"), None);
    assert!(reader.frames(RunKey(2)).expect("reads").is_empty());
    assert!(reader.all_activities().expect("reads").is_empty());
    assert!(reader.all_timers().expect("reads").is_empty());
    for key in [1, 3] {
        assert_eq!(reader.run(RunKey(key)).expect("reads"), Some(run(key)));
        assert_eq!(reader.frames(RunKey(key)).expect("reads"), [frame(key, 1)]);
    }
    commit(&mut *store, &[ended]);
}

/// The newest run of a workflow id is its current one. When that is deleted no older one takes its
/// place, but the next one that comes does, also when the store is opened again.
pub fn a_deleted_run_has_no_stand_in(open: Open<'_>) {
    let mut store = open();
    let of_one_id = |key| RunRow {
        workflow_id: "w".into(),
        ..closed(run(key), RunStatus::Completed)
    };
    let start = |key| Write {
        row: Some(of_one_id(key)),
        ..next(key, 1)
    };
    let delete = |key| Write {
        delete: true,
        ..Write::new(RunKey(key))
    };
    fn found(store: &mut dyn Store) -> Option<u64> {
        let reader = store.reader().expect("a reader opens");
        let found = reader.find("w", None).expect("reads");
        found.map(|row| row.key.0)
    }
    commit(&mut *store, &[start(1), start(2), start(4), first(5)]);
    assert_eq!(found(&mut *store), Some(4));
    // One that is not the newest makes no difference.
    commit(&mut *store, &[delete(1)]);
    assert_eq!(found(&mut *store), Some(4));
    commit(&mut *store, &[delete(4), delete(4)]);
    assert_eq!(found(&mut *store), None);
    drop(store);
    let mut store = open();
    assert_eq!(found(&mut *store), None);
    let reader = store.reader().expect("a reader opens");
    let older = of_one_id(2);
    let by_run_id = reader.find("w", Some(&older.run_id)).expect("reads");
    assert_eq!(by_run_id, Some(older));
    let other = reader.find(&run(5).workflow_id, None).expect("reads");
    assert_eq!(other, Some(run(5)));
    drop(reader);
    commit(&mut *store, &[start(6)]);
    assert_eq!(found(&mut *store), Some(6));
    // Keys begin anew where none is left of the id.
    commit(&mut *store, &[delete(6), delete(2)]);
    assert_eq!(found(&mut *store), None);
    commit(&mut *store, &[start(1)]);
    assert_eq!(found(&mut *store), Some(1));
}

/// Closing a run deletes its activities and timers, and nobody else's; its frames stay.
pub fn clear_deletes_what_waits(open: Open<'_>) {
    let mut store = open();
    let put = |write: Write| Write {
        activities_put: vec![(EventId(5), b"charge".to_vec())],
        timers_put: vec![(EventId(7), Timestamp(10))],
        ..write
    };
    commit(&mut *store, &[put(first(1)), put(first(2))]);
    let end = Write {
        row: Some(closed(run(1), RunStatus::Canceled)),
        clear: true,
        activities_put: vec![(EventId(15), b"put by the last write".to_vec())],
        ..next(1, 2)
    };
    commit(&mut *store, &[end]);
    let reader = store.reader().expect("a reader opens");
    let activities = reader.all_activities().expect("reads");
    assert_eq!(
        activities.iter().map(|row| row.run).collect::<Vec<_>>(),
        [RunKey(2)]
    );
    let timers = reader.all_timers().expect("reads");
    assert_eq!(
        timers.iter().map(|row| row.run).collect::<Vec<_>>(),
        [RunKey(2)]
    );
    assert_eq!(reader.frames(RunKey(1)).expect("reads").len(), 2);
    let row = reader.run(RunKey(1)).expect("reads").expect("is there");
    assert_eq!(row, closed(run(1), RunStatus::Canceled));
}

/// An effect is recorded by its source and deleted by the write of its target.
pub fn the_outbox_crosses_runs(open: Open<'_>) {
    let mut store = open();
    let effect = |event, body: &[u8]| OutboxRow {
        source: RunKey(1),
        source_event_id: EventId(event),
        body: body.to_vec(),
    };
    let record = Write {
        outbox_put: vec![effect(4, b"a"), effect(5, b"b")],
        ..first(1)
    };
    commit(&mut *store, &[record, first(2)]);
    let apply = Write {
        outbox_deleted: vec![(RunKey(1), EventId(4))],
        ..next(2, 2)
    };
    commit(&mut *store, &[apply]);
    drop(store);
    let reader = open().reader().expect("a reader opens");
    assert_eq!(reader.outbox().expect("reads"), [effect(5, b"b")]);
}

/// Any text is a name, and any bytes are a body.
pub fn any_bytes_and_names_are_kept(open: Open<'_>) {
    let mut store = open();
    let row = RunRow {
        workflow_id: "a'b\"c\0d\n%_ \u{1f984} e\u{301}".to_owned(),
        workflow_type: String::new(),
        summary: Vec::new(),
        started_at: Timestamp(u64::MAX),
        digest: Digest(std::array::from_fn(|index| 255 - index as u8)),
        ..run(1)
    };
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let write = Write {
        row: Some(row.clone()),
        frame: Some((1, large.clone())),
        activities_put: vec![(EventId(1), Vec::new()), (EventId(2), vec![0; 9000])],
        ..Write::new(RunKey(1))
    };
    commit(&mut *store, &[write]);
    let reader = store.reader().expect("a reader opens");
    let found = reader
        .find(&row.workflow_id, None)
        .expect("reads")
        .expect("is there");
    assert!(
        found.started_at.0 >= 1 << 62,
        "a time without end stays far away"
    );
    assert_eq!(
        RunRow {
            started_at: row.started_at,
            ..found
        },
        row
    );
    assert!(
        reader.frames(RunKey(1)).expect("reads") == [large],
        "3 MB come back as they were"
    );
    let activities = reader.activities(RunKey(1)).expect("reads");
    assert_eq!(activities[0].body, b"");
    assert_eq!(activities[1].body, vec![0; 9000]);
}

/// Components are stored once, listed, and read by digest.
pub fn components_are_kept_by_digest(open: Open<'_>) {
    let mut store = open();
    let (small, large) = (vec![1; 3], vec![2; 2_000_000]);
    store
        .put_component(Digest([9; 32]), &large)
        .expect("stores");
    store
        .put_component(Digest([8; 32]), &small)
        .expect("stores");
    let before = store.reader().expect("opens").components().expect("reads");
    store
        .put_component(Digest([8; 32]), &small)
        .expect("is there");
    drop(store);
    let reader = open().reader().expect("a reader opens");
    let listed = reader.components().expect("reads");
    assert_eq!(listed, before, "storing it again changes nothing");
    let shown: Vec<_> = listed
        .iter()
        .map(|row| (row.digest.0[0], row.bytes))
        .collect();
    assert_eq!(shown, [(8, 3), (9, 2_000_000)]);
    assert_eq!(
        reader.component(Digest([8; 32])).expect("reads"),
        Some(small)
    );
    assert!(
        reader.component(Digest([9; 32])).expect("reads") == Some(large),
        "comes back whole"
    );
}

/// Components come, go and are noted together; a note stays until there is another.
pub fn components_change_together(open: Open<'_>) {
    let mut store = open();
    assert_eq!(
        store
            .reader()
            .expect("opens")
            .component_note()
            .expect("reads"),
        None
    );
    let (one, other) = (Digest([1; 32]), Digest([2; 32]));
    let mut change = |change: ComponentChange| store.change_components(&change).expect("changes");
    change(ComponentChange {
        put: Some((one, vec![1])),
        note: Some("one".into()),
        ..ComponentChange::default()
    });
    change(ComponentChange {
        put: Some((other, vec![2])),
        remove: Some(one),
        ..ComponentChange::default()
    });
    change(ComponentChange {
        // It is there, and stays as it is.
        put: Some((other, vec![3])),
        remove: Some(one),
        ..ComponentChange::default()
    });
    drop(store);
    let reader = open().reader().expect("a reader opens");
    assert_eq!(reader.component(one).expect("reads"), None);
    assert!(!reader.has_component(one).expect("reads"));
    assert!(reader.has_component(other).expect("reads"));
    assert_eq!(reader.component(other).expect("reads"), Some(vec![2]));
    assert_eq!(
        reader.component_note().expect("reads").as_deref(),
        Some("one")
    );
}

/// A host learns whether the one before it stopped cleanly.
pub fn a_clean_stop_is_remembered(open: Open<'_>) {
    assert!(
        open().mark_running().expect("notes"),
        "nobody crashed on a new store"
    );
    assert!(
        !open().mark_running().expect("notes"),
        "the one before was dropped"
    );
    let mut store = open();
    assert!(!store.mark_running().expect("notes"));
    store.mark_clean().expect("notes");
    drop(store);
    assert!(open().mark_running().expect("notes"));
}

/// A commit of nothing is no error and leaves nothing.
pub fn empty_commits_are_nothing(open: Open<'_>) {
    let mut store = open();
    assert!(store.commit(&[]).expect("commits").is_empty());
    commit(&mut *store, &[first(1)]);
    commit(&mut *store, &[Write::new(RunKey(1))]);
    store.checkpoint().expect("moves pages");
    store.checkpoint().expect("again");
    let reader = store.reader().expect("a reader opens");
    assert_eq!(reader.frames(RunKey(1)).expect("reads"), [frame(1, 1)]);
}
