//! Which child workflows have started, and who waits for that.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::Failure;

use super::operation::Slot;
use super::with;

/// The children of a run that somebody holds.
#[derive(Default)]
pub(crate) struct Children(RefCell<BTreeMap<types::Operation, Started>>);

/// How far the start of a child has come.
enum Started {
    /// Awaited by this waker.
    Awaited(Waker),
    /// As this run.
    As(String),
}

/// Notes that a child was started.
pub(super) fn started(id: types::Operation, run_id: String) {
    let before = with(|run| run.children.0.borrow_mut().insert(id, Started::As(run_id)));
    if let Some(Started::Awaited(waker)) = before {
        waker.wake();
    }
}

/// A child has ended, perhaps without having been started.
pub(super) fn resolved(id: types::Operation) {
    let waker = with(|run| match run.children.0.borrow().get(&id) {
        Some(Started::Awaited(waker)) => Some(waker.clone()),
        _ => None,
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The run that a child was started as, or why it was not.
pub(crate) fn poll_started(
    id: types::Operation,
    context: &mut Context<'_>,
) -> Poll<Result<String, Failure>> {
    with(|run| {
        let mut children = run.children.0.borrow_mut();
        if let Some(Started::As(run_id)) = children.get(&id) {
            return Poll::Ready(Ok(run_id.clone()));
        }
        if let Some(Slot::Resolved(Err(failure))) = run.operations.borrow().get(&id) {
            return Poll::Ready(Err(failure.clone()));
        }
        children.insert(id, Started::Awaited(context.waker().clone()));
        Poll::Pending
    })
}
