//! Events of workflow tasks, timers and markers.

use super::events::{Projection, not_of_this_family};
use crate::{
    describe::{attempt, task_queue},
    failure::{self, event_id},
    payload,
    proto::{
        enums::{TimeoutType, WorkflowTaskFailedCause as ProtoCause},
        history::{
            MarkerRecordedEventAttributes, TimerCanceledEventAttributes, TimerFiredEventAttributes,
            TimerStartedEventAttributes, WorkflowTaskCompletedEventAttributes,
            WorkflowTaskFailedEventAttributes, WorkflowTaskScheduledEventAttributes,
            WorkflowTaskStartedEventAttributes, WorkflowTaskTimedOutEventAttributes,
            history_event::Attributes,
        },
    },
    time,
};
use sandglass_engine::{EventAttributes as E, TaskFailedCause};

/// Who ran a workflow task: the server itself.
const IDENTITY: &str = "sandglass";

/// A cause as it goes: the engine's names are the API's.
fn cause(cause: TaskFailedCause) -> ProtoCause {
    let name = format!("WORKFLOW_TASK_FAILED_CAUSE_{}", cause.name());
    ProtoCause::from_str_name(&name).unwrap_or(ProtoCause::Unspecified)
}

/// The attributes of one of these events.
pub(super) fn attributes(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::WorkflowTaskScheduled { attempt: number } => WorkflowTaskScheduledEventAttributes {
            task_queue: task_queue(projection.task_queue()),
            start_to_close_timeout: time::limit(Some(projection.task_timeout())),
            attempt: attempt(number),
        }
        .into(),
        E::WorkflowTaskStarted {
            scheduled_event_id,
            history,
        } => WorkflowTaskStartedEventAttributes {
            scheduled_event_id: event_id(scheduled_event_id),
            identity: IDENTITY.into(),
            suggest_continue_as_new: history.suggest_continue_as_new,
            history_size_bytes: i64::try_from(history.bytes).unwrap_or(i64::MAX),
            ..Default::default()
        }
        .into(),
        E::WorkflowTaskCompleted {
            scheduled_event_id,
            started_event_id,
            ..
        } => WorkflowTaskCompletedEventAttributes {
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            identity: IDENTITY.into(),
            ..Default::default()
        }
        .into(),
        E::WorkflowTaskFailed {
            scheduled_event_id,
            started_event_id,
            cause: why,
            failure,
        } => WorkflowTaskFailedEventAttributes {
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            cause: cause(why).into(),
            failure: Some(failure::to_proto(failure, projection.namespace())),
            identity: IDENTITY.into(),
            ..Default::default()
        }
        .into(),
        E::WorkflowTaskTimedOut {
            scheduled_event_id,
            started_event_id,
            timeout_type: _,
        } => WorkflowTaskTimedOutEventAttributes {
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            timeout_type: TimeoutType::StartToClose.into(),
        }
        .into(),
        other => beside_tasks(projection, other),
    }
}

fn beside_tasks(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::MarkerRecorded {
            marker_name,
            details,
            failure,
            workflow_task_completed_event_id: task,
        } => MarkerRecordedEventAttributes {
            marker_name,
            details: details
                .into_iter()
                .map(|(name, values)| (name, payload::to_list(values).unwrap_or_default()))
                .collect(),
            workflow_task_completed_event_id: event_id(task),
            failure: failure.map(|failure| failure::to_proto(failure, projection.namespace())),
            ..Default::default()
        }
        .into(),
        timer => timers(timer),
    }
}

fn timers(attributes: E) -> Attributes {
    match attributes {
        E::TimerStarted {
            timer_id,
            start_to_fire_timeout,
            workflow_task_completed_event_id: task,
        } => TimerStartedEventAttributes {
            timer_id,
            start_to_fire_timeout: Some(time::duration(start_to_fire_timeout)),
            workflow_task_completed_event_id: event_id(task),
        }
        .into(),
        E::TimerFired {
            timer_id,
            started_event_id,
        } => TimerFiredEventAttributes {
            timer_id,
            started_event_id: event_id(started_event_id),
        }
        .into(),
        E::TimerCanceled {
            timer_id,
            started_event_id,
            workflow_task_completed_event_id: task,
        } => TimerCanceledEventAttributes {
            timer_id,
            started_event_id: event_id(started_event_id),
            workflow_task_completed_event_id: event_id(task),
            identity: IDENTITY.into(),
        }
        .into(),
        other => not_of_this_family(&other),
    }
}
