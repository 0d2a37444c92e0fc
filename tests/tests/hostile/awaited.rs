//! The same of guests with component-model async, whose code waits in many places at once: whatever
//! they do ends in the same errors.

use super::{alone, failed, provoke, terminated_within_a_second};
use sandglass::CancelOptions;
use sandglass_engine::{CancelState, Escalation, Status};
use sandglass_tests::{RunUnderTest, World, WorldBuilder};
use std::time::Duration;

/// The documented error of each workflow type, and a function that its backtrace names, if its code
/// has a stack when it is stopped.
const HOSTILE: [(&str, &str, &str); 7] = [
    ("loops", "DeadlineExceeded", "loop_for_ever"),
    ("turns", "DeadlineExceeded", ""),
    ("turns-beside", "DeadlineExceeded", ""),
    ("hoards", "MemoryLimit", "hoard"),
    ("recurses", "StackOverflow", "deeper"),
    ("crowds", "TableLimit", ""),
    ("loops-after", "DeadlineExceeded", "loop_for_ever"),
];

async fn world(budget: Duration) -> World {
    let w = WorldBuilder::default()
        .activation_budget(budget)
        .worker_threads(2)
        .build()
        .await;
    w.load("scenarios-async").await;
    w
}

async fn start(w: &World, workflow_type: &str) -> RunUnderTest {
    let run = w.start(workflow_type).await;
    provoke(&run, workflow_type).await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_gives_the_same_error_as_any_workflow() {
    let _alone = alone().await;
    let w = world(Duration::from_millis(1500)).await;
    for (workflow_type, expected, function) in HOSTILE {
        let run = start(&w, workflow_type).await;
        let (kind, text) = failed(&run).await;
        assert_eq!(kind, expected, "{workflow_type}: {text}");
        assert!(
            text.contains(function),
            "the backtrace of {workflow_type} names {function}: {text}"
        );
        let neighbor = w.start("a04").await;
        neighbor.until("WES,T,TS").await;
        w.advance(2000);
        assert_eq!(neighbor.result().await, "\"ok\"");
        terminated_within_a_second(&run).await;
    }
}

/// Whoever gives up what it waits for leaves nothing behind, however often it does.
#[tokio::test(flavor = "multi_thread")]
async fn waits_that_are_given_up_are_not_kept() {
    let _alone = alone().await;
    let w = world(Duration::from_secs(60)).await;
    let run = start(&w, "dithers").await;
    assert_eq!(run.result().await, "200000");
    assert_eq!(run.history().await, "WES,T,SG,T,TS,WC");
}

/// What is left of the code when it has returned is not gone on with.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_lives_on_after_the_return_is_dropped() {
    let _alone = alone().await;
    let w = world(Duration::from_secs(60)).await;
    let run = start(&w, "turns-after").await;
    assert_eq!(run.result().await, "\"returned\"");
    assert_eq!(run.history().await, "WES,T,SG,T,WC");
    // What it began in the same turn is there, and what would follow is not.
    let run = start(&w, "waits-after").await;
    assert_eq!(run.result().await, "\"returned\"");
    w.advance(5000);
    w.host.idle().await;
    assert_eq!(run.history().await, "WES,T,SG,T,TS,WC");
    w.replay_all().await;
}

/// A request to cancel that the code does not follow ends with its grace.
#[tokio::test(flavor = "multi_thread")]
async fn code_that_never_ends_is_forced_to_when_the_grace_is_over() {
    let _alone = alone().await;
    let w = world(Duration::from_secs(60)).await;
    let run = start(&w, "deaf").await;
    run.until("WES,T,SG,T,TS").await;
    let options = CancelOptions {
        escalation: Some(Escalation::Force),
        deadline: Some(Duration::from_secs(30)),
        ..CancelOptions::default()
    };
    run.handle.cancel(options).await.unwrap();
    run.until("WES,T,SG,T,TS,CR,T").await;
    w.advance(30_000);
    assert_eq!(run.closed().await, Status::Canceled { details: vec![] });
    let described = run.handle.describe().await.unwrap();
    assert_eq!(described.cancel_state, CancelState::ForceRequested);
    assert_eq!(run.history().await, "WES,T,SG,T,TS,CR,T,FORCE,WX");
}
