//! Deleting runs: what goes, what stays, and who is told before.

use super::{
    chains::{continue_as_new, sleep},
    support::*,
};
use sandglass::{
    CancelOptions, Error, Host, IdReusePolicy, RunHandle, StartOptions,
    engine::*,
    offline,
    store::{ListFilter, RunKey, SqliteStore},
};
use std::{path::Path, sync::Arc};

/// With an argument it sleeps for an hour, and ends at a signal; without one it has such a child,
/// and ends as that does.
fn family() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                calls.child(ChildCall::default());
            }
            GuestEvent::Initialize { .. } => sleep(calls),
            GuestEvent::SignalReceived(_) => calls.complete("7"),
            GuestEvent::ChildResolved(_, Err(failure)) => calls.fail(failure),
            other => calls.end_with(other),
        }
    })
}

async fn sleeper(host: &Host, id: &str) -> RunHandle {
    let options = StartOptions::new("main", id).json("1");
    let run = host.start(options).await.unwrap();
    host.idle().await;
    run
}

async fn parent_and_child(host: &Host) -> (RunHandle, RunHandle) {
    let parent = host.start(StartOptions::new("main", "w")).await.unwrap();
    // The start of its child is recorded.
    parent.history_after(EventId(5)).await.unwrap();
    host.idle().await;
    (parent, host.run("child", None))
}

async fn ids(host: &Host) -> Vec<String> {
    let listed = host.list(&ListFilter::default(), 100, None).await.unwrap();
    listed.into_iter().map(|(_, run)| run.workflow_id).collect()
}

#[track_caller]
fn assert_gone<T>(asked: Result<T, Error>) {
    match asked {
        Err(Error::NotFound { .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is still there"),
    }
}

/// What a store has of a run of this key.
fn rows_of(db: &Path, key: u64) -> (bool, usize) {
    let reader = SqliteStore::open_read_only(db).unwrap();
    let reader: &dyn sandglass::store::Reader = &reader;
    let row = reader.run(RunKey(key)).unwrap();
    (row.is_some(), reader.frames(RunKey(key)).unwrap().len())
}

#[tokio::test]
async fn a_run_that_has_ended_goes_with_all_that_is_stored_of_it_and_others_stay() {
    let world = World::new();
    let host = world.host(&family()).build().await.unwrap();
    let (run, other) = (sleeper(&host, "w").await, sleeper(&host, "other").await);
    run.signal_named("end", vec![]).await.unwrap();
    run.result().await.unwrap();
    assert!(rows_of(&world.db, 1).0);
    run.delete().await.unwrap();
    assert_eq!(rows_of(&world.db, 1), (false, 0));
    assert_eq!(ids(&host).await, ["other"]);
    assert_gone(run.describe().await);
    assert_gone(run.history().await);
    assert_gone(run.result().await);
    assert_gone(run.cancel(CancelOptions::default()).await);
    assert_gone(run.delete().await);
    assert_eq!(other.describe().await.unwrap().status, Status::Running);

    // Nobody has used the id.
    let options = StartOptions {
        id_reuse: IdReusePolicy::RejectDuplicate,
        ..StartOptions::new("main", "w").json("1")
    };
    let again = host.start(options).await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&again).await, "WES,T,TS");
    drop((host, run, other, again));
    let host = world.host(&family()).build().await.unwrap();
    assert_eq!(ids(&host).await, ["w", "other"]);
}

#[tokio::test]
async fn an_open_run_is_terminated_first_and_its_parent_is_told() {
    let world = World::new();
    let host = world.host(&family()).build().await.unwrap();
    let (parent, child) = parent_and_child(&host).await;
    let child_id = child.describe().await.unwrap().run_id;
    child.delete().await.unwrap();
    assert_gone(host.run("child", Some(&child_id)).history().await);
    let status = parent.result().await.unwrap();
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
    assert_eq!(waiting_effects(&world.db), 0);
}

#[tokio::test]
async fn the_children_of_a_run_that_is_deleted_hear_of_its_end() {
    let world = World::new();
    let host = world.host(&family()).build().await.unwrap();
    let (parent, child) = parent_and_child(&host).await;
    parent.delete().await.unwrap();
    assert_gone(parent.describe().await);
    let status = child.result().await.unwrap();
    assert!(matches!(status, Status::Terminated { .. }), "{status:?}");
    host.idle().await;
    assert_eq!(ids(&host).await, ["child"]);
    assert_eq!(waiting_effects(&world.db), 0);
}

#[tokio::test]
async fn one_run_of_a_chain_goes_and_the_chain_goes_on() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                continue_as_new(calls, "2");
            }
            GuestEvent::Initialize { .. } => sleep(calls),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let chain = host.start(StartOptions::new("main", "w")).await.unwrap();
    host.idle().await;
    let first_run_id = chain.run_id().unwrap().to_owned();
    let first = host.run("w", Some(&first_run_id));
    assert!(first.describe().await.unwrap().chain.successor.is_some());
    first.delete().await.unwrap();
    assert_gone(first.describe().await);
    // The run is of the same chain, and a request finds it though the one before it is gone.
    let current = host.run("w", None).of_chain(&first_run_id);
    let options = CancelOptions {
        request_id: Some("r1".into()),
        ..CancelOptions::default()
    };
    current.cancel(options).await.unwrap();
    let status = current.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    assert_eq!(ids(&host).await, ["w"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_deletion_was_lost_has_ended_and_is_deleted_when_it_is_asked_for_again() {
    let world = World::new();
    let faults = Faults::default();
    let host = faults.host(world.host(&family()), &world.db);
    let host = host.build().await.unwrap();
    let run = sleeper(&host, "w").await;
    let run_id = run.describe().await.unwrap().run_id;
    // The commit that terminates it goes through, the one that deletes it does not.
    faults.gate().open();
    faults.push(Fault::Wait);
    faults.push(Fault::Commit);
    let lost = run.delete().await;
    assert!(matches!(lost, Err(Error::Store(_))), "{lost:?}");
    drop((host, run));

    let host = world.host(&family()).build().await.unwrap();
    let run = host.run("w", Some(&run_id));
    let status = run.result().await.unwrap();
    let Status::Terminated { reason, .. } = status else {
        panic!("{status:?}");
    };
    assert_eq!(reason, "Delete workflow execution");
    run.delete().await.unwrap();
    assert_gone(run.describe().await);
}

#[tokio::test]
async fn without_a_host_a_run_is_deleted_when_nobody_has_to_hear_of_it() {
    let world = World::new();
    let host = world.host(&family()).build().await.unwrap();
    drop(parent_and_child(&host).await);
    drop(sleeper(&host, "alone").await);
    host.shutdown().await.unwrap();
    offline::delete(&world.db, "alone", None).unwrap();
    assert_gone(offline::delete(&world.db, "alone", None));
    // Its parent hears of its end from a host.
    for _ in 0..2 {
        let refused = offline::delete(&world.db, "child", None).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused}");
        let why = refused.to_string();
        assert!(why.contains("other runs are still to hear"), "{why}");
    }

    let host = world.host(&family()).build().await.unwrap();
    let status = host.run("w", None).result().await.unwrap();
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
    host.shutdown().await.unwrap();
    offline::delete(&world.db, "child", None).unwrap();
    let host = world.host(&family()).build().await.unwrap();
    assert_eq!(ids(&host).await, ["w"]);
}
