//! Retry arithmetic: whether and when a failed attempt is followed by another.

use crate::{Failure, FailureInfo, Millis, RetryPolicy, RetryState, TimeoutKind};

/// The wait before the attempt after `attempt`, or why there is none.
///
/// That a failure must not be retried is decided before attempts are counted, as Temporal does.
pub(crate) fn backoff(
    policy: &RetryPolicy,
    attempt: u32,
    failure: &Failure,
) -> Result<Millis, RetryState> {
    if !is_retryable(failure, policy) {
        return Err(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts > 0 && attempt >= policy.maximum_attempts {
        return Err(RetryState::MaximumAttemptsReached);
    }
    if let FailureInfo::Application {
        next_retry_delay: Some(delay),
        ..
    } = failure.info
    {
        return Ok(delay);
    }
    Ok(interval(policy, attempt))
}

fn is_retryable(failure: &Failure, policy: &RetryPolicy) -> bool {
    let allowed = match &failure.info {
        FailureInfo::Application { non_retryable, .. } | FailureInfo::Server { non_retryable } => {
            !non_retryable
        }
        FailureInfo::Timeout { kind, .. } => {
            matches!(kind, TimeoutKind::StartToClose | TimeoutKind::Heartbeat)
        }
        FailureInfo::Canceled { .. } | FailureInfo::Terminated { .. } => false,
        FailureInfo::Activity { .. } | FailureInfo::ChildWorkflow { .. } => true,
    };
    allowed && !policy.non_retryable_types.contains(&failure.type_name())
}

/// Grows from the initial interval by the coefficient with each attempt, up to the maximum.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a float cast saturates, and waits are far below 2^53 ms"
)]
fn interval(policy: &RetryPolicy, attempt: u32) -> Millis {
    let initial = policy.initial_interval.0;
    let maximum = policy
        .maximum_interval
        .map_or(initial.saturating_mul(100), |max| max.0);
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = initial as f64 * policy.backoff_coefficient.powi(exponent);
    Millis((grown as u64).min(maximum))
}

/// What is wrong with a policy, if anything is.
pub(crate) fn invalid(policy: &RetryPolicy) -> Option<String> {
    let coefficient = policy.backoff_coefficient;
    if !coefficient.is_finite() || coefficient < 1.0 {
        return Some(format!(
            "backoff coefficient {coefficient} is not at least 1"
        ));
    }
    match policy.maximum_interval {
        Some(maximum) if maximum < policy.initial_interval => Some(format!(
            "maximum interval {} ms is below the initial interval {} ms",
            maximum.0, policy.initial_interval.0
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_hundred_times_the_first() {
        let policy = RetryPolicy::default();
        let waits: Vec<u64> = [1, 2, 3, 7, 8, 9, 4_000_000_000]
            .map(|attempt| {
                backoff(&policy, attempt, &Failure::application("E", "e")).map_or(0, |wait| wait.0)
            })
            .to_vec();
        assert_eq!(
            waits,
            [1_000, 2_000, 4_000, 64_000, 100_000, 100_000, 100_000]
        );
    }

    #[test]
    fn a_failure_that_must_not_be_retried_wins_over_the_attempt_count() {
        let policy = RetryPolicy {
            maximum_attempts: 1,
            non_retryable_types: vec!["E".into()],
            ..RetryPolicy::default()
        };
        let listed = backoff(&policy, 1, &Failure::application("E", "e"));
        assert_eq!(listed, Err(RetryState::NonRetryableFailure));
        let other = backoff(&policy, 1, &Failure::application("F", "f"));
        assert_eq!(other, Err(RetryState::MaximumAttemptsReached));
    }

    #[test]
    fn timeouts_are_listed_under_temporals_names() {
        let timeout = |kind| {
            Failure::new(
                "",
                FailureInfo::Timeout {
                    kind,
                    last_heartbeat_details: Vec::new(),
                },
            )
        };
        let policy = RetryPolicy {
            non_retryable_types: vec!["TemporalTimeout:Heartbeat".into()],
            ..RetryPolicy::default()
        };
        assert!(backoff(&policy, 1, &timeout(TimeoutKind::StartToClose)).is_ok());
        for kind in [TimeoutKind::Heartbeat, TimeoutKind::ScheduleToClose] {
            assert_eq!(
                backoff(&policy, 1, &timeout(kind)),
                Err(RetryState::NonRetryableFailure)
            );
        }
    }
}
