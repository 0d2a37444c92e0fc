//! Compensations: their order, what they wait for, and who may cancel them.

use super::ROOT;
use crate::support::{Script, World};
use CancellationType::{TryCancel, WaitCancellationCompleted as Wait};
use sandglass_engine::*;
use sandglass_semantics::scenario;

fn saga() -> Script {
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

#[test]
fn a_failing_compensation_does_not_stop_the_others() {
    let mut w = World::start(saga);
    for name in ["A", "B"] {
        w.task();
        w.complete(name);
    }
    w.task();
    w.report("C", Report::Failed(Failure::application("E", "e")));
    w.task();
    w.report(
        "b",
        Report::Failed(Failure::application("Broken", "no undo")),
    );
    w.task();
    w.complete("a");
    w.task();
    assert!(w.replayed_history().ends_with("AB,AF,T,AS,AB,AC,T,WF"));
    assert_eq!(
        w.run().summary().uncompensated,
        ["activity b failed: Broken: no undo"]
    );
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
