//! Failures: a list of links in WIT, which has no recursive types, and a chain in the engine.

use super::{list, same_variants};
use crate::{bindings::types as wit, trap::BadCall};
use sandglass_engine::{EventId, Failure, FailureInfo, Millis, RetryState, TimeoutKind};

/// Most links of a chain. A guest's list could be longer than the host's stack for dropping it.
const LINKS_MAX: usize = 100;

/// Converts a guest's failure.
///
/// # Errors
/// [`BadCall`] if there are no links or too many.
pub(crate) fn failure_in(links: Vec<wit::FailureLink>) -> Result<Failure, BadCall> {
    if links.len() > LINKS_MAX {
        let message = format!("a failure with {} links; at most {LINKS_MAX}", links.len());
        return Err(BadCall::new("BadFailure", message));
    }
    let mut chain: Option<Failure> = None;
    for link in links.into_iter().rev() {
        chain = Some(Failure {
            message: link.message,
            source: link.source,
            stack_trace: link.stack_trace,
            encoded_attributes: link.encoded_attributes.map(Into::into),
            info: link.info.into(),
            cause: chain.map(Box::new),
        });
    }
    chain.ok_or_else(|| BadCall::new("BadFailure", "a failure without links"))
}

/// Converts a failure for a guest.
pub(crate) fn failure_out(failure: Failure) -> Vec<wit::FailureLink> {
    let mut links = Vec::new();
    let mut next = Some(failure);
    while let Some(Failure {
        message,
        source,
        stack_trace,
        encoded_attributes,
        info,
        cause,
    }) = next
    {
        links.push(wit::FailureLink {
            message,
            source,
            stack_trace,
            encoded_attributes: encoded_attributes.map(Into::into),
            info: info.into(),
        });
        next = cause.map(|cause| *cause);
    }
    links
}

/// Converts how something without a result ended.
pub(crate) fn outcome_out(outcome: Result<(), Failure>) -> Result<(), Vec<wit::FailureLink>> {
    outcome.map_err(failure_out)
}

impl From<wit::FailureInfo> for FailureInfo {
    fn from(info: wit::FailureInfo) -> Self {
        match info {
            wit::FailureInfo::Application(info) => Self::Application {
                failure_type: info.failure_type,
                non_retryable: info.non_retryable,
                details: list(info.details),
                next_retry_delay: info.next_retry_delay.map(Millis),
            },
            wit::FailureInfo::Canceled(info) => Self::Canceled {
                details: list(info.details),
                identity: info.identity,
                settled: info.settled,
                request: info.request.map(Into::into),
            },
            wit::FailureInfo::Timeout(info) => Self::Timeout {
                kind: info.kind.into(),
                last_heartbeat_details: list(info.last_heartbeat_details),
            },
            wit::FailureInfo::Terminated(identity) => Self::Terminated { identity },
            wit::FailureInfo::Server(non_retryable) => Self::Server { non_retryable },
            wit::FailureInfo::Activity(info) => Self::Activity {
                scheduled_event_id: EventId(info.scheduled_event_id),
                started_event_id: EventId(info.started_event_id),
                identity: info.identity,
                activity_type: info.activity_type,
                activity_id: info.activity_id,
                retry_state: info.retry_state.into(),
            },
            wit::FailureInfo::ChildWorkflow(info) => Self::ChildWorkflow {
                workflow_id: info.workflow_id,
                run_id: info.run_id,
                workflow_type: info.workflow_type,
                initiated_event_id: EventId(info.initiated_event_id),
                started_event_id: EventId(info.started_event_id),
                retry_state: info.retry_state.into(),
            },
        }
    }
}

impl From<FailureInfo> for wit::FailureInfo {
    fn from(info: FailureInfo) -> Self {
        match info {
            FailureInfo::Application {
                failure_type,
                non_retryable,
                details,
                next_retry_delay,
            } => Self::Application(wit::ApplicationFailure {
                failure_type,
                non_retryable,
                details: list(details),
                next_retry_delay: next_retry_delay.map(|delay| delay.0),
            }),
            FailureInfo::Canceled {
                details,
                identity,
                settled,
                request,
            } => Self::Canceled(wit::CanceledFailure {
                details: list(details),
                identity,
                settled,
                request: request.map(Into::into),
            }),
            FailureInfo::Timeout {
                kind,
                last_heartbeat_details,
            } => Self::Timeout(wit::TimeoutFailure {
                kind: kind.into(),
                last_heartbeat_details: list(last_heartbeat_details),
            }),
            FailureInfo::Terminated { identity } => Self::Terminated(identity),
            FailureInfo::Server { non_retryable } => Self::Server(non_retryable),
            FailureInfo::Activity {
                scheduled_event_id,
                started_event_id,
                identity,
                activity_type,
                activity_id,
                retry_state,
            } => Self::Activity(wit::ActivityFailure {
                scheduled_event_id: scheduled_event_id.0,
                started_event_id: started_event_id.0,
                identity,
                activity_type,
                activity_id,
                retry_state: retry_state.into(),
            }),
            FailureInfo::ChildWorkflow {
                workflow_id,
                run_id,
                workflow_type,
                initiated_event_id,
                started_event_id,
                retry_state,
            } => Self::ChildWorkflow(wit::ChildWorkflowFailure {
                workflow_id,
                run_id,
                workflow_type,
                initiated_event_id: initiated_event_id.0,
                started_event_id: started_event_id.0,
                retry_state: retry_state.into(),
            }),
        }
    }
}

same_variants!(TimeoutKind {
    StartToClose,
    ScheduleToStart,
    ScheduleToClose,
    Heartbeat
});
same_variants!(RetryState {
    InProgress,
    NonRetryableFailure,
    Timeout,
    MaximumAttemptsReached,
    RetryPolicyNotSet,
    InternalServerError,
    CancelRequested,
});

#[cfg(test)]
mod tests {
    //! Every kind of failure crosses both ways unchanged.
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{LINKS_MAX, failure_in, failure_out};
    use sandglass_engine::{
        CancelCause, CancelInfo, EventId, Failure, FailureInfo, Millis, Payload, RetryState,
        TimeoutKind, Timestamp,
    };

    fn kinds() -> Vec<FailureInfo> {
        let details = vec![Payload::json("1"), Payload::null()];
        let request = CancelInfo {
            cause: CancelCause::Timeout,
            reason: "why".into(),
            requester: "who".into(),
            at: Timestamp(5),
            deadline: Some(Timestamp(9)),
        };
        vec![
            FailureInfo::Application {
                failure_type: "T".into(),
                non_retryable: true,
                details: details.clone(),
                next_retry_delay: Some(Millis(7)),
            },
            FailureInfo::Canceled {
                details: details.clone(),
                identity: "worker".into(),
                settled: false,
                request: Some(request),
            },
            FailureInfo::Timeout {
                kind: TimeoutKind::ScheduleToStart,
                last_heartbeat_details: details,
            },
            FailureInfo::Terminated {
                identity: "operator".into(),
            },
            FailureInfo::Server {
                non_retryable: true,
            },
            FailureInfo::Activity {
                scheduled_event_id: EventId(5),
                started_event_id: EventId(6),
                identity: "worker".into(),
                activity_type: "charge".into(),
                activity_id: "1".into(),
                retry_state: RetryState::MaximumAttemptsReached,
            },
            FailureInfo::ChildWorkflow {
                workflow_id: "w".into(),
                run_id: "r".into(),
                workflow_type: "t".into(),
                initiated_event_id: EventId(7),
                started_event_id: EventId(8),
                retry_state: RetryState::CancelRequested,
            },
        ]
    }

    #[test]
    fn a_chain_of_every_kind_comes_back_the_same() {
        let mut chain: Option<Failure> = None;
        for (number, info) in kinds().into_iter().enumerate() {
            chain = Some(Failure {
                message: format!("message {number}"),
                source: "source".into(),
                stack_trace: "trace".into(),
                encoded_attributes: Some(Payload::json("{}")),
                info,
                cause: chain.map(Box::new),
            });
        }
        let failure = chain.unwrap();
        let links = failure_out(failure.clone());
        assert_eq!(links.len(), kinds().len());
        assert_eq!(links[0].message, "message 6");
        assert_eq!(failure_in(links).unwrap(), failure);
    }

    #[test]
    fn a_chain_must_have_links_but_not_too_many() {
        failure_in(Vec::new()).unwrap_err();
        let link = failure_out(Failure::application("T", "m")).remove(0);
        failure_in(vec![link.clone(); LINKS_MAX]).unwrap();
        failure_in(vec![link; LINKS_MAX + 1]).unwrap_err();
    }
}
