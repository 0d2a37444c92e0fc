//! Local activities that are undone: what their compensation waits for, and under which name (R36).

use crate::local::{cancel, done, failed};
use crate::resets::request;
use crate::support::{Guest, Script, World, call};
use crate::{Abandon, ROOT, TryCancel, Wait, propagate};
use sandglass_engine::*;

fn undone(guest: &mut Guest<'_>) {
    let slow = guest.local(ROOT, "Slow", Wait);
    guest.compensation(slow, "Undo");
    guest.local(ROOT, "Quick", Wait);
}

#[test]
fn compensation_waits_for_the_local_activity_that_it_undoes() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => undone(guest),
            other => propagate(other, guest),
        })
    });
    w.task();
    w.local("Quick", failed());
    assert!(w.is_hosting(), "the settle barrier (R36)");
    w.local("Slow", done("1"));
    assert_eq!(w.history(), "WES,T,MR,MR,AS");
    let header = &w.pending("Undo").call.header;
    assert_eq!(header[0].1.data, b"\"run/local-1\"");
    w.complete("Undo");
    w.task();
    assert_eq!(w.replayed_history(), "WES,T,MR,MR,AS,AB,AC,T,WF");
}

#[test]
fn a_local_activity_that_failed_has_nothing_to_undo() {
    let mut w = World::start(|| {
        Box::new(|event, guest| match event {
            GuestEvent::Initialize { .. } => undone(guest),
            other => propagate(other, guest),
        })
    });
    w.task();
    w.local("Slow", failed());
    assert_eq!(w.replayed_history(), "WES,T,MR,WF");
}

/// `Charge`, which `Refund` undoes.
fn charge<const TYPE: u8>() -> Script {
    Box::new(|event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let kind = [Wait, TryCancel, Abandon][usize::from(TYPE)];
            let charge = guest.local(ROOT, "Charge", kind);
            guest.compensation(charge, "Refund");
        }
        other => propagate(other, guest),
    })
}

/// Completes in spite of the request.
fn charge_and_catch<const TYPE: u8>() -> Script {
    let mut inner = charge::<TYPE>();
    Box::new(move |event, guest| match event {
        GuestEvent::ActivityResolved(_, Err(_)) => guest.complete("1"),
        other => inner(other, guest),
    })
}

#[test]
fn r36_what_is_not_waited_for_is_undone_when_it_has_ended() {
    let none = Vec::new;
    for (make, told) in [
        (charge::<1> as fn() -> Script, vec![("Charge", "r1")]),
        (charge::<2>, none()),
    ] {
        for (report, expected) in [
            (done("1"), "WES,T,CR,T,MR,AS"),
            (failed(), "WES,T,CR,T,MR,WX"),
            (Report::Canceled(vec![]), "WES,T,CR,T,MR,WX"),
        ] {
            // A cancellation that nobody asked it for is a failure: so is it undone, or not, too.
            let mut w = World::start(make);
            w.task();
            cancel(&mut w);
            assert!(w.is_hosting(), "its end is waited for, by the host alone");
            let heard: Vec<_> = w.told.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(heard, told);
            w.local("Charge", report);
            assert_eq!(w.replayed_history(), expected);
            assert!(w.locals.is_empty());
        }
    }
}

#[test]
fn r36_a_crash_leaves_open_what_was_done_and_it_is_undone() {
    for make in [charge::<0> as fn() -> Script, charge::<1>, charge::<2>] {
        let mut w = World::start(make);
        w.task();
        cancel(&mut w);
        w.end_task();
        w.crash();
        w.task();
        assert!(w.locals.is_empty(), "it does not run again");
        assert!(w.replayed_history().ends_with(",AS"), "{}", w.history());
        w.complete("Refund");
        w.task();
        assert!(w.replayed_history().ends_with(",AS,AB,AC,T,WX"));
    }
}

#[test]
fn r36_a_crash_before_the_request_is_delivered_leaves_it_open_too() {
    for make in [charge::<0> as fn() -> Script, charge::<1>] {
        let mut w = World::start(make);
        w.task();
        w.end_task();
        w.cancel().unwrap();
        w.crash();
        w.task();
        assert!(w.locals.is_empty(), "it does not run again");
        assert_eq!(w.replayed_history(), "WES,T,CR,T,MR,AS");
    }
    // One that is not to be told goes on: it is begun again, and undone after its end.
    let mut w = World::start(charge::<2>);
    w.task();
    w.end_task();
    w.cancel().unwrap();
    w.crash();
    w.task();
    assert!(w.is_hosting());
    w.local("Charge", done("1"));
    assert_eq!(w.replayed_history(), "WES,T,CR,T,MR,AS");
}

#[test]
fn what_is_not_undone_is_not_waited_for() {
    for make in [
        charge_and_catch::<1> as fn() -> Script,
        charge_and_catch::<2>,
    ] {
        let mut w = World::start(make);
        w.task();
        cancel(&mut w);
        assert_eq!(w.replayed_history(), "WES,T,CR,T,MR,WC");
        assert!(w.locals.is_empty());
    }
}

/// `L`, which `U` undoes and which is tried again after a timer, beside `B`, whose failure ends it.
fn tried_again() -> Script {
    tried_again_after(Millis(0))
}

/// The same, with a timer before the next attempt only if it is later than this.
fn tried_again_after(threshold: Millis) -> Script {
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let call = ActivityCall {
                retry: None,
                ..call("L", Wait)
            };
            let operation = guest.operation(Command::ScheduleLocalActivity {
                scope: ROOT,
                call,
                retry_threshold: Some(threshold),
            });
            guest.compensation(operation, "U");
            guest.activity(ROOT, "B", Wait);
        }
        other => propagate(other, guest),
    })
}

#[test]
fn r36_an_attempt_that_timed_out_may_have_had_its_effect() {
    let ended = |times_out: bool, waits: bool, request: bool| {
        let mut w = World::start(tried_again);
        w.task();
        match times_out {
            true => w.local_times_out("L"),
            false => w.local("L", failed()),
        }
        if !waits {
            // Its next attempt is wanted, and nobody has begun it.
            w.fire();
        }
        match request {
            true => {
                w.cancel().unwrap();
                w.report("B", Report::Canceled(vec![]));
            }
            false => w.report("B", failed()),
        }
        w.task();
        w.replayed_history()
    };
    for waits in [true, false] {
        for request in [true, false] {
            let undone = ended(true, waits, request);
            assert!(undone.ends_with(",AS"), "{waits} {request}: {undone}");
            let not = ended(false, waits, request);
            assert!(not.ends_with(['X', 'F']), "{waits} {request}: {not}");
        }
    }
}

/// `L`, which `U` undoes, then `B`, then `M`; `B` may fail.
fn two_names() -> Script {
    let mut ended = 0;
    Box::new(move |event, guest| match event {
        GuestEvent::Initialize { .. } => {
            let operation = guest.local(ROOT, "L", Wait);
            guest.compensation(operation, "U");
        }
        GuestEvent::ActivityResolved(_, Ok(_)) => {
            ended += 1;
            match ended {
                1 => drop(guest.activity(ROOT, "B", Wait)),
                _ => drop(guest.local(ROOT, "M", Wait)),
            }
        }
        other => propagate(other, guest),
    })
}

#[test]
fn r17_a_local_activity_is_undone_under_the_name_that_it_had() {
    let undoes = |w: &mut World| w.pending("U").call.header.clone();
    let mut w = World::start(two_names);
    w.task();
    w.local("L", done("1"));
    w.report("B", failed());
    w.task();
    let named = [("undoes".to_owned(), Payload::json("\"run/local-1\""))];
    assert_eq!(undoes(&mut w), named);
    let mut new = w
        .reset_to(request(ResetPoint::LastTask), two_names)
        .unwrap();
    new.task();
    assert_eq!(undoes(&mut new), named);
}

#[test]
fn r17_a_local_activity_that_goes_on_keeps_its_name() {
    let key = |w: &World| w.locals.values().next().unwrap().idempotency_key.clone();
    let mut w = World::start(two_names);
    w.task();
    w.end_task();
    w.task();
    w.local("L", done("1"));
    let mut new = w
        .reset_to(request(ResetPoint::LastTask), two_names)
        .unwrap();
    new.task();
    assert_eq!(key(&new), "run/local-1");
    new.local("L", done("1"));
    new.complete("B");
    new.task();
    assert_eq!(key(&new), "new/local-3", "what comes later is done anew");
}

#[test]
fn r36_no_later_attempt_tells_what_one_that_timed_out_has_done() {
    let fails = || {
        Report::Failed(Failure::new(
            "e",
            FailureInfo::Application {
                failure_type: "E".into(),
                non_retryable: true,
                details: vec![],
                next_retry_delay: None,
            },
        ))
    };
    // Both attempts in one workflow task, and each in its own.
    for make in [
        (|| tried_again_after(Millis::from_secs(9))) as fn() -> Script,
        tried_again,
    ] {
        for times_out in [true, false] {
            let mut w = World::start(make);
            w.task();
            match times_out {
                true => w.local_times_out("L"),
                false => w.local("L", failed()),
            }
            if !w.is_hosting() {
                w.fire();
                w.task();
            }
            w.local("L", fails());
            let history = w.replayed_history();
            assert_eq!(history.ends_with(",AS"), times_out, "{history}");
        }
    }
}
