//! What is committed together, what alone, and what happens when the store fails.

use super::support::*;
use sandglass::{Error, Host, RunHandle, StartError, StartOptions, engine::*};
use std::sync::Arc;

/// Ends at once.
fn quick() -> Arc<Script> {
    script(|| |_: &GuestEvent, calls: &mut Calls<'_>| calls.complete("1"))
}

async fn start_many(host: &Host, count: usize) -> Vec<tokio::task::JoinHandle<RunHandle>> {
    (0..count)
        .map(|n| {
            let host = host.clone();
            tokio::spawn(async move {
                host.start(StartOptions::new("main", format!("w{n}")))
                    .await
                    .unwrap()
            })
        })
        .collect()
}

#[tokio::test]
async fn an_input_and_its_task_are_one_frame() {
    let world = World::new();
    let host = world.host(&quick()).build().await.unwrap();
    let run = start(&host).await;
    assert_eq!(shape_of(&run).await, "WES,T,WC");
    let stats = host.stats();
    // Unless the machine was so slow that the task took longer than 2 ms.
    assert_eq!(stats.frames, 1 + stats.early_commits);
}

#[tokio::test]
async fn an_activity_costs_one_commit() {
    let world = World::new();
    let script = script(|| {
        let mut left = 5;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::ActivityResolved(..) if left == 1 => calls.complete("1"),
            _ => {
                left -= i32::from(matches!(event, GuestEvent::ActivityResolved(..)));
                calls.activity(ScopeId::ROOT, call("Work"));
            }
        }
    });
    let host = world.host(&script);
    let host = host.activity_json("Work", |_, (): ()| async { Ok(1) });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    assert_eq!(json_result(&run).await, "1");
    let stats = host.stats();
    // The start, and each of the five results with the task that follows it.
    assert_eq!(stats.frames, 6 + stats.early_commits);
    assert_eq!(stats.commits, stats.frames);
}

#[tokio::test]
async fn what_gathers_during_a_commit_is_committed_together() {
    let world = World::new();
    let faults = Faults::default();
    faults.push(Fault::Wait);
    let host = faults
        .host(world.host(&quick()), &world.db)
        .build()
        .await
        .unwrap();
    let first = start_many(&host, 1).await;
    tokio::task::yield_now().await;
    faults.gate().wait_for(1);
    let others: Vec<_> = (1..65)
        .map(|n| {
            let host = host.clone();
            tokio::spawn(async move {
                host.start(StartOptions::new("main", format!("x{n}")))
                    .await
                    .unwrap()
            })
        })
        .collect();
    // All of them run their tasks while the writer is at the first commit.
    while host.stats().tasks < 65 || host.stats().frames_waiting < 64 {
        tokio::task::yield_now().await;
    }
    faults.gate().open();
    for run in first.into_iter().chain(others) {
        run.await.unwrap().result().await.unwrap();
    }
    let commits = faults.sizes().len();
    assert!(
        commits <= 4,
        "65 runs in {commits} commits: {:?}",
        faults.sizes()
    );
}

#[tokio::test]
async fn inputs_of_a_long_task_are_committed_alone() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let slow = script(move || {
        let gate = held.clone();
        move |_: &GuestEvent, calls: &mut Calls<'_>| {
            gate.pass();
            calls.complete("1");
        }
    });
    let host = world.host(&slow).build().await.unwrap();
    // Answered although the task is still at the gate.
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,Ts");
    gate.open();
    assert_eq!(json_result(&run).await, "1");
    assert_eq!(shape_of(&run).await, "WES,T,WC");
    assert_eq!(host.stats().early_commits, 1);
    assert_eq!(host.stats().frames, 2);
}

#[tokio::test]
async fn a_start_that_cannot_be_stored_leaves_no_run() {
    let world = World::new();
    let faults = Faults::default();
    let host = faults
        .host(world.host(&quick()), &world.db)
        .build()
        .await
        .unwrap();
    faults.push(Fault::Commit);
    let error = host
        .start(StartOptions::new("main", "w"))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, StartError::Host(Error::Store(_))),
        "{error}"
    );
    host.idle().await;
    assert!(matches!(
        host.run("w", None).describe().await,
        Err(Error::NotFound { .. })
    ));
    let run = start(&host).await;
    assert_eq!(shape_of(&run).await, "WES,T,WC");
}

#[tokio::test]
async fn a_failed_write_fails_one_run_of_a_commit() {
    let world = World::new();
    let faults = Faults::default();
    faults.push(Fault::Wait);
    faults.push(Fault::FirstWrite);
    let host = faults
        .host(world.host(&quick()), &world.db)
        .build()
        .await
        .unwrap();
    let first = start_many(&host, 1).await;
    tokio::task::yield_now().await;
    faults.gate().wait_for(1);
    let mut others = Vec::new();
    for n in 0..3 {
        let host = host.clone();
        let options = StartOptions::new("main", format!("x{n}"));
        others.push(tokio::spawn(async move { host.start(options).await }));
    }
    while host.stats().tasks < 4 || host.stats().frames_waiting < 3 {
        tokio::task::yield_now().await;
    }
    faults.gate().open();
    for run in first {
        run.await.unwrap();
    }
    let mut refused = 0;
    for run in others {
        refused += usize::from(run.await.unwrap().is_err());
    }
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn after_a_failed_commit_the_run_goes_on_from_what_is_stored() {
    let world = World::new();
    let faults = Faults::default();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                calls.timer(5000);
                calls.activity(ScopeId::ROOT, call("Work"));
            }
            GuestEvent::TimerFired(..) => calls.complete("\"fired\""),
            _ => {}
        }
    });
    let host = faults.host(world.host(&script), &world.db);
    let (sender, mut attempts) = tokio::sync::mpsc::unbounded_channel();
    let host = host.activity_json("Work", move |context, (): ()| {
        sender.send(context.info().attempt).unwrap();
        async { Ok(1) }
    });
    host_after_failure(host.build().await.unwrap(), &world, &faults, &mut attempts).await;
}

async fn host_after_failure(
    host: Host,
    world: &World,
    faults: &Faults,
    attempts: &mut tokio::sync::mpsc::UnboundedReceiver<u32>,
) {
    // The result of the activity is lost on its way, and asked for again.
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    assert_eq!(attempts.recv().await, Some(1));
    // Until the task after the activity's end is completed.
    run.history_after(EventId(10)).await.unwrap();
    host.idle().await;
    let first = shape_of(&run).await;
    faults.push(Fault::Commit);
    assert!(run.signal_named("lost", vec![]).await.is_err());
    host.idle().await;
    assert_eq!(
        shape_of(&run).await,
        first,
        "nothing of what was refused is there"
    );
    assert!(
        run.describe()
            .await
            .unwrap()
            .trouble
            .unwrap()
            .contains("told to fail")
    );
    run.signal_named("kept", vec![]).await.unwrap();
    host.idle().await;
    assert!(run.describe().await.unwrap().trouble.is_none());
    // A timer that fires into a failing store fires again.
    world.advance(&host, 1000).await;
    faults.push(Fault::Commit);
    world.advance(&host, 4000).await;
    assert_eq!(shape_of(&run).await, format!("{first},SG,T"));
    world.advance(&host, 1000).await;
    assert_eq!(json_result(&run).await, "\"fired\"");
}

#[tokio::test]
async fn a_result_that_cannot_be_stored_is_kept_and_tried_less_and_less_often() {
    let world = World::new();
    let faults = Faults::default();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Work"))),
            other => calls.end_with(other),
        }
    });
    let host = faults.host(world.host(&script), &world.db);
    let gate = Gate::default();
    let held = gate.clone();
    let host = host.activity_json("Work", move |_, (): ()| {
        let gate = held.clone();
        async move {
            tokio::task::spawn_blocking(move || gate.pass())
                .await
                .unwrap();
            Ok(1)
        }
    });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    gate.wait_for(1);
    for _ in 0..3 {
        faults.push(Fault::Commit);
    }
    gate.open();
    while run.describe().await.unwrap().trouble.is_none() {
        tokio::task::yield_now().await;
    }
    host.idle().await;
    // After 1 s, 2 s and 4 s.
    let mut tried = Vec::new();
    for second in 1..=7 {
        let commits = faults.sizes().len();
        world.advance(&host, 1000).await;
        if faults.sizes().len() > commits {
            tried.push(second);
        }
    }
    assert_eq!(tried, [1, 3, 7]);
    assert_eq!(json_result(&run).await, "1");
    assert_eq!(host.stats().attempts, 1, "nothing is done twice");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");
}
