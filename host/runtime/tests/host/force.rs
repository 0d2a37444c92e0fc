//! Ending a run by force: what becomes of its code and of its attempts.

use super::support::*;
use sandglass::{
    ActivityContext, AttemptState, CancelOptions, Disposition, Error, ForceOptions, Host, Limits,
    StartOptions, TerminateOptions, engine::*, offline,
};
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

/// A host whose `Work` beats until it is released, and then returns; the attempts that have begun.
async fn working(world: &World) -> (Host, mpsc::UnboundedReceiver<ActivityContext>, Gate) {
    let (sender, begun) = mpsc::unbounded_channel();
    let gate = Gate::default();
    let held = gate.clone();
    let host = world
        .host(&worker())
        .activity_json("Work", move |context, (): ()| {
            sender.send(context).unwrap();
            let held = held.clone();
            async move {
                while !held.is_open() {
                    tokio::task::yield_now().await;
                }
                Ok(7)
            }
        });
    (host.build().await.unwrap(), begun, gate)
}

async fn ended(host: &Host) {
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s49_no_close_but_a_kill_ends_an_attempt() {
    for how in ["terminate", "force"] {
        let world = World::new();
        let (host, mut begun, gate) = working(&world).await;
        let run = host.start(StartOptions::new("main", "w")).await.unwrap();
        let context = begun.recv().await.unwrap();
        match how {
            "terminate" => run.terminate("t", "op").await.unwrap(),
            _ => drop(run.force(force(false)).await.unwrap()),
        }
        run.result().await.unwrap();
        // It is told at once (R22), and runs on.
        assert_eq!(context.cancelled().await, AttemptState::NotFound);
        let refused = host.stats().stale_reports;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(host.attempts_in_flight(), 1, "{how} does not end it");
        gate.open();
        ended(&host).await;
        assert_eq!(
            host.stats().stale_reports,
            refused + 1,
            "its result is refused"
        );
    }
}

#[tokio::test]
async fn r29_a_kill_ends_attempts_also_those_left_over_from_a_closed_run() {
    let world = World::new();
    let (host, mut begun, _gate) = working(&world).await;
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    begun.recv().await.unwrap();
    run.force(force(true)).await.unwrap();
    ended(&host).await;

    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    begun.recv().await.unwrap();
    run.force(force(false)).await.unwrap();
    run.result().await.unwrap();
    let forced = run.force(force(false)).await.unwrap();
    assert_eq!((forced.killed, host.attempts_in_flight()), (0, 1));
    let killed = run.force(force(true)).await.unwrap();
    assert!(matches!(killed.disposition, Disposition::AlreadyClosed(_)));
    assert_eq!(killed.killed, 1);
    ended(&host).await;
    assert_eq!(shape_of(&run).await, "WES,T,AS,FORCE,WX");
}

#[tokio::test]
async fn r30_of_what_may_follow_a_deadline_only_a_kill_ends_attempts() {
    for then in [Escalation::Kill, Escalation::Force, Escalation::Terminate] {
        let world = World::new();
        let (host, mut begun, gate) = working(&world).await;
        let run = host.start(StartOptions::new("main", "w")).await.unwrap();
        begun.recv().await.unwrap();
        let options = CancelOptions {
            deadline: Some(Duration::from_secs(5)),
            escalation: Some(then),
            ..CancelOptions::reason("r1")
        };
        run.cancel(options).await.unwrap();
        host.idle().await;
        world.advance(&host, 5_000).await;
        run.result().await.unwrap();
        if then != Escalation::Kill {
            tokio::time::sleep(Duration::from_millis(600)).await;
            assert_eq!(host.attempts_in_flight(), 1, "{then:?} does not end it");
            gate.open();
        }
        ended(&host).await;
    }
}

#[tokio::test]
async fn an_attempt_that_nobody_wants_ends_at_its_limit_at_the_latest() {
    let world = World::new();
    let (host, mut begun, _gate) = working(&world).await;
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    let context = begun.recv().await.unwrap();
    run.terminate("t", "op").await.unwrap();
    context.cancelled().await;
    world.advance(&host, 3_599_999).await;
    assert_eq!(host.attempts_in_flight(), 1);
    world.advance(&host, 1).await;
    ended(&host).await;
}

#[tokio::test]
async fn s60_r39_a_terminate_has_details_and_may_be_asked_again() {
    let world = World::new();
    let (host, _begun, _gate) = working(&world).await;
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    let options = TerminateOptions {
        reason: "stuck".into(),
        identity: "op".into(),
        details: vec![Payload::json("5")],
        request_id: Some("t1".into()),
    };
    run.terminate_with(options.clone()).await.unwrap();
    run.terminate_with(options.clone()).await.unwrap();
    let other = TerminateOptions {
        request_id: Some("t2".into()),
        ..options.clone()
    };
    let refused = run.terminate_with(other).await.unwrap_err();
    assert!(matches!(refused, Error::Closed { .. }), "{refused}");
    host.shutdown().await.unwrap();
    let (host, ..) = working(&world).await;
    let run = host.run("w", None);
    run.terminate_with(options).await.unwrap();
    let events = run.history().await.unwrap();
    let EventAttributes::WorkflowExecutionTerminated {
        reason,
        identity,
        details,
    } = &events.last().unwrap().attributes
    else {
        panic!("not terminated: {events:?}");
    };
    assert_eq!((reason.as_str(), identity.as_str()), ("stuck", "op"));
    assert_eq!(details, &[Payload::json("5")]);
}

fn once(request_id: &str) -> CancelOptions {
    CancelOptions {
        request_id: Some(request_id.into()),
        ..CancelOptions::reason("r1")
    }
}

#[tokio::test]
async fn r39_a_repeated_cancel_and_a_repeated_force_have_the_first_answer() {
    let world = World::new();
    let deaf = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => calls.spin(),
            _ => {}
        }
    });
    let forced = || ForceOptions {
        request_id: Some("f".into()),
        ..force(false)
    };
    let host = world.host(&deaf).build().await.unwrap();
    let run = start(&host).await;
    // Asked while a workflow task runs, it is kept beside the history.
    run.signal_named("spin", vec![]).await.unwrap();
    for _ in 0..2 {
        let response = run.cancel(once("q")).await.unwrap();
        assert_eq!(
            (response.disposition, response.repeats),
            (Disposition::Recorded, 0)
        );
    }
    let other = run.cancel(once("p")).await.unwrap();
    assert_eq!(
        (other.disposition, other.repeats),
        (Disposition::AlreadyRequested, 1)
    );
    drop((host, run));

    // The first task may begin before both have arrived: it must not take long.
    let quiet = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| {
            if let GuestEvent::Initialize { .. } = event {
                drop(calls.timer(3_600_000));
            }
        }
    });
    let host = world.host(&quiet).build().await.unwrap();
    let run = host.run("w", None);
    // Both were on disk; the other one is still only counted (R2).
    let repeats = async || {
        let cancel = run.describe().await.unwrap().cancel;
        cancel.map_or(0, |cancel| cancel.repeats)
    };
    let counted = async {
        while repeats().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(10), counted).await;
    counted.expect("the repeat is counted");
    for _ in 0..2 {
        let response = run.cancel(once("q")).await.unwrap();
        assert_eq!(
            (response.disposition, response.repeats),
            (Disposition::Recorded, 1)
        );
        let response = run.force(forced()).await.unwrap();
        assert_eq!(response.disposition, Disposition::Recorded);
        run.result().await.unwrap();
    }
    host.shutdown().await.unwrap();
    let db = &world.db;
    let same = offline::cancel(db, "w", None, once("q")).unwrap();
    assert_eq!(same.disposition, Disposition::Recorded);
    let same = offline::force(db, "w", None, forced()).unwrap();
    assert_eq!(same.disposition, Disposition::Recorded);
    for other in [
        offline::cancel(db, "w", None, once("p")).unwrap(),
        offline::force(db, "w", None, force(false)).unwrap(),
    ] {
        assert!(matches!(other.disposition, Disposition::AlreadyClosed(_)));
    }
}

/// The deadline counts from when the request is on disk, also while a workflow task is running and
/// after a crash.
#[tokio::test]
async fn r30_the_deadline_of_a_request_that_arrives_during_a_task_passes_during_it() {
    let spins = || {
        script(|| {
            |event: &GuestEvent, calls: &mut Calls<'_>| match event {
                GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
                GuestEvent::SignalReceived(_) => calls.spin(),
                _ => {}
            }
        })
    };
    let world = World::new();
    let limits = Limits {
        workflow_task_timeout: 3_600_000,
        ..Limits::default()
    };
    let host = world.host(&spins()).limits(limits).build().await.unwrap();
    let run = start(&host).await;
    run.signal_named("go", vec![]).await.unwrap();
    let options = CancelOptions {
        deadline: Some(Duration::from_secs(5)),
        escalation: Some(Escalation::Force),
        ..CancelOptions::reason("r1")
    };
    run.cancel(options).await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,Ts", "it is kept");
    let copy = world.stored_copy();
    world.clock.advance(Duration::from_secs(5));
    let ended = "WES,T,TS,SG,Ts,Tb,Tf(FORCE_CLOSE_COMMAND),CR,FORCE,WX";
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    assert_eq!(shape_of(&run).await, ended);
    drop((host, run));

    // As after a crash while it was kept: the deadline has passed meanwhile.
    let host = world.host(&spins()).limits(limits).store(&copy);
    let host = host.build().await.unwrap();
    let run = host.run("w", None);
    run.result().await.unwrap();
    let shape = shape_of(&run).await;
    assert!(shape.ends_with("CR,FORCE,WX"), "{shape}");
}
