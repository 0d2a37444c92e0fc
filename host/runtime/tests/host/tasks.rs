//! Workflow tasks that fail, and moving runs between components.

use super::support::*;
use sandglass::{
    Error, RunHandle, StartOptions, UpgradeError, UpgradeOptions, UpgradeOutcome, engine::*,
    store::ListFilter,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Sleeps; when canceled, traps while it is broken, and then ends.
fn fragile(broken: &Arc<AtomicBool>) -> Arc<Script> {
    let broken = Arc::clone(broken);
    script(move || {
        let broken = Arc::clone(&broken);
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::CancelRequested(_) if broken.load(Ordering::Acquire) => calls.trap("bug"),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn a20_a_bug_in_the_handler_keeps_the_run_open_until_it_is_fixed() {
    let world = World::new();
    let broken = Arc::new(AtomicBool::new(true));
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    let run = start(&host).await;
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    let failed = "WES,T,TS,CR,Ts,Tb,Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE)";
    assert_eq!(shape_of(&run).await, failed);
    for attempt in 2..5 {
        let described = run.describe().await.unwrap();
        let undeliverable = described.cancel.unwrap().undeliverable;
        assert_eq!(undeliverable, (attempt > 3).then_some(attempt - 1));
        let task = described.task.unwrap();
        assert_eq!(task.attempt, attempt);
        assert_eq!(task.last_failure.unwrap().1.to_string(), "WasmTrap: bug");
        let wait = task.next_attempt_at.unwrap().since(host.now());
        assert_eq!(wait, Millis(1000 << (attempt - 2)));
        world.advance(&host, wait.0).await;
        assert_eq!(
            shape_of(&run).await,
            failed,
            "later attempts are not recorded"
        );
    }
    broken.store(false, Ordering::Release);
    world.advance(&host, 60_000).await;
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    assert_eq!(shape_of(&run).await, format!("{failed},T,TC,WX"));
}

/// Sleeps; while it is slow, each signal takes it four seconds.
fn slow(world: &World, slow: &Arc<AtomicBool>) -> Arc<Script> {
    let (clock, slow) = (Arc::clone(&world.clock), Arc::clone(slow));
    script(move || {
        let (clock, slow) = (Arc::clone(&clock), Arc::clone(&slow));
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) if slow.load(Ordering::Acquire) => {
                clock.advance(Duration::from_secs(4));
            }
            _ => {}
        }
    })
}

#[tokio::test]
async fn a_start_gives_no_workflow_task_more_time_than_the_longest_limit() {
    let world = World::new();
    let is_slow = Arc::new(AtomicBool::new(false));
    let limits = Limits {
        workflow_task_timeout_max: 20_000,
        ..Limits::default()
    };
    let host = world.host(&slow(&world, &is_slow));
    let host = host.limits(limits).build().await.unwrap();
    for (asked, given) in [(10, 10), (30, 20)] {
        let options = StartOptions {
            task_timeout: Some(Duration::from_secs(asked)),
            ..StartOptions::new("main", format!("w{asked}"))
        };
        let events = host.start(options).await.unwrap().history().await.unwrap();
        let EventAttributes::WorkflowExecutionStarted(start) = &events[0].attributes else {
            panic!("{events:?}");
        };
        assert_eq!(start.task_timeout, Some(Millis::from_secs(given)));
    }
}

#[tokio::test]
async fn a_workflow_task_that_takes_too_long_times_out_and_is_tried_again() {
    for limit in [None, Some(Duration::from_secs(30))] {
        let world = World::new();
        let is_slow = Arc::new(AtomicBool::new(true));
        let host = world.host(&slow(&world, &is_slow)).build().await.unwrap();
        let options = StartOptions {
            task_timeout: limit,
            ..StartOptions::new("main", "w")
        };
        let run = host.start(options).await.unwrap();
        host.idle().await;
        host.pause_workflow_tasks();
        for _ in 0..4 {
            run.signal_named("s", vec![]).await.unwrap();
        }
        host.resume_workflow_tasks();
        host.idle().await;
        let inputs = "WES,T,TS,SG,Ts,SG,SG,SG";
        if limit.is_some() {
            assert_eq!(shape_of(&run).await, format!("{inputs},Tb,Tc"));
            continue;
        }
        let timed_out = format!("{inputs},Tb,Tx");
        for attempt in 2..4 {
            // Of those that follow each other only the first is recorded (R38).
            assert_eq!(shape_of(&run).await, timed_out);
            let task = run.describe().await.unwrap().task.unwrap();
            let (cause, failure) = task.last_failure.unwrap();
            assert_eq!((task.attempt, cause), (attempt, TaskFailedCause::TimedOut));
            assert!(
                failure.to_string().contains("longer than 10000 ms"),
                "{failure}"
            );
            is_slow.store(attempt == 2, Ordering::Release);
            let wait = task.next_attempt_at.unwrap().since(host.now());
            world.advance(&host, wait.0).await;
        }
        assert_eq!(shape_of(&run).await, format!("{timed_out},T"));
    }
}

#[tokio::test]
async fn a_new_input_ends_the_streak_of_failures_and_is_tried_at_once() {
    let world = World::new();
    let broken = Arc::new(AtomicBool::new(true));
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    let run = start(&host).await;
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    world.advance(&host, 1000).await;
    run.signal_named("s", vec![]).await.unwrap();
    host.idle().await;
    let trap = "Ts,Tb,Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE)";
    assert_eq!(
        shape_of(&run).await,
        format!("WES,T,TS,CR,{trap},SG,{trap}")
    );
    assert_eq!(run.describe().await.unwrap().task.unwrap().attempt, 2);
}

#[tokio::test]
async fn the_attempts_of_a_failing_task_survive_a_restart() {
    let world = World::new();
    let broken = Arc::new(AtomicBool::new(true));
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    let run = start(&host).await;
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    world.advance(&host, 1000).await;
    assert_eq!(run.describe().await.unwrap().task.unwrap().attempt, 3);
    let before = shape_of(&run).await;
    drop(run);
    drop(host);
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    host.idle().await;
    let run = host.run("w", None);
    assert_eq!(run.describe().await.unwrap().task.unwrap().attempt, 4);
    assert_eq!(shape_of(&run).await, before);
}

async fn undeliverable(run: &RunHandle) -> Option<u32> {
    run.describe().await.unwrap().cancel.unwrap().undeliverable
}

#[tokio::test]
async fn r31_a_request_that_cannot_be_delivered_is_flagged_whatever_else_arrives() {
    let world = World::new();
    let broken = Arc::new(AtomicBool::new(true));
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    let run = start(&host).await;
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    // Each signal is tried at once, as the first attempt of a task.
    for failed in 1..5 {
        assert_eq!(undeliverable(&run).await, (failed >= 3).then_some(failed));
        assert_eq!(run.describe().await.unwrap().task.unwrap().attempt, 2);
        run.signal_named("s", vec![]).await.unwrap();
        host.idle().await;
    }
    // Attempts that are not recorded count, also for another host.
    world.advance(&host, 1000).await;
    assert_eq!(undeliverable(&run).await, Some(6));
    drop(run);
    drop(host);
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    host.idle().await;
    let run = host.run("w", None);
    assert_eq!(undeliverable(&run).await, Some(7));
    broken.store(false, Ordering::Release);
    world.advance(&host, 60_000).await;
    let described = run.describe().await.unwrap();
    let cancel = described.cancel.unwrap();
    assert_eq!(
        (cancel.undeliverable, cancel.state),
        (None, CancelState::Delivered)
    );
}

#[tokio::test]
async fn a_run_whose_tasks_keep_failing_reports_it_where_temporal_does() {
    let world = World::new();
    let broken = Arc::new(AtomicBool::new(true));
    let host = world.host(&fragile(&broken)).build().await.unwrap();
    let run = start(&host).await;
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    let reported = async || {
        let listed = host.list(&ListFilter::default(), 9, None).await.unwrap();
        let shown = run.describe().await.unwrap().search_attributes;
        assert_eq!(listed[0].1.search_attributes, shown);
        let problems = shown.get("TemporalReportedProblems")?;
        Some(SearchValue::from_payload(problems).unwrap())
    };
    for failed in 1..5 {
        assert_eq!(reported().await, None, "{failed}");
        world.advance(&host, 60_000).await;
    }
    let cause = "cause=WorkflowTaskFailedCauseWorkflowWorkerUnhandledFailure";
    let problems = vec!["category=WorkflowTaskFailed".into(), cause.into()];
    assert_eq!(reported().await, Some(SearchValue::KeywordList(problems)));
    broken.store(false, Ordering::Release);
    world.advance(&host, 60_000).await;
    assert_eq!(reported().await, None);
}

#[tokio::test]
async fn r31_a_request_to_a_run_without_its_component_is_flagged_at_once() {
    let world = World::new();
    let host = world.host(&after_signal(1, 1000)).build().await.unwrap();
    start(&host).await;
    drop(host);
    let host = world.host(&after_signal(9, 1000)).build().await.unwrap();
    let run = host.run("w", None);
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    assert_eq!(undeliverable(&run).await, Some(1));
    let listed = host.list(&ListFilter::default(), 9, None).await.unwrap();
    assert_eq!(listed[0].1.undeliverable, Some(1));
    host.add_component(after_signal(1, 1000));
    run.signal_named("go", vec![]).await.unwrap();
    assert_eq!(json_result(&run).await, "\"by 1\"");
    assert_eq!(undeliverable(&run).await, None);
}

/// Waits for a signal, then starts a timer of this length.
fn after_signal(number: u8, first: u64) -> Arc<Script> {
    script_named(number, move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(first)),
            GuestEvent::SignalReceived(_) => calls.complete(&format!("\"by {number}\"")),
            _ => {}
        }
    })
}

#[tokio::test]
async fn a_run_is_upgraded_after_a_trial_replay() {
    let world = World::new();
    let host = world.host(&after_signal(1, 1000)).build().await.unwrap();
    let run = start(&host).await;
    let (same, other) = (after_signal(2, 1000), after_signal(3, 2000));
    host.add_component(same.clone());
    host.add_component(other.clone());
    let error = host.upgrade(&run, Digest([3; 32]), true).await.unwrap_err();
    let UpgradeError::Replay { failure, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(failure.nondeterminism.unwrap().event_id, EventId(5));
    assert_eq!(run.describe().await.unwrap().digest, Digest([1; 32]));
    host.upgrade(&run, Digest([2; 32]), true).await.unwrap();
    assert_eq!(run.describe().await.unwrap().digest, Digest([2; 32]));
    run.signal_named("go", vec![]).await.unwrap();
    assert_eq!(json_result(&run).await, "\"by 2\"");
}

#[tokio::test]
async fn without_a_trial_a_difference_shows_as_a_failing_task() {
    let world = World::new();
    let host = world.host(&after_signal(1, 1000)).build().await.unwrap();
    let run = start(&host).await;
    host.add_component(after_signal(3, 2000));
    host.upgrade(&run, Digest([3; 32]), false).await.unwrap();
    run.signal_named("go", vec![]).await.unwrap();
    host.idle().await;
    let failed = "WES,T,TS,SG,Ts,Tb,Tf(NON_DETERMINISTIC_ERROR)";
    assert_eq!(shape_of(&run).await, failed);
    // Back to what it began with: it goes on at once.
    host.upgrade(&run, Digest([1; 32]), true).await.unwrap();
    assert_eq!(json_result(&run).await, "\"by 1\"");
    assert_eq!(shape_of(&run).await, format!("{failed},T,WC"));
}

#[tokio::test]
async fn r37_a_run_that_differs_is_tried_again_and_keeps_the_request_to_cancel() {
    let world = World::new();
    let host = world.host(&after_signal(1, 1000)).build().await.unwrap();
    let run = start(&host).await;
    host.add_component(after_signal(3, 2000));
    host.upgrade(&run, Digest([3; 32]), false).await.unwrap();
    run.signal_named("go", vec![]).await.unwrap();
    run.cancel(Default::default()).await.unwrap();
    host.idle().await;
    let mut attempt = 0;
    for wait in [1000, 2000, 4000] {
        world.advance(&host, wait).await;
        let described = run.describe().await.unwrap();
        assert_eq!(described.status, Status::Running);
        assert_eq!(described.cancel.unwrap().state, CancelState::Requested);
        let task = described.task.unwrap();
        assert!(task.attempt > attempt, "{task:?}");
        attempt = task.attempt;
        let (cause, _) = task.last_failure.unwrap();
        assert_eq!(cause, TaskFailedCause::NonDeterministicError);
    }
    assert!(attempt > 2, "{attempt}");
    host.upgrade(&run, Digest([1; 32]), true).await.unwrap();
    assert_eq!(json_result(&run).await, "\"by 1\"");
}

#[tokio::test]
async fn a_run_whose_component_is_missing_waits_for_it() {
    let world = World::new();
    let host = world.host(&after_signal(1, 1000)).build().await.unwrap();
    start(&host).await;
    drop(host);
    let host = world.host(&after_signal(9, 1000)).build().await.unwrap();
    let run = host.run("w", None);
    run.signal_named("go", vec![]).await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,Ts,Tb,Tf(BAD_BINARY)");
    world.advance(&host, 600_000).await;
    let (_, failure) = run
        .describe()
        .await
        .unwrap()
        .task
        .unwrap()
        .last_failure
        .unwrap();
    assert!(
        failure.message.contains("neither loaded nor in the store"),
        "{failure}"
    );
    host.add_component(after_signal(1, 1000));
    assert_eq!(json_result(&run).await, "\"by 1\"");
}

#[tokio::test]
async fn a_host_with_a_spinning_guest_can_stop_and_leaves_no_trace_of_it() {
    let world = World::new();
    let spinner = || script(|| |_: &GuestEvent, calls: &mut Calls<'_>| calls.spin());
    let host = world.host(&spinner()).build().await.unwrap();
    // Answered by the commit of the inputs alone: its first task never ends.
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,Ts");
    drop(run);
    drop(host);
    let host = world.host(&spinner()).build().await.unwrap();
    host.shutdown().await.unwrap();
    let quick = script(|| |_: &GuestEvent, calls: &mut Calls<'_>| calls.complete("1"));
    let host = world.host(&quick).build().await.unwrap();
    let run = host.run("w", None);
    assert_eq!(json_result(&run).await, "1");
    assert_eq!(shape_of(&run).await, "WES,T,WC");
}

#[tokio::test]
async fn a_panic_below_a_run_leaves_the_others_alone() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::SignalReceived(_) => panic!("told to"),
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                calls.timer(1000);
            }
            _ => calls.complete("1"),
        }
    });
    let host = world.host(&script).worker_threads(1).build().await.unwrap();
    let run = start(&host).await;
    // Its inputs may have been committed alone before the panic.
    let _either = run.signal_named("go", vec![]).await;
    while run.describe().await.unwrap().trouble.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(
        run.describe()
            .await
            .unwrap()
            .trouble
            .unwrap()
            .contains("told to")
    );
    let other = host
        .start(StartOptions::new("main", "other").json("1"))
        .await
        .unwrap();
    assert_eq!(json_result(&other).await, "1");
}

/// A run that computes for ever holds a thread of the pool only as long as nobody else wants it.
#[tokio::test]
async fn guests_that_spin_on_every_thread_keep_nobody_waiting() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => calls.spin(),
            GuestEvent::Initialize { .. } => drop(calls.timer(1)),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).worker_threads(2).build().await.unwrap();
    let mut spinning = Vec::new();
    for number in 0..8 {
        let options = StartOptions::new("main", format!("spins-{number}"));
        spinning.push(host.start(options).await.unwrap());
    }
    // These scripted guests end only when they are interrupted: none does by itself.
    let healthy_runs = async {
        for number in 0..100 {
            let options = StartOptions::new("main", format!("healthy-{number}")).json("0");
            let healthy = host.start(options).await.unwrap();
            while shape_of(&healthy).await != "WES,T,TS" {
                tokio::task::yield_now().await;
            }
            world.clock.advance(Duration::from_millis(1));
            healthy.result().await.unwrap();
        }
    };
    let patience = Duration::from_secs(60);
    let in_time = tokio::time::timeout(patience, healthy_runs).await;
    in_time.expect("they do not wait for those that spin");
    assert_eq!(host.stats().tasks_failed, 0, "all of them are still at it");
    let beside = host.stats().tasks_beside;
    assert!(
        beside >= 7,
        "one seat was free: only {beside} gave up theirs"
    );
    for run in spinning {
        run.terminate("enough", "op").await.unwrap();
    }
    while host.stats().tasks_beside > 0 {
        tokio::task::yield_now().await;
    }
}

/// Nor does anybody who ends a run by force wait until its guest has noticed, which may take long
/// on a thread beside the pool. What the guest says when it is through is not heard.
#[tokio::test]
async fn a_guest_that_does_not_notice_its_end_is_not_waited_for() {
    for first_task in [true, false] {
        let world = World::new();
        let gate = Gate::default();
        let deaf = gate.clone();
        let script = script(move || {
            let deaf = deaf.clone();
            move |event: &GuestEvent, calls: &mut Calls<'_>| {
                let computes = match event {
                    GuestEvent::Initialize { .. } => first_task,
                    event => matches!(event, GuestEvent::SignalReceived(_)),
                };
                if computes {
                    deaf.pass();
                    calls.complete("\"late\"");
                }
            }
        });
        let host = world.host(&script).worker_threads(1).build().await.unwrap();
        let run = host.start(StartOptions::new("main", "w")).await.unwrap();
        if !first_task {
            host.idle().await;
        }
        let signaled = {
            let run = run.clone();
            tokio::spawn(async move { run.signal_named("go", vec![]).await })
        };
        while !gate.has_come() {
            tokio::task::yield_now().await;
        }
        let patience = Duration::from_secs(60);
        let terminated = tokio::time::timeout(patience, run.terminate("enough", "op")).await;
        let ended = shape_of(&run).await;
        gate.open();
        terminated.expect("it does not wait for the guest").unwrap();
        signaled.await.unwrap().unwrap();
        assert!(ended.contains("Tb,Tf(FORCE_CLOSE_COMMAND),"), "{ended}");
        assert!(ended.ends_with(",WK"), "{ended}");
        host.idle().await;
        assert_eq!(shape_of(&run).await, ended);
        let status = run.describe().await.unwrap().status;
        assert!(matches!(status, Status::Terminated { .. }));
    }
}

#[tokio::test]
async fn open_runs_move_together_and_the_newest_component_takes_new_ones() {
    let world = World::new();
    let host = world.host(&after_signal(1, 1000)).build().await.unwrap();
    let run = start(&host).await;
    let ended = host
        .start(StartOptions::new("main", "ended"))
        .await
        .unwrap();
    ended.terminate("over", "op").await.unwrap();
    host.add_component(after_signal(3, 2000));
    let named = |ids: &[&str]| UpgradeOptions {
        workflow_ids: ids.iter().map(ToString::to_string).collect(),
        ..UpgradeOptions::default()
    };
    let new = host.start(StartOptions::new("main", "new")).await.unwrap();
    host.idle().await;
    assert_eq!(new.describe().await.unwrap().digest, Digest([3; 32]));

    let all = UpgradeOptions::default();
    let report = host
        .upgrade_runs(Digest([3; 32]), all.clone())
        .await
        .unwrap();
    let [first, second] = &report.runs[..] else {
        panic!("{report:#?}")
    };
    assert_eq!(first.outcome, UpgradeOutcome::Unchanged);
    let UpgradeOutcome::Cannot(why) = &second.outcome else {
        panic!("{second:#?}")
    };
    assert_eq!(why.event_id, Some(EventId(5)));
    assert_ne!(why.recorded, why.attempted);
    assert_eq!(run.describe().await.unwrap().digest, Digest([1; 32]));

    host.add_component(after_signal(2, 1000));
    let some = host.upgrade_runs(Digest([2; 32]), named(&["w", "ended", "none"]));
    let report = some.await.unwrap();
    let outcomes: Vec<_> = report.runs.iter().map(|run| &run.outcome).collect();
    let (closed, none) = (&UpgradeOutcome::Closed, &UpgradeOutcome::NotFound);
    assert_eq!(outcomes, [closed, none, &UpgradeOutcome::Moved]);
    run.signal_named("go", vec![]).await.unwrap();
    assert_eq!(json_result(&run).await, "\"by 2\"");
    let unknown = host.upgrade_runs(Digest([9; 32]), all).await;
    assert!(matches!(unknown, Err(Error::UnknownComponent(_))));
}
