//! `/components`: the workflow components of a running server.

use crate::{
    door::Door,
    http::{
        answer::{Answer, Refusal},
        request::Asked,
    },
    status,
};
use hyper::StatusCode;
use sandglass::{ComponentInfo, Error, Inspection};
use sandglass_engine::Digest;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use tokio::sync::Semaphore;
use tonic::Status;

/// Most bytes of a component; the sandbox takes no larger ones.
const COMPONENT_BYTES_MAX: usize = 128 << 20;

/// The task queue of a component that is given none.
const TASK_QUEUE: &str = "default";

pub(crate) fn list(door: &Door) -> Result<Answer, Refusal> {
    let kept = door.host.components().map_err(status::of)?;
    let kept: Vec<Value> = kept.iter().map(|info| shown(door, info)).collect();
    Ok(Answer::json(json!({ "components": kept })))
}

/// A component as a document, with the task queues and types that new runs of begin with it.
fn shown(door: &Door, info: &ComponentInfo) -> Value {
    let queues = door.queues.read().unwrap_or_else(PoisonError::into_inner);
    let serves = queues.of(info.digest).into_iter();
    let serves = serves
        .map(|(task_queue, types)| json!({ "task_queue": task_queue, "workflow_types": types }));
    json!({
        "digest": info.digest.to_string(),
        "size_bytes": info.bytes,
        "added_at": info.added_at.to_rfc3339(),
        "open_runs": info.open_runs,
        "serves": serves.collect::<Vec<_>>(),
    })
}

pub(crate) async fn push(
    door: &Arc<Door>,
    asked: Asked,
    room: &Semaphore,
) -> Result<Answer, Refusal> {
    let [mut task_queues] = asked.parameters(["task_queue"])?;
    let mut seen = BTreeSet::new();
    task_queues.retain(|name| seen.insert(name.clone()));
    if task_queues.is_empty() {
        task_queues.push(TASK_QUEUE.into());
    }
    let longest = door.host.limits().name_bytes;
    if task_queues
        .iter()
        .any(|name| name.is_empty() || name.len() > longest)
    {
        let message = format!("a task queue has a name of 1 to {longest} bytes");
        return Err(Refusal::invalid(message));
    }
    let Ok(_seat) = room.try_acquire() else {
        let status = Status::resource_exhausted("other components are being pushed; try again");
        return Err(status.into());
    };
    let bytes = asked.bytes(COMPONENT_BYTES_MAX).await?;
    let (owned, queues) = (Arc::clone(door), task_queues.clone());
    let pushed = to_the_end(async move {
        let pushed = owned.host.push_component(bytes, queues).await;
        rebind(&owned, None);
        pushed
    })
    .await?;
    let pushed = pushed.map_err(|error| match error {
        Error::Component(reason) => Refusal::invalid(reason),
        error => status::of(error).into(),
    })?;
    let body = json!({
        "digest": pushed.digest.to_string(),
        "disposition": if pushed.is_new { "added" } else { "present" },
        "workflow_types": pushed.types,
        "task_queues": task_queues,
    });
    let http = match pushed.is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(Answer { http, body })
}

/// Does something also if the client goes away meanwhile: what the store has is to be served.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(change).await;
    done.map_err(|error| Status::internal(format!("the change was not ended: {error}")).into())
}

/// Takes over which task queues components serve, and forgets a removed one.
fn rebind(door: &Door, removed: Option<Digest>) {
    let mut queues = door.queues.write().unwrap_or_else(PoisonError::into_inner);
    // Asked for while nobody else takes over: the newest state is what stays.
    queues.push(door.host.task_queue_bindings(), removed);
}

fn digest(asked: &Asked) -> Result<Digest, Refusal> {
    let text = asked.value("digest");
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    let bytes = (0..64).step_by(2).map(|place| {
        let pair = text.get(place..place + 2).filter(|_| text.len() == 64)?;
        let is_hex = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes
        .map(Digest)
        .ok_or_else(|| Refusal::invalid(format!("{text:?} is no digest: 64 hexadecimal digits")))
}

fn unknown(digest: Digest) -> Refusal {
    status::not_found(format!("component {digest} is not in the store")).into()
}

pub(crate) async fn describe(door: &Door, asked: Asked) -> Result<Answer, Refusal> {
    let digest = digest(&asked)?;
    let [] = asked.parameters([])?;
    let kept = door.host.components().map_err(status::of)?;
    let info = kept.iter().find(|info| info.digest == digest);
    let info = info.ok_or_else(|| unknown(digest))?;
    let inspected = door.host.inspect_component(digest).await;
    let inspected = inspected.map_err(|error| match error {
        Error::UnknownComponent(_) => unknown(digest),
        error => status::of(error).into(),
    })?;
    let mut document = shown(door, info);
    if let (Value::Object(document), Value::Object(more)) = (&mut document, contents(&inspected)) {
        document.extend(more);
    }
    Ok(Answer::json(document))
}

fn contents(inspected: &Inspection) -> Value {
    let imports = inspected.imports.iter().map(|import| {
        json!({
            "name": import.name,
            "allowed": import.forbidden.is_none(),
            "advice": import.forbidden.as_ref().map(|forbidden| forbidden.advice),
        })
    });
    let settings: Map<String, Value> = inspected
        .settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    json!({
        "kind": inspected.kind.to_string(),
        "workflow_types": inspected.types,
        "imports": imports.collect::<Vec<_>>(),
        "settings": settings,
        "problem": inspected.problem,
    })
}

pub(crate) async fn remove(door: &Arc<Door>, asked: Asked) -> Result<Answer, Refusal> {
    let digest = digest(&asked)?;
    let [keep_runs] = asked.parameters(["keep_runs"])?;
    let keep_runs = match keep_runs.last().map(String::as_str) {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(other) => {
            let message = format!("keep_runs is true or false, not {other:?}");
            return Err(Refusal::invalid(message));
        }
    };
    let owned = Arc::clone(door);
    let removed = to_the_end(async move {
        let removed = owned.host.remove_component(digest, keep_runs).await;
        rebind(&owned, removed.is_ok().then_some(digest));
        removed
    })
    .await?;
    let open_runs = removed.map_err(|error| match error {
        Error::UnknownComponent(_) => unknown(digest),
        error @ Error::ComponentInUse { .. } => {
            let status = Status::failed_precondition(error.to_string());
            Refusal::new(StatusCode::CONFLICT, status)
        }
        error => status::of(error).into(),
    })?;
    Ok(Answer::json(json!({
        "digest": digest.to_string(),
        "disposition": if open_runs == 0 { "removed" } else { "unbound" },
        "open_runs": open_runs,
    })))
}
