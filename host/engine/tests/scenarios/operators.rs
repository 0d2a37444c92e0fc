//! What operators do to a run: pause and unpause it (R40), cancel one activity or scope (B15).

use super::{ROOT, one_activity, propagate, sleeper};
use crate::support::{Script, World};
use sandglass_engine::*;
use sandglass_semantics::scenario;

fn request(id: &str) -> OperatorRequest {
    OperatorRequest {
        reason: "because".into(),
        identity: "op".into(),
        request_id: id.into(),
    }
}

fn pause(w: &mut World) {
    w.append(Input::Paused(request(""))).unwrap();
}

fn unpause(w: &mut World) {
    w.append(Input::Unpaused(request(""))).unwrap();
}

#[test]
fn r40_a_paused_run_records_a_request_and_handles_it_when_it_is_unpaused() {
    let mut w = World::start(sleeper);
    w.task();
    pause(&mut w);
    w.signal("sig");
    let update = w.append(Input::UpdateRequested(Update::default()));
    assert_eq!(update, Err(InputError::Paused));
    w.cancel().unwrap();
    assert!(!w.run().wants_task());
    assert_eq!(w.history(), "WES,T,TS,PAUSED,SG,CR");
    let (by, _) = w.run().summary().paused.unwrap();
    assert_eq!(
        (by.reason.as_str(), by.identity.as_str()),
        ("because", "op")
    );
    w.evict();
    assert!(!w.run().wants_task(), "a replay knows it as well");
    unpause(&mut w);
    assert_eq!(w.run().summary().paused, None);
    assert_eq!(w.history(), "WES,T,TS,PAUSED,SG,CR,UNPAUSED,Ts");
    w.task();
    assert_eq!(w.replayed_history(), scenario("R40_paused"));
}

#[test]
fn r40_a_task_that_waits_is_taken_back_when_the_run_is_paused() {
    let mut w = World::start(sleeper);
    w.task();
    w.cancel().unwrap();
    pause(&mut w);
    let taken_back = "WES,T,TS,CR,Ts,Tf(WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED),PAUSED";
    assert_eq!(w.history(), taken_back);
    unpause(&mut w);
    w.task();
    assert_eq!(
        w.replayed_history(),
        format!("{taken_back},UNPAUSED,T,TC,WX")
    );
}

#[test]
fn r40_a_pause_ends_a_streak_of_failing_tasks() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            _ => guest.trap(),
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    pause(&mut w);
    let failed = "WES,T,TS,CR,Ts,Tb,Tf(WORKFLOW_WORKER_UNHANDLED_FAILURE),PAUSED";
    assert_eq!(w.history(), failed);
    w.reload_with(sleeper).unwrap();
    unpause(&mut w);
    w.task();
    assert_eq!(shorthand(&w.events), format!("{failed},UNPAUSED,T,TC,WX"));
}

#[test]
fn r40_timers_fire_activities_end_and_terminate_acts_while_the_run_is_paused() {
    let mut w = World::start(|| {
        Box::new(|event, guest| {
            if let GuestEvent::Initialize { .. } = event {
                guest.timer(ROOT, 60);
                guest.activity(ROOT, "Work", CancellationType::default());
            }
        })
    });
    w.task();
    pause(&mut w);
    w.fire();
    w.complete("Work");
    assert_eq!(w.history(), "WES,T,TS,AS,PAUSED,TF,AB,AC");
    w.terminate();
    assert_eq!(w.replayed_history(), "WES,T,TS,AS,PAUSED,TF,AB,AC,WK");
    assert_eq!(
        w.append(Input::Unpaused(request(""))),
        Err(InputError::Closed)
    );
}

#[test]
fn r40_pausing_twice_and_unpausing_what_runs_are_refused_by_name() {
    let mut w = World::start(sleeper);
    w.task();
    let refused = w.append(Input::Unpaused(request("")));
    assert_eq!(refused, Err(InputError::NotPaused));
    w.append(Input::Paused(request("p1"))).unwrap();
    let again = w.append(Input::Paused(request("p2"))).unwrap_err();
    assert_eq!(again.to_string(), "workflow is already paused");
    // The same request again is no second one (R39).
    assert_eq!(
        w.append(Input::Paused(request("p1"))),
        Err(InputError::Duplicate)
    );
    unpause(&mut w);
    assert_eq!(
        w.append(Input::Paused(request("p1"))),
        Err(InputError::Duplicate)
    );
    assert!(
        w.run().wants_task(),
        "unpausing causes a task though nothing is new"
    );
}

fn cancel(target: OperatorTarget) -> Input {
    let request = request("");
    Input::OperatorCanceled { target, request }
}

#[test]
fn b15_an_operator_cancels_one_activity_as_the_code_could() {
    for (make, ends) in [
        (one_activity::<0> as fn() -> Script, "ACR,AB,AX,T,WF"),
        (one_activity::<1>, "ACR,WF"),
        (one_activity::<2>, "WF"),
    ] {
        let mut w = World::start(make);
        w.task();
        let id = w.pending("Work").scheduled_event_id;
        w.append(cancel(OperatorTarget::Activity(id))).unwrap();
        w.task();
        if ends.contains("AX") {
            assert_eq!(
                w.pending("Work").cancel_requested.as_deref(),
                Some("because")
            );
            let again = w.append(cancel(OperatorTarget::Activity(id)));
            assert_eq!(again, Err(InputError::AlreadyRequested));
            w.report("Work", Report::Canceled(vec![]));
            w.task();
        }
        assert_eq!(w.replayed_history(), format!("WES,T,AS,OCR,T,{ends}"));
        let Status::Failed { failure } = w.run().status().clone() else {
            panic!("nobody asked the run to end");
        };
        let canceled = failure.chain().last().unwrap();
        let FailureInfo::Canceled { request, .. } = &canceled.info else {
            panic!("not canceled: {canceled:?}");
        };
        let info = request.clone().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.requester.as_str()),
            ("because", "op")
        );
    }
}

#[test]
fn b15_an_activity_that_ends_first_has_ended() {
    let mut w = World::start(one_activity::<0>);
    w.task();
    let id = w.pending("Work").scheduled_event_id;
    w.append(cancel(OperatorTarget::Activity(id))).unwrap();
    let twice = w.append(cancel(OperatorTarget::Activity(id)));
    assert_eq!(twice, Err(InputError::AlreadyRequested));
    w.complete("Work");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,AS,OCR,Ts,AB,AC,Tb,Tc,WC");
    let late = w.append(cancel(OperatorTarget::Activity(id)));
    assert_eq!(late, Err(InputError::Closed));
}

/// A timer and an activity in a scope, a timer outside of it.
fn scoped() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let scope = guest.scope(ROOT, ScopeKind::Cancellable);
            guest.timer(scope, 3600);
            guest.activity(scope, "Work", CancellationType::TryCancel);
            guest.timer(ROOT, 7200);
            let label = "a signal".into();
            guest.command(Command::OpenWait { scope, label });
        }
        GuestEvent::TimerFired(_, Ok(())) => guest.complete("\"fired\""),
        GuestEvent::ScopeCanceled(scope, info) => {
            assert_eq!(*scope, ScopeId(1));
            assert_eq!(info.cause, CancelCause::Requested);
            guest.command(Command::CloseScope { scope: *scope });
        }
        _ => {}
    })
}

#[test]
fn b15_an_operator_cancels_one_scope_and_nothing_else() {
    let mut w = World::start(scoped);
    w.task();
    let scope = |number| cancel(OperatorTarget::Scope(ScopeId(number)));
    assert_eq!(w.append(scope(0)), Err(InputError::RootScope));
    assert_eq!(
        w.append(scope(2)),
        Err(InputError::UnknownScope(ScopeId(2)))
    );
    let open = w.run().open_scopes();
    assert_eq!(open.len(), 2);
    let pending: Vec<_> = open[1]
        .operations
        .iter()
        .map(|one| one.what.as_str())
        .collect();
    assert_eq!(pending, ["timer", "activity Work [2]", "wait for a signal"]);
    w.append(scope(1)).unwrap();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,AS,TS,OCR,T,TC,ACR");
    assert_eq!(w.run().open_scopes().len(), 1);
    assert_eq!(
        w.append(scope(1)),
        Err(InputError::UnknownScope(ScopeId(1)))
    );
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,AS,TS,OCR,T,TC,ACR,TF,T,WC");
}

#[test]
fn b15_a_compensation_is_stopped_by_nobody() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let work = guest.activity(ROOT, "Work", CancellationType::default());
                guest.compensation(work, "Undo");
            }
            GuestEvent::ActivityResolved(..) => guest.fail(&Failure::application("E", "no")),
            other => propagate(other, guest),
        })
    });
    w.task();
    w.complete("Work");
    w.task();
    let id = w.pending("Undo").scheduled_event_id;
    let refused = w.append(cancel(OperatorTarget::Activity(id)));
    assert_eq!(refused, Err(InputError::Compensation(id)));
}
