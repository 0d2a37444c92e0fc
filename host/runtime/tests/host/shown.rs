//! What a host shows of a run that is being canceled, what attempts hear of a run that is gone, and
//! that a run which does not end by its own code undoes nothing.

use super::{chains::continue_as_new, support::*};
use sandglass::{
    AttemptState, CancelOptions, ResetOptions, RunHandle, StartOptions,
    engine::*,
    store::{ListFilter, RunStatus},
};
use sandglass_semantics::scenario;
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// How long what must come is waited for, in real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `Cleanup` in a detached scope when it is canceled, and passes the cancellation on.
fn cleaner() -> Arc<Script> {
    script(|| {
        let mut cancellation = None;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::TimerFired(_, Err(failure)) => {
                cancellation = Some(failure.clone());
                let (parent, kind) = (ScopeId::ROOT, ScopeKind::Detached);
                let Answer::Scope(scope) = calls.command(Command::OpenScope { parent, kind })
                else {
                    return;
                };
                calls.activity(scope, call("Cleanup"));
            }
            GuestEvent::ActivityResolved(..) => calls.fail(&cancellation.take().unwrap()),
            _ => {}
        }
    })
}

#[tokio::test]
async fn s30_a28_a_run_that_is_canceling_is_running_and_says_who_why_and_when() {
    let world = World::new();
    let host = world.host(&cleaner()).build().await.unwrap();
    let run = start(&host).await;
    world.advance(&host, 5000).await;
    host.pause_workflow_tasks();
    let options = CancelOptions {
        identity: "op".into(),
        ..CancelOptions::reason("r1")
    };
    run.cancel(options).await.unwrap();
    let asked = host.now();
    let canceling = ListFilter {
        status: Some(RunStatus::Running),
        cancel_requested: Some(true),
        ..ListFilter::default()
    };
    let listed = async || host.list(&canceling, 10, None).await.unwrap();
    for state in [CancelState::Requested, CancelState::Delivered] {
        let found = listed().await;
        let [(_, shown)] = &found[..] else {
            panic!("it is listed as canceling: {found:?}");
        };
        let listed = (&*shown.workflow_id, &shown.status, shown.cancel_state);
        assert_eq!(listed, ("w", &Status::Running, state));
        let described = run.describe().await.unwrap();
        assert_eq!(described.status, Status::Running);
        let cancel = described.cancel.unwrap();
        assert_eq!((&*cancel.reason, &*cancel.identity), ("r1", "op"));
        assert_eq!((cancel.requested_at, cancel.state), (asked, state));
        world.clock.advance(Duration::from_secs(1));
        host.resume_workflow_tasks();
        host.idle().await;
    }
    let pending = run.describe().await.unwrap().activities;
    assert_eq!(pending[0].activity_type, "Cleanup");
    host.register_activity("Cleanup", |_, _| async { Ok(Payload::null()) });
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    let found = listed().await;
    assert!(found.is_empty(), "it has ended: {found:?}");
    let described = run.describe().await.unwrap();
    assert_eq!(described.status, Status::Canceled { details: vec![] });
    assert_eq!(described.cancel_state, CancelState::Delivered);
    let cancel = described.cancel.unwrap();
    assert_eq!((&*cancel.reason, &*cancel.identity), ("r1", "op"));
    assert_eq!(cancel.requested_at, asked);
    assert_eq!(shape_of(&run).await, scenario("A28"));
}

/// Starts `Work`, which never ends by itself, and completes when it is signaled.
fn leaver() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Work"))),
            GuestEvent::SignalReceived(_) => calls.complete("1"),
            _ => {}
        }
    })
}

#[tokio::test]
async fn s31_a_heartbeat_finds_no_run_however_it_has_ended() {
    for way in ["completed", "canceled", "terminated", "timed out"] {
        let world = World::new();
        let (sender, mut contexts) = mpsc::unbounded_channel();
        let host = world.host(&leaver()).push_cancel(false);
        let host = host.activity_json("Work", move |context, (): ()| {
            sender.send(context.clone()).unwrap();
            std::future::pending::<Result<(), Failure>>()
        });
        let host = host.build().await.unwrap();
        let options = StartOptions {
            run_timeout: Some(Duration::from_secs(60)),
            ..StartOptions::new("main", "w")
        };
        let run = host.start(options).await.unwrap();
        let context = contexts.recv().await.unwrap();
        assert_eq!(context.heartbeat(vec![]), AttemptState::Active, "{way}");
        match way {
            "completed" => run.signal_named("go", vec![]).await.unwrap(),
            "canceled" => {
                run.cancel(CancelOptions::reason("r1")).await.unwrap();
                host.idle().await;
                let told = AttemptState::CancelRequested("r1".into());
                assert_eq!(context.heartbeat(vec![]), told);
                // Waited for, so the run is open until it is ended in another way.
                run.signal_named("go", vec![]).await.unwrap();
            }
            "terminated" => run.terminate("t", "op").await.unwrap(),
            _ => world.clock.advance(Duration::from_secs(60)),
        }
        run.result().await.unwrap();
        assert_eq!(context.heartbeat(vec![]), AttemptState::NotFound, "{way}");
    }
}

#[tokio::test]
async fn r22_an_attempt_is_told_at_once_however_its_run_has_ended() {
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                drop(calls.activity(ScopeId::ROOT, call("Work")));
            }
            GuestEvent::SignalReceived(signal) if signal.name == "on" => {
                continue_as_new(calls, "1");
            }
            GuestEvent::SignalReceived(_) => calls.complete("1"),
            _ => {}
        }
    });
    for way in ["completed", "terminated", "timed out", "continued", "reset"] {
        let world = World::new();
        let (sender, mut contexts) = mpsc::unbounded_channel();
        let host = world.host(&script);
        let host = host.activity_json("Work", move |context, (): ()| {
            sender.send(context.clone()).unwrap();
            std::future::pending::<Result<(), Failure>>()
        });
        let host = host.build().await.unwrap();
        let options = StartOptions {
            run_timeout: Some(Duration::from_secs(60)),
            ..StartOptions::new("main", "w")
        };
        let run = host.start(options).await.unwrap();
        let context = contexts.recv().await.unwrap();
        host.idle().await;
        match way {
            "completed" => run.signal_named("go", vec![]).await.unwrap(),
            "terminated" => run.terminate("t", "op").await.unwrap(),
            "timed out" => world.clock.advance(Duration::from_secs(60)),
            "continued" => run.signal_named("on", vec![]).await.unwrap(),
            _ => drop(
                run.reset(ResetOptions::to(ResetPoint::LastTask))
                    .await
                    .unwrap(),
            ),
        }
        let told = timeout(PATIENCE, context.cancelled()).await;
        assert_eq!(told.expect(way), AttemptState::NotFound, "{way}");
    }
}

#[test]
fn s57_a_long_activity_that_is_waited_for_needs_a_heartbeat_timeout() {
    let silent = |cancellation| ActivityCall {
        cancellation,
        ..call("Work")
    };
    let heard = ActivityCall {
        heartbeat: Some(Millis(1000)),
        ..call("Work")
    };
    let short = ActivityCall {
        start_to_close: Some(Millis(60_000)),
        ..call("Work")
    };
    let unlimited = ActivityCall {
        start_to_close: None,
        ..call("Work")
    };
    for (call, warned) in [
        (silent(CancellationType::WaitCancellationCompleted), true),
        (silent(CancellationType::WaitAtMost(Millis(1000))), true),
        (unlimited, true),
        (silent(CancellationType::TryCancel), false),
        (silent(CancellationType::Abandon), false),
        (heard, false),
        (short, false),
    ] {
        assert_eq!(call.lacks_heartbeat(), warned, "{call:?}");
    }
}

/// Registers what undoes `Work` and waits; a signal is a bug.
fn undoer() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                let Answer::Operation(work) = calls.activity(ScopeId::ROOT, call("Work")) else {
                    return;
                };
                calls.command(Command::PushCompensation {
                    scope: ScopeId::ROOT,
                    undoes: Some(work),
                    call: call("Undo"),
                    when: CompensateWhen::Effective,
                });
            }
            GuestEvent::ActivityResolved(_, Ok(_)) => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => calls.trap("bug"),
            other => calls.end_with(other),
        }
    })
}

async fn scheduled(run: &RunHandle) -> Vec<String> {
    let events = run.history().await.unwrap().into_iter();
    let scheduled = events.filter_map(|event| match event.attributes {
        EventAttributes::ActivityTaskScheduled { call, .. } => Some(call.activity_type),
        _ => None,
    });
    scheduled.collect()
}

#[tokio::test]
async fn r36_a_trap_and_a_terminate_undo_nothing() {
    let world = World::new();
    let host = world.host(&undoer());
    let host = host.activity_json("Work", |_, (): ()| async { Ok(()) });
    let host = host.activity_json("Undo", |_, (): ()| async { Ok(()) });
    let host = host.build().await.unwrap();
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    // Until the task after the end of `Work`.
    run.history_after(EventId(10)).await.unwrap();
    host.idle().await;
    run.signal_named("bug", vec![]).await.unwrap();
    host.idle().await;
    assert!(run.describe().await.unwrap().task.unwrap().attempt > 1);
    assert_eq!(scheduled(&run).await, ["Work"]);
    run.terminate("t", "op").await.unwrap();
    host.idle().await;
    assert_eq!(scheduled(&run).await, ["Work"]);

    // The same run, canceled, undoes it.
    let run = host.start(StartOptions::new("main", "x")).await.unwrap();
    run.history_after(EventId(10)).await.unwrap();
    host.idle().await;
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(scheduled(&run).await, ["Work", "Undo"]);
}

#[tokio::test]
async fn s58_the_newest_heartbeat_is_shown_when_an_attempt_is_canceled() {
    let world = World::new();
    let (sender, mut told) = mpsc::unbounded_channel();
    let host = world.host(&leaver()).activity("Work", move |context, _| {
        let sender = sender.clone();
        async move {
            context.heartbeat(vec![Payload::json("1")]);
            context.heartbeat(vec![Payload::json("2")]);
            context.cancelled().await;
            let (done, go_on) = tokio::sync::oneshot::channel::<()>();
            sender.send(done).unwrap();
            drop(go_on.await);
            Err(context.canceled(vec![Payload::json("3")]))
        }
    });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    let go_on = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    let pending = run.describe().await.unwrap().activities;
    assert_eq!(pending[0].cancel_requested.as_deref(), Some("r1"));
    assert_eq!(pending[0].heartbeat_details, [Payload::json("2")]);
    go_on.send(()).unwrap();
    while run.describe().await.unwrap().activities.len() == 1 {
        tokio::task::yield_now().await;
    }
    let events = run.history().await.unwrap();
    let canceled = events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskCanceled { details, .. } => Some(details.clone()),
        _ => None,
    });
    assert_eq!(canceled, Some(vec![Payload::json("3")]));
}
