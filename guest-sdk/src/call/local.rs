//! Calls of local activities: short work that the host does inside of the workflow task.

use std::time::Duration;

use serde::Serialize;

use super::{Activity, ActivityCall, ActivityOptions, CancellationType, RetryPolicy};
use crate::host::activities;
use crate::payload::Payload;
use crate::runtime;
use crate::time::millis;

/// A description of one local activity, not started yet.
///
/// The host runs it at once, without queue and heartbeats, and stores its result together with
/// what the workflow does next: cheaper than an [`ActivityCall`], but while it runs the run takes
/// nothing in but a request to cancel. One whose result is not stored yet runs again after a crash,
/// under the same idempotency key; one whose result is stored never does.
///
/// `greet::call(name).local()` makes one of a typed activity, [`local_activity`] one of an activity
/// that is known by its name.
#[derive(Debug)]
#[must_use = "a description starts nothing; use `start`"]
pub struct LocalActivityCall<T> {
    call: ActivityCall<T>,
    retry_threshold: Option<Duration>,
}

/// Describes a local activity without arguments that is known by its name only. `T` is the type of
/// its result.
pub fn local_activity<T>(activity_type: impl Into<String>) -> LocalActivityCall<T> {
    ActivityCall::new(activity_type).local()
}

impl<T> LocalActivityCall<T> {
    pub(super) fn of(mut call: ActivityCall<T>) -> Self {
        call.options = call.options.local();
        Self {
            call,
            retry_threshold: None,
        }
    }

    /// Adds an argument. One that has no JSON form makes the call fail when it is awaited.
    pub fn argument<A: Serialize + ?Sized>(mut self, value: &A) -> Self {
        self.call = self.call.argument(value);
        self
    }

    /// Adds a header: context that is no argument.
    pub fn header(mut self, key: impl Into<String>, value: Payload) -> Self {
        self.call = self.call.header(key, value);
        self
    }

    fn with(mut self, options: ActivityOptions) -> Self {
        self.call = self.call.with(options);
        self
    }

    /// Limits one attempt. Default: 60 s, unless [`Self::schedule_to_close`] is set.
    pub fn start_to_close(self, limit: Duration) -> Self {
        self.with(ActivityOptions::new().start_to_close(limit))
    }

    /// Limits all attempts and the waits between them together. Default: no limit.
    pub fn schedule_to_close(self, limit: Duration) -> Self {
        self.with(ActivityOptions::new().schedule_to_close(limit))
    }

    /// Sets when it is tried again. Default: [`RetryPolicy::new`].
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.with(ActivityOptions::new().retry(policy))
    }

    /// Sets the longest wait before an attempt that is waited for in the workflow task. A longer
    /// one becomes a timer. Default: the host's limit on a workflow task, 10 s unless set.
    pub fn retry_threshold(mut self, wait: Duration) -> Self {
        self.retry_threshold = Some(wait);
        self
    }

    /// Sets what cancellation does to it. Default: it is asked to stop, and how it ends is awaited.
    pub fn cancellation(self, kind: CancellationType) -> Self {
        self.with(ActivityOptions::new().cancellation(kind))
    }

    /// Limits how long its end is waited for once it is canceled, if it is waited for at all.
    pub fn wait_timeout(self, limit: Duration) -> Self {
        self.with(ActivityOptions::new().wait_timeout(limit))
    }

    /// Starts it in the current scope and returns the future that awaits its result. It begins
    /// when the workflow has nothing else to do.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if the host refuses the options (as an empty type name).
    pub fn start(self) -> Activity<T> {
        runtime::assert_active("a local activity");
        let threshold = self.retry_threshold.map(millis);
        match self.call.into_host() {
            Ok(call) => Activity::begun(activities::schedule_local_activity(
                runtime::current_scope(),
                &call,
                threshold,
            )),
            Err(failure) => Activity::refused(failure),
        }
    }
}
