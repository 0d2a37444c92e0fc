//! Guests that loop, eat memory or ask for what they may not have: each gets its error, ends when it is
//! terminated, and harms nobody else.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "hostile/awaited.rs"]
mod awaited;

use sandglass::{
    Disposition, ForceOptions, Grants, Host, MessageError, QueryOptions, RunHandle, StartOptions,
    UpdateOptions,
};
use sandglass_engine::{EventAttributes, Failure, Payload, Status, TaskFailedCause};
use sandglass_tests::{
    RunUnderTest, World, WorldBuilder, compiled, component, repository, sandglass,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, MutexGuard};

/// The documented error of each type, and a function that its backtrace names.
const HOSTILE: [(&str, &str, &str); 7] = [
    ("memory_bomb", "MemoryLimit", "hoard"),
    ("stack_overflow", "StackOverflow", "deeper"),
    ("trap", "WasmTrap", "guest_hostile::trap"),
    ("trap_in_cancel_handler", "WasmTrap", "clean_up"),
    ("huge_payload", "CommandLimitExceeded", "pass_bytes"),
    ("huge_result", "CommandLimitExceeded", "runtime::begin"),
    ("billion_timers", "CommandLimitExceeded", "start_timers"),
];

/// Starts a run and lets it do what it is there for.
async fn start(w: &World, workflow_type: &str) -> RunUnderTest {
    let run = w.start(workflow_type).await;
    provoke(&run, workflow_type).await;
    run
}

async fn provoke(run: &RunUnderTest, workflow_type: &str) {
    if workflow_type == "trap_in_cancel_handler" {
        run.until("WES,T,TS").await;
        run.cancel().await;
    } else {
        run.until("WES,T").await;
        run.handle.signal_named("go", vec![]).await.unwrap();
    }
}

/// Waits for the first failed workflow task and returns its type and message with the backtrace.
async fn failed(run: &RunUnderTest) -> (String, String) {
    run.until_ends("Tb,Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE)")
        .await;
    let (cause, failure) = last_failure(run).await;
    assert_eq!(cause, TaskFailedCause::WorkflowWorkerUnhandledFailure);
    (
        failure.type_name(),
        failure.to_string() + &failure.stack_trace,
    )
}

async fn last_failure(run: &RunUnderTest) -> (TaskFailedCause, Failure) {
    let described = run.handle.describe().await.unwrap();
    assert_eq!(described.status, Status::Running, "the run stays open");
    described.task.unwrap().last_failure.unwrap()
}

async fn terminated_within_a_second(run: &RunUnderTest) {
    let begun = Instant::now();
    run.handle.terminate("hostile", "op").await.unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "terminate took {took:?}");
    assert!(run.history().await.ends_with(",WK"));
}

/// Another run of this host, from start to end.
async fn a_neighbor_is_unharmed(w: &World) {
    let neighbor = w.start("join_all_1000").await;
    assert_eq!(neighbor.result().await, "499500");
}

/// A test that measures a second has the machine to itself, as far as this file is concerned.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

async fn world(budget: Duration) -> World {
    let w = WorldBuilder::default()
        .activation_budget(budget)
        .worker_threads(2)
        .build()
        .await;
    w.load("hostile").await;
    w.load("concurrency").await;
    w
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_loop_is_stopped_and_named() {
    let _alone = alone().await;
    let w = world(Duration::from_millis(200)).await;
    let run = start(&w, "spin").await;
    let (kind, text) = failed(&run).await;
    assert_eq!(kind, "DeadlineExceeded");
    assert!(
        text.contains("guest_hostile::spin"),
        "the backtrace names the function: {text}"
    );
    a_neighbor_is_unharmed(&w).await;
    terminated_within_a_second(&run).await;
    // R28: whatever attempt was running, only the first of the streak is in the history.
    let history = run.history().await;
    let end = "Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE),WK";
    assert!(history.ends_with(end), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_request_to_a_guest_that_loops_is_flagged_with_the_cause() {
    let _alone = alone().await;
    let w = world(Duration::from_millis(100)).await;
    let run = start(&w, "spin").await;
    failed(&run).await;
    run.cancel().await;
    let described = async || run.handle.describe().await.unwrap();
    let patience = Instant::now();
    while described().await.cancel.unwrap().undeliverable.is_none() {
        assert!(patience.elapsed() < Duration::from_secs(60));
        w.advance(60_000);
        w.host.idle().await;
    }
    let (cause, failure) = last_failure(&run).await;
    assert_eq!(cause, TaskFailedCause::WorkflowWorkerUnhandledFailure);
    assert_eq!(failure.type_name(), "DeadlineExceeded");
    // The same is in the history, for good.
    let last = run.events().await.into_iter().rev();
    let recorded = last
        .map(|event| event.attributes)
        .find_map(|event| match event {
            EventAttributes::WorkflowTaskFailed { cause, failure, .. } => Some((cause, failure)),
            _ => None,
        });
    let (recorded, why) = recorded.unwrap();
    assert_eq!((recorded, why.type_name()), (cause, failure.type_name()));
    assert!(why.stack_trace.contains("guest_hostile::spin"), "{why:?}");
    terminated_within_a_second(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_computes_too_long_times_out_and_is_tried_again() {
    let _alone = alone().await;
    // One event may take longer than the whole task.
    let w = world(Duration::from_secs(300)).await;
    let limited = |options| StartOptions {
        task_timeout: Some(Duration::from_millis(300)),
        ..options
    };
    let run = w.start_with("spin", limited).await;
    provoke(&run, "spin").await;
    run.until_ends("SG,Ts,Tb,Tx").await;
    let (cause, failure) = last_failure(&run).await;
    assert_eq!(cause, TaskFailedCause::TimedOut);
    assert!(
        failure.stack_trace.contains("guest_hostile::spin"),
        "{failure:?}"
    );
    a_neighbor_is_unharmed(&w).await;
    terminated_within_a_second(&run).await;
}

/// How an attempt of a component may be ended from outside.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Terminate,
    Force,
    Kill,
}

/// Attempts of an activity component run in a host of their own, and their run is ended. Returns
/// that host and the ended run.
async fn ended(end: End, workflow_type: &str, folder: &Path) -> (Host, RunHandle) {
    let bytes = |name| component("tests/guests/hostile", name);
    let host = Host::builder()
        .store(folder.join("store.db"))
        .compile_cache(compiled())
        .activity_component(bytes("guest-hostile-activities.wasm"), Grants::default());
    let host = host.build().await.unwrap();
    let scenarios = component("tests/guests/scenarios", "guest-scenarios.wasm");
    host.load_component(scenarios).await.unwrap();
    let run = host.start(StartOptions::new(workflow_type, "w")).await;
    let run = run.unwrap();
    let begun = Instant::now();
    let is_at_it = |run: &sandglass::RunDescription| {
        let pending = run.activities.first();
        pending.is_some_and(|activity| activity.started_at.is_some())
    };
    while !is_at_it(&run.describe().await.unwrap()) {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    match end {
        End::Terminate => run.terminate("enough", "op").await.unwrap(),
        End::Force | End::Kill => {
            let options = ForceOptions {
                kill: end == End::Kill,
                ..ForceOptions::default()
            };
            run.force(options).await.unwrap();
        }
    }
    run.result().await.unwrap();
    (host, run)
}

/// Waits until no attempt runs on this host.
async fn nothing_runs(host: &Host) {
    let gone = async {
        while host.attempts_in_flight() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(30), gone).await;
    gone.expect("the attempt ends");
}

/// An attempt of a component that looks is told at once that its run is gone, however that was
/// ended, and without a heartbeat (R22).
#[tokio::test(flavor = "multi_thread")]
async fn r22_a_component_that_computes_is_told_that_its_run_has_ended() {
    let _alone = alone().await;
    // A kill would end also one that does not look (R29).
    for end in [End::Terminate, End::Force] {
        let folder = tempfile::tempdir().unwrap();
        let (host, run) = ended(end, "r23", folder.path()).await;
        nothing_runs(&host).await;
        let history = sandglass_engine::shorthand(&run.history().await.unwrap());
        let close = if end == End::Terminate {
            "WK"
        } else {
            "FORCE,WX"
        };
        // What it reported then changed nothing (S49).
        assert_eq!(history, format!("WES,T,AS,{close}"));
    }
}

/// One that looks at nothing runs on, until it is killed in the middle of its loop (R29).
#[tokio::test(flavor = "multi_thread")]
async fn r29_a_component_that_loops_runs_on_until_it_is_killed() {
    let _alone = alone().await;
    for end in [End::Terminate, End::Force] {
        let folder = tempfile::tempdir().unwrap();
        let (host, run) = ended(end, "a10", folder.path()).await;
        // Time for many ticks of the epoch, at which a kill would end it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(host.attempts_in_flight(), 1, "{end:?}");
        let options = ForceOptions {
            kill: true,
            ..ForceOptions::default()
        };
        let killed = run.force(options).await.unwrap();
        assert!(matches!(killed.disposition, Disposition::AlreadyClosed(_)));
        assert_eq!(killed.killed, 1, "{end:?}");
        nothing_runs(&host).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (host, _) = ended(End::Kill, "a10", folder.path()).await;
    nothing_runs(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_gives_its_documented_error_and_harms_nobody() {
    let _alone = alone().await;
    let w = world(Duration::from_secs(60)).await;
    for (workflow_type, expected, function) in HOSTILE {
        let run = start(&w, workflow_type).await;
        let (kind, text) = failed(&run).await;
        assert_eq!(kind, expected, "{text}");
        assert!(
            text.contains(function),
            "the backtrace of {workflow_type} names {function}: {text}"
        );
        a_neighbor_is_unharmed(&w).await;
        terminated_within_a_second(&run).await;
    }
}

/// Decisions of the scheduler, not seconds: healthy runs take hundreds of turns on a pool of two
/// threads while the same three activations loop on and on.
#[tokio::test(flavor = "multi_thread")]
async fn eight_at_once_on_two_threads_keep_nobody_waiting_and_end_when_told() {
    let _alone = alone().await;
    let w = world(Duration::from_secs(300)).await;
    let mut runs = Vec::new();
    for workflow_type in [
        "spin",
        "spin",
        "spin",
        "memory_bomb",
        "stack_overflow",
        "trap_in_cancel_handler",
        "huge_payload",
        "billion_timers",
    ] {
        let run = w.start(workflow_type).await;
        runs.push((workflow_type, run));
    }
    for (workflow_type, run) in &runs {
        provoke(run, workflow_type).await;
    }
    let before = w.host.stats().tasks;
    a_neighbor_is_unharmed(&w).await;
    for _ in 0..200 {
        let neighbor = w.start("mpsc_channel").await;
        assert_eq!(neighbor.result().await, "55");
    }
    assert!(w.host.stats().tasks - before > 200);
    for (_, run) in runs.iter().take(3) {
        let task = run.handle.describe().await.unwrap().task.unwrap();
        assert_eq!(task.attempt, 1, "it loops since it began");
    }
    for (workflow_type, run) in &runs {
        println!("{workflow_type}");
        terminated_within_a_second(run).await;
    }
}

/// What is used up, how much of it in each workflow task, how many tasks are within the limit, and
/// what the next one fails with. Each task needs two commands more: the wait for its signal ends,
/// and the next begins.
const LIMITS: [(&str, u64, usize, &str); 6] = [
    ("waits", 9_998, 10, "more than 100000 open scopes and waits"),
    (
        "waits",
        9_999,
        0,
        "more than 10000 commands in one workflow",
    ),
    (
        "scopes",
        9_000,
        11,
        "more than 100000 open scopes and waits",
    ),
    ("timers", 6_000, 1, "more than 10000 pending timers"),
    ("activities", 1_200, 1, "more than 2000 pending activities"),
    ("payload", 4 << 20, 0, "more than 4194304 bytes of payload"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_of_a_task_and_a_run_stops_a_real_guest() {
    let _alone = alone().await;
    let w = WorldBuilder::default().unserved().build().await;
    w.load("hostile").await;
    for (what, amount, within, expected) in LIMITS {
        let plan = |options: StartOptions| {
            let what = format!("\"{what}\"");
            options.json(what).json(amount.to_string())
        };
        let run = w.start_with("use_up", plan).await;
        run.until("WES,T").await;
        let mut tasks = 0;
        let failure = loop {
            run.handle.signal_named("go", vec![]).await.unwrap();
            w.host.idle().await;
            let task = run.handle.describe().await.unwrap().task;
            match task.and_then(|task| task.last_failure) {
                Some((_, failure)) => break failure,
                None => tasks += 1,
            }
        };
        let text = failure.to_string() + &failure.stack_trace;
        assert!(text.contains(expected), "{what} {amount}: {text}");
        assert!(text.contains("guest_hostile::"), "{text}");
        assert_eq!(tasks, within, "{what} {amount}");
        run.handle.terminate("used up", "op").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_from_a_client_or_an_activity_are_refused_with_a_reason() {
    let _alone = alone().await;
    let w = world(Duration::from_secs(60)).await;
    let huge = || vec![b'1'; 100_000_000];
    let options = StartOptions::new("log_flood", "huge").json(huge());
    let error = w.host.start(options).await.err().unwrap().to_string();
    assert!(error.contains("1000000"), "{error}");
    let run = w.start("spin").await;
    let signaled = run
        .handle
        .signal_named("other", vec![Payload::json(huge())]);
    let error = signaled.await.unwrap_err().to_string();
    assert!(error.contains("1000000"), "{error}");
    terminated_within_a_second(&run).await;
    for (activity_type, said) in [
        ("HugeResult", "the activity's result has"),
        ("HugeFailure", "the activity's failure has"),
    ] {
        let argument = format!("\"{activity_type}\"");
        let run = w
            .start_with("failure_of", |options| options.json(argument))
            .await;
        let failure = run.result().await;
        assert!(failure.contains(said), "{failure}");
        assert!(failure.contains("more than 2097152"), "{failure}");
        let stored = w.host.stats().frame_bytes;
        assert!(stored < 1 << 20, "{stored} bytes in the store");
    }
    a_neighbor_is_unharmed(&w).await;
}

#[tokio::test]
async fn a_forbidden_import_is_refused_at_load() {
    let w = World::new().await;
    let bytes = wat::parse_str(
        r#"(component
            (import "evil:clock/now" (instance))
            (instance $empty)
            (export "sandglass:workflow/guest@0.1.0" (instance $empty)))"#,
    )
    .unwrap();
    let error = w.host.load_component(bytes).await.unwrap_err().to_string();
    assert!(
        error.contains("evil:clock/now"),
        "it names the import: {error}"
    );
    assert!(
        error.contains("do what needs it in an activity"),
        "it says what to do instead: {error}"
    );
    w.load("concurrency").await;
    a_neighbor_is_unharmed(&w).await;
}

#[test]
fn a_forbidden_import_is_refused_when_it_is_built() {
    let built = sandglass()
        .current_dir(repository())
        .args(["build", "tests/guests/forbidden-import", "--out"])
        .arg(tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert_eq!(built.status.code(), Some(2), "{said}");
    assert!(
        said.contains("evil:clock/now"),
        "it names the import: {said}"
    );
    assert!(
        said.contains("do what needs it in an activity"),
        "it says what to do instead: {said}"
    );
}

#[tokio::test]
async fn what_is_no_component_is_refused_at_load() {
    let w = World::new().await;
    for (bytes, said) in [
        (b"".as_slice(), "component"),
        (b"#!/bin/sh\n", "component"),
        (b"\0asm\x01\0\0\0", "core module"),
    ] {
        let error = w
            .host
            .load_component(bytes.to_vec())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn whoever_is_asked_and_does_what_he_must_not_harms_nobody() {
    let settings = WorldBuilder::default().activation_budget(Duration::from_millis(300));
    let w = settings.build().await;
    w.load("hostile").await;
    let run = w.start("asked").await;
    run.until("WES,T").await;
    for (name, told) in [
        (
            "start_timer",
            "`timers.start-timer` must not be called in a query",
        ),
        (
            "open_scope",
            "`cancellation.open-scope` must not be called in a query",
        ),
        (
            "random",
            "`info.random-bytes` must not be called in a query",
        ),
        ("patch", "`info.patched` must not be called in a query"),
        (
            "memo",
            "`attributes.upsert-memo` must not be called in a query",
        ),
        (
            "complete",
            "`execution.complete` must not be called in a query",
        ),
        ("spin", "one event took longer than 300 ms"),
        ("trap", "on purpose"),
    ] {
        let error = run.handle.query(QueryOptions::new(name)).await.unwrap_err();
        assert!(matches!(error, MessageError::Trapped(_)), "{name}: {error}");
        assert!(error.to_string().contains(told), "{name}: {error}");
        let fine = run.handle.query(QueryOptions::new("fine")).await.unwrap();
        assert_eq!(fine.data, b"\"fine\"", "after {name}");
    }
    for (name, told) in [
        (
            "start_timer",
            "`timers.start-timer` must not be called in a query",
        ),
        ("spin", "one event took longer than 300 ms"),
    ] {
        let error = run
            .handle
            .update(UpdateOptions::new(name))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(told), "{name}: {error}");
    }
    run.until("WES,T").await;
    let fine = run.handle.update(UpdateOptions::new("fine").id("u")).await;
    assert_eq!(fine.unwrap().outcome.unwrap().unwrap().data, b"\"fine\"");
    run.handle.signal_named("go", vec![]).await.unwrap();
    run.closed().await;
    run.until("WES,T,T,UA,UC,SG,T,WC").await;
    w.replay_all().await;
}

#[tokio::test]
async fn a_query_ends_with_its_deadline() {
    let w = World::new().await;
    w.load("hostile").await;
    let run = w.start("asked").await;
    run.until("WES,T").await;
    let options = QueryOptions {
        timeout: Some(Duration::from_millis(200)),
        ..QueryOptions::new("spin")
    };
    let error = run.handle.query(options).await.unwrap_err();
    assert!(
        matches!(error, MessageError::DeadlineExceeded(200)),
        "{error}"
    );
    let fine = run.handle.query(QueryOptions::new("fine")).await.unwrap();
    assert_eq!(fine.data, b"\"fine\"");
}

#[tokio::test]
async fn a_run_whose_workflow_tasks_fail_cannot_be_asked() {
    let w = World::new().await;
    w.load("hostile").await;
    let run = start(&w, "trap").await;
    failed(&run).await;
    for error in [
        run.handle
            .query(QueryOptions::new("fine"))
            .await
            .unwrap_err(),
        run.handle
            .update(UpdateOptions::new("fine"))
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, MessageError::Failing { .. }), "{error}");
        assert!(error.to_string().contains("on purpose"), "{error}");
    }
    run.handle.terminate("hostile", "op").await.unwrap();
}
