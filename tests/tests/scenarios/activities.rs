//! A canceled run and its activities: the ways to wait for one (A08 to A11, R23), and heartbeats
//! (A12, A27).

use super::{each_way, plain};
use sandglass::AttemptState;
use sandglass_engine::{EventAttributes, FailureInfo, Payload, TimeoutKind};
use sandglass_semantics::scenario;
use sandglass_tests::{RunUnderTest, World, WorldBuilder};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a08_wait_and_accept() {
    plain(a08).await;
}

pub(crate) async fn a08(w: &World) {
    let run = w.start("a08").await;
    run.until("WES,T,AS").await;
    w.probe.started("Work", 1).await;
    run.cancel().await;
    run.until(scenario("A08")).await;
    let requested = run.event_id("ActivityTaskCancelRequested").await;
    let EventAttributes::ActivityTaskCanceled {
        latest_cancel_requested_event_id,
        details,
        ..
    } = run.attributes("ActivityTaskCanceled").await
    else {
        panic!("not canceled");
    };
    assert_eq!(latest_cancel_requested_event_id, requested);
    assert_eq!(details, [Payload::json("\"d\"")]);
    let log = run.log().concat();
    let expected = "activity failure: true, caused by a cancellation: true, details: Some";
    assert!(
        log.contains(expected) && log.contains("(\\\"d\\\")"),
        "{log}"
    );
}

#[tokio::test]
async fn a09_wait_and_swallow() {
    plain(a09).await;
}

pub(crate) async fn a09(w: &World) {
    let run = w.start("a09").await;
    run.until("WES,T,AS").await;
    w.probe.started("Swallow", 1).await;
    run.cancel().await;
    run.until(scenario("A09")).await;
    assert_eq!(run.result().await, "7");
}

#[tokio::test]
async fn a10_abandon() {
    plain(a10).await;
}

pub(crate) async fn a10(w: &World) {
    let run = w.start("a10").await;
    run.until("WES,T,AS").await;
    w.probe.started("Deaf", 1).await;
    let refused = w.host.stats().stale_reports;
    run.cancel().await;
    run.until(scenario("A10")).await;
    // It is not told of the cancellation, only that its run is gone; its report is refused.
    let seen = w.probe.until("Deaf", |seen| !seen.beats.is_empty()).await;
    assert_eq!(seen.beats, [AttemptState::NotFound]);
    while w.host.stats().stale_reports == refused {
        w.host.idle().await;
    }
    run.until(scenario("A10")).await;
}

#[tokio::test]
async fn a11_activity_never_picked_up() {
    each_way(WorldBuilder::default().unserved(), "scenarios", async |w| {
        let run = w.start("a08").await;
        run.until("WES,T,AS").await;
        let asked = Instant::now();
        run.cancel().await;
        run.until(scenario("A11")).await;
        let took = asked.elapsed();
        // A host for each commit has to be started first.
        assert!(
            w.host.restarts() || took < Duration::from_secs(2),
            "{took:?}"
        );
        let EventAttributes::ActivityTaskCanceled { details, .. } =
            run.attributes("ActivityTaskCanceled").await
        else {
            panic!("not canceled");
        };
        assert_eq!(details, [Payload::json("\"ACTIVITY_ID_NOT_STARTED\"")]);
    })
    .await;
}

#[tokio::test]
async fn r23_wait_no_longer_than() {
    plain(async |w| {
        let run = w.start("r23").await;
        run.until("WES,T,AS").await;
        w.probe.started("Stubborn", 1).await;
        run.cancel().await;
        run.until("WES,T,AS,CR,T,ACR").await;
        w.advance(999);
        w.host.idle().await;
        run.until("WES,T,AS,CR,T,ACR").await;
        w.advance(1);
        run.until(scenario("R23")).await;
        assert!(run.log().concat().contains("settled: Some(false)"));
    })
    .await;
}

/// A run that was asked to end while its activity works and nothing is pushed, and whose workflow
/// tasks are held back.
async fn asked_while_it_works(w: &World) -> RunUnderTest {
    let run = w.start("a08").await;
    run.until("WES,T,AS").await;
    w.probe.started("Work", 1).await;
    w.host.pause_workflow_tasks();
    run.cancel().await;
    run.until("WES,T,AS,CR,Ts").await;
    run
}

#[tokio::test]
async fn a12_heartbeat_truth_table() {
    each_way(WorldBuilder::default().no_push(), "scenarios", async |w| {
        let run = asked_while_it_works(w).await;
        let before = w
            .probe
            .until("Work", |seen| !seen.beats.is_empty())
            .await
            .beats
            .len();
        for beats in before + 1..=before + 10 {
            w.advance(200);
            let seen = w
                .probe
                .until("Work", |seen| seen.beats.len() >= beats)
                .await;
            assert!(
                seen.beats
                    .iter()
                    .all(|answer| *answer == AttemptState::Active)
            );
        }
        w.host.resume_workflow_tasks();
        run.until("WES,T,AS,CR,T,ACR").await;
        w.advance(200);
        let told = AttemptState::CancelRequested("r1".into());
        let seen = w
            .probe
            .until("Work", |seen| seen.beats.contains(&told))
            .await;
        if !w.host.restarts() {
            // Each further host begins the attempt anew, and that begins with a heartbeat.
            assert_eq!(seen.beats[before + 10], told, "it is the next answer");
        }
        run.until(scenario("A12")).await;
    })
    .await;
}

#[tokio::test]
async fn a12_variant_a_heartbeat_after_terminate_finds_no_activity() {
    each_way(WorldBuilder::default().no_push(), "scenarios", async |w| {
        let run = asked_while_it_works(w).await;
        let beats = async |more_than: usize| {
            let seen = w
                .probe
                .until("Work", |seen| seen.beats.len() > more_than)
                .await;
            seen.beats
        };
        let mut before = beats(0).await.len();
        if w.host.restarts() {
            // The host that takes the request is one whose attempt has begun.
            w.host.renew().await;
            before = beats(before).await.len();
        }
        run.handle.terminate("t", "op").await.unwrap();
        w.advance(200);
        let seen = beats(before).await;
        assert_eq!(
            seen[before],
            AttemptState::NotFound,
            "the next heartbeat finds nothing"
        );
        run.until("WES,T,AS,CR,Ts,WK").await;
        w.host.resume_workflow_tasks();
    })
    .await;
}

#[tokio::test]
async fn a27_heartbeat_details() {
    plain(async |w| {
        let run = w.start("a27").await;
        run.until("WES,T,AS").await;
        w.probe.until("Resume", |seen| !seen.beats.is_empty()).await;
        // Past the heartbeat timeout, then past the wait before the second attempt.
        w.advance(2001);
        // A host that ends before the row of the second attempt is stored begins the first anew.
        let is_second = async || {
            w.host.idle().await;
            let found = run.handle.describe().await.unwrap();
            found.activities.iter().any(|a| a.attempt == 2)
        };
        while !(is_second().await && is_second().await) {
            tokio::task::yield_now().await;
        }
        w.advance(1000);
        run.until(scenario("A27")).await;
        assert_eq!(run.result().await, "3");
        let EventAttributes::ActivityTaskStarted {
            attempt,
            last_failure,
            ..
        } = run.attributes("ActivityTaskStarted").await
        else {
            panic!("not an attempt");
        };
        assert_eq!(attempt, 2);
        let timeout = FailureInfo::Timeout {
            kind: TimeoutKind::Heartbeat,
            last_heartbeat_details: vec![],
        };
        assert_eq!(last_failure.unwrap().info, timeout);
    })
    .await;
}
