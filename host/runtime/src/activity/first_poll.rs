//! The first poll of an attempt, without a task of its own: many activities end in it.
//!
//! While a thread is at it nobody waits for the attempt to be given up. So whoever gives it up puts
//! somebody there, who says if it never comes out.

use super::{ActivityContext, Attempt, is_over, supervise};
use crate::clock::lock;
use std::{
    any::Any,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::Mutex,
    task::Poll,
};
use tokio::task::AbortHandle;

/// What a panic leaves.
pub(super) type Panic = Box<dyn Any + Send>;

/// Whether a thread is at the first poll.
#[derive(Default)]
enum State {
    #[default]
    No,
    Yes(ActivityContext),
    /// And the attempt was given up: somebody watches.
    Watched(AbortHandle),
}

#[derive(Default)]
pub(crate) struct FirstPoll(Mutex<State>);

impl FirstPoll {
    /// The attempt is given up.
    pub(super) fn give_up(&self) {
        let mut state = lock(&self.0);
        match std::mem::take(&mut *state) {
            State::Yes(context) => {
                let tokio = context.host.tokio.clone();
                *state = State::Watched(tokio.spawn(watch(context)).abort_handle());
            }
            other => *state = other,
        }
    }
}

/// Says if an attempt that was given up does not come out of its first poll.
async fn watch(context: ActivityContext) {
    supervise::given_up(&context).await;
    supervise::grace(&context).await;
    if matches!(*lock(&context.attempt.first_poll.0), State::Watched(_)) {
        supervise::blocks(&context);
    }
}

/// Ends the first poll.
struct Polling<'a>(&'a Attempt);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        // Let go without the lock: it may hold the last of a run.
        let state = std::mem::take(&mut *lock(&self.0.first_poll.0));
        if let State::Watched(watch) = state {
            watch.abort();
        }
    }
}

/// Polls an attempt for the first time, unless it was given up already. `None`: it has not ended.
pub(super) async fn first_poll<T>(
    context: &ActivityContext,
    work: &mut Pin<Box<impl Future<Output = T>>>,
) -> Option<Result<T, Panic>> {
    let attempt = &context.attempt;
    *lock(&attempt.first_poll.0) = State::Yes(context.clone());
    let _polling = Polling(attempt);
    if is_over(&attempt.state.borrow()) {
        return None;
    }
    poll_once(work).await
}

/// Polls a future once. `None`: it has not ended.
pub(super) async fn poll_once<F: Future + ?Sized>(
    future: &mut Pin<Box<F>>,
) -> Option<Result<F::Output, Panic>> {
    poll_fn(|context| {
        let polled = panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        Poll::Ready(match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(panic) => Some(Err(panic)),
        })
    })
    .await
}
