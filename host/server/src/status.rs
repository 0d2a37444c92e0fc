//! Temporal's status codes, texts and typed details: SDKs make their own errors of these.

use crate::{
    failure,
    proto::{
        Any,
        details::{self, multi_operation_execution_failure::OperationStatus},
        enums::{ResourceExhaustedCause, ResourceExhaustedScope},
        rpc,
    },
};
use prost::{Message, bytes::Bytes};
use sandglass::{Error, MessageError, StartError};
use sandglass_engine::Failure;
use tonic::{Code, Status};

/// What is asked of a run that has ended.
const CLOSED: &str = "workflow execution already completed";

fn with_detail<D: Message>(
    code: Code,
    message: impl Into<String>,
    name: &str,
    detail: &D,
) -> Status {
    let message = message.into();
    let status = rpc::Status {
        code: code.into(),
        message: message.clone(),
        details: vec![Any {
            type_url: format!("type.googleapis.com/temporal.api.errordetails.v1.{name}"),
            value: detail.encode_to_vec(),
        }],
    };
    Status::with_details(code, message, Bytes::from(status.encode_to_vec()))
}

/// The request makes no sense, now and later.
pub(crate) fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

/// We are wrong. With a detail, as what the transport says of what it cannot read has none.
pub(crate) fn internal(message: impl Into<String>) -> Status {
    let (code, message) = (Code::Internal, message.into());
    let status = rpc::Status {
        code: code.into(),
        message: message.clone(),
        details: Vec::new(),
    };
    Status::with_details(code, message, Bytes::from(status.encode_to_vec()))
}

/// There is too much of something; it may pass.
pub(crate) fn exhausted(message: impl Into<String>) -> Status {
    let detail = details::ResourceExhaustedFailure {
        cause: ResourceExhaustedCause::SystemOverloaded.into(),
        scope: ResourceExhaustedScope::System.into(),
    };
    let code = Code::ResourceExhausted;
    with_detail(code, message, "ResourceExhaustedFailure", &detail)
}

/// Whoever asks may not.
pub(crate) fn denied(message: impl Into<String>) -> Status {
    let message = message.into();
    let detail = details::PermissionDeniedFailure {
        reason: message.clone(),
    };
    let code = Code::PermissionDenied;
    with_detail(code, message, "PermissionDeniedFailure", &detail)
}

/// The run's code cannot be asked now.
fn not_ready(message: String) -> Status {
    let detail = details::WorkflowNotReadyFailure::default();
    let code = Code::FailedPrecondition;
    with_detail(code, message, "WorkflowNotReadyFailure", &detail)
}

/// There is no such thing.
pub(crate) fn not_found(message: impl Into<String>) -> Status {
    let detail = details::NotFoundFailure::default();
    with_detail(Code::NotFound, message, "NotFoundFailure", &detail)
}

/// There is no such namespace.
pub(crate) fn namespace_not_found(namespace: &str) -> Status {
    let detail = details::NamespaceNotFoundFailure {
        namespace: namespace.into(),
    };
    let message = format!("Namespace {namespace} is not found.");
    with_detail(Code::NotFound, message, "NamespaceNotFoundFailure", &detail)
}

/// A run of the workflow id stands in the way of another one.
pub(crate) fn already_started(message: String, request_id: String, run_id: String) -> Status {
    let detail = details::WorkflowExecutionAlreadyStartedFailure {
        start_request_id: request_id,
        run_id,
        ..Default::default()
    };
    let name = "WorkflowExecutionAlreadyStartedFailure";
    with_detail(Code::AlreadyExists, message, name, &detail)
}

fn query_failed(failure: Failure, namespace: &str) -> Status {
    // Its type and its causes are in the detail.
    let message = failure.message.clone();
    let detail = details::QueryFailedFailure {
        failure: Some(failure::to_proto(failure, namespace)),
    };
    with_detail(
        Code::InvalidArgument,
        message,
        "QueryFailedFailure",
        &detail,
    )
}

/// The status of a call of two operations of which the one at this place was refused: neither is
/// done.
pub(crate) fn of_operation(place: usize, refused: &Status) -> Status {
    let known = rpc::Status::decode(refused.details()).unwrap_or_default();
    let own = OperationStatus {
        code: refused.code().into(),
        message: refused.message().into(),
        details: known.details,
    };
    let aborted = OperationStatus {
        code: Code::Aborted.into(),
        message: "Operation was aborted.".into(),
        details: vec![Any {
            type_url: "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted"
                .into(),
            value: Vec::new(),
        }],
    };
    let mut statuses = vec![aborted; 2];
    statuses[place] = own;
    let detail = details::MultiOperationExecutionFailure { statuses };
    // Why is in the detail.
    let message = "Update-with-Start could not be executed.";
    let name = "MultiOperationExecutionFailure";
    with_detail(refused.code(), message, name, &detail)
}

/// The status of a host's error at a request for the current run of a chain.
pub(crate) fn of_chain(first_run_id: &str) -> impl Fn(Error) -> Status {
    move |error| match &error {
        Error::NotFound { run_id, .. } if run_id.as_deref() == Some(first_run_id) => {
            not_found("workflow execution not found")
        }
        _ => of(error),
    }
}

/// The status of a host's error.
pub(crate) fn of(error: Error) -> Status {
    match error {
        Error::NotFound {
            workflow_id,
            run_id: None,
        } => not_found(format!("workflow not found for ID: {workflow_id}")),
        Error::NotFound {
            workflow_id,
            run_id: Some(run_id),
        } => not_found(format!(
            "workflow execution not found for workflow ID {workflow_id:?} and run ID {run_id:?}"
        )),
        Error::Closed { .. } => not_found(CLOSED),
        Error::Deleted(_) => not_found(error.to_string()),
        Error::ActivityNotFound { reason, .. } => not_found(reason),
        Error::Refused { reason, .. } => invalid(reason),
        Error::TooLarge { .. } | Error::LimitExceeded(_) => invalid(error.to_string()),
        Error::UnknownComponent(_) | Error::Component(_) | Error::ComponentInUse { .. } => {
            Status::failed_precondition(error.to_string())
        }
        // What clients try again by themselves, since it may pass.
        Error::Store(_) | Error::ShutDown | Error::System { .. } => {
            Status::unavailable(error.to_string())
        }
        Error::Damaged { .. } => Status::data_loss(error.to_string()),
    }
}

/// The status of a start that was refused. Those that need to know more of the run in the way are
/// the caller's matter.
pub(crate) fn of_start(error: StartError) -> Status {
    match error {
        StartError::InvalidId { len: 0, .. } => invalid("WorkflowId is not set on request."),
        StartError::InvalidId { len, limit } => invalid(format!(
            "WorkflowId exceeds maximum allowed length ({len}/{limit})"
        )),
        StartError::Host(error) => of(error),
        error => invalid(error.to_string()),
    }
}

/// The status of a question or update in this namespace that was not answered.
pub(crate) fn of_message(error: MessageError, namespace: &str) -> Status {
    match error {
        MessageError::Failed(failure) | MessageError::Trapped(failure) => {
            query_failed(failure, namespace)
        }
        MessageError::Failing { .. } | MessageError::Paused => not_ready(error.to_string()),
        MessageError::Rejected(_) => Status::failed_precondition(error.to_string()),
        MessageError::DeadlineExceeded(_) => Status::deadline_exceeded(error.to_string()),
        MessageError::Exhausted(_) => exhausted(error.to_string()),
        MessageError::Aborted => not_found("workflow update was aborted by closing workflow"),
        MessageError::Host(error) => of(error),
    }
}
