//! Children and other runs: scenarios A13 to A16 and what belongs to them.

use super::plain;
use sandglass_engine::{EventAttributes, ExternalFailedCause, Status};
use sandglass_semantics::scenario;
use sandglass_tests::{RunUnderTest, World};

/// Starts a run that is given the workflow id of another.
async fn start_for(w: &World, workflow_type: &str, other: &str) -> RunUnderTest {
    w.start_with(workflow_type, |options| options.json(format!("{other:?}")))
        .await
}

#[tokio::test]
async fn a13_child_waited_for() {
    plain(a13).await;
}

pub(crate) async fn a13(w: &World) {
    let parent = start_for(w, "a13", "a13-child").await;
    parent.until_skeleton("WES,CI,CS").await;
    let child = w.child("a13-child");
    child.until("WES,T,TS").await;
    parent.cancel().await;
    parent.until_skeleton(scenario("A13")).await;
    child.until_skeleton(scenario("A13:c")).await;
    let initiated = parent
        .event_id("RequestCancelExternalWorkflowExecutionInitiated")
        .await;
    let EventAttributes::RequestCancelExternalWorkflowExecutionInitiated {
        child_workflow_only,
        ..
    } = parent
        .attributes("RequestCancelExternalWorkflowExecutionInitiated")
        .await
    else {
        panic!("not initiated");
    };
    assert!(child_workflow_only);
    let EventAttributes::WorkflowExecutionCancelRequested(request) =
        child.attributes("WorkflowExecutionCancelRequested").await
    else {
        panic!("not requested");
    };
    let origin = request.origin.unwrap();
    assert_eq!(origin.initiated_event_id, initiated);
    assert_eq!(origin.run.workflow_id, parent.handle.workflow_id());
    assert!(request.reason.contains("r1"), "{}", request.reason);
    let closed_at = async |run: &RunUnderTest| run.events().await.last().unwrap().event_time;
    assert!(closed_at(&child).await <= closed_at(&parent).await);
    assert!(parent.log().concat().contains("started: true"));
}

#[tokio::test]
async fn a14_child_that_cleans_up() {
    plain(async |w| {
        let parent = start_for(w, "a14", "a14-child").await;
        parent.until_skeleton("WES,CI,CS").await;
        let child = w.child("a14-child");
        child.until("WES,T,TS").await;
        parent.cancel().await;
        parent.until_skeleton(scenario("A14")).await;
        // One request reaches it, whichever of the two is first, and it ends in its own way.
        child.until_skeleton(scenario("A14:c")).await;
    })
    .await;
}

#[tokio::test]
async fn a15_child_that_ignores_it() {
    plain(async |w| {
        let parent = start_for(w, "a15", "a15-child").await;
        parent.until_skeleton("WES,CI,CS").await;
        let child = w.child("a15-child");
        child.until("WES,T,TS").await;
        parent.cancel().await;
        parent.until_skeleton(scenario("A15")).await;
        child.until_skeleton("WES,TS,CR").await;
        w.advance(3_000);
        child.until_skeleton(scenario("A15_python:c")).await;
    })
    .await;
}

#[tokio::test]
async fn s24_child_that_is_abandoned() {
    plain(async |w| {
        let parent = start_for(w, "s24", "s24-child").await;
        parent.until_skeleton("WES,CI,CS").await;
        let child = w.child("s24-child");
        child.until("WES,T,TS").await;
        parent.cancel().await;
        parent.until_skeleton(scenario("S24")).await;
        // The parent does not cancel it; its close policy terminates it.
        child.until_skeleton(scenario("S24:c")).await;
        let status = Status::Terminated {
            reason: "by parent close policy".into(),
            identity: "history-service".into(),
        };
        assert_eq!(child.closed().await, status);
    })
    .await;
}

#[tokio::test]
async fn a_child_whose_cleanup_is_cut_short_is_warned_of() {
    plain(async |w| {
        let parent = start_for(w, "cuts_short", "cut-short-child").await;
        parent.until_skeleton("WES,CI,CS").await;
        let child = w.child("cut-short-child");
        child.until("WES,T,TS").await;
        parent.cancel().await;
        parent.until_skeleton("WES,CI,CS,CR,XI,WX").await;
        child.closed().await;
        let log = parent.log().concat();
        assert!(log.contains("it may have no time to clean up"), "{log}");
    })
    .await;
}

#[tokio::test]
async fn a16_other_runs() {
    plain(async |w| {
        let other = w.start("a01").await;
        other.until("WES,T,TS").await;
        let id = other.handle.workflow_id().to_owned();
        let run = start_for(w, "a16", &id).await;
        run.until_skeleton(scenario("A16:a")).await;
        other.until_skeleton(scenario("A16:target")).await;
        let closed = start_for(w, "a16", &id).await;
        closed.until_skeleton(scenario("A16:b")).await;
        other.until_skeleton(scenario("A16:target")).await;
        let unknown = start_for(w, "a16", "nobody").await;
        unknown.until_skeleton(scenario("A16:c")).await;
        let failed = "RequestCancelExternalWorkflowExecutionFailed";
        let EventAttributes::RequestCancelExternalWorkflowExecutionFailed { cause, .. } =
            unknown.attributes(failed).await
        else {
            panic!("not failed");
        };
        let missing = ExternalFailedCause::ExternalWorkflowExecutionNotFound;
        assert_eq!(cause, missing);
    })
    .await;
}
