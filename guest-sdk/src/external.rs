//! Other runs, whoever started them: signals and requests to cancel.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;

use crate::Failure;
use crate::host::externals;
use crate::payload;
use crate::runtime::{self, Operation, OperationKind};

/// The newest run of a workflow id.
pub fn workflow(workflow_id: impl Into<String>) -> External {
    External {
        target: externals::Target {
            workflow_id: workflow_id.into(),
            run_id: None,
        },
    }
}

/// Another run.
#[derive(Debug, Clone, PartialEq)]
pub struct External {
    target: externals::Target,
}

impl External {
    /// Means only this run of the workflow id.
    #[must_use]
    pub fn run(mut self, run_id: impl Into<String>) -> Self {
        self.target.run_id = Some(run_id.into());
        self
    }

    /// Sends it a signal with one value. The future tells when it is recorded there, or that there
    /// is no such open run.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if the workflow id or the name is empty.
    pub fn signal<A: Serialize + ?Sized>(&self, name: &str, value: &A) -> Delivery {
        runtime::assert_active("a signal to another run");
        Delivery::of(payload::encode(value).and_then(|argument| {
            let scope = runtime::current_scope();
            externals::signal_external(scope, &self.target, name, &[argument], &[])
                .map_err(Failure::from_links)
        }))
    }

    /// Asks it to end. The future tells when the request is recorded there, or that there is no
    /// such run; how the run ends is its own affair.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if the workflow id is empty.
    pub fn cancel(&self, reason: &str) -> Delivery {
        runtime::assert_active("a request to cancel another run");
        let answer = externals::cancel_external(runtime::current_scope(), &self.target, reason);
        Delivery::of(answer.map_err(Failure::from_links))
    }
}

/// What is on its way to another run: the future of its arrival.
///
/// A replay sends nothing again. What was sent is not called back by cancellation, nor by dropping
/// this.
#[derive(Debug)]
#[must_use = "awaiting it tells whether it has arrived; use `detach` to ignore that"]
pub struct Delivery(Result<Operation, Option<Failure>>);

impl Delivery {
    fn of(sent: Result<u64, Failure>) -> Self {
        Self(match sent {
            Ok(id) => Ok(Operation::new(id, OperationKind::Detached)),
            Err(failure) => Err(Some(failure)),
        })
    }

    /// Does not wait for its arrival.
    pub fn detach(self) {}
}

impl Future for Delivery {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(operation) => Pin::new(operation)
                .poll(context)
                .map(|outcome| outcome.map(|_| ())),
            Err(failure) => Poll::Ready(Err(failure
                .take()
                .expect("a future is not polled after it is done"))),
        }
    }
}
