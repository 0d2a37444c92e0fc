//! `/components`: the workflow components of a running server.

use crate::{
    components::{self, COMPONENT_BYTES_MAX, Places},
    door::Door,
    http::{
        answer::{Answer, Refusal},
        request::Asked,
    },
};
use hyper::StatusCode;
use std::sync::Arc;
use tonic::Code;

pub(crate) fn list(door: &Door, asked: &Asked) -> Result<Answer, Refusal> {
    let [] = asked.parameters([])?;
    Ok(Answer::json(components::list(door)?))
}

pub(crate) async fn push(
    door: &Arc<Door>,
    asked: Asked,
    places: &Places,
) -> Result<Answer, Refusal> {
    let [task_queues] = asked.parameters(["task_queue"])?;
    let task_queues = components::task_queues(door, task_queues)?;
    let bytes = asked.bytes(COMPONENT_BYTES_MAX).await?;
    let body = components::push(door, places, task_queues, bytes).await?;
    let http = match body["disposition"].as_str() {
        Some("added") => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    Ok(Answer { http, body })
}

pub(crate) async fn describe(door: &Door, asked: Asked) -> Result<Answer, Refusal> {
    let digest = components::digest(asked.value("digest"))?;
    let [] = asked.parameters([])?;
    Ok(Answer::json(components::describe(door, digest).await?))
}

pub(crate) async fn remove(door: &Arc<Door>, asked: Asked) -> Result<Answer, Refusal> {
    let digest = components::digest(asked.value("digest"))?;
    let [keep_runs] = asked.parameters(["keep_runs"])?;
    let keep_runs = match keep_runs.last().map(String::as_str) {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(other) => {
            let message = format!("keep_runs is true or false, not {other:?}");
            return Err(Refusal::invalid(message));
        }
    };
    match components::remove(door, digest, keep_runs).await {
        Ok(removed) => Ok(Answer::json(removed)),
        // Open runs need it.
        Err(status) if status.code() == Code::FailedPrecondition => {
            Err(Refusal::new(StatusCode::CONFLICT, status))
        }
        Err(status) => Err(status.into()),
    }
}
