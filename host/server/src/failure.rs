//! Failures in both forms, with their chains of causes.
//!
//! What only we know of a cancellation (whether the operation has ended, which request caused it)
//! has no place in the API and is left out; what only the API knows is kept as far as retries and
//! people need it.

use crate::{
    payload,
    proto::{
        common,
        enums::{RetryState as ProtoRetryState, TimeoutType},
        failure::{self as proto, failure::FailureInfo as Info},
    },
    time,
};
use sandglass_engine::{EventId, Failure, FailureInfo, Millis, RetryState, TimeoutKind};

/// The number of an event as it goes.
pub(crate) fn event_id(id: EventId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// Causes of one failure that are taken, and that are shown: clients read no message that is nested
/// deeper than 100, and one that is would hide the whole history that it is in. Each activity and
/// child that a failure goes through adds one.
const TAKEN: usize = 40;
const SHOWN: usize = 80;

/// A failure of a run in this namespace as it goes.
pub(crate) fn to_proto(failure: Failure, namespace: &str) -> proto::Failure {
    shown(failure, namespace, SHOWN)
}

fn shown(failure: Failure, namespace: &str, causes: usize) -> proto::Failure {
    let cause = failure.cause.filter(|_| causes > 0);
    proto::Failure {
        message: failure.message,
        source: failure.source,
        stack_trace: failure.stack_trace,
        encoded_attributes: failure.encoded_attributes.map(payload::to_proto),
        cause: cause.map(|cause| Box::new(shown(*cause, namespace, causes - 1))),
        failure_info: Some(to_info(failure.info, namespace)),
    }
}

fn to_info(info: FailureInfo, namespace: &str) -> Info {
    match info {
        FailureInfo::Application {
            failure_type,
            non_retryable,
            details,
            next_retry_delay,
        } => Info::ApplicationFailureInfo(proto::ApplicationFailureInfo {
            r#type: failure_type,
            non_retryable,
            details: payload::to_list(details),
            next_retry_delay: next_retry_delay.map(time::duration),
            ..Default::default()
        }),
        FailureInfo::Canceled {
            details, identity, ..
        } => Info::CanceledFailureInfo(proto::CanceledFailureInfo {
            details: payload::to_list(details),
            identity,
        }),
        FailureInfo::Timeout {
            kind,
            last_heartbeat_details,
        } => Info::TimeoutFailureInfo(proto::TimeoutFailureInfo {
            timeout_type: timeout_type(kind).into(),
            last_heartbeat_details: payload::to_list(last_heartbeat_details),
        }),
        FailureInfo::Terminated { identity } => {
            Info::TerminatedFailureInfo(proto::TerminatedFailureInfo { identity })
        }
        FailureInfo::Server { non_retryable } => {
            Info::ServerFailureInfo(proto::ServerFailureInfo { non_retryable })
        }
        operation @ (FailureInfo::Activity { .. } | FailureInfo::ChildWorkflow { .. }) => {
            to_operation(operation, namespace)
        }
    }
}

/// Failures of activities and children: of what their cause is the failure of.
fn to_operation(info: FailureInfo, namespace: &str) -> Info {
    match info {
        FailureInfo::Activity {
            scheduled_event_id,
            started_event_id,
            identity,
            activity_type,
            activity_id,
            retry_state,
        } => Info::ActivityFailureInfo(proto::ActivityFailureInfo {
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            identity,
            activity_type: Some(common::ActivityType {
                name: activity_type,
            }),
            activity_id,
            retry_state: to_retry_state(retry_state).into(),
        }),
        FailureInfo::ChildWorkflow {
            workflow_id,
            run_id,
            workflow_type,
            initiated_event_id,
            started_event_id,
            retry_state,
        } => Info::ChildWorkflowExecutionFailureInfo(proto::ChildWorkflowExecutionFailureInfo {
            namespace: namespace.into(),
            workflow_execution: Some(common::WorkflowExecution {
                workflow_id,
                run_id,
            }),
            workflow_type: Some(common::WorkflowType {
                name: workflow_type,
            }),
            initiated_event_id: event_id(initiated_event_id),
            started_event_id: event_id(started_event_id),
            retry_state: to_retry_state(retry_state).into(),
        }),
        other => to_info(other, namespace),
    }
}

/// A failure as it came. One of a kind that the host does not know counts as an application's.
/// Causes beyond the fortieth are left out.
pub(crate) fn from_proto(failure: proto::Failure) -> Failure {
    taken(failure, TAKEN)
}

fn taken(failure: proto::Failure, causes: usize) -> Failure {
    let cause = failure.cause.filter(|_| causes > 0);
    Failure {
        message: failure.message,
        source: failure.source,
        stack_trace: failure.stack_trace,
        encoded_attributes: failure.encoded_attributes.map(payload::from_proto),
        info: from_info(failure.failure_info),
        cause: cause.map(|cause| Box::new(taken(*cause, causes - 1))),
    }
}

fn from_info(info: Option<Info>) -> FailureInfo {
    match info {
        Some(Info::ApplicationFailureInfo(info)) => FailureInfo::Application {
            failure_type: info.r#type,
            non_retryable: info.non_retryable,
            details: payload::list(info.details),
            next_retry_delay: info.next_retry_delay.and_then(|delay| {
                let delay = time::optional("the delay", Some(delay)).ok()?;
                delay.map(Millis::from)
            }),
        },
        Some(Info::CanceledFailureInfo(info)) => FailureInfo::Canceled {
            details: payload::list(info.details),
            identity: info.identity,
            settled: true,
            request: None,
        },
        Some(Info::TimeoutFailureInfo(info)) => FailureInfo::Timeout {
            kind: match info.timeout_type() {
                TimeoutType::ScheduleToStart => TimeoutKind::ScheduleToStart,
                TimeoutType::ScheduleToClose => TimeoutKind::ScheduleToClose,
                TimeoutType::Heartbeat => TimeoutKind::Heartbeat,
                TimeoutType::Unspecified | TimeoutType::StartToClose => TimeoutKind::StartToClose,
            },
            last_heartbeat_details: payload::list(info.last_heartbeat_details),
        },
        Some(Info::TerminatedFailureInfo(info)) => FailureInfo::Terminated {
            identity: info.identity,
        },
        Some(Info::ServerFailureInfo(info)) => FailureInfo::Server {
            non_retryable: info.non_retryable,
        },
        Some(Info::ActivityFailureInfo(info)) => FailureInfo::Activity {
            retry_state: from_retry_state(info.retry_state()),
            scheduled_event_id: from_event_id(info.scheduled_event_id),
            started_event_id: from_event_id(info.started_event_id),
            identity: info.identity,
            activity_type: info.activity_type.unwrap_or_default().name,
            activity_id: info.activity_id,
        },
        Some(Info::ChildWorkflowExecutionFailureInfo(info)) => {
            let retry_state = from_retry_state(info.retry_state());
            let child = info.workflow_execution.unwrap_or_default();
            FailureInfo::ChildWorkflow {
                workflow_id: child.workflow_id,
                run_id: child.run_id,
                workflow_type: info.workflow_type.unwrap_or_default().name,
                initiated_event_id: from_event_id(info.initiated_event_id),
                started_event_id: from_event_id(info.started_event_id),
                retry_state,
            }
        }
        other => FailureInfo::Application {
            failure_type: match other {
                Some(Info::ResetWorkflowFailureInfo(_)) => "ResetWorkflow".into(),
                Some(Info::NexusOperationExecutionFailureInfo(_)) => "NexusOperation".into(),
                Some(Info::NexusHandlerFailureInfo(info)) => info.r#type,
                _ => String::new(),
            },
            non_retryable: false,
            details: Vec::new(),
            next_retry_delay: None,
        },
    }
}

fn from_event_id(id: i64) -> EventId {
    EventId(u64::try_from(id).unwrap_or_default())
}

fn timeout_type(kind: TimeoutKind) -> TimeoutType {
    match kind {
        TimeoutKind::StartToClose => TimeoutType::StartToClose,
        TimeoutKind::ScheduleToStart => TimeoutType::ScheduleToStart,
        TimeoutKind::ScheduleToClose => TimeoutType::ScheduleToClose,
        TimeoutKind::Heartbeat => TimeoutType::Heartbeat,
    }
}

/// Why there is no further attempt, as it goes.
pub(crate) fn to_retry_state(state: RetryState) -> ProtoRetryState {
    match state {
        RetryState::InProgress => ProtoRetryState::InProgress,
        RetryState::NonRetryableFailure => ProtoRetryState::NonRetryableFailure,
        RetryState::Timeout => ProtoRetryState::Timeout,
        RetryState::MaximumAttemptsReached => ProtoRetryState::MaximumAttemptsReached,
        RetryState::RetryPolicyNotSet => ProtoRetryState::RetryPolicyNotSet,
        RetryState::InternalServerError => ProtoRetryState::InternalServerError,
        RetryState::CancelRequested => ProtoRetryState::CancelRequested,
    }
}

fn from_retry_state(state: ProtoRetryState) -> RetryState {
    match state {
        ProtoRetryState::Unspecified | ProtoRetryState::InProgress => RetryState::InProgress,
        ProtoRetryState::NonRetryableFailure => RetryState::NonRetryableFailure,
        ProtoRetryState::Timeout => RetryState::Timeout,
        ProtoRetryState::MaximumAttemptsReached => RetryState::MaximumAttemptsReached,
        ProtoRetryState::RetryPolicyNotSet => RetryState::RetryPolicyNotSet,
        ProtoRetryState::InternalServerError => RetryState::InternalServerError,
        ProtoRetryState::CancelRequested => RetryState::CancelRequested,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{history, service};
    use prost::Message as _;
    use sandglass_engine::Payload;

    fn comes_back(info: FailureInfo) {
        let cause = Failure {
            encoded_attributes: Some(Payload::json("{}")),
            stack_trace: "at here".into(),
            ..Failure::application("Inner", "inner")
        };
        let failure = Failure::new("outer", info).caused_by(cause);
        assert_eq!(from_proto(to_proto(failure.clone(), "n")), failure);
    }

    #[test]
    fn a_chain_of_causes_is_never_too_deep_to_be_read() {
        fn depth(failure: &Failure) -> usize {
            let causes = std::iter::successors(Some(failure), |failure| failure.cause.as_deref());
            causes.count()
        }
        let chain = |length| {
            (0..length).fold(Failure::application("T", "m"), |cause, _| {
                Failure::application("T", "m").caused_by(cause)
            })
        };
        assert_eq!(depth(&from_proto(to_proto(chain(30), "n"))), 31);
        assert_eq!(depth(&from_proto(to_proto(chain(500), "n"))), TAKEN + 1);
        let nested = history::HistoryEvent {
            attributes: Some(
                history::WorkflowExecutionFailedEventAttributes {
                    failure: Some(to_proto(chain(500), "n")),
                    ..Default::default()
                }
                .into(),
            ),
            ..Default::default()
        };
        let answer = service::GetWorkflowExecutionHistoryResponse {
            history: Some(history::History {
                events: vec![nested],
            }),
            ..Default::default()
        };
        let bytes = answer.encode_to_vec();
        let read = service::GetWorkflowExecutionHistoryResponse::decode(&*bytes);
        assert_eq!(read.ok(), Some(answer));
    }

    #[test]
    fn each_kind_comes_back_with_its_cause() {
        let details = vec![Payload::json("1"), Payload::null()];
        comes_back(FailureInfo::Application {
            failure_type: "Bad".into(),
            non_retryable: true,
            details: details.clone(),
            next_retry_delay: Some(Millis(1500)),
        });
        comes_back(FailureInfo::Canceled {
            details: details.clone(),
            identity: "worker".into(),
            settled: true,
            request: None,
        });
        for kind in [
            TimeoutKind::StartToClose,
            TimeoutKind::ScheduleToStart,
            TimeoutKind::ScheduleToClose,
            TimeoutKind::Heartbeat,
        ] {
            comes_back(FailureInfo::Timeout {
                kind,
                last_heartbeat_details: details.clone(),
            });
        }
        comes_back(FailureInfo::Terminated {
            identity: "op".into(),
        });
        comes_back(FailureInfo::Server {
            non_retryable: true,
        });
        comes_back(FailureInfo::Activity {
            scheduled_event_id: EventId(5),
            started_event_id: EventId(6),
            identity: "worker".into(),
            activity_type: "charge".into(),
            activity_id: "1".into(),
            retry_state: RetryState::MaximumAttemptsReached,
        });
        comes_back(FailureInfo::ChildWorkflow {
            workflow_id: "w".into(),
            run_id: "r".into(),
            workflow_type: "T".into(),
            initiated_event_id: EventId(5),
            started_event_id: EventId(0),
            retry_state: RetryState::CancelRequested,
        });
    }
}
