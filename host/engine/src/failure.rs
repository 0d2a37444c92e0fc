//! The failure taxonomy: why an activity, a run or a scope did not end as it should.
//!
//! It is that of Temporal's `temporal.api.failure.v1.Failure`, extended by what a cancellation
//! knows about itself. A failure is data: it is recorded and delivered, never an `Err` of the host.

use crate::{CancelInfo, EventId, Millis, Payload};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One failure with its chain of causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, for people.
    pub message: String,
    /// The SDK or part that made it.
    pub source: String,
    /// A stack trace; empty if there is none.
    pub stack_trace: String,
    /// Message and stack trace in encoded form, when a codec hid them.
    pub encoded_attributes: Option<Payload>,
    /// The kind of failure.
    pub info: FailureInfo,
    /// What caused it.
    pub cause: Option<Box<Failure>>,
}

/// The kind of a failure with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureInfo {
    /// User code raised an error.
    Application {
        /// The error's type, as retry policies and callers name it.
        failure_type: String,
        /// Whether it must not be retried.
        non_retryable: bool,
        /// Values that describe it.
        details: Vec<Payload>,
        /// Overrides the wait before the next attempt.
        next_retry_delay: Option<Millis>,
    },
    /// Something was canceled.
    Canceled {
        /// Values that the canceled side reported.
        details: Vec<Payload>,
        /// The worker that reported it; empty if the host decided it.
        identity: String,
        /// Whether the operation is known to have ended. If not, its effect may still happen.
        settled: bool,
        /// The cancellation of the scope that canceled it, if one did.
        request: Option<CancelInfo>,
    },
    /// A limit on time was exceeded.
    Timeout {
        /// The limit.
        kind: TimeoutKind,
        /// Details of the last heartbeat.
        last_heartbeat_details: Vec<Payload>,
    },
    /// A run was terminated.
    Terminated {
        /// By whom.
        identity: String,
    },
    /// The host failed.
    Server {
        /// Whether it must not be retried.
        non_retryable: bool,
    },
    /// An activity failed; the cause says how.
    Activity {
        /// Its scheduled event; 0 if it was never scheduled.
        scheduled_event_id: EventId,
        /// Its started event; 0 if it was never started.
        started_event_id: EventId,
        /// The worker of its last attempt.
        identity: String,
        /// Its type.
        activity_type: String,
        /// Its id.
        activity_id: String,
        /// Why there was no further attempt.
        retry_state: RetryState,
    },
    /// A child workflow failed; the cause says how.
    ChildWorkflow {
        /// Its workflow id.
        workflow_id: String,
        /// Its run id.
        run_id: String,
        /// Its type.
        workflow_type: String,
        /// Its initiated event.
        initiated_event_id: EventId,
        /// Its started event; 0 if it never started.
        started_event_id: EventId,
        /// Why there was no further run.
        retry_state: RetryState,
    },
}

/// Which limit on time was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimeoutKind {
    /// One attempt took too long.
    StartToClose,
    /// No worker began it in time.
    ScheduleToStart,
    /// All attempts together took too long.
    ScheduleToClose,
    /// An attempt did not heartbeat in time.
    Heartbeat,
}

/// Why there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryState {
    /// It is being retried.
    InProgress,
    /// The failure is marked, or its type listed, as not retryable.
    NonRetryableFailure,
    /// No time is left.
    Timeout,
    /// All allowed attempts were made.
    MaximumAttemptsReached,
    /// There is no retry policy.
    RetryPolicyNotSet,
    /// The host failed.
    InternalServerError,
    /// Cancellation was requested.
    CancelRequested,
}

impl Failure {
    /// A failure made by the host, without cause.
    #[must_use]
    pub fn new(message: impl Into<String>, info: FailureInfo) -> Self {
        Self {
            message: message.into(),
            source: "sandglass".into(),
            stack_trace: String::new(),
            encoded_attributes: None,
            info,
            cause: None,
        }
    }

    /// An application failure that may be retried, without details.
    #[must_use]
    pub fn application(failure_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(
            message,
            FailureInfo::Application {
                failure_type: failure_type.into(),
                non_retryable: false,
                details: Vec::new(),
                next_retry_delay: None,
            },
        )
    }

    /// The same failure with a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: Failure) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// Bytes of its texts and values and of those of its causes, for limits on size.
    #[must_use]
    pub fn size(&self) -> usize {
        let own = |link: &Self| {
            let values = match &link.info {
                FailureInfo::Application { details, .. }
                | FailureInfo::Canceled { details, .. }
                | FailureInfo::Timeout {
                    last_heartbeat_details: details,
                    ..
                } => details.iter().map(Payload::size).sum(),
                _ => 0,
            };
            let encoded = link.encoded_attributes.as_ref().map_or(0, Payload::size);
            link.message.len() + link.stack_trace.len() + values + encoded
        };
        self.chain().map(own).sum()
    }

    /// The failure and its causes, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Failure> {
        std::iter::successors(Some(self), |failure| failure.cause.as_deref())
    }

    /// Whether this is a cancellation: a canceled failure, bare or as the direct cause of an
    /// activity's or child workflow's failure (semantics 3.4).
    #[must_use]
    pub fn is_cancellation(&self) -> bool {
        match &self.info {
            FailureInfo::Canceled { .. } => true,
            FailureInfo::Activity { .. } | FailureInfo::ChildWorkflow { .. } => self
                .cause
                .as_ref()
                .is_some_and(|cause| matches!(cause.info, FailureInfo::Canceled { .. })),
            _ => false,
        }
    }

    /// The type that retry policies list: the application's, or Temporal's names for the others.
    #[must_use]
    pub fn type_name(&self) -> String {
        match &self.info {
            FailureInfo::Application { failure_type, .. } => failure_type.clone(),
            FailureInfo::Canceled { .. } => "Canceled".into(),
            FailureInfo::Timeout { kind, .. } => format!("TemporalTimeout:{kind:?}"),
            FailureInfo::Terminated { .. } => "Terminated".into(),
            FailureInfo::Server { .. } => "Server".into(),
            FailureInfo::Activity { .. } => "Activity".into(),
            FailureInfo::ChildWorkflow { .. } => "ChildWorkflow".into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, link) in self.chain().enumerate() {
            if depth > 0 {
                f.write_str(": ")?;
            }
            match &link.info {
                FailureInfo::Application { failure_type, .. } if !failure_type.is_empty() => {
                    write!(f, "{failure_type}: {}", link.message)?;
                }
                FailureInfo::Activity { activity_type, .. } => {
                    write!(f, "activity {activity_type} failed")?;
                }
                FailureInfo::Canceled { .. } if link.message.is_empty() => {
                    f.write_str("canceled")?
                }
                FailureInfo::Canceled { .. } => write!(f, "canceled: {}", link.message)?,
                FailureInfo::Timeout { kind, .. } => write!(f, "{kind:?} timeout")?,
                _ => f.write_str(&link.message)?,
            }
        }
        Ok(())
    }
}
