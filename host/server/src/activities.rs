//! How attempts of activities are reported on: by the token of an attempt, or by the id of the
//! activity. Both ways end in the same calls of the host.

use crate::{
    bounds,
    door::Door,
    failure, payload,
    proto::{
        common::{Payloads, WorkflowExecution},
        service::*,
    },
    status,
};
use sandglass::{ActivityHandle, AttemptState, Error, TaskToken};
use sandglass_engine::{Failure, FailureInfo};
use tonic::Status;

/// A token as it goes and comes.
pub(crate) fn token(bytes: &[u8]) -> Option<TaskToken> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// The attempt that a token names.
fn by_token(door: &Door, bytes: &[u8]) -> Result<ActivityHandle, Status> {
    let token = token(bytes).ok_or_else(|| status::invalid("Error deserializing task token."))?;
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
    details: Option<Payloads>,
) -> Result<(bool, bool, bool), Status> {
    let state = match activity.heartbeat(payload::list(details)).await {
        Err(Error::TooLarge { size, limit, .. }) => {
            fail_as_too_large(activity, "its heartbeat's details", size, limit, "").await?;
            return Ok((true, false, false));
        }
        state => state,
    };
    Ok(match state.map_err(status::of)? {
        AttemptState::CancelRequested(_) => (true, false, false),
        AttemptState::Paused => (false, true, false),
        AttemptState::Reset => (false, false, true),
        _ => (false, false, false),
    })
}

/// What reports too much would report it again and again, or be silent until it times out: its
/// activity fails instead, for good, as at Temporal's server.
async fn fail_as_too_large(
    activity: &ActivityHandle,
    what: &str,
    size: usize,
    limit: usize,
    identity: &str,
) -> Result<(), Status> {
    let info = FailureInfo::Application {
        failure_type: "PayloadTooLarge".into(),
        non_retryable: true,
        details: Vec::new(),
        next_retry_delay: None,
    };
    let message =
        format!("the activity failed because {what} have {size} bytes, more than {limit}");
    let failed = activity.fail(Failure::new(message, info), identity).await;
    failed.map_err(status::of)
}

/// Reports that an activity has returned this.
async fn complete(
    activity: &ActivityHandle,
    result: Option<Payloads>,
    identity: &str,
) -> Result<(), Status> {
    let result = payload::result(result)?;
    match activity.complete(result, identity).await {
        Err(Error::TooLarge { size, limit, .. }) => {
            fail_as_too_large(
                activity,
                "the values that it returned",
                size,
                limit,
                identity,
            )
            .await
        }
        completed => completed.map_err(status::of),
    }
}

/// Reports that an activity has accepted its cancellation.
async fn cancel(
    activity: &ActivityHandle,
    details: Option<Payloads>,
    identity: &str,
) -> Result<(), Status> {
    let details = payload::list(details);
    match activity.report_canceled(details, identity).await {
        Err(Error::TooLarge { size, limit, .. }) => {
            let what = "the details of its cancellation";
            fail_as_too_large(activity, what, size, limit, identity).await
        }
        canceled => canceled.map_err(status::of),
    }
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
    bounds::names(&[("Identity", &request.identity)])?;
    let activity = by_token(door, &request.task_token)?;
    complete(&activity, request.result, &request.identity).await?;
    Ok(RespondActivityTaskCompletedResponse::default())
}

pub(crate) async fn completed_by_id(
    door: &Door,
    request: RespondActivityTaskCompletedByIdRequest,
) -> Result<RespondActivityTaskCompletedByIdResponse, Status> {
    bounds::names(&[("Identity", &request.identity)])?;
    let activity = by_id(
        door,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    complete(&activity, request.result, &request.identity).await?;
    Ok(RespondActivityTaskCompletedByIdResponse::default())
}

/// The last details of an attempt that fails, which the next one receives. It fails without them
/// if they are too large.
async fn last_details(activity: &ActivityHandle, details: Option<Payloads>) -> Result<(), Status> {
    let details = payload::list(details);
    if details.is_empty() {
        return Ok(());
    }
    match activity.heartbeat(details).await {
        Ok(_) | Err(Error::TooLarge { .. }) => Ok(()),
        Err(error) => Err(status::of(error)),
    }
}

pub(crate) async fn failed(
    door: &Door,
    request: RespondActivityTaskFailedRequest,
) -> Result<RespondActivityTaskFailedResponse, Status> {
    bounds::names(&[("Identity", &request.identity)])?;
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
    bounds::names(&[("Identity", &request.identity)])?;
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
    bounds::names(&[("Identity", &request.identity)])?;
    let activity = by_token(door, &request.task_token)?;
    cancel(&activity, request.details, &request.identity).await?;
    Ok(RespondActivityTaskCanceledResponse::default())
}

pub(crate) async fn canceled_by_id(
    door: &Door,
    request: RespondActivityTaskCanceledByIdRequest,
) -> Result<RespondActivityTaskCanceledByIdResponse, Status> {
    bounds::names(&[("Identity", &request.identity)])?;
    let activity = by_id(
        door,
        request.workflow_id,
        request.run_id,
        &request.activity_id,
    )?;
    cancel(&activity, request.details, &request.identity).await?;
    Ok(RespondActivityTaskCanceledByIdResponse::default())
}
