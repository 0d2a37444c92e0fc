//! Continuing a run as another one, so that its history does not grow for ever.

use std::future::pending;
use std::time::Duration;

use serde::Serialize;

use crate::attributes::SearchValue;
use crate::host::execution::{Continuation, Outcome, complete};
use crate::payload::{self, Payload};
use crate::runtime;
use crate::time::millis;
use crate::{Failure, RetryPolicy};

/// Ends the run and continues it by another of the same workflow id, with an empty history.
///
/// ```
/// # use sandglass_guest::prelude::*;
/// #[workflow]
/// async fn count(from: u32) -> Result<u32, Failure> {
///     sleep(Duration::from_secs(3600)).await?;
///     if info::history().suggest_continue_as_new {
///         return ContinueAsNew::new().argument(&(from + 1)).now().await;
///     }
///     Ok(from)
/// }
/// # fn main() {}
/// ```
///
/// What is not set stays as it is. Children of the run are treated as when it ends. A request to
/// cancel the run is handed on to the next one, see [`Self::drop_cancel`]. Whoever waits for the
/// result of the run gets that of the last one.
///
/// A run that was younger than a second is followed by one that begins its work so much later.
#[derive(Debug, Clone, Default)]
#[must_use = "this continues nothing; use `now`"]
pub struct ContinueAsNew {
    arguments: Vec<Payload>,
    failure: Option<Failure>,
    workflow_type: Option<String>,
    task_queue: Option<String>,
    run_timeout: Option<Duration>,
    retry: Option<RetryPolicy>,
    header: Option<Vec<(String, Payload)>>,
    memo: Option<Vec<(String, Payload)>>,
    search_attributes: Option<Vec<(String, SearchValue)>>,
    drop_cancel: bool,
    drop_compensations: bool,
}

impl ContinueAsNew {
    /// The next run has the type of this one, and no arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an argument. One that has no JSON form makes [`Self::now`] fail.
    pub fn argument<A: Serialize + ?Sized>(mut self, value: &A) -> Self {
        match payload::encode(value) {
            Ok(argument) => self.arguments.push(argument),
            Err(failure) => self.failure = Some(failure),
        }
        self
    }

    /// Sets the workflow type, of the same component.
    pub fn workflow_type(mut self, name: impl Into<String>) -> Self {
        self.workflow_type = Some(name.into());
        self
    }

    /// Sets the task queue.
    pub fn task_queue(mut self, queue: impl Into<String>) -> Self {
        self.task_queue = Some(queue.into());
        self
    }

    /// Limits the next run.
    pub fn run_timeout(mut self, limit: Duration) -> Self {
        self.run_timeout = Some(limit);
        self
    }

    /// Sets when a failed run is tried again. Attempts are counted from 1 again in any case.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets the headers, in place of those of this run.
    pub fn header(mut self, entries: Vec<(String, Payload)>) -> Self {
        self.header = Some(entries);
        self
    }

    /// Sets the memo, in place of that of this run. A value that has no JSON form makes
    /// [`Self::now`] fail.
    pub fn memo<A: Serialize + ?Sized>(mut self, name: impl Into<String>, value: &A) -> Self {
        let memo = self.memo.get_or_insert_default();
        match payload::encode(value) {
            Ok(value) => memo.push((name.into(), value)),
            Err(failure) => self.failure = Some(failure),
        }
        self
    }

    /// Sets a search attribute; those of this run are not kept then.
    pub fn search(mut self, name: impl Into<String>, value: impl Into<SearchValue>) -> Self {
        let all = self.search_attributes.get_or_insert_default();
        all.push((name.into(), value.into()));
        self
    }

    /// Keeps a request to cancel this run from the next one.
    pub fn drop_cancel(mut self) -> Self {
        self.drop_cancel = true;
        self
    }

    /// Forgets registered compensations. With any left a run cannot be continued: no later run
    /// could undo what this one did.
    pub fn drop_compensations(mut self) -> Self {
        self.drop_compensations = true;
        self
    }

    /// Ends the run. Awaiting this does not return, as after the end nothing runs; `T` is whatever
    /// fits where it stands. It works in a canceled run. A replay compares it with what was
    /// recorded.
    ///
    /// If a signal or another input arrives while the run ends, its workflow task is run again
    /// with it.
    ///
    /// # Errors
    ///
    /// Only before the end: an argument or memo value has no JSON form.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if the host refuses it: compensations that are registered and not
    /// dropped. With a type that the component does not have the workflow task fails afterwards.
    pub async fn now<T>(self) -> Result<T, Failure> {
        runtime::assert_active("ContinueAsNew");
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let attributes = self.search_attributes.map(|entries| {
            let entries = entries.into_iter();
            entries.map(|(name, value)| (name, value.into())).collect()
        });
        complete(&Outcome::ContinueAsNew(Continuation {
            workflow_type: self.workflow_type,
            arguments: self.arguments,
            task_queue: self.task_queue,
            run_timeout: self.run_timeout.map(millis),
            retry: self.retry.map(RetryPolicy::into_host),
            header: self.header,
            memo: self.memo,
            search_attributes: attributes,
            drop_cancel: self.drop_cancel,
            drop_compensations: self.drop_compensations,
        }));
        runtime::end();
        pending().await
    }
}
