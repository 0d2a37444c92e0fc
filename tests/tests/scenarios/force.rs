//! Ending a run by force, and a period of grace after which that happens: A25, R30.

use super::{HOUR_MS, plain};
use sandglass::{CancelOptions, Disposition, ForceOptions};
use sandglass_engine::{CancelState, Escalation, Status, Trigger};
use sandglass_semantics::scenario;
use std::time::Duration;

fn force(kill: bool) -> ForceOptions {
    ForceOptions {
        reason: "enough".into(),
        identity: "op".into(),
        kill,
        ..ForceOptions::default()
    }
}

#[tokio::test]
async fn a25_force_on_canceling() {
    plain(async |w| {
        let run = w.start("a17").await;
        run.until("WES,T,TS").await;
        run.cancel().await;
        run.until("WES,T,TS,CR,T,TC,TS").await;
        let state = run.handle.describe().await.unwrap().cancel.unwrap().state;
        assert_eq!(state, CancelState::Delivered);
        let first = run.handle.force(force(false)).await.unwrap();
        assert_eq!(first.disposition, Disposition::Recorded);
        run.until(scenario("A25")).await;
        assert_eq!(run.closed().await, Status::Canceled { details: vec![] });
        let described = run.handle.describe().await.unwrap();
        assert_eq!(described.cancel_state, CancelState::ForceRequested);
        let (request, _) = described.force.unwrap();
        let asked = (request.rung, request.trigger);
        assert_eq!(asked, (Escalation::Force, Trigger::Request));
        let again = run.handle.force(force(false)).await.unwrap();
        let closed = Disposition::AlreadyClosed(Status::Canceled { details: vec![] });
        assert_eq!(again.disposition, closed);
        w.advance(2 * HOUR_MS);
        w.host.idle().await;
        run.until(scenario("A25")).await;
    })
    .await;
}

#[tokio::test]
async fn r30_grace_that_runs_out() {
    for (then, end) in [
        (Escalation::Force, "FORCE,WX"),
        (Escalation::Kill, "FORCE,WX"),
        (Escalation::Terminate, "WK"),
        (Escalation::Fail, "FORCE,WF"),
    ] {
        plain(async |w| {
            let run = w.start("a17").await;
            run.until("WES,T,TS").await;
            let options = CancelOptions {
                deadline: Some(Duration::from_secs(5)),
                escalation: Some(then),
                ..CancelOptions::reason("r1")
            };
            run.handle.cancel(options).await.unwrap();
            run.until("WES,T,TS,CR,T,TC,TS").await;
            w.advance(4_999);
            w.host.idle().await;
            run.until("WES,T,TS,CR,T,TC,TS").await;
            w.advance(1);
            run.until(&format!("WES,T,TS,CR,T,TC,TS,{end}")).await;
            let by = run.handle.describe().await.unwrap().force;
            let by = by.map(|(request, _)| (request.rung, request.trigger));
            let forced = then != Escalation::Terminate;
            assert_eq!(by, forced.then_some((then, Trigger::Deadline)));
        })
        .await;
    }
}

#[tokio::test]
async fn r30_grace_that_is_not_needed() {
    plain(async |w| {
        let run = w.start("a01").await;
        run.until("WES,T,TS").await;
        let options = CancelOptions {
            deadline: Some(Duration::from_secs(5)),
            escalation: Some(Escalation::Force),
            ..CancelOptions::reason("r1")
        };
        run.handle.cancel(options).await.unwrap();
        run.until("WES,T,TS,CR,T,TC,WX").await;
        w.advance(10_000);
        w.host.idle().await;
        run.until("WES,T,TS,CR,T,TC,WX").await;
    })
    .await;
}
