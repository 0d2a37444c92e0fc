//! What is known of an attempt that is just beginning.

use super::*;
use crate::{
    Host,
    activity::{Native, Slot},
    cell::{Head, Phase},
    recovery::row_of_new_run,
};
use sandglass_engine::{ActivityCall, Payload, RunSummary};
use std::{
    sync::TryLockError,
    thread::{self, yield_now},
};

#[tokio::test]
async fn r29_an_attempt_that_can_be_seen_can_be_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let host = Host::builder()
        .store(folder.path().join("db"))
        .build()
        .await;
    let host = host.expect("a host starts").inner;
    let head = Head {
        row: row_of_new_run(RunKey(1), &Default::default(), Timestamp(0)),
        summary: RunSummary::default(),
        next_seq: 1,
    };
    let cell = Arc::new(RunCell::new(head, String::new(), Phase::Idle));
    let call = ActivityCall::default();
    let slot = Slot::new(PendingActivity::new(
        EventId(5),
        "1".into(),
        call,
        Timestamp(0),
    ));
    let ticket = slot.ticket(&cell);
    cell.lock().activities.insert(EventId(5), slot);
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
