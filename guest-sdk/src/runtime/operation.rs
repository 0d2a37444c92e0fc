//! Futures of what the host does for the run.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::Failure;
use crate::host::{cancellation, waits};
use crate::payload::Payload;

use super::{current_scope, may_command, with};

/// What an operation ended with; only an activity has a value.
type Outcome = Result<Option<Payload>, Failure>;

/// The state of an operation that somebody may await.
pub(crate) enum Slot {
    /// Not resolved; with the waker of the last poll.
    Open(Option<Waker>),
    /// Resolved, not yet awaited.
    Resolved(Outcome),
}

/// What dropping an unresolved operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// It is canceled: an activity or timer whose result nobody wants any more.
    Work,
    /// It is closed: a wait that is satisfied or given up.
    Wait,
    /// Nothing: it goes on unobserved.
    Detached,
}

/// One operation of the run, as a future.
#[derive(Debug)]
pub(crate) struct Operation {
    id: types::Operation,
    scope: types::Scope,
    kind: OperationKind,
    /// The wait that makes the cancellation of another scope reach who awaits this there.
    elsewhere: Option<Box<Operation>>,
}

impl Operation {
    /// Takes an operation that was started in the current scope.
    pub(crate) fn new(id: types::Operation, kind: OperationKind) -> Self {
        with(|run| run.operations.borrow_mut().insert(id, Slot::Open(None)));
        Self {
            id,
            scope: current_scope(),
            kind,
            elsewhere: None,
        }
    }

    /// Opens a wait in the current scope. Fails if that is canceled.
    pub(crate) fn wait(label: &str) -> Result<Self, Failure> {
        let id = waits::open_wait(current_scope(), label).map_err(Failure::from_links)?;
        Ok(Self::new(id, OperationKind::Wait))
    }

    pub(crate) fn id(&self) -> types::Operation {
        self.id
    }

    /// Lets the operation go on when this is dropped.
    pub(crate) fn detach(&mut self) {
        self.kind = OperationKind::Detached;
    }

    /// Cancels the operation. Its result still arrives: the cancellation, or what it ended with.
    pub(crate) fn cancel(&self) {
        if may_command() {
            cancellation::cancel_operation(self.id);
        }
    }

    /// Fails, or wakes later, because the scope that awaits this is canceled.
    ///
    /// An operation of that very scope is canceled by the host, and the way it ends tells. One of
    /// another scope would go on, so the awaiting scope needs a wait of its own.
    fn poll_elsewhere(&mut self, context: &mut Context<'_>) -> Poll<Failure> {
        let here = current_scope();
        if here == self.scope {
            self.elsewhere = None;
            return Poll::Pending;
        }
        if self
            .elsewhere
            .as_ref()
            .is_none_or(|wait| wait.scope != here)
        {
            match Self::wait("operation of another scope") {
                Ok(wait) => self.elsewhere = Some(Box::new(wait)),
                Err(failure) => return Poll::Ready(failure),
            }
        }
        let wait = self.elsewhere.as_mut().expect("opened above");
        match Pin::new(&mut **wait).poll(context) {
            Poll::Ready(Err(failure)) => {
                self.elsewhere = None;
                Poll::Ready(failure)
            }
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Future for Operation {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let resolved = with(|run| {
            let mut operations = run.operations.borrow_mut();
            match operations.get_mut(&self.id) {
                Some(Slot::Open(waker)) => {
                    *waker = Some(context.waker().clone());
                    None
                }
                Some(Slot::Resolved(_)) => operations.remove(&self.id),
                None => panic!("an operation was awaited again after it had ended"),
            }
        });
        if let Some(Slot::Resolved(outcome)) = resolved {
            self.elsewhere = None;
            return Poll::Ready(outcome);
        }
        self.poll_elsewhere(context).map(Err)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let id = self.id;
        let Ok(slot) = super::RUN.try_with(|run| run.operations.borrow_mut().remove(&id)) else {
            return;
        };
        if !matches!(slot, Some(Slot::Open(_))) || !may_command() {
            return;
        }
        match self.kind {
            OperationKind::Work if with(|run| run.abandoning.get()) == 0 => {
                cancellation::cancel_operation(id);
            }
            OperationKind::Wait => waits::close_wait(id),
            OperationKind::Work | OperationKind::Detached => {}
        }
    }
}

/// Records how an operation ended and wakes who awaits it. One that nobody holds is ignored.
pub(super) fn resolve(id: types::Operation, outcome: Result<Option<Payload>, types::Failure>) {
    let waker = with(|run| {
        let mut operations = run.operations.borrow_mut();
        let slot = operations.get_mut(&id)?;
        let resolved = Slot::Resolved(outcome.map_err(Failure::from_links));
        match std::mem::replace(slot, resolved) {
            Slot::Open(waker) => waker,
            Slot::Resolved(_) => panic!("operation {id} was resolved twice"),
        }
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}
