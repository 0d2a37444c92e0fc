//! Scopes: what a canceled one refuses, what stays alone, and what nesting does.

use super::ROOT;
use crate::support::{Script, World, call};
use CancellationType::WaitCancellationCompleted as Wait;
use sandglass_engine::*;
use sandglass_semantics::scenario;

type Make = fn() -> Script;

fn timeout_scope() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let scope = guest.scope(ROOT, ScopeKind::Timeout(Millis::from_secs(1)));
            guest.activity(scope, "X", Wait);
        }
        GuestEvent::ScopeCanceled(_, info) => assert_eq!(info.cause, CancelCause::Timeout),
        GuestEvent::ActivityResolved(_, outcome) => {
            guest.command(Command::CloseScope { scope: ScopeId(1) });
            guest.complete(if outcome.is_ok() {
                "1"
            } else {
                "\"timed out\""
            });
        }
        _ => {}
    })
}

#[test]
fn a23_a_timeout_scope_cancels_what_is_in_it() {
    let mut w = World::start(timeout_scope);
    w.task();
    w.fire();
    w.task();
    w.report("X", Report::Canceled(vec![]));
    w.task();
    assert_eq!(w.replayed_history(), scenario("A23a"));

    let mut w = World::start(timeout_scope);
    w.task();
    w.complete("X");
    w.task();
    assert_eq!(w.replayed_history(), scenario("A23b"));
}

#[test]
fn r7_a_canceled_scope_starts_nothing_but_shields_work() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 60),
            GuestEvent::CancelRequested(_) => {
                for _ in 0..2 {
                    let call = call("Work", Wait);
                    let answer = guest.command(Command::ScheduleActivity { scope: ROOT, call });
                    let Answer::Refused(failure) = answer else {
                        panic!("{answer:?}")
                    };
                    assert!(failure.is_cancellation());
                    assert_eq!(failure.message, "r1");
                }
                let born = guest.scope(ROOT, ScopeKind::Timeout(Millis(5)));
                let duration = Millis(1);
                let answer = guest.command(Command::StartTimer {
                    scope: born,
                    duration,
                });
                assert!(matches!(answer, Answer::Refused(_)));
                let shield = guest.scope(ROOT, ScopeKind::Shielded);
                // The refused commands used no number: this is the second operation.
                assert_eq!(guest.timer(shield, 1), OperationId(2));
            }
            GuestEvent::TimerFired(OperationId(2), Ok(())) => guest.complete("1"),
            _ => {}
        })
    });
    w.task();
    w.cancel().unwrap();
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,CR,T,TC,TS,TF,T,WC");
}

#[test]
fn s27_canceling_a_scope_leaves_the_rest_alone() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let scope = guest.scope(ROOT, ScopeKind::Cancellable);
                guest.timer(scope, 60);
                guest.timer(ROOT, 1);
            }
            GuestEvent::SignalReceived(_) => {
                let (scope, reason) = (ScopeId(1), "enough".into());
                guest.command(Command::CancelScope { scope, reason });
            }
            GuestEvent::TimerFired(OperationId(2), Ok(())) => guest.complete("1"),
            _ => {}
        })
    });
    w.task();
    w.signal("go");
    w.task();
    w.fire();
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TS,SG,T,TC,TF,T,WC");
}

/// Opens a scope of the second kind in one of the first, a timer in each, and cancels the first.
fn nested<const PARENT: u8, const CHILD: u8>() -> Script {
    const KINDS: [ScopeKind; 3] = [
        ScopeKind::Cancellable,
        ScopeKind::Shielded,
        ScopeKind::Detached,
    ];
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let parent = guest.scope(ROOT, KINDS[usize::from(PARENT)]);
            let child = guest.scope(parent, KINDS[usize::from(CHILD)]);
            guest.timer(parent, 60);
            guest.timer(child, 60);
        }
        GuestEvent::SignalReceived(_) => {
            let (scope, reason) = (ScopeId(1), "code".into());
            guest.command(Command::CancelScope { scope, reason });
        }
        GuestEvent::ScopeCanceled(ScopeId(2), info) => assert_eq!(info.cause, CancelCause::Parent),
        _ => {}
    })
}

#[test]
fn the_truth_table_of_nested_scopes_holds() {
    // Parent, child, timers canceled, child told.
    let table: [(Make, &str, bool); 5] = [
        (nested::<0, 0>, "TC,TC", true),
        (nested::<0, 1>, "TC", true),
        (nested::<0, 2>, "TC", false),
        (nested::<1, 0>, "", false),
        (nested::<2, 0>, "TC,TC", true),
    ];
    for (row, (make, canceled, told)) in table.into_iter().enumerate() {
        let mut w = World::start(make);
        w.task();
        w.signal("cancel");
        w.task();
        let expected = format!("WES,T,TS,TS,SG,T,{canceled}");
        assert_eq!(
            w.replayed_history(),
            expected.trim_end_matches(','),
            "row {row}"
        );
        let task = w.run().clone();
        w.signal("look");
        drop(task);
        let run = Box::new(w.run().clone());
        let info = run
            .begin(w.now, Digest::default())
            .cancel_info(ScopeId(2))
            .unwrap();
        assert_eq!(info.is_some(), told, "row {row}");
    }
}
