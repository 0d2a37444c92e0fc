//! Cancellation scopes.
//!
//! The scopes of a run form a tree with the run itself as its root. Canceling one cancels what was
//! started in it, in the order of starting, and then its children. An activity, timer or wait
//! belongs to the scope that was current **when its function was called**, wherever it is awaited.
//! So write `with_timeout(limit, async { work().await })`, where the call happens inside;
//! `with_timeout(limit, work())` starts the work outside and only awaits it inside.
//!
//! A scope is opened when its function is called. It closes when its future is done or dropped,
//! which cancels what is left in it; a detached scope stays open.

mod requested;

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::host::cancellation::{self, ScopeKind};
use crate::runtime;
use crate::{Failure, Timestamp, time};

pub use requested::{WhenRequested, when_requested};
pub use types::CancelCause;

/// Why, by whom and when a scope was canceled. The first cancellation of a scope is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelInfo {
    /// What caused the cancellation.
    pub cause: CancelCause,
    /// The reason given; empty if none was.
    pub reason: String,
    /// Who asked for it; empty if code or a timeout did.
    pub requester: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// When the host stops waiting for the run to end, if it will.
    pub deadline: Option<Timestamp>,
}

impl From<types::CancelInfo> for CancelInfo {
    fn from(info: types::CancelInfo) -> Self {
        Self {
            cause: info.cause,
            reason: info.reason,
            requester: info.requester,
            at: Timestamp::from_millis(info.at),
            deadline: info.deadline.map(Timestamp::from_millis),
        }
    }
}

/// Runs a future in a scope that is canceled together with its parent.
///
/// Same as [`Scope::cancellable`] and [`Scope::run`], for code that does not cancel it.
pub fn cancellable<F: Future>(future: F) -> InScope<F> {
    Scope::cancellable().run(future)
}

/// Runs a future in a scope whose operations go on when its parent is canceled.
///
/// For cleanup that the caller waits for. It can be opened in a canceled scope. After it the
/// parent's cancellation shows again.
pub fn shielded<F: Future>(future: F) -> InScope<F> {
    Scope::shielded().run(future)
}

/// Runs a future in a scope without any tie to its parent's cancellation.
///
/// For cleanup as well. What was started in it goes on when the future is dropped before it is
/// done, and when a scope around it closes; only the code after its next `.await` does not run.
pub fn detached<F: Future>(future: F) -> InScope<F> {
    Scope::detached().run(future)
}

/// Runs a future in a scope that is canceled when `limit` has passed. The timer starts now.
///
/// # Errors
///
/// What the future fails with. If that is a cancellation because the time was up, the error is a
/// timeout instead ([`Failure::is_timeout`]), with the cancellation as its cause.
pub fn with_timeout<T, F>(
    limit: Duration,
    future: F,
) -> InScope<impl Future<Output = Result<T, Failure>>>
where
    F: Future<Output = Result<T, Failure>>,
{
    let scope = Scope::with_timeout(limit);
    let id = scope.0.id;
    scope.run(async move {
        future.await.map_err(|failure| {
            let timed_out = cancellation::get_cancel(id)
                .is_some_and(|canceled| canceled.cause == CancelCause::Timeout);
            if timed_out && failure.is_cancellation() {
                Failure::timed_out(limit).caused_by(failure)
            } else {
                failure
            }
        })
    })
}

/// Returns the cancellation of the current scope, if it was canceled or, in a shielded scope,
/// its cancellation was asked for. A replay answers the same.
///
/// # Panics
///
/// Outside a workflow.
pub fn cancel_info() -> Option<CancelInfo> {
    runtime::assert_active("cancel_info");
    cancellation::get_cancel(runtime::current_scope()).map(Into::into)
}

/// A scope that code holds, to run futures in it and to cancel it.
///
/// Clones are the same scope. It closes when the last future that runs in it is done or dropped, or
/// when all clones are dropped without one. A detached scope is closed by [`Scope::close`] only.
///
/// Opening and canceling are commands: a replay compares them with the recorded ones.
#[derive(Clone)]
pub struct Scope(Rc<Inner>);

struct Inner {
    id: types::Scope,
    detached: bool,
    closed: Cell<bool>,
    /// How many futures run in it.
    running: Cell<usize>,
}

impl Scope {
    /// Opens a scope that is canceled together with its parent, the current scope.
    ///
    /// # Panics
    ///
    /// Outside a workflow, as all functions that open a scope.
    pub fn cancellable() -> Self {
        Self::open(ScopeKind::Cancellable)
    }

    /// Opens a scope whose operations go on when its parent is canceled; it is told of that.
    pub fn shielded() -> Self {
        Self::open(ScopeKind::Shielded)
    }

    /// Opens a scope without any tie to its parent's cancellation. It may outlive the parent.
    pub fn detached() -> Self {
        Self::open(ScopeKind::Detached)
    }

    /// Opens a scope that is canceled when `limit` has passed. The timer starts now.
    ///
    /// What runs in it fails with a cancellation; the function [`with_timeout`] makes it a timeout.
    pub fn with_timeout(limit: Duration) -> Self {
        Self::open(ScopeKind::Timeout(time::millis(limit)))
    }

    fn open(kind: ScopeKind) -> Self {
        runtime::assert_active("a scope");
        let detached = matches!(kind, ScopeKind::Detached);
        let id = cancellation::open_scope(runtime::current_scope(), kind);
        Self(Rc::new(Inner {
            id,
            detached,
            closed: Cell::new(false),
            running: Cell::new(0),
        }))
    }

    /// Runs a future in the scope.
    pub fn run<F: Future>(&self, future: F) -> InScope<F> {
        self.0.running.set(self.0.running.get() + 1);
        InScope {
            scope: self.clone(),
            future: Some(Box::pin(future)),
        }
    }

    /// Calls a function with this as the current scope, to start something in it.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        runtime::enter(self.0.id, f)
    }

    /// Cancels the scope: what is unresolved in it, then its children. On a shielded scope it only
    /// marks the request. One that is canceled or closed already stays as it is.
    pub fn cancel(&self, reason: &str) {
        if runtime::may_command() {
            cancellation::cancel_scope(self.0.id, reason);
        }
    }

    /// Closes the scope: cancels what is unresolved in it and closes its children. Never waits.
    pub fn close(&self) {
        if !self.0.closed.replace(true) && runtime::may_command() {
            cancellation::close_scope(self.0.id);
        }
    }

    /// Returns the scope's cancellation, if it was canceled or, if shielded, asked to.
    pub fn cancel_info(&self) -> Option<CancelInfo> {
        cancellation::get_cancel(self.0.id).map(Into::into)
    }

    /// Waits until the scope's cancellation is asked for. See [`when_requested`].
    pub fn when_requested(&self) -> WhenRequested {
        WhenRequested::of(self.0.id)
    }

    /// A future that runs in it is gone.
    fn leave(&self) {
        self.0.running.set(self.0.running.get() - 1);
        if self.0.running.get() == 0 && !self.0.detached {
            self.close();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.detached && !self.closed.get() && runtime::may_command() {
            cancellation::close_scope(self.id);
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.0.id).finish()
    }
}

/// A future that runs in a scope: the scope is the current one whenever it is polled or dropped.
#[must_use = "futures do nothing unless awaited; dropping this closes the scope"]
pub struct InScope<F> {
    scope: Scope,
    /// Boxed so that it can be dropped inside the scope; gone when it is done.
    future: Option<Pin<Box<F>>>,
}

impl<F> InScope<F> {
    /// Drops the future inside the scope, then leaves the scope.
    fn finish(&mut self, abandoned: bool) {
        let Some(future) = self.future.take() else {
            return;
        };
        self.scope.enter(|| {
            if abandoned && self.scope.0.detached {
                runtime::abandon(|| drop(future));
            } else {
                drop(future);
            }
        });
        self.scope.leave();
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let future = this
            .future
            .as_mut()
            .expect("a future is not polled after it is done");
        let result = this.scope.enter(|| future.as_mut().poll(context));
        if result.is_ready() {
            this.finish(false);
        }
        result
    }
}

impl<F> Drop for InScope<F> {
    fn drop(&mut self) {
        self.finish(true);
    }
}

impl<F> fmt::Debug for InScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope")
            .field("scope", &self.scope.0.id)
            .finish_non_exhaustive()
    }
}
