//! What becomes of children when their parent ends: their close policies, and requests that are on
//! their way.

use super::support::*;
use sandglass::{
    CancelOptions, Disposition, Host, ResetOptions, RunHandle, StartOptions, engine::*,
};
use sandglass_semantics::{scenario, scenarios::skeleton};
use std::sync::Arc;

/// Starts a child of this kind and ends with it. The child sleeps an hour.
fn family(cancellation: ChildCancellation, policy: ParentClosePolicy) -> Arc<Script> {
    script(move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                calls.child(with(cancellation, policy));
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::ChildResolved(_, Err(failure)) => calls.fail(failure),
            other => calls.end_with(other),
        }
    })
}

fn with(cancellation: ChildCancellation, parent_close_policy: ParentClosePolicy) -> ChildCall {
    ChildCall {
        cancellation,
        parent_close_policy,
        ..ChildCall::default()
    }
}

/// Starts the parent and waits until its child sleeps.
async fn start_family(host: &Host) -> (RunHandle, RunHandle) {
    let parent = host.start(StartOptions::new("main", "w")).await.unwrap();
    let child = sleeping_child(host, &parent).await;
    (parent, child)
}

async fn sleeping_child(host: &Host, parent: &RunHandle) -> RunHandle {
    let child = host.run("child", None);
    while child.describe().await.is_err() {
        tokio::task::yield_now().await;
    }
    // Its timer.
    child.history_after(EventId(4)).await.unwrap();
    if parent.describe().await.unwrap().status == Status::Running {
        // Its start.
        parent.history_after(EventId(5)).await.unwrap();
    }
    host.idle().await;
    child
}

async fn skeleton_of(run: &RunHandle) -> String {
    skeleton(&shape_of(run).await)
}

#[tokio::test]
async fn r26_a_request_reaches_a_child_whose_parent_has_closed() {
    let world = World::new();
    let script = family(ChildCancellation::TryCancel, ParentClosePolicy::Abandon);
    let host = world.host(&script).build().await.unwrap();
    let (parent, child) = start_family(&host).await;
    parent.cancel(CancelOptions::reason("r1")).await.unwrap();
    parent.result().await.unwrap();
    assert_eq!(skeleton_of(&parent).await, scenario("A14_abandon_policy"));
    child.result().await.unwrap();
    assert_eq!(skeleton_of(&child).await, scenario("A14_abandon_policy:c"));
}

#[tokio::test]
async fn s33_a_child_may_outlive_its_parent() {
    let world = World::new();
    let script = family(ChildCancellation::Abandon, ParentClosePolicy::Abandon);
    let host = world.host(&script).build().await.unwrap();
    let (parent, child) = start_family(&host).await;
    parent.cancel(CancelOptions::reason("r1")).await.unwrap();
    parent.result().await.unwrap();
    host.idle().await;
    assert_eq!(skeleton_of(&child).await, scenario("row20_child_abandon:c"));
    assert_eq!(child.describe().await.unwrap().status, Status::Running);
    world.advance(&host, 3_600_000).await;
    assert_eq!(json_result(&child).await, "\"fired\"");
}

#[tokio::test]
async fn r28_a_terminate_applies_the_close_policy_to_the_children() {
    for (policy, of_parent, of_child) in [
        (
            ParentClosePolicy::RequestCancel,
            scenario("D_policy_request_cancel"),
            scenario("D_policy_request_cancel:c"),
        ),
        (
            ParentClosePolicy::Terminate,
            scenario("D_policy_terminate"),
            scenario("D_policy_terminate:c"),
        ),
    ] {
        let world = World::new();
        let script = family(ChildCancellation::Abandon, policy);
        let host = world.host(&script).build().await.unwrap();
        let (parent, child) = start_family(&host).await;
        parent.terminate("t", "op").await.unwrap();
        child.result().await.unwrap();
        assert_eq!(skeleton_of(&parent).await, of_parent);
        assert_eq!(shape_of(&child).await, of_child);
    }
}

#[tokio::test]
async fn a_child_that_the_closing_task_starts_is_started() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                let (wait, policy) = (ChildCancellation::Abandon, ParentClosePolicy::Abandon);
                calls.child(with(wait, policy));
                calls.complete("1");
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let parent = host.start(StartOptions::new("main", "w")).await.unwrap();
    parent.result().await.unwrap();
    assert_eq!(shape_of(&parent).await, scenario("D_lost_start"));
    let child = sleeping_child(&host, &parent).await;
    assert_eq!(shape_of(&child).await, "WES,T,TS");
}

/// Asks the run that its argument names to end, for a reason; without an argument it sleeps.
fn asking() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                drop(calls.timer(3_600_000));
            }
            GuestEvent::Initialize { arguments, .. } => {
                let target = Target {
                    workflow_id: serde_json::from_slice(&arguments[0].data).unwrap(),
                    run_id: None,
                };
                let (scope, reason) = (ScopeId::ROOT, "because of rain".into());
                calls.command(Command::CancelExternal {
                    scope,
                    target,
                    reason,
                });
            }
            GuestEvent::ExternalResolved(_, Ok(())) => calls.complete("1"),
            GuestEvent::ExternalResolved(_, Err(failure)) => calls.fail(failure),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn r5_the_reason_reaches_another_run() {
    let world = World::new();
    let host = world.host(&asking()).build().await.unwrap();
    let target = host.start(StartOptions::new("main", "x")).await.unwrap();
    host.idle().await;
    let options = StartOptions::new("main", "w").json("\"x\"");
    let run = host.start(options).await.unwrap();
    assert_eq!(json_result(&run).await, "1");
    target.result().await.unwrap();
    let events = target.history().await.unwrap();
    let request = events.iter().find_map(|event| match &event.attributes {
        EventAttributes::WorkflowExecutionCancelRequested(request) => Some(request.clone()),
        _ => None,
    });
    let request = request.unwrap();
    assert_eq!(request.reason, "because of rain");
    assert_eq!(request.identity, "history-service");
    assert_eq!(request.origin.unwrap().run.workflow_id, "w");
}

#[tokio::test]
async fn r24_a_run_cannot_ask_itself() {
    let world = World::new();
    let host = world.host(&asking()).build().await.unwrap();
    let options = StartOptions::new("main", "w").json("\"w\"");
    let run = host.start(options).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(skeleton_of(&run).await, "WES,XI,XF,WF");
    let events = run.history().await.unwrap();
    let causes: Vec<_> = events
        .iter()
        .filter_map(|event| match event.attributes {
            EventAttributes::RequestCancelExternalWorkflowExecutionFailed { cause, .. } => {
                Some(cause)
            }
            _ => None,
        })
        .collect();
    let unknown = ExternalFailedCause::ExternalWorkflowExecutionNotFound;
    assert_eq!(causes, [unknown]);
}

#[tokio::test]
async fn r24_a_stranger_is_not_taken_for_a_child() {
    use sandglass::store::{OutboxRow, RunKey, SqliteStore, Store as _, Write};
    let world = World::new();
    let host = world.host(&asking()).build().await.unwrap();
    for id in ["w", "x"] {
        host.start(StartOptions::new("main", id)).await.unwrap();
    }
    host.idle().await;
    let source = RunRef {
        workflow_id: "w".into(),
        run_id: host.run("w", None).describe().await.unwrap().run_id,
    };
    host.shutdown().await.unwrap();
    // No guest can ask for it: its children are its own. So the row is written by hand.
    for child_only in [true, false] {
        let effect = Effect::Cancel {
            source: Origin {
                run: source.clone(),
                initiated_event_id: EventId(99),
            },
            target: Target {
                workflow_id: "x".into(),
                run_id: None,
            },
            child_only,
            reason: String::new(),
        };
        let mut write = Write::new(RunKey(1));
        write.outbox_put = vec![OutboxRow {
            source: RunKey(1),
            source_event_id: EventId(99),
            body: encode(&effect),
        }];
        let mut store = SqliteStore::open(&world.db).unwrap();
        for stored in store.commit(&[write]).unwrap() {
            stored.unwrap();
        }
        drop(store);
        let host = world.host(&asking()).build().await.unwrap();
        host.idle().await;
        let requested = host.run("x", None).describe().await.unwrap().cancel;
        let ended = host.run("x", None).describe().await.unwrap().status != Status::Running;
        assert_eq!(requested.is_none() && !ended, child_only);
        host.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn r26_a_request_reaches_a_child_that_the_run_had_before_it_was_reset() {
    let world = World::new();
    let script = family(ChildCancellation::TryCancel, ParentClosePolicy::Abandon);
    let host = world.host(&script).build().await.unwrap();
    let (parent, child) = start_family(&host).await;
    let again = ResetOptions::to(ResetPoint::LastTask);
    let parent = parent.reset(again).await.unwrap();
    host.idle().await;
    parent.cancel(CancelOptions::reason("r1")).await.unwrap();
    parent.result().await.unwrap();
    host.idle().await;
    assert_eq!(skeleton_of(&child).await, scenario("A14_abandon_policy:c"));
}

/// A child of the run `w` that is at the gate, in a workflow task.
async fn held_child(host: &Host, gate: &Gate) -> RunHandle {
    let (_, child) = start_family(host).await;
    child.signal_named("hold", vec![]).await.unwrap();
    gate.wait_for(1);
    child
}

fn holding(gate: &Gate) -> Arc<Script> {
    let held = gate.clone();
    script(move || {
        let gate = held.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                let policy = ParentClosePolicy::RequestCancel;
                calls.child(with(ChildCancellation::Abandon, policy));
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => {
                gate.pass();
                (0..10).for_each(|_| drop(calls.timer(7_200_000)));
            }
            _ => {}
        }
    })
}

#[tokio::test]
async fn r2_a_request_of_the_parent_that_waits_for_a_task_is_the_first() {
    let world = World::new();
    let gate = Gate::default();
    let host = world.host(&holding(&gate)).build().await.unwrap();
    let child = held_child(&host, &gate).await;
    host.run("w", None).terminate("t", "op").await.unwrap();
    while child.describe().await.unwrap().cancel.is_none() {
        tokio::task::yield_now().await;
    }
    let asked = child.cancel(CancelOptions::reason("r2")).await.unwrap();
    assert_eq!(asked.disposition, Disposition::AlreadyRequested);
    gate.open();
    host.idle().await;
    let cancel = child.describe().await.unwrap().cancel.unwrap();
    assert_eq!(cancel.reason, "by parent close policy");
    host.shutdown().await.unwrap();
    assert_eq!(waiting_effects(&world.db), 0);
}

#[tokio::test]
async fn a_kept_request_leaves_nothing_behind_a_run_that_is_ended_for_its_size() {
    let world = World::new();
    let gate = Gate::default();
    let limits = Limits {
        history_events: 12,
        ..Limits::default()
    };
    let host = world.host(&holding(&gate)).limits(limits);
    let host = host.build().await.unwrap();
    let child = held_child(&host, &gate).await;
    let asked = child.cancel(CancelOptions::reason("r1")).await.unwrap();
    assert_eq!(asked.disposition, Disposition::Recorded);
    gate.open();
    let status = child.result().await.unwrap();
    assert!(matches!(status, Status::Terminated { .. }), "{status:?}");
    host.idle().await;
    host.shutdown().await.unwrap();
    assert_eq!(waiting_effects(&world.db), 0);
}

#[tokio::test]
async fn s33_a_child_that_was_asked_to_end_outlives_its_parent() {
    let world = World::new();
    // The child answers the request by another timer, which is not canceled.
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                let (wait, policy) = (ChildCancellation::TryCancel, ParentClosePolicy::Abandon);
                calls.child(with(wait, policy));
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::TimerFired(_, Err(_)) => {
                let (parent, kind) = (ScopeId::ROOT, ScopeKind::Detached);
                let Answer::Scope(scope) = calls.command(Command::OpenScope { parent, kind })
                else {
                    return;
                };
                let duration = Millis(3_600_000);
                calls.command(Command::StartTimer { scope, duration });
            }
            GuestEvent::ChildResolved(_, Err(failure)) => calls.fail(failure),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let (parent, child) = start_family(&host).await;
    parent.cancel(CancelOptions::reason("r1")).await.unwrap();
    let status = parent.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    host.idle().await;
    assert_eq!(child.describe().await.unwrap().status, Status::Running);
    assert_eq!(skeleton_of(&child).await, "WES,TS,CR,TC,TS");
}

#[tokio::test]
async fn a14_a_parent_that_does_not_wait_closes_before_its_child() {
    let world = World::new();
    // The child cleans up by an activity that nobody serves yet.
    let script = script(|| {
        let mut cancellation = None;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                let wait = ChildCancellation::TryCancel;
                calls.child(with(wait, ParentClosePolicy::RequestCancel));
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::TimerFired(_, Err(failure)) => {
                cancellation = Some(failure.clone());
                let (parent, kind) = (ScopeId::ROOT, ScopeKind::Detached);
                let Answer::Scope(scope) = calls.command(Command::OpenScope { parent, kind })
                else {
                    return;
                };
                calls.activity(scope, call("Cleanup"));
            }
            GuestEvent::ActivityResolved(..) => calls.fail(&cancellation.take().unwrap()),
            GuestEvent::ChildResolved(_, Err(failure)) => calls.fail(failure),
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let (parent, child) = start_family(&host).await;
    parent.cancel(CancelOptions::reason("r1")).await.unwrap();
    parent.result().await.unwrap();
    host.idle().await;
    assert_eq!(skeleton_of(&parent).await, scenario("A14"));
    assert_eq!(child.describe().await.unwrap().status, Status::Running);
    host.register_activity("Cleanup", |_, _| async { Ok(Payload::null()) });
    child.result().await.unwrap();
    assert_eq!(skeleton_of(&child).await, scenario("A14:c"));
}
