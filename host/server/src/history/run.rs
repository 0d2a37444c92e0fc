//! Events of the run as a whole: its start, its end, and requests to cancel or hold it.

use super::events::{Projection, not_of_this_family};
use crate::{
    describe::{attempt, execution, parent, task_queue},
    failure::{self, event_id, to_retry_state},
    payload,
    proto::{
        common::{RetryPolicy, WorkflowType},
        enums::ContinueAsNewInitiator,
        history::{
            WorkflowExecutionCancelRequestedEventAttributes,
            WorkflowExecutionCanceledEventAttributes, WorkflowExecutionCompletedEventAttributes,
            WorkflowExecutionContinuedAsNewEventAttributes, WorkflowExecutionFailedEventAttributes,
            WorkflowExecutionPausedEventAttributes, WorkflowExecutionStartedEventAttributes,
            WorkflowExecutionTerminatedEventAttributes, WorkflowExecutionTimedOutEventAttributes,
            WorkflowExecutionUnpausedEventAttributes, history_event::Attributes,
        },
    },
    time,
};
use sandglass_engine::{
    ContinueCall, EventAttributes as E, EventId, Initiator, Millis, RetryPolicy as Retry, Start,
};

/// A name of the API's.
pub(super) fn workflow_type(name: &str) -> Option<WorkflowType> {
    Some(WorkflowType { name: name.into() })
}

/// A retry policy as it goes.
pub(crate) fn retry_policy(policy: &Retry) -> RetryPolicy {
    // As Temporal's server fills it in.
    let maximum = policy
        .maximum_interval
        .unwrap_or(Millis(policy.initial_interval.0.saturating_mul(100)));
    RetryPolicy {
        initial_interval: Some(time::duration(policy.initial_interval)),
        backoff_coefficient: policy.backoff_coefficient,
        maximum_interval: Some(time::duration(maximum)),
        maximum_attempts: attempt(policy.maximum_attempts),
        non_retryable_error_types: policy.non_retryable_types.clone(),
    }
}

/// Why a run follows another, as it goes.
fn initiator(initiator: Option<Initiator>) -> ContinueAsNewInitiator {
    match initiator {
        None => ContinueAsNewInitiator::Unspecified,
        Some(Initiator::ContinueAsNew) => ContinueAsNewInitiator::Workflow,
        Some(Initiator::Retry) => ContinueAsNewInitiator::Retry,
        Some(Initiator::Cron) => ContinueAsNewInitiator::CronSchedule,
    }
}

/// The time that a workflow task may take. Nothing here depends on it; replayers expect one.
pub(super) const TASK_TIMEOUT: Millis = Millis::from_secs(10);

fn started(start: Start, namespace: &str) -> Attributes {
    let first = start.first_run_id().to_owned();
    let chain = start.chain;
    let parent_event = start
        .parent
        .as_ref()
        .map(|parent| parent.initiated_event_id);
    WorkflowExecutionStartedEventAttributes {
        workflow_type: workflow_type(&start.workflow_type),
        parent_workflow_namespace: match start.parent {
            Some(_) => namespace.into(),
            None => String::new(),
        },
        parent_workflow_execution: parent(start.parent.as_ref()),
        parent_initiated_event_id: event_id(parent_event.unwrap_or_default()),
        root_workflow_execution: parent(start.parent.as_ref())
            .or_else(|| execution(&start.workflow_id, &first)),
        task_queue: task_queue(&start.task_queue),
        input: payload::to_list(start.arguments),
        workflow_execution_timeout: time::limit(chain.execution_timeout),
        workflow_run_timeout: time::limit(start.run_timeout),
        workflow_task_timeout: time::limit(Some(start.task_timeout.unwrap_or(TASK_TIMEOUT))),
        continued_execution_run_id: chain.continued_from.unwrap_or_default(),
        initiator: initiator(chain.initiator).into(),
        continued_failure: chain
            .continued_failure
            .map(|failure| failure::to_proto(failure, namespace)),
        last_completion_result: chain.last_result.and_then(payload::to_one),
        original_execution_run_id: chain.base_run_id.unwrap_or_else(|| start.run_id.clone()),
        identity: start.identity,
        first_execution_run_id: first,
        retry_policy: chain.retry.as_ref().map(retry_policy),
        attempt: attempt(chain.attempt),
        workflow_execution_expiration_time: chain.expires_at.map(time::timestamp),
        cron_schedule: chain.cron.unwrap_or_default(),
        first_workflow_task_backoff: Some(time::duration(chain.first_task_backoff)),
        memo: (!start.memo.is_empty()).then(|| payload::to_memo(start.memo)),
        search_attributes: (!start.search_attributes.is_empty())
            .then(|| payload::to_search_attributes(start.search_attributes)),
        header: payload::to_header(start.header),
        workflow_id: start.workflow_id,
        ..Default::default()
    }
    .into()
}

fn continued_as_new(
    projection: &Projection,
    new_execution_run_id: String,
    call: ContinueCall,
    backoff: Millis,
    why: Initiator,
    task: EventId,
) -> Attributes {
    let start = projection.start.as_ref();
    let default = start.map_or("", |start| &start.workflow_type);
    let queue = call.task_queue.as_deref();
    let timeout = call.run_timeout.or_else(|| start?.run_timeout);
    WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id,
        workflow_type: workflow_type(call.workflow_type.as_deref().unwrap_or(default)),
        task_queue: task_queue(queue.unwrap_or(projection.task_queue())),
        input: payload::to_list(call.arguments),
        workflow_run_timeout: time::limit(timeout),
        workflow_task_timeout: time::limit(Some(projection.task_timeout())),
        workflow_task_completed_event_id: event_id(task),
        backoff_start_interval: Some(time::duration(backoff)),
        initiator: initiator(Some(why)).into(),
        header: call.header.and_then(payload::to_header),
        memo: call.memo.map(payload::to_memo),
        search_attributes: call.search_attributes.map(payload::to_search_attributes),
        ..Default::default()
    }
    .into()
}

/// The attributes of one of these events.
pub(super) fn attributes(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::WorkflowExecutionStarted(start) => started(*start, projection.namespace()),
        E::WorkflowExecutionContinuedAsNew {
            new_execution_run_id,
            call,
            backoff_start_interval,
            initiator,
            workflow_task_completed_event_id: task,
        } => continued_as_new(
            projection,
            new_execution_run_id,
            *call,
            backoff_start_interval,
            initiator,
            task,
        ),
        E::WorkflowExecutionCancelRequested(request) => {
            let by = request
                .origin
                .as_ref()
                .map(|origin| origin.initiated_event_id);
            WorkflowExecutionCancelRequestedEventAttributes {
                cause: request.reason,
                external_initiated_event_id: event_id(by.unwrap_or_default()),
                external_workflow_execution: parent(request.origin.as_ref()),
                identity: request.identity,
            }
            .into()
        }
        E::WorkflowExecutionPaused(request) => WorkflowExecutionPausedEventAttributes {
            identity: request.identity,
            reason: request.reason,
            request_id: request.request_id,
        }
        .into(),
        E::WorkflowExecutionUnpaused(request) => WorkflowExecutionUnpausedEventAttributes {
            identity: request.identity,
            reason: request.reason,
            request_id: request.request_id,
        }
        .into(),
        ended => end(projection, ended),
    }
}

fn end(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::WorkflowExecutionCompleted {
            result,
            workflow_task_completed_event_id: task,
            new_execution_run_id,
        } => WorkflowExecutionCompletedEventAttributes {
            result: payload::to_one(result),
            workflow_task_completed_event_id: event_id(task),
            new_execution_run_id: new_execution_run_id.unwrap_or_default(),
        }
        .into(),
        E::WorkflowExecutionFailed {
            failure,
            retry_state,
            workflow_task_completed_event_id: task,
            new_execution_run_id,
            ..
        } => WorkflowExecutionFailedEventAttributes {
            failure: Some(failure::to_proto(failure, projection.namespace())),
            retry_state: to_retry_state(retry_state).into(),
            workflow_task_completed_event_id: event_id(task),
            new_execution_run_id: new_execution_run_id.unwrap_or_default(),
        }
        .into(),
        E::WorkflowExecutionCanceled {
            details,
            workflow_task_completed_event_id: task,
            ..
        } => WorkflowExecutionCanceledEventAttributes {
            workflow_task_completed_event_id: event_id(task),
            details: payload::to_list(details),
        }
        .into(),
        E::WorkflowExecutionTerminated {
            reason,
            identity,
            details,
        } => WorkflowExecutionTerminatedEventAttributes {
            reason,
            details: payload::to_list(details),
            identity,
        }
        .into(),
        E::WorkflowExecutionTimedOut {
            retry_state,
            new_execution_run_id,
        } => WorkflowExecutionTimedOutEventAttributes {
            retry_state: to_retry_state(retry_state).into(),
            new_execution_run_id: new_execution_run_id.unwrap_or_default(),
        }
        .into(),
        other => not_of_this_family(&other),
    }
}
