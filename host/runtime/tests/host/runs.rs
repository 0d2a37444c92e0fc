//! Starting, timers, eviction, listing: the life of runs that nobody cancels.

use super::support::*;
use sandglass::{
    CancelOptions, Error, Host, RunDescription, StartError, StartOptions, engine::*,
    store::ListFilter,
};
use std::sync::Arc;

/// Sleeps an hour, then ends.
fn sleeper() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn a_timer_fires_when_the_clock_says_so() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    world.advance(&host, 3_599_999).await;
    assert_eq!(shape_of(&run).await, "WES,T,TS");
    world.advance(&host, 1).await;
    assert_eq!(json_result(&run).await, "\"fired\"");
    assert_eq!(shape_of(&run).await, "WES,T,TS,TF,T,WC");
}

#[tokio::test]
async fn a_clock_that_jumps_back_an_hour_delays_a_timer_and_forward_fires_it() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    let begun = host.now();
    world.clock.set(Timestamp(begun.0 - 3_600_000));
    world.advance(&host, 3_600_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,TS");
    world.advance(&host, 7_200_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,TF,T,WC");
}

#[tokio::test]
async fn many_timers_due_at_once_are_one_task_per_run() {
    const RUNS: usize = 20;
    const TIMERS: usize = 500;
    let counter = script(|| {
        let mut left = TIMERS;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                for n in 0..TIMERS {
                    calls.timer(1000 + n as u64);
                }
            }
            GuestEvent::TimerFired(..) => {
                left -= 1;
                if left == 0 {
                    calls.complete("\"all\"");
                }
            }
            _ => {}
        }
    });
    let world = World::new();
    let host = world.host(&counter).build().await.unwrap();
    let mut runs = Vec::new();
    for n in 0..RUNS {
        runs.push(
            host.start(StartOptions::new("main", format!("w{n}")))
                .await
                .unwrap(),
        );
    }
    host.idle().await;
    world.advance(&host, 3_600_000).await;
    for run in &runs {
        assert_eq!(json_result(run).await, "\"all\"");
        let fired: Vec<u64> = timers_fired(&run.history().await.unwrap());
        assert_eq!(fired.len(), TIMERS);
        assert!(fired.is_sorted(), "fired in the order of due times");
    }
    assert_eq!(host.stats().tasks, 2 * RUNS as u64);
}

fn timers_fired(events: &[HistoryEvent]) -> Vec<u64> {
    let fired = events.iter().filter_map(|event| match &event.attributes {
        EventAttributes::TimerFired {
            started_event_id, ..
        } => Some(started_event_id.0),
        _ => None,
    });
    fired.collect()
}

/// Runs three activities one after the other and adds up what they return.
fn adder() -> Arc<Script> {
    script(|| {
        let mut sum = 0;
        let mut left = 3;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("one"))),
            GuestEvent::ActivityResolved(_, Ok(result)) => {
                sum += String::from_utf8_lossy(&result.data)
                    .parse::<i64>()
                    .unwrap();
                left -= 1;
                if left == 0 {
                    calls.complete(&sum.to_string());
                } else {
                    calls.activity(ScopeId::ROOT, call("one"));
                }
            }
            other => calls.end_with(other),
        }
    })
}

async fn add(world: &World, cache: usize) -> (Host, String, String) {
    let builder = world.host(&adder()).instance_cache_bytes(cache);
    let builder = builder.activity_json("one", |_, (): ()| async { Ok(1) });
    let host = builder.build().await.unwrap();
    let run = start(&host).await;
    (host, json_result(&run).await, shape_of(&run).await)
}

#[tokio::test]
async fn a_run_evicted_after_every_task_goes_on_by_replay() {
    let (resident, result, events) = add(&World::new(), 1 << 20).await;
    assert_eq!(result, "3");
    assert_eq!(resident.stats().replays, 0);
    let (evicting, same_result, same_events) = add(&World::new(), 0).await;
    assert_eq!((same_result, same_events), (result, events));
    assert!(evicting.stats().replays >= 3, "{:?}", evicting.stats());
    assert!(evicting.stats().evictions >= 3, "{:?}", evicting.stats());
}

#[tokio::test]
async fn the_cache_keeps_no_more_than_its_bytes() {
    let world = World::new();
    let host = world
        .host(&sleeper())
        .instance_cache_bytes(5000)
        .build()
        .await
        .unwrap();
    for n in 0..20 {
        host.start(StartOptions::new("main", format!("w{n}")))
            .await
            .unwrap();
    }
    host.idle().await;
    // A guest says that it has 1,000 bytes.
    assert_eq!(host.stats().evictions, 15);
    world.advance(&host, 3_600_000).await;
    for n in 0..20 {
        assert_eq!(
            json_result(&host.run(format!("w{n}"), None)).await,
            "\"fired\""
        );
    }
}

#[tokio::test]
async fn a_workflow_id_has_one_open_run_and_a_request_one_run() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let options = StartOptions {
        request_id: Some("r".into()),
        ..StartOptions::new("main", "w")
    };
    let first = host.start(options.clone()).await.unwrap();
    let again = host.start(options.clone()).await.unwrap();
    assert_eq!(first.run_id(), again.run_id());
    let other = host.start(StartOptions::new("main", "w")).await;
    assert!(
        matches!(other, Err(StartError::AlreadyStarted { run_id, .. })
        if Some(run_id.as_str()) == first.run_id())
    );
    world.advance(&host, 3_600_000).await;
    let ended = host.start(options).await.unwrap();
    assert_eq!(first.run_id(), ended.run_id());
    let second = host.start(StartOptions::new("main", "w")).await.unwrap();
    assert_ne!(first.run_id(), second.run_id());
}

#[tokio::test]
async fn an_unknown_type_is_refused_and_the_known_ones_are_named() {
    let host = World::new();
    let host = host.host(&sleeper()).build().await.unwrap();
    let error = host
        .start(StartOptions::new("Main", "w"))
        .await
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "no workflow type \"Main\"; there are: main"
    );
}

#[tokio::test]
async fn arguments_that_are_too_large_are_refused() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let options = StartOptions::new("main", "w").json(vec![b'1'; 3 << 20]);
    let error = host.start(options).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "the arguments are 3145746 bytes, more than the limit of 2097152"
    );
}

#[tokio::test]
async fn runs_are_listed_and_followed() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    let seen = run.history_after(EventId(0)).await.unwrap();
    let last = seen.last().unwrap().event_id;
    let follower = run.clone();
    let newer = tokio::spawn(async move { follower.history_after(last).await.unwrap() });
    world.advance(&host, 3_600_000).await;
    assert_eq!(newer.await.unwrap()[0].event_id, EventId(last.0 + 1));
    let listed = host.list(&ListFilter::default(), 10, None).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(matches!(listed[0].1.status, Status::Completed { .. }));
    let described: RunDescription = run.describe().await.unwrap();
    assert_eq!(described.history_length, 10);
    assert!(described.timers.is_empty());
}

#[tokio::test]
async fn a_run_timeout_closes_the_run_without_its_code() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let options = StartOptions {
        run_timeout: Some(std::time::Duration::from_secs(60)),
        ..StartOptions::new("main", "w")
    };
    let run = host.start(options).await.unwrap();
    host.idle().await;
    world.advance(&host, 60_000).await;
    assert_eq!(run.result().await.unwrap(), Status::TimedOut);
    assert_eq!(shape_of(&run).await, "WES,T,TS,WTO");
    assert_eq!(host.stats().tasks, 1);
}

#[tokio::test]
async fn whoever_waits_hears_that_the_host_has_stopped() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    let second = host.clone();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.result().await }
    });
    host.shutdown().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(Error::ShutDown)));
    // An open run is not taken for a closed one.
    assert!(matches!(run.result().await, Err(Error::ShutDown)));
    assert!(matches!(
        run.cancel(CancelOptions::default()).await,
        Err(Error::ShutDown)
    ));
    assert!(matches!(second.shutdown().await, Err(Error::ShutDown)));
}

#[tokio::test]
async fn a_workflow_id_is_free_when_its_run_has_ended() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    for _ in 0..50 {
        let run = host.start(StartOptions::new("main", "w")).await.unwrap();
        run.terminate("t", "op").await.unwrap();
        let run = host.start(StartOptions::new("main", "w")).await.unwrap();
        let waiting = run.clone();
        let ended = tokio::spawn(async move { waiting.result().await });
        run.terminate("t", "op").await.unwrap();
        ended.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_repeated_signal_is_recorded_once() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    let signal = Signal {
        name: "s".into(),
        request_id: "r".into(),
        ..Signal::default()
    };
    run.signal(signal.clone()).await.unwrap();
    run.signal(signal).await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&run).await.matches("SG").count(), 1);
}

#[tokio::test]
async fn mail_that_nobody_will_read_is_answered_when_the_host_goes() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::SignalReceived(_) => calls.spin(),
            _ => drop(calls.timer(3_600_000)),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    // Answered by a commit of its own, while the workflow task goes on; what comes then waits.
    run.signal_named("go", vec![]).await.unwrap();
    let mut late = std::pin::pin!(run.signal_named("late", vec![]));
    tokio::select! {
        biased;
        answer = &mut late => panic!("answered: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    drop(host);
    assert!(matches!(late.await, Err(Error::ShutDown)));
}

#[tokio::test]
async fn an_attempt_that_blocks_keeps_nobody_waiting_for_a_host_that_has_gone() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Block"))),
            other => calls.end_with(other),
        }
    });
    let host = world
        .host(&script)
        .activity_json("Block", move |_, (): ()| {
            held.pass();
            async { Ok(1) }
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    gate.wait_for(1);
    let mut result = std::pin::pin!(run.result());
    tokio::select! {
        biased;
        status = &mut result => panic!("ended: {status:?}"),
        () = std::future::ready(()) => {}
    }
    drop(host);
    assert!(matches!(result.await, Err(Error::ShutDown)));
    gate.open();
}
