//! The workflow components of a running server, for the HTTP API and the command line.

use crate::{
    body::{Held, Share},
    door::Door,
    status,
};
use sandglass::{ComponentInfo, Error, Inspection, TypedFunction, UpgradeOptions, UpgradeReport};
use sandglass_engine::Digest;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

/// Most bytes of a component; the sandbox takes no larger ones.
pub(crate) const COMPONENT_BYTES_MAX: usize = 128 << 20;

/// Components that are compiled at the same time. Others wait: their bytes are here already.
const PUSHES_MAX: usize = 2;

/// The task queue of a component that is given none.
const TASK_QUEUE: &str = "default";

/// Most that wait for it: their bytes are held meanwhile.
const WAITING_MAX: usize = 8;

/// The places of those that are being compiled, and of those that wait.
pub(crate) struct Places {
    compiled: Semaphore,
    waiting: Semaphore,
    /// Bytes of all of them. They are not those of requests that are being read: whatever is
    /// pushed, other requests have the room that they had.
    held: Held,
}

impl Places {
    /// A place among those that wait, for a component of this length.
    fn take(&self, length: usize) -> Result<(SemaphorePermit<'_>, Share), Status> {
        let busy = || status::exhausted("other components are being pushed; try again");
        let place = self.waiting.try_acquire().map_err(|_| busy())?;
        let mut share = Share::new(&self.held, None);
        share.take(length).map_err(|_| busy())?;
        Ok((place, share))
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            compiled: Semaphore::new(PUSHES_MAX),
            waiting: Semaphore::new(PUSHES_MAX + WAITING_MAX),
            held: Held::default(),
        }
    }
}

pub(crate) fn list(door: &Door) -> Result<Value, Status> {
    let kept = door.host.components().map_err(status::of)?;
    let kept: Vec<Value> = kept.iter().map(|info| shown(door, info)).collect();
    Ok(json!({ "components": kept }))
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

/// The names of task queues that a component is pushed for, each once.
///
/// # Errors
/// One is empty or too long.
pub(crate) fn task_queues(door: &Door, mut given: Vec<String>) -> Result<Vec<String>, Status> {
    let mut seen = BTreeSet::new();
    given.retain(|name| seen.insert(name.clone()));
    if given.is_empty() {
        given.push(TASK_QUEUE.into());
    }
    let longest = door.host.limits().name_bytes;
    let is_wrong = |name: &String| name.is_empty() || name.len() > longest;
    match given.iter().any(is_wrong) {
        true => Err(status::invalid(format!(
            "a task queue has a name of 1 to {longest} bytes"
        ))),
        false => Ok(given),
    }
}

/// Keeps a component, and begins new runs of these task queues with it.
pub(crate) async fn push(
    door: &Arc<Door>,
    places: &Places,
    task_queues: Vec<String>,
    bytes: Vec<u8>,
) -> Result<Value, Status> {
    // Whoever has sent all of it waits for its turn; whoever sends slowly has none.
    let _waiting = places.take(bytes.len())?;
    let _compiled = places.compiled.acquire().await.expect("nobody closes it");
    let (owned, queues) = (Arc::clone(door), task_queues.clone());
    let pushed = to_the_end(async move {
        let pushed = owned.host.push_component(bytes, queues).await;
        rebind(&owned, None);
        pushed
    })
    .await?;
    let pushed = pushed.map_err(unusable)?;
    Ok(json!({
        "digest": pushed.digest.to_string(),
        "disposition": if pushed.is_new { "added" } else { "present" },
        "workflow_types": pushed.types,
        "task_queues": task_queues,
    }))
}

fn unusable(error: Error) -> Status {
    match error {
        Error::Component(reason) => status::invalid(reason),
        error => status::of(error),
    }
}

/// Lets open runs go on with a component, and tells which cannot. New runs do not begin with it:
/// for that it is pushed.
pub(crate) async fn upgrade(
    door: &Arc<Door>,
    places: &Places,
    options: UpgradeOptions,
    bytes: Vec<u8>,
) -> Result<UpgradeReport, Status> {
    let _waiting = places.take(bytes.len())?;
    let _compiled = places.compiled.acquire().await.expect("nobody closes it");
    let host = door.host.clone();
    let upgraded = to_the_end(async move { host.upgrade_runs_to(bytes, options).await }).await?;
    upgraded.map_err(unusable)
}

/// Does something also if the client goes away meanwhile: what the store has is to be served.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::spawn(change).await;
    done.map_err(|error| status::internal(format!("the change was not ended: {error}")))
}

/// Takes over which task queues components serve, and forgets a removed one.
fn rebind(door: &Door, removed: Option<Digest>) {
    let mut queues = door.queues.write().unwrap_or_else(PoisonError::into_inner);
    // Asked for while nobody else takes over: the newest state is what stays.
    queues.push(door.host.task_queue_bindings(), removed);
}

/// A digest as it came.
pub(crate) fn digest(text: &str) -> Result<Digest, Status> {
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
        .ok_or_else(|| status::invalid(format!("{text:?} is no digest: 64 hexadecimal digits")))
}

fn unknown(digest: Digest) -> Status {
    status::not_found(format!("component {digest} is not in the store"))
}

pub(crate) async fn describe(door: &Door, digest: Digest) -> Result<Value, Status> {
    let kept = door.host.components().map_err(status::of)?;
    let info = kept.iter().find(|info| info.digest == digest);
    let info = info.ok_or_else(|| unknown(digest))?;
    let inspected = door.host.inspect_component(digest).await;
    let inspected = inspected.map_err(|error| match error {
        Error::UnknownComponent(_) => unknown(digest),
        error => status::of(error),
    })?;
    let mut document = shown(door, info);
    if let (Value::Object(document), Value::Object(more)) = (&mut document, contents(&inspected)) {
        document.extend(more);
    }
    Ok(document)
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
    let functions = |of: &[TypedFunction]| -> Vec<Value> {
        let functions = of.iter().map(|function| {
            json!({
                "name": function.name,
                "signature": function.signature,
                "options": function.options,
            })
        });
        functions.collect()
    };
    json!({
        "kind": inspected.kind.to_string(),
        "workflow_types": inspected.types,
        "imports": imports.collect::<Vec<_>>(),
        "calls": functions(&inspected.typed.imports),
        "functions": functions(&inspected.typed.exports),
        "settings": settings,
        "problem": inspected.problem,
    })
}

/// Begins no new run with a component, and deletes it unless open runs are to keep it.
pub(crate) async fn remove(
    door: &Arc<Door>,
    digest: Digest,
    keep_runs: bool,
) -> Result<Value, Status> {
    let owned = Arc::clone(door);
    let removed = to_the_end(async move {
        let removed = owned.host.remove_component(digest, keep_runs).await;
        rebind(&owned, removed.is_ok().then_some(digest));
        removed
    })
    .await?;
    let open_runs = removed.map_err(|error| match error {
        Error::UnknownComponent(_) => unknown(digest),
        error => status::of(error),
    })?;
    Ok(json!({
        "digest": digest.to_string(),
        "disposition": if open_runs == 0 { "removed" } else { "unbound" },
        "open_runs": open_runs,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_that_wait_are_bounded_in_bytes_and_in_number() {
        let places = Places::default();
        let large = COMPONENT_BYTES_MAX;
        let two = [places.take(large), places.take(large)];
        assert!(two.iter().all(Result::is_ok));
        let refused = places.take(large).map(drop).map_err(|status| status.code());
        assert_eq!(refused, Err(tonic::Code::ResourceExhausted));
        drop(two);
        let all: Vec<_> = (0..PUSHES_MAX + WAITING_MAX)
            .map(|_| places.take(1))
            .collect();
        assert!(all.iter().all(Result::is_ok) && places.take(1).is_err());
    }
}
