//! Updates, patches, memo and search attributes; and looking at a run without changing it.

use crate::support::{Guest, Script, World};
use sandglass_engine::*;
use sandglass_semantics::scenario;

const ROOT: ScopeId = ScopeId::ROOT;

fn update(id: &str, name: &str) -> Input {
    Input::UpdateRequested(Update {
        id: id.into(),
        name: name.into(),
        ..Update::default()
    })
}

fn answer(guest: &mut Guest<'_>, id: &str, json: &str) {
    guest.command(Command::CompleteUpdate {
        id: id.into(),
        outcome: Ok(Payload::json(json)),
    });
}

/// Answers `quick` at once and the others after an activity; ends on the signal `end`.
fn holder() -> Script {
    let mut waiting = Vec::new();
    Box::new(move |event, guest| match event {
        GuestEvent::UpdateRequested(update) if update.name == "quick" => {
            answer(guest, &update.id, "1");
        }
        GuestEvent::UpdateRequested(update) => {
            let operation = guest.activity(ROOT, "Work", CancellationType::default());
            waiting.push((operation, update.id.clone()));
        }
        GuestEvent::ActivityResolved(operation, outcome) => {
            let found = waiting.iter().position(|(waits, _)| waits == operation);
            let (_, id) = waiting.remove(found.unwrap());
            let outcome = outcome.clone();
            guest.command(Command::CompleteUpdate { id, outcome });
        }
        GuestEvent::SignalReceived(_) => guest.complete("\"bye\""),
        _ => {}
    })
}

#[test]
fn an_update_is_accepted_and_completed_in_a_task_of_its_own() {
    let mut w = World::start(holder);
    w.task();
    w.append(update("u1", "quick")).unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("update_completes"));
    let completed = w.events.last().unwrap();
    let EventAttributes::WorkflowExecutionUpdateCompleted {
        update_id,
        accepted_event_id,
        outcome,
    } = &completed.attributes
    else {
        panic!("{completed:?}")
    };
    assert_eq!(update_id, "u1");
    assert_eq!(accepted_event_id.0, completed.event_id.0 - 1);
    assert_eq!(outcome, &Ok(Payload::json("1")));
}

#[test]
fn a_handler_may_take_several_tasks_and_others_pass_it() {
    let mut w = World::start(holder);
    w.task();
    w.append(update("slow", "work")).unwrap();
    w.task();
    let counts = |total, in_flight| UpdateCounts { total, in_flight };
    assert_eq!(w.run().update_counts(), counts(1, 1));
    w.append(update("fast", "quick")).unwrap();
    w.task();
    w.complete("Work");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,T,UA,AS,T,UA,UC,AB,AC,T,UC");
    assert_eq!(w.run().update_counts(), counts(2, 0));
    w.evict();
    assert_eq!(w.run().update_counts(), counts(2, 0));
}

#[test]
fn an_update_of_the_same_id_is_the_same_update() {
    let mut w = World::start(holder);
    w.task();
    w.append(update("u1", "quick")).unwrap();
    let again = Err(InputError::Duplicate);
    assert_eq!(w.append(update("u1", "quick")), again, "while it waits");
    w.task();
    assert_eq!(w.append(update("u1", "other")), again, "once it is done");
    w.evict();
    assert_eq!(w.append(update("u1", "quick")), again, "after a replay");
    assert_eq!(w.replayed_history(), "WES,T,T,UA,UC");
}

#[test]
fn r6_updates_before_the_first_task_are_delivered_before_the_start() {
    let mut w = World::start(|| {
        let mut seen = Vec::new();
        Box::new(move |event, guest| {
            seen.push(match event {
                GuestEvent::Initialize { .. } => "start".to_owned(),
                GuestEvent::SignalReceived(signal) => signal.name.clone(),
                GuestEvent::UpdateRequested(update) => update.id.clone(),
                other => panic!("unexpected {other:?}"),
            });
            if seen.len() == 4 {
                guest.complete(&format!("\"{}\"", seen.join(" ")));
            }
        })
    });
    w.signal("one");
    w.append(update("u1", "quick")).unwrap();
    w.signal("two");
    w.task();
    let Status::Completed { result } = w.run().status() else {
        panic!("not completed")
    };
    assert_eq!(result.data, b"\"one u1 two start\"");
    assert_eq!(w.replayed_history(), "WES,Ts,SG,SG,Tb,Tc,UA,WC");
}

#[test]
fn a_run_that_ends_leaves_its_updates_unanswered() {
    let mut w = World::start(holder);
    w.task();
    w.append(update("accepted", "work")).unwrap();
    w.task();
    w.signal("end");
    w.append(update("late", "quick")).unwrap();
    w.task();
    // The second one was never accepted: the code had ended before it came.
    assert_eq!(w.replayed_history(), "WES,T,T,UA,AS,SG,T,WC");
    assert_eq!(w.append(update("u3", "quick")), Err(InputError::Closed));
}

#[test]
fn an_update_that_comes_while_compensations_run_is_not_accepted() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let done = guest.activity(ROOT, "Work", CancellationType::default());
                guest.compensation(done, "Undo");
            }
            GuestEvent::ActivityResolved(..) => guest.fail(&Failure::application("E", "e")),
            other => panic!("the code has ended: {other:?}"),
        })
    });
    w.task();
    w.complete("Work");
    w.task();
    w.append(update("u1", "quick")).unwrap();
    w.task();
    w.complete("Undo");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,AS,AB,AC,T,AS,T,AB,AC,T,WF");
}

#[test]
fn what_an_update_waits_for_is_canceled_with_the_run() {
    let mut w = World::start(|| {
        Box::new(move |event, guest| match event {
            GuestEvent::UpdateRequested(_) => _ = guest.timer(ROOT, 3600),
            GuestEvent::TimerFired(_, Err(failure)) => {
                guest.command(Command::CompleteUpdate {
                    id: "u1".into(),
                    outcome: Err(failure.clone()),
                });
                guest.complete("\"bye\"");
            }
            _ => {}
        })
    });
    w.task();
    w.append(update("u1", "upd")).unwrap();
    w.task();
    w.cancel().unwrap();
    w.task();
    w.replayed_history();
    assert_eq!(skeleton(&w.events), scenario("row43_update"));
}

#[test]
fn only_an_open_update_can_be_answered() {
    for (id, what) in [("u1", "answered before"), ("u2", "never delivered")] {
        let answers: fn() -> Script = match id {
            "u1" => || {
                Box::new(|event, guest| {
                    if let GuestEvent::UpdateRequested(_) = event {
                        answer(guest, "u1", "1");
                        answer(guest, "u1", "2");
                    }
                })
            },
            _ => || {
                Box::new(|event, guest| {
                    if let GuestEvent::UpdateRequested(_) = event {
                        answer(guest, "u2", "1");
                    }
                })
            },
        };
        let mut w = World::start(answers);
        w.task();
        w.append(update("u1", "quick")).unwrap();
        w.task();
        let shape = "WES,T,Ts,Tb,Tf(BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE)";
        assert_eq!(w.history(), shape);
        let (_, failure) = w.run().summary().task_failure.unwrap();
        assert!(failure.to_string().contains(what), "{failure}");
    }
}

#[test]
fn an_update_does_not_end_a_streak_of_failures() {
    let mut w = World::start(|| Box::new(|_, guest| guest.trap()));
    w.task();
    w.append(update("u1", "quick")).unwrap();
    assert_eq!(w.run().task_attempt(), 2);
    w.signal("s");
    assert_eq!(w.run().task_attempt(), 1, "a signal does (R38)");
    w.history();
}

/// Asks about a patch at the start and at each signal, and starts a timer of so many seconds.
fn patched<const DEPRECATED: bool>() -> Script {
    Box::new(move |event, guest| {
        if let GuestEvent::Initialize { .. } | GuestEvent::SignalReceived(_) = event {
            let id = "faster".to_owned();
            let answer = guest.command(Command::Patched {
                id,
                deprecated: DEPRECATED,
            });
            let seconds = if DEPRECATED || answer == Answer::Patched(true) {
                10
            } else {
                20
            };
            guest.timer(ROOT, seconds);
        }
    })
}

/// The code before the patch, or with `NEW` after it is gone.
fn unpatched<const NEW: bool>() -> Script {
    Box::new(move |event, guest| {
        if let GuestEvent::Initialize { .. } | GuestEvent::SignalReceived(_) = event {
            guest.timer(ROOT, if NEW { 10 } else { 20 });
        }
    })
}

#[test]
fn a_new_run_goes_the_way_of_a_patch_and_records_it_once() {
    let mut w = World::start(patched::<false>);
    w.task();
    w.signal("again");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,MR,USA,TS,SG,T,TS");
    let marker = w.events[4].attributes.clone();
    let EventAttributes::MarkerRecorded {
        marker_name,
        details,
        ..
    } = marker
    else {
        panic!("{marker:?}")
    };
    assert_eq!(marker_name, "core_patch");
    assert_eq!(details[0].0, "patch-data");
    let data = br#"{"id":"faster","deprecated":false}"#;
    assert_eq!(details[0].1[0].data, data);
}

#[test]
fn a_run_from_before_the_patch_goes_its_old_way_to_the_end() {
    let mut w = World::start(unpatched::<false>);
    w.task();
    w.reload_with(patched::<false>).unwrap();
    // Also where it comes by for the first time with the new code.
    w.signal("again");
    w.task();
    assert_eq!(w.history(), "WES,T,TS,SG,T,TS");
    let due: Vec<_> = w.timers.values().map(|due| due.0 - w.now.0).collect();
    assert!(due.iter().all(|due| *due > 10_000), "{due:?}");
    w.reload_with(patched::<false>)
        .expect("and so it does in a replay");
}

#[test]
fn a_run_of_the_patch_differs_from_code_without_it() {
    let mut w = World::start(patched::<false>);
    w.task();
    let error = w.reload_with(unpatched::<true>).unwrap_err().to_string();
    assert!(error.contains("patch \"faster\""), "{error}");
}

#[test]
fn a_deprecated_patch_may_be_called_or_left_out() {
    // Recorded by the patch, replayed by code that calls it deprecated.
    let mut w = World::start(patched::<false>);
    w.task();
    w.reload_with(patched::<true>).unwrap();
    // Recorded as deprecated, replayed by code without it; then the run goes on with that.
    let mut w = World::start(patched::<true>);
    w.task();
    assert_eq!(w.history(), "WES,T,MR,USA,TS");
    w.reload_with(unpatched::<true>).unwrap();
    w.signal("again");
    w.task();
    assert_eq!(w.history(), "WES,T,MR,USA,TS,SG,T,TS");
    w.reload_with(unpatched::<true>).unwrap();
    // Not recorded at all, replayed by code that calls it deprecated.
    let mut w = World::start(unpatched::<true>);
    w.task();
    w.reload_with(patched::<true>).unwrap();
}

fn upsert(name: &str, value: Option<SearchValue>) -> Command {
    Command::UpsertSearchAttributes {
        entries: vec![(name.into(), value)],
    }
}

#[test]
fn memo_and_search_attributes_are_set_and_removed() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let memo = [("note", Some(Payload::json("1"))), ("gone", None)];
                guest.command(Command::UpsertMemo {
                    entries: memo.map(|(name, value)| (name.into(), value)).into(),
                });
                guest.command(upsert("Customer", Some(SearchValue::Keyword("c1".into()))));
                guest.command(upsert("Total", Some(SearchValue::Int(5))));
            }
            _ => _ = guest.command(upsert("Customer", None)),
        })
    });
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,PM,USA,USA");
    w.signal("s");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,PM,USA,USA,SG,T,USA");
    w.evict();
    let task = Box::new(w.run().clone()).look();
    let names: Vec<_> = task.search_attributes().map(|(name, _)| name).collect();
    assert_eq!(names, ["Total"]);
    let memo: Vec<_> = task.memo().collect();
    assert_eq!(memo, [(&"note".to_owned(), &Payload::json("1"))]);
}

/// Goes the way of so many patches, whose ids are long, and then sets an attribute.
fn many_patches() -> Script {
    Box::new(|event, guest| {
        if let GuestEvent::Initialize { .. } = event {
            let large = SearchValue::Text("x".repeat(39 << 10));
            guest.command(upsert("Large", Some(large)));
            for number in 0..41 {
                let answer = guest.command(Command::Patched {
                    id: format!("{number:01000}"),
                    deprecated: false,
                });
                assert_eq!(answer, Answer::Patched(true));
            }
            guest.command(upsert("Total", Some(SearchValue::Int(5))));
        }
    })
}

#[test]
fn patches_take_no_more_of_the_search_attributes_than_a_little() {
    let mut w = World::start(many_patches);
    w.task();
    let rest = "MR,".repeat(40);
    assert_eq!(w.replayed_history(), format!("WES,T,USA,MR,USA,{rest}USA"));
    w.evict();
    let summary = w.run().summary();
    let list = &summary.search_attributes["TemporalChangeVersion"];
    assert!(list.size() < 2048, "{}", list.size());
}

#[test]
fn a_search_attribute_keeps_its_type() {
    let mut w = World::start(|| {
        Box::new(|_, guest| {
            guest.command(upsert("Total", Some(SearchValue::Int(5))));
            guest.command(upsert("Total", Some(SearchValue::Bool(true))));
        })
    });
    w.task();
    assert_eq!(w.history(), "WES,Ts,Tb,Tf(BAD_SEARCH_ATTRIBUTES)");
}

#[test]
fn who_only_looks_cannot_command_and_changes_nothing() {
    let mut w = World::start(holder);
    w.task();
    w.signal("end");
    let before = w.run().summary();
    let mut task = Box::new(w.run().clone()).look();
    assert!(task.read_only() && !task.replaying());
    let refused = task
        .command(Command::StartTimer {
            scope: ROOT,
            duration: Millis(1),
        })
        .unwrap_err();
    assert!(
        refused.to_string().contains("`timers.start-timer`"),
        "{refused}"
    );
    let mut task = Box::new(w.run().clone()).look();
    let id = "unheard of".to_owned();
    let deprecated = false;
    assert!(task.command(Command::Patched { id, deprecated }).is_err());
    let mut run = Box::new(w.run().clone()).look().into_run();
    assert_eq!(run.summary(), before, "the signal waits as before");
    assert!(run.take_frame().is_none());
    let event = run.begin(w.now, Digest::default()).next().unwrap();
    assert!(
        matches!(event, Some(GuestEvent::SignalReceived(_))),
        "{event:?}"
    );
}
