//! One host on a manual clock and a store of its own, with the components of the scenarios.

use crate::{
    PATIENCE, activities,
    activities::Probe,
    binary::{compiled, component},
    host::{HandleUnderTest, HostUnderTest},
    log,
    sweep::{invariants, prefixes},
};
use sandglass::store::{Reader, SqliteStore};
use sandglass::{
    CancelOptions, CancelResponse, Grants, Host, HostBuilder, ManualClock, StartOptions,
};
use sandglass_engine::{
    Digest, EventAttributes, EventId, Frame, HistoryEvent, Limits, Record, Status, Timestamp,
    decode, shorthand, skeleton,
};
use sandglass_sandbox::{Sandbox, SandboxConfig, WorkflowComponent};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// Settings of a [`World`].
#[derive(Debug, Clone, Default)]
pub struct WorldBuilder {
    evict: bool,
    restart: bool,
    no_push: bool,
    unserved: bool,
    activation_budget: Option<Duration>,
    worker_threads: Option<usize>,
    activity_guest: Option<&'static str>,
}

impl WorldBuilder {
    /// Drops each instance after each workflow task, so that every task begins with a replay.
    #[must_use]
    pub fn evict(mut self) -> Self {
        self.evict = true;
        self
    }

    /// Ends the host after each commit, as a crash would, and opens another on the same store.
    #[must_use]
    pub fn restart_after_each_commit(mut self) -> Self {
        self.restart = true;
        self
    }

    /// Attempts hear of a cancellation only in the answer to a heartbeat.
    #[must_use]
    pub fn no_push(mut self) -> Self {
        self.no_push = true;
        self
    }

    /// Serves no activities.
    #[must_use]
    pub fn unserved(mut self) -> Self {
        self.unserved = true;
        self
    }

    /// The longest time for one event delivered to a guest.
    #[must_use]
    pub fn activation_budget(mut self, budget: Duration) -> Self {
        self.activation_budget = Some(budget);
        self
    }

    /// Threads that run workflow tasks.
    #[must_use]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.worker_threads = Some(threads);
        self
    }

    /// Serves the activities of a guest of `tests/guests` too.
    #[must_use]
    pub fn activity_guest(mut self, guest: &'static str) -> Self {
        self.activity_guest = Some(guest);
        self
    }

    /// Starts the host.
    pub async fn build(self) -> World {
        log::collect();
        let dir = TempDir::new().expect("a temporary folder can be made");
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000)));
        let probe = Arc::new(Probe::default());
        let config = SandboxConfig {
            cache_dir: Some(compiled()),
            ..SandboxConfig::default()
        };
        let make = {
            let (settings, clock, probe) = (self.clone(), Arc::clone(&clock), Arc::clone(&probe));
            move || settings.host(&clock, &probe)
        };
        let store = dir.path().join("store.db");
        World {
            host: HostUnderTest::open(store, self.restart, Box::new(make)).await,
            clock,
            probe,
            dir,
            sandbox: Sandbox::new(config).expect("wasmtime works here"),
            loaded: Mutex::default(),
            runs: Mutex::default(),
        }
    }

    /// A host with these settings, but for its store.
    fn host(&self, clock: &Arc<ManualClock>, probe: &Arc<Probe>) -> HostBuilder {
        let clock: Arc<ManualClock> = Arc::clone(clock);
        let mut builder = Host::builder()
            .clock(clock)
            .identity("test")
            .compile_cache(compiled())
            .limits(Limits::temporal())
            .push_cancel(!self.no_push);
        if self.evict {
            builder = builder.instance_cache_bytes(0);
        }
        if let Some(budget) = self.activation_budget {
            builder = builder.activation_budget(budget);
        }
        if let Some(threads) = self.worker_threads {
            builder = builder.worker_threads(threads);
        }
        if !self.unserved {
            builder = activities::serve(builder, probe);
        }
        if let Some(guest) = self.activity_guest {
            let file = format!("guest-{guest}-activities.wasm");
            let bytes = component(&format!("tests/guests/{guest}"), &file);
            builder = builder.activity_component(bytes, Grants::default());
        }
        builder
    }
}

/// A host under test.
pub struct World {
    sandbox: Arc<Sandbox>,
    loaded: Mutex<HashMap<Digest, Arc<WorkflowComponent>>>,
    runs: Mutex<Vec<HandleUnderTest>>,
    /// The host.
    pub host: HostUnderTest,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// What its activities see.
    pub probe: Arc<Probe>,
    dir: TempDir,
}

impl World {
    /// A host with all defaults.
    pub async fn new() -> Self {
        WorldBuilder::default().build().await
    }

    /// Stops the host in order and starts another on the same store.
    pub async fn restart(self) -> Self {
        self.host.stop().await;
        self.host.open_again().await;
        self
    }

    /// Stops the host in order and leaves its folder, with `store.db` in it.
    pub async fn stop(self) -> TempDir {
        self.host.stop().await;
        self.dir
    }

    /// Drops the host as a crash would and starts another on the same store.
    pub async fn crash(self) -> Self {
        self.host.crash();
        self.host.open_again().await;
        self
    }

    /// Loads a component of `tests/guests`.
    pub async fn load(&self, guest: &str) -> Digest {
        // With the folder for the workflows as they are built with `--wasi`.
        let (folder, krate) = guest.rsplit_once('/').unwrap_or(("", guest));
        let file = Path::new(folder).join(format!("guest-{krate}.wasm"));
        let bytes = component(
            &format!("tests/guests/{krate}"),
            file.to_str().expect("text"),
        );
        let loaded = self
            .sandbox
            .load_workflow(&bytes)
            .expect("a guest of the tests is a component");
        prefixes::remember(loaded.digest(), &bytes);
        let digest = self
            .host
            .load_component(bytes)
            .await
            .expect("it loads here as well");
        assert_eq!(
            digest,
            loaded.digest(),
            "a digest names the component everywhere"
        );
        lock(&self.loaded).insert(digest, loaded);
        digest
    }

    /// Replays every run of this world in a new instance: each command must come again as recorded.
    /// Checks what must hold of every history, and continues each from prefixes of its frames.
    ///
    /// # Panics
    /// If a history does not replay, or comes to another end. A run whose component was replaced is
    /// not replayed.
    pub async fn replay_all(&self) {
        self.host.idle().await;
        let handles = lock(&self.runs).clone();
        for handle in handles {
            let frames = self.frames(&handle);
            if let Err(reason) = invariants::check(&frames) {
                panic!("{}: {reason}", handle.workflow_id());
            }
            prefixes::check(&frames).await;
            let Some(component) = self.only_component(&frames) else {
                continue;
            };
            let silent = Arc::new(|_, _: &str, _: &str| {});
            let mut instance = component.instantiate(silent);
            if let Err(error) = sandglass_engine::replay(frames, Some(&mut instance)) {
                panic!("{} does not replay: {error}", handle.workflow_id());
            }
        }
    }

    /// The histories of all runs so far, in the order in which the test came to know them.
    pub async fn histories(&self) -> Vec<Vec<HistoryEvent>> {
        let handles = lock(&self.runs).clone();
        let mut histories = Vec::new();
        for handle in handles {
            histories.push(handle.history().await.expect("the run is known and intact"));
        }
        histories
    }

    fn frames(&self, handle: &HandleUnderTest) -> Vec<Frame> {
        let reader = SqliteStore::open_read_only(&self.store()).expect("the store can be read");
        let found = reader
            .find(handle.workflow_id(), handle.run_id())
            .expect("the row is intact");
        let row = found.expect("a run that was started is stored");
        let frames = reader.frames(row.key).expect("the frames are intact");
        frames
            .iter()
            .map(|bytes| decode(bytes).expect("a frame is intact"))
            .collect()
    }

    /// The component that all workflow tasks of a history ran with.
    fn only_component(&self, frames: &[Frame]) -> Option<Arc<WorkflowComponent>> {
        let records = frames.iter().flat_map(|frame| &frame.records);
        let digests: HashSet<Digest> = records
            .filter_map(|record| match record {
                Record::Task(task) => task.outcome.completed().map(|(digest, _)| digest),
                _ => None,
            })
            .collect();
        match digests.into_iter().collect::<Vec<_>>()[..] {
            [digest] => lock(&self.loaded).get(&digest).cloned(),
            _ => None,
        }
    }

    /// Starts a run of a loaded component's type, under an id of its own.
    pub async fn start(&self, workflow_type: &str) -> RunUnderTest {
        self.start_with(workflow_type, |options| options).await
    }

    /// The same with other options.
    pub async fn start_with(
        &self,
        workflow_type: &str,
        change: impl FnOnce(StartOptions) -> StartOptions,
    ) -> RunUnderTest {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let id = format!("{workflow_type}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let options = change(StartOptions::new(workflow_type, id));
        let handle = self.host.start(options).await.expect("the type is loaded");
        lock(&self.runs).push(handle.clone());
        RunUnderTest { handle }
    }

    /// The newest run of a workflow id, which a run has started.
    #[must_use]
    pub fn child(&self, workflow_id: &str) -> RunUnderTest {
        let handle = self.host.run(workflow_id, None);
        lock(&self.runs).push(handle.clone());
        RunUnderTest { handle }
    }

    /// The run of a handle, replayed with the others at the end.
    #[must_use]
    pub fn adopt(&self, handle: HandleUnderTest) -> RunUnderTest {
        lock(&self.runs).push(handle.clone());
        RunUnderTest { handle }
    }

    /// The same run in a host that was started again.
    #[must_use]
    pub fn again(&self, run: &RunUnderTest) -> RunUnderTest {
        let handle = self.host.run(run.handle.workflow_id(), run.handle.run_id());
        RunUnderTest { handle }
    }

    /// Moves the clock.
    pub fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    /// Moves the clock in steps of 200 ms until something has come about.
    ///
    /// # Panics
    /// It has not within 60 s of this clock.
    pub async fn advance_until(&self, is_so: impl AsyncFn() -> bool) {
        for _ in 0..300 {
            if is_so().await {
                return;
            }
            self.advance(200);
            self.host.idle().await;
        }
        panic!("it has not come about");
    }

    /// The store's file.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store.db")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run of a host under test.
pub struct RunUnderTest {
    /// Its handle.
    pub handle: HandleUnderTest,
}

/// Requests that were made so far, in all worlds of the process.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

impl RunUnderTest {
    /// Asks it to end: reason `r1`, identity `op`.
    pub async fn cancel(&self) -> CancelResponse {
        self.cancel_as("r1", "op").await
    }

    /// Asks it to end.
    pub async fn cancel_as(&self, reason: &str, identity: &str) -> CancelResponse {
        let options = CancelOptions {
            reason: reason.into(),
            identity: identity.into(),
            // If it is asked again because the answer was lost with a host, it is the same one.
            request_id: Some(format!(
                "cancel-{}",
                REQUESTS.fetch_add(1, Ordering::Relaxed)
            )),
            ..CancelOptions::default()
        };
        self.handle.cancel(options).await.expect("the run is known")
    }

    /// Why its last workflow task has failed, as soon as one has.
    pub async fn task_failure(&self) -> String {
        let patience = crate::Patience::default();
        loop {
            let described = self.handle.describe().await;
            match described.expect("the run is known").task_failure() {
                Some(failure) => return failure,
                None => patience.paused("no workflow task fails").await,
            }
        }
    }

    /// Its events so far.
    pub async fn events(&self) -> Vec<HistoryEvent> {
        self.handle
            .history()
            .await
            .expect("the run is known and intact")
    }

    /// Its history so far, in one line.
    pub async fn history(&self) -> String {
        shorthand(&self.events().await)
    }

    /// Waits until its history is just this. The next stimulus then finds it quiescent.
    ///
    /// A host that does not live long may have gone on when it is looked at: then the history has
    /// to begin like this. How it ends is compared exactly, since nothing follows a close.
    ///
    /// # Panics
    /// If that does not come about; the message has the history.
    pub async fn until(&self, history: &str) {
        self.reach(history, shorthand).await;
    }

    /// The same for its skeleton: where two runs, or a run and an activity, race each other.
    ///
    /// # Panics
    /// If that does not come about; the message has the history.
    pub async fn until_skeleton(&self, history: &str) {
        self.reach(history, skeleton).await;
    }

    async fn reach(&self, history: &str, written: fn(&[HistoryEvent]) -> String) {
        let reached = tokio::time::timeout(PATIENCE, async {
            let mut events = self.events().await;
            while !self.is_reached(history, &written(&events)) {
                let last = events.last().map_or(EventId(0), |event| event.event_id);
                let more = self
                    .handle
                    .history_after(last)
                    .await
                    .expect("the run is known");
                if more.is_empty() {
                    return false;
                }
                events = self.events().await;
            }
            true
        });
        if !matches!(reached.await, Ok(true)) {
            panic!(
                "{} did not come to\n  {history} but to\n  {}\n{}",
                self.handle.workflow_id(),
                self.history().await,
                self.dump().await
            );
        }
    }

    /// Waits until its history ends like this.
    ///
    /// # Panics
    /// If that does not come about; the message has the history.
    pub async fn until_ends(&self, end: &str) {
        let reached = tokio::time::timeout(PATIENCE, async {
            let mut events = self.events().await;
            while !shorthand(&events).ends_with(end) {
                let last = events.last().map_or(EventId(0), |event| event.event_id);
                let more = self.handle.history_after(last).await;
                if more.expect("the run is known").is_empty() {
                    return false;
                }
                events = self.events().await;
            }
            true
        });
        if !matches!(reached.await, Ok(true)) {
            panic!("it did not end with {end}:\n{}", self.dump().await);
        }
    }

    fn is_reached(&self, wanted: &str, history: &str) -> bool {
        match history.strip_prefix(wanted) {
            Some("") => true,
            Some(more) => self.handle.host().restarts() && more.starts_with(','),
            None => false,
        }
    }

    /// Waits until it has ended.
    pub async fn closed(&self) -> Status {
        match tokio::time::timeout(PATIENCE, self.handle.result()).await {
            Ok(status) => status.expect("the run is known"),
            Err(_) => panic!("it has not ended:\n{}", self.dump().await),
        }
    }

    /// The result's JSON text, once it has completed.
    pub async fn result(&self) -> String {
        match self.closed().await {
            Status::Completed { result } => {
                String::from_utf8(result.data).expect("results of the tests are JSON")
            }
            other => panic!("it ended as {other:?}:\n{}", self.dump().await),
        }
    }

    /// The first event that a function finds something in.
    pub async fn find<T>(&self, find: impl Fn(&HistoryEvent) -> Option<T>) -> T {
        let events = self.events().await;
        events
            .iter()
            .find_map(find)
            .unwrap_or_else(|| panic!("not in {events:#?}"))
    }

    /// The id of the first event of a type.
    pub async fn event_id(&self, event_type: &str) -> EventId {
        let is = |event: &HistoryEvent| event.attributes.event_type() == event_type;
        self.find(|event| is(event).then_some(event.event_id)).await
    }

    /// The attributes of the first event of a type.
    pub async fn attributes(&self, event_type: &str) -> EventAttributes {
        let is = |event: &HistoryEvent| event.attributes.event_type() == event_type;
        self.find(|event| is(event).then(|| event.attributes.clone()))
            .await
    }

    /// What its guest has logged.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        log::about(self.handle.workflow_id())
    }

    async fn dump(&self) -> String {
        let description = self.handle.describe().await;
        format!("{description:#?}\n{:#?}", self.log())
    }
}
