//! What operators do to a run: R40, and B15 on one scope and one activity.

use super::plain;
use sandglass::Error;
use sandglass_engine::{OperatorRequest, ScopeId};
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
