//! What operators do to a run: R40, B14 (a request taken back), B15 on one scope and one activity.

use super::plain;
use sandglass::{Error, ResetOptions};
use sandglass_engine::{EventAttributes, OperatorRequest, ResetPoint, ScopeId};
use sandglass_semantics::scenario;

fn request() -> OperatorRequest {
    OperatorRequest {
        reason: "because".into(),
        identity: "op".into(),
        // Asked again by a host that did not live to answer, it is the same request.
        request_id: "r".into(),
    }
}

fn another() -> OperatorRequest {
    OperatorRequest {
        request_id: "another".into(),
        ..request()
    }
}

#[tokio::test]
async fn r40_a_paused_run() {
    plain(async |w| {
        let run = w.start("a01").await;
        run.until("WES,T,TS").await;
        run.handle.pause(request()).await.unwrap();
        run.until("WES,T,TS,PAUSED").await;
        let again = run.handle.pause(another()).await;
        assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
        run.handle.signal_named("sig", vec![]).await.unwrap();
        run.cancel().await;
        w.host.idle().await;
        run.until("WES,T,TS,PAUSED,SG,CR").await;
        run.handle.unpause(another()).await.unwrap();
        run.until(scenario("R40_paused")).await;
    })
    .await;
}

#[tokio::test]
async fn b15_an_operator_cancels_a_scope() {
    plain(async |w| {
        let run = w.start("a07").await;
        run.until("WES,T,AS,TS,AS,TS").await;
        w.probe.started("Work", 2).await;
        run.handle
            .cancel_scope(ScopeId(1), request())
            .await
            .unwrap();
        run.until(scenario("B15_scope")).await;
    })
    .await;
}

#[tokio::test]
async fn b15_an_operator_cancels_an_activity() {
    plain(async |w| {
        let run = w.start("a07").await;
        run.until("WES,T,AS,TS,AS,TS").await;
        w.probe.started("Work", 2).await;
        // The third of the scope's four operations.
        run.handle.cancel_activity("3", request()).await.unwrap();
        run.until("WES,T,AS,TS,AS,TS,OCR,T,ACR,AB,AX,T").await;
        let late = run.handle.cancel_activity("3", another()).await;
        assert!(
            matches!(late, Err(Error::ActivityNotFound { .. })),
            "{late:?}"
        );
        run.cancel().await;
        run.until(scenario("B15_activity")).await;
    })
    .await;
}

#[tokio::test]
async fn b14_a_request_is_taken_back() {
    plain(async |w| {
        let run = w.start("undone_slowly").await;
        let done = "WES,T,AS,AB,AC,T,AS,AB,AC,T,TS";
        run.until(done).await;
        run.cancel().await;
        // It has gone to sleep, and looks again when it wakes.
        w.probe.until("Work", |seen| !seen.beats.is_empty()).await;
        w.probe.finish();
        w.advance(200);
        run.until(&format!("{done},CR,T,TC,AS,AB,AC,T,AS,AB,AC,T,WX"))
            .await;
        let begun = w.probe.until("A", |_| true).await.started;
        let options = ResetOptions {
            reason: "a mistake".into(),
            request_id: Some("uncancel".into()),
            ..ResetOptions::to(ResetPoint::BeforeCancel)
        };
        let new = w.adopt(run.handle.reset(options).await.unwrap());
        new.until_ends(",TS,Ts,Tb,Tf(RESET_WORKFLOW),T").await;
        w.advance(3_600_000);
        assert_eq!(new.result().await, "1");
        // What was done is not done again, nor undone.
        let again = w.probe.until("A", |_| true).await.started;
        assert_eq!(again, begun);
        let asked = |attributes: &EventAttributes| match attributes {
            EventAttributes::ActivityTaskScheduled { call, .. } => Some(call.activity_type.clone()),
            _ => None,
        };
        let events = new.events().await;
        let asked: Vec<_> = events
            .iter()
            .filter_map(|event| asked(&event.attributes))
            .collect();
        assert_eq!(asked, ["A", "B"]);
        assert!(
            !new.history().await.contains("CR"),
            "{}",
            new.history().await
        );
    })
    .await;
}
