//! What is shown of the workers that are there, and of the task queues that they poll.

use super::lock;
use crate::{
    door::Door,
    proto::{
        enums::{DescribeTaskQueueMode, TaskQueueType},
        service::{
            CountWorkersRequest, CountWorkersResponse, DescribeTaskQueueRequest,
            DescribeTaskQueueResponse, DescribeWorkerRequest, DescribeWorkerResponse,
            ListWorkersRequest, ListWorkersResponse,
        },
        taskqueue::{PollerInfo, TaskQueueStats, TaskQueueTypeInfo, TaskQueueVersionInfo},
        worker::{WorkerHeartbeat, WorkerInfo, WorkerListInfo},
    },
    status, time,
    visibility::equal_to,
};
use prost::Message as _;
use std::collections::HashMap;
use tonic::Status;

/// Most workers of one page, and bytes after which it ends. Clients take 4 MiB at least.
const PAGE: usize = 1000;
const PAGE_BYTES: usize = 2 << 20;

/// Most pollers of a task queue that are shown.
const POLLERS: usize = 1000;

fn listed(heartbeat: &WorkerHeartbeat) -> WorkerListInfo {
    let host = heartbeat.host_info.clone().unwrap_or_default();
    WorkerListInfo {
        worker_instance_key: heartbeat.worker_instance_key.clone(),
        worker_identity: heartbeat.worker_identity.clone(),
        task_queue: heartbeat.task_queue.clone(),
        sdk_name: heartbeat.sdk_name.clone(),
        sdk_version: heartbeat.sdk_version.clone(),
        status: heartbeat.status,
        start_time: heartbeat.start_time,
        host_name: host.host_name,
        worker_grouping_key: host.worker_grouping_key,
        process_id: host.process_id,
        ..Default::default()
    }
}

/// The task queue whose workers a request is for; none: all. Other filters are not served.
fn task_queue(query: &str) -> Result<Option<String>, Status> {
    if query.trim().is_empty() {
        return Ok(None);
    }
    let name = equal_to(query, "TaskQueue");
    let only = || status::invalid("invalid query: workers are listed by TaskQueue = \"...\" only");
    name.map(Some).ok_or_else(only)
}

fn is_in(worker: &WorkerHeartbeat, task_queue: Option<&str>) -> bool {
    task_queue.is_none_or(|name| worker.task_queue == name)
}

pub(crate) async fn list(
    door: &Door,
    request: ListWorkersRequest,
) -> Result<ListWorkersResponse, Status> {
    let queue = task_queue(&request.query)?;
    // The token is the key of the last worker that was told.
    let after = String::from_utf8(request.next_page_token)
        .map_err(|_| status::invalid("Invalid NextPageToken."))?;
    let limit = match usize::try_from(request.page_size) {
        Ok(0) | Err(_) => PAGE,
        Ok(wanted) => wanted.min(PAGE),
    };
    let known = lock(&door.workers.known);
    let workers = known.after(door.host.now(), &after);
    let mut workers = workers
        .filter(|worker| is_in(worker, queue.as_deref()))
        .peekable();
    let (mut page, mut bytes) = (Vec::new(), 0);
    while page.len() < limit
        && bytes < PAGE_BYTES
        && let Some(worker) = workers.next()
    {
        let worker = listed(worker);
        bytes += worker.encoded_len();
        page.push(worker);
    }
    let more = workers.peek().and(page.last());
    let token = more.map(|last| last.worker_instance_key.clone().into_bytes());
    Ok(ListWorkersResponse {
        next_page_token: token.unwrap_or_default(),
        workers: page,
        ..Default::default()
    })
}

pub(crate) async fn count(
    door: &Door,
    request: CountWorkersRequest,
) -> Result<CountWorkersResponse, Status> {
    let queue = task_queue(&request.query)?;
    let known = lock(&door.workers.known);
    let workers = known.after(door.host.now(), "");
    let count = workers
        .filter(|worker| is_in(worker, queue.as_deref()))
        .count();
    Ok(CountWorkersResponse {
        count: i64::try_from(count).unwrap_or(i64::MAX),
    })
}

pub(crate) async fn describe(
    door: &Door,
    request: DescribeWorkerRequest,
) -> Result<DescribeWorkerResponse, Status> {
    let key = request.worker_instance_key;
    let now = door.host.now();
    let known = lock(&door.workers.known);
    let found = known.get(now, &key).cloned();
    let heartbeat = found.ok_or_else(|| status::not_found(format!("worker {key} not found")))?;
    Ok(DescribeWorkerResponse {
        worker_info: Some(WorkerInfo {
            worker_heartbeat: Some(heartbeat),
        }),
    })
}

/// A task queue as it stands. Workers poll for activities here and for nothing else; a request that
/// does not say of which kind it is means workflow tasks, as at Temporal's server.
pub(crate) async fn describe_queue(
    door: &Door,
    request: DescribeTaskQueueRequest,
) -> Result<DescribeTaskQueueResponse, Status> {
    let is_enhanced = enhanced(&request);
    let of_activities = match is_enhanced {
        true => enhanced_types(&request),
        false => request.task_queue_type() == TaskQueueType::Activity,
    };
    let name = request.task_queue.unwrap_or_default().name;
    if name.is_empty() {
        return Err(status::invalid("TaskQueue is not set on request."));
    }
    let info = match of_activities {
        true => of_queue(door, &name),
        false => TaskQueueTypeInfo {
            stats: Some(TaskQueueStats {
                approximate_backlog_age: Some(Default::default()),
                ..Default::default()
            }),
            ..Default::default()
        },
    };
    if !is_enhanced {
        return Ok(DescribeTaskQueueResponse {
            pollers: info.pollers,
            stats: info.stats,
            ..Default::default()
        });
    }
    let types_info = of_activities.then(|| (TaskQueueType::Activity.into(), info));
    let version = TaskQueueVersionInfo {
        types_info: types_info.into_iter().collect(),
        ..Default::default()
    };
    Ok(in_versions(version))
}

fn enhanced(request: &DescribeTaskQueueRequest) -> bool {
    request.api_mode() == DescribeTaskQueueMode::Enhanced
}

#[expect(deprecated, reason = "the command line asks so")]
fn enhanced_types(request: &DescribeTaskQueueRequest) -> bool {
    let mut types = request.task_queue_types();
    request.task_queue_types.is_empty() || types.any(|kind| kind == TaskQueueType::Activity)
}

fn in_versions(version: TaskQueueVersionInfo) -> DescribeTaskQueueResponse {
    DescribeTaskQueueResponse {
        versions_info: HashMap::from([(String::new(), version)]),
        ..Default::default()
    }
}

fn of_queue(door: &Door, name: &str) -> TaskQueueTypeInfo {
    let now = door.host.now();
    let queue = door.host.describe_task_queue(name);
    let mut pollers = queue.pollers;
    // Whoever polled last counts more than one that may be gone.
    pollers.sort_by_key(|poller| std::cmp::Reverse(poller.last_access));
    pollers.truncate(POLLERS);
    let pollers = pollers.into_iter().map(|poller| PollerInfo {
        last_access_time: Some(time::timestamp(poller.last_access)),
        identity: poller.identity,
        rate_per_second: poller.max_tasks_per_second.unwrap_or_default(),
        ..Default::default()
    });
    let age = queue.oldest.map(|oldest| time::duration(now.since(oldest)));
    TaskQueueTypeInfo {
        pollers: pollers.collect(),
        stats: Some(TaskQueueStats {
            approximate_backlog_count: i64::try_from(queue.backlog).unwrap_or(i64::MAX),
            approximate_backlog_age: Some(age.unwrap_or_default()),
            ..Default::default()
        }),
    }
}
