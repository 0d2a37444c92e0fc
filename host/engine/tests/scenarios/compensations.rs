//! Compensations: their order, what they wait for, and who may cancel them.

use super::ROOT;
use crate::support::{Script, World, call};
use CancellationType::{TryCancel, WaitCancellationCompleted as Wait};
use sandglass_engine::*;
use sandglass_semantics::scenario;

pub(crate) fn saga() -> Script {
    let mut step = 0;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } | GuestEvent::ActivityResolved(_, Ok(_)) => {
            let Some(name) = ["A", "B", "C"].get(step) else {
                return guest.complete("1");
            };
            step += 1;
            let operation = guest.activity(ROOT, name, Wait);
            guest.compensation(operation, &name.to_lowercase());
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

#[test]
fn a21_compensations_run_in_reverse_without_any_cancel_handling() {
    let fails = scenario("A21").replace("AX", "AF").replace("WX", "WF");
    for (accepts, expected) in [(true, scenario("A21")), (false, &fails)] {
        let mut w = World::start(saga);
        for name in ["A", "B"] {
            w.task();
            w.complete(name);
        }
        w.task();
        w.cancel().unwrap();
        w.task();
        let report = match accepts {
            true => Report::Canceled(vec![]),
            false => Report::Failed(Failure::application("E", "e")),
        };
        w.report("C", report);
        for name in ["b", "a"] {
            w.evict();
            w.task();
            w.complete(name);
        }
        w.task();
        assert_eq!(w.replayed_history(), expected);
    }
}

#[test]
fn r23_what_is_no_longer_waited_for_counts_as_having_had_its_effect() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let limit = CancellationType::WaitAtMost(Millis::from_secs(1));
                let work = guest.activity(ROOT, "Work", limit);
                guest.compensation(work, "undo");
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => {
                let canceled = failure.chain().last().unwrap();
                assert!(matches!(
                    canceled.info,
                    FailureInfo::Canceled { settled: false, .. }
                ));
                guest.fail(failure);
            }
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    w.evict();
    w.fire();
    w.task();
    w.complete("undo");
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,AS,CR,T,ACR,AWTO,T,AS,AB,AC,T,WX"
    );
}

/// How the operation of [`undone`] ends.
const ENDS: [(&str, u8); 11] = [
    ("AC", WAITS),
    ("ATO", WAITS),
    ("AWTO", LIMITED),
    ("AF", WAITS),
    ("AX", WAITS),
    ("unsent", UNSENT),
    ("HostLost", WAITS),
    ("ATO, then AX in backoff", RETRIED),
    ("ATO, then AX", RETRIED),
    ("ATO, AF, then AF", RETRIED),
    ("AF, then AX in backoff", RETRIED),
];
const WAITS: u8 = 0;
const LIMITED: u8 = 1;
const UNSENT: u8 = 2;
const RETRIED: u8 = 3;

/// After which of them the effect exists, or may exist.
const EFFECTIVE: [&str; 7] = [
    "AC",
    "ATO",
    "AWTO",
    "HostLost",
    "ATO, then AX in backoff",
    "ATO, then AX",
    "ATO, AF, then AF",
];

/// Which of them are after a request to cancel.
const CANCELED: [&str; 4] = [
    "AWTO",
    "AX",
    "ATO, then AX in backoff",
    "AF, then AX in backoff",
];

/// `A`, which `a` undoes, with its first arguments or, if it has a result, with later ones; then a
/// failure.
fn undone<const KIND: u8, const ALWAYS: bool>() -> Script {
    let mut registered = None;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let limited = CancellationType::WaitAtMost(Millis::from_secs(1));
            let cancellation = if KIND == LIMITED { limited } else { Wait };
            let mut work = call("A", cancellation);
            work.retry = work.retry.filter(|_| KIND != RETRIED);
            let operation = guest.operation(Command::ScheduleActivity {
                scope: ROOT,
                call: work,
            });
            let when = match ALWAYS {
                true => CompensateWhen::Always,
                false => CompensateWhen::Effective,
            };
            let call = ActivityCall {
                arguments: vec![Payload::json("\"first\"")],
                ..call("a", Wait)
            };
            registered = Some(guest.command(Command::PushCompensation {
                scope: ROOT,
                undoes: Some(operation),
                call,
                when,
            }));
            if KIND == UNSENT {
                guest.command(Command::CancelOperation { operation });
            }
        }
        GuestEvent::ActivityResolved(_, Ok(value)) => {
            let Some(Answer::Compensation(compensation)) = registered else {
                panic!("not registered: {registered:?}");
            };
            guest.command(Command::SetCompensationArguments {
                compensation,
                arguments: vec![value.clone()],
            });
            guest.fail(&Failure::application("E", "after A"));
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

/// A run whose operation has ended so, and the workflow task after that.
fn ended(make: fn() -> Script, end: &str) -> World {
    let mut w = World::start(make);
    w.task();
    let late = |w: &mut World| match end.starts_with("AF, ") {
        true => w.attempt_fails("A"),
        false => w.attempt_times_out("A"),
    };
    if end == "ATO, then AX in backoff" || end == "AF, then AX in backoff" {
        late(&mut w);
    }
    if CANCELED.contains(&end) {
        w.cancel().unwrap();
        w.task();
    }
    match end {
        "HostLost" => {
            let now = w.now;
            for start in 1..=3 {
                w.pending("A").started = None;
                let verdict = w.pending("A").host_restarted(now, false);
                assert_eq!(verdict.is_some(), start == 3, "{start}");
                if let Some(Verdict::Close(input)) = verdict {
                    w.append(input).unwrap();
                }
            }
        }
        "ATO, then AX" => {
            late(&mut w);
            w.begin_attempt("A");
            w.cancel().unwrap();
            w.task();
            w.report("A", Report::Canceled(vec![]));
        }
        "ATO, AF, then AF" => {
            late(&mut w);
            w.begin_attempt("A");
            w.attempt_fails("A");
            w.begin_attempt("A");
            let info = FailureInfo::Application {
                failure_type: "E".into(),
                non_retryable: true,
                details: vec![],
                next_retry_delay: None,
            };
            w.report("A", Report::Failed(Failure::new("e", info)));
        }
        "AC" => w.complete("A"),
        "ATO" => {
            let now = w.now;
            let verdict = w.pending("A").time_out(now, TimeoutKind::StartToClose);
            let Verdict::Close(input) = verdict else {
                panic!("it is tried again: {verdict:?}");
            };
            w.append(input).unwrap();
        }
        "AWTO" => w.fire(),
        "AF" => w.report("A", Report::Failed(Failure::application("E", "e"))),
        "AX" => w.report("A", Report::Canceled(vec![])),
        _ => {}
    }
    w.evict();
    w.task();
    w
}

#[test]
fn r36_what_had_an_effect_or_may_have_had_one_is_undone() {
    let make = |kind: u8, always: bool| -> fn() -> Script {
        match (kind, always) {
            (LIMITED, true) => undone::<LIMITED, true>,
            (LIMITED, false) => undone::<LIMITED, false>,
            (UNSENT, true) => undone::<UNSENT, true>,
            (UNSENT, false) => undone::<UNSENT, false>,
            (RETRIED, true) => undone::<RETRIED, true>,
            (RETRIED, false) => undone::<RETRIED, false>,
            (_, true) => undone::<WAITS, true>,
            (_, false) => undone::<WAITS, false>,
        }
    };
    for (end, kind) in ENDS {
        for always in [false, true] {
            let mut w = ended(make(kind, always), end);
            let runs = always || EFFECTIVE.contains(&end);
            let history = w.replayed_history();
            assert_eq!(history.ends_with(",AS"), runs, "{end} {always}: {history}");
            if runs {
                w.complete("a");
                w.task();
            }
            let canceled = CANCELED.contains(&end) || end == "ATO, then AX";
            let close = if canceled { ",WX" } else { ",WF" };
            let history = w.replayed_history();
            assert!(history.ends_with(close), "{end} {always}: {history}");
            let undone = u32::from(runs) + u32::from(end != "unsent");
            let sent = history.matches(",AS").count();
            assert_eq!(sent, undone as usize, "{end} {always}: {history}");
        }
    }
}

#[test]
fn r36_arguments_may_come_later_and_those_from_before_serve_until_then() {
    for (end, kind, expected) in [
        ("AC", WAITS, "7"),
        ("ATO", WAITS, "\"first\""),
        ("AWTO", LIMITED, "\"first\""),
    ] {
        let make: fn() -> Script = match kind {
            LIMITED => undone::<LIMITED, false>,
            _ => undone::<WAITS, false>,
        };
        let mut w = ended(make, end);
        let arguments = &w.pending("a").call.arguments;
        assert_eq!(arguments, &[Payload::json(expected)], "{end}");
    }
}

/// The saga, which is not to be entered once its main function has ended; its undoing is tried
/// twice.
fn left_alone() -> Script {
    let (mut inner, mut over) = (saga(), false);
    Box::new(move |event, guest| {
        assert!(!over, "it was entered with {event:?}");
        inner(event, guest);
        over = matches!(event, GuestEvent::ActivityResolved(_, Err(_)));
    })
}

#[test]
fn r36_compensations_run_without_entering_the_code_and_the_run_is_as_open_as_ever() {
    let mut w = World::start(left_alone);
    for name in ["A", "B"] {
        w.task();
        w.complete(name);
    }
    w.task();
    w.cancel().unwrap();
    w.task();
    w.report("C", Report::Canceled(vec![]));
    w.task();
    w.signal("s");
    let before = w.run().summary();
    assert_eq!(
        Box::new(w.run().clone()).look().into_run().summary(),
        before
    );
    w.task();
    w.complete("b");
    w.task();
    w.complete("a");
    w.task();
    let history = w.replayed_history();
    assert!(
        history.ends_with(",AX,T,AS,SG,T,AB,AC,T,AS,AB,AC,T,WX"),
        "{history}"
    );
}

/// Undoes `A` by a call, and tells what it hears meanwhile.
fn listens() -> Script {
    let mut heard = Vec::new();
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let operation = guest.activity(ROOT, "A", Wait);
            guest.compensation(operation, "a");
        }
        GuestEvent::ActivityResolved(..) => {
            guest.operation(Command::Compensate { scope: ROOT });
        }
        GuestEvent::SignalReceived(signal) => heard.push(signal.name.clone()),
        GuestEvent::Compensated(_, outcome) => {
            assert!(outcome.is_ok());
            guest.complete(&format!("{heard:?}"));
        }
        _ => {}
    })
}

#[test]
fn r36_code_that_waits_for_compensations_hears_signals_meanwhile() {
    let mut w = World::start(listens);
    w.task();
    w.complete("A");
    w.task();
    w.signal("s");
    w.task();
    w.complete("a");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,AS,AB,AC,T,AS,SG,T,AB,AC,T,WC");
    let result = Payload::json("[\"s\"]");
    assert_eq!(w.run().status(), &Status::Completed { result });
}

#[test]
fn r36_a_request_does_not_stop_compensations_that_the_code_waits_for() {
    let mut w = World::start(listens);
    w.task();
    w.complete("A");
    w.task();
    w.cancel().unwrap();
    w.evict();
    w.task();
    assert_eq!(w.history(), "WES,T,AS,AB,AC,T,AS,CR,T");
    assert_eq!(w.pending("a").cancel_requested, None);
    w.complete("a");
    w.task();
    // The code decides: it has been told that all is undone, and ends well.
    let history = w.replayed_history();
    assert_eq!(history, "WES,T,AS,AB,AC,T,AS,CR,T,AB,AC,T,WC");
}

/// What the close says was not undone.
pub(crate) fn uncompensated(w: &World) -> Vec<String> {
    match &w.events.last().unwrap().attributes {
        EventAttributes::WorkflowExecutionFailed { uncompensated, .. }
        | EventAttributes::WorkflowExecutionCanceled { uncompensated, .. } => uncompensated.clone(),
        other => panic!("not closed: {other:?}"),
    }
}

/// The saga with compensations that are tried twice.
fn tried_twice() -> Script {
    let mut step = 0;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } | GuestEvent::ActivityResolved(_, Ok(_)) => {
            let name = ["A", "B", "C"][step];
            step += 1;
            let operation = guest.activity(ROOT, name, Wait);
            let retry = RetryPolicy {
                maximum_attempts: 2,
                ..RetryPolicy::default()
            };
            guest.command(Command::PushCompensation {
                scope: ROOT,
                undoes: Some(operation),
                call: ActivityCall {
                    retry: Some(retry),
                    ..call(&name.to_lowercase(), Wait)
                },
                when: CompensateWhen::Effective,
            });
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        _ => {}
    })
}

#[test]
fn a_failing_compensation_is_tried_again_and_does_not_stop_the_others() {
    for canceled in [false, true] {
        let mut w = World::start(tried_twice);
        for name in ["A", "B"] {
            w.task();
            w.complete(name);
        }
        w.task();
        let failed = |message: &str| Report::Failed(Failure::application("Broken", message));
        match canceled {
            true => {
                w.cancel().unwrap();
                w.task();
                w.report("C", Report::Canceled(vec![]));
            }
            false => w.report("C", failed("C")),
        }
        w.task();
        let now = w.now;
        let again = w.pending("b").report(now, failed("once"));
        let Verdict::Retry { at } = again else {
            panic!("it is not tried again: {again:?}");
        };
        w.now = at;
        w.pending("b").start(at, "worker");
        w.report("b", failed("no undo"));
        w.task();
        w.complete("a");
        w.task();
        let close = if canceled { "WX" } else { "WF" };
        let history = w.replayed_history();
        assert!(
            history.ends_with(&format!("AB,AF,T,AS,AB,AC,T,{close}")),
            "{history}"
        );
        let left = ["activity b failed: Broken: no undo"];
        assert_eq!(w.run().summary().uncompensated, left);
        assert_eq!(uncompensated(&w), left);
    }
}

#[test]
fn compensations_wait_for_an_operation_that_was_not_waited_for() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let operation = guest.activity(ROOT, "A", TryCancel);
                guest.compensation(operation, "a");
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    // The run has its outcome, but A may still have its effect.
    assert_eq!(w.history(), "WES,T,AS,CR,T,ACR");
    w.complete("A");
    w.task();
    let undone = w.pending("a").call.header.clone();
    assert_eq!(undone, [("undoes".to_owned(), Payload::json("\"run/5\""))]);
    w.complete("a");
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,AS,CR,T,ACR,AB,AC,T,AS,AB,AC,T,WX"
    );
}

#[test]
fn a_guest_cannot_cancel_what_the_host_runs() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.activity(ROOT, "A", Wait),
            GuestEvent::ActivityResolved(operation, _) => {
                guest.compensation(*operation, "a");
                let round = guest.operation(Command::Compensate { scope: ROOT });
                for number in [round.0, round.0 + 1] {
                    let operation = OperationId(number);
                    guest.command(Command::CancelOperation { operation });
                }
            }
            GuestEvent::Compensated(_, outcome) => {
                assert!(outcome.is_ok());
                guest.complete("1");
            }
            _ => {}
        })
    });
    w.task();
    w.complete("A");
    w.task();
    w.complete("a");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,AS,AB,AC,T,AS,AB,AC,T,WC");
}

#[test]
fn what_was_never_sent_has_nothing_to_undo_whenever_that_is_registered() {
    fn canceled<const LOCAL: bool, const LATE: bool>() -> Script {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let operation = match LOCAL {
                    true => guest.local(ROOT, "A", Wait),
                    false => guest.activity(ROOT, "A", Wait),
                };
                if !LATE {
                    guest.compensation(operation, "a");
                }
                guest.command(Command::CancelOperation { operation });
                if LATE {
                    guest.compensation(operation, "a");
                }
            }
            GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
            _ => {}
        })
    }
    for make in [
        canceled::<false, false> as fn() -> Script,
        canceled::<false, true>,
        canceled::<true, false>,
        canceled::<true, true>,
    ] {
        let mut w = World::start(make);
        w.task();
        assert_eq!(w.replayed_history(), "WES,T,WF");
    }
}
