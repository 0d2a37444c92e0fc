//! A run that is paused and unpaused, and one that is told to stop a part of itself.

use super::support::*;
use sandglass::{
    CancelOptions, Error, MessageError, QueryOptions, StartOptions, UpdateOptions, engine::*,
};
use sandglass_semantics::scenario;
use std::{sync::Arc, time::Duration};

fn request(reason: &str) -> OperatorRequest {
    OperatorRequest {
        reason: reason.into(),
        identity: "op".into(),
        request_id: String::new(),
    }
}

fn sleeper() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn r40_a_run_stays_paused_across_hosts_until_it_is_unpaused() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    run.pause(request("look")).await.unwrap();
    let again = run.pause(request("again")).await.unwrap_err();
    assert!(matches!(again, Error::Refused { .. }), "{again}");
    assert!(again.to_string().contains("already paused"), "{again}");
    let (by, _) = run.describe().await.unwrap().paused.unwrap();
    assert_eq!((by.reason.as_str(), by.identity.as_str()), ("look", "op"));
    let asked = run.query(QueryOptions::new("status")).await;
    assert!(matches!(asked, Err(MessageError::Paused)), "{asked:?}");
    let asked = run.update(UpdateOptions::new("change")).await;
    assert!(matches!(asked, Err(MessageError::Paused)), "{asked:?}");
    run.signal_named("sig", vec![]).await.unwrap();
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    host.shutdown().await.unwrap();

    let host = world.host(&sleeper()).build().await.unwrap();
    let run = host.run("w", None);
    host.idle().await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,PAUSED,SG,CR");
    run.unpause(request("go")).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, scenario("R40_paused"));
    let closed = run.unpause(request("go")).await.unwrap_err();
    assert!(matches!(closed, Error::Closed { .. }), "{closed}");
}

#[tokio::test]
async fn r40_limits_on_time_act_while_a_run_is_paused() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let options = StartOptions {
        run_timeout: Some(Duration::from_secs(5)),
        ..StartOptions::new("main", "w")
    };
    let run = host.start(options).await.unwrap();
    host.idle().await;
    run.pause(request("look")).await.unwrap();
    world.advance(&host, 5_000).await;
    assert_eq!(run.result().await.unwrap(), Status::TimedOut);
    assert_eq!(shape_of(&run).await, "WES,T,TS,PAUSED,WTO");

    let run = start(&host).await;
    run.pause(request("look")).await.unwrap();
    let options = CancelOptions {
        deadline: Some(Duration::from_secs(5)),
        escalation: Some(Escalation::Force),
        ..CancelOptions::reason("r1")
    };
    run.cancel(options).await.unwrap();
    world.advance(&host, 5_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,PAUSED,CR,FORCE,WX");
}

#[tokio::test]
async fn r40_a_pause_waits_for_the_task_that_is_running() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let script = script(move || {
        let gate = held.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => {
                gate.pass();
                drop(calls.timer(7_200_000));
            }
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    run.signal_named("sig", vec![]).await.unwrap();
    gate.wait_for(1);
    let pausing = tokio::spawn({
        let run = run.clone();
        async move { run.pause(request("look")).await }
    });
    tokio::task::yield_now().await;
    gate.open();
    pausing.await.unwrap().unwrap();
    run.signal_named("sig", vec![]).await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,TS,PAUSED,SG");
}

#[tokio::test]
async fn b15_an_operator_cancels_a_scope_that_it_sees() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                let (parent, kind) = (ScopeId::ROOT, ScopeKind::Cancellable);
                let Answer::Scope(scope) = calls.command(Command::OpenScope { parent, kind })
                else {
                    panic!("a scope opens");
                };
                let duration = Millis(3_600_000);
                calls.command(Command::StartTimer { scope, duration });
            }
            GuestEvent::ScopeCanceled(..) => calls.complete("1"),
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    let scopes = run.open_scopes().await.unwrap();
    let numbers: Vec<u32> = scopes.iter().map(|scope| scope.scope.0).collect();
    assert_eq!(numbers, [0, 1]);
    assert_eq!(scopes[1].operations[0].what, "timer");
    let unknown = run.cancel_scope(ScopeId(7), request("")).await.unwrap_err();
    assert!(unknown.to_string().contains("no scope 7"), "{unknown}");
    run.cancel_scope(ScopeId(1), request("stop")).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,OCR,T,TC,WC");
    assert_eq!(run.open_scopes().await.unwrap(), []);
}

#[tokio::test]
async fn r39_a_scope_is_canceled_once_by_one_request() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| {
            if let GuestEvent::Initialize { .. } = event {
                let (parent, kind) = (ScopeId::ROOT, ScopeKind::Cancellable);
                calls.command(Command::OpenScope { parent, kind });
                calls.timer(3_600_000);
            }
        }
    });
    let named = |id: &str| OperatorRequest {
        request_id: id.into(),
        ..request("stop")
    };
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    for _ in 0..2 {
        run.cancel_scope(ScopeId(1), named("stop")).await.unwrap();
        host.idle().await;
        assert_eq!(shape_of(&run).await, "WES,T,TS,OCR,T");
    }
    // Another one finds it canceled.
    let again = run.cancel_scope(ScopeId(1), named("again")).await;
    assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    assert_eq!(shape_of(&run).await, "WES,T,TS,OCR,T");
}
