//! A new run from the beginning of another one's history (R17), and going back from a cancel (B14).

use super::{ROOT, propagate, relatives::start_child, sleeper};
use crate::support::{Script, World};
use sandglass_engine::*;
use sandglass_semantics::scenario;

pub(crate) fn request(point: ResetPoint) -> Reset {
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

/// Answers each update at once.
fn answering() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        GuestEvent::UpdateRequested(update) => {
            guest.command(Command::CompleteUpdate {
                id: update.id.clone(),
                outcome: Ok(Payload::null()),
            });
        }
        other => propagate(other, guest),
    })
}

#[test]
fn r17_updates_come_along_although_none_of_them_is_answered_then() {
    // More than may wait for an answer at a time.
    let updates = 11;
    let mut w = World::start(answering);
    w.task();
    for id in 0..updates {
        let update = Update {
            id: id.to_string(),
            ..Update::default()
        };
        w.append(Input::UpdateRequested(update)).unwrap();
        w.task();
    }
    let counts = |total, in_flight| UpdateCounts { total, in_flight };
    assert_eq!(w.run().update_counts(), counts(updates, 0));
    let to = request(ResetPoint::FirstTask);
    let mut new = w.reset_to(to, answering).unwrap();
    assert_eq!(new.run().update_counts(), counts(updates, updates));
    new.task();
    assert_eq!(new.run().update_counts(), counts(updates, 0));
    let answered = "UA,UC,".repeat(updates as usize);
    assert_eq!(
        new.replayed_history(),
        format!("WES,Ts,Tb,Tf(RESET_WORKFLOW),T,{answered}TS")
    );
}

#[test]
fn r17_a_history_is_reset_whatever_limits_it_was_made_under() {
    let signals = Limits::default().signals_per_run + 1;
    let limits = Limits {
        signals_per_run: signals,
        ..Limits::default()
    };
    let task = |run: Box<Run>| {
        let mut task = run.begin(Timestamp(2), Digest::default());
        while task.next().unwrap().is_some() {}
        task.finish().unwrap()
    };
    let at = Timestamp(1);
    let mut run = Run::new(limits);
    run.append(at, Input::Started(Box::default())).unwrap();
    run = task(run);
    let signal = || (at, Input::Signaled(Signal::default()));
    let taken = run.append_all((0..signals).map(|_| signal()));
    assert!(taken.iter().all(Result::is_ok));
    run = task(run);
    let request_to_end = Input::CancelRequested(CancelRequest::default());
    run.append(at, request_to_end).unwrap();
    let frame = run.take_frame().unwrap().frame;
    let last = history([frame.clone()]).unwrap();
    let is_end = |event: &&HistoryEvent| event.attributes.event_type() == "WorkflowTaskCompleted";
    let last = last.iter().rev().find(is_end).unwrap().event_id;
    for point in [
        ResetPoint::Event(last),
        ResetPoint::FirstTask,
        ResetPoint::LastTask,
        ResetPoint::BeforeCancel,
    ] {
        let (_, output) = reset(vec![frame.clone()], at, request(point), limits).unwrap();
        let events = history([output.frame]).unwrap();
        let is_signal =
            |event: &&HistoryEvent| event.attributes.event_type() == "WorkflowExecutionSignaled";
        assert_eq!(
            events.iter().filter(is_signal).count(),
            signals,
            "{point:?}"
        );
    }
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
    let starts: fn() -> Script = || {
        Box::new(|event, guest| {
            if let GuestEvent::Initialize { .. } = event {
                guest.command(start_child(ChildCancellation::default()));
            }
        })
    };
    let origin = Origin {
        run: RunRef {
            workflow_id: "p".into(),
            run_id: "p1".into(),
        },
        initiated_event_id: EventId(5),
    };
    let of_a_parent = Start {
        parent: Some(origin),
        ..Start::default()
    };
    // It has a parent, and a child that its close would ask to end.
    let mut w = World::start_as(starts, of_a_parent, None);
    w.task();
    w.append(Input::ChildStarted {
        initiated_event_id: EventId(5),
        run_id: "c1".into(),
    })
    .unwrap();
    w.task();
    let told_at_its_close = {
        let mut run = w.run().clone();
        run.append(w.now, Input::TimedOut).unwrap();
        run.take_frame().unwrap().changes.effects.len()
    };
    assert_eq!(told_at_its_close, 2);
    let reset = request(ResetPoint::FirstTask);
    w.append(Input::Superseded(Box::new(reset))).unwrap();
    assert_eq!(w.replayed_history(), "WES,T,CI,CS,T,WK");
    let effects: Vec<_> = w.effects.values().collect();
    assert!(
        matches!(
            effects[..],
            [Effect::StartChild { .. }, Effect::StartReset { .. }]
        ),
        "{effects:?}"
    );
    assert_eq!(frames(&w).len(), w.frames.len());
    let ended = &w.events.last().unwrap().attributes;
    let EventAttributes::WorkflowExecutionTerminated { details, .. } = ended else {
        panic!("not terminated: {ended:?}");
    };
    assert_eq!(details, &[Payload::json("\"new\"")]);
}
