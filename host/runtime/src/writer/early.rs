//! The inputs of a running workflow task, while nobody knows yet whether they are committed alone.
//!
//! Most of them are not: so the frame is encoded only when the writer takes them.

use super::{Part, Submission};
use crate::{
    cell::{Ack, Delivery, Head, RunCell},
    clock::lock,
    error::Error,
    task::{StoredActivities, head_of, write_with},
};
use sandglass_engine::{EventId, FrameOutput, RunSummary, Timestamp};
use sandglass_store::RunKey;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What was recorded before a workflow task began, and who waits for it.
pub(crate) struct Offer {
    pub(crate) cell: Arc<RunCell>,
    /// What is committed of the run.
    pub(crate) head: Arc<Head>,
    /// The run as it is with the inputs.
    pub(crate) summary: RunSummary,
    pub(crate) output: FrameOutput,
    pub(crate) at: Timestamp,
    /// Rows of activities that the inputs change.
    pub(crate) changed: StoredActivities,
    pub(crate) acks: Vec<(Ack, Delivery)>,
    /// Rows of the outbox that the commit of this deletes.
    pub(crate) settled: Vec<(RunKey, EventId)>,
}

impl Offer {
    fn submission(self, slot: &Arc<EarlySlot>) -> Submission {
        let head = head_of(&self.head, self.summary, Some(&self.output), self.at);
        let output = Some(&self.output);
        let mut write = write_with(self.cell.key, &self.head, &head, output, self.changed);
        write.outbox_deleted = self.settled;
        Submission {
            cell: self.cell,
            write,
            changes: self.output.changes,
            head: Some(Arc::new(head)),
            acks: self.acks,
            part: Part::Inputs(Arc::clone(slot)),
            successor: None,
        }
    }
}

/// The inputs of a running workflow task, to be committed alone if it takes long.
pub(crate) struct EarlySlot {
    state: Mutex<Early>,
    done: Condvar,
}

enum Early {
    Waiting(Box<Offer>),
    Taken,
    Done(Result<(), Error>),
}

/// What became of the inputs of a workflow task by its end.
pub(crate) enum Settled {
    /// Nothing was written: here they are again.
    Back(Box<Offer>),
    /// They were committed.
    Committed,
    /// Their commit failed.
    Lost(Error),
}

impl EarlySlot {
    pub(crate) fn new(offer: Offer) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Early::Waiting(Box::new(offer))),
            done: Condvar::new(),
        })
    }

    /// Whether they are on disk.
    pub(crate) fn is_committed(&self) -> bool {
        matches!(&*lock(&self.state), Early::Done(Ok(())))
    }

    /// Whether their commit has failed.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(&*lock(&self.state), Early::Done(Err(_)))
    }

    pub(super) fn take(self: &Arc<Self>) -> Option<Submission> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, Early::Taken) {
            Early::Waiting(offer) => Some(offer.submission(self)),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Takes the inputs back, or waits until their commit is through.
    pub(crate) fn settle(&self) -> Settled {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, Early::Taken) {
                Early::Waiting(offer) => return Settled::Back(offer),
                Early::Done(Ok(())) => return Settled::Committed,
                Early::Done(Err(error)) => return Settled::Lost(error),
                Early::Taken => {
                    state = self
                        .done
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    pub(crate) fn finish(&self, result: Result<(), Error>) {
        *lock(&self.state) = Early::Done(result);
        self.done.notify_all();
    }
}
