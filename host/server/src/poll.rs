//! `PollActivityTaskQueue`: a worker of any of Temporal's SDKs takes an attempt.

use crate::{
    bounds,
    describe::{attempt, execution},
    door::Door,
    history::retry_policy,
    payload,
    proto::{
        common::{ActivityType, WorkflowType},
        service::{PollActivityTaskQueueRequest, PollActivityTaskQueueResponse},
    },
    status, time,
    unsent::{Held, Unsent},
    workers::{self, Poll},
};
use sandglass::{ActivityTask, PollOptions};
use tonic::{Response, Status};

/// What a poll waits with.
struct Waiting {
    options: PollOptions,
    worker: Poll,
    /// Of a poll that names no control queue.
    unnamed: Option<Poll>,
}

/// Not an `async fn`: thousands wait, and the request need not wait with them.
pub(crate) fn poll(
    door: &Door,
    request: PollActivityTaskQueueRequest,
) -> impl Future<Output = Result<Response<PollActivityTaskQueueResponse>, Status>> {
    let waiting = waiting(door, request).map(|waiting| waiting.map(Box::new));
    async move {
        let Some(waiting) = waiting? else {
            return Ok(nothing());
        };
        Box::pin(wait(door, *waiting)).await
    }
}

/// Reads a request. `None`: its worker shuts down.
fn waiting(door: &Door, request: PollActivityTaskQueueRequest) -> Result<Option<Waiting>, Status> {
    let task_queue = request.task_queue.unwrap_or_default().name;
    if task_queue.is_empty() {
        return Err(status::invalid("TaskQueue is not set on request."));
    }
    bounds::names(&[
        ("TaskQueue", &task_queue),
        ("Identity", &request.identity),
        ("WorkerControlTaskQueue", &request.worker_control_task_queue),
        ("WorkerInstanceKey", &request.worker_instance_key),
    ])?;
    let key = &request.worker_instance_key;
    if door.workers.has_gone(door.host.now(), key) {
        return Ok(None);
    }
    // What names no control queue, or not yet, is told of cancellations by its identity.
    let (control, unnamed) = match request.worker_control_task_queue {
        named if !named.is_empty() => (Some(named), None),
        _ if request.identity.is_empty() => (None, None),
        _ => {
            let own = workers::unnamed(&request.identity);
            let poll = door.workers.polls(&own);
            (Some(own), Some(poll))
        }
    };
    let rate = request
        .task_queue_metadata
        .and_then(|metadata| metadata.max_tasks_per_second)
        // What is no number of tasks says nothing.
        .filter(|rate| rate.is_finite() && *rate >= 0.0);
    Ok(Some(Waiting {
        options: PollOptions {
            control_queue: control,
            max_tasks_per_second: rate,
            ..PollOptions::new(task_queue, request.identity)
        },
        worker: door.workers.polls(&request.worker_instance_key),
        unnamed,
    }))
}

async fn wait(
    door: &Door,
    waiting: Waiting,
) -> Result<Response<PollActivityTaskQueueResponse>, Status> {
    let Waiting {
        options,
        worker,
        unnamed,
    } = waiting;
    let task = tokio::select! {
        biased;
        task = door.poll_of_worker(door.host.poll_activity(options)) => task,
        // It says that it shuts down: what it were given now would be lost until it times out.
        () = worker.shut_down() => None,
        // It polls again, and names its control queue then.
        () = listens(unnamed.as_ref()) => None,
    };
    let Some(task) = task.transpose().map_err(status::of)? else {
        return Ok(nothing());
    };
    // The attempt is given back if the client has hung up.
    let held = Held::Attempt(task.token.clone());
    let answer = answer(task, &door.namespace);
    Ok(Unsent::watched(&door.host, held, answer))
}

fn nothing() -> Response<PollActivityTaskQueueResponse> {
    Response::new(PollActivityTaskQueueResponse::default())
}

/// Waits until the worker of a poll that names no control queue listens to one.
async fn listens(unnamed: Option<&Poll>) {
    match unnamed {
        Some(poll) => poll.shut_down().await,
        None => std::future::pending().await,
    }
}

/// The attempt as it goes. Every length of time is there: some SDKs stumble over one that is not.
fn answer(task: ActivityTask, namespace: &str) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse {
        task_token: task.token.to_string().into_bytes(),
        workflow_namespace: namespace.into(),
        workflow_type: Some(WorkflowType {
            name: task.workflow_type,
        }),
        workflow_execution: execution(&task.token.workflow_id, &task.token.run_id),
        activity_type: Some(ActivityType {
            name: task.activity_type,
        }),
        activity_id: task.activity_id,
        header: payload::to_header(task.header),
        input: payload::to_list(task.arguments),
        heartbeat_details: payload::to_list(task.heartbeat_details),
        scheduled_time: Some(time::timestamp(task.scheduled_at)),
        current_attempt_scheduled_time: Some(time::timestamp(task.attempt_scheduled_at)),
        started_time: Some(time::timestamp(task.started_at)),
        attempt: attempt(task.attempt),
        schedule_to_close_timeout: time::limit(task.schedule_to_close),
        start_to_close_timeout: time::limit(task.start_to_close),
        heartbeat_timeout: time::limit(task.heartbeat_timeout),
        retry_policy: Some(retry_policy(&task.retry)),
        ..Default::default()
    }
}
