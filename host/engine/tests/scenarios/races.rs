//! What arrives twice, in the moment in which a run ends, or together (R6, R16, R18).

use super::{ROOT, one_activity, propagate};
use crate::support::{Script, World};
use CancellationType::WaitCancellationCompleted as Wait;
use sandglass_engine::*;
use sandglass_semantics::scenario;

#[test]
fn r18_an_activity_is_asked_to_stop_once() {
    for by_scope in [false, true] {
        let make: fn() -> Script = match by_scope {
            true => asks_twice::<true>,
            false => asks_twice::<false>,
        };
        let mut w = World::start(make);
        w.task();
        w.signal("s");
        w.task();
        w.evict();
        w.cancel().unwrap();
        w.task();
        assert_eq!(w.history(), "WES,T,AS,SG,T,ACR,CR,T");
        w.report("Work", Report::Canceled(vec![]));
        w.task();
        assert_eq!(w.replayed_history(), "WES,T,AS,SG,T,ACR,CR,T,AB,AX,T,WX");
    }
}

/// Cancels its activity, or the scope that it is in, when it is signaled.
fn asks_twice<const SCOPE: bool>() -> Script {
    let mut started = None;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let scope = guest.scope(ROOT, ScopeKind::Cancellable);
            started = Some((scope, guest.activity(scope, "Work", Wait)));
        }
        GuestEvent::SignalReceived(_) => {
            let (scope, operation) = started.unwrap();
            let reason = "s".into();
            guest.command(match SCOPE {
                true => Command::CancelScope { scope, reason },
                false => Command::CancelOperation { operation },
            });
        }
        other => propagate(other, guest),
    })
}

/// Continues as new when it is signaled, and ends when it is asked to.
fn continues() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::SignalReceived(_) => {
            let outcome = Outcome::ContinueAsNew(Box::default());
            guest.command(Command::Complete { outcome });
        }
        GuestEvent::CancelRequested(_) => guest.complete("1"),
        _ => {}
    })
}

#[test]
fn r16_what_arrives_while_a_task_ends_its_run_comes_first() {
    let cancel = || Input::CancelRequested(CancelRequest::default());
    // Row 5b: the activity that the code does not wait for ends in the same moment.
    let mut w = World::start(one_activity::<1>);
    w.task();
    w.cancel().unwrap();
    let now = w.now;
    let ended = w
        .pending("Work")
        .report(now, Report::Completed(Payload::null()));
    let Verdict::Close(ended) = ended else {
        panic!("not over: {ended:?}");
    };
    w.race(ended);
    assert_eq!(w.history(), "WES,T,AS,CR,Ts,Tb,Tf(UNHANDLED_COMMAND),AB,AC");
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,AS,CR,Ts,Tb,Tf(UNHANDLED_COMMAND),AB,AC,T,WX"
    );
    // Nothing of the task is left: no request to the activity, and no run that follows.
    let mut w = World::start(continues);
    w.task();
    w.signal("s");
    w.race(cancel());
    assert!(w.successor.is_none());
    w.task();
    assert_eq!(
        w.replayed_history(),
        "WES,T,SG,Ts,Tb,Tf(UNHANDLED_COMMAND),CR,T,WCAN"
    );
    // The request goes with the chain, as it was made before its run ended.
    assert!(w.follow().run().cancel_requested());
}

/// Sleeps for 2 s. What it knows of signals when that ends shows in what it does then.
fn told_before_end() -> Script {
    let mut signals = 0;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => _ = guest.timer(ROOT, 2),
        GuestEvent::SignalReceived(_) => signals += 1,
        GuestEvent::TimerFired(_, Err(_)) if signals > 0 => guest.complete("\"signal\""),
        GuestEvent::TimerFired(_, Err(failure)) => guest.fail(failure),
        GuestEvent::TimerFired(_, Ok(())) if signals > 0 => _ = guest.timer(ROOT, 3600),
        GuestEvent::TimerFired(_, Ok(())) => guest.complete("\"no signal\""),
        _ => {}
    })
}

#[test]
fn r6_a_signal_does_not_overtake_what_was_recorded_before_it() {
    let mut w = World::start(told_before_end);
    w.task();
    w.cancel().unwrap();
    w.signal("sig");
    w.task();
    assert_eq!(w.replayed_history(), scenario("R6_signal_behind_cancel"));
    let mut w = World::start(told_before_end);
    w.task();
    w.fire();
    w.signal("sig");
    w.task();
    assert_eq!(w.replayed_history(), scenario("R6_signal_behind_timer"));
}
