//! Chains of runs: continue-as-new, retries of runs, cron, and what of a run goes to the next.

use super::{ROOT, propagate, sleeper};
use crate::support::{Guest, Script, World, call};
use sandglass_engine::*;
use sandglass_semantics::scenario;

fn continue_as_new(guest: &mut Guest<'_>, call: ContinueCall) {
    let outcome = Outcome::ContinueAsNew(Box::new(call));
    guest.command(Command::Complete { outcome });
}

/// Sleeps; answers a cancellation by continuing as new.
fn continues<const DROP: bool>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        GuestEvent::TimerFired(..) => continue_as_new(
            guest,
            ContinueCall {
                arguments: vec![Payload::json("2")],
                drop_cancel: DROP,
                ..ContinueCall::default()
            },
        ),
        _ => {}
    })
}

/// Fails at once, or when it is told to.
fn fails() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
        GuestEvent::TimerFired(..) | GuestEvent::SignalReceived(_) => {
            guest.fail(&Failure::application("Broken", "b"));
        }
        _ => {}
    })
}

/// Returns "1" when it is told to.
fn returns() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::SignalReceived(_) => guest.complete("1"),
        other => propagate(other, guest),
    })
}

pub(crate) fn retried(attempts: u32) -> Start {
    let mut start = Start::default();
    start.chain.retry = Some(RetryPolicy {
        maximum_attempts: attempts,
        ..RetryPolicy::default()
    });
    start
}

fn every(schedule: &str) -> Start {
    let mut start = Start::default();
    start.chain.cron = Some(schedule.into());
    start.chain.first_task_backoff = Millis(59_000);
    start
}

pub(crate) fn last(world: &World) -> &EventAttributes {
    &world.events.last().unwrap().attributes
}

fn chain(world: &World) -> Chain {
    world.run().start().unwrap().chain.clone()
}

#[test]
fn a26_a_request_goes_with_the_chain() {
    let mut w = World::start(continues::<false>);
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(w.replayed_history(), scenario("A26:run1"));
    let mut next = w.follow();
    assert_eq!(next.history(), "WES,CR,Ts");
    let EventAttributes::WorkflowExecutionCancelRequested(request) = &next.events[1].attributes
    else {
        panic!("{:?}", next.events);
    };
    assert_eq!(request.inherited_from.as_deref(), Some("run"));
    assert_eq!((&*request.reason, &*request.identity), ("r1", "op"));
    next.task();
    assert_eq!(next.replayed_history(), "WES,CR,T,WCAN");
}

#[test]
fn a26_variant_code_may_drop_the_request() {
    let mut w = World::start(continues::<true>);
    w.task();
    w.cancel().unwrap();
    w.task();
    let mut next = w.follow();
    assert_eq!(
        next.history(),
        "WES",
        "it is a second after the run before it"
    );
    assert_eq!(next.timers[&EventId(0)], Timestamp(next.now.0 + 999));
    next.fire();
    assert_eq!(next.history(), "WES,Ts");
}

#[test]
fn r15_a_grace_period_goes_with_the_request() {
    let mut w = World::start(continues::<false>);
    w.task();
    w.append(Input::CancelRequested(CancelRequest {
        deadline: Some(Timestamp(99_000)),
        escalation: Some(Escalation::Force),
        ..CancelRequest::default()
    }))
    .unwrap();
    w.task();
    let next = w.follow();
    assert_eq!(next.timers.get(&EventId(2)), Some(&Timestamp(99_000)));
    assert_eq!(
        next.run().summary().grace,
        Some((EventId(2), Escalation::Force))
    );
}

#[test]
fn a_run_that_is_continued_hands_on_what_is_not_replaced() {
    let mut start = retried(7);
    start.workflow_id = "id".into();
    start.seed = [9; 32];
    start.memo.insert("note".into(), Payload::json("1"));
    start.header = vec![("h".into(), Payload::null())];
    start.run_timeout = Some(Millis(5_000_000));
    start.chain.expires_at = Some(Timestamp(9_000_000));
    start.chain.last_result = Some(Payload::json("8"));
    let mut w = World::start_as(continues::<false>, start, None);
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TF,T,WCAN");
    let EventAttributes::WorkflowExecutionContinuedAsNew {
        new_execution_run_id,
        backoff_start_interval,
        ..
    } = last(&w)
    else {
        panic!("{:?}", last(&w));
    };
    assert_eq!(*backoff_start_interval, Millis(0), "it ran for an hour");
    let new_run_id = new_execution_run_id.clone();
    assert_eq!(
        w.run().status(),
        &Status::ContinuedAsNew {
            new_run_id: new_run_id.clone()
        }
    );
    assert_eq!(w.run().summary().chain.successor, Some(new_run_id.clone()));

    let mut next = w.follow();
    let start = next.run().start().unwrap().clone();
    assert_eq!(
        (start.run_id.as_str(), start.first_run_id()),
        (&*new_run_id, "run")
    );
    assert_eq!(start.workflow_id, "id");
    assert_eq!(start.arguments, [Payload::json("2")]);
    assert_ne!(start.seed, [9; 32]);
    assert_eq!(start.memo["note"], Payload::json("1"));
    assert_eq!(start.header.len(), 1);
    assert_eq!(start.run_timeout, Some(Millis(5_000_000)));
    let Chain {
        continued_from,
        initiator,
        attempt,
        retry,
        expires_at,
        last_result,
        ..
    } = start.chain;
    assert_eq!(continued_from.as_deref(), Some("run"));
    assert_eq!((initiator, attempt), (Some(Initiator::ContinueAsNew), 1));
    assert_eq!(retry.map(|policy| policy.maximum_attempts), Some(7));
    assert_eq!(expires_at, Some(Timestamp(9_000_000)));
    assert_eq!(next.timers[&EventId(1)], Timestamp(next.now.0 + 5_000_000));
    assert_eq!(last_result, Some(Payload::json("8")));

    next.task();
    next.fire();
    next.task();
    let third = next.follow();
    assert_eq!(
        third.run().start().unwrap().first_run_id(),
        "run",
        "that of the chain"
    );
    assert_ne!(third.run().start().unwrap().run_id, new_run_id);
}

#[test]
fn what_is_given_replaces_what_was() {
    let mut w = World::start(|| {
        Box::new(|event, guest| {
            if let GuestEvent::Initialize { .. } = event {
                let fields = |value: &str| Some([("k".into(), Payload::json(value))].into());
                continue_as_new(
                    guest,
                    ContinueCall {
                        workflow_type: Some("other".into()),
                        task_queue: Some("q".into()),
                        run_timeout: Some(Millis(7)),
                        header: Some(vec![]),
                        memo: fields("1"),
                        search_attributes: fields("2"),
                        ..ContinueCall::default()
                    },
                );
            }
        })
    });
    w.task();
    let next = w.follow();
    let start = next.run().start().unwrap();
    assert_eq!((&*start.workflow_type, &*start.task_queue), ("other", "q"));
    assert_eq!(start.run_timeout, Some(Millis(7)));
    assert_eq!(start.memo["k"], Payload::json("1"));
    assert_eq!(start.search_attributes["k"], Payload::json("2"));
}

#[test]
fn r36_compensations_are_not_left_behind() {
    fn guest<const DROP: bool>() -> Script {
        Box::new(|event, guest| {
            if let GuestEvent::Initialize { .. } = event {
                guest.command(Command::PushCompensation {
                    scope: ROOT,
                    undoes: None,
                    call: call("Undo", CancellationType::default()),
                    when: CompensateWhen::Always,
                });
                let call = ContinueCall {
                    drop_compensations: DROP,
                    ..ContinueCall::default()
                };
                continue_as_new(guest, call);
            }
        })
    }
    let mut w = World::start(guest::<false>);
    w.task();
    assert_eq!(w.history(), "WES,Ts,Tb,Tf(BAD_CONTINUE_AS_NEW_ATTRIBUTES)");
    assert!(w.successor.is_none());
    let mut w = World::start(guest::<true>);
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,WCAN");
}

#[test]
fn a_failed_run_is_tried_again_until_its_attempts_are_used_up() {
    let mut w = World::start_as(fails, retried(2), None);
    w.task();
    w.signal("fail");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,SG,T,WF");
    let EventAttributes::WorkflowExecutionFailed {
        retry_state,
        new_execution_run_id,
        ..
    } = last(&w)
    else {
        panic!("{:?}", last(&w));
    };
    assert_eq!(*retry_state, RetryState::InProgress);
    assert!(new_execution_run_id.is_some());
    let mut second = w.follow();
    assert_eq!(second.history(), "WES");
    assert_eq!(second.timers[&EventId(0)], Timestamp(second.now.0 + 1000));
    let Chain {
        initiator,
        attempt,
        continued_failure,
        ..
    } = chain(&second);
    assert_eq!((initiator, attempt), (Some(Initiator::Retry), 2));
    assert_eq!(continued_failure.unwrap().type_name(), "Broken");
    second.fire();
    second.task();
    second.signal("fail");
    second.task();
    assert_eq!(second.replayed_history(), "WES,T,TS,SG,T,WF");
    assert!(matches!(
        last(&second),
        EventAttributes::WorkflowExecutionFailed {
            retry_state: RetryState::MaximumAttemptsReached,
            new_execution_run_id: None,
            ..
        }
    ));
    assert!(second.successor.is_none());
}

#[test]
fn r14_after_a_request_a_failed_run_is_not_tried_again() {
    let mut w = World::start_as(fails, retried(0), None);
    w.task();
    w.cancel().unwrap();
    w.task();
    assert_eq!(
        w.replayed_history(),
        scenario("row37_retry_after_cancel:run1")
    );
    assert!(matches!(
        last(&w),
        EventAttributes::WorkflowExecutionFailed {
            retry_state: RetryState::CancelRequested,
            new_execution_run_id: None,
            ..
        }
    ));
    assert!(w.successor.is_none());
}

/// Ends in spite of a request, after 2 s.
pub(crate) fn shielded() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let shield = guest.scope(ROOT, ScopeKind::Shielded);
            guest.timer(shield, 2);
        }
        GuestEvent::TimerFired(_, Ok(())) => guest.complete("1"),
        _ => {}
    })
}

#[test]
fn cron_repeats_a_run_with_the_last_result() {
    let mut w = World::start_as(returns, every("* * * * *"), None);
    assert_eq!(w.history(), "WES");
    w.fire();
    assert_eq!((w.history().as_str(), w.now), ("WES,Ts", Timestamp(60_002)));
    w.task();
    w.signal("return");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,SG,T,WC");
    let mut second = w.follow();
    assert_eq!(second.timers[&EventId(0)], Timestamp(120_000));
    assert_eq!(chain(&second).last_result, Some(Payload::json("1")));
    assert_eq!(chain(&second).initiator, Some(Initiator::Cron));
    assert_eq!(chain(&second).attempt, 1);
    second.fire();
    second.task();
    assert_eq!(second.replayed_history(), "WES,T");
}

#[test]
fn r14_after_a_request_cron_starts_no_run() {
    let mut w = World::start_as(shielded, every("* * * * *"), None);
    w.fire();
    w.task();
    w.cancel().unwrap();
    w.task();
    w.fire();
    w.task();
    assert_eq!(
        w.replayed_history(),
        scenario("row38_cron_ok_after_cancel:run1")
    );
    assert!(matches!(
        last(&w),
        EventAttributes::WorkflowExecutionCompleted {
            new_execution_run_id: None,
            ..
        }
    ));
    assert!(w.successor.is_none());
}

#[test]
fn r1_a_request_does_not_wait_for_the_first_task_and_a_signal_does() {
    let mut w = World::start_as(sleeper, every("* * * * *"), None);
    w.signal("s");
    assert_eq!(w.history(), scenario("R1_start_delay_signal"));
    w.fire();
    assert_eq!(w.history(), "WES,SG,Ts");

    let immediately: fn() -> Script = || {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 3600),
            GuestEvent::CancelRequested(_) => {}
            other => propagate(other, guest),
        })
    };
    let mut w = World::start_as(immediately, every("* * * * *"), None);
    w.cancel().unwrap();
    assert_eq!(w.history(), "WES,CR,Ts");
    assert!(w.timers.is_empty(), "nothing waits any more");
    let late = w.append(Input::FirstTaskDue);
    assert_eq!(late, Err(InputError::UnknownTimer(EventId(0))));
    w.task();
    assert_eq!(w.replayed_history(), scenario("R1_cron"));
    assert!(w.successor.is_none(), "and WX ends a cron chain");

    let mut w = World::start_as(sleeper, every("* * * * *"), None);
    w.terminate();
    assert_eq!(w.history(), "WES,WK");
    assert!(w.successor.is_none());
}

#[test]
fn a_run_timeout_leads_to_another_attempt_and_that_of_the_chain_does_not() {
    let mut start = retried(0);
    start.run_timeout = Some(Millis(5_000));
    start.chain.expires_at = Some(Timestamp(10_000));
    let mut w = World::start_as(fails, start, None);
    w.task();
    assert_eq!(w.timers[&EventId(1)], Timestamp(6_001));
    w.fire();
    assert_eq!(w.history(), "WES,T,TS,WTO");
    let EventAttributes::WorkflowExecutionTimedOut {
        retry_state,
        new_execution_run_id,
    } = last(&w)
    else {
        panic!("{:?}", last(&w));
    };
    assert_eq!(*retry_state, RetryState::InProgress);
    assert!(new_execution_run_id.is_some());
    let mut second = w.follow();
    assert_eq!(chain(&second).attempt, 2);
    second.fire();
    second.task();
    assert_eq!(
        second.timers[&EventId(1)],
        Timestamp(10_000),
        "that of the chain comes first"
    );
    second.fire();
    assert_eq!(second.history(), "WES,T,TS,WTO");
    assert!(matches!(
        last(&second),
        EventAttributes::WorkflowExecutionTimedOut {
            retry_state: RetryState::Timeout,
            new_execution_run_id: None,
        }
    ));
    assert!(second.successor.is_none());
}

#[test]
fn a_retry_that_the_chain_has_no_time_for_is_not_made() {
    let mut start = retried(0);
    start.chain.expires_at = Some(Timestamp(1_900));
    let mut w = World::start_as(fails, start, None);
    w.task();
    w.signal("fail");
    w.task();
    assert!(matches!(
        last(&w),
        EventAttributes::WorkflowExecutionFailed {
            retry_state: RetryState::Timeout,
            new_execution_run_id: None,
            ..
        }
    ));
}

#[test]
fn signal_with_start_puts_the_signal_before_the_task() {
    let signal = Input::Signaled(Signal {
        name: "s".into(),
        ..Signal::default()
    });
    let w = World::start_as(sleeper, Start::default(), Some(signal));
    assert_eq!(w.history(), scenario("signal_with_start"));
}

#[test]
fn r27_a_parent_is_told_of_the_end_of_the_chain_under_the_first_run() {
    let parent = Origin {
        run: RunRef {
            workflow_id: "p".into(),
            run_id: "p1".into(),
        },
        initiated_event_id: EventId(5),
    };
    let start = Start {
        parent: Some(parent.clone()),
        ..retried(2)
    };
    let mut w = World::start_as(fails, start, None);
    w.task();
    w.signal("fail");
    w.task();
    assert!(w.effects.is_empty(), "{:?}", w.effects);
    let mut second = w.follow();
    second.fire();
    second.task();
    second.signal("fail");
    second.task();
    let told: Vec<_> = second.effects.values().collect();
    let [
        Effect::ChildClosed {
            parent: to,
            run_id,
            close,
        },
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((to, run_id.as_str()), (&parent, "run"));
    assert!(matches!(
        close,
        ChildClose::Failed {
            retry_state: RetryState::MaximumAttemptsReached,
            ..
        }
    ));
}

#[test]
fn the_size_of_a_history_is_recorded_as_it_was_told() {
    let limits = Limits {
        history_events_suggested: 5,
        history_events: 8,
        ..Limits::default()
    };
    let mut run = Run::new(limits);
    run.append(Timestamp(1), Input::Started(Box::default()))
        .unwrap();
    let task = run.begin(Timestamp(1), Digest::default());
    assert_eq!(
        (
            task.history_length(),
            task.history_size().suggest_continue_as_new
        ),
        (3, false)
    );
    let mut run = task.finish().unwrap();
    let first = run.take_frame().unwrap();
    let bytes = run.history_size().bytes;
    assert!(bytes > 20, "{bytes}");
    run.append(Timestamp(2), Input::Signaled(Signal::default()))
        .unwrap();
    assert_eq!(run.history_over_limit(), None);
    let task = run.begin(Timestamp(2), Digest::default());
    assert_eq!(task.history_length(), 7);
    let told = HistorySize {
        bytes,
        suggest_continue_as_new: true,
    };
    assert_eq!(task.history_size(), told);
    let mut run = task.finish().unwrap();
    run.append(Timestamp(3), Input::Signaled(Signal::default()))
        .unwrap();
    assert_eq!(
        run.history_over_limit().as_deref(),
        Some("10 events, more than 8")
    );
    let second = run.take_frame().unwrap();
    // A replay under other limits tells the guest the same.
    let events = history([first.frame, second.frame]).unwrap();
    let sizes: Vec<_> = events
        .iter()
        .filter_map(|event| match event.attributes {
            EventAttributes::WorkflowTaskStarted { history, .. } => Some(history),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [HistorySize::default(), told]);
}
