//! Signals that have arrived, and who waits for more.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use crate::payload::Payload;

use super::with;

/// The signals of one name.
#[derive(Default)]
pub(crate) struct Mailbox {
    /// Arguments of those that nobody has taken.
    waiting: VecDeque<Vec<Payload>>,
    receivers: BTreeMap<u64, Waker>,
    next: u64,
}

/// Keeps a signal and wakes everybody who waits for one of its name; the first to look takes it.
pub(super) fn deliver(name: String, arguments: Vec<Payload>) {
    let receivers = with(|run| {
        let mut signals = run.signals.borrow_mut();
        let mailbox = signals.entry(name).or_default();
        mailbox.waiting.push_back(arguments);
        std::mem::take(&mut mailbox.receivers)
    });
    receivers.into_values().for_each(Waker::wake);
}

/// Takes the oldest signal of a name.
pub(crate) fn take_signal(name: &str) -> Option<Vec<Payload>> {
    with(|run| run.signals.borrow_mut().get_mut(name)?.waiting.pop_front())
}

/// Registers a waker for the next signal of a name, in place of an earlier one.
pub(crate) fn add_receiver(name: &str, earlier: Option<u64>, waker: Waker) -> u64 {
    with(|run| {
        let mut signals = run.signals.borrow_mut();
        let mailbox = signals.entry(name.to_owned()).or_default();
        let id = earlier.unwrap_or_else(|| {
            mailbox.next += 1;
            mailbox.next
        });
        mailbox.receivers.insert(id, waker);
        id
    })
}

/// Forgets a waker.
pub(crate) fn remove_receiver(name: &str, id: u64) {
    let removed = super::RUN.try_with(|run| {
        run.signals
            .borrow_mut()
            .get_mut(name)
            .and_then(|mailbox| mailbox.receivers.remove(&id))
    });
    drop(removed);
}
