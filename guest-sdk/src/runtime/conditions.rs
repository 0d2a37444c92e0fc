//! Conditions: predicates over the workflow's own state.
//!
//! Nobody tells when such state changes, so every open condition is looked at again when all tasks
//! are quiescent, and once more as long as one of them turned true: what that one's task does then
//! may make another true.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::Waker;

use super::with;

/// The open conditions of a run, in the order in which they were first awaited.
#[derive(Default)]
pub(crate) struct Conditions {
    open: RefCell<BTreeMap<u64, Waker>>,
    next: Cell<u64>,
    /// Whether something may have changed since they were last looked at.
    changed: Cell<bool>,
}

/// One condition's place among the open ones.
#[derive(Debug)]
pub(crate) struct Condition(u64);

impl Condition {
    /// Opens a condition that is false now.
    pub(crate) fn open(waker: Waker) -> Self {
        with(|run| {
            let conditions = &run.conditions;
            let id = conditions.next.replace(conditions.next.get() + 1);
            conditions.open.borrow_mut().insert(id, waker);
            Self(id)
        })
    }

    /// Keeps the waker of the last poll.
    pub(crate) fn rearm(&self, waker: Waker) {
        drop(with(|run| {
            run.conditions.open.borrow_mut().insert(self.0, waker)
        }));
    }

    /// Notes that the condition has turned true.
    pub(crate) fn satisfied() {
        with(|run| run.conditions.changed.set(true));
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        let removed = super::RUN.try_with(|run| run.conditions.open.borrow_mut().remove(&self.0));
        drop(removed);
    }
}

/// Notes that an event has arrived.
pub(super) fn note_event() {
    Condition::satisfied();
}

/// Wakes who awaits a condition, if one may have changed. Returns whether anybody was woken.
pub(super) fn wake_changed() -> bool {
    let wakers: Vec<_> = with(|run| {
        let changed = run.conditions.changed.replace(false);
        let open = run.conditions.open.borrow();
        if changed {
            open.values().cloned().collect()
        } else {
            Vec::new()
        }
    });
    let any = !wakers.is_empty();
    wakers.into_iter().for_each(Waker::wake);
    any
}
