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
};
use prost::Message as _;
use sandglass::{ControlCommand, TaskToken};
use std::collections::HashMap;
use tonic::Status;

const SERVICE: &str = "temporal.api.nexusservices.workerservice.v1.WorkerService";
const OPERATION: &str = "ExecuteCommands";
const MESSAGE: &str = "temporal.api.nexusservices.workerservice.v1.ExecuteCommandsRequest";

pub(crate) async fn poll(
    door: &Door,
    request: PollNexusTaskQueueRequest,
) -> Result<PollNexusTaskQueueResponse, Status> {
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
        return Ok(PollNexusTaskQueueResponse::default());
    }
    let worker = door.workers.polls(&request.worker_instance_key);
    let command = tokio::select! {
        biased;
        command = door.poll_of_worker(door.host.poll_control(&queue)) => command,
        () = worker.shut_down() => None,
    };
    match command.transpose().map_err(status::of)? {
        Some(ControlCommand::CancelActivity(token)) => Ok(cancel(door, &token)),
        // A command of a later host is nothing that this door could pass on.
        Some(_) | None => Ok(PollNexusTaskQueueResponse::default()),
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
