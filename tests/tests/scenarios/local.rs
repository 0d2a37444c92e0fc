//! Local activities: scenario A22 and what belongs to it.

use super::plain;
use sandglass::AttemptState;
use sandglass_engine::{EventAttributes, FailureInfo, HistoryEvent, Status};
use sandglass_semantics::scenario;
use std::time::{Duration, Instant};

/// The failure that the one marker has, if it has one.
fn marked(event: &HistoryEvent) -> Option<Option<FailureInfo>> {
    match &event.attributes {
        EventAttributes::MarkerRecorded {
            marker_name,
            failure,
            ..
        } => {
            assert_eq!(marker_name, "core_local_activity");
            Some(failure.as_ref().map(|failure| failure.info.clone()))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a22_local_activity() {
    plain(async |w| {
        let run = w.start("a22").await;
        run.until("WES,Ts").await;
        w.probe.started("Deaf", 1).await;
        let asked = Instant::now();
        run.cancel().await;
        run.until(scenario("A22")).await;
        let closed = asked.elapsed();
        // A host for each commit has to be started first.
        assert!(
            w.host.restarts() || closed < Duration::from_secs(2),
            "{closed:?}"
        );
        assert!(matches!(run.closed().await, Status::Canceled { .. }));
        let failure = run.find(marked).await.unwrap();
        assert!(
            matches!(failure, FailureInfo::Canceled { .. }),
            "{failure:?}"
        );
        if !w.host.restarts() {
            let told = w.probe.until("Deaf", |seen| !seen.beats.is_empty());
            let seen = tokio::time::timeout(Duration::from_millis(500), told)
                .await
                .unwrap();
            assert_eq!(seen.started, 1);
            // The run does not wait for it: where its thread came late, the run was gone by then.
            let asked = AttemptState::CancelRequested("r1".into());
            let reasons = [asked, AttemptState::NotFound];
            assert!(reasons.contains(&seen.beats[0]), "{seen:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a22_waits_for_how_it_ends() {
    plain(async |w| {
        let run = w.start("a22_wait").await;
        run.until("WES,Ts").await;
        w.probe.started("Deaf", 1).await;
        run.cancel().await;
        if w.host.restarts() {
            // It died with its host after the request: there is no other attempt.
            run.until("WES,T,CR,T,MR,WX").await;
        } else {
            run.until("WES,T,CR,T,MR,WC").await;
            assert_eq!(run.result().await, "1");
            assert_eq!(run.find(marked).await, None);
        }
    })
    .await;
}

#[tokio::test]
async fn their_results_are_in_the_task_that_waited_for_them() {
    plain(async |w| {
        let run = w.start("local_in_turn").await;
        run.until("WES,T,MR,MR,MR,TS").await;
        w.advance(1000);
        run.until("WES,T,MR,MR,MR,TS,TF,T,WC").await;
        assert_eq!(run.result().await, "34");
    })
    .await;
}
