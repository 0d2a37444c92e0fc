//! The queue of the writer at its end.

use super::*;
use crate::{cell::Phase, recovery::row_of_new_run};
use sandglass_engine::{RunSummary, Timestamp};
use sandglass_store::{RunKey, SqliteStore};
use tokio::sync::oneshot::{self, error::TryRecvError};

#[test]
fn whoever_submits_after_the_end_hears_that_the_host_is_gone() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut store = SqliteStore::open(&folder.path().join("db")).expect("a store can be made");
    let writer = Writer::default();
    writer.stop();
    assert!(writer.next_batch(&mut Idle::Fresh, &mut store).is_none());
    let head = Head {
        row: row_of_new_run(RunKey(1), &Default::default(), Timestamp(0)),
        summary: RunSummary::default(),
        next_seq: 1,
    };
    let (ack, mut answer) = oneshot::channel();
    writer.submit(Submission {
        cell: Arc::new(RunCell::new(head, String::new(), Phase::Idle)),
        write: Write::new(RunKey(1)),
        changes: Changes::default(),
        head: None,
        acks: vec![(ack, Delivery::Recorded)],
        part: Part::Aside(Vec::new()),
        successor: None,
    });
    assert_eq!(answer.try_recv().err(), Some(TryRecvError::Closed));
}
