//! `DescribeWorkflowExecution`, and what a list shows of a run.
//!
//! What the API has no place for is in one entry of the memo, beside those that the run was given.

mod children;

use crate::{
    beyond,
    door::Door,
    failure::{self, event_id},
    history::fold,
    payload,
    proto::{
        common::{ActivityType, WorkflowExecution, WorkflowType},
        enums::{
            PendingActivityState, PendingWorkflowTaskState, TaskQueueKind, WorkflowExecutionStatus,
        },
        service::{DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse},
        taskqueue::TaskQueue,
        workflow::{
            PendingActivityInfo, PendingWorkflowTaskInfo, WorkflowExecutionConfig,
            WorkflowExecutionExtendedInfo, WorkflowExecutionInfo, WorkflowExecutionPauseInfo,
            pending_activity_info::{PauseInfo, pause_info},
        },
    },
    status, time,
};
use sandglass::{ActivityDescription, RunDescription};
use sandglass_engine::Status as RunStatus;
use sandglass_engine::{EventId, Fields, Millis, Origin, Payload, PendingState, Start};
use tonic::Status;

/// The entry of a memo with what the API has no place for. It is shown by describe only.
const MEMO_ENTRY: &str = "__sandglass";

pub(crate) async fn describe(
    door: &Door,
    request: DescribeWorkflowExecutionRequest,
) -> Result<DescribeWorkflowExecutionResponse, Status> {
    let run = door.run(request.execution, "")?;
    let described = run.describe().await.map_err(status::of)?;
    // The same run, also if another has followed it by now.
    let exact = door.host.run(run.workflow_id(), Some(&described.run_id));
    let start = exact.started().await.map_err(status::of)?;
    // Only the history tells of them.
    let children = match described.status {
        RunStatus::Running => fold(door, &exact, children::Open::new(), children::see).await?,
        _ => children::Open::new(),
    };
    Ok(DescribeWorkflowExecutionResponse {
        pending_children: children.into_values().collect(),
        execution_config: Some(config(&start)),
        pending_activities: described
            .activities
            .iter()
            .map(|pending| activity(door, pending))
            .collect(),
        pending_workflow_task: pending_task(&described),
        workflow_extended_info: Some(extended(&described)),
        workflow_execution_info: Some(info(&described, &start)),
        ..Default::default()
    })
}

/// How a run stands, as it goes. A paused one is running: that it is paused is told beside it, as
/// clients that do not know the newer status fail to describe or list any run that has it.
pub(crate) fn status_of(status: &RunStatus) -> WorkflowExecutionStatus {
    match status {
        RunStatus::Running => WorkflowExecutionStatus::Running,
        RunStatus::Completed { .. } => WorkflowExecutionStatus::Completed,
        RunStatus::Failed { .. } => WorkflowExecutionStatus::Failed,
        RunStatus::Canceled { .. } => WorkflowExecutionStatus::Canceled,
        RunStatus::Terminated { .. } => WorkflowExecutionStatus::Terminated,
        RunStatus::TimedOut => WorkflowExecutionStatus::TimedOut,
        RunStatus::ContinuedAsNew { .. } => WorkflowExecutionStatus::ContinuedAsNew,
    }
}

/// A task queue as it goes.
pub(crate) fn task_queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.into(),
        kind: TaskQueueKind::Normal.into(),
        ..Default::default()
    })
}

/// A run as it goes.
pub(crate) fn execution(workflow_id: &str, run_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: workflow_id.into(),
        run_id: run_id.into(),
    })
}

/// The run that started this one as a child.
pub(crate) fn parent(origin: Option<&Origin>) -> Option<WorkflowExecution> {
    origin.and_then(|origin| execution(&origin.run.workflow_id, &origin.run.run_id))
}

fn config(start: &Start) -> WorkflowExecutionConfig {
    WorkflowExecutionConfig {
        task_queue: task_queue(&start.task_queue),
        workflow_execution_timeout: time::limit(start.chain.execution_timeout),
        workflow_run_timeout: time::limit(start.run_timeout),
        default_workflow_task_timeout: time::limit(
            start.task_timeout.or(Some(Millis::from_secs(10))),
        ),
        ..Default::default()
    }
}

fn info(run: &RunDescription, start: &Start) -> WorkflowExecutionInfo {
    let mut memo: Fields = run.memo.clone();
    memo.insert(
        MEMO_ENTRY.into(),
        Payload::json(beyond::of(run).to_string()),
    );
    let lasted = run.closed_at.map(|at| at.since(run.started_at));
    WorkflowExecutionInfo {
        execution: execution(&run.workflow_id, &run.run_id),
        r#type: Some(WorkflowType {
            name: run.workflow_type.clone(),
        }),
        start_time: Some(time::timestamp(run.started_at)),
        close_time: run.closed_at.map(time::timestamp),
        status: status_of(&run.status).into(),
        history_length: event_id(EventId(run.history_length)),
        parent_namespace_id: String::new(),
        parent_execution: parent(run.parent.as_ref()),
        execution_time: Some(time::timestamp(
            run.started_at + start.chain.first_task_backoff,
        )),
        memo: Some(payload::to_memo(memo)),
        search_attributes: Some(payload::to_search_attributes(run.search_attributes.clone())),
        task_queue: start.task_queue.clone(),
        execution_duration: lasted.map(time::duration),
        // A root further up than the parent is not known here.
        root_execution: parent(run.parent.as_ref())
            .or_else(|| execution(&run.workflow_id, &run.run_id)),
        first_run_id: run.first_run_id.clone(),
        ..Default::default()
    }
}

fn extended(run: &RunDescription) -> WorkflowExecutionExtendedInfo {
    let timeout = run.timers.iter().find(|(event, _)| *event == EventId(1));
    WorkflowExecutionExtendedInfo {
        execution_expiration_time: run.chain.expires_at.map(time::timestamp),
        run_expiration_time: timeout.map(|(_, due)| time::timestamp(*due)),
        cancel_requested: run.cancel.is_some(),
        original_start_time: Some(time::timestamp(run.started_at)),
        pause_info: run
            .paused
            .as_ref()
            .map(|(request, at)| WorkflowExecutionPauseInfo {
                identity: request.identity.clone(),
                paused_time: Some(time::timestamp(*at)),
                reason: request.reason.clone(),
            }),
        ..Default::default()
    }
}

fn pending_task(run: &RunDescription) -> Option<PendingWorkflowTaskInfo> {
    run.task.as_ref().map(|task| PendingWorkflowTaskInfo {
        state: PendingWorkflowTaskState::Scheduled.into(),
        scheduled_time: task.next_attempt_at.map(time::timestamp),
        attempt: attempt(task.attempt),
        ..Default::default()
    })
}

/// The number of an attempt as it goes.
pub(crate) fn attempt(attempt: u32) -> i32 {
    i32::try_from(attempt).unwrap_or(i32::MAX)
}

fn activity(door: &Door, activity: &ActivityDescription) -> PendingActivityInfo {
    PendingActivityInfo {
        activity_id: activity.activity_id.clone(),
        activity_type: Some(ActivityType {
            name: activity.activity_type.clone(),
        }),
        state: match activity.state {
            PendingState::Scheduled => PendingActivityState::Scheduled,
            PendingState::Started => PendingActivityState::Started,
            PendingState::CancelRequested => PendingActivityState::CancelRequested,
            PendingState::Paused => PendingActivityState::Paused,
            PendingState::PauseRequested => PendingActivityState::PauseRequested,
        }
        .into(),
        heartbeat_details: payload::to_list(activity.heartbeat_details.clone()),
        last_heartbeat_time: activity.last_heartbeat_at.map(time::timestamp),
        last_started_time: activity.started_at.map(time::timestamp),
        attempt: attempt(activity.attempt),
        maximum_attempts: attempt(activity.maximum_attempts),
        scheduled_time: Some(time::timestamp(activity.scheduled_at)),
        expiration_time: activity.expires_at.map(time::timestamp),
        last_failure: activity
            .last_failure
            .clone()
            .map(|failure| failure::to_proto(failure, &door.namespace)),
        last_worker_identity: activity.identity.clone(),
        next_attempt_schedule_time: activity.next_attempt_at.map(time::timestamp),
        paused: activity.paused.is_some(),
        pause_info: activity.paused.as_ref().map(|(request, at)| PauseInfo {
            pause_time: Some(time::timestamp(*at)),
            paused_by: Some(pause_info::PausedBy::Manual(pause_info::Manual {
                identity: request.identity.clone(),
                reason: request.reason.clone(),
            })),
        }),
        ..Default::default()
    }
}
