//! The acceptance scenarios in world `async-workflow`: the same workflows as `scenarios` has, with
//! nothing of Sandglass but its WIT. What awaits is `wit-bindgen`'s, and the component model's.

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, unsafe_code, reason = "generated")]
#[allow(clippy::all, clippy::restriction, reason = "generated")]
mod cards;
mod hostile;
mod run;
mod typed;

use futures_util::future::{Either, join_all, select};
use run::{
    Failure, HOUR, ROOT, Returned, SECOND, activity_of, details, failed, is_canceled, json_of, log,
    once, payload,
};
use sandglass_guest_bindings::{
    async_workflow::{
        exports::sandglass::workflow::async_guest::{Definition, Guest, Payload},
        sandglass::workflow::async_waits::{self, answer_queries, handle_updates, try_signal},
    },
    workflow::sandglass::workflow::{
        cancellation::{ScopeKind, cancel_operation},
        execution::{Continuation, Outcome, complete},
        types::{ActivityCall, CancellationType},
        updates::complete_update,
    },
};
use std::{hint, pin::pin};

/// Heartbeats, and is told of cancellation.
fn work(cancellation: CancellationType) -> ActivityCall {
    ActivityCall {
        heartbeat: Some(2 * SECOND),
        cancellation,
        ..once("Work")
    }
}

/// A timer, uncaught. For A01 and A03.
async fn a01() -> Returned {
    log("main was entered");
    ROOT.sleep(HOUR).await
}

/// A timer that cancellation does not reach.
async fn a04() -> Returned {
    let shield = ROOT.open(ScopeKind::Shielded);
    shield.sleep(2 * SECOND).await?;
    Ok(Some("\"ok\"".to_owned()))
}

/// Notices the cancellation after the shield.
async fn a04_then_sleep() -> Returned {
    a04().await?;
    ROOT.sleep(SECOND).await
}

/// Cleans up where cancellation does not reach.
async fn cleaned() -> Returned {
    let detached = ROOT.open(ScopeKind::Detached);
    detached.activity(&once("Cleanup")).ended().await
}

/// Cleans up, then lets the cancellation go on.
async fn a05() -> Returned {
    let result = ROOT.sleep(HOUR).await;
    if result.as_ref().is_err_and(is_canceled) {
        cleaned().await?;
    }
    result
}

/// Cleans up and succeeds.
async fn a06() -> Returned {
    match ROOT.sleep(HOUR).await {
        Err(failure) if is_canceled(&failure) => {
            cleaned().await?;
            Ok(Some("\"cleaned\"".to_owned()))
        }
        Err(failure) => Err(failure),
        Ok(_) => Ok(Some("\"slept\"".to_owned())),
    }
}

/// Four operations in one scope, all awaited at once.
async fn a07() -> Returned {
    let scope = ROOT.open(ScopeKind::Cancellable);
    let work = work(CancellationType::TryCancel);
    let all = [
        scope.activity(&work),
        scope.timer(HOUR),
        scope.activity(&work),
        scope.timer(HOUR),
    ];
    let results = join_all(all.map(run::Operation::ended)).await;
    results.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(None)
}

/// An activity that fails with the cancellation.
async fn a08() -> Returned {
    let call = work(CancellationType::WaitCancellationCompleted);
    let result = ROOT.activity(&call).ended().await;
    if let Err(failure) = &result {
        log(&format!(
            "activity failure: {}, caused by a cancellation: {}, details: {}",
            activity_of(failure) == Some("Work"),
            is_canceled(failure),
            details(failure).map_or("None".to_owned(), |json| format!("Some({json})")),
        ));
    }
    result
}

/// An activity that returns a value on cancellation.
async fn a09() -> Returned {
    let call = ActivityCall {
        heartbeat: Some(2 * SECOND),
        ..once("Swallow")
    };
    ROOT.activity(&call).ended().await
}

/// An activity that is abandoned.
async fn a10() -> Returned {
    let call = ActivityCall {
        cancellation: CancellationType::Abandon,
        ..once("Deaf")
    };
    ROOT.activity(&call).ended().await
}

/// A child that is waited for.
async fn a13(arguments: &[Payload]) -> Returned {
    let id = arguments.first().and_then(json_of);
    let id = id.map(|json| json.trim_matches('"').to_owned());
    let child = ROOT.child("a01", id);
    log(&format!("started: {}", child.started().await));
    child.ended().await
}

/// One step of the saga.
async fn step(activity: &ActivityCall, undo: &str) -> Returned {
    let begun = ROOT.activity(activity).compensated_by(&once(undo));
    begun.ended().await
}

/// Three steps, each with what undoes it.
async fn a21() -> Returned {
    step(&once("A"), "a").await?;
    step(&once("B"), "b").await?;
    let last = ActivityCall {
        heartbeat: Some(2 * SECOND),
        ..once("C")
    };
    step(&last, "c").await?;
    Ok(None)
}

/// The same, and then a timer.
async fn a21_then_sleep() -> Returned {
    a21().await?;
    ROOT.sleep(SECOND).await
}

/// Two activities that are not awaited, and a condition that never becomes true.
async fn a24() -> Returned {
    let call = work(CancellationType::TryCancel);
    let (first, second) = (ROOT.activity(&call), ROOT.activity(&call));
    let never = ROOT.signal("never").await;
    let raised = |result: &Returned| result.as_ref().is_err_and(is_canceled);
    log(&format!("condition raised: {}", raised(&never)));
    log(&format!("a1 raised: {}", raised(&first.ended().await)));
    log(&format!("a2 raised: {}", raised(&second.ended().await)));
    never
}

/// Adds what updates bring until one brings a negative number; a query tells the sum.
async fn teller() -> Returned {
    handle_updates(&["add".to_owned()]);
    let mut sum = 0;
    loop {
        answer_queries("sum", &payload(Some(sum.to_string())));
        let update = ROOT.update().await?;
        if update.name != "add" {
            let unknown = failed("UnknownUpdate", "there is only add");
            complete_update(&update.id, Err(&unknown));
            continue;
        }
        let text = update.arguments.first().and_then(json_of);
        let more: i64 = text.and_then(|json| json.parse().ok()).unwrap_or(0);
        if more == 0 {
            complete_update(&update.id, Err(&failed("Nothing", "nothing to add")));
            continue;
        }
        sum += more.max(0);
        complete_update(&update.id, Ok(&payload(Some(sum.to_string()))));
        if more < 0 {
            return Ok(Some(sum.to_string()));
        }
    }
}

/// Counts signals until `"end"`; begins anew after three.
async fn collector(arguments: &[Payload]) -> Returned {
    let before = arguments.first().and_then(json_of);
    let mut count: u64 = before.and_then(|json| json.parse().ok()).unwrap_or(0);
    for turn in 0.. {
        answer_queries("count", &payload(Some(count.to_string())));
        let note = if turn < 3 {
            ROOT.signal("note").await?
        } else {
            // All that has come is counted.
            match try_signal("note") {
                Some(signal) => signal.arguments.first().and_then(json_of),
                None => break,
            }
        };
        if note.as_deref() == Some("\"end\"") {
            return Ok(Some(count.to_string()));
        }
        count += 1;
    }
    complete(&Outcome::ContinueAsNew(Continuation {
        workflow_type: None,
        arguments: vec![payload(Some(count.to_string()))],
        task_queue: None,
        run_timeout: None,
        retry: None,
        header: None,
        memo: None,
        search_attributes: None,
        drop_cancel: false,
        drop_compensations: false,
    }));
    Ok(None)
}

/// The first of a timer and an activity. The wait for the other is given up.
async fn races() -> Returned {
    let activity = ROOT.activity(&work(CancellationType::TryCancel));
    let timer = ROOT.timer(SECOND);
    let numbers = [activity.number(), timer.number()];
    let (activity, timer) = (pin!(activity.ended()), pin!(timer.ended()));
    let (is_activity, result) = match select(activity, timer).await {
        Either::Left((result, _)) => (true, result),
        Either::Right((result, _)) => (false, result),
    };
    result?;
    if let Some(other) = numbers[usize::from(is_activity)] {
        cancel_operation(other);
    }
    let first = if is_activity {
        "\"the activity\""
    } else {
        "\"the timer\""
    };
    Ok(Some(first.to_owned()))
}

/// Gives up waiting for a signal, again and again, until another comes.
async fn hesitates() -> Returned {
    let mut turns = 0;
    loop {
        let (signal, timer) = (pin!(ROOT.signal("go")), pin!(ROOT.sleep(SECOND)));
        match select(signal, timer).await {
            Either::Left((signal, _)) => {
                signal?;
                return Ok(Some(turns.to_string()));
            }
            Either::Right((slept, _)) => slept?,
        };
        turns += 1;
    }
}

/// Takes an outcome twice, which no code may.
async fn greedy() -> Returned {
    let timer = ROOT.timer(SECOND);
    if let Some(number) = timer.number() {
        timer.ended().await?;
        async_waits::wait(number).await?;
    }
    Ok(None)
}

/// Never waits.
async fn spins() -> Returned {
    let mut turns = 0_u64;
    loop {
        // Opaque, or the compiler would be free to drop the loop's body.
        turns = hint::black_box(turns.wrapping_add(1));
    }
}

/// The component.
struct Scenarios;

/// Its workflow types.
const TYPES: [&str; 32] = [
    "a01",
    "a04",
    "a04_then_sleep",
    "a05",
    "a06",
    "a07",
    "a08",
    "a09",
    "a10",
    "a13",
    "a21",
    "a21_then_sleep",
    "a24",
    "teller",
    "collector",
    "races",
    "hesitates",
    "greedy",
    "spins",
    "two-orders",
    "hasty-order",
    "loops",
    "turns",
    "turns-beside",
    "hoards",
    "recurses",
    "crowds",
    "dithers",
    "deaf",
    "loops-after",
    "turns-after",
    "waits-after",
];

impl Guest for Scenarios {
    fn definitions() -> Vec<Definition> {
        let types = TYPES.into_iter();
        types
            .map(|name| Definition {
                name: name.to_owned(),
            })
            .collect()
    }

    async fn run(workflow_type: String, arguments: Vec<Payload>) -> Result<Payload, Failure> {
        let returned = match workflow_type.as_str() {
            "a01" => a01().await,
            "a04" => a04().await,
            "a04_then_sleep" => a04_then_sleep().await,
            "a05" => a05().await,
            "a06" => a06().await,
            "a07" => a07().await,
            "a08" => a08().await,
            "a09" => a09().await,
            "a10" => a10().await,
            "a13" => a13(&arguments).await,
            "a21" => a21().await,
            "a21_then_sleep" => a21_then_sleep().await,
            "a24" => a24().await,
            "teller" => teller().await,
            "collector" => collector(&arguments).await,
            "races" => races().await,
            "hesitates" => hesitates().await,
            "greedy" => greedy().await,
            "two-orders" => typed::two_orders().await,
            "hasty-order" => typed::hasty_order().await,
            "spins" => spins().await,
            other if TYPES.contains(&other) => hostile::run(other).await,
            other => Err(failed("UnknownType", other)),
        };
        returned.map(payload)
    }
}

#[allow(unsafe_code, unreachable_pub, reason = "generated")]
#[allow(clippy::all, clippy::restriction, reason = "generated")]
mod exported {
    use super::Scenarios;

    sandglass_guest_bindings::async_workflow::export!(Scenarios);
    crate::cards::export!(Scenarios with_types_in crate::cards);
}
