//! Children and other runs, from the side of the run that speaks to them (R24 to R27).

use super::ROOT;
use crate::support::{Guest, Script, World};
use ChildCancellation::{
    Abandon, TryCancel, WaitCancellationCompleted as Wait, WaitCancellationRequested as Requested,
};
use sandglass_engine::*;
use sandglass_semantics::{scenario, scenarios::skeleton};

pub(crate) fn start_child(cancellation: ChildCancellation) -> Command {
    Command::StartChild {
        scope: ROOT,
        call: ChildCall {
            workflow_type: "c".into(),
            workflow_id: Some("child".into()),
            cancellation,
            parent_close_policy: ParentClosePolicy::RequestCancel,
            ..ChildCall::default()
        },
    }
}

fn end(event: &GuestEvent, guest: &mut Guest<'_>) {
    match event {
        GuestEvent::ChildResolved(_, Ok(value)) => {
            let outcome = Outcome::Completed(value.clone());
            guest.command(Command::Complete { outcome });
        }
        GuestEvent::ChildResolved(_, Err(failure))
        | GuestEvent::ExternalResolved(_, Err(failure)) => guest.fail(failure),
        GuestEvent::ExternalResolved(_, Ok(())) => guest.complete("null"),
        _ => {}
    }
}

fn parent<const TYPE: u8>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let types = [Wait, Requested, TryCancel, Abandon];
            _ = guest.operation(start_child(types[usize::from(TYPE)]));
        }
        GuestEvent::ChildStarted(_, run_id) => assert_eq!(run_id, "c1"),
        other => end(other, guest),
    })
}

/// A parent whose child has started.
fn started(make: fn() -> Script) -> World {
    let mut w = World::start(make);
    w.task();
    w.append(Input::ChildStarted {
        initiated_event_id: EventId(5),
        run_id: "c1".into(),
    })
    .unwrap();
    w.task();
    assert_eq!(w.history(), "WES,T,CI,CS,T");
    w
}

fn closed(close: ChildClose) -> Input {
    Input::ChildClosed {
        initiated_event_id: EventId(5),
        close,
    }
}

fn requested() -> Input {
    // CS 6, T 7-9, CR 10, T 11-13.
    Input::ExternalResolved {
        initiated_event_id: EventId(14),
        outcome: Ok(()),
    }
}

fn canceled(make: fn() -> Script) -> World {
    let mut w = started(make);
    w.cancel().unwrap();
    w.task();
    w
}

#[test]
fn a13_waits_for_the_end_of_a_canceled_child() {
    for (close, end) in [
        (ChildClose::Canceled { details: vec![] }, "CX,T,WX"),
        (ChildClose::Completed(Payload::json("1")), "CC,T,WC"),
        (
            ChildClose::Terminated {
                identity: "op".into(),
            },
            "CK,T,WF",
        ),
    ] {
        let mut w = canceled(parent::<0>);
        w.append(requested()).unwrap();
        w.task();
        w.evict();
        w.append(closed(close)).unwrap();
        w.task();
        let history = w.replayed_history();
        assert_eq!(history, format!("WES,T,CI,CS,T,CR,T,XI,XR,T,{end}"));
        if end.starts_with("CC") {
            let result = Payload::json("1");
            assert_eq!(w.run().status(), &Status::Completed { result });
            assert_eq!(skeleton(&history), scenario("row21_child_ignores"));
        }
    }
}

#[test]
fn r11_a_child_that_ends_in_the_task_of_the_request_is_not_asked() {
    for (make, end) in [
        (parent::<0> as fn() -> Script, "WC"),
        (parent::<2>, "WX"),
        (parent::<3>, "WX"),
    ] {
        let mut w = started(make);
        w.cancel().unwrap();
        w.append(closed(ChildClose::Completed(Payload::json("1"))))
            .unwrap();
        w.task();
        let history = w.replayed_history();
        assert_eq!(history, format!("WES,T,CI,CS,T,CR,Ts,CC,Tb,Tc,{end}"));
        let asked = |effect: &Effect| matches!(effect, Effect::Cancel { .. });
        assert!(!w.effects.values().any(asked));
    }
}

#[test]
fn r24_the_end_of_a_child_resolves_the_request_that_is_on_its_way_to_it() {
    let mut w = canceled(parent::<0>);
    w.append(closed(ChildClose::Canceled { details: vec![] }))
        .unwrap();
    assert_eq!(
        w.append(requested()),
        Err(InputError::UnknownExternal(EventId(14)))
    );
    w.evict();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,CI,CS,T,CR,T,XI,XR,CX,T,WX");
}

#[test]
fn a14_try_cancel_sends_the_request_and_goes_on_at_once() {
    let w = canceled(parent::<2>);
    assert_eq!(w.replayed_history(), "WES,T,CI,CS,T,CR,T,XI,WX");
    // The request is delivered although the run has closed (R26), then the close policy applies.
    let effects: Vec<_> = w
        .effects
        .iter()
        .map(|(id, effect)| (id.0, effect))
        .collect();
    let [(5, Effect::StartChild { .. }), (14, cancel), (16, close)] = effects[..] else {
        panic!("{effects:?}");
    };
    let Effect::Cancel {
        target,
        child_only,
        reason,
        ..
    } = cancel
    else {
        panic!("{cancel:?}");
    };
    assert_eq!((target.workflow_id.as_str(), *child_only), ("child", true));
    assert_eq!(
        target.run_id, None,
        "the request follows the child's chain (R27)"
    );
    assert_eq!(reason, "r1", "the child is told why (R5)");
    let Effect::ParentClosed { policy, .. } = close else {
        panic!("{close:?}");
    };
    assert_eq!(*policy, ParentClosePolicy::RequestCancel);
}

#[test]
fn a15_waits_only_for_the_request_to_arrive() {
    let mut w = canceled(parent::<1>);
    assert_eq!(w.history(), "WES,T,CI,CS,T,CR,T,XI");
    w.append(requested()).unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,CI,CS,T,CR,T,XI,XR,T,WX");
}

#[test]
fn s24_an_abandoned_child_is_not_told() {
    let w = canceled(parent::<3>);
    let history = w.replayed_history();
    assert_eq!(history, "WES,T,CI,CS,T,CR,T,WX");
    assert_eq!(skeleton(&history), scenario("row20_child_abandon"));
}

#[test]
fn the_end_of_a_child_ends_its_parent_alike() {
    let identity = String::from("op");
    let (failure, retry_state) = (
        Failure::application("E", "e"),
        RetryState::RetryPolicyNotSet,
    );
    for (close, expected) in [
        (
            ChildClose::Failed {
                failure,
                retry_state,
            },
            scenario("child_fails"),
        ),
        (
            ChildClose::Terminated { identity },
            scenario("child_is_terminated"),
        ),
        (
            ChildClose::TimedOut { retry_state },
            scenario("child_times_out"),
        ),
    ] {
        let mut w = started(parent::<0>);
        w.append(closed(close)).unwrap();
        w.task();
        assert_eq!(skeleton(&w.replayed_history()), expected);
    }
}

#[test]
fn a_child_that_has_not_started_is_canceled_at_once() {
    let mut w = World::start(parent::<0>);
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.history(), "WES,T,CI,CR,T,XI");
    w.append(Input::ChildStarted {
        initiated_event_id: EventId(5),
        run_id: "c1".into(),
    })
    .unwrap();
    w.append(closed(ChildClose::Canceled { details: vec![] }))
        .unwrap();
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,CI,CR,T,XI,CS,Ts,XR,CX,Tb,Tc,WX"
    );
}

#[test]
fn a_child_that_cannot_start_is_a_failure() {
    let mut w = World::start(parent::<0>);
    w.task();
    w.append(Input::ChildStartFailed {
        initiated_event_id: EventId(5),
        cause: StartChildFailedCause::WorkflowAlreadyExists,
    })
    .unwrap();
    w.task();
    let history = w.replayed_history();
    assert_eq!(history, "WES,T,CI,CSF,T,WF");
    assert_eq!(skeleton(&history), scenario("child_cannot_start"));
}

#[test]
fn r10_a_child_that_is_canceled_before_it_is_sent_leaves_no_trace() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let operation = guest.operation(start_child(Wait));
                guest.command(Command::CancelOperation { operation });
            }
            GuestEvent::ChildResolved(_, Err(failure)) => {
                assert!(failure.is_cancellation());
                guest.complete("null");
            }
            _ => {}
        })
    });
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,WC");
    assert!(w.effects.is_empty());
}

fn external<const SIGNAL: bool>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let target = Target {
                workflow_id: "x".into(),
                run_id: None,
            };
            let command = match SIGNAL {
                true => Command::SignalExternal {
                    scope: ROOT,
                    target,
                    name: "s".into(),
                    arguments: vec![],
                    header: vec![],
                },
                false => Command::CancelExternal {
                    scope: ROOT,
                    target,
                    reason: "r".into(),
                },
            };
            _ = guest.operation(command);
        }
        other => end(other, guest),
    })
}

#[test]
fn a16_other_runs_are_signaled_and_canceled() {
    let not_found = ExternalFailedCause::ExternalWorkflowExecutionNotFound;
    for (make, outcome, history) in [
        (external::<false> as fn() -> Script, Ok(()), "XI,XR,T,WC"),
        (external::<false>, Err(not_found), "XI,XF,T,WF"),
        (external::<true>, Ok(()), "GI,GD,T,WC"),
        (external::<true>, Err(not_found), "GI,GF,T,WF"),
    ] {
        let recorded = match history {
            "XI,XR,T,WC" => scenario("A16:a"),
            "XI,XF,T,WF" => scenario("A16:c"),
            "GI,GD,T,WC" => scenario("external_signal"),
            _ => scenario("external_signal:unknown"),
        };
        let mut w = World::start(make);
        w.task();
        w.evict();
        w.append(Input::ExternalResolved {
            initiated_event_id: EventId(5),
            outcome,
        })
        .unwrap();
        w.task();
        let written = w.replayed_history();
        assert_eq!(written, format!("WES,T,{history}"));
        assert_eq!(skeleton(&written), recorded);
        // What the other run gets is what was sent.
        for effect in w.effects.into_values() {
            if let (Effect::Signal { signal, .. }, Ok(())) = (effect, outcome) {
                let mut target = World::start(sleeper::<false>);
                target.task();
                target.append(Input::Signaled(signal)).unwrap();
                target.task();
                let written = skeleton(&target.replayed_history());
                assert_eq!(written, scenario("external_signal:target"));
            }
        }
    }
}

/// Sleeps, and completes after that; shielded, or it ends when it is canceled.
fn sleeper<const SHIELDED: bool>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let scope = match SHIELDED {
                true => guest.scope(ROOT, ScopeKind::Shielded),
                false => ROOT,
            };
            guest.timer(scope, 2);
        }
        GuestEvent::TimerFired(_, Ok(())) => guest.complete("1"),
        GuestEvent::TimerFired(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

/// A parent that does not wait for its canceled child, and goes on for a while.
fn lingers() -> Script {
    let mut cancellation = None;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.operation(start_child(TryCancel)),
        GuestEvent::ChildResolved(_, Err(failure)) => {
            cancellation = Some(failure.clone());
            let shield = guest.scope(ROOT, ScopeKind::Shielded);
            guest.timer(shield, 2);
        }
        GuestEvent::TimerFired(..) => guest.fail(cancellation.as_ref().unwrap()),
        _ => {}
    })
}

#[test]
fn row_19_a_child_that_was_asked_to_end_tells_a_parent_that_lives_on() {
    let mut w = canceled(lingers);
    w.append(requested()).unwrap();
    w.task();
    w.append(closed(ChildClose::Canceled { details: vec![] }))
        .unwrap();
    w.task();
    w.evict();
    w.fire();
    w.task();
    let parent = skeleton(&w.replayed_history());
    assert_eq!(parent, scenario("row19_parent_lives_on"));
    let mut child = World::start(sleeper::<false>);
    child.task();
    child.cancel().unwrap();
    child.task();
    let child = skeleton(&child.replayed_history());
    assert_eq!(child, scenario("row19_parent_lives_on:c"));
}

#[test]
fn row_21_a_child_may_ignore_the_request() {
    let mut child = World::start(sleeper::<true>);
    child.task();
    child.cancel().unwrap();
    child.task();
    child.fire();
    child.task();
    let child = skeleton(&child.replayed_history());
    assert_eq!(child, scenario("row21_child_ignores:c"));
}

#[test]
fn what_is_on_its_way_to_another_run_is_not_called_back() {
    let mut w = World::start(external::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.history(), "WES,T,GI,CR,T");
    w.append(Input::ExternalResolved {
        initiated_event_id: EventId(5),
        outcome: Ok(()),
    })
    .unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,GI,CR,T,GD,T,WC");
}

#[test]
fn a_child_tells_its_parent_how_it_ended() {
    let parent = Origin {
        run: RunRef {
            workflow_id: "p".into(),
            run_id: "p1".into(),
        },
        initiated_event_id: EventId(5),
    };
    let mut run = Run::new(Limits::default());
    run.append(
        Timestamp(1),
        Input::Started(Box::new(Start {
            run_id: "c1".into(),
            parent: Some(parent.clone()),
            ..Start::default()
        })),
    )
    .unwrap();
    run.append(Timestamp(2), Input::TimedOut).unwrap();
    let output = run.take_frame().unwrap();
    let [
        (
            EventId(3),
            Effect::ChildClosed {
                parent: told,
                run_id,
                close,
            },
        ),
    ] = &output.changes.effects[..]
    else {
        panic!("{:?}", output.changes.effects);
    };
    assert_eq!((told, run_id.as_str()), (&parent, "c1"));
    assert!(matches!(close, ChildClose::TimedOut { .. }));
}

#[test]
fn a_child_that_is_not_waited_for_and_terminated_with_its_parent_is_marked() {
    fn marked<const TRY: bool, const TERMINATE: bool>() -> bool {
        fn parent<const TRY: bool, const TERMINATE: bool>() -> Script {
            Box::new(|event, guest| {
                if let GuestEvent::Initialize { .. } = event {
                    guest.operation(Command::StartChild {
                        scope: ROOT,
                        call: ChildCall {
                            workflow_type: "c".into(),
                            cancellation: if TRY { TryCancel } else { Wait },
                            parent_close_policy: match TERMINATE {
                                true => ParentClosePolicy::Terminate,
                                false => ParentClosePolicy::RequestCancel,
                            },
                            ..ChildCall::default()
                        },
                    });
                }
            })
        }
        let mut w = World::start(parent::<TRY, TERMINATE>);
        w.task();
        w.run().open_scopes()[0].operations[0].cut_short
    }
    assert!(marked::<true, true>());
    assert!(!marked::<true, false>() && !marked::<false, true>() && !marked::<false, false>());
}
