//! What a host finds after the one before it has ended, in order or not.

use super::support::*;
use sandglass::{CancelOptions, Host, HostBuilder, StartOptions, engine::*};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

fn working() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Work"))),
            other => calls.end_with(other),
        }
    })
}

/// An activity that heartbeats and hangs, and says with which attempt, key and details it began.
type Begun = (u32, String, Vec<Payload>);

fn hanging(builder: HostBuilder) -> (HostBuilder, mpsc::UnboundedReceiver<Begun>) {
    let (sender, begun) = mpsc::unbounded_channel();
    let builder = builder.activity_json("Work", move |context, (): ()| {
        let sender = sender.clone();
        async move {
            context.heartbeat(vec![Payload::json("42")]);
            let info = context.info();
            let details = info.heartbeat_details.clone();
            sender
                .send((info.attempt, info.idempotency_key.clone(), details))
                .unwrap();
            context.cancelled().await;
            std::future::pending::<()>().await;
            Ok(())
        }
    });
    (builder, begun)
}

async fn crash(world: &World) -> Begun {
    let (builder, mut begun) = hanging(world.host(&working()));
    let host = builder.build().await.unwrap();
    let begun = begun.recv().await.unwrap();
    host.idle().await;
    drop(host);
    begun
}

#[tokio::test]
async fn an_attempt_that_died_with_its_host_is_made_again_and_uses_up_none() {
    let world = World::new();
    let (builder, mut begun) = hanging(world.host(&working()));
    let host = builder.build().await.unwrap();
    let run = start(&host).await;
    let (attempt, key, details) = begun.recv().await.unwrap();
    assert_eq!((attempt, details), (1, vec![]));
    assert_eq!(key, format!("{}/5", run.run_id().unwrap()));
    drop(run);
    host.shutdown().await.unwrap();
    for _ in 0..4 {
        let (builder, mut begun) = hanging(world.host(&working()));
        let host = builder.build().await.unwrap();
        let again = begun.recv().await.unwrap();
        assert_eq!(again, (1, key.clone(), vec![Payload::json("42")]));
        host.shutdown().await.unwrap();
    }
    let builder = world.host(&working());
    let host = builder
        .activity_json("Work", |_, (): ()| async { Ok(1) })
        .build()
        .await
        .unwrap();
    let run = host.run("w", None);
    assert_eq!(json_result(&run).await, "1");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");
}

#[tokio::test]
async fn the_third_crash_with_an_attempt_in_flight_counts_as_its_failure() {
    let world = World::new();
    let (builder, mut begun) = hanging(world.host(&working()));
    let host = builder.build().await.unwrap();
    start(&host).await;
    begun.recv().await.unwrap();
    drop(host);
    assert_eq!(crash(&world).await.0, 1);
    assert_eq!(crash(&world).await.0, 1);
    let (builder, mut begun) = hanging(world.host(&working()));
    let host = builder.build().await.unwrap();
    let activity = host
        .run("w", None)
        .describe()
        .await
        .unwrap()
        .activities
        .remove(0);
    assert_eq!(activity.attempt, 2);
    assert!(
        activity
            .last_failure
            .unwrap()
            .to_string()
            .starts_with("HostLost: ")
    );
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(begun.recv().await.unwrap().0, 2);
}

#[tokio::test]
async fn timers_are_taken_up_and_those_that_passed_meanwhile_fire() {
    let sleeper = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(60_000)),
            other => calls.end_with(other),
        }
    });
    let world = World::new();
    let host = world.host(&sleeper).build().await.unwrap();
    for n in 0..100 {
        host.start(StartOptions::new("main", format!("w{n}")))
            .await
            .unwrap();
    }
    host.idle().await;
    drop(host);
    world.clock.advance(Duration::from_secs(59));
    let host = world.host(&sleeper).build().await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&host.run("w7", None)).await, "WES,T,TS");
    drop(host);
    world.clock.advance(Duration::from_secs(3600));
    let host = world.host(&sleeper).build().await.unwrap();
    for n in 0..100 {
        let run = host.run(format!("w{n}"), None);
        assert_eq!(json_result(&run).await, "\"fired\"");
        assert_eq!(shape_of(&run).await, "WES,T,TS,TF,T,WC");
    }
}

#[tokio::test]
async fn a_pending_workflow_task_is_run_by_the_next_host() {
    let world = World::new();
    let host = world.host(&working()).build().await.unwrap();
    host.pause_workflow_tasks();
    start(&host).await;
    drop(host);
    let builder = world.host(&working());
    let host = builder
        .activity_json("Work", |_, (): ()| async { Ok(1) })
        .build()
        .await
        .unwrap();
    assert_eq!(json_result(&host.run("w", None)).await, "1");
}

#[tokio::test]
async fn a_damaged_run_leaves_the_others_alone() {
    let world = World::new();
    let host = world.host(&working()).build().await.unwrap();
    host.start(StartOptions::new("main", "good")).await.unwrap();
    host.start(StartOptions::new("main", "bad")).await.unwrap();
    host.idle().await;
    host.shutdown().await.unwrap();
    damage(&world, "bad");
    let builder = world.host(&working());
    let host: Host = builder
        .activity_json("Work", |_, (): ()| async { Ok(1) })
        .build()
        .await
        .unwrap();
    assert_eq!(json_result(&host.run("good", None)).await, "1");
    let bad = host.run("bad", None);
    let error = bad.history().await.unwrap_err().to_string();
    let file = world.db.display();
    let wanted = format!("{file}: frame 1 of run 2 is corrupt: checksum mismatch");
    assert!(error.contains(&wanted), "{error}");
    let error = bad.signal_named("s", vec![]).await.unwrap_err().to_string();
    assert!(error.contains("other runs are not affected"), "{error}");
}

/// Flips the last byte of a run's first frame.
fn damage(world: &World, workflow_id: &str) {
    let connection = rusqlite::Connection::open(&world.db).unwrap();
    let sql = "UPDATE frame SET body = CAST(substr(body, 1, length(body) - 1) || x'ff' AS BLOB) \
               WHERE run = (SELECT key FROM run WHERE workflow_id = ?1) AND seq = 1";
    assert_eq!(connection.execute(sql, [workflow_id]).unwrap(), 1);
}

/// What a host had begun is never taken for something that was never begun (R18): a cancellation
/// that waits for its workflow task at the crash waits for the attempts that are made again.
#[tokio::test]
async fn an_activity_in_flight_at_a_crash_counts_as_started_for_a_cancellation() {
    const ACTIVITIES: usize = 200;
    let world = World::new();
    let script = script(|| {
        let mut open = ACTIVITIES;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                for _ in 0..ACTIVITIES {
                    calls.activity(ScopeId::ROOT, call("Work"));
                }
            }
            GuestEvent::ActivityResolved(..) => {
                open -= 1;
                if open == 0 {
                    calls.end_with(event);
                }
            }
            _ => {}
        }
    });
    let serve = |builder: HostBuilder| {
        builder.activity_json("Work", |context, (): ()| async move {
            context.cancelled().await;
            Err::<(), _>(context.canceled(vec![]))
        })
    };
    let host = serve(world.host(&script)).build().await.unwrap();
    let run = start(&host).await;
    while host.attempts_in_flight() < ACTIVITIES {
        tokio::task::yield_now().await;
    }
    host.pause_workflow_tasks();
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    drop((run, host));
    let host = serve(world.host(&script)).build().await.unwrap();
    let run = host.run("w", None);
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    let started = run.history().await.unwrap().into_iter().filter(|event| {
        matches!(
            event.attributes,
            EventAttributes::ActivityTaskStarted { .. }
        )
    });
    assert_eq!(started.count(), ACTIVITIES, "each was begun and has ended");
}
