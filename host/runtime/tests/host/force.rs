//! Ending a run by force: what becomes of its code and of its attempts.

use super::support::*;
use sandglass::{AttemptState, CancelOptions, Disposition, ForceOptions, StartOptions, engine::*};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

fn force(kill: bool) -> ForceOptions {
    ForceOptions {
        reason: "enough".into(),
        identity: "op".into(),
        kill,
        ..ForceOptions::default()
    }
}

#[tokio::test]
async fn s48_force_ends_a_run_whose_cancel_handler_spins() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::CancelRequested(_) => calls.spin(),
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    // Answered by a commit of its own, while the handler spins.
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    let begun = Instant::now();
    let response = run.force(force(false)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(response.disposition, Disposition::Recorded);
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    let ended = "WES,T,TS,CR,Ts,Tb,Tf(FORCE_CLOSE_COMMAND),FORCE,WX";
    assert_eq!(shape_of(&run).await, ended);
}

/// Waits for `Work`.
fn worker() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Work"))),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn s49_what_an_attempt_reports_after_a_force_changes_nothing() {
    let world = World::new();
    let (sender, mut begun) = mpsc::unbounded_channel();
    let (finish, told_to) = tokio::sync::watch::channel(false);
    let host = world.host(&worker());
    let host = host.activity_json("Work", move |context, (): ()| {
        sender.send(context).unwrap();
        let mut told_to = told_to.clone();
        async move {
            told_to.wait_for(|finish| *finish).await.unwrap();
            Ok(7)
        }
    });
    let host = host.build().await.unwrap();
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    let context = begun.recv().await.unwrap();
    run.force(force(false)).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,AS,FORCE,WX");
    assert_eq!(context.cancelled().await, AttemptState::NotFound);
    let refused = host.stats().stale_reports;
    finish.send(true).unwrap();
    while host.stats().stale_reports == refused {
        tokio::task::yield_now().await;
    }
    assert_eq!(shape_of(&run).await, "WES,T,AS,FORCE,WX");
}
