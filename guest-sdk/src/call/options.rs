//! Options of an activity call.

use std::time::Duration;

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::time::millis;

pub use types::CancellationType;

/// How often and when a failed activity is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy(types::RetryPolicy);

impl RetryPolicy {
    /// The default: a wait of 1 s, doubled after each failure up to 100 s, without limit.
    pub fn new() -> Self {
        Self(types::RetryPolicy {
            initial_interval: 1000,
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_types: Vec::new(),
        })
    }

    /// A policy with one attempt only.
    pub fn never() -> Self {
        Self::new().maximum_attempts(1)
    }

    /// Sets the wait before the second attempt.
    #[must_use]
    pub fn initial_interval(mut self, wait: Duration) -> Self {
        self.0.initial_interval = millis(wait);
        self
    }

    /// Sets the factor by which the wait grows; at least 1.
    #[must_use]
    pub fn backoff_coefficient(mut self, factor: f64) -> Self {
        self.0.backoff_coefficient = factor;
        self
    }

    /// As the host takes it.
    pub(crate) fn into_host(self) -> types::RetryPolicy {
        self.0
    }

    /// Sets the longest wait. Without it, it is 100 times the first.
    #[must_use]
    pub fn maximum_interval(mut self, wait: Duration) -> Self {
        self.0.maximum_interval = Some(millis(wait));
        self
    }

    /// Sets the greatest number of attempts; 0 for no limit.
    #[must_use]
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.0.maximum_attempts = attempts;
        self
    }

    /// Adds a failure type that is not retried.
    #[must_use]
    pub fn non_retryable(mut self, failure_type: impl Into<String>) -> Self {
        self.0.non_retryable_types.push(failure_type.into());
        self
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// Options of an activity call. What is not set keeps its default.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct ActivityOptions {
    activity_id: Option<String>,
    task_queue: Option<String>,
    schedule_to_close: Option<Duration>,
    schedule_to_start: Option<Duration>,
    start_to_close: Option<Duration>,
    heartbeat: Option<Duration>,
    retry: Option<RetryPolicy>,
    cancellation: Option<CancellationType>,
    wait_timeout: Option<Duration>,
}

/// The limit of one attempt if neither that nor the limit of the whole activity is set.
const DEFAULT_START_TO_CLOSE: Duration = Duration::from_secs(60);

impl ActivityOptions {
    /// No option is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the activity's id, unique among the run's pending ones. Default: a number.
    pub fn activity_id(mut self, id: impl Into<String>) -> Self {
        self.activity_id = Some(id.into());
        self
    }

    /// Sets which workers take it. Default: those of the run's own task queue.
    pub fn task_queue(mut self, queue: impl Into<String>) -> Self {
        self.task_queue = Some(queue.into());
        self
    }

    /// Limits all attempts and the waits between them together. Default: no limit.
    pub fn schedule_to_close(mut self, limit: Duration) -> Self {
        self.schedule_to_close = Some(limit);
        self
    }

    /// Limits the time until a worker begins an attempt. Default: no limit.
    pub fn schedule_to_start(mut self, limit: Duration) -> Self {
        self.schedule_to_start = Some(limit);
        self
    }

    /// Limits one attempt. Default: 60 s, unless `schedule_to_close` is set.
    pub fn start_to_close(mut self, limit: Duration) -> Self {
        self.start_to_close = Some(limit);
        self
    }

    /// Limits the silence between two heartbeats of an attempt. Default: no limit.
    pub fn heartbeat(mut self, limit: Duration) -> Self {
        self.heartbeat = Some(limit);
        self
    }

    /// Sets when it is tried again. Default: [`RetryPolicy::new`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets what cancellation does to it. Default: it is asked to stop, and how it ends is awaited.
    pub fn cancellation(mut self, kind: CancellationType) -> Self {
        self.cancellation = Some(kind);
        self
    }

    /// Limits how long a canceled activity's end is waited for, if it is waited for at all. Then
    /// the call fails as canceled, and `settled` of its
    /// [cancellation](crate::Failure::cancellation) is false: its effect may still happen.
    /// Default: no limit.
    pub fn wait_timeout(mut self, limit: Duration) -> Self {
        self.wait_timeout = Some(limit);
        self
    }

    /// Takes over what is set in `other`.
    pub(super) fn override_with(&mut self, other: Self) {
        let Self {
            activity_id,
            task_queue,
            schedule_to_close,
            schedule_to_start,
            start_to_close,
            heartbeat,
            retry,
            cancellation,
            wait_timeout,
        } = other;
        set(&mut self.activity_id, activity_id);
        set(&mut self.task_queue, task_queue);
        set(&mut self.schedule_to_close, schedule_to_close);
        set(&mut self.schedule_to_start, schedule_to_start);
        set(&mut self.start_to_close, start_to_close);
        set(&mut self.heartbeat, heartbeat);
        set(&mut self.retry, retry);
        set(&mut self.cancellation, cancellation);
        set(&mut self.wait_timeout, wait_timeout);
    }

    /// Without what has no meaning for a local activity.
    pub(super) fn local(self) -> Self {
        Self {
            task_queue: None,
            schedule_to_start: None,
            heartbeat: None,
            ..self
        }
    }

    /// The call that the host takes, without arguments.
    pub(super) fn into_host(self, activity_type: String) -> types::ActivityCall {
        let start_to_close = match (self.start_to_close, self.schedule_to_close) {
            (None, None) => Some(DEFAULT_START_TO_CLOSE),
            (given, _) => given,
        };
        types::ActivityCall {
            activity_type,
            activity_id: self.activity_id,
            task_queue: self.task_queue,
            arguments: Vec::new(),
            header: Vec::new(),
            schedule_to_close: self.schedule_to_close.map(millis),
            schedule_to_start: self.schedule_to_start.map(millis),
            start_to_close: start_to_close.map(millis),
            heartbeat: self.heartbeat.map(millis),
            retry: self.retry.map(RetryPolicy::into_host),
            cancellation: self
                .cancellation
                .unwrap_or(CancellationType::WaitCancellationCompleted),
            wait_timeout: self.wait_timeout.map(millis),
        }
    }
}

fn set<T>(option: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *option = value;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn without_any_limit_an_attempt_has_a_minute() {
        let call = ActivityOptions::new().into_host("t".into());
        assert_eq!(call.start_to_close, Some(60_000));
        let total = ActivityOptions::new().schedule_to_close(Duration::from_secs(5));
        assert_eq!(total.into_host("t".into()).start_to_close, None);
    }

    #[test]
    fn r21_by_default_the_end_of_a_canceled_activity_is_awaited() {
        let call = ActivityOptions::new().into_host("t".into());
        assert_eq!(
            call.cancellation,
            CancellationType::WaitCancellationCompleted
        );
    }

    #[test]
    fn later_options_override_only_what_they_set() {
        let mut options = ActivityOptions::new()
            .start_to_close(Duration::from_secs(1))
            .retry(RetryPolicy::never());
        options.override_with(
            ActivityOptions::new()
                .start_to_close(Duration::from_secs(2))
                .cancellation(CancellationType::Abandon),
        );
        let call = options.into_host("t".into());
        assert_eq!(call.start_to_close, Some(2_000));
        assert_eq!(call.retry.unwrap().maximum_attempts, 1);
        assert_eq!(call.cancellation, CancellationType::Abandon);
    }
}
