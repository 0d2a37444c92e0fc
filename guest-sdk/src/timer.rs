//! Durable timers.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::host::timers;
use crate::runtime::{self, Operation, OperationKind};
use crate::{Failure, time};

/// Starts a timer in the current scope and returns the future that awaits it.
///
/// It is due when that much time has passed since the start of the current workflow task, also if
/// the host was down meanwhile. In a replay it fires at its recorded place, without waiting.
///
/// Cancellation ends it at once with a failure for which [`Failure::is_cancellation`] is true. In a
/// canceled scope no timer is started and awaiting the future fails so at once. Dropping the future
/// cancels the timer.
///
/// # Panics
///
/// Outside a workflow.
#[must_use = "the timer is canceled when this is dropped"]
pub fn sleep(length: Duration) -> Sleep {
    runtime::assert_active("sleep");
    Sleep(
        match timers::start_timer(runtime::current_scope(), time::millis(length)) {
            Ok(id) => Inner::Running(Operation::new(id, OperationKind::Work)),
            Err(failure) => Inner::Refused(Some(Failure::from_links(failure))),
        },
    )
}

/// The future that [`sleep`] returns.
#[derive(Debug)]
pub struct Sleep(Inner);

#[derive(Debug)]
enum Inner {
    Running(Operation),
    /// Its scope was canceled already. Awaited once.
    Refused(Option<Failure>),
}

impl Sleep {
    /// Cancels the timer; awaiting it then fails with a cancellation.
    pub fn cancel(&self) {
        if let Inner::Running(operation) = &self.0 {
            operation.cancel();
        }
    }
}

impl Future for Sleep {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Running(operation) => Pin::new(operation).poll(context).map_ok(|_| ()),
            Inner::Refused(failure) => Poll::Ready(Err(failure
                .take()
                .expect("a future is not polled after it is done"))),
        }
    }
}
