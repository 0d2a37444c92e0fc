//! Child workflows: runs of their own that a workflow starts and waits for.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attributes::SearchValue;
use crate::host::children;
use crate::payload::{self, Payload};
use crate::runtime::{self, Operation, OperationKind};
use crate::time::millis;
use crate::{Failure, RetryPolicy};

pub use sandglass_guest_bindings::workflow::sandglass::workflow::children::{
    ChildCancellationType as ChildCancellation, IdReusePolicy, ParentClosePolicy,
};

/// Options of a child workflow. What is not set keeps its default.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct ChildOptions {
    workflow_id: Option<String>,
    task_queue: Option<String>,
    run_timeout: Option<Duration>,
    cancellation: Option<ChildCancellation>,
    parent_close: Option<ParentClosePolicy>,
    execution_timeout: Option<Duration>,
    retry: Option<RetryPolicy>,
    cron: Option<String>,
    id_reuse: Option<IdReusePolicy>,
    memo: Vec<(String, Payload)>,
    search_attributes: Vec<(String, SearchValue)>,
    /// A value has no JSON form.
    failure: Option<Failure>,
}

impl ChildOptions {
    /// No option is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the child's workflow id. Default: this run's run id, `_` and a number.
    pub fn workflow_id(mut self, id: impl Into<String>) -> Self {
        self.workflow_id = Some(id.into());
        self
    }

    /// Sets the task queue. Default: that of this run.
    pub fn task_queue(mut self, queue: impl Into<String>) -> Self {
        self.task_queue = Some(queue.into());
        self
    }

    /// Limits the child's run. Default: no limit.
    pub fn run_timeout(mut self, limit: Duration) -> Self {
        self.run_timeout = Some(limit);
        self
    }

    /// Sets what cancellation does to it. Default: it is asked to end, and how it ends is awaited.
    pub fn cancellation(mut self, kind: ChildCancellation) -> Self {
        self.cancellation = Some(kind);
        self
    }

    /// Limits all runs of the child together, where one follows another. Default: no limit.
    pub fn execution_timeout(mut self, limit: Duration) -> Self {
        self.execution_timeout = Some(limit);
        self
    }

    /// Sets when a failed run of it is followed by another; how the last one ended is awaited.
    /// Default: a failure ends it.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets the cron schedule by which it is repeated, in UTC.
    pub fn cron(mut self, schedule: impl Into<String>) -> Self {
        self.cron = Some(schedule.into());
        self
    }

    /// Sets whether its workflow id may have been used before. Default: it may.
    pub fn id_reuse(mut self, policy: IdReusePolicy) -> Self {
        self.id_reuse = Some(policy);
        self
    }

    /// Adds a value that is shown with it. One that has no JSON form makes the call fail when it is
    /// awaited.
    pub fn memo<A: Serialize + ?Sized>(mut self, name: impl Into<String>, value: &A) -> Self {
        match payload::encode(value) {
            Ok(value) => self.memo.push((name.into(), value)),
            Err(failure) => self.failure = Some(failure),
        }
        self
    }

    /// Adds a value by which it can be found.
    pub fn search(mut self, name: impl Into<String>, value: impl Into<SearchValue>) -> Self {
        self.search_attributes.push((name.into(), value.into()));
        self
    }

    /// Sets what becomes of it when this run ends before it. Default: it is terminated.
    pub fn parent_close(mut self, policy: ParentClosePolicy) -> Self {
        self.parent_close = Some(policy);
        self
    }
}

/// A complete description of one child workflow, not started yet. `T` is the type of its result.
#[derive(Debug)]
#[must_use = "a description starts nothing; use `start`"]
pub struct ChildCall<T> {
    workflow_type: String,
    arguments: Result<Vec<Payload>, Failure>,
    header: Vec<(String, Payload)>,
    options: ChildOptions,
    value: PhantomData<fn() -> T>,
}

impl<T> ChildCall<T> {
    /// Describes a child without arguments, of a type of this component or of another one that the
    /// host has loaded.
    pub fn new(workflow_type: impl Into<String>) -> Self {
        Self {
            workflow_type: workflow_type.into(),
            arguments: Ok(Vec::new()),
            header: Vec::new(),
            options: ChildOptions::new(),
            value: PhantomData,
        }
    }

    /// Adds an argument. One that has no JSON form makes the call fail when it is awaited.
    pub fn argument<A: Serialize + ?Sized>(mut self, value: &A) -> Self {
        self.arguments = self.arguments.and_then(|mut arguments| {
            arguments.push(payload::encode(value)?);
            Ok(arguments)
        });
        self
    }

    /// Adds a header: context that is no argument.
    pub fn header(mut self, key: impl Into<String>, value: Payload) -> Self {
        self.header.push((key.into(), value));
        self
    }

    /// Sets the options, in place of those set before.
    pub fn with(mut self, options: ChildOptions) -> Self {
        self.options = options;
        self
    }

    /// Starts the child in the current scope and returns the future that awaits its result.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if the host refuses the options (as an empty type name).
    pub fn start(self) -> Child<T> {
        runtime::assert_active("a child workflow");
        let state = match self.into_host() {
            Ok(call) => match children::start_child(runtime::current_scope(), &call) {
                Ok(id) => State::Initiated(Operation::new(id, OperationKind::Work)),
                Err(failure) => State::Refused(Some(Failure::from_links(failure))),
            },
            Err(failure) => State::Refused(Some(failure)),
        };
        Child {
            state,
            value: PhantomData,
        }
    }

    fn into_host(self) -> Result<children::ChildCall, Failure> {
        let options = self.options;
        if let Some(failure) = options.failure {
            return Err(failure);
        }
        Ok(children::ChildCall {
            workflow_type: self.workflow_type,
            workflow_id: options.workflow_id,
            task_queue: options.task_queue,
            arguments: self.arguments?,
            header: self.header,
            run_timeout: options.run_timeout.map(millis),
            cancellation: options
                .cancellation
                .unwrap_or(ChildCancellation::WaitCancellationCompleted),
            parent_close: options.parent_close.unwrap_or(ParentClosePolicy::Terminate),
            execution_timeout: options.execution_timeout.map(millis),
            retry: options.retry.map(RetryPolicy::into_host),
            cron: options.cron,
            id_reuse: options.id_reuse.unwrap_or(IdReusePolicy::AllowDuplicate),
            memo: options.memo,
            search_attributes: options
                .search_attributes
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        })
    }
}

/// A child workflow that was started: the future of its result.
///
/// A replay is given the recorded result and starts nothing. The child's error is a failure whose
/// cause says how it failed.
///
/// When its scope is canceled, its [`ChildCancellation`] decides: by default the child is asked to
/// end, and this future goes on waiting for how it ends. In a scope that was canceled before the
/// call, nothing is started and the future fails with the cancellation.
///
/// Dropping it before it is done cancels the child and forgets its result; see [`Self::detach`].
#[derive(Debug)]
#[must_use = "the child is canceled when this is dropped"]
pub struct Child<T> {
    state: State,
    value: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum State {
    Initiated(Operation),
    /// It was not started. Awaited once.
    Refused(Option<Failure>),
}

impl<T> Child<T> {
    /// Waits until the child has started, and returns its run id.
    ///
    /// # Errors
    ///
    /// Why it was not started, which awaiting the child itself tells as well.
    pub async fn started(&self) -> Result<String, Failure> {
        match &self.state {
            State::Initiated(operation) => {
                let id = operation.id();
                poll_fn(|context| runtime::poll_started(id, context)).await
            }
            State::Refused(failure) => Err(failure
                .clone()
                .expect("a child that has been awaited is not held any more")),
        }
    }

    /// Lets the child go on although nobody waits for it. What becomes of it when this run ends is
    /// a matter of its [`ParentClosePolicy`].
    pub fn detach(mut self) {
        if let State::Initiated(operation) = &mut self.state {
            operation.detach();
        }
    }

    /// Cancels the child, as its [`ChildCancellation`] says. How it ends is awaited as before.
    pub fn cancel(&self) {
        if let State::Initiated(operation) = &self.state {
            operation.cancel();
        }
    }
}

impl<T: DeserializeOwned> Future for Child<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Initiated(operation) => {
                Pin::new(operation)
                    .poll(context)
                    .map(|outcome| match outcome? {
                        Some(value) => payload::decode(&value, "the child's result"),
                        None => payload::decode(&payload::encode(&())?, "the child's result"),
                    })
            }
            State::Refused(failure) => Poll::Ready(Err(failure
                .take()
                .expect("a future is not polled after it is done"))),
        }
    }
}
