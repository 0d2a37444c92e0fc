//! Ending a run by force: the ladder above a request to cancel (R29, R30).

use super::{cleanup, compensations::saga};
use crate::support::World;
use sandglass_engine::*;

fn force(rung: Escalation, trigger: Trigger) -> Input {
    Input::Forced(ForceRequest {
        rung,
        trigger,
        reason: "enough".into(),
        identity: "op".into(),
        request_id: String::new(),
    })
}

#[test]
fn a25_force_ends_a_run_that_is_canceling_without_its_code() {
    for (rung, state) in [
        (Escalation::Force, CancelState::ForceRequested),
        (Escalation::Kill, CancelState::KillRequested),
    ] {
        let mut w = World::start(cleanup::<true>);
        w.task();
        w.cancel().unwrap();
        w.task();
        assert_eq!(w.run().summary().cancel_state, CancelState::Delivered);
        w.append(force(rung, Trigger::Request)).unwrap();
        assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,AS,FORCE,WX");
        let summary = w.run().summary();
        assert_eq!(summary.cancel_state, state);
        assert_eq!(summary.status, Status::Canceled { details: vec![] });
        let (request, _) = summary.force.unwrap();
        assert_eq!(
            (request.reason.as_str(), request.identity.as_str()),
            ("enough", "op")
        );
        let last = w.events.last().unwrap();
        assert!(matches!(
            last.attributes,
            EventAttributes::WorkflowExecutionCanceled { forced: true, .. }
        ));
        // A second one finds the run closed.
        let again = w.append(force(rung, Trigger::Request));
        assert_eq!(again, Err(InputError::Closed));
    }
}

#[test]
fn r36_what_ends_a_run_by_force_undoes_nothing() {
    type End = fn() -> Input;
    let ends: [(End, &str); 5] = [
        (|| force(Escalation::Force, Trigger::Request), "FORCE,WX"),
        (|| force(Escalation::Kill, Trigger::Request), "FORCE,WX"),
        (
            || force(Escalation::Terminate, Trigger::Deadline),
            "FORCE,WX",
        ),
        (|| force(Escalation::Fail, Trigger::Deadline), "FORCE,WF"),
        (|| Input::TimedOut, "WTO"),
    ];
    for (end, expected) in ends {
        let mut w = World::start(saga);
        w.task();
        w.complete("A");
        w.task();
        w.append(end()).unwrap();
        assert!(!w.run().wants_task());
        let history = w.replayed_history();
        assert_eq!(history, format!("WES,T,AS,AB,AC,T,AS,{expected}"));
        let names = w.pending.values().map(|a| a.call.activity_type.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["B"]);
    }
}

#[test]
fn r36_force_during_compensations_leaves_the_others() {
    for rung in [Escalation::Force, Escalation::Kill] {
        let mut w = World::start(saga);
        for name in ["A", "B"] {
            w.task();
            w.complete(name);
        }
        w.task();
        w.cancel().unwrap();
        w.task();
        w.report("C", Report::Canceled(vec![]));
        w.task();
        let history = w.replayed_history();
        assert!(history.ends_with(",AB,AX,T,AS"), "{history}");
        assert_eq!(w.pending("b").call.activity_type, "b");
        w.append(force(rung, Trigger::Request)).unwrap();
        assert!(!w.run().wants_task());
        let ended = w.replayed_history();
        assert_eq!(ended, format!("{history},FORCE,WX"));
        // What b reports afterwards changes nothing.
        let now = w.now;
        let done = Report::Completed(Payload::null());
        let Verdict::Close(late) = w.pending("b").report(now, done) else {
            panic!("it has completed");
        };
        assert_eq!(w.append(late), Err(InputError::Closed));
    }
}

#[test]
fn r29_force_needs_no_request_before_it() {
    let mut w = World::start(cleanup::<true>);
    w.append(force(Escalation::Force, Trigger::Request))
        .unwrap();
    assert_eq!(w.replayed_history(), "WES,Ts,FORCE,WX");
}

#[test]
fn r30_the_deadline_of_a_request_is_a_timer_that_goes_by_its_event() {
    let mut w = World::start(cleanup::<true>);
    w.task();
    w.append(Input::CancelRequested(CancelRequest {
        deadline: Some(Timestamp(99_000)),
        escalation: Some(Escalation::Fail),
        ..CancelRequest::default()
    }))
    .unwrap();
    w.task();
    assert_eq!(w.timers.get(&EventId(6)), Some(&Timestamp(99_000)));
    let grace = Some((EventId(6), Escalation::Fail));
    assert_eq!(w.run().summary().grace, grace);
    w.evict();
    assert_eq!(w.run().summary().grace, grace, "a replay knows it as well");
    w.append(force(Escalation::Fail, Trigger::Deadline))
        .unwrap();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,AS,FORCE,WF");
}

#[test]
fn a_deadline_without_an_escalation_is_only_told() {
    let mut w = World::start(cleanup::<true>);
    w.append(Input::CancelRequested(CancelRequest {
        deadline: Some(Timestamp(99_000)),
        ..CancelRequest::default()
    }))
    .unwrap();
    assert!(w.timers.is_empty());
    assert_eq!(w.run().summary().grace, None);
}

#[test]
fn r30_the_code_sees_the_deadline_of_its_cancellation() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ScopeId::ROOT, 3600),
            GuestEvent::CancelRequested(info) => {
                assert_eq!(guest.cancel_info(ScopeId::ROOT), Some(info.clone()));
                guest.complete(&info.deadline.unwrap().0.to_string());
            }
            _ => {}
        })
    });
    w.task();
    w.append(Input::CancelRequested(CancelRequest {
        deadline: Some(Timestamp(99_000)),
        escalation: Some(Escalation::Force),
        ..CancelRequest::default()
    }))
    .unwrap();
    w.task();
    w.replayed_history();
    let result = Payload::json("99000");
    assert_eq!(w.run().status(), &Status::Completed { result });
}
