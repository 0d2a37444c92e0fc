//! What is being answered, on both ports. A server that stops begins nothing new and says so, and
//! listens on until what it had begun is answered: whoever asks meanwhile is told where things
//! stand.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{Notify, watch};
use tonic::Status;

/// How many requests are being answered, and whether more may be begun.
#[derive(Clone)]
pub(crate) struct Working {
    all: Arc<All>,
    closing: watch::Receiver<bool>,
}

#[derive(Default)]
struct All {
    count: AtomicUsize,
    idle: Notify,
}

/// One that is being answered.
pub(crate) struct AtWork(Arc<All>);

impl Working {
    pub(crate) fn new(closing: watch::Receiver<bool>) -> Self {
        Self {
            all: Arc::default(),
            closing,
        }
    }

    /// Begins to answer.
    ///
    /// # Errors
    /// `UNAVAILABLE`: the server is stopping. Nothing was done; clients try again by themselves.
    pub(crate) fn begin(&self) -> Result<AtWork, Status> {
        // Counted before it is asked whether it may be: `ended` misses none.
        self.all.count.fetch_add(1, Ordering::SeqCst);
        let work = AtWork(Arc::clone(&self.all));
        match self.is_closing() {
            true => Err(stopping()),
            false => Ok(work),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until nothing is being answered. What is begun later is not waited for: nothing is,
    /// once the server is closing.
    pub(crate) async fn ended(&self) {
        loop {
            let idle = self.all.idle.notified();
            tokio::pin!(idle);
            // What ends from here on is heard.
            idle.as_mut().enable();
            if self.all.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// What is told to those who ask a server that stops.
pub(crate) const STOPPING: &str = "the server is stopping";

pub(crate) fn stopping() -> Status {
    Status::unavailable(STOPPING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Waker},
    };

    #[test]
    fn nothing_begins_while_it_closes_and_what_had_begun_is_waited_for() {
        let (closing, closed) = watch::channel(false);
        let working = Working::new(closed);
        let begun = working.begin();
        let other = working.begin();
        closing.send_replace(true);
        let refused = working.begin().err().map(|status| status.code());
        assert_eq!(refused, Some(tonic::Code::Unavailable));
        let mut ended = pin!(working.ended());
        let mut context = Context::from_waker(Waker::noop());
        assert!(ended.as_mut().poll(&mut context).is_pending());
        drop(begun);
        assert!(ended.as_mut().poll(&mut context).is_pending());
        drop(other);
        assert!(ended.as_mut().poll(&mut context).is_ready());
    }
}
