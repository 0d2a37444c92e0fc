//! Those who wait in line for something; what comes goes to the first, and wakes no other.

use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Who waits, in the order of their numbers.
pub(super) struct Line<T>(BTreeMap<u64, oneshot::Sender<T>>);

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Line<T> {
    /// Takes a place. Whoever comes again with the number that it had is where it was.
    pub(super) fn join(&mut self, number: u64) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.insert(number, sender);
        receiver
    }

    /// Gives a place up.
    pub(super) fn leave(&mut self, number: u64) {
        self.0.remove(&number);
    }

    /// Gives this to the first in line, or back if nobody waits.
    pub(super) fn give(&mut self, mut value: T) -> Result<(), T> {
        while let Some((_, first)) = self.0.pop_first() {
            match first.send(value) {
                Ok(()) => return Ok(()),
                // It has gone without a word.
                Err(back) => value = back,
            }
        }
        Err(value)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
