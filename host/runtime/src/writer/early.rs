//! The inputs of a running workflow task, while nobody knows yet whether they are committed alone.

use super::Submission;
use crate::{clock::lock, error::Error};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The inputs of a running workflow task, to be committed alone if it takes long.
pub(crate) struct EarlySlot {
    state: Mutex<Early>,
    done: Condvar,
}

enum Early {
    Waiting(Box<Submission>),
    Taken,
    Done(Result<(), Error>),
}

/// What became of the inputs of a workflow task by its end.
pub(crate) enum Settled {
    /// Nothing was written: here they are again.
    Back(Box<Submission>),
    /// They were committed.
    Committed,
    /// Their commit failed.
    Lost(Error),
}

impl EarlySlot {
    pub(crate) fn new(make: impl FnOnce(&Arc<Self>) -> Submission) -> Arc<Self> {
        let slot = Arc::new(Self {
            state: Mutex::new(Early::Taken),
            done: Condvar::new(),
        });
        let submission = make(&slot);
        *lock(&slot.state) = Early::Waiting(Box::new(submission));
        slot
    }

    /// Whether they are on disk.
    pub(crate) fn is_committed(&self) -> bool {
        matches!(&*lock(&self.state), Early::Done(Ok(())))
    }

    /// Whether their commit has failed.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(&*lock(&self.state), Early::Done(Err(_)))
    }

    pub(super) fn take(&self) -> Option<Box<Submission>> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, Early::Taken) {
            Early::Waiting(submission) => Some(submission),
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
                Early::Waiting(submission) => return Settled::Back(submission),
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
