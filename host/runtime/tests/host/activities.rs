//! Attempts of native activities: retries, limits on time, heartbeats, kills.

use super::support::*;
use sandglass::{AttemptState, ForceOptions, Limits, StartOptions, engine::*};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Runs `Work` with these options and ends with its result.
fn working(call: ActivityCall) -> Arc<Script> {
    script(move || {
        let call = call.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call.clone())),
            other => calls.end_with(other),
        }
    })
}

fn attempts(maximum_attempts: u32) -> ActivityCall {
    let retry = Some(RetryPolicy {
        maximum_attempts,
        ..RetryPolicy::default()
    });
    ActivityCall {
        retry,
        ..call("Work")
    }
}

fn started(events: &[HistoryEvent]) -> (u32, Option<String>) {
    let started = events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskStarted {
            attempt,
            last_failure,
            ..
        } => Some((*attempt, last_failure.as_ref().map(ToString::to_string))),
        _ => None,
    });
    started.unwrap()
}

/// Waits until the run's activity is between two attempts.
async fn backing_off(run: &sandglass::RunHandle, attempt: u32) -> Timestamp {
    loop {
        let described = run.describe().await.unwrap();
        if let Some(activity) = described.activities.first()
            && activity.attempt == attempt
            && activity.started_at.is_none()
        {
            return activity.next_attempt_at.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_failed_attempt_is_retried_with_backoff() {
    let world = World::new();
    let host =
        world
            .host(&working(attempts(0)))
            .activity_json("Work", |context, (): ()| async move {
                match context.info().attempt {
                    3 => Ok(context.info().idempotency_key.clone()),
                    attempt => Err(Failure::application("Flaky", format!("attempt {attempt}"))),
                }
            });
    let host = host.build().await.unwrap();
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    assert_eq!(backing_off(&run, 2).await.since(host.now()), Millis(1000));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(backing_off(&run, 3).await.since(host.now()), Millis(2000));
    world.clock.advance(Duration::from_secs(2));
    let key = format!("\"{}/5\"", run.run_id().unwrap());
    assert_eq!(json_result(&run).await, key);
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");
    let events = run.history().await.unwrap();
    assert_eq!(started(&events), (3, Some("Flaky: attempt 2".into())));
}

#[tokio::test]
async fn the_last_attempt_fails_the_activity() {
    let world = World::new();
    let host = world
        .host(&working(attempts(1)))
        .activity_json("Work", |_, (): ()| async {
            Err::<(), _>(Failure::application("Broken", "for good"))
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let Status::Failed { failure } = run.result().await.unwrap() else {
        panic!("not failed")
    };
    assert_eq!(
        failure.to_string(),
        "activity Work failed: Broken: for good"
    );
}

#[tokio::test]
async fn a_panic_is_a_failure_and_a_bad_argument_is_not_retried() {
    let world = World::new();
    let host = world
        .host(&working(attempts(1)))
        .activity_json("Work", |_, (): ()| async {
            if true {
                panic!("out of cheese");
            }
            Ok(())
        });
    let host = host.build().await.unwrap();
    let Status::Failed { failure } = start(&host).await.result().await.unwrap() else {
        panic!("not failed");
    };
    assert_eq!(
        failure.to_string(),
        "activity Work failed: Panic: out of cheese"
    );
    drop(host);
    let world = World::new();
    let host = world.host(&working(attempts(0)));
    let host = host
        .activity_json("Work", |_, _: u32| async { Ok(()) })
        .build()
        .await
        .unwrap();
    let Status::Failed { failure } = start(&host).await.result().await.unwrap() else {
        panic!("not failed");
    };
    assert!(failure.to_string().contains("BadArgument"), "{failure}");
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_told_and_its_result_refused() {
    let world = World::new();
    let options = ActivityCall {
        start_to_close: Some(Millis(5000)),
        ..attempts(1)
    };
    let (sender, mut seen) = mpsc::unbounded_channel();
    let host = world
        .host(&working(options))
        .activity_json("Work", move |context, (): ()| {
            let sender = sender.clone();
            async move {
                sender.send(AttemptState::Active).unwrap();
                sender.send(context.cancelled().await).unwrap();
                // What was told and what a heartbeat finds differ (S31, S32).
                sender.send(context.heartbeat(vec![])).unwrap();
                sender.send(context.state()).unwrap();
                Ok(())
            }
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    assert_eq!(seen.recv().await, Some(AttemptState::Active));
    world.advance(&host, 5000).await;
    assert_eq!(seen.recv().await, Some(AttemptState::TimedOut));
    assert_eq!(seen.recv().await, Some(AttemptState::NotFound));
    assert_eq!(seen.recv().await, Some(AttemptState::TimedOut));
    let Status::Failed { failure } = run.result().await.unwrap() else {
        panic!("not failed")
    };
    assert_eq!(
        failure.to_string(),
        "activity Work failed: StartToClose timeout"
    );
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,ATO,T,WF");
}

#[tokio::test]
async fn an_activity_that_nobody_serves_times_out_by_schedule_to_start() {
    let world = World::new();
    let options = ActivityCall {
        schedule_to_start: Some(Millis(5000)),
        ..call("Nobody")
    };
    let host = world.host(&working(options)).build().await.unwrap();
    let run = start(&host).await;
    assert_eq!(host.unserved()[0].activity_type, "Nobody");
    world.advance(&host, 5000).await;
    let Status::Failed { failure } = run.result().await.unwrap() else {
        panic!("not failed")
    };
    assert_eq!(
        failure.to_string(),
        "activity Nobody failed: ScheduleToStart timeout"
    );
    assert_eq!(shape_of(&run).await, "WES,T,AS,ATO,T,WF");
}

#[tokio::test]
async fn a27_details_of_a_lost_heartbeat_reach_the_next_attempt() {
    let world = World::new();
    let options = ActivityCall {
        heartbeat: Some(Millis(2000)),
        ..attempts(2)
    };
    let (sender, mut beaten) = mpsc::unbounded_channel();
    let host = world
        .host(&working(options))
        .activity("Work", move |context, _| {
            let sender = sender.clone();
            async move {
                if context.info().attempt == 1 {
                    context.heartbeat(vec![Payload::json("3")]);
                    sender.send(()).unwrap();
                    std::future::pending::<()>().await;
                }
                Ok(context.info().heartbeat_details[0].clone())
            }
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    beaten.recv().await.unwrap();
    world.advance(&host, 2000).await;
    let due = backing_off(&run, 2).await;
    world.clock.set(due);
    assert_eq!(json_result(&run).await, "3");
    let (attempt, failure) = started(&run.history().await.unwrap());
    assert_eq!(
        (attempt, failure.as_deref()),
        (2, Some("Heartbeat timeout"))
    );
}

#[tokio::test]
async fn heartbeats_keep_an_attempt_alive() {
    let world = World::new();
    let options = ActivityCall {
        heartbeat: Some(Millis(2000)),
        ..attempts(1)
    };
    let host = world
        .host(&working(options))
        .activity_json("Work", |context, (): ()| async move {
            for beat in 0..10 {
                context.heartbeat(vec![Payload::json(beat.to_string())]);
                context.sleep(Duration::from_millis(1500)).await.unwrap();
            }
            Ok("alive")
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    for beat in 0..10 {
        let details = vec![Payload::json(beat.to_string())];
        while run.describe().await.unwrap().activities[0].heartbeat_details != details {
            tokio::task::yield_now().await;
        }
        // It heartbeats first and sleeps then: the sleep must be there before the clock moves.
        while host.sleeping() == 0 {
            tokio::task::yield_now().await;
        }
        world.advance(&host, 1500).await;
    }
    assert_eq!(json_result(&run).await, "\"alive\"");
}

#[tokio::test]
async fn a_blocking_activity_is_left_behind_and_named() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let host = world
        .host(&working(attempts(1)))
        .activity_json("Work", move |_, (): ()| {
            let gate = held.clone();
            async move {
                gate.pass();
                Ok(())
            }
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    gate.wait_for(1);
    let kill = ForceOptions {
        kill: true,
        ..ForceOptions::default()
    };
    run.force(kill).await.unwrap();
    while host.stats().blocked_attempts == 0 {
        tokio::task::yield_now().await;
    }
    gate.open();
    while host.stats().stale_reports == 0 && host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(shape_of(&run).await, "WES,T,AS,FORCE,WX");
}

/// Attempts that begin together are polled by one task: one that blocks its thread in that poll
/// holds that thread and nothing else.
#[tokio::test]
async fn an_attempt_that_blocks_its_thread_holds_no_other() {
    // Which of them is polled first is a matter of luck.
    for _ in 0..10 {
        let world = World::new();
        let gate = Gate::default();
        let held = gate.clone();
        let script = script(|| {
            let mut quick = 0;
            move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
                GuestEvent::Initialize { .. } => {
                    for name in ["Quick", "Block", "Quick", "Quick", "Block", "Quick"] {
                        calls.activity(ScopeId::ROOT, call(name));
                    }
                }
                GuestEvent::ActivityResolved(..) => {
                    quick += 1;
                    if quick == 4 {
                        calls.complete("4");
                    }
                }
                _ => {}
            }
        });
        let host = world
            .host(&script)
            .activity_json("Quick", |_, (): ()| async { Ok(()) })
            .activity_json("Block", move |_, (): ()| {
                let gate = held.clone();
                async move {
                    gate.pass();
                    Ok(())
                }
            });
        let host = host.build().await.unwrap();
        let options = StartOptions::new("main", "w");
        let run = host.start(options).await.unwrap();
        let patience = Duration::from_secs(60);
        let result = tokio::time::timeout(patience, json_result(&run)).await;
        gate.open();
        assert_eq!(result.expect("the others are made"), "4");
    }
}

#[tokio::test]
async fn no_more_attempts_run_at_once_than_allowed() {
    let world = World::new();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let builder = world.host(&working(attempts(1))).concurrent_attempts(2);
    let host = builder.activity_json("Work", move |_, (): ()| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::AcqRel);
            Ok(1)
        }
    });
    let host = host.build().await.unwrap();
    let mut runs = Vec::new();
    for n in 0..20 {
        runs.push(
            host.start(StartOptions::new("main", format!("w{n}")))
                .await
                .unwrap(),
        );
    }
    for run in &runs {
        assert_eq!(json_result(run).await, "1");
    }
    assert!(most.load(Ordering::Acquire) <= 2);
}

#[tokio::test]
async fn a_worker_registered_late_gets_what_waited() {
    let world = World::new();
    let host = world.host(&working(call("Late"))).build().await.unwrap();
    let run = start(&host).await;
    assert_eq!(host.unserved().len(), 1);
    host.register_activity("Late", |_, _| async { Ok(Payload::json("\"served\"")) });
    assert_eq!(json_result(&run).await, "\"served\"");
    assert!(host.unserved().is_empty());
}

#[tokio::test]
async fn heartbeat_details_are_stored_once_a_second_at_most() {
    let world = World::new();
    let (sender, mut contexts) = mpsc::unbounded_channel();
    let host = world.host(&working(call("Work")));
    let host = host.activity_json("Work", move |context, (): ()| {
        sender.send(context.clone()).unwrap();
        async move {
            context.cancelled().await;
            Ok(())
        }
    });
    let host = host.build().await.unwrap();
    start(&host).await;
    let context = contexts.recv().await.unwrap();
    host.idle().await;
    let before = host.stats().commits;
    for second in 1..4 {
        for beat in 0..100 {
            context.heartbeat(vec![Payload::json(beat.to_string())]);
        }
        host.idle().await;
        assert_eq!(host.stats().commits, before + second - 1);
        world.advance(&host, 1000).await;
        assert_eq!(host.stats().commits, before + second);
    }
    // With nothing new there is nothing to store.
    world.advance(&host, 10_000).await;
    assert_eq!(host.stats().commits, before + 3);
}

#[tokio::test]
async fn a_panic_before_the_future_is_made_is_a_failure_too() {
    let world = World::new();
    let host = world
        .host(&working(attempts(1)))
        .activity("Work", |_, arguments: Vec<Payload>| {
            assert!(!arguments.is_empty(), "no arguments");
            async { Ok(Payload::null()) }
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_attempt_waits_for_a_clock_that_was_set_back() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let two = script(|| {
        let mut left = 2;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                calls.activity(ScopeId::ROOT, call("Hold"));
                calls.activity(ScopeId::ROOT, call("Work"));
            }
            _ => {
                left -= 1;
                if left == 0 {
                    calls.complete("1");
                }
            }
        }
    });
    let host = world.host(&two).concurrent_attempts(1);
    let host = host.activity_json("Work", |_, (): ()| async { Ok(1) });
    let host = host.activity_json("Hold", move |_, (): ()| {
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
    // `Work` waits for room; when there is some, its time has not come.
    let now = host.now();
    world.clock.set(Timestamp(now.0 - 10_000));
    gate.open();
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(host.stats().attempts, 1);
    world.clock.set(now);
    assert_eq!(json_result(&run).await, "1");
}

#[tokio::test]
async fn a_result_that_is_too_large_is_replaced_by_a_failure() {
    let world = World::new();
    let limits = Limits {
        payload_bytes: 1_000,
        ..Limits::default()
    };
    for (len, fits) in [(998, true), (999, false)] {
        let script = script(|| {
            |event: &GuestEvent, calls: &mut Calls<'_>| match event {
                GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Work"))),
                other => calls.end_with(other),
            }
        });
        let host = world.host(&script).limits(limits);
        let host = host.activity("Work", move |_, _| async move {
            let mut value = Payload::json(format!("\"{}\"", "x".repeat(len - 2)));
            value.metadata.clear();
            value.data.extend_from_slice(b"  ");
            Ok(value)
        });
        let host = host.build().await.unwrap();
        let options = StartOptions::new("main", format!("w{len}"));
        let run = host.start(options).await.unwrap();
        let status = run.result().await.unwrap();
        let events = shape_of(&run).await;
        if fits {
            assert!(matches!(status, Status::Completed { .. }), "{status:?}");
            assert_eq!(events, "WES,T,AS,AB,AC,T,WC");
            continue;
        }
        let Status::Failed { failure } = status else {
            panic!("it is too large: {status:?}");
        };
        let cause = failure.chain().last().unwrap();
        assert_eq!(cause.type_name(), "PayloadTooLarge");
        // Trying again would not help.
        assert_eq!(events, "WES,T,AS,AB,AF,T,WF");
    }
}
