//! Runs that are followed by others: scenarios A19 and A26, and retries of a run.

use super::plain;
use sandglass::{CancelOptions, Disposition, Error, RetryPolicy};
use sandglass_engine::{EventAttributes, Status};
use sandglass_semantics::scenario;
use sandglass_tests::{RunUnderTest, World};

/// Starts the first run of a chain. Its handle is for that run alone.
async fn first(w: &World, workflow_type: &str) -> RunUnderTest {
    w.start_with(workflow_type, |options| options.json("1"))
        .await
}

/// The current run of the same workflow id.
fn current(w: &World, run: &RunUnderTest) -> RunUnderTest {
    w.child(run.handle.workflow_id())
}

#[tokio::test]
async fn a19_addressing() {
    plain(async |w| {
        let run1 = first(w, "a19").await;
        run1.until(scenario("A19:run1")).await;
        let run2 = current(w, &run1);
        w.advance(1000);
        run2.until("WES,T,TS").await;
        let closed = run1.cancel().await.disposition;
        let new_run_id = run2.handle.describe().await.unwrap().run_id;
        let continued = Status::ContinuedAsNew { new_run_id };
        assert_eq!(closed, Disposition::AlreadyClosed(continued));
        run2.until("WES,T,TS").await;
        run2.cancel().await;
        run2.until(scenario("A19:run2")).await;
        let again = run2.cancel().await.disposition;
        assert!(matches!(
            again,
            Disposition::AlreadyClosed(Status::Canceled { .. })
        ));
        run2.until(scenario("A19:run2")).await;
        let nobody = w.host.run("a19-nobody", None);
        let unknown = nobody.cancel(CancelOptions::default()).await;
        assert!(
            matches!(unknown, Err(Error::NotFound { .. })),
            "{unknown:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a26_continue_as_new_after_cancel() {
    plain(async |w| {
        let run1 = first(w, "a26").await;
        run1.until("WES,T,TS").await;
        run1.cancel().await;
        run1.until(scenario("A26:run1")).await;
        let run2 = current(w, &run1);
        run2.until(scenario("A26:run2")).await;
        let EventAttributes::WorkflowExecutionCancelRequested(request) =
            run2.attributes("WorkflowExecutionCancelRequested").await
        else {
            panic!("not requested");
        };
        assert_eq!(request.inherited_from.as_deref(), run1.handle.run_id());
        assert_eq!((&*request.reason, &*request.identity), ("r1", "op"));
        // Whoever waits for the first run hears how the last one ended.
        let result = run1.handle.result().await.unwrap();
        assert!(matches!(result, Status::Canceled { .. }), "{result:?}");
    })
    .await;
}

#[tokio::test]
async fn a26_variant_the_request_is_dropped() {
    plain(async |w| {
        let run1 = first(w, "a26_drop").await;
        run1.until("WES,T,TS").await;
        run1.cancel().await;
        run1.until(scenario("A26:run1")).await;
        let run2 = current(w, &run1);
        w.advance(1000);
        run2.until("WES,T,TS").await;
        w.advance(3_600_000);
        run2.until("WES,T,TS,TF,T,WC").await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_run_is_followed_by_another_attempt() {
    plain(async |w| {
        let run1 = w.start_with("retried", |mut options| {
            options.retry = Some(RetryPolicy::default());
            options
        });
        let run1 = run1.await;
        run1.until("WES,T,WF").await;
        let run2 = current(w, &run1);
        run2.until("WES").await;
        w.advance(1000);
        run2.until("WES,T,WC").await;
        let result = run2.result().await;
        assert!(
            result.starts_with("[2,\"") && result.contains("not yet"),
            "{result}"
        );
    })
    .await;
}
