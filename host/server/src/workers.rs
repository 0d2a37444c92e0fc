//! The workers that are there: what they tell of themselves, and that they go.

use crate::{
    door::Door,
    proto::{
        service::{
            CountWorkersRequest, CountWorkersResponse, DescribeTaskQueueRequest,
            DescribeTaskQueueResponse, DescribeWorkerRequest, DescribeWorkerResponse,
            ListWorkersRequest, ListWorkersResponse, RecordWorkerHeartbeatRequest,
            RecordWorkerHeartbeatResponse, ShutdownWorkerRequest, ShutdownWorkerResponse,
        },
        taskqueue::{PollerInfo, TaskQueueStats},
        worker::{WorkerHeartbeat, WorkerInfo, WorkerListInfo},
    },
    status, time,
};
use prost::Message as _;
use sandglass_engine::{Millis, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tonic::Status;

/// How long a worker is listed that tells nothing of itself any more. It does so each minute.
const FORGOTTEN_AFTER: Millis = Millis(5 * 60_000);

/// Most workers that are listed.
const WORKERS: usize = 100_000;

/// Bytes of what one worker tells of itself. More is not kept.
const HEARTBEAT: usize = 16 << 10;

/// How long it is remembered that a worker shuts down: a poll of its may still be on its way.
const SHUT_DOWN_FOR: Millis = Millis(60_000);

/// Most task queues that it is warned of.
const QUEUES: usize = 1000;

/// The workers of a server, by the keys that they give themselves.
#[derive(Default)]
pub(crate) struct Workers {
    known: Mutex<BTreeMap<String, (Timestamp, WorkerHeartbeat)>>,
    polling: Arc<Polling>,
    /// When a worker said that it shuts down.
    gone: Mutex<HashMap<String, Timestamp>>,
    /// The control queue of each identity that listens to one, and since when it is known to.
    controls: Mutex<HashMap<String, (Timestamp, String)>>,
    /// Task queues of which a worker has asked for workflow tasks.
    asked: Mutex<BTreeSet<String>>,
}

/// The polls of each worker, so that all of one can be ended.
#[derive(Default)]
struct Polling(Mutex<HashMap<String, watch::Sender<bool>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One poll of a worker.
pub(crate) struct Poll {
    key: String,
    over: Option<watch::Receiver<bool>>,
    polling: Arc<Polling>,
}

impl Poll {
    /// Waits until its worker says that it shuts down.
    pub(crate) async fn shut_down(&self) {
        match self.over.clone() {
            // Nobody can say so of the sender while this poll is registered with it.
            Some(mut over) => drop(over.wait_for(|over| *over).await),
            None => std::future::pending().await,
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        if self.over.take().is_some() {
            let mut polling = lock(&self.polling.0);
            if polling
                .get(&self.key)
                .is_some_and(|polls| polls.receiver_count() == 0)
            {
                polling.remove(&self.key);
            }
        }
    }
}

/// The key of polls that name no control queue. No worker gives itself one like it.
fn unnamed(identity: &str) -> String {
    format!("\0{identity}")
}

impl Workers {
    /// A poll of a worker begins. Older workers have no key.
    pub(crate) fn polls(&self, key: &str) -> Poll {
        let over = (!key.is_empty()).then(|| {
            let mut polling = lock(&self.polling.0);
            let polls = polling
                .entry(key.into())
                .or_insert_with(|| watch::channel(false).0);
            polls.subscribe()
        });
        Poll {
            key: key.into(),
            over,
            polling: Arc::clone(&self.polling),
        }
    }

    /// A worker listens to a control queue. The first polls of its process were sent before it did
    /// and name none; they are ended, so that those that follow can be told of cancellations.
    pub(crate) fn listens(&self, now: Timestamp, identity: &str, control_queue: &str) {
        let mut controls = lock(&self.controls);
        if let Some((at, known)) = controls.get_mut(identity) {
            *at = now;
            if known == control_queue {
                return;
            }
        } else if controls.len() >= WORKERS {
            controls.retain(|_, (at, _)| now.since(*at) < FORGOTTEN_AFTER);
        }
        if controls.len() < WORKERS {
            controls.insert(identity.into(), (now, control_queue.into()));
            self.end_polls(&unnamed(identity));
        }
    }

    /// The control queue of whoever polls and names none, if the same worker listens to one; else a
    /// poll that is ended once it does.
    pub(crate) fn control_of(&self, identity: &str) -> Result<String, Poll> {
        let controls = lock(&self.controls);
        let known = controls.get(identity).map(|(_, queue)| queue.clone());
        known.ok_or_else(|| self.polls(&unnamed(identity)))
    }

    /// Whether nobody has asked for workflow tasks of this queue before, as far as is remembered.
    pub(crate) fn is_first_to_ask(&self, task_queue: &str) -> bool {
        let mut asked = lock(&self.asked);
        asked.len() < QUEUES && asked.insert(task_queue.into())
    }

    fn end_polls(&self, key: &str) {
        if let Some(polls) = lock(&self.polling.0).remove(key) {
            polls.send_replace(true);
        }
    }

    /// A worker shuts down: its polls are ended, also those that come late.
    fn shuts_down(&self, now: Timestamp, key: &str) {
        if key.is_empty() {
            return;
        }
        let mut gone = lock(&self.gone);
        if gone.len() >= WORKERS {
            gone.retain(|_, at| now.since(*at) < SHUT_DOWN_FOR);
        }
        if gone.len() < WORKERS {
            gone.insert(key.into(), now);
        }
        drop(gone);
        self.end_polls(key);
    }

    /// Whether a worker has said that it shuts down.
    pub(crate) fn has_gone(&self, now: Timestamp, key: &str) -> bool {
        let gone = lock(&self.gone);
        gone.get(key)
            .is_some_and(|at| now.since(*at) < SHUT_DOWN_FOR)
    }

    fn note(&self, now: Timestamp, mut heartbeat: WorkerHeartbeat) {
        // A time that nobody can read back is none: it would spoil every list that it is in.
        heartbeat.start_time.take_if(|at| !time::is_time(at));
        heartbeat.heartbeat_time.take_if(|at| !time::is_time(at));
        heartbeat
            .elapsed_since_last_heartbeat
            .take_if(|length| !time::is_length(length));
        let pollers = [
            &mut heartbeat.workflow_poller_info,
            &mut heartbeat.workflow_sticky_poller_info,
            &mut heartbeat.activity_poller_info,
            &mut heartbeat.nexus_poller_info,
        ];
        for poller in pollers.into_iter().flatten() {
            poller
                .last_successful_poll_time
                .take_if(|at| !time::is_time(at));
        }
        if heartbeat.encoded_len() > HEARTBEAT {
            tracing::debug!("what a worker tells of itself is too much to be kept");
            return;
        }
        let mut known = lock(&self.known);
        if known.len() >= WORKERS {
            known.retain(|_, (at, _)| now.since(*at) < FORGOTTEN_AFTER);
        }
        if known.len() < WORKERS || known.contains_key(&heartbeat.worker_instance_key) {
            known.insert(heartbeat.worker_instance_key.clone(), (now, heartbeat));
        }
    }

    fn list(&self, now: Timestamp) -> Vec<WorkerHeartbeat> {
        let mut known = lock(&self.known);
        known.retain(|_, (at, _)| now.since(*at) < FORGOTTEN_AFTER);
        known
            .values()
            .map(|(_, heartbeat)| heartbeat.clone())
            .collect()
    }
}

pub(crate) async fn heartbeat(
    door: &Door,
    request: RecordWorkerHeartbeatRequest,
) -> Result<RecordWorkerHeartbeatResponse, Status> {
    for heartbeat in request.worker_heartbeat {
        door.workers.note(door.host.now(), heartbeat);
    }
    Ok(RecordWorkerHeartbeatResponse::default())
}

pub(crate) async fn shut_down(
    door: &Door,
    request: ShutdownWorkerRequest,
) -> Result<ShutdownWorkerResponse, Status> {
    let now = door.host.now();
    door.workers.shuts_down(now, &request.worker_instance_key);
    if let Some(heartbeat) = request.worker_heartbeat {
        door.workers.note(now, heartbeat);
    }
    Ok(ShutdownWorkerResponse::default())
}

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

/// The workers that a request is for. It may name one task queue; other filters are not served.
fn wanted(door: &Door, query: &str) -> Result<Vec<WorkerHeartbeat>, Status> {
    let mut workers = door.workers.list(door.host.now());
    if !query.trim().is_empty() {
        let name = query.trim().strip_prefix("TaskQueue").map(str::trim_start);
        let name = name.and_then(|rest| rest.strip_prefix('=')).map(str::trim);
        let name = name.map(|name| name.trim_matches(['"', '\'']));
        let Some(name) = name else {
            return Err(status::invalid(
                "invalid query: workers are listed by TaskQueue = \"...\" only",
            ));
        };
        workers.retain(|worker| worker.task_queue == name);
    }
    Ok(workers)
}

pub(crate) async fn list(
    door: &Door,
    request: ListWorkersRequest,
) -> Result<ListWorkersResponse, Status> {
    let workers = wanted(door, &request.query)?;
    Ok(ListWorkersResponse {
        workers: workers.iter().map(listed).collect(),
        ..Default::default()
    })
}

pub(crate) async fn count(
    door: &Door,
    request: CountWorkersRequest,
) -> Result<CountWorkersResponse, Status> {
    let count = wanted(door, &request.query)?.len();
    Ok(CountWorkersResponse {
        count: i64::try_from(count).unwrap_or(i64::MAX),
    })
}

pub(crate) async fn describe(
    door: &Door,
    request: DescribeWorkerRequest,
) -> Result<DescribeWorkerResponse, Status> {
    let key = request.worker_instance_key;
    let workers = door.workers.list(door.host.now());
    let found = workers
        .into_iter()
        .find(|worker| worker.worker_instance_key == key);
    let heartbeat = found.ok_or_else(|| status::not_found(format!("worker {key} not found")))?;
    Ok(DescribeWorkerResponse {
        worker_info: Some(WorkerInfo {
            worker_heartbeat: Some(heartbeat),
        }),
    })
}

pub(crate) async fn describe_queue(
    door: &Door,
    request: DescribeTaskQueueRequest,
) -> Result<DescribeTaskQueueResponse, Status> {
    let name = request.task_queue.unwrap_or_default().name;
    if name.is_empty() {
        return Err(status::invalid("TaskQueue is not set on request."));
    }
    let now = door.host.now();
    let queue = door.host.describe_task_queue(&name);
    let pollers = queue.pollers.into_iter().map(|poller| PollerInfo {
        last_access_time: Some(time::timestamp(poller.last_access)),
        identity: poller.identity,
        rate_per_second: poller.max_tasks_per_second.unwrap_or_default(),
        ..Default::default()
    });
    let age = queue.oldest.map(|oldest| time::duration(now.since(oldest)));
    Ok(DescribeTaskQueueResponse {
        pollers: pollers.collect(),
        stats: Some(TaskQueueStats {
            approximate_backlog_count: i64::try_from(queue.backlog).unwrap_or(i64::MAX),
            approximate_backlog_age: Some(age.unwrap_or_default()),
            ..Default::default()
        }),
        ..Default::default()
    })
}
