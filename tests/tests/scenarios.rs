//! The acceptance scenarios of the semantics, through the embedding API, with guests compiled to
//! wasm: one function per scenario, run with cached instances, with eviction after every task, and
//! with another host after every commit. `scripts/release.sh` runs the same in the release build.
//!
//! Each compares the whole event sequence.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "scenarios/activities.rs"]
mod activities;
#[path = "scenarios/blocking.rs"]
mod blocking;
#[path = "scenarios/chains.rs"]
mod chains;
#[path = "scenarios/components.rs"]
mod components;
#[path = "scenarios/force.rs"]
mod force;
#[path = "scenarios/go.rs"]
mod go;
#[path = "scenarios/languages.rs"]
mod languages;
#[path = "scenarios/local.rs"]
mod local;
#[path = "scenarios/messages.rs"]
mod messages;
#[path = "scenarios/operators.rs"]
mod operators;
#[path = "scenarios/python.rs"]
mod python;
#[path = "scenarios/relatives.rs"]
mod relatives;
#[path = "scenarios/typed.rs"]
mod typed;

use sandglass::Disposition;
use sandglass_engine::{CancelState, EventAttributes, EventId, HistoryEvent, Signal, Status};
use sandglass_semantics::scenario;
use sandglass_tests::{OnCancel, World, WorldBuilder};
use std::time::{Duration, Instant};

const HOUR_MS: u64 = 3_600_000;

/// Runs a scenario with cached instances, then with every task beginning with a replay, then with
/// every host ending after one commit.
///
/// Afterwards every history is replayed from its first event to its last.
async fn each_way(settings: WorldBuilder, guest: &str, scenario: impl AsyncFn(&World)) {
    for settings in [
        settings.clone(),
        settings.clone().evict(),
        settings.restart_after_each_commit(),
    ] {
        let world = settings.build().await;
        world.load(guest).await;
        scenario(&world).await;
        world.replay_all().await;
        let lives = world.host.lives();
        assert_eq!(lives > 1, world.host.restarts(), "{lives} hosts");
    }
}

async fn plain(scenario: impl AsyncFn(&World)) {
    each_way(WorldBuilder::default(), "scenarios", scenario).await;
}

/// What a guest logs is there once. A workflow task that was run and not committed, because its
/// host ended, is run again and logs again.
fn assert_logged_once(w: &World, log: &str, line: &str) {
    let times = log.matches(line).count();
    let right = if w.host.restarts() {
        times >= 1
    } else {
        times == 1
    };
    assert!(right, "{times} times {line} in {log}");
}

/// The ids that the events of some types refer to: what a cancel command cancels.
fn canceled(events: &[HistoryEvent]) -> Vec<EventId> {
    let targets = events.iter().filter_map(|event| match event.attributes {
        EventAttributes::ActivityTaskCancelRequested {
            scheduled_event_id: id,
            ..
        }
        | EventAttributes::TimerCanceled {
            started_event_id: id,
            ..
        } => Some(id),
        _ => None,
    });
    targets.collect()
}

/// What was scheduled or started, in order.
fn begun(events: &[HistoryEvent]) -> Vec<EventId> {
    let operations = events.iter().filter(|event| {
        matches!(
            event.attributes.event_type(),
            "ActivityTaskScheduled" | "TimerStarted"
        )
    });
    operations.map(|event| event.event_id).collect()
}

#[tokio::test]
async fn a01_timer_uncaught() {
    plain(a01).await;
}

pub(crate) async fn a01(w: &World) {
    let run = w.start("a01").await;
    run.until("WES,T,TS").await;
    assert_eq!(run.cancel().await.disposition, Disposition::Recorded);
    run.until(scenario("A01")).await;
    assert_eq!(run.closed().await, Status::Canceled { details: vec![] });
    let EventAttributes::WorkflowExecutionCancelRequested(request) =
        run.attributes("WorkflowExecutionCancelRequested").await
    else {
        panic!("not a request");
    };
    assert_eq!((&*request.reason, &*request.identity), ("r1", "op"));
    let started = run.event_id("TimerStarted").await;
    let EventAttributes::TimerCanceled {
        started_event_id, ..
    } = run.attributes("TimerCanceled").await
    else {
        panic!("not a timer");
    };
    assert_eq!(started_event_id, started);
}

#[tokio::test]
async fn a02_before_the_first_workflow_task() {
    for (workflow_type, expected) in [("a01", scenario("A02a")), ("a02_caught", scenario("A02b"))] {
        plain(async |w| {
            w.host.pause_workflow_tasks();
            let run = w.start(workflow_type).await;
            run.until("WES,Ts").await;
            let asked = Instant::now();
            run.cancel().await;
            // Answered though nobody has handled it (S14).
            let took = asked.elapsed();
            assert!(
                w.host.restarts() || took < Duration::from_secs(1),
                "{took:?}"
            );
            run.until("WES,Ts,CR").await;
            let described = run.handle.describe().await.unwrap();
            assert_eq!(described.status, Status::Running);
            w.host.resume_workflow_tasks();
            run.until(expected).await;
            if workflow_type == "a02_caught" {
                assert_eq!(run.result().await, "5");
            } else {
                // It is entered before it is canceled.
                assert_logged_once(w, &run.log().concat(), "main was entered");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a03_double_cancel() {
    plain(a03).await;
}

pub(crate) async fn a03(w: &World) {
    let run = w.start("a01").await;
    run.until("WES,T,TS").await;
    w.host.pause_workflow_tasks();
    assert_eq!(run.cancel().await.disposition, Disposition::Recorded);
    let again = run.cancel_as("r2", "somebody else").await;
    assert_eq!(
        (again.disposition, again.repeats),
        (Disposition::AlreadyRequested, 1)
    );
    w.host.resume_workflow_tasks();
    run.until(scenario("A03")).await;
    let EventAttributes::WorkflowExecutionCancelRequested(request) =
        run.attributes("WorkflowExecutionCancelRequested").await
    else {
        panic!("not a request");
    };
    assert_eq!((&*request.reason, &*request.identity), ("r1", "op"));
    let closed = run.cancel().await.disposition;
    assert_eq!(
        closed,
        Disposition::AlreadyClosed(Status::Canceled { details: vec![] })
    );
}

#[tokio::test]
async fn a04_ignored() {
    plain(a04).await;
}

pub(crate) async fn a04(w: &World) {
    let run = w.start("a04").await;
    run.until("WES,T,TS").await;
    w.advance(500);
    run.cancel().await;
    run.until("WES,T,TS,CR,T").await;
    w.advance(1500);
    run.until(scenario("A04a")).await;
    assert_eq!(run.result().await, "\"ok\"");

    let run = w.start("a04_then_sleep").await;
    run.until("WES,T,TS").await;
    w.advance(500);
    run.cancel().await;
    run.until("WES,T,TS,CR,T").await;
    w.advance(1500);
    run.until(scenario("A04b")).await;
}

#[tokio::test]
async fn a05_cleanup_then_rethrow_and_a06_cleanup_then_success() {
    plain(async |w| a05_or_a06(w, "a05", scenario("A05")).await).await;
    plain(async |w| a05_or_a06(w, "a06", scenario("A06")).await).await;
}

pub(crate) async fn a05_or_a06(w: &World, workflow_type: &str, expected: &str) {
    let run = w.start(workflow_type).await;
    run.until("WES,T,TS").await;
    run.cancel().await;
    run.until(expected).await;
    let EventAttributes::ActivityTaskScheduled { call, .. } =
        run.attributes("ActivityTaskScheduled").await
    else {
        panic!("not an activity");
    };
    assert_eq!(call.activity_type, "Cleanup");
    if workflow_type == "a06" {
        assert_eq!(run.result().await, "\"cleaned\"");
    }
}

#[tokio::test]
async fn a07_ordering() {
    plain(async |w| a07(w, 50).await).await;
}

pub(crate) async fn a07(w: &World, rounds: usize) {
    for round in 1..=rounds {
        let run = w.start("a07").await;
        run.until("WES,T,AS,TS,AS,TS").await;
        w.probe.started("Work", 2 * round).await;
        run.cancel().await;
        run.until(scenario("A07")).await;
        let events = run.events().await;
        assert_eq!(
            canceled(&events),
            begun(&events),
            "in the order of their start"
        );
    }
}

#[tokio::test]
async fn a17_cancel_then_terminate() {
    plain(async |w| {
        let run = w.start("a17").await;
        run.until("WES,T,TS").await;
        run.cancel().await;
        run.until("WES,T,TS,CR,T,TC,TS").await;
        run.handle.terminate("t", "op").await.unwrap();
        run.until(scenario("A17")).await;
        w.advance(2 * HOUR_MS);
        w.host.idle().await;
        run.until(scenario("A17")).await;
        let status = Status::Terminated {
            reason: "t".into(),
            identity: "op".into(),
        };
        assert_eq!(run.closed().await, status);
        let again = run
            .handle
            .terminate("t", "op")
            .await
            .unwrap_err()
            .to_string();
        assert!(again.contains("already ended"), "{again}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_terminate_a_spinning_guest() {
    let settings = WorldBuilder::default().activation_budget(Duration::from_secs(30));
    each_way(settings, "scenarios", async |w| {
        w.load("concurrency").await;
        let run = w.start("a18").await;
        run.until("WES,T").await;
        let go = Signal {
            name: "go".into(),
            ..Signal::default()
        };
        let signaled = run.handle.signal(go).await;
        signaled.unwrap();
        run.until("WES,T,SG,Ts").await;
        // The neighbors keep completing while it spins.
        let neighbor = w.start("join_all_1000").await;
        assert_eq!(neighbor.result().await, "499500");
        let spun = run.log().len();
        w.host.renew().await;
        while w.host.restarts() && run.log().len() == spun {
            tokio::task::yield_now().await;
        }
        let begun = std::time::Instant::now();
        run.handle.terminate("t", "op").await.unwrap();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "terminate took {took:?}");
        run.until(scenario("A18")).await;
    })
    .await;
}

#[tokio::test]
async fn a20_a_bug_in_the_cancel_handler() {
    plain(async |w| {
        let run = w.start("a20").await;
        run.until("WES,T,TS").await;
        run.cancel().await;
        let failed = "WES,T,TS,CR,Ts,Tb,Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE)";
        run.until(failed).await;
        for attempt in 2..5 {
            while run.handle.describe().await.unwrap().task.unwrap().attempt < attempt {
                w.advance(60_000);
                w.host.idle().await;
            }
            run.until(failed).await;
        }
        let described = run.handle.describe().await.unwrap();
        assert_eq!(described.status, Status::Running);
        let cancel = described.cancel.unwrap();
        assert_eq!(cancel.state, CancelState::Requested);
        assert!(cancel.undeliverable.is_some(), "it is flagged");
        let (_, failure) = described.task.unwrap().last_failure.unwrap();
        assert!(
            failure.message.contains("the cancel handler has a bug"),
            "{}",
            failure.message
        );
        let fixed = w.load("scenarios-fixed").await;
        w.host.upgrade(&run.handle, fixed, true).await.unwrap();
        run.until(scenario("A20")).await;
    })
    .await;
}

#[tokio::test]
async fn a21_saga() {
    plain(a21_accepted).await;
    plain(a21_completed).await;
    plain(a21_noticed_later).await;
}

/// C accepts the cancellation: it left nothing to undo.
pub(crate) async fn a21_accepted(w: &World) {
    a21(w, "a21", OnCancel::Accept, scenario("A21"), "A B C b a").await;
}

/// C completes, and the run is over before it could notice the cancellation.
pub(crate) async fn a21_completed(w: &World) {
    let events = scenario("A21_completed");
    a21(w, "a21", OnCancel::Complete, events, "A B C").await;
}

/// C completes, and the timer after it notices: C is undone first.
pub(crate) async fn a21_noticed_later(w: &World) {
    let (of_type, events) = ("a21_then_sleep", scenario("A21_then_sleep"));
    a21(w, of_type, OnCancel::Complete, events, "A B C c b a").await;
}

async fn a21(w: &World, of_type: &str, choice: OnCancel, events: &str, activities: &str) {
    w.probe.on_cancel(choice);
    let run = w.start(of_type).await;
    run.until("WES,T,AS,AB,AC,T,AS,AB,AC,T,AS").await;
    w.probe.started("C", 1).await;
    run.cancel().await;
    run.until(events).await;
    let scheduled = run.events().await.into_iter().filter_map(|e| {
        let EventAttributes::ActivityTaskScheduled { call, .. } = e.attributes else {
            return None;
        };
        Some(call.activity_type)
    });
    assert_eq!(scheduled.collect::<Vec<_>>().join(" "), activities);
}

#[tokio::test]
async fn a23_timeout_scope() {
    plain(async |w| {
        let run = w.start("a23").await;
        run.until("WES,T,TS,AS").await;
        w.probe.started("Work", 1).await;
        w.advance(1000);
        run.until(scenario("A23a")).await;
        assert_eq!(run.result().await, "\"timed out\"");

        let run = w.start("a23").await;
        run.until("WES,T,TS,AS").await;
        w.probe.started("Work", 2).await;
        w.probe.finish();
        w.advance(200);
        run.until(scenario("A23b")).await;
        assert_eq!(run.result().await, "\"done\"");
    })
    .await;
}

#[tokio::test]
async fn a24_async_operations() {
    plain(a24).await;
}

pub(crate) async fn a24(w: &World) {
    let run = w.start("a24").await;
    run.until("WES,T,AS,AS").await;
    w.probe.started("Work", 2).await;
    run.cancel().await;
    run.until(scenario("A24")).await;
    let log = run.log().concat();
    for raised in [
        "condition raised: true",
        "a1 raised: true",
        "a2 raised: true",
    ] {
        assert_logged_once(w, &log, raised);
    }
}

#[tokio::test]
async fn the_raw_bindings_give_the_same_histories() {
    each_way(WorldBuilder::default(), "raw-cancel", async |w| {
        for (workflow_type, before, expected, raised) in [
            ("a01", "WES,T,TS", scenario("A01"), "timer"),
            ("a05", "WES,T,TS", scenario("A05"), "timer"),
            ("a07", "WES,T,AS,TS,AS,TS", scenario("A07"), "activity"),
            (
                "a24",
                "WES,T,AS,AS",
                scenario("A24"),
                "activity activity wait",
            ),
        ] {
            let run = w.start(workflow_type).await;
            run.until(before).await;
            run.cancel().await;
            run.until(expected).await;
            let events = run.events().await;
            match workflow_type {
                "a05" => {
                    let EventAttributes::ActivityTaskScheduled { call, .. } =
                        run.attributes("ActivityTaskScheduled").await
                    else {
                        panic!("not an activity");
                    };
                    assert_eq!(call.activity_type, "Cleanup");
                }
                _ => assert_eq!(canceled(&events), begun(&events), "{workflow_type}"),
            }
            let log = run.log();
            let said = ["activity", "timer", "wait"];
            let order = log.iter().filter_map(|line| {
                said.into_iter()
                    .find(|what| line.contains(&format!("{what} raised: ")))
            });
            let order = order.collect::<Vec<_>>().join(" ");
            // A task that was not committed has logged before.
            let right = order == raised || (w.host.restarts() && order.ends_with(raised));
            assert!(right, "{workflow_type}: {order}, not {raised}");
        }
    })
    .await;
}

#[test]
fn the_raw_guest_handles_cancel_in_under_40_lines() {
    let source = sandglass_tests::repository().join("tests/guests/raw-cancel/src/cancel.rs");
    let lines = std::fs::read_to_string(source).unwrap().lines().count();
    assert!(lines < 40, "{lines} lines");
}

#[tokio::test]
async fn a_run_goes_on_after_its_host_has_crashed() {
    let mut w = World::new().await;
    w.load("scenarios").await;
    let mut run = w.start("a05").await;
    run.until("WES,T,TS").await;
    w = w.crash().await;
    run = w.again(&run);
    run.cancel().await;
    run.until("WES,T,TS,CR,T,TC,AS,AB,AC,T,WX").await;
    w = w.restart().await;
    run = w.again(&run);
    assert_eq!(run.history().await, "WES,T,TS,CR,T,TC,AS,AB,AC,T,WX");
    assert_eq!(run.event_id("WorkflowExecutionCanceled").await, EventId(17));
}
