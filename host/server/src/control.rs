//! The worker control queue: a cancellation reaches a worker at once, also if its activity never
//! heartbeats.
//!
//! Temporal's SDKs wait for it as for a Nexus operation: the poll is answered with the operation
//! `ExecuteCommands` of a service of every worker. How it ended is of no interest, since the
//! attempt reports on itself.

use crate::{
    bounds,
    door::Door,
    proto::{
        common::Payload,
        nexus::{Request, StartOperationRequest, request::Variant},
        service::{
            PollNexusTaskQueueRequest, PollNexusTaskQueueResponse,
            RespondNexusTaskCompletedRequest, RespondNexusTaskCompletedResponse,
            RespondNexusTaskFailedRequest, RespondNexusTaskFailedResponse,
        },
        worker::{CancelActivityCommand, WorkerCommand, worker_command},
        worker_service::ExecuteCommandsRequest,
    },
    status, time,
    unsent::{Held, Unsent},
    workers,
};
use prost::Message as _;
use sandglass::{ControlCommand, Error, TaskToken};
use std::collections::HashMap;
use tonic::{Response, Status};

const SERVICE: &str = "temporal.api.nexusservices.workerservice.v1.WorkerService";
const OPERATION: &str = "ExecuteCommands";
const MESSAGE: &str = "temporal.api.nexusservices.workerservice.v1.ExecuteCommandsRequest";

pub(crate) async fn poll(
    door: &Door,
    request: PollNexusTaskQueueRequest,
) -> Result<Response<PollNexusTaskQueueResponse>, Status> {
    let queue = request.task_queue.unwrap_or_default().name;
    if queue.is_empty() {
        return Err(status::invalid("TaskQueue is not set on request."));
    }
    bounds::names(&[
        ("TaskQueue", &queue),
        ("Identity", &request.identity),
        ("WorkerInstanceKey", &request.worker_instance_key),
    ])?;
    let now = door.host.now();
    door.workers.listens(now, &request.identity, &queue);
    if door.workers.has_gone(now, &request.worker_instance_key) {
        return Ok(nothing());
    }
    let worker = door.workers.polls(&request.worker_instance_key);
    // Attempts that it took by polls that named no control queue.
    let own = (!request.identity.is_empty()).then(|| workers::unnamed(&request.identity));
    let found = tokio::select! {
        biased;
        found = door.poll_of_worker(either(door, &queue, own.as_deref())) => found,
        () = worker.shut_down() => None,
    };
    let Some((queue, command)) = found.transpose().map_err(status::of)? else {
        return Ok(nothing());
    };
    let answer = match &command {
        ControlCommand::CancelActivity(token) => cancel(door, token),
        // A command of a later host is nothing that this door could pass on.
        _ => return Ok(nothing()),
    };
    let held = Held::Command(queue.to_owned(), command);
    Ok(Unsent::watched(&door.host, held, answer))
}

fn nothing() -> Response<PollNexusTaskQueueResponse> {
    Response::new(PollNexusTaskQueueResponse::default())
}

/// The next command of either queue, and of which.
async fn either<'a>(
    door: &Door,
    named: &'a str,
    own: Option<&'a str>,
) -> Result<(&'a str, ControlCommand), Error> {
    let Some(own) = own else {
        return Ok((named, door.host.poll_control(named).await?));
    };
    tokio::select! {
        biased;
        command = door.host.poll_control(named) => Ok((named, command?)),
        command = door.host.poll_control(own) => Ok((own, command?)),
    }
}

fn cancel(door: &Door, token: &TaskToken) -> PollNexusTaskQueueResponse {
    let token = token.to_string().into_bytes();
    let command = CancelActivityCommand {
        task_token: token.clone(),
    };
    let commands = ExecuteCommandsRequest {
        commands: vec![WorkerCommand {
            r#type: Some(worker_command::Type::CancelActivity(command)),
        }],
    };
    let metadata = [("encoding", "binary/protobuf"), ("messageType", MESSAGE)];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let start = StartOperationRequest {
        service: SERVICE.into(),
        operation: OPERATION.into(),
        request_id: String::from_utf8_lossy(&token).into_owned(),
        payload: Some(Payload {
            metadata: HashMap::from(metadata),
            data: commands.encode_to_vec(),
            ..Default::default()
        }),
        ..Default::default()
    };
    PollNexusTaskQueueResponse {
        task_token: [b"control/", &token[..]].concat(),
        request: Some(Request {
            scheduled_time: Some(time::timestamp(door.host.now())),
            variant: Some(Variant::StartOperation(start)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(crate) async fn completed(
    _door: &Door,
    _request: RespondNexusTaskCompletedRequest,
) -> Result<RespondNexusTaskCompletedResponse, Status> {
    Ok(RespondNexusTaskCompletedResponse::default())
}

pub(crate) async fn failed(
    _door: &Door,
    request: RespondNexusTaskFailedRequest,
) -> Result<RespondNexusTaskFailedResponse, Status> {
    tracing::warn!(
        worker = request.identity,
        "a worker could not be told of a cancellation; its next heartbeat tells it"
    );
    Ok(RespondNexusTaskFailedResponse::default())
}
