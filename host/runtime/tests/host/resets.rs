//! Runs that are made of the beginning of another one's history (R17, B14).

use super::{
    chains::{continue_as_new, signal, successor},
    support::*,
};
use sandglass::{
    CancelOptions, Disposition, Error, HostBuilder, ResetOptions, RunHandle, StartError,
    StartOptions, engine::*, offline,
};
use sandglass_semantics::scenario;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;
use tokio::{task::JoinHandle, time::timeout};

/// How long what must come is waited for, in real time.
const PATIENCE: Duration = Duration::from_secs(10);

fn sleeper() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    })
}

fn to(point: ResetPoint, request_id: &str) -> ResetOptions {
    ResetOptions {
        reason: "u".into(),
        identity: "op".into(),
        request_id: Some(request_id.into()),
        ..ResetOptions::to(point)
    }
}

#[tokio::test]
async fn r17_a_closed_run_is_reset_once_for_each_request() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let old = start(&host).await;
    old.signal_named("sig", vec![]).await.unwrap();
    host.idle().await;
    old.cancel(CancelOptions::reason("r1")).await.unwrap();
    old.result().await.unwrap();
    let wrong = old.reset(to(ResetPoint::Event(EventId(1)), "x")).await;
    assert!(matches!(wrong, Err(Error::Refused { .. })));
    let new = old
        .reset(to(ResetPoint::Event(EventId(4)), "r"))
        .await
        .unwrap();
    host.idle().await;
    assert_ne!(new.run_id(), old.run_id());
    assert_eq!(shape_of(&new).await, scenario("R17_reset:new"));
    assert_eq!(shape_of(&old).await, scenario("R17_reset:old"));
    let again = old
        .reset(to(ResetPoint::Event(EventId(4)), "r"))
        .await
        .unwrap();
    assert_eq!(again.run_id(), new.run_id());
    assert_eq!(
        host.run("w", None).describe().await.unwrap().run_id,
        new.run_id().unwrap()
    );
    // Its timer was started anew.
    world.advance(&host, 3_600_000).await;
    assert_eq!(json_result(&new).await, "\"fired\"");
}

#[tokio::test]
async fn r17_an_open_run_ends_when_it_is_reset() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let old = start(&host).await;
    let new = old.reset(to(ResetPoint::LastTask, "r")).await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&old).await, "WES,T,TS,WK");
    let reset = "WES,Ts,Tb,Tf(RESET_WORKFLOW),T,TS";
    assert_eq!(shape_of(&new).await, reset);
    host.shutdown().await.unwrap();
    let host = world.host(&sleeper()).build().await.unwrap();
    world.advance(&host, 3_600_000).await;
    let new = host.run("w", new.run_id());
    assert_eq!(json_result(&new).await, "\"fired\"");
    // It can be reset like any other.
    let third = new.reset(to(ResetPoint::FirstTask, "s")).await.unwrap();
    host.idle().await;
    assert_eq!(
        shape_of(&third).await,
        format!("{reset},TF").replace(",T,TS,TF", ",Ts,Tb,Tf(RESET_WORKFLOW),T,TS")
    );
}

/// `A`, then `B`.
fn two() -> Arc<Script> {
    script(|| {
        let mut done = 0;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("A"))),
            GuestEvent::ActivityResolved(_, Ok(_)) => {
                done += 1;
                match done {
                    1 => drop(calls.activity(ScopeId::ROOT, call("B"))),
                    _ => calls.complete("\"both\""),
                }
            }
            other => calls.end_with(other),
        }
    })
}

/// Serves both; `B` waits until it is released or canceled. The keys under which they worked.
fn working(host: HostBuilder, release: &Arc<AtomicBool>) -> (HostBuilder, Arc<Mutex<Vec<String>>>) {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let (seen, release) = (Arc::clone(&keys), Arc::clone(release));
    let host = host.activity_json("A", move |context, (): ()| {
        seen.lock()
            .unwrap()
            .push(context.info().idempotency_key.clone());
        async { Ok(1) }
    });
    let seen = Arc::clone(&keys);
    let host = host.activity_json("B", move |context, (): ()| {
        seen.lock()
            .unwrap()
            .push(context.info().idempotency_key.clone());
        let release = Arc::clone(&release);
        async move {
            if !release.load(Ordering::Relaxed) {
                context.cancelled().await;
                return Err(context.canceled(vec![]));
            }
            Ok(2)
        }
    });
    (host, keys)
}

#[tokio::test]
async fn b14_an_uncanceled_run_completes_without_doing_anything_twice() {
    let world = World::new();
    let release = Arc::new(AtomicBool::new(false));
    let (host, keys) = working(world.host(&two()), &release);
    let host = host.build().await.unwrap();
    let old = start(&host).await;
    while keys.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    old.cancel(CancelOptions::reason("r1")).await.unwrap();
    let status = old.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    release.store(true, Ordering::Relaxed);
    let new = old.reset(to(ResetPoint::BeforeCancel, "r")).await.unwrap();
    assert_eq!(json_result(&new).await, "\"both\"");
    let keys = keys.lock().unwrap().clone();
    let [a, b, again] = &keys[..] else {
        panic!("A ran once, B before and after the reset: {keys:?}");
    };
    assert_eq!(b, again, "B goes on under its name");
    assert_ne!(a, b);
}

/// Waits for its child and ends with its result; the child ends with the first signal.
fn parent() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                calls.child(ChildCall::default());
            }
            GuestEvent::SignalReceived(_) => calls.complete("7"),
            GuestEvent::ChildResolved(_, Ok(result)) => {
                let outcome = Outcome::Completed(result.clone());
                calls.command(Command::Complete { outcome });
            }
            _ => {}
        }
    })
}

async fn let_others_go_on() {
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
}

/// Resets a run to its last task and waits until the open run of its id has ended, and the run that
/// is made of it is not there yet: its history is read, at the gate.
async fn reset_halfway(
    old: RunHandle,
    faults: &Faults,
) -> (JoinHandle<Result<RunHandle, Error>>, Gate) {
    faults.push(Fault::Wait);
    let resetting = tokio::spawn(async move { old.reset(to(ResetPoint::LastTask, "r")).await });
    tokio::task::yield_now().await;
    faults.gate().wait_for(1);
    let reads = faults.hold_next_read();
    faults.gate().open();
    reads.wait_for(1);
    (resetting, reads)
}

#[tokio::test]
async fn r17_the_end_of_a_child_that_comes_between_the_two_runs_reaches_the_new_one() {
    for crash in [false, true] {
        let world = World::new();
        let faults = Faults::default();
        let mut host = faults
            .host(world.host(&parent()), &world.db)
            .build()
            .await
            .unwrap();
        start(&host).await;
        let (resetting, mut reads) = reset_halfway(host.run("w", None), &faults).await;
        let child = host.run("child", None);
        child.signal_named("end", vec![]).await.unwrap();
        assert_eq!(json_result(&child).await, "7");
        let_others_go_on().await;
        if crash {
            drop((host, child));
            reads.open();
            assert!(resetting.await.unwrap().is_err());
            let faults = Faults::default();
            reads = faults.hold_next_read();
            host = faults
                .host(world.host(&parent()), &world.db)
                .build()
                .await
                .unwrap();
            reads.wait_for(1);
            let_others_go_on().await;
            reads.open();
            host.idle().await;
        } else {
            reads.open();
            resetting.await.unwrap().unwrap();
        }
        let new = host.run("w", None);
        let ended = timeout(PATIENCE, json_result(&new)).await;
        assert_eq!(ended.expect("the new run hears of its child"), "7");
    }
}

#[tokio::test]
async fn r17_nobody_else_takes_the_workflow_id_of_a_run_that_is_reset() {
    let world = World::new();
    let faults = Faults::default();
    let host = faults
        .host(world.host(&sleeper()), &world.db)
        .build()
        .await
        .unwrap();
    let old = start(&host).await;
    let (resetting, reads) = reset_halfway(host.run("w", None), &faults).await;
    let other = host.clone();
    let starting = tokio::spawn(async move { other.start(StartOptions::new("main", "w")).await });
    let_others_go_on().await;
    assert!(!starting.is_finished(), "it waits for the run that is made");
    let again = tokio::spawn({
        let old = old.clone();
        async move { old.reset(to(ResetPoint::LastTask, "s")).await }
    });
    let_others_go_on().await;
    reads.open();
    let new = timeout(PATIENCE, resetting)
        .await
        .expect("it ends")
        .unwrap()
        .unwrap();
    let refused = starting.await.unwrap().err().unwrap();
    assert!(
        matches!(refused, StartError::AlreadyStarted { .. }),
        "{refused}"
    );
    let last = again.await.unwrap().unwrap();
    assert_eq!(shape_of(&new).await.split(',').next_back(), Some("WK"));
    let newest = host.run("w", None).describe().await.unwrap();
    assert_eq!(Some(newest.run_id.as_str()), last.run_id());
    assert_eq!(newest.status, Status::Running);
}

#[tokio::test]
async fn r39_a_repeated_reset_finds_its_run_behind_those_that_followed() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => continue_as_new(calls, "2"),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let old = start(&host).await;
    let new = old.reset(to(ResetPoint::LastTask, "r")).await.unwrap();
    host.idle().await;
    signal(&host, &new, "on").await;
    let next = successor(&host, &new).await;
    let again = old.reset(to(ResetPoint::LastTask, "r")).await.unwrap();
    assert_eq!(again.run_id(), new.run_id());
    assert_eq!(next.describe().await.unwrap().status, Status::Running);
    host.shutdown().await.unwrap();
    let again = to(ResetPoint::LastTask, "r");
    let again = offline::reset(&world.db, "w", old.run_id(), again).unwrap();
    assert_eq!(Some(again.as_str()), new.run_id());
}

#[tokio::test]
async fn r17_what_a_client_asks_between_the_two_runs_reaches_the_new_one() {
    let world = World::new();
    let faults = Faults::default();
    let host = faults.host(world.host(&sleeper()), &world.db);
    let host = host.build().await.unwrap();
    let old = start(&host).await;
    let (resetting, reads) = reset_halfway(host.run("w", None), &faults).await;
    let current = host.run("w", None);
    let canceling =
        tokio::spawn(async move { current.cancel(CancelOptions::reason("stop")).await });
    let_others_go_on().await;
    assert!(
        !canceling.is_finished(),
        "it waits for the run that is made"
    );
    reads.open();
    let new = resetting.await.unwrap().unwrap();
    let canceled = canceling.await.unwrap().unwrap();
    assert_eq!(canceled.disposition, Disposition::Recorded);
    assert_eq!(Some(canceled.run_id.as_str()), new.run_id());
    let status = new.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    // The old one is told by its id, as before.
    let late = old.cancel(CancelOptions::reason("late")).await.unwrap();
    assert!(matches!(late.disposition, Disposition::AlreadyClosed(_)));
}

/// The run whose history it is to begin with stays until it is made. Where a store has lost it,
/// there is no new one, and the id is free again.
#[tokio::test]
async fn r17_the_base_of_a_reset_is_kept_until_the_new_run_is_made_of_it() {
    let mut world = World::new();
    let faults = Faults::default();
    let host = faults.host(world.host(&sleeper()), &world.db);
    let host = host.build().await.unwrap();
    let base = start(&host).await;
    base.terminate("t", "op").await.unwrap();
    let base_id = base.describe().await.unwrap().run_id;
    let base = host.run("w", Some(&base_id));
    start(&host).await;
    let (resetting, reads) = reset_halfway(base.clone(), &faults).await;
    // What a crash would leave now: the open run has ended, and nobody has made the new one.
    let copy = world.stored_copy();
    let deleted = base.clone();
    let deleting = tokio::spawn(async move { deleted.delete().await });
    tokio::task::yield_now().await;
    // Stored after what the deletion has asked for.
    let other = StartOptions::new("main", "other");
    host.start(other).await.unwrap();
    let_others_go_on().await;
    assert!(!deleting.is_finished(), "the new run is made of it");
    reads.open();
    let new = resetting.await.unwrap().unwrap();
    deleting.await.unwrap().unwrap();
    assert!(matches!(base.describe().await, Err(Error::NotFound { .. })));
    assert_eq!(new.describe().await.unwrap().status, Status::Running);
    host.shutdown().await.unwrap();

    let kept = offline::delete(&copy, "w", Some(&base_id)).unwrap_err();
    assert!(matches!(kept, Error::Refused { .. }), "{kept}");
    assert_eq!(waiting_effects(&copy), 1);
    let lost = "DELETE FROM frame WHERE run = 1; DELETE FROM run WHERE key = 1";
    let damaged = rusqlite::Connection::open(&copy).unwrap();
    damaged.execute_batch(lost).unwrap();
    drop(damaged);
    world.db = copy;
    let host = world.host(&sleeper()).build().await.unwrap();
    let idle = timeout(PATIENCE, host.idle()).await;
    idle.expect("the run that cannot be made is not waited for");
    assert_eq!(waiting_effects(&world.db), 0);
    let again = timeout(PATIENCE, start(&host)).await;
    let again = again.expect("nobody keeps the id");
    assert_eq!(again.describe().await.unwrap().status, Status::Running);
}
