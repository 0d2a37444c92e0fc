//! Scripted guests, gates and stores for the tests of the host.

use sandglass::{
    Component, GuestInstance, Host, HostBuilder, Interrupt, ManualClock, RunHandle, StartOptions,
    engine::*,
    store::{
        ActivityRow, Checkpoint, ComponentChange, ComponentRow, Error, ListFilter, OutboxRow,
        Reader, Rows, RunKey, RunRow, SqliteStore, Stats, Store, TimerRow, Write,
    },
};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tempfile::TempDir;

/// Code of one run.
pub(crate) type Handler = Box<dyn FnMut(&GuestEvent, &mut Calls<'_>) + Send>;

/// A component whose guests are closures.
pub(crate) struct Script {
    digest: Digest,
    types: Vec<String>,
    make: Box<dyn Fn() -> Handler + Send + Sync>,
}

/// A component with one workflow type, `main`.
pub(crate) fn script<F>(make: impl Fn() -> F + Send + Sync + 'static) -> Arc<Script>
where
    F: FnMut(&GuestEvent, &mut Calls<'_>) + Send + 'static,
{
    script_named(1, make)
}

/// A component with a digest of this number.
pub(crate) fn script_named<F>(
    number: u8,
    make: impl Fn() -> F + Send + Sync + 'static,
) -> Arc<Script>
where
    F: FnMut(&GuestEvent, &mut Calls<'_>) + Send + 'static,
{
    Arc::new(Script {
        digest: Digest([number; 32]),
        types: vec!["main".into()],
        make: Box::new(move || Box::new(make())),
    })
}

impl Component for Script {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn workflow_types(&self) -> &[String] {
        &self.types
    }

    fn instantiate(&self) -> Box<dyn GuestInstance> {
        Box::new(Guest {
            handler: (self.make)(),
            interrupted: Arc::default(),
        })
    }
}

struct Guest {
    handler: Handler,
    interrupted: Arc<AtomicBool>,
}

impl Driver for Guest {
    fn deliver(
        &mut self,
        event: GuestEvent,
        mut task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        let mut calls = Calls {
            task: &mut task,
            failure: None,
            interrupted: &self.interrupted,
        };
        (self.handler)(&event, &mut calls);
        let failure = calls.failure.take();
        (task, failure.map_or(Ok(()), Err))
    }
}

impl GuestInstance for Guest {
    fn interrupter(&self) -> Interrupt {
        let interrupted = Arc::clone(&self.interrupted);
        Arc::new(move || interrupted.store(true, Ordering::Release))
    }

    fn resident_bytes(&self) -> usize {
        1000
    }

    /// It agrees to every update.
    fn validate_update(
        &mut self,
        _: &Update,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<(), Failure>, TaskFailure>) {
        (task, Ok(Ok(())))
    }
}

/// What a guest may call.
pub(crate) struct Calls<'a> {
    pub(crate) task: &'a mut Task,
    failure: Option<TaskFailure>,
    interrupted: &'a AtomicBool,
}

impl Calls<'_> {
    pub(crate) fn command(&mut self, command: Command) -> Answer {
        if self.failure.is_some() {
            return Answer::Done;
        }
        self.task.command(command).unwrap_or_else(|failure| {
            self.failure = Some(failure);
            Answer::Done
        })
    }

    pub(crate) fn timer(&mut self, millis: u64) -> Answer {
        let (scope, duration) = (ScopeId::ROOT, Millis(millis));
        self.command(Command::StartTimer { scope, duration })
    }

    pub(crate) fn activity(&mut self, scope: ScopeId, call: ActivityCall) -> Answer {
        self.command(Command::ScheduleActivity { scope, call })
    }

    /// Starts the child `child`, of the same type, with an argument.
    pub(crate) fn child(&mut self, options: ChildCall) {
        let call = ChildCall {
            workflow_type: "main".into(),
            workflow_id: Some("child".into()),
            arguments: vec![Payload::json("1")],
            ..options
        };
        let scope = ScopeId::ROOT;
        self.command(Command::StartChild { scope, call });
    }

    pub(crate) fn complete(&mut self, json: &str) {
        self.command(Command::Complete {
            outcome: Outcome::Completed(Payload::json(json)),
        });
    }

    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.command(Command::Complete {
            outcome: Outcome::Failed(failure.clone()),
        });
    }

    /// Ends with the result of an activity, timer or wait.
    pub(crate) fn end_with(&mut self, event: &GuestEvent) {
        match event {
            GuestEvent::ActivityResolved(_, Ok(result)) => {
                let outcome = Outcome::Completed(result.clone());
                self.command(Command::Complete { outcome });
            }
            GuestEvent::TimerFired(_, Ok(())) => self.complete("\"fired\""),
            GuestEvent::ActivityResolved(_, Err(failure))
            | GuestEvent::TimerFired(_, Err(failure))
            | GuestEvent::WaitCanceled(_, failure) => self.fail(failure),
            _ => {}
        }
    }

    pub(crate) fn trap(&mut self, message: &str) {
        let cause = TaskFailedCause::WorkflowWorkerUnhandledFailure;
        self.failure = Some(TaskFailure::new(cause, "WasmTrap", message));
    }

    /// Loops until it is interrupted, as a guest is by its epoch.
    pub(crate) fn spin(&mut self) {
        while !self.interrupted.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        self.trap("interrupted");
    }
}

/// A call of an activity with a long limit.
pub(crate) fn call(activity_type: &str) -> ActivityCall {
    ActivityCall {
        activity_type: activity_type.into(),
        start_to_close: Some(Millis(3_600_000)),
        ..ActivityCall::default()
    }
}

/// A door that threads wait at. The guest or store side says that it has come, the test opens.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<Door>, Condvar)>);

#[derive(Default)]
struct Door {
    open: bool,
    come: usize,
}

impl Gate {
    /// Says that somebody has come, and waits until the gate is open.
    pub(crate) fn pass(&self) {
        let (door, changed) = &*self.0;
        let mut door = door.lock().unwrap();
        door.come += 1;
        changed.notify_all();
        while !door.open {
            door = changed.wait(door).unwrap();
        }
    }

    /// Waits until this many have come.
    pub(crate) fn wait_for(&self, count: usize) {
        let (door, changed) = &*self.0;
        let mut door = door.lock().unwrap();
        while door.come < count {
            door = changed.wait(door).unwrap();
        }
    }

    pub(crate) fn has_come(&self) -> bool {
        self.0.0.lock().unwrap().come > 0
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.0.lock().unwrap().open
    }

    pub(crate) fn open(&self) {
        let (door, changed) = &*self.0;
        door.lock().unwrap().open = true;
        changed.notify_all();
    }
}

/// A store in a temporary folder, a clock, and hosts on them.
pub(crate) struct World {
    _folder: TempDir,
    pub(crate) db: PathBuf,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("test.db");
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000)));
        Self {
            _folder: folder,
            db,
            clock,
        }
    }

    pub(crate) fn host(&self, script: &Arc<Script>) -> HostBuilder {
        let component: Arc<dyn Component> = script.clone();
        Host::builder()
            .store(&self.db)
            .clock(self.clock.clone())
            .component(component)
    }

    /// A copy of all that is stored now: what a crash would leave.
    pub(crate) fn stored_copy(&self) -> PathBuf {
        let copy = self.db.with_extension("copy");
        let stored = rusqlite::Connection::open(&self.db).unwrap();
        stored
            .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
            .unwrap();
        copy
    }

    /// Moves the clock and waits until what that caused is through.
    pub(crate) async fn advance(&self, host: &Host, millis: u64) {
        self.clock.advance(std::time::Duration::from_millis(millis));
        host.idle().await;
    }
}

/// Starts the run `w` and waits until it rests.
pub(crate) async fn start(host: &Host) -> RunHandle {
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    host.idle().await;
    run
}

/// The result of a completed run, as JSON text.
pub(crate) async fn json_result(run: &RunHandle) -> String {
    match run.result().await.unwrap() {
        Status::Completed { result } => String::from_utf8(result.data).unwrap(),
        other => panic!("not completed: {other:?}"),
    }
}

/// A history in the shorthand of the semantics.
pub(crate) async fn shape_of(run: &RunHandle) -> String {
    shape(&run.history().await.unwrap())
}

pub(crate) fn shape(events: &[HistoryEvent]) -> String {
    shorthand(events)
}

/// How many effects of runs on others wait in a store.
pub(crate) fn waiting_effects(db: &Path) -> u64 {
    let connection = rusqlite::Connection::open(db).unwrap();
    let count = "SELECT count(*) FROM outbox";
    connection.query_row(count, [], |row| row.get(0)).unwrap()
}

/// What the store does with the next commits, one entry each; afterwards all go through.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<FaultsInner>);

#[derive(Default)]
struct FaultsInner {
    next: Mutex<VecDeque<Fault>>,
    gate: Gate,
    reads: Mutex<Option<Gate>>,
    pub(crate) sizes: Mutex<Vec<usize>>,
    checkpoints: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The whole commit fails.
    Commit,
    /// The first write of the commit fails.
    FirstWrite,
    /// The commit waits at the gate.
    Wait,
}

impl Faults {
    pub(crate) fn push(&self, fault: Fault) {
        self.0.next.lock().unwrap().push_back(fault);
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Whoever is the next to read frames waits at this gate with what it has read.
    pub(crate) fn hold_next_read(&self) -> Gate {
        let gate = Gate::default();
        *self.0.reads.lock().unwrap() = Some(gate.clone());
        gate
    }

    /// How many frames each commit had.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.0.sizes.lock().unwrap().clone()
    }

    pub(crate) fn host(&self, builder: HostBuilder, db: &Path) -> HostBuilder {
        let (faults, db) = (self.clone(), db.to_owned());
        builder.store_with(move || {
            let store = SqliteStore::open(&db)?;
            Ok(Box::new(Faulty { store, faults }))
        })
    }
}

struct Faulty {
    store: SqliteStore,
    faults: Faults,
}

fn full() -> Error {
    Error::Io {
        file: "test.db".into(),
        doing: "write".into(),
        reason: "told to fail".into(),
    }
}

impl Store for Faulty {
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<Result<(), Error>>, Error> {
        let fault = self.faults.0.next.lock().unwrap().pop_front();
        let frames = writes.iter().filter(|write| write.frame.is_some()).count();
        self.faults.0.sizes.lock().unwrap().push(frames);
        match fault {
            Some(Fault::Commit) => return Err(full()),
            Some(Fault::FirstWrite) => {
                let mut results = self.store.commit(&writes[1..])?;
                results.insert(0, Err(full()));
                return Ok(results);
            }
            Some(Fault::Wait) => self.faults.0.gate.pass(),
            None => {}
        }
        self.store.commit(writes)
    }

    fn put_component(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        self.store.put_component(digest, bytes)
    }

    fn change_components(&mut self, change: &ComponentChange) -> Result<(), Error> {
        self.store.change_components(change)
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        self.faults.0.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.store.checkpoint()
    }

    fn mark_running(&mut self) -> Result<bool, Error> {
        self.store.mark_running()
    }

    fn mark_clean(&mut self) -> Result<(), Error> {
        self.store.mark_clean()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        let faults = self.faults.clone();
        let reader = self.store.reader()?;
        Ok(Box::new(Reading { reader, faults }))
    }

    fn stats(&self) -> Stats {
        self.store.stats()
    }

    fn file(&self) -> &Path {
        self.store.file()
    }
}

struct Reading {
    reader: Box<dyn Reader>,
    faults: Faults,
}

impl Reader for Reading {
    fn next_run_key(&self) -> Result<RunKey, Error> {
        self.reader.next_run_key()
    }

    fn find(&self, workflow_id: &str, run_id: Option<&str>) -> Result<Option<RunRow>, Error> {
        self.reader.find(workflow_id, run_id)
    }

    fn run(&self, key: RunKey) -> Result<Option<RunRow>, Error> {
        self.reader.run(key)
    }

    fn open_runs(&self) -> Result<Rows, Error> {
        self.reader.open_runs()
    }

    fn list(
        &self,
        filter: &ListFilter,
        limit: usize,
        after: Option<RunKey>,
    ) -> Result<Rows, Error> {
        self.reader.list(filter, limit, after)
    }

    fn frames_from(&self, key: RunKey, first: u64) -> Result<Vec<Vec<u8>>, Error> {
        let frames = self.reader.frames_from(key, first);
        let gate = self.faults.0.reads.lock().unwrap().take();
        gate.iter().for_each(Gate::pass);
        frames
    }

    fn frame(&self, key: RunKey, number: u64) -> Result<Option<Vec<u8>>, sandglass::store::Error> {
        self.reader.frame(key, number)
    }

    fn activities(&self, key: RunKey) -> Result<Vec<ActivityRow>, Error> {
        self.reader.activities(key)
    }

    fn all_activities(&self) -> Result<Vec<ActivityRow>, Error> {
        self.reader.all_activities()
    }

    fn timers(&self, key: RunKey) -> Result<Vec<TimerRow>, Error> {
        self.reader.timers(key)
    }

    fn all_timers(&self) -> Result<Vec<TimerRow>, Error> {
        self.reader.all_timers()
    }

    fn outbox(&self) -> Result<Vec<OutboxRow>, Error> {
        self.reader.outbox()
    }

    fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        self.reader.component(digest)
    }

    fn has_component(&self, digest: Digest) -> Result<bool, Error> {
        self.reader.has_component(digest)
    }

    fn components(&self) -> Result<Vec<ComponentRow>, Error> {
        self.reader.components()
    }

    fn component_note(&self) -> Result<Option<String>, Error> {
        self.reader.component_note()
    }

    fn file(&self) -> &Path {
        self.reader.file()
    }
}
