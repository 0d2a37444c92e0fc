//! Events of activities.

use super::{
    events::{Projection, not_of_this_family},
    run::retry_policy,
};
use crate::{
    describe::{attempt, task_queue},
    failure::{self, event_id, to_retry_state},
    payload,
    proto::{
        common::ActivityType,
        history::{
            ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
            ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes,
            ActivityTaskScheduledEventAttributes, ActivityTaskStartedEventAttributes,
            ActivityTaskTimedOutEventAttributes, history_event::Attributes,
        },
    },
    time,
};
use sandglass_engine::{ActivityCall, EventAttributes as E, EventId};

fn scheduled(
    projection: &Projection,
    activity_id: String,
    call: ActivityCall,
    task: EventId,
) -> Attributes {
    let queue = call.task_queue.as_deref();
    ActivityTaskScheduledEventAttributes {
        activity_id,
        task_queue: task_queue(queue.unwrap_or(projection.task_queue())),
        retry_policy: call.retry.as_ref().map(retry_policy),
        activity_type: Some(ActivityType {
            name: call.activity_type,
        }),
        header: payload::to_header(call.header),
        input: payload::to_list(call.arguments),
        schedule_to_close_timeout: time::limit(call.schedule_to_close),
        schedule_to_start_timeout: time::limit(call.schedule_to_start),
        start_to_close_timeout: time::limit(call.start_to_close),
        heartbeat_timeout: time::limit(call.heartbeat),
        workflow_task_completed_event_id: event_id(task),
        ..Default::default()
    }
    .into()
}

/// The attributes of one of these events.
pub(super) fn attributes(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::ActivityTaskScheduled {
            activity_id,
            call,
            workflow_task_completed_event_id: task,
        } => scheduled(projection, activity_id, *call, task),
        E::ActivityTaskStarted {
            scheduled_event_id,
            attempt: number,
            identity,
            last_failure,
        } => ActivityTaskStartedEventAttributes {
            scheduled_event_id: event_id(scheduled_event_id),
            identity,
            attempt: attempt(number),
            last_failure: last_failure
                .map(|failure| failure::to_proto(failure, projection.namespace())),
            ..Default::default()
        }
        .into(),
        E::ActivityTaskCancelRequested {
            scheduled_event_id,
            workflow_task_completed_event_id: task,
            ..
        } => ActivityTaskCancelRequestedEventAttributes {
            scheduled_event_id: event_id(scheduled_event_id),
            workflow_task_completed_event_id: event_id(task),
        }
        .into(),
        ended => end(projection, ended),
    }
}

fn end(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::ActivityTaskCompleted {
            result,
            scheduled_event_id,
            started_event_id,
        } => ActivityTaskCompletedEventAttributes {
            result: payload::to_one(result),
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            identity: projection.worker(started_event_id),
            ..Default::default()
        }
        .into(),
        E::ActivityTaskFailed {
            failure,
            scheduled_event_id,
            started_event_id,
            retry_state,
        } => ActivityTaskFailedEventAttributes {
            failure: Some(failure::to_proto(failure, projection.namespace())),
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            identity: projection.worker(started_event_id),
            retry_state: to_retry_state(retry_state).into(),
            ..Default::default()
        }
        .into(),
        E::ActivityTaskTimedOut {
            failure,
            scheduled_event_id,
            started_event_id,
            retry_state,
        } => ActivityTaskTimedOutEventAttributes {
            failure: Some(failure::to_proto(failure, projection.namespace())),
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            retry_state: to_retry_state(retry_state).into(),
        }
        .into(),
        E::ActivityTaskCanceled {
            details,
            latest_cancel_requested_event_id: request,
            scheduled_event_id,
            started_event_id,
            identity,
        } => ActivityTaskCanceledEventAttributes {
            details: payload::to_list(details),
            latest_cancel_requested_event_id: event_id(request),
            scheduled_event_id: event_id(scheduled_event_id),
            started_event_id: event_id(started_event_id),
            identity,
            ..Default::default()
        }
        .into(),
        other => not_of_this_family(&other),
    }
}
