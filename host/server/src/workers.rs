//! The workers that are there: what they tell of themselves, and that they go.

mod shown;

use crate::{
    bounds,
    door::Door,
    proto::{
        service::{
            RecordWorkerHeartbeatRequest, RecordWorkerHeartbeatResponse, ShutdownWorkerRequest,
            ShutdownWorkerResponse,
        },
        worker::WorkerHeartbeat,
    },
    remembered::{Limits, Remembered},
    time,
};
use prost::Message as _;
use sandglass_engine::{Millis, Timestamp};
pub(crate) use shown::{count, describe, describe_queue, list};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tonic::Status;

/// What workers tell of themselves, each minute.
const KNOWN: Limits = Limits {
    lifetime: Millis(5 * 60_000),
    entries: 100_000,
    bytes: 64 << 20,
};

/// Bytes of what one worker tells of itself. More is not kept.
const HEARTBEAT: usize = 16 << 10;

/// Which workers shut down: a poll of theirs may still be on its way.
const GONE: Limits = Limits {
    lifetime: Millis(60_000),
    entries: 100_000,
    bytes: 16 << 20,
};

/// Who listens to which control queue. Who does polls it again within a minute; one that has not is
/// another process now, or none.
const CONTROLS: Limits = Limits {
    lifetime: Millis(70_000),
    entries: 100_000,
    bytes: 32 << 20,
};

/// Task queues that it was warned of.
const ASKED: Limits = Limits {
    lifetime: Millis(24 * 3_600_000),
    entries: 1000,
    bytes: 1 << 20,
};

/// The workers of a server, by the keys that they give themselves.
pub(crate) struct Workers {
    known: Mutex<Remembered<WorkerHeartbeat>>,
    polling: Arc<Polling>,
    /// Those that said that they shut down.
    gone: Mutex<Remembered<()>>,
    /// The control queue of each identity that listens to one.
    controls: Mutex<Remembered<String>>,
    /// Task queues of which a worker has asked for workflow tasks.
    asked: Mutex<Remembered<()>>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            known: Mutex::new(Remembered::new(KNOWN)),
            polling: Arc::default(),
            gone: Mutex::new(Remembered::new(GONE)),
            controls: Mutex::new(Remembered::new(CONTROLS)),
            asked: Mutex::new(Remembered::new(ASKED)),
        }
    }
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

/// The control queue of those polls of an identity that name none, and the key by which they are
/// ended. No worker gives itself one like it.
pub(crate) fn unnamed(identity: &str) -> String {
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
    /// and name none; they are ended, so that those that follow name it: where several processes
    /// have the same identity, only that reaches the right one.
    pub(crate) fn listens(&self, now: Timestamp, identity: &str, control_queue: &str) {
        let mut controls = lock(&self.controls);
        let is_known = controls
            .get(now, identity)
            .is_some_and(|known| known == control_queue);
        let queue = control_queue.to_owned();
        controls.insert(now, identity, queue, control_queue.len());
        drop(controls);
        if !is_known {
            self.end_polls(&unnamed(identity));
        }
    }

    /// Whether nobody has asked for workflow tasks of this queue before, as far as is remembered.
    pub(crate) fn is_first_to_ask(&self, now: Timestamp, task_queue: &str) -> bool {
        let mut asked = lock(&self.asked);
        let is_first = asked.get(now, task_queue).is_none();
        if is_first {
            asked.insert(now, task_queue, (), 0);
        }
        is_first
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
        lock(&self.gone).insert(now, key, (), 0);
        self.end_polls(key);
    }

    /// Whether a worker has said that it shuts down.
    pub(crate) fn has_gone(&self, now: Timestamp, key: &str) -> bool {
        lock(&self.gone).get(now, key).is_some()
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
        let bytes = heartbeat.encoded_len();
        if bytes > HEARTBEAT {
            tracing::debug!("what a worker tells of itself is too much to be kept");
            return;
        }
        let key = heartbeat.worker_instance_key.clone();
        lock(&self.known).insert(now, &key, heartbeat, bytes);
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
    bounds::names(&[("WorkerInstanceKey", &request.worker_instance_key)])?;
    let now = door.host.now();
    door.workers.shuts_down(now, &request.worker_instance_key);
    if let Some(heartbeat) = request.worker_heartbeat {
        door.workers.note(now, heartbeat);
    }
    Ok(ShutdownWorkerResponse::default())
}
