//! Guests that loop, eat memory or ask for what they may not have: each gets its error, ends when it is
//! terminated, and harms nobody else.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::{Status, TaskFailedCause};
use sandglass_tests::{RunUnderTest, World, WorldBuilder, repository, sandglass};
use std::time::{Duration, Instant};

/// Starts a run and lets it do what it is there for.
async fn start(w: &World, workflow_type: &str) -> RunUnderTest {
    let run = w.start(workflow_type).await;
    run.until("WES,T").await;
    run.handle.signal_named("go", vec![]).await.unwrap();
    run
}

/// Waits for the first failed workflow task and returns its type and message.
async fn failed(run: &RunUnderTest) -> (String, String) {
    run.until("WES,T,SG,Ts,Tb,Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE)")
        .await;
    let described = run.handle.describe().await.unwrap();
    assert_eq!(described.status, Status::Running, "the run stays open");
    let (cause, failure) = described.task.unwrap().last_failure.unwrap();
    assert_eq!(cause, TaskFailedCause::WorkflowWorkerUnhandledFailure);
    (
        failure.type_name(),
        failure.to_string() + &failure.stack_trace,
    )
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

async fn world(budget: Duration) -> World {
    let w = WorldBuilder::default()
        .activation_budget(budget)
        .build()
        .await;
    w.load("hostile").await;
    w.load("concurrency").await;
    w
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_loop_is_stopped_and_named() {
    let w = world(Duration::from_millis(200)).await;
    let run = start(&w, "spin").await;
    let (kind, text) = failed(&run).await;
    assert_eq!(kind, "DeadlineExceeded");
    assert!(
        text.contains("spin"),
        "the backtrace names the function: {text}"
    );
    a_neighbor_is_unharmed(&w).await;
    terminated_within_a_second(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infinite_loop_is_terminated_while_it_runs() {
    let w = world(Duration::from_secs(60)).await;
    let run = start(&w, "spin").await;
    run.until("WES,T,SG,Ts").await;
    a_neighbor_is_unharmed(&w).await;
    terminated_within_a_second(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_is_stopped_and_named() {
    let w = world(Duration::from_secs(60)).await;
    let run = start(&w, "memory_bomb").await;
    let (kind, text) = failed(&run).await;
    assert_eq!(kind, "MemoryLimit", "{text}");
    a_neighbor_is_unharmed(&w).await;
    terminated_within_a_second(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_overflow_and_a_trap_are_named() {
    let w = world(Duration::from_secs(60)).await;
    for (workflow_type, expected) in [("stack_overflow", "StackOverflow"), ("trap", "WasmTrap")] {
        let run = start(&w, workflow_type).await;
        let (kind, text) = failed(&run).await;
        assert_eq!(kind, expected, "{text}");
        terminated_within_a_second(&run).await;
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
