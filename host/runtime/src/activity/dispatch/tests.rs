//! What is known of an attempt that is just beginning.

use super::*;
use crate::{
    Host,
    activity::{Attempting, Native, Slot},
    cell::{Head, Phase},
    recovery::row_of_new_run,
};
use sandglass_engine::{ActivityCall, Millis, Payload, RunSummary};
use std::{
    sync::TryLockError,
    thread::{self, yield_now},
    time::Duration,
};
use tokio::sync::watch;

/// A run with an activity that waits for its first attempt.
fn scheduled() -> (Arc<RunCell>, Ticket) {
    let head = Head {
        row: row_of_new_run(RunKey(1), &Default::default(), Timestamp(0)),
        summary: RunSummary::default(),
        next_seq: 1,
    };
    let cell = Arc::new(RunCell::new(head, String::new(), Phase::Idle));
    let call = ActivityCall {
        // Without a limit nobody could ever end one that is left over.
        start_to_close: Some(Millis(3_600_000)),
        ..ActivityCall::default()
    };
    let pending = PendingActivity::new(EventId(5), "1".into(), call, Timestamp(0));
    let slot = Slot::new(pending);
    let ticket = slot.ticket(&cell);
    cell.lock().activities.insert(EventId(5), slot);
    (cell, ticket)
}

/// Runs for ever, and ends wherever it is when it is dropped, as a component does.
struct Endless(watch::Sender<bool>);

impl Worker for Endless {
    fn attempt(&self, _: ActivityContext) -> Attempting {
        self.0.send_replace(true);
        Box::pin(std::future::pending())
    }

    fn is_killable(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn s49_an_attempt_that_can_be_dropped_runs_on_until_it_is_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let host = Host::builder()
        .store(folder.path().join("db"))
        .build()
        .await;
    let host = host.expect("a host starts");
    let inner = &host.inner;
    let begun = watch::Sender::new(false);
    inner
        .dispatch
        .register(inner, "", Arc::new(Endless(begun.clone())));
    let (cell, ticket) = scheduled();
    inner.dispatch.offer(inner, ticket);
    let mut seen = begun.subscribe();
    seen.wait_for(|begun| *begun).await.expect("it begins");
    // What a close does, whatever the way.
    let slot = cell.lock().activities.remove(&EventId(5));
    slot.expect("it is pending")
        .end(inner, &cell, AttemptState::NotFound);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(host.attempts_in_flight(), 1, "no close ends it");
    assert_eq!(inner.dispatch.kill(RunKey(1)), 1);
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn r29_an_attempt_that_can_be_seen_can_be_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let host = Host::builder()
        .store(folder.path().join("db"))
        .build()
        .await;
    let host = host.expect("a host starts").inner;
    let (cell, ticket) = scheduled();
    let worker = Arc::new(Native::new(|_, _| async { Ok(Payload::null()) }));
    // Whoever begins it comes no further than to where it is registered.
    let registered = lock(&host.dispatch.state);
    let beginning = {
        let host = Arc::clone(&host);
        thread::spawn(move || begin(&host, &ticket, worker))
    };
    for _ in 0..20_000 {
        match cell.try_lock() {
            Ok(state) => {
                let attempt = &state.activities[&EventId(5)].attempt;
                assert!(attempt.is_none(), "it has begun, and a kill would miss it");
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Poisoned(error)) => panic!("{error}"),
        }
        yield_now();
    }
    drop(registered);
    assert!(beginning.join().expect("it begins"));
    assert_eq!(host.dispatch.kill(RunKey(1)), 1);
}
