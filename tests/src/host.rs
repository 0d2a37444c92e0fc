//! The host under test and its runs: the same door whether one host lives through a whole test or
//! each lives for one commit only.

use crate::PATIENCE;
use crate::lives::{Life, OneCommit};
use sandglass::{
    CancelOptions, CancelResponse, Error, ForceOptions, Host, HostBuilder, MessageError,
    QueryOptions, ResetOptions, RunDescription, RunHandle, StartError, StartOptions, Stats,
    UpdateOptions, UpdateResponse, UpgradeError,
};
use sandglass_engine::{
    Digest, EventId, HistoryEvent, OperatorRequest, Payload, ScopeId, Signal, Status,
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use tokio::sync::watch;

/// Begins to put a host together.
type Make = Box<dyn Fn() -> HostBuilder + Send + Sync>;

/// A host, or one after the other on the same store. Cheap to clone.
#[derive(Clone)]
pub struct HostUnderTest(Arc<Shared>);

struct Shared {
    make: Make,
    store: PathBuf,
    restarts: bool,
    current: watch::Sender<Option<Current>>,
    lives: AtomicU64,
    paused: AtomicBool,
    components: Mutex<Vec<Vec<u8>>>,
    /// What the hosts before the current one have done.
    past: Mutex<Stats>,
    /// Told by a store that takes no more commits.
    tell: mpsc::Sender<u64>,
}

#[derive(Clone)]
struct Current {
    host: Host,
    life: Arc<Life>,
    /// Ends when the host has let go of its store.
    gone: Arc<Mutex<mpsc::Receiver<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HostUnderTest {
    /// Opens the first host. `restarts`: each of them lives for one commit.
    pub(crate) async fn open(store: PathBuf, restarts: bool, make: Make) -> Self {
        let (tell, told) = mpsc::channel();
        let shared = Arc::new(Shared {
            make,
            store,
            restarts,
            current: watch::Sender::new(None),
            lives: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            components: Mutex::default(),
            past: Mutex::default(),
            tell,
        });
        shared.begin_life().await;
        if restarts {
            let weak = Arc::downgrade(&shared);
            thread::spawn(move || replace_hosts(&weak, &told));
        }
        Self(shared)
    }

    /// Whether each host lives for one commit.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.0.restarts
    }

    /// How many hosts there were so far.
    #[must_use]
    pub fn lives(&self) -> u64 {
        self.0.lives.load(Ordering::Relaxed)
    }

    /// Begins a new life, if lives are short: the next commit is then accepted in it.
    pub async fn renew(&self) {
        if self.restarts() {
            let current = self.current().await;
            current.life.end();
            let number = current.life.number;
            // The thread that listens lives as long as this.
            let _sent = self.0.tell.send(number);
            drop(current);
            let mut next = self.0.current.subscribe();
            let newer =
                |now: &Option<Current>| now.as_ref().is_some_and(|c| c.life.number > number);
            let found = tokio::time::timeout(PATIENCE, next.wait_for(newer)).await;
            assert!(matches!(found, Ok(Ok(_))), "no other host came");
        }
    }

    async fn current(&self) -> Current {
        let mut current = self.0.current.subscribe();
        let found = tokio::time::timeout(PATIENCE, current.wait_for(Option::is_some)).await;
        let found = found.expect("a host comes after the last one");
        let found = found.expect("this host is not gone");
        found.clone().expect("it was waited for")
    }

    /// Asks the host, and the next one if this one's life ended before it answered.
    pub(crate) async fn ask<T, E>(
        &self,
        question: impl AsyncFn(&Host) -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            let current = self.current().await;
            let answer = tokio::select! {
                biased;
                answer = question(&current.host) => Some(answer),
                () = current.life.ended() => None,
            };
            match answer {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) if !current.life.is_over() => return Err(error),
                _ => self.next_after(current).await,
            }
        }
    }

    async fn next_after(&self, last: Current) {
        let number = last.life.number;
        // What holds a host keeps it from ending.
        drop(last);
        let mut current = self.0.current.subscribe();
        let other = |now: &Option<Current>| now.as_ref().is_none_or(|c| c.life.number != number);
        let found = tokio::time::timeout(PATIENCE, current.wait_for(other)).await;
        assert!(found.is_ok(), "a host does not end");
    }

    /// Stops the host in order.
    pub(crate) async fn stop(&self) {
        let current = self.0.current.send_replace(None);
        let current = current.expect("a host is stopped once");
        current
            .host
            .shutdown()
            .await
            .expect("the host stops in order");
    }

    /// Drops the host as a crash would.
    pub(crate) fn crash(&self) {
        drop(self.0.current.send_replace(None));
    }

    /// Opens another one.
    pub(crate) async fn open_again(&self) {
        self.0.begin_life().await;
    }

    /// As [`Host::load_component`]; later hosts load it as well.
    ///
    /// # Errors
    /// As there.
    pub async fn load_component(&self, bytes: Vec<u8>) -> Result<Digest, Error> {
        let digest = self
            .ask(async |host| host.load_component(bytes.clone()).await)
            .await?;
        lock(&self.0.components).push(bytes);
        Ok(digest)
    }

    /// As [`Host::start`].
    ///
    /// # Errors
    /// As there.
    pub async fn start(&self, options: StartOptions) -> Result<HandleUnderTest, StartError> {
        let handle = self
            .ask(async |host| host.start(options.clone()).await)
            .await?;
        Ok(self.run(handle.workflow_id(), handle.run_id()))
    }

    /// As [`Host::run`].
    #[must_use]
    pub fn run(&self, workflow_id: &str, run_id: Option<&str>) -> HandleUnderTest {
        HandleUnderTest {
            host: self.clone(),
            workflow_id: workflow_id.into(),
            run_id: run_id.map(Into::into),
        }
    }

    /// As [`Host::upgrade`].
    ///
    /// # Errors
    /// As there.
    pub async fn upgrade(
        &self,
        run: &HandleUnderTest,
        digest: Digest,
        trial: bool,
    ) -> Result<(), UpgradeError> {
        self.ask(async |host| host.upgrade(&run.of(host), digest, trial).await)
            .await
    }

    /// As [`Host::idle`].
    pub async fn idle(&self) {
        let idle = self
            .ask(async |host| {
                host.idle().await;
                Ok::<_, Error>(())
            })
            .await;
        idle.expect("waiting cannot fail");
    }

    /// As [`Host::pause_workflow_tasks`], in later hosts as well.
    pub fn pause_workflow_tasks(&self) {
        self.0.paused.store(true, Ordering::SeqCst);
        self.0.apply_pause();
    }

    /// As [`Host::resume_workflow_tasks`], in later hosts as well.
    pub fn resume_workflow_tasks(&self) {
        self.0.paused.store(false, Ordering::SeqCst);
        self.0.apply_pause();
    }

    /// As [`Host::stats`], of all hosts so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let past = *lock(&self.0.past);
        let current = self.0.current.borrow();
        let now = current.as_ref().map(|now| now.host.stats());
        sum(past, now.unwrap_or_default())
    }
}

impl Shared {
    fn apply_pause(&self) {
        if let Some(current) = &*self.current.borrow() {
            if self.paused.load(Ordering::SeqCst) {
                current.host.pause_workflow_tasks();
            } else {
                current.host.resume_workflow_tasks();
            }
        }
    }

    async fn begin_life(&self) {
        let life = Life::new(self.lives.fetch_add(1, Ordering::Relaxed));
        let (end, gone) = mpsc::channel();
        let mut builder = (self.make)();
        if self.restarts {
            let (path, tell, life) = (self.store.clone(), self.tell.clone(), Arc::clone(&life));
            builder = builder.store_with(move || OneCommit::open(&path, &life, tell, end));
        } else {
            builder = builder.store(&self.store);
        }
        if self.paused.load(Ordering::SeqCst) {
            builder = builder.start_paused();
        }
        let host = builder
            .build()
            .await
            .expect("a host starts on what the last one left");
        let components = lock(&self.components).clone();
        for bytes in components {
            let loaded = host.load_component(bytes).await;
            loaded.expect("what was loaded is loaded again");
        }
        let gone = Arc::new(Mutex::new(gone));
        self.current
            .send_replace(Some(Current { host, life, gone }));
        self.apply_pause();
    }
}

/// Replaces each host whose life is over.
fn replace_hosts(shared: &Weak<Shared>, told: &mpsc::Receiver<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers can be made");
    // The test keeps no host while it waits; its own end is noticed at the latest after a second.
    while shared.strong_count() > 0 {
        let Ok(number) = told.recv_timeout(Duration::from_secs(1)) else {
            continue;
        };
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let is_it = |now: &Current| now.life.number == number;
        if !shared.current.borrow().as_ref().is_some_and(is_it) {
            continue;
        }
        let Some(last) = shared.current.send_replace(None) else {
            continue;
        };
        let Current { host, gone, .. } = last;
        let stats = host.stats();
        {
            let mut past = lock(&shared.past);
            *past = sum(*past, stats);
        }
        drop(host);
        // It ends with an error: nothing is ever sent.
        let ended = lock(&gone).recv_timeout(PATIENCE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
        // A test that has ended has taken its folder away.
        if Arc::strong_count(&shared) > 1 && shared.store.exists() {
            runtime.block_on(shared.begin_life());
        }
    }
}

fn sum(a: Stats, b: Stats) -> Stats {
    Stats {
        commits: a.commits + b.commits,
        frames: a.frames + b.frames,
        frame_bytes: a.frame_bytes + b.frame_bytes,
        tasks: a.tasks + b.tasks,
        tasks_failed: a.tasks_failed + b.tasks_failed,
        replays: a.replays + b.replays,
        evictions: a.evictions + b.evictions,
        attempts: a.attempts + b.attempts,
        stale_reports: a.stale_reports + b.stale_reports,
        blocked_attempts: a.blocked_attempts + b.blocked_attempts,
        early_commits: a.early_commits + b.early_commits,
        tasks_beside: b.tasks_beside,
        frames_waiting: b.frames_waiting,
    }
}

/// One run of the host under test, as [`RunHandle`].
#[derive(Clone)]
pub struct HandleUnderTest {
    host: HostUnderTest,
    workflow_id: String,
    run_id: Option<String>,
}

impl HandleUnderTest {
    fn of(&self, host: &Host) -> RunHandle {
        host.run(&self.workflow_id, self.run_id.as_deref())
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &HostUnderTest {
        &self.host
    }

    /// As [`RunHandle::workflow_id`].
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// As [`RunHandle::run_id`].
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    async fn ask<T>(
        &self,
        question: impl AsyncFn(RunHandle) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.host
            .ask(async |host| question(self.of(host)).await)
            .await
    }

    /// As [`RunHandle::cancel`].
    ///
    /// # Errors
    /// As there.
    pub async fn cancel(&self, options: CancelOptions) -> Result<CancelResponse, Error> {
        self.ask(async |run| run.cancel(options.clone()).await)
            .await
    }

    /// As [`RunHandle::force`].
    ///
    /// # Errors
    /// As there.
    pub async fn force(&self, options: ForceOptions) -> Result<CancelResponse, Error> {
        self.ask(async |run| run.force(options.clone()).await).await
    }

    /// As [`RunHandle::terminate`].
    ///
    /// # Errors
    /// As there.
    pub async fn terminate(&self, reason: &str, identity: &str) -> Result<(), Error> {
        self.ask(async |run| run.terminate(reason, identity).await)
            .await
    }

    /// As [`RunHandle::pause`].
    ///
    /// # Errors
    /// As there.
    pub async fn pause(&self, request: OperatorRequest) -> Result<(), Error> {
        self.ask(async |run| run.pause(request.clone()).await).await
    }

    /// As [`RunHandle::unpause`].
    ///
    /// # Errors
    /// As there.
    pub async fn unpause(&self, request: OperatorRequest) -> Result<(), Error> {
        self.ask(async |run| run.unpause(request.clone()).await)
            .await
    }

    /// As [`RunHandle::reset`]; the handle is that of the new run.
    ///
    /// # Errors
    /// As there.
    pub async fn reset(&self, options: ResetOptions) -> Result<Self, Error> {
        let made = async |run: RunHandle| {
            let new = run.reset(options.clone()).await?;
            Ok(new.run_id().map(ToOwned::to_owned))
        };
        Ok(Self {
            run_id: self.ask(made).await?,
            ..self.clone()
        })
    }

    /// As [`RunHandle::cancel_scope`].
    ///
    /// # Errors
    /// As there.
    pub async fn cancel_scope(
        &self,
        scope: ScopeId,
        request: OperatorRequest,
    ) -> Result<(), Error> {
        self.ask(async |run| run.cancel_scope(scope, request.clone()).await)
            .await
    }

    /// As [`sandglass::ActivityHandle::cancel`].
    ///
    /// # Errors
    /// As there.
    pub async fn cancel_activity(&self, id: &str, request: OperatorRequest) -> Result<(), Error> {
        self.ask(async |run| run.activity(id).cancel(request.clone()).await)
            .await
    }

    /// As [`RunHandle::signal`].
    ///
    /// # Errors
    /// As there.
    pub async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.ask(async |run| run.signal(signal.clone()).await).await
    }

    /// As [`RunHandle::signal_named`].
    ///
    /// # Errors
    /// As there.
    pub async fn signal_named(&self, name: &str, arguments: Vec<Payload>) -> Result<(), Error> {
        self.ask(async |run| run.signal_named(name, arguments.clone()).await)
            .await
    }

    /// As [`RunHandle::query`].
    ///
    /// # Errors
    /// As there.
    pub async fn query(&self, options: QueryOptions) -> Result<Payload, MessageError> {
        let asked = async |host: &Host| self.of(host).query(options.clone()).await;
        self.host.ask(asked).await
    }

    /// As [`RunHandle::update`].
    ///
    /// # Errors
    /// As there.
    pub async fn update(&self, options: UpdateOptions) -> Result<UpdateResponse, MessageError> {
        let asked = async |host: &Host| self.of(host).update(options.clone()).await;
        self.host.ask(asked).await
    }

    /// As [`RunHandle::result`].
    ///
    /// # Errors
    /// As there.
    pub async fn result(&self) -> Result<Status, Error> {
        self.ask(async |run| run.result().await).await
    }

    /// As [`RunHandle::describe`].
    ///
    /// # Errors
    /// As there.
    pub async fn describe(&self) -> Result<RunDescription, Error> {
        self.ask(async |run| run.describe().await).await
    }

    /// As [`RunHandle::history`].
    ///
    /// # Errors
    /// As there.
    pub async fn history(&self) -> Result<Vec<HistoryEvent>, Error> {
        self.ask(async |run| run.history().await).await
    }

    /// As [`RunHandle::history_after`].
    ///
    /// # Errors
    /// As there.
    pub async fn history_after(&self, event_id: EventId) -> Result<Vec<HistoryEvent>, Error> {
        self.ask(async |run| run.history_after(event_id).await)
            .await
    }
}
