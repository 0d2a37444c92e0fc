//! Which compensations a call runs when scopes have closed, and what a failing one means for the
//! others (R36).

use super::ROOT;
use super::compensations::uncompensated;
use crate::support::{Guest, Script, World, call};
use CancellationType::WaitCancellationCompleted as Wait;
use sandglass_engine::*;

/// How the scope of [`scoped`] is gone when its work is undone.
#[derive(Clone, Copy, PartialEq)]
enum Gone {
    /// It was closed.
    Closed,
    /// So was the scope around it, by which it was closed too.
    WithOuter,
    /// It was closed after the scope around it.
    AfterOuter,
    /// The scope around it was closed, and it is open.
    OnlyOuter,
    /// Nothing was closed before it was opened but the scope around it.
    OpenedLate,
}

/// `A` in a scope of this kind within another one, which `a` undoes. Once it has ended scopes
/// close, `B` is done, and then what is registered in the root scope and below it is undone by a
/// call.
fn scoped(kind: ScopeKind, gone: Gone) -> Script {
    let mut scopes = (ROOT, ROOT);
    let mut step = 0;
    Box::new(move |event, guest| {
        let close = |guest: &mut Guest<'_>, scope| {
            guest.command(Command::CloseScope { scope });
        };
        let register = |guest: &mut Guest<'_>, scope, undoes| {
            guest.command(Command::PushCompensation {
                scope,
                undoes: Some(undoes),
                call: call("a", Wait),
                when: CompensateWhen::Effective,
            });
        };
        match (event, step) {
            (GuestEvent::Initialize { .. }, _) => {
                let outer = guest.scope(ROOT, ScopeKind::Cancellable);
                if gone == Gone::OpenedLate {
                    close(guest, outer);
                }
                let inner = guest.scope(outer, kind);
                let operation = guest.activity(inner, "A", Wait);
                register(guest, inner, operation);
                scopes = (outer, inner);
            }
            (GuestEvent::ActivityResolved(..), 0) => {
                step = 1;
                let (outer, inner) = scopes;
                match gone {
                    Gone::Closed => close(guest, inner),
                    Gone::WithOuter | Gone::OnlyOuter => close(guest, outer),
                    Gone::AfterOuter => {
                        close(guest, outer);
                        close(guest, inner);
                    }
                    Gone::OpenedLate => {}
                }
                guest.activity(ROOT, "B", Wait);
            }
            (GuestEvent::ActivityResolved(..), _) => {
                guest.operation(Command::Compensate { scope: ROOT });
            }
            (GuestEvent::Compensated(_, outcome), _) => {
                assert!(outcome.is_ok());
                guest.complete("1");
            }
            _ => {}
        }
    })
}

#[test]
fn r36_what_was_done_in_a_scope_that_has_closed_is_undone_with_what_is_around_it() {
    type Make = fn() -> Script;
    const LIMIT: ScopeKind = ScopeKind::Timeout(Millis::from_secs(5));
    let cases: [(&str, Make); 7] = [
        ("closed", || scoped(ScopeKind::Cancellable, Gone::Closed)),
        ("a limit", || scoped(LIMIT, Gone::Closed)),
        ("a shield", || scoped(ScopeKind::Shielded, Gone::WithOuter)),
        ("with outer", || scoped(LIMIT, Gone::WithOuter)),
        ("detached", || scoped(ScopeKind::Detached, Gone::AfterOuter)),
        ("open", || scoped(ScopeKind::Detached, Gone::OnlyOuter)),
        ("late", || scoped(ScopeKind::Detached, Gone::OpenedLate)),
    ];
    for (name, make) in cases {
        let mut w = World::start(make);
        w.task();
        w.complete("A");
        w.task();
        w.complete("B");
        w.evict();
        w.task();
        assert!(w.history().ends_with(",AC,T,AS"), "{name}: {}", w.history());
        w.complete("a");
        w.task();
        let history = w.replayed_history();
        assert!(
            history.ends_with(",AC,T,AS,AB,AC,T,WC"),
            "{name}: {history}"
        );
    }
}

#[test]
fn r36_only_what_is_in_a_scope_or_below_it_is_undone_with_it() {
    // The sibling's entry stays where it is, though the scope beside it was closed.
    fn siblings() -> Script {
        let mut kept = ROOT;
        Box::new(move |event, guest| match event {
            GuestEvent::Initialize { .. } => {
                let [first, second] = [(); 2].map(|()| guest.scope(ROOT, ScopeKind::Cancellable));
                for (scope, name) in [(first, "a"), (second, "b")] {
                    guest.command(Command::PushCompensation {
                        scope,
                        undoes: None,
                        call: call(name, Wait),
                        when: CompensateWhen::Always,
                    });
                }
                guest.command(Command::CloseScope { scope: first });
                kept = second;
                guest.timer(ROOT, 1);
            }
            GuestEvent::TimerFired(..) => {
                guest.operation(Command::Compensate { scope: kept });
            }
            GuestEvent::Compensated(..) => guest.complete("1"),
            _ => {}
        })
    }
    let mut w = World::start(siblings);
    w.task();
    w.fire();
    w.task();
    w.complete("b");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,TS,TF,T,AS,AB,AC,T,WC");
}

/// The saga, in which a failing compensation keeps the older ones from running; at its end, or by a
/// call.
fn stops<const BY_CALL: bool>() -> Script {
    let mut step = 0;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } | GuestEvent::ActivityResolved(_, Ok(_)) => {
            let name = ["A", "B", "C", "D"][step];
            if step == 0 {
                guest.command(Command::StopCompensatingOnFailure { stop: true });
            }
            step += 1;
            let operation = guest.activity(ROOT, name, Wait);
            guest.compensation(operation, &name.to_lowercase());
        }
        GuestEvent::ActivityResolved(..) if BY_CALL => {
            guest.operation(Command::Compensate { scope: ROOT });
        }
        GuestEvent::ActivityResolved(_, Err(failure)) => guest.fail(failure),
        GuestEvent::Compensated(_, outcome) => guest.fail(outcome.as_ref().unwrap_err()),
        _ => {}
    })
}

#[test]
fn r36_a_failing_compensation_stops_the_others_if_the_code_says_so() {
    for make in [stops::<false> as fn() -> Script, stops::<true>] {
        let mut w = World::start(make);
        for name in ["A", "B", "C"] {
            w.task();
            w.complete(name);
        }
        w.task();
        let failed = || Report::Failed(Failure::application("Broken", "no"));
        w.report("D", failed());
        w.task();
        w.complete("c");
        w.evict();
        w.task();
        w.report("b", failed());
        w.task();
        let history = w.replayed_history();
        assert!(
            history.ends_with(",AF,T,AS,AB,AC,T,AS,AB,AF,T,WF"),
            "{history}"
        );
        let left = [
            "activity b failed: Broken: no",
            "a was not run: a compensation before it failed",
        ];
        assert_eq!(uncompensated(&w), left);
    }
}
