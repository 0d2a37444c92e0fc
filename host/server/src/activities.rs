//! How attempts of activities are reported on: by the token of an attempt, or by the id of the
//! activity. Both ways end in the same calls of the host.

use crate::{
    door::Door, failure, payload, proto::common::WorkflowExecution, proto::service::*, status,
};
use sandglass::{ActivityHandle, AttemptState, TaskToken};
use sandglass_engine::Failure;
use tonic::Status;

/// The attempt that a token names.
fn by_token(door: &Door, token: &[u8]) -> Result<ActivityHandle, Status> {
    let token: Option<TaskToken> = std::str::from_utf8(token)
        .ok()
        .and_then(|text| text.parse().ok());
    let token = token.ok_or_else(|| status::invalid("Error deserializing task token."))?;
    Ok(door.host.activity(&token))
}

/// The activity that an id names.
fn by_id(
    door: &Door,
    workflow_id: String,
    run_id: String,
    activity_id: &str,
) -> Result<ActivityHandle, Status> {
    let execution = WorkflowExecution {
        workflow_id,
        run_id,
    };
    let run = door.run(Some(execution), "")?;
    if activity_id.is_empty() {
        return Err(status::invalid("ActivityId is not set on request."));
    }
    Ok(run.activity(activity_id))
}

/// What an attempt is told: cancel requested, paused, reset.
async fn beat(
    activity: &ActivityHandle,
    details: Option<crate::proto::common::Payloads>,
) -> Result<(bool, bool, bool), Status> {
    let state = activity.heartbeat(payload::list(details)).await;
    Ok(match state.map_err(status::of)? {
        AttemptState::CancelRequested(_) => (true, false, false),
        AttemptState::Paused => (false, true, false),
        AttemptState::Reset => (false, false, true),
        _ => (false, false, false),
    })
}

fn given(failure: Option<crate::proto::failure::Failure>) -> Failure {
    failure::from_proto(failure.unwrap_or_default())
}

pub(crate) async fn heartbeat(
    door: &Door,
    request: RecordActivityTaskHeartbeatRequest,
) -> Result<RecordActivityTaskHeartbeatResponse, Status> {
    let activity = by_token(door, &request.task_token)?;
    let (cancel_requested, activity_paused, activity_reset) =
        beat(&activity, request.details).await?;
    Ok(RecordActivityTaskHeartbeatResponse {
        cancel_requested,
        activity_paused,
        activity_reset,
    })
}

pub(crate) async fn heartbeat_by_id(
    door: &Door,
    request: RecordActivityTaskHeartbeatByIdRequest,
) -> Result<RecordActivityTaskHeartbeatByIdResponse, Status> {
    let activity = by_id(
        door,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    let (cancel_requested, activity_paused, activity_reset) =
        beat(&activity, request.details).await?;
    Ok(RecordActivityTaskHeartbeatByIdResponse {
        cancel_requested,
        activity_paused,
        activity_reset,
    })
}

pub(crate) async fn completed(
    door: &Door,
    request: RespondActivityTaskCompletedRequest,
) -> Result<RespondActivityTaskCompletedResponse, Status> {
    let activity = by_token(door, &request.task_token)?;
    let result = payload::result(request.result)?;
    let done = activity.complete(result, &request.identity).await;
    done.map_err(status::of)?;
    Ok(RespondActivityTaskCompletedResponse::default())
}

pub(crate) async fn completed_by_id(
    door: &Door,
    request: RespondActivityTaskCompletedByIdRequest,
) -> Result<RespondActivityTaskCompletedByIdResponse, Status> {
    let activity = by_id(
        door,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    let result = payload::result(request.result)?;
    let done = activity.complete(result, &request.identity).await;
    done.map_err(status::of)?;
    Ok(RespondActivityTaskCompletedByIdResponse::default())
}

/// The last details of an attempt that fails, which the next one receives.
async fn last_details(
    activity: &ActivityHandle,
    details: Option<crate::proto::common::Payloads>,
) -> Result<(), Status> {
    if details
        .as_ref()
        .is_some_and(|list| !list.payloads.is_empty())
    {
        beat(activity, details).await?;
    }
    Ok(())
}

pub(crate) async fn failed(
    door: &Door,
    request: RespondActivityTaskFailedRequest,
) -> Result<RespondActivityTaskFailedResponse, Status> {
    let activity = by_token(door, &request.task_token)?;
    last_details(&activity, request.last_heartbeat_details).await?;
    let done = activity
        .fail(given(request.failure), &request.identity)
        .await;
    done.map_err(status::of)?;
    Ok(RespondActivityTaskFailedResponse::default())
}

pub(crate) async fn failed_by_id(
    door: &Door,
    request: RespondActivityTaskFailedByIdRequest,
) -> Result<RespondActivityTaskFailedByIdResponse, Status> {
    let activity = by_id(
        door,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    last_details(&activity, request.last_heartbeat_details).await?;
    let done = activity
        .fail(given(request.failure), &request.identity)
        .await;
    done.map_err(status::of)?;
    Ok(RespondActivityTaskFailedByIdResponse::default())
}

pub(crate) async fn canceled(
    door: &Door,
    request: RespondActivityTaskCanceledRequest,
) -> Result<RespondActivityTaskCanceledResponse, Status> {
    let activity = by_token(door, &request.task_token)?;
    let details = payload::list(request.details);
    let done = activity.report_canceled(details, &request.identity).await;
    done.map_err(status::of)?;
    Ok(RespondActivityTaskCanceledResponse::default())
}

pub(crate) async fn canceled_by_id(
    door: &Door,
    request: RespondActivityTaskCanceledByIdRequest,
) -> Result<RespondActivityTaskCanceledByIdResponse, Status> {
    let activity = by_id(
        door,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    let details = payload::list(request.details);
    let done = activity.report_canceled(details, &request.identity).await;
    done.map_err(status::of)?;
    Ok(RespondActivityTaskCanceledByIdResponse::default())
}
