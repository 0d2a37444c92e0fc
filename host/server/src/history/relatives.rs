//! Events of children, and of signals and requests to cancel on their way to other runs.

use super::{
    events::{Projection, not_of_this_family},
    run::{retry_policy, workflow_type},
};
use crate::{
    describe::{execution, task_queue},
    failure::{self, event_id, to_retry_state},
    payload,
    proto::{
        enums::{
            CancelExternalWorkflowExecutionFailedCause as CancelCause,
            ParentClosePolicy as ProtoClosePolicy,
            SignalExternalWorkflowExecutionFailedCause as SignalCause,
            StartChildWorkflowExecutionFailedCause as StartCause, WorkflowIdReusePolicy,
        },
        history::{
            ChildWorkflowExecutionCanceledEventAttributes,
            ChildWorkflowExecutionCompletedEventAttributes,
            ChildWorkflowExecutionFailedEventAttributes,
            ChildWorkflowExecutionStartedEventAttributes,
            ChildWorkflowExecutionTerminatedEventAttributes,
            ChildWorkflowExecutionTimedOutEventAttributes,
            ExternalWorkflowExecutionCancelRequestedEventAttributes,
            ExternalWorkflowExecutionSignaledEventAttributes,
            RequestCancelExternalWorkflowExecutionFailedEventAttributes,
            RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
            SignalExternalWorkflowExecutionFailedEventAttributes,
            SignalExternalWorkflowExecutionInitiatedEventAttributes,
            StartChildWorkflowExecutionFailedEventAttributes,
            StartChildWorkflowExecutionInitiatedEventAttributes, history_event::Attributes,
        },
    },
    time,
};
use sandglass_engine::{
    ChildCall, EventAttributes as E, EventId, ExternalFailedCause, IdReusePolicy,
    ParentClosePolicy, StartChildFailedCause, Target,
};

/// What becomes of a child when its parent ends, as it goes.
pub(crate) fn close_policy(policy: ParentClosePolicy) -> ProtoClosePolicy {
    match policy {
        ParentClosePolicy::Terminate => ProtoClosePolicy::Terminate,
        ParentClosePolicy::RequestCancel => ProtoClosePolicy::RequestCancel,
        ParentClosePolicy::Abandon => ProtoClosePolicy::Abandon,
    }
}

fn initiated(
    projection: &Projection,
    workflow_id: String,
    call: ChildCall,
    task: EventId,
) -> Attributes {
    let queue = call.task_queue.as_deref();
    StartChildWorkflowExecutionInitiatedEventAttributes {
        namespace: projection.namespace().into(),
        workflow_id,
        workflow_type: workflow_type(&call.workflow_type),
        task_queue: task_queue(queue.unwrap_or(projection.task_queue())),
        retry_policy: call.retry.as_ref().map(retry_policy),
        input: payload::to_list(call.arguments),
        workflow_execution_timeout: time::limit(call.execution_timeout),
        workflow_run_timeout: time::limit(call.run_timeout),
        workflow_task_timeout: time::limit(Some(super::run::TASK_TIMEOUT)),
        parent_close_policy: close_policy(call.parent_close_policy).into(),
        workflow_task_completed_event_id: event_id(task),
        workflow_id_reuse_policy: match call.id_reuse {
            IdReusePolicy::AllowDuplicate => WorkflowIdReusePolicy::AllowDuplicate,
            IdReusePolicy::AllowDuplicateFailedOnly => {
                WorkflowIdReusePolicy::AllowDuplicateFailedOnly
            }
            IdReusePolicy::RejectDuplicate => WorkflowIdReusePolicy::RejectDuplicate,
        }
        .into(),
        cron_schedule: call.cron.unwrap_or_default(),
        header: payload::to_header(call.header),
        memo: (!call.memo.is_empty()).then(|| payload::to_memo(call.memo)),
        search_attributes: (!call.search_attributes.is_empty())
            .then(|| payload::to_search_attributes(call.search_attributes)),
        ..Default::default()
    }
    .into()
}

/// The attributes of one event of a child.
pub(super) fn child(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::StartChildWorkflowExecutionInitiated {
            workflow_id,
            call,
            workflow_task_completed_event_id: task,
        } => initiated(projection, workflow_id, *call, task),
        E::StartChildWorkflowExecutionFailed {
            initiated_event_id,
            workflow_id,
            workflow_type: name,
            cause,
        } => StartChildWorkflowExecutionFailedEventAttributes {
            namespace: projection.namespace().into(),
            workflow_id,
            workflow_type: workflow_type(&name),
            cause: match cause {
                StartChildFailedCause::WorkflowAlreadyExists => StartCause::WorkflowAlreadyExists,
                // The API knows no missing type.
                StartChildFailedCause::WorkflowTypeNotFound => StartCause::Unspecified,
            }
            .into(),
            initiated_event_id: event_id(initiated_event_id),
            ..Default::default()
        }
        .into(),
        E::ChildWorkflowExecutionStarted {
            initiated_event_id,
            workflow_id,
            run_id,
            workflow_type: name,
        } => ChildWorkflowExecutionStartedEventAttributes {
            namespace: projection.namespace().into(),
            initiated_event_id: event_id(initiated_event_id),
            workflow_execution: execution(&workflow_id, &run_id),
            workflow_type: workflow_type(&name),
            ..Default::default()
        }
        .into(),
        ended => child_end(projection, ended),
    }
}

/// What all events of a child's end have: its name, and its events.
macro_rules! ended {
    ($projection:ident, $attributes:ident {
        $initiated:ident, $started:ident, $workflow_id:ident, $run_id:ident
        $(, $field:ident: $value:expr)*
    }) => {
        $attributes {
            namespace: $projection.namespace().into(),
            workflow_type: $projection.child($initiated).and_then(workflow_type),
            workflow_execution: execution(&$workflow_id, &$run_id),
            initiated_event_id: event_id($initiated),
            started_event_id: event_id($started),
            $($field: $value,)*
            ..Default::default()
        }
        .into()
    };
}

fn child_end(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::ChildWorkflowExecutionCompleted {
            initiated_event_id: initiated,
            started_event_id: started,
            workflow_id,
            run_id,
            result,
        } => ended!(
            projection,
            ChildWorkflowExecutionCompletedEventAttributes {
                initiated,
                started,
                workflow_id,
                run_id,
                result: payload::to_one(result)
            }
        ),
        E::ChildWorkflowExecutionFailed {
            initiated_event_id: initiated,
            started_event_id: started,
            workflow_id,
            run_id,
            failure,
            retry_state,
        } => ended!(
            projection,
            ChildWorkflowExecutionFailedEventAttributes {
                initiated,
                started,
                workflow_id,
                run_id,
                failure: Some(failure::to_proto(failure, projection.namespace())),
                retry_state: to_retry_state(retry_state).into()
            }
        ),
        stopped => child_stopped(projection, stopped),
    }
}

fn child_stopped(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::ChildWorkflowExecutionCanceled {
            initiated_event_id: initiated,
            started_event_id: started,
            workflow_id,
            run_id,
            details,
        } => ended!(
            projection,
            ChildWorkflowExecutionCanceledEventAttributes {
                initiated,
                started,
                workflow_id,
                run_id,
                details: payload::to_list(details)
            }
        ),
        E::ChildWorkflowExecutionTimedOut {
            initiated_event_id: initiated,
            started_event_id: started,
            workflow_id,
            run_id,
            retry_state,
        } => ended!(
            projection,
            ChildWorkflowExecutionTimedOutEventAttributes {
                initiated,
                started,
                workflow_id,
                run_id,
                retry_state: to_retry_state(retry_state).into()
            }
        ),
        E::ChildWorkflowExecutionTerminated {
            initiated_event_id: initiated,
            started_event_id: started,
            workflow_id,
            run_id,
        } => ended!(
            projection,
            ChildWorkflowExecutionTerminatedEventAttributes {
                initiated,
                started,
                workflow_id,
                run_id
            }
        ),
        other => not_of_this_family(&other),
    }
}

fn target(target: &Target) -> Option<crate::proto::common::WorkflowExecution> {
    execution(
        &target.workflow_id,
        target.run_id.as_deref().unwrap_or_default(),
    )
}

/// The attributes of one event of a signal or request to cancel.
pub(super) fn external(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::SignalExternalWorkflowExecutionInitiated {
            target: to,
            signal,
            workflow_task_completed_event_id: task,
        } => SignalExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_task_completed_event_id: event_id(task),
            namespace: projection.namespace().into(),
            workflow_execution: target(&to),
            signal_name: signal.name,
            input: payload::to_list(signal.arguments),
            header: payload::to_header(signal.header),
            ..Default::default()
        }
        .into(),
        E::SignalExternalWorkflowExecutionFailed {
            initiated_event_id,
            target: to,
            cause,
        } => SignalExternalWorkflowExecutionFailedEventAttributes {
            cause: match cause {
                ExternalFailedCause::ExternalWorkflowExecutionNotFound => {
                    SignalCause::ExternalWorkflowExecutionNotFound
                }
                ExternalFailedCause::SignalCountLimitExceeded => {
                    SignalCause::SignalCountLimitExceeded
                }
            }
            .into(),
            namespace: projection.namespace().into(),
            workflow_execution: target(&to),
            initiated_event_id: event_id(initiated_event_id),
            ..Default::default()
        }
        .into(),
        E::ExternalWorkflowExecutionSignaled {
            initiated_event_id,
            target: to,
        } => ExternalWorkflowExecutionSignaledEventAttributes {
            initiated_event_id: event_id(initiated_event_id),
            namespace: projection.namespace().into(),
            workflow_execution: target(&to),
            ..Default::default()
        }
        .into(),
        cancel => external_cancel(projection, cancel),
    }
}

fn external_cancel(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::RequestCancelExternalWorkflowExecutionInitiated {
            target: to,
            child_workflow_only,
            reason,
            workflow_task_completed_event_id: task,
        } => RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_task_completed_event_id: event_id(task),
            namespace: projection.namespace().into(),
            workflow_execution: target(&to),
            child_workflow_only,
            reason,
            ..Default::default()
        }
        .into(),
        E::RequestCancelExternalWorkflowExecutionFailed {
            initiated_event_id,
            target: to,
            ..
        } => RequestCancelExternalWorkflowExecutionFailedEventAttributes {
            cause: CancelCause::ExternalWorkflowExecutionNotFound.into(),
            namespace: projection.namespace().into(),
            workflow_execution: target(&to),
            initiated_event_id: event_id(initiated_event_id),
            ..Default::default()
        }
        .into(),
        E::ExternalWorkflowExecutionCancelRequested {
            initiated_event_id,
            target: to,
        } => ExternalWorkflowExecutionCancelRequestedEventAttributes {
            initiated_event_id: event_id(initiated_event_id),
            namespace: projection.namespace().into(),
            workflow_execution: target(&to),
            ..Default::default()
        }
        .into(),
        other => not_of_this_family(&other),
    }
}
