//! Cancel and terminate: scenarios of the semantics as the host makes them.

use super::support::*;
use sandglass::{
    AttemptState, CancelOptions, Disposition, Error, RunHandle, StartOptions, engine::*,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

fn by(identity: &str, reason: &str) -> CancelOptions {
    CancelOptions {
        identity: identity.into(),
        ..CancelOptions::reason(reason)
    }
}

#[tokio::test]
async fn a01_a_timer_is_canceled() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    let response = run.cancel(by("op", "r1")).await.unwrap();
    assert_eq!(response.disposition, Disposition::Recorded);
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,WX");
    let events = run.history().await.unwrap();
    let EventAttributes::WorkflowExecutionCancelRequested(request) = &events[5].attributes else {
        panic!("no CR");
    };
    assert_eq!(
        (request.reason.as_str(), request.identity.as_str()),
        ("r1", "op")
    );
}

#[tokio::test]
async fn a02_a_cancel_before_the_first_task_reaches_the_code() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    host.pause_workflow_tasks();
    let run = start(&host).await;
    run.cancel(by("op", "r1")).await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&run).await, "WES,Ts,CR");
    host.resume_workflow_tasks();
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    assert_eq!(shape_of(&run).await, "WES,Ts,CR,Tb,Tc,WX");
}

#[tokio::test]
async fn a03_the_first_request_counts_and_the_others_are_counted() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    host.pause_workflow_tasks();
    run.cancel(by("op", "r1")).await.unwrap();
    let again = run.cancel(by("other", "r2")).await.unwrap();
    assert_eq!(
        (again.disposition, again.repeats),
        (Disposition::AlreadyRequested, 1)
    );
    let described = run.describe().await.unwrap();
    let cancel = described.cancel.unwrap();
    assert_eq!(
        (cancel.reason.as_str(), cancel.state, cancel.repeats),
        ("r1", CancelState::Requested, 1)
    );
    host.resume_workflow_tasks();
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,WX");
    let late = run.cancel(by("op", "r3")).await.unwrap();
    assert!(matches!(
        late.disposition,
        Disposition::AlreadyClosed(Status::Canceled { .. })
    ));
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,WX");
}

#[tokio::test]
async fn r2_repeats_are_counted_across_hosts() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    host.pause_workflow_tasks();
    let first = CancelOptions {
        request_id: Some("q".into()),
        ..by("op", "r1")
    };
    let asked = async |run: &RunHandle, options: CancelOptions| {
        let response = run.cancel(options).await.unwrap();
        (response.disposition, response.repeats)
    };
    let again = Disposition::AlreadyRequested;
    assert_eq!(asked(&run, first.clone()).await, (Disposition::Recorded, 0));
    assert_eq!(asked(&run, by("other", "r2")).await, (again.clone(), 1));
    // The same request (R39).
    assert_eq!(asked(&run, first.clone()).await, (Disposition::Recorded, 1));
    assert_eq!(asked(&run, by("op", "r3")).await, (again.clone(), 2));
    // As after a crash: nothing but what was stored is left.
    drop((host, run));
    let offline = sandglass::offline::cancel(&world.db, "w", None, by("op", "r4")).unwrap();
    assert_eq!((offline.disposition, offline.repeats), (again.clone(), 3));

    let host = world.host(&sleeper()).start_paused().build().await.unwrap();
    let run = host.run("w", None);
    assert_eq!(asked(&run, by("op", "r5")).await, (again, 4));
    host.resume_workflow_tasks();
    run.result().await.unwrap();
    let cancel = run.describe().await.unwrap().cancel.unwrap();
    assert_eq!((&*cancel.reason, cancel.repeats), ("r1", 4));
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,WX");
}

#[tokio::test]
async fn a19_unknown_and_closed_runs() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let unknown = host.run("nobody", None);
    assert!(matches!(
        unknown.cancel(by("op", "r")).await,
        Err(Error::NotFound { .. })
    ));
    let run = start(&host).await;
    run.terminate("t", "op").await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,WK");
    assert!(matches!(
        run.terminate("t", "op").await,
        Err(Error::Closed { .. })
    ));
    assert!(matches!(
        run.signal_named("s", vec![]).await,
        Err(Error::Closed { .. })
    ));
}

#[tokio::test]
async fn r4_a_run_id_means_exactly_that_run() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let first = start(&host).await;
    first.terminate("t", "op").await.unwrap();
    let second = start(&host).await;
    assert_ne!(first.run_id(), second.run_id());
    let of_first = host.run("w", first.run_id());
    let answer = of_first.cancel(by("op", "r")).await.unwrap();
    assert!(matches!(
        answer.disposition,
        Disposition::AlreadyClosed(Status::Terminated { .. })
    ));
    assert_eq!(shape_of(&second).await, "WES,T,TS");
    let stranger = host.run("w", Some("nobody"));
    assert!(matches!(
        stranger.cancel(by("op", "r")).await,
        Err(Error::NotFound { .. })
    ));
    let current = host.run("w", None);
    let answer = current.cancel(by("op", "r")).await.unwrap();
    assert_eq!(answer.disposition, Disposition::Recorded);
    assert!(matches!(
        second.result().await.unwrap(),
        Status::Canceled { .. }
    ));
}

/// Sleeps; when canceled, runs `Cleanup` in a detached scope and passes the cancellation on.
fn cleaner() -> Arc<Script> {
    script(|| {
        let mut cancellation = None;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::TimerFired(_, Err(failure)) => {
                cancellation = Some(failure.clone());
                let kind = ScopeKind::Detached;
                let opened = calls.command(Command::OpenScope {
                    parent: ScopeId::ROOT,
                    kind,
                });
                let Answer::Scope(scope) = opened else { return };
                calls.activity(scope, call("Cleanup"));
            }
            GuestEvent::ActivityResolved(..) => {
                let failure = cancellation.take().unwrap();
                calls.fail(&failure);
            }
            _ => {}
        }
    })
}

#[tokio::test]
async fn a05_cleanup_then_rethrow() {
    let world = World::new();
    let host = world
        .host(&cleaner())
        .activity_json("Cleanup", |_, (): ()| async { Ok(()) });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    run.cancel(by("op", "r")).await.unwrap();
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,AS,AB,AC,T,WX");
}

/// Runs `Work` and ends with its result.
fn worker(cancellation: CancellationType) -> Arc<Script> {
    script(move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                let call = ActivityCall {
                    cancellation,
                    ..call("Work")
                };
                calls.activity(ScopeId::ROOT, call);
            }
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn a08_the_attempt_is_told_at_once_and_its_details_reach_the_run() {
    let world = World::new();
    let script = worker(CancellationType::WaitCancellationCompleted);
    let host = world
        .host(&script)
        .activity("Work", |context, _| async move {
            let reason = context.cancelled().await;
            assert_eq!(reason, AttemptState::CancelRequested("r".into()));
            Err(context.canceled(vec![Payload::json("\"d\"")]))
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    run.cancel(by("op", "r")).await.unwrap();
    let told = tokio::time::timeout(PATIENCE, run.result()).await;
    let ended = told.expect("the attempt is told of the cancel");
    assert!(matches!(ended.unwrap(), Status::Canceled { .. }));
    assert_eq!(shape_of(&run).await, "WES,T,AS,CR,T,ACR,AB,AX,T,WX");
    let events = run.history().await.unwrap();
    let details = events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskCanceled { details, .. } => Some(details.clone()),
        _ => None,
    });
    assert_eq!(details.unwrap(), [Payload::json("\"d\"")]);
}

#[tokio::test]
async fn a09_an_attempt_may_complete_when_it_is_asked_to_stop() {
    let world = World::new();
    let script = worker(CancellationType::WaitCancellationCompleted);
    let host = world
        .host(&script)
        .activity_json("Work", |context, (): ()| async move {
            context.cancelled().await;
            Ok(7)
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    run.cancel(by("op", "r")).await.unwrap();
    assert_eq!(json_result(&run).await, "7");
    assert_eq!(shape_of(&run).await, "WES,T,AS,CR,T,ACR,AB,AC,T,WC");
}

#[tokio::test]
async fn a10_an_abandoned_attempt_finds_the_run_closed() {
    let world = World::new();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let host = world.host(&worker(CancellationType::Abandon));
    let host = host.activity_json("Work", move |context, (): ()| {
        let sender = sender.clone();
        async move {
            sender.send(context.cancelled().await).unwrap();
            Ok(5)
        }
    });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    run.cancel(by("op", "r")).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(seen.recv().await, Some(AttemptState::NotFound));
    host.shutdown().await.unwrap();
    let host = world
        .host(&worker(CancellationType::Abandon))
        .build()
        .await
        .unwrap();
    let run = host.run("w", None);
    assert_eq!(shape_of(&run).await, "WES,T,AS,CR,T,WX");
}

#[tokio::test]
async fn a11_an_activity_that_nobody_serves_is_canceled_at_once() {
    let world = World::new();
    let host = world.host(&worker(CancellationType::WaitCancellationCompleted));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    assert_eq!(host.unserved()[0].activity_type, "Work");
    run.cancel(by("op", "r")).await.unwrap();
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    assert_eq!(shape_of(&run).await, "WES,T,AS,CR,T,ACR,AX,T,WX");
    assert!(host.unserved().is_empty());
}

#[tokio::test]
async fn a12_without_pushing_only_heartbeats_tell_and_only_after_the_task() {
    let world = World::new();
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let (begun, mut attempts) = tokio::sync::mpsc::unbounded_channel();
    let seen = Arc::clone(&contexts);
    let script = worker(CancellationType::WaitCancellationCompleted);
    let host =
        world
            .host(&script)
            .push_cancel(false)
            .activity_json("Work", move |context, (): ()| {
                seen.lock().unwrap().push(context.clone());
                begun.send(()).unwrap();
                async move {
                    std::future::pending::<()>().await;
                    Ok(())
                }
            });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    attempts.recv().await.unwrap();
    let context = contexts.lock().unwrap()[0].clone();
    host.pause_workflow_tasks();
    run.cancel(by("op", "r")).await.unwrap();
    assert_eq!(context.heartbeat(vec![]), AttemptState::Active);
    host.resume_workflow_tasks();
    host.idle().await;
    assert_eq!(context.state(), AttemptState::Active);
    assert_eq!(
        context.heartbeat(vec![]),
        AttemptState::CancelRequested("r".into())
    );
    run.terminate("t", "op").await.unwrap();
    assert_eq!(context.heartbeat(vec![]), AttemptState::NotFound);
    contexts.lock().unwrap().clear();
}

#[tokio::test]
async fn a18_a_spinning_guest_is_terminated_and_its_neighbors_go_on() {
    let world = World::new();
    let spinner = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } => {
                let wait = if arguments.is_empty() {
                    3_600_000
                } else {
                    1000
                };
                calls.timer(wait);
            }
            GuestEvent::SignalReceived(_) => calls.spin(),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&spinner).build().await.unwrap();
    let run = start(&host).await;
    run.signal_named("go", vec![]).await.unwrap();
    let neighbor = host
        .start(StartOptions::new("main", "n").json("1"))
        .await
        .unwrap();
    neighbor.history_after(EventId(4)).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(json_result(&neighbor).await, "\"fired\"");
    run.terminate("t", "op").await.unwrap();
    assert_eq!(
        shape_of(&run).await,
        "WES,T,TS,SG,Ts,Tb,Tf(FORCE_CLOSE_COMMAND),WK"
    );
}

#[tokio::test]
async fn r16_a_request_that_races_the_close_wins() {
    let world = World::new();
    let gate = Gate::default();
    let closing = gate.clone();
    let script = script(move || {
        let gate = closing.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::SignalReceived(_) => {
                gate.pass();
                calls.complete("1");
            }
            GuestEvent::CancelRequested(_) => calls.complete("2"),
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    // It is answered before the task ends, by a commit of its own.
    run.signal_named("go", vec![]).await.unwrap();
    gate.wait_for(1);
    let canceling = run.clone();
    let cancel = tokio::spawn(async move { canceling.cancel(by("op", "r")).await.unwrap() });
    while run.describe().await.unwrap().cancel.is_none() {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert_eq!(cancel.await.unwrap().disposition, Disposition::Recorded);
    run.result().await.unwrap();
    let expected = "WES,T,SG,Ts,Tb,Tf(UNHANDLED_COMMAND),CR,T,WC";
    assert_eq!(shape_of(&run).await, expected);
}

#[tokio::test]
async fn r1_a_cancel_during_a_task_is_answered_when_it_is_stored_and_survives_a_crash() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let slow = move || {
        let gate = held.clone();
        script(move || {
            let gate = gate.clone();
            move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
                GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
                GuestEvent::SignalReceived(_) => {
                    gate.pass();
                    drop(calls.timer(7_200_000));
                }
                other => calls.end_with(other),
            }
        })
    };
    let host = world.host(&slow()).build().await.unwrap();
    let run = start(&host).await;
    run.signal_named("go", vec![]).await.unwrap();
    gate.wait_for(1);
    // The task is at the gate, and stays there: the request is answered all the same.
    let first = run.cancel(CancelOptions::reason("r1")).await.unwrap();
    assert_eq!(first.disposition, Disposition::Recorded);
    let second = run.cancel(CancelOptions::reason("r2")).await.unwrap();
    assert_eq!(second.disposition, Disposition::AlreadyRequested);
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,Ts");
    let copy = world.stored_copy();
    gate.open();
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,TS,CR,T,TC,TC,WX");
    host.shutdown().await.unwrap();

    std::fs::rename(&copy, &world.db).unwrap();
    let host = world.host(&slow()).build().await.unwrap();
    let run = host.run("w", None);
    run.result().await.unwrap();
    let shape = shape_of(&run).await;
    // It stands before or after the task that is run again: both have waited for the host.
    assert!(shape.starts_with("WES,T,TS,SG,T"), "{shape}");
    assert_eq!(shape.matches("CR").count(), 1, "{shape}");
    assert!(shape.ends_with(",WX"), "{shape}");
}

/// A client that asks again does not cancel the run that follows, if the code let the request go.
#[tokio::test]
async fn r39_a_repeated_cancel_is_the_same_one_after_the_run_continued_without_it() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::CancelRequested(_) => {
                let call = ContinueCall {
                    drop_cancel: true,
                    ..ContinueCall::default()
                };
                let outcome = Outcome::ContinueAsNew(Box::new(call));
                calls.command(Command::Complete { outcome });
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let first = start(&host).await.describe().await.unwrap().run_id;
    let asked = |request_id: &str| CancelOptions {
        request_id: Some(request_id.into()),
        ..by("op", "r1")
    };
    let current = host.run("w", None);
    current.cancel(asked("q")).await.unwrap();
    host.idle().await;
    let next = current.describe().await.unwrap();
    assert_ne!(next.run_id, first);
    let again = current.cancel(asked("q")).await.unwrap();
    assert_eq!(again.disposition, Disposition::Recorded);
    assert_eq!(again.run_id, first);
    host.idle().await;
    let next = current.describe().await.unwrap();
    assert!(next.cancel.is_none(), "{next:?}");
    // Another request is one for the run that there is.
    let other = current.cancel(asked("p")).await.unwrap();
    assert_eq!(other.run_id, next.run_id);
}
