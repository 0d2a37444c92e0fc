//! Putting a host together: its store, its clock, its activities, its limits.

use crate::{
    activity::{ActivityContext, Native, Worker},
    clock::{Clock, SystemClock},
    component::Component,
    components::Components,
    error::Error,
    host::{Config, Host, Inner},
    recovery,
    shutdown::Guard,
};
use sandglass_engine::{Failure, Limits, Payload};
use sandglass_sandbox::{Grants, SandboxConfig};
use sandglass_store::{OwnerLock, SqliteStore, Store};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

/// Threads that poll activities. A native activity that blocks holds one.
const ACTIVITY_THREADS: usize = 4;

/// Connections for reading beside one for each thread that runs workflow tasks.
const READERS_BESIDE: usize = 4;

/// Where the runs are kept.
enum Storage {
    Missing,
    File(PathBuf),
    Custom(Box<dyn FnOnce() -> Result<Box<dyn Store>, sandglass_store::Error> + Send>),
}

/// Collects what a [`Host`] is made of. Every setting but the store has a default.
pub struct HostBuilder {
    storage: Storage,
    clock: Arc<dyn Clock>,
    identity: String,
    activities: Vec<(String, Arc<dyn Worker>)>,
    activity_components: Vec<(Vec<u8>, Grants)>,
    components: Vec<Arc<dyn Component>>,
    limits: Limits,
    sandbox: SandboxConfig,
    instance_cache_bytes: usize,
    worker_threads: usize,
    attempts_max: usize,
    push_cancel: bool,
    start_paused: bool,
}

impl Default for HostBuilder {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            storage: Storage::Missing,
            clock: Arc::new(SystemClock),
            identity: format!("sandglass-{}", std::process::id()),
            activities: Vec::new(),
            activity_components: Vec::new(),
            components: Vec::new(),
            limits: Limits::default(),
            sandbox: SandboxConfig::default(),
            instance_cache_bytes: 1 << 30,
            // More than cores: a step may wait for the disk while it reads a history.
            worker_threads: (2 * cores).max(4),
            attempts_max: 1000,
            push_cancel: true,
            start_paused: false,
        }
    }
}

impl HostBuilder {
    /// The SQLite file of the store. Made if it is not there; owned until the host has ended.
    #[must_use]
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.storage = Storage::File(path.into());
        self
    }

    /// A store of another kind. Seeing to its single owner is the caller's matter.
    #[must_use]
    pub fn store_with<F>(mut self, open: F) -> Self
    where
        F: FnOnce() -> Result<Box<dyn Store>, sandglass_store::Error> + Send + 'static,
    {
        self.storage = Storage::Custom(Box::new(open));
        self
    }

    /// Where the time comes from. Default: the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The name under which attempts of this host appear in histories. Default: with the process
    /// id.
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// Serves an activity type by a function of this process.
    ///
    /// It runs at least once for each activity: again after a failure, a timeout or a crash. When
    /// its result is not wanted any more it is told through its context. It is dropped at its next
    /// await soon after when it is killed or timed out or the host stops; when its run has ended it
    /// may run on until its limit on time. One that blocks its thread cannot be stopped, its result
    /// is refused.
    ///
    /// A result of more than [`Limits::payload_bytes`] is a failure of type `PayloadTooLarge` that
    /// is not retried; a failure that large is replaced by one of that type.
    #[must_use]
    pub fn activity<F, Fut>(mut self, activity_type: impl Into<String>, function: F) -> Self
    where
        F: Fn(ActivityContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
    {
        self.activities
            .push((activity_type.into(), Arc::new(Native::new(function))));
        self
    }

    /// As [`HostBuilder::activity`], for a function of one JSON value that returns another.
    #[must_use]
    pub fn activity_json<F, Fut, A, R>(
        mut self,
        activity_type: impl Into<String>,
        function: F,
    ) -> Self
    where
        F: Fn(ActivityContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Failure>> + Send + 'static,
        A: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
    {
        self.activities
            .push((activity_type.into(), Arc::new(Native::json(function))));
        self
    }

    /// Serves the activity types of a wasm component, which may use what is granted and nothing
    /// else.
    #[must_use]
    pub fn activity_component(mut self, bytes: impl Into<Vec<u8>>, grants: Grants) -> Self {
        self.activity_components.push((bytes.into(), grants));
        self
    }

    /// Workflow code that is not a wasm component.
    #[must_use]
    pub fn component(mut self, component: Arc<dyn Component>) -> Self {
        self.components.push(component);
        self
    }

    /// Bytes of guest memory kept resident between workflow tasks; 0 rebuilds each run by replay
    /// for each task. Default: 1 GiB.
    #[must_use]
    pub fn instance_cache_bytes(mut self, bytes: usize) -> Self {
        self.instance_cache_bytes = bytes;
        self
    }

    /// Threads that run workflow tasks. Default: two per core, at least 4.
    ///
    /// While runs wait for one, a thread that has been at its run for 5 ms is replaced; it goes on
    /// with a lower priority, up to 64 of them.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = threads.max(1);
        self
    }

    /// The longest time for one event delivered to a guest. Default: 2 s.
    #[must_use]
    pub fn activation_budget(mut self, budget: Duration) -> Self {
        self.sandbox.activation_budget = budget;
        self
    }

    /// How often a guest that computes is looked at: a budget that is used up, and an interruption,
    /// are noticed within two of these. Default: 10 ms.
    #[must_use]
    pub fn epoch_tick(mut self, tick: Duration) -> Self {
        self.sandbox.epoch_tick = tick.max(Duration::from_millis(1));
        self
    }

    /// Bytes of memory that one guest may use. Default: 256 MiB.
    #[must_use]
    pub fn memory_bytes_max(mut self, bytes: usize) -> Self {
        self.sandbox.memory_bytes_max = bytes;
        self
    }

    /// A directory for compiled components. It must not be writable by others. Default: none.
    #[must_use]
    pub fn compile_cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.sandbox.cache_dir = Some(directory.into());
        self
    }

    /// Whether a running attempt is told at once that it is to be canceled. If not, its next
    /// heartbeat is answered so. Default: yes.
    #[must_use]
    pub fn push_cancel(mut self, push: bool) -> Self {
        self.push_cancel = push;
        self
    }

    /// Attempts of activities at one time. Others wait in order. Default: 1,000.
    #[must_use]
    pub fn concurrent_attempts(mut self, attempts: usize) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// What one workflow task and one run may ask for. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts with workflow tasks held back, until [`Host::resume_workflow_tasks`]. So a run that
    /// is in the store can be moved to another component before its own is entered once more.
    #[must_use]
    pub fn start_paused(mut self) -> Self {
        self.start_paused = true;
        self
    }

    /// Opens the store, takes up its open runs and starts the host.
    ///
    /// # Errors
    /// [`Error::Store`], also if another process owns the store; [`Error::Component`] if a
    /// component cannot be used; [`Error::System`] if a thread or the socket cannot be made.
    pub async fn build(self) -> Result<Host, Error> {
        let (owner, mut store) = match self.storage {
            Storage::Missing => return Err(Error::system("build a host", "no store was given")),
            Storage::File(path) => {
                let (lock, store) = open_file(&path)?;
                (Some(lock), store)
            }
            Storage::Custom(open) => (None, open()?),
        };
        let clean = store.mark_running()?;
        let connections = self.worker_threads + READERS_BESIDE;
        let readers = (0..connections)
            .map(|_| store.reader())
            .collect::<Result<Vec<_>, _>>()?;
        let next_key = readers[0].next_run_key()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ACTIVITY_THREADS)
            .thread_name("sandglass-activity")
            .enable_all()
            .build()
            .map_err(|error| Error::system("start the runtime of activities", error))?;
        let config = Config {
            identity: self.identity,
            limits: self.limits,
            push_cancel: self.push_cancel,
            evict_always: self.instance_cache_bytes == 0,
        };
        let inner = Arc::new(Inner::new(
            config,
            self.clock,
            runtime.handle().clone(),
            Components::new(self.sandbox),
            readers,
            next_key,
            self.instance_cache_bytes,
            self.attempts_max,
        ));
        for (name, worker) in self.activities {
            inner.dispatch.register(&inner, &name, worker);
        }
        for component in self.components {
            inner.components.add(component);
        }
        let guard = Arc::new(Guard::new(&inner, runtime, owner));
        let host = Host { inner, guard };
        // Before the activities are: they are compared with what takes new runs.
        let bound = host.inner.read(|reader| reader.component_note())?;
        host.inner.components.take_up(bound)?;
        for (bytes, grants) in self.activity_components {
            host.load_activities(bytes, grants).await?;
        }
        if self.start_paused {
            // Before anything is taken up: taking up wakes runs.
            host.pause_workflow_tasks();
        }
        recovery::recover(&host.inner, clean)?;
        crate::crash::point("recovery.after");
        host.guard.start(store, self.worker_threads)?;
        host.guard.listen()?;
        Ok(host)
    }
}

fn open_file(path: &Path) -> Result<(OwnerLock, Box<dyn Store>), Error> {
    let lock = OwnerLock::acquire(path)?;
    let store = SqliteStore::open(path)?;
    Ok((lock, Box::new(store)))
}
