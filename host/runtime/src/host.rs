//! A host: everything that runs the workflows of one store.
//!
//! [`Inner`] is what its threads share: the pool that runs workflow tasks, the writer, the
//! timers and the runtime of activities. They end when the last [`Host`] is dropped.

mod alarms;

pub(crate) use alarms::ended_by_deadline;

use crate::{
    activity::{ActivityContext, Dispatch, Native, Unserved},
    builder::HostBuilder,
    cache::Cache,
    cell::{Ack, Letter, Mail, Phase, Posted, RunCell},
    clock::{Clock, lock},
    components::Components,
    error::Error,
    outbox::Outbox,
    pool::Pool,
    queues::Queues,
    recovery::read_frames,
    shutdown::Guard,
    side::Sides,
    stats::{Counters, Stats},
    timers::Timers,
    writer::Writer,
};
use sandglass_engine::{Digest, EventId, Failure, Frame, Limits, Millis, Payload, Timestamp};
use sandglass_store::{Reader, RunKey};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, oneshot};

/// Runs workflows on a store. Cheap to clone; all clones are the same host.
///
/// [`Host::shutdown`] stops it in order. Dropping the last clone stops it as a crash would:
/// nothing that was acknowledged is lost, attempts that were running are made again by the next
/// host.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
    pub(crate) guard: Arc<Guard>,
}

/// What does not change while a host lives.
pub(crate) struct Config {
    pub(crate) identity: String,
    pub(crate) limits: Limits,
    pub(crate) push_cancel: bool,
    pub(crate) evict_always: bool,
}

impl Config {
    /// The wait before a workflow task is tried again: 1 s, doubling, at most 60 s.
    pub(crate) fn task_backoff(&self, failed_attempts: u32) -> Millis {
        let doublings = failed_attempts.saturating_sub(1).min(6);
        Millis((1000 << doublings).min(60_000))
    }
}

/// What the threads of a host share.
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokio: tokio::runtime::Handle,
    pub(crate) pool: Pool,
    pub(crate) writer: Writer,
    pub(crate) timers: Arc<Timers>,
    pub(crate) dispatch: Dispatch,
    pub(crate) queues: Queues,
    pub(crate) outbox: Outbox,
    pub(crate) cache: Cache,
    pub(crate) components: Components,
    pub(crate) sides: Sides,
    pub(crate) counters: Counters,
    /// Notified whenever something ended that [`Host::idle`] waits for.
    pub(crate) quiet: Notify,
    pub(crate) next_key: AtomicU64,
    pub(crate) stopping: AtomicBool,
    /// Local activities that run.
    pub(crate) locals_running: AtomicUsize,
    pub(crate) runs: Mutex<Runs>,
    /// Held while a run is started by a request that may be a repeated one.
    pub(crate) starting: Mutex<()>,
    /// Connections for reading that are free, and where to wait for one.
    readers: (Mutex<Vec<Box<dyn Reader>>>, Condvar),
    paused: AtomicBool,
    /// Runs that are queued, running or committing.
    active: AtomicU64,
    /// Counts what makes and ends activity, to notice that something happened between two looks.
    epoch: AtomicU64,
    /// Who sleeps, and whether it is an activity.
    sleeps: Mutex<HashMap<EventId, (oneshot::Sender<()>, bool)>>,
    next_sleep: AtomicU64,
}

/// The open runs.
#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) by_key: HashMap<RunKey, Arc<RunCell>>,
    pub(crate) by_workflow_id: HashMap<String, Arc<RunCell>>,
    /// Workflow ids that are kept for the runs that resets make, with the ids of those.
    pub(crate) resetting: HashMap<String, BTreeSet<String>>,
}

impl Inner {
    #[expect(
        clippy::too_many_arguments,
        reason = "the one place that puts the parts together"
    )]
    pub(crate) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        tokio: tokio::runtime::Handle,
        components: Components,
        readers: Vec<Box<dyn Reader>>,
        next_key: RunKey,
        cache_bytes: usize,
        attempts_max: usize,
    ) -> Self {
        Self {
            config,
            timers: Timers::new(Arc::clone(&clock)),
            clock,
            tokio,
            pool: Pool::default(),
            writer: Writer::default(),
            dispatch: Dispatch::new(attempts_max),
            queues: Queues::default(),
            outbox: Outbox::default(),
            cache: Cache::new(cache_bytes),
            components,
            sides: Sides::default(),
            counters: Counters::default(),
            quiet: Notify::new(),
            next_key: AtomicU64::new(next_key.0),
            stopping: AtomicBool::new(false),
            locals_running: AtomicUsize::new(0),
            runs: Mutex::new(Runs::default()),
            starting: Mutex::new(()),
            readers: (Mutex::new(readers), Condvar::new()),
            paused: AtomicBool::new(false),
            active: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            sleeps: Mutex::new(HashMap::new()),
            next_sleep: AtomicU64::new(0),
        }
    }

    /// Whether no workflow task is to be begun.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) || self.is_stopping()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Why a request was dropped without an answer.
    pub(crate) fn gone(&self) -> Error {
        if self.is_stopping() {
            return Error::ShutDown;
        }
        Error::system(
            "wait for the run",
            "the host made a mistake, which its log has",
        )
    }

    /// Puts a run whose phase was just set to queued in the pool's queue.
    pub(crate) fn enqueue(&self, cell: Arc<RunCell>) {
        self.active.fetch_add(1, Ordering::AcqRel);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.writer.expect();
        self.pool.push(cell);
    }

    /// A run is committing that was not queued: the first frame of one that follows another.
    pub(crate) fn entered_step(&self) {
        self.active.fetch_add(1, Ordering::AcqRel);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// A name for a new run.
    pub(crate) fn new_key(&self) -> RunKey {
        RunKey(self.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// A step of a run is through, after its effects.
    pub(crate) fn left_step(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.active.fetch_sub(1, Ordering::AcqRel);
        self.quiet.notify_waiters();
    }

    pub(crate) fn attempt_ended(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.quiet.notify_waiters();
    }

    /// Posts a mail to a run that is locked.
    pub(crate) fn post(&self, cell: &Arc<RunCell>, state: &mut crate::cell::CellState, mail: Mail) {
        self.queue(cell, state.post([mail]));
    }

    /// Queues a run if posting a mail asked for it; best without its lock, which a thread of the
    /// pool takes at once.
    pub(crate) fn queue(&self, cell: &Arc<RunCell>, posted: Posted) {
        if posted == Posted::Queue {
            self.enqueue(Arc::clone(cell));
        }
    }

    /// Posts a mail to a run.
    pub(crate) fn send(&self, cell: &Arc<RunCell>, letter: Letter, ack: Option<Ack>) {
        let mail = Mail {
            at: self.clock.now(),
            letter,
            ack,
            buffered: false,
            joined: false,
            settles: None,
        };
        let posted = cell.lock().post([mail]);
        self.queue(cell, posted);
    }

    /// Posts several mails to a run, one after the other.
    pub(crate) fn post_all(&self, cell: &Arc<RunCell>, mails: Vec<Mail>) {
        let queue = cell.lock().post(mails) == Posted::Queue;
        if queue {
            self.enqueue(Arc::clone(cell));
        }
    }

    /// Queues a run that may have something to do.
    pub(crate) fn wake(&self, cell: &Arc<RunCell>) {
        if cell.lock().wake() == Posted::Queue {
            self.enqueue(Arc::clone(cell));
        }
    }

    /// Forgets a run that has ended, and knows from now on the one that follows it, if one does.
    pub(crate) fn forget(&self, cell: &Arc<RunCell>, successor: Option<&Arc<RunCell>>) {
        self.cache.forget(cell.key);
        let mut runs = lock(&self.runs);
        if let Some(next) = successor {
            runs.by_key.insert(next.key, Arc::clone(next));
        }
        runs.by_key.remove(&cell.key);
        let is_own = |open: &Arc<RunCell>| open.key == cell.key;
        if runs
            .by_workflow_id
            .get(&cell.workflow_id)
            .is_some_and(is_own)
        {
            match successor {
                Some(next) => {
                    let workflow_id = next.workflow_id.clone();
                    runs.by_workflow_id.insert(workflow_id, Arc::clone(next));
                }
                None => drop(runs.by_workflow_id.remove(&cell.workflow_id)),
            }
        }
    }

    pub(crate) fn open_run(&self, key: RunKey) -> Option<Arc<RunCell>> {
        lock(&self.runs).by_key.get(&key).cloned()
    }

    pub(crate) fn open_runs(&self) -> Vec<Arc<RunCell>> {
        lock(&self.runs).by_key.values().cloned().collect()
    }

    /// Reads from the store, on a connection that nobody else uses meanwhile.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, sandglass_store::Error>,
    ) -> Result<T, Error> {
        let (free, returned) = &self.readers;
        let mut readers = lock(free);
        let reader = loop {
            match readers.pop() {
                Some(reader) => break reader,
                None => {
                    readers = returned
                        .wait(readers)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        };
        drop(readers);
        let result = read(reader.as_ref());
        lock(free).push(reader);
        returned.notify_one();
        Ok(result?)
    }

    /// One committed frame of a run, as it was encoded.
    pub(crate) fn frame(
        &self,
        key: RunKey,
        run_id: &str,
        number: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        let read = |reader: &dyn Reader| Ok(reader.frame(key, number));
        self.read(read)?
            .map_err(|error| Error::reading(run_id, error))
    }

    /// The committed frames of a run.
    pub(crate) fn frames(&self, key: RunKey, run_id: &str) -> Result<Vec<Frame>, Error> {
        let frames = self.read(|reader| Ok(read_frames(reader, key, run_id)))??;
        // One whose start is not on disk yet has none either.
        if frames.is_empty() && self.open_run(key).is_none() {
            return Err(Error::Deleted(run_id.into()));
        }
        Ok(frames)
    }

    /// Attempts that are running, those of local activities included.
    pub(crate) fn attempts_in_flight(&self) -> usize {
        self.dispatch.in_flight() + self.locals_running.load(Ordering::Acquire)
    }

    fn is_quiet(&self) -> bool {
        let epoch = self.epoch.load(Ordering::Acquire);
        let idle = || self.active.load(Ordering::Acquire) == 0;
        idle()
            && self.writer.is_quiet()
            && self.timers.is_quiet()
            && (self.outbox.is_empty() || self.is_stopping())
            && idle()
            && epoch == self.epoch.load(Ordering::Acquire)
    }

    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.is_quiet() {
                return;
            }
            notified.await;
        }
    }
}

impl Host {
    /// Begins to put a host together.
    #[must_use]
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Waits until no workflow task is queued or running, nothing waits for the store and no timer
    /// is due. Attempts of activities that are running are not waited for.
    pub async fn idle(&self) {
        self.inner.idle().await;
    }

    /// Holds back all workflow tasks. Inputs are still recorded and acknowledged, activities go on.
    pub fn pause_workflow_tasks(&self) {
        self.inner.paused.store(true, Ordering::Release);
    }

    /// Lets workflow tasks run again.
    pub fn resume_workflow_tasks(&self) {
        self.inner.paused.store(false, Ordering::Release);
        for cell in self.inner.open_runs() {
            if cell.lock().head.summary.task_pending {
                self.inner.wake(&cell);
            }
        }
    }

    /// What this host has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            tasks_beside: self.inner.pool.beside() as u64,
            frames_waiting: self.inner.writer.frames_waiting() as u64,
            ..self.inner.counters.read()
        }
    }

    /// Activities that wait for a worker, and there is none: not in this host, and nobody has
    /// polled their task queue in the last five minutes.
    #[must_use]
    pub fn unserved(&self) -> Vec<Unserved> {
        self.inner.dispatch.unserved(&self.inner)
    }

    /// Attempts of activities that are running, those that were killed and have not ended included.
    #[must_use]
    pub fn attempts_in_flight(&self) -> usize {
        self.inner.attempts_in_flight()
    }

    /// Native activities that sleep on the host's clock.
    #[must_use]
    pub fn sleeping(&self) -> usize {
        lock(&self.inner.sleeps)
            .values()
            .filter(|(_, activity)| *activity)
            .count()
    }

    /// Serves an activity type from now on, as [`HostBuilder::activity`]. What waited for it is
    /// begun.
    pub fn register_activity<F, Fut>(&self, activity_type: &str, function: F)
    where
        F: Fn(ActivityContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
    {
        let worker = Arc::new(Native::new(function));
        self.inner
            .dispatch
            .register(&self.inner, activity_type, worker);
    }

    /// The activity types that this host serves, sorted.
    #[must_use]
    pub fn activity_types(&self) -> Vec<String> {
        self.inner.dispatch.types()
    }

    /// What runs may ask for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.inner.config.limits
    }

    /// The time of the host's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The workflow types of the loaded components, with the component that has each.
    #[must_use]
    pub fn workflow_types(&self) -> Vec<(String, Digest)> {
        self.inner.components.types()
    }
}

/// A run that rests with a workflow task that waits for its component is woken.
pub(crate) fn component_loaded(host: &Inner, digest: Digest) {
    for cell in host.open_runs() {
        let mut state = cell.lock();
        let waits = state.retry_at == Some(Timestamp(u64::MAX)) && state.head.row.digest == digest;
        if waits && state.phase != Phase::Closed {
            state.retry_at = None;
            if state.wake() == Posted::Queue {
                host.enqueue(Arc::clone(&cell));
            }
        }
    }
}
