//! A new run from the beginning of another one's history (R17), and going back from a cancel (B14).

use super::sleeper;
use crate::support::{Script, World};
use sandglass_engine::*;
use sandglass_semantics::scenario;

fn request(point: ResetPoint) -> Reset {
    Reset {
        base_run_id: "run".into(),
        new_run_id: "new".into(),
        reason: "u".into(),
        identity: "op".into(),
        request_id: "r".into(),
        point,
    }
}

fn frames(w: &World) -> Vec<Frame> {
    let frames = w.frames.iter();
    frames.map(|bytes| decode(bytes).unwrap()).collect()
}

#[test]
fn r17_a_reset_brings_signals_along_and_no_request() {
    let mut w = World::start(sleeper);
    w.task();
    w.signal("sig");
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("R17_reset:old"));
    let point = request(ResetPoint::Event(EventId(4)));
    let mut new = w.reset_to(point, sleeper).unwrap();
    new.task();
    assert_eq!(new.replayed_history(), scenario("R17_reset:new"));
    assert!(!new.run().cancel_requested());
    let start = new.run().start().unwrap().clone();
    assert_eq!(
        (start.run_id.as_str(), start.first_run_id()),
        ("new", "run")
    );
    assert_eq!(start.chain.base_run_id.as_deref(), Some("run"));
}

#[test]
fn r17_a_history_is_cut_at_workflow_tasks_only() {
    let mut w = World::start(sleeper);
    let none = w.reset_to(request(ResetPoint::LastTask), sleeper);
    assert_eq!(none.err(), Some(ResetError::NoTask));
    w.task();
    w.signal("sig");
    w.task();
    let wrong = w.reset_to(request(ResetPoint::Event(EventId(5))), sleeper);
    let text = wrong.err().unwrap().to_string();
    assert!(text.contains("event 5 is of no workflow task"), "{text}");
    assert!(text.contains("at events 4, 9"), "{text}");
    for (point, history) in [
        (ResetPoint::FirstTask, "WES,Ts,Tb,Tf(RESET_WORKFLOW),SG,Ts"),
        (
            ResetPoint::Event(EventId(2)),
            "WES,Ts,Tb,Tf(RESET_WORKFLOW),SG,Ts",
        ),
        (
            ResetPoint::Event(EventId(3)),
            "WES,Ts,Tb,Tf(RESET_WORKFLOW),SG,Ts",
        ),
        (
            ResetPoint::LastTask,
            "WES,T,TS,SG,Ts,Tb,Tf(RESET_WORKFLOW),Ts",
        ),
        (
            ResetPoint::Event(EventId(9)),
            "WES,T,TS,SG,Ts,Tb,Tf(RESET_WORKFLOW),Ts",
        ),
    ] {
        let new = w.reset_to(request(point), sleeper).unwrap();
        assert_eq!(new.replayed_history(), history, "{point:?}");
    }
    let never = w.reset_to(request(ResetPoint::BeforeCancel), sleeper);
    assert_eq!(never.err(), Some(ResetError::NotCanceled));
}

/// `A`, then `B`; undoes `A` if that fails.
fn saga() -> Script {
    let (mut done, root) = (0, ScopeId::ROOT);
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let a = guest.activity(root, "A", CancellationType::default());
            guest.compensation(a, "UndoA");
        }
        GuestEvent::ActivityResolved(_, Ok(_)) => {
            done += 1;
            match done {
                1 => drop(guest.activity(root, "B", CancellationType::default())),
                _ => guest.complete("\"both\""),
            }
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

#[test]
fn b14_an_uncanceled_run_keeps_what_was_done_and_begins_what_was_pending_anew() {
    let mut w = World::start(saga);
    w.task();
    w.complete("A");
    w.task();
    let key = w.pending("B").idempotency_key("run");
    w.cancel().unwrap();
    w.task();
    w.report("B", Report::Canceled(vec![]));
    w.task();
    w.complete("UndoA");
    w.task();
    assert!(matches!(w.run().status(), Status::Canceled { .. }));

    let mut new = w.reset_to(request(ResetPoint::BeforeCancel), saga).unwrap();
    assert_eq!(new.pending.len(), 1, "A is not done again");
    let b = new.pending("B");
    assert_eq!((b.attempt, b.idempotency_key("new")), (1, key));
    assert_eq!(b.cancel_requested, None);
    new.task();
    new.complete("B");
    new.task();
    let history = "WES,T,AS,AB,AC,T,AS,Ts,Tb,Tf(RESET_WORKFLOW),T,AB,AC,T,WC";
    assert_eq!(new.replayed_history(), history);
}

#[test]
fn b14_what_was_done_in_spite_of_the_request_is_not_done_again() {
    let mut w = World::start(saga);
    w.task();
    w.complete("A");
    w.task();
    w.cancel().unwrap();
    w.task();
    w.complete("B");
    w.task();
    let new = w.reset_to(request(ResetPoint::BeforeCancel), saga).unwrap();
    assert!(new.pending.is_empty());
    let history = "WES,T,AS,AB,AC,T,AS,Ts,Tb,Tf(RESET_WORKFLOW),AB,AC,Ts";
    assert_eq!(new.replayed_history(), history);
}

#[test]
fn r17_what_comes_after_the_point_has_the_new_runs_name() {
    let mut w = World::start(saga);
    w.task();
    w.complete("A");
    w.task();
    let mut new = w.reset_to(request(ResetPoint::LastTask), saga).unwrap();
    assert!(new.pending.is_empty());
    new.task();
    let b = new.pending("B");
    let id = b.scheduled_event_id;
    assert_eq!(b.idempotency_key("new"), format!("new/{id}"));
    // What it undoes was done under the old run's name.
    new.cancel().unwrap();
    new.task();
    new.report("B", Report::Canceled(vec![]));
    new.task();
    let undoes = &new.pending("UndoA").call.header;
    assert_eq!(undoes, &[("undoes".into(), Payload::json("\"run/5\""))]);
}

#[test]
fn r17_the_run_that_was_reset_ends_without_its_relatives_being_told() {
    let mut w = World::start(sleeper);
    w.task();
    let reset = request(ResetPoint::FirstTask);
    w.append(Input::Superseded(Box::new(reset))).unwrap();
    assert_eq!(w.replayed_history(), "WES,T,TS,WK");
    let effects: Vec<_> = w.effects.values().collect();
    assert!(
        matches!(effects[..], [Effect::StartReset { .. }]),
        "{effects:?}"
    );
    assert_eq!(frames(&w).len(), w.frames.len());
    let ended = &w.events.last().unwrap().attributes;
    let EventAttributes::WorkflowExecutionTerminated { details, .. } = ended else {
        panic!("not terminated: {ended:?}");
    };
    assert_eq!(details, &[Payload::json("\"new\"")]);
}
