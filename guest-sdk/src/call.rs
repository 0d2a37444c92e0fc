//! Calls of activities: described, started, awaited.

mod local;
mod options;

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compensation::{Compensation, RunWhen};
use crate::host::activities;
use crate::payload::{self, Payload};
use crate::runtime::{self, Operation, OperationKind};
use crate::{Failure, host};

pub use local::{LocalActivityCall, local_activity};
pub use options::{ActivityOptions, CancellationType, RetryPolicy};

/// A failure as the host writes it.
type FailureLinks = sandglass_guest_bindings::workflow::sandglass::workflow::types::Failure;

/// A complete description of one activity to run, not started yet.
///
/// `#[activity]` makes a typed one: `greet::call(name)`.
#[derive(Debug)]
#[must_use = "a description starts nothing; use `start`"]
pub struct ActivityCall<T> {
    activity_type: String,
    arguments: Result<Vec<Payload>, Failure>,
    header: Vec<(String, Payload)>,
    options: ActivityOptions,
    value: PhantomData<fn() -> T>,
}

impl<T> ActivityCall<T> {
    /// Describes a call without arguments of an activity that is known by its name only. `T` is the
    /// type of its result.
    pub fn new(activity_type: impl Into<String>) -> Self {
        Self {
            activity_type: activity_type.into(),
            arguments: Ok(Vec::new()),
            header: Vec::new(),
            options: ActivityOptions::new(),
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

    /// Changes the options that are set in `options`; the others stay as they were.
    pub fn with(mut self, options: ActivityOptions) -> Self {
        self.options.override_with(options);
        self
    }

    /// Starts the activity in the current scope and returns the future that awaits its result.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if the host refuses the options (as an empty type name).
    pub fn start(self) -> Activity<T> {
        runtime::assert_active("an activity");
        match self.into_host() {
            Ok(call) => Activity::begun(activities::schedule_activity(
                runtime::current_scope(),
                &call,
            )),
            Err(failure) => Activity::refused(failure),
        }
    }

    /// The same work as a local activity: done by the host itself, inside of the workflow task.
    /// A task queue, a schedule-to-start limit and a heartbeat have no meaning there and are left
    /// out.
    pub fn local(self) -> LocalActivityCall<T> {
        LocalActivityCall::of(self)
    }

    /// The arguments.
    pub(crate) fn into_arguments(self) -> Result<Vec<Payload>, Failure> {
        self.arguments
    }

    /// The description as the host takes it.
    pub(crate) fn into_host(self) -> Result<host::activities::ActivityCall, Failure> {
        let mut call = self.options.into_host(self.activity_type);
        call.arguments = self.arguments?;
        call.header = self.header;
        Ok(call)
    }
}

/// An activity that was started: the future of its result.
///
/// A replay is given the recorded result and runs nothing. The activity's error is a failure whose
/// [`Failure::activity`] says which one it was and whose cause says how it failed.
///
/// When its scope is canceled, the activity's [`CancellationType`] decides: by default it is asked
/// to stop and this future goes on waiting for how it ends. In a scope that was canceled before the
/// call, nothing is started and the future fails with the cancellation.
///
/// Dropping it before it is done cancels the activity and forgets its result; see [`Self::detach`].
#[derive(Debug)]
#[must_use = "the activity is canceled when this is dropped"]
pub struct Activity<T> {
    state: State,
    value: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum State {
    Scheduled(Operation),
    /// It was not started. Awaited once.
    Refused(Option<Failure>),
}

impl<T> Activity<T> {
    /// What the host has answered.
    fn begun(answer: Result<u64, FailureLinks>) -> Self {
        match answer {
            Ok(id) => Self {
                state: State::Scheduled(Operation::new(id, OperationKind::Work)),
                value: PhantomData,
            },
            Err(failure) => Self::refused(Failure::from_links(failure)),
        }
    }

    fn refused(failure: Failure) -> Self {
        Self {
            state: State::Refused(Some(failure)),
            value: PhantomData,
        }
    }

    /// Lets the activity go on although nobody waits for it. It still ends with the workflow.
    pub fn detach(mut self) {
        if let State::Scheduled(operation) = &mut self.state {
            operation.detach();
        }
    }

    /// Cancels the activity, as its [`CancellationType`] says. How it ends is awaited as before.
    pub fn cancel(&self) {
        if let State::Scheduled(operation) = &self.state {
            operation.cancel();
        }
    }

    /// Registers `undo` to be run by the host if the workflow fails or is canceled and this
    /// activity has, or may have, taken effect. See [`crate::compensation`].
    ///
    /// To be called before the next `.await`.
    ///
    /// # Panics
    ///
    /// If an argument of `undo` has no JSON form.
    pub fn compensated_by<U>(self, undo: ActivityCall<U>) -> Self {
        self.compensate_with(undo, RunWhen::Effective);
        self
    }

    /// As [`Self::compensated_by`], with the choice of when it runs, and returning the
    /// registration so that its arguments can be changed.
    pub fn compensate_with<U>(&self, undo: ActivityCall<U>, when: RunWhen) -> Compensation {
        match &self.state {
            State::Scheduled(operation) => Compensation::push(Some(operation.id()), undo, when),
            // What was not started has no effect to undo.
            State::Refused(_) if when == RunWhen::Effective => Compensation::none(),
            State::Refused(_) => Compensation::push(None, undo, when),
        }
    }
}

impl<T: DeserializeOwned> Future for Activity<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Scheduled(operation) => {
                Pin::new(operation)
                    .poll(context)
                    .map(|outcome| match outcome? {
                        Some(value) => payload::decode(&value, "the activity's result"),
                        None => payload::decode(&payload::encode(&())?, "the activity's result"),
                    })
            }
            State::Refused(failure) => Poll::Ready(Err(failure
                .take()
                .expect("a future is not polled after it is done"))),
        }
    }
}
