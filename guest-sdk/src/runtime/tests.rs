//! Whole workflows on a recording host: what they ask for, in which order, after each event.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use futures::{future, select_biased};
use sandglass_guest_bindings::workflow::exports::sandglass::workflow::guest::{
    ActivityResolution, Resolution, ScopeCancellation, Signal,
};

mod cancellation;
mod continuation;
mod messages;

use super::*;
use crate::fake::{self, take};
use crate::prelude::*;
use crate::{ActivityCall, encode, or_canceled, stop_compensating_on_failure};
use types::CancelCause;

mod local;

/// Starts a workflow in a new run and returns what it asked for at first.
fn start<F, T>(begin: fn() -> F) -> Vec<String>
where
    F: Future<Output = Result<T, Failure>> + 'static,
    T: serde::Serialize,
{
    fresh();
    begin_run(begin)
}

/// Forgets the run and the host of a test that ran on this thread before.
fn fresh() {
    with(|run| {
        run.completed.set(false);
        run.begun.set(false);
        run.signals.take();
        run.cancel_waiters.take();
        run.operations.take();
    });
    handlers::forget();
    fake::reset();
}

fn begin_run<F, T>(begin: fn() -> F) -> Vec<String>
where
    F: Future<Output = Result<T, Failure>> + 'static,
    T: serde::Serialize,
{
    // The definition is a plain function, so what it begins is handed over beside it.
    thread_local! {
        static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
    }
    fn take_body(_: Vec<Payload>) -> Body {
        BODY.take().expect("the test set it")
    }
    BODY.set(Some(Box::pin(async move { encode(&begin().await?) })));
    let definitions = [Definition {
        name: "w",
        begin: take_body,
    }];
    let start = Start {
        workflow_type: "w".into(),
        arguments: Vec::new(),
    };
    activate(&definitions, Event::Initialize(start));
    take()
}

fn send(event: Event) -> Vec<String> {
    activate(&[], event);
    take()
}

fn activity_done(operation: u64, value: u32) -> Vec<String> {
    let outcome = Ok(encode(&value).unwrap());
    send(Event::ActivityResolved(ActivityResolution {
        operation,
        outcome,
    }))
}

fn activity_canceled(operation: u64) -> Vec<String> {
    let outcome = Err(fake::canceled());
    send(Event::ActivityResolved(ActivityResolution {
        operation,
        outcome,
    }))
}

fn fired(operation: u64) -> Vec<String> {
    send(Event::TimerFired(Resolution {
        operation,
        outcome: Ok(()),
    }))
}

fn wait_canceled(operation: u64) -> Vec<String> {
    send(Event::WaitCanceled(Resolution {
        operation,
        outcome: Err(fake::canceled()),
    }))
}

fn signal(name: &str, value: u32) -> Vec<String> {
    let arguments = vec![encode(&value).unwrap()];
    send(Event::SignalReceived(Signal {
        name: name.into(),
        arguments,
        requester: "".into(),
    }))
}

fn cancel_run() -> Vec<String> {
    send(Event::CancelRequested(fake::cancel(
        ROOT,
        CancelCause::Requested,
    )))
}

fn echo(value: u32) -> Activity<u32> {
    ActivityCall::new("echo").argument(&value).start()
}

fn minute() -> crate::Sleep {
    sleep(Duration::from_secs(60))
}

#[test]
fn calling_starts_and_awaiting_waits() {
    let asked = start(|| async {
        let (first, second) = (echo(1), echo(2));
        minute().await?;
        Ok(first.await? + second.await?)
    });
    assert_eq!(
        asked,
        [
            "1 activity echo(1) in 0",
            "2 activity echo(2) in 0",
            "3 timer 60000 in 0"
        ]
    );
    assert!(activity_done(2, 20).is_empty());
    assert!(fired(3).is_empty());
    assert_eq!(activity_done(1, 10), ["completed 30"]);
}

#[test]
fn join_all_of_a_thousand_activities_ends_with_the_last() {
    start(|| async {
        let values = future::try_join_all((0..1000).map(echo)).await?;
        Ok(values.iter().sum::<u32>())
    });
    for operation in (2..=1000).rev() {
        assert!(activity_done(operation, 1).is_empty());
    }
    assert_eq!(activity_done(1, 1), ["completed 1000"]);
}

#[test]
fn futures_unordered_yields_in_the_order_of_the_events() {
    start(|| async {
        let mut all: FuturesUnordered<_> = (1..=40).map(echo).collect();
        let mut seen = Vec::new();
        while let Some(value) = all.next().await {
            seen.push(value?);
        }
        Ok(seen)
    });
    let order: Vec<u64> = (1..=40).map(|n| n * 7 % 41).collect();
    let mut last = Vec::new();
    for operation in &order {
        last = activity_done(*operation, u32::try_from(*operation).unwrap());
    }
    assert_eq!(
        last,
        [format!(
            "completed {}",
            serde_json::to_string(&order).unwrap()
        )]
    );
}

#[test]
fn the_losers_of_a_select_are_canceled() {
    start(|| async {
        let mut work = future::FutureExt::fuse(echo(1));
        let mut limit = future::FutureExt::fuse(minute());
        select_biased! {
            value = work => value,
            _ = limit => Ok(0),
        }
    });
    assert_eq!(fired(2), ["cancel-operation 1", "completed 0"]);
}

#[test]
fn dropping_cancels_and_detaching_does_not() {
    let asked = start(|| async {
        drop(echo(1));
        echo(2).detach();
        drop(minute());
        minute().await
    });
    assert_eq!(
        asked,
        [
            "1 activity echo(1) in 0",
            "cancel-operation 1",
            "2 activity echo(2) in 0",
            "3 timer 60000 in 0",
            "cancel-operation 3",
            "4 timer 60000 in 0",
        ]
    );
    assert!(
        activity_done(2, 2).is_empty(),
        "a result that nobody wants is ignored"
    );
    assert_eq!(fired(4), ["completed "]);
}

#[test]
fn a_scope_is_current_whenever_its_future_is_polled_or_dropped() {
    let asked = start(|| async {
        let inner = async {
            echo(1).await?;
            echo(2).await
        };
        let (inside, outside) = future::join(scope::cancellable(inner), async {
            echo(3).await?;
            echo(4).await
        })
        .await;
        Ok(inside? + outside?)
    });
    assert_eq!(
        asked,
        [
            "open-scope 1 ScopeKind::Cancellable in 0",
            "1 activity echo(1) in 1",
            "2 activity echo(3) in 0"
        ]
    );
    assert_eq!(activity_done(2, 0), ["3 activity echo(4) in 0"]);
    assert_eq!(activity_done(1, 0), ["4 activity echo(2) in 1"]);
    assert_eq!(activity_done(4, 40), ["close-scope 1"]);
    assert_eq!(activity_done(3, 2), ["completed 42"]);
}

#[test]
fn dropping_a_scope_cancels_in_it_and_closes_it() {
    let asked = start(|| async {
        let mut scoped = Box::pin(scope::cancellable(async { echo(1).await }));
        assert!(future::poll_immediate(&mut scoped).await.is_none());
        drop(scoped);
        minute().await
    });
    assert_eq!(
        asked[2..],
        ["cancel-operation 1", "close-scope 1", "2 timer 60000 in 0"]
    );
}

#[test]
fn what_a_detached_scope_started_outlives_it() {
    let asked = start(|| async {
        let mut scoped = Box::pin(scope::detached(async { echo(1).await }));
        assert!(future::poll_immediate(&mut scoped).await.is_none());
        drop(scoped);
        minute().await
    });
    assert_eq!(asked[2..], ["2 timer 60000 in 0"]);
}

#[test]
fn a_canceled_workflow_cleans_up_shielded_and_ends_with_the_cancellation() {
    start(|| async {
        let result = minute().await;
        if result.as_ref().is_err_and(Failure::is_cancellation) {
            scope::detached(async { echo(1).await }).await?;
        }
        result
    });
    assert!(cancel_run().is_empty());
    let canceled = Event::TimerFired(Resolution {
        operation: 1,
        outcome: Err(fake::canceled()),
    });
    assert_eq!(
        send(canceled),
        [
            "open-scope 1 ScopeKind::Detached in 0",
            "2 activity echo(1) in 1"
        ]
    );
    assert_eq!(activity_done(2, 0), ["failed canceled"]);
}

#[test]
fn a_call_a_future_and_a_select_are_canceled_alike() {
    let call = || start(|| async { echo(1).await });
    let future = || {
        start(|| async {
            let work = spawn(echo(1));
            work.await?
        })
    };
    let select = || {
        start(|| async {
            let mut work = future::FutureExt::fuse(echo(1));
            let mut quit = Box::pin(future::FutureExt::fuse(future::pending::<()>()));
            select_biased! {
                value = work => value,
                () = quit => Ok(0),
            }
        })
    };
    for begin in [call as fn() -> Vec<String>, future, select] {
        let mut asked = begin();
        asked.extend(cancel_run());
        asked.extend(activity_canceled(1));
        // A wait for what another task has is no command: it leaves no event.
        asked.retain(|line| !line.contains("wait"));
        assert_eq!(asked, ["1 activity echo(1) in 0", "failed canceled"]);
    }
}

#[test]
fn nothing_starts_in_a_canceled_scope() {
    start(|| async {
        scope::when_requested().await;
        let refused = [minute().await.is_err(), echo(1).await.is_err()];
        let waits = [
            wait_until(|| true).await.is_err(),
            or_canceled(async {}).await.is_err(),
        ];
        let received = signals::<u32>("s").recv().await.is_err();
        Ok((refused, waits, received))
    });
    assert_eq!(cancel_run(), ["completed [[true,true],[true,true],true]"]);
}

#[test]
fn what_is_started_elsewhere_is_interrupted_where_it_is_awaited() {
    let asked = start(|| async {
        let work = echo(1);
        let result = scope::with_timeout(Duration::from_secs(1), work).await;
        Ok(result.is_err_and(|failure| failure.is_timeout()))
    });
    assert_eq!(asked[2..], ["2 wait operation of another scope in 1"]);
    let info = fake::cancel(1, CancelCause::Timeout);
    assert!(send(Event::ScopeCanceled(ScopeCancellation { scope: 1, info })).is_empty());
    assert_eq!(
        wait_canceled(2),
        ["cancel-operation 1", "close-scope 1", "completed true"]
    );
}

#[test]
fn a_timeout_scope_fails_with_a_timeout_only_if_the_time_was_up() {
    for (cause, timeout) in [
        (CancelCause::Timeout, "true"),
        (CancelCause::Parent, "false"),
    ] {
        std::thread::spawn(move || {
            start(|| async {
                let work = async { echo(1).await };
                let result = scope::with_timeout(Duration::from_secs(1), work).await;
                Ok(result.unwrap_err().is_timeout())
            });
            fake::cancel(1, cause);
            assert_eq!(
                activity_canceled(1),
                ["close-scope 1".to_owned(), format!("completed {timeout}")]
            );
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_condition_is_looked_at_again_after_each_event_and_each_change() {
    let asked = start(|| async {
        let count = Rc::new(RefCell::new(0));
        let (first, second) = (count.clone(), count.clone());
        let chain = spawn(async move {
            wait_until(|| *first.borrow() == 1).await?;
            *first.borrow_mut() = 2;
            Ok::<_, Failure>(())
        });
        let values = signals::<u32>("count");
        let setter = spawn(async move {
            let mut values = values;
            *second.borrow_mut() = values.recv().await?;
            Ok::<_, Failure>(())
        });
        wait_until(|| *count.borrow() == 2).await?;
        chain.await??;
        setter.await??;
        Ok(*count.borrow())
    });
    assert_eq!(
        asked,
        [
            "1 wait condition in 0",
            "2 wait condition in 0",
            "3 wait signal count in 0"
        ]
    );
    assert_eq!(
        signal("count", 1),
        [
            "close-wait 3",
            "close-wait 2",
            "close-wait 1",
            "completed 2"
        ]
    );
}

#[test]
fn an_open_condition_is_interrupted() {
    start(|| async { wait_until(|| false).await });
    assert!(cancel_run().is_empty());
    assert_eq!(wait_canceled(1), ["failed canceled"]);
}

#[test]
fn signals_that_nobody_waits_for_are_kept() {
    fresh();
    let early = Event::SignalReceived(Signal {
        name: "s".into(),
        arguments: vec![encode(&7_u32).unwrap()],
        requester: "".into(),
    });
    assert!(send(early).is_empty());
    let asked = begin_run(|| async {
        let mut values = signals::<u32>("s");
        let first = values.recv().await?;
        let none = values.try_recv()?;
        let second = values.recv().await?;
        Ok((first, none, second))
    });
    assert_eq!(asked, ["1 wait signal s in 0"]);
    assert!(signal("other", 8).is_empty());
    assert_eq!(signal("s", 9), ["close-wait 1", "completed [7,null,9]"]);
}

#[test]
fn channels_work_between_tasks() {
    start(|| async {
        let (send, mut receive) = futures::channel::mpsc::unbounded();
        for value in 1..=3 {
            let send = send.clone();
            drop(spawn(async move { send.unbounded_send(echo(value).await) }));
        }
        drop(send);
        let (done, ended) = tokio::sync::oneshot::channel();
        drop(spawn(async move {
            let mut sum = 0;
            while let Some(value) = receive.next().await {
                sum += value.expect("no activity fails");
            }
            done.send(sum)
        }));
        Ok(or_canceled(ended).await??)
    });
    activity_done(4, 3);
    activity_done(2, 1);
    assert_eq!(activity_done(3, 2), ["close-wait 1", "completed 6"]);
}

#[test]
fn an_aborted_task_drops_what_it_awaits() {
    let asked = start(|| async {
        let task = spawn(minute());
        or_canceled(futures::future::ready(())).await?;
        minute().await?;
        task.abort();
        Ok(task.await.unwrap_err().is_cancellation())
    });
    assert_eq!(
        asked,
        [
            "1 timer 60000 in 0",
            "2 wait future in 0",
            "close-wait 2",
            "3 timer 60000 in 0"
        ]
    );
    assert_eq!(fired(3), ["cancel-operation 1", "completed true"]);
}

#[test]
fn compensations_are_registered_with_the_activity_they_undo() {
    let asked = start(|| async {
        let undo = |value: u32| ActivityCall::<()>::new("undo").argument(&value);
        let work = echo(1);
        let registered = work.compensate_with(undo(1), RunWhen::Effective);
        let value = work.await?;
        registered.set_arguments(undo(value));
        stop_compensating_on_failure(true);
        compensate().await?;
        Ok(())
    });
    assert_eq!(
        asked,
        [
            "1 activity echo(1) in 0",
            "compensation undo(1) of Some(1) RunWhen::Effective in 0"
        ]
    );
    assert_eq!(
        activity_done(1, 5),
        [
            "compensation 1 takes (5)",
            "stop compensating on failure: true",
            "2 compensate in 0"
        ]
    );
    let done = Event::Compensated(Resolution {
        operation: 2,
        outcome: Ok(()),
    });
    assert_eq!(send(done), ["completed "]);
}

#[test]
fn what_was_not_started_is_not_compensated() {
    start(|| async {
        scope::when_requested().await;
        let undo = || ActivityCall::<()>::new("undo");
        let _refused = echo(1).compensated_by(undo()).await;
        let _registered = echo(2).compensate_with(undo(), RunWhen::Always);
        Ok(())
    });
    assert_eq!(
        cancel_run(),
        [
            "compensation undo() of None RunWhen::Always in 0",
            "completed "
        ]
    );
}

#[test]
fn after_the_end_nothing_is_asked_for() {
    start(|| async {
        drop(spawn(async { minute().await }));
        echo(1).await
    });
    assert_eq!(activity_done(1, 1), ["completed 1"]);
    assert!(signal("s", 1).is_empty());
}

#[test]
fn random_numbers_and_time_come_from_the_host() {
    let asked = start(|| async { Ok((now(), random::uuid(), random::below(10) < 10)) });
    let uuid = "01020304-0506-4708-890a-0b0c0d0e0f10";
    assert_eq!(asked, [format!("completed [1000,\"{uuid}\",true]")]);
}
