//! Children whose runs are followed by others: their parents mean the whole chain (R27).

use super::{
    chains::{begin, cancel, continue_as_new, signal, sleep, successor},
    support::*,
};
use sandglass::{Disposition, Host, RunHandle, StartOptions, engine::*};
use sandglass_semantics::{scenario, scenarios::skeleton};
use std::sync::Arc;

/// A child that sleeps, then runs on as another run.
fn family(policy: ParentClosePolicy) -> Arc<Script> {
    script(move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                calls.child(ChildCall {
                    parent_close_policy: policy,
                    ..ChildCall::default()
                });
            }
            GuestEvent::Initialize { .. } => sleep(calls),
            GuestEvent::SignalReceived(_) => continue_as_new(calls, "2"),
            GuestEvent::ChildResolved(_, Err(failure)) => calls.fail(failure),
            other => calls.end_with(other),
        }
    })
}

/// Starts it, and waits until the child's second run sleeps.
async fn grown_family(world: &World, host: &Host) -> (RunHandle, RunHandle, RunHandle) {
    let parent = begin(host, StartOptions::new("main", "w")).await;
    let first = host.run("child", None).describe().await.unwrap().run_id;
    let first = host.run("child", Some(&first));
    world.advance(host, 5000).await;
    signal(host, &first, "on").await;
    assert_eq!(shape_of(&first).await, "WES,T,TS,SG,T,WCAN");
    let second = successor(host, &first).await;
    assert_eq!(shape_of(&second).await, "WES,T,TS");
    assert_eq!(
        skeleton(&shape_of(&parent).await),
        "WES,CI,CS",
        "the chain goes on"
    );
    (parent, first, second)
}

#[tokio::test]
async fn r27_a_request_follows_the_chain_of_a_child() {
    let world = World::new();
    let host = world
        .host(&family(ParentClosePolicy::Terminate))
        .build()
        .await
        .unwrap();
    let (parent, first, second) = grown_family(&world, &host).await;
    assert_eq!(cancel(&parent).await, Disposition::Recorded);
    parent.result().await.unwrap();
    assert_eq!(skeleton(&shape_of(&parent).await), scenario("A13"));
    assert_eq!(skeleton(&shape_of(&second).await), scenario("A13:c"));
    assert_eq!(shape_of(&first).await, "WES,T,TS,SG,T,WCAN");
    let events = parent.history().await.unwrap();
    let canceled = events.iter().find_map(|event| match &event.attributes {
        EventAttributes::ChildWorkflowExecutionCanceled { run_id, .. } => Some(run_id.as_str()),
        _ => None,
    });
    assert_eq!(canceled, first.run_id(), "the parent knows the first run");
}

#[tokio::test]
async fn r27_close_policies_follow_the_chain_of_a_child() {
    for (policy, ends) in [
        (ParentClosePolicy::Terminate, "WES,T,TS,WK"),
        (ParentClosePolicy::RequestCancel, "WES,T,TS,CR,T,TC,WX"),
    ] {
        let world = World::new();
        let host = world.host(&family(policy)).build().await.unwrap();
        let (parent, _, second) = grown_family(&world, &host).await;
        parent.terminate("t", "op").await.unwrap();
        second.result().await.unwrap();
        assert_eq!(shape_of(&second).await, ends);
    }
}
