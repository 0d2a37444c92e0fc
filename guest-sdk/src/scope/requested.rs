//! The notification of a cancellation, for code that must not be interrupted by it.

use std::pin::Pin;
use std::task::{Context, Poll};

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::host::cancellation;
use crate::runtime::{self, add_cancel_waiter, remove_cancel_waiter};

use super::CancelInfo;

/// Waits until the current scope's cancellation is asked for, and returns it.
///
/// This is a notification, not a failure: it serves to notice a cancellation without being
/// interrupted, as in a branch of `select!`. If it was asked for already, it is done at once.
///
/// # Panics
///
/// Outside a workflow.
pub fn when_requested() -> WhenRequested {
    runtime::assert_active("when_requested");
    WhenRequested::of(runtime::current_scope())
}

/// The future that [`when_requested`] and [`crate::Scope::when_requested`] return.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WhenRequested {
    scope: types::Scope,
    waiter: Option<(types::Scope, u64)>,
}

impl WhenRequested {
    pub(super) fn of(scope: types::Scope) -> Self {
        Self {
            scope,
            waiter: None,
        }
    }

    fn forget(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            remove_cancel_waiter(waiter);
        }
    }
}

impl Future for WhenRequested {
    type Output = CancelInfo;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CancelInfo> {
        self.forget();
        if let Some(info) = cancellation::get_cancel(self.scope) {
            return Poll::Ready(info.into());
        }
        self.waiter = Some(add_cancel_waiter(self.scope, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for WhenRequested {
    fn drop(&mut self) {
        self.forget();
    }
}
