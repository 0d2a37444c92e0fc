//! Runs that are made of the beginning of another one's history (R17, B14).

use super::support::*;
use sandglass::{CancelOptions, Error, HostBuilder, ResetOptions, engine::*};
use sandglass_semantics::scenario;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

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
