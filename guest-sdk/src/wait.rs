//! Waits for something in the workflow itself.
//!
//! The host knows of each such wait, so that cancellation reaches it.

use std::pin::pin;
use std::task::Poll;

use crate::Failure;
use crate::host::cancellation;
use crate::runtime::{self, Condition, Operation};

/// Waits until a condition over the workflow's own state is true.
///
/// It is looked at when it is first awaited, and whenever the workflow has been told something and
/// has done all it could. It should only look, not change anything.
///
/// # Errors
///
/// A cancellation if the current scope is canceled first, or was already.
///
/// # Panics
///
/// Outside a workflow.
pub async fn wait_until(mut condition: impl FnMut() -> bool) -> Result<(), Failure> {
    runtime::assert_active("wait_until");
    if condition() && cancellation::get_cancel(runtime::current_scope()).is_none() {
        return Ok(());
    }
    let mut wait = Operation::wait("condition")?;
    let mut open: Option<Condition> = None;
    std::future::poll_fn(|context| {
        if let Poll::Ready(result) = pin!(&mut wait).poll(context) {
            return Poll::Ready(result.map(|_| ()));
        }
        if condition() {
            Condition::satisfied();
            return Poll::Ready(Ok(()));
        }
        match &open {
            Some(open) => open.rearm(context.waker().clone()),
            None => open = Some(Condition::open(context.waker().clone())),
        }
        Poll::Pending
    })
    .await
}

/// Awaits any future, but gives up when the current scope is canceled.
///
/// For futures that know nothing of the host, such as the receiver of a channel: by themselves they
/// would leave a canceled workflow waiting.
///
/// # Errors
///
/// A cancellation if the current scope is canceled first, or was already. The future is dropped
/// then.
///
/// # Panics
///
/// Outside a workflow.
pub async fn or_canceled<F: Future>(future: F) -> Result<F::Output, Failure> {
    runtime::assert_active("or_canceled");
    let mut wait = Operation::wait("future")?;
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if let Poll::Ready(Err(failure)) = pin!(&mut wait).poll(context) {
            return Poll::Ready(Err(failure));
        }
        future.as_mut().poll(context).map(Ok)
    })
    .await
}
