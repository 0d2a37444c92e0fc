//! One live workflow instance: the engine's driver on wasmtime.
//!
//! A call into the guest is an ordinary synchronous call on the caller's thread. Between calls the
//! instance is plain memory; it can be kept, moved to another thread or dropped.

use crate::{
    bindings::{
        types,
        workflow::{
            Workflow, WorkflowPre,
            exports::sandglass::workflow::guest::{Guest, Update as WitUpdate},
        },
    },
    config::Pace,
    convert::{failure_in, header, list},
    limits::Limits,
    log::LogSink,
    state::{GuestState, Watch},
    trap,
    wasi::Birth,
};
use sandglass_engine::{
    Driver, Failure, GuestEvent, Payload, Query, Task, TaskFailedCause, TaskFailure, Update,
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use wasmtime::{Engine, Store};

/// What instances of one component have in common.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) engine: Engine,
    pub(crate) pre: WorkflowPre<GuestState>,
    pub(crate) data_bytes: usize,
    pub(crate) memory_bytes_max: usize,
    pub(crate) table_elements_max: usize,
    pub(crate) budget: Duration,
    pub(crate) budget_ticks: u64,
    pub(crate) pace: Pace,
}

/// One run's guest code in memory. The guest is started with the first event, so that all it learns
/// while it starts is the run's.
///
/// It belongs to one run and must be given its events from the first on. After an error it is of no
/// further use: drop it and replay the run in another one.
pub struct Instance {
    store: Store<GuestState>,
    pre: WorkflowPre<GuestState>,
    guest: Option<Workflow>,
    interrupted: Arc<AtomicBool>,
    data_bytes: usize,
    dead: bool,
}

/// Stops an [`Instance`] from another thread.
#[derive(Debug, Clone)]
pub struct Interrupter(Arc<AtomicBool>);

impl Interrupter {
    /// Ends the call that is under way within two ticks of the epoch, and refuses every later one,
    /// with a task failure of type `Interrupted`.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Template {
    /// Makes an instance, whose guest is not started yet.
    pub(crate) fn instantiate(&self, log: LogSink) -> Instance {
        let interrupted = Arc::new(AtomicBool::new(false));
        let limits = Limits::new(self.memory_bytes_max, self.table_elements_max);
        let watch = Watch::new(
            Arc::clone(&interrupted),
            self.pace,
            self.budget_ticks,
            self.budget,
        );
        let mut store = Store::new(&self.engine, GuestState::new(limits, log, watch));
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|mut store| store.data_mut().watch.tick());
        Instance {
            store,
            pre: self.pre.clone(),
            guest: None,
            interrupted,
            data_bytes: self.data_bytes,
            dead: false,
        }
    }

    /// Asks a throw-away instance for its workflow types.
    ///
    /// # Errors
    /// It trapped or overran its time.
    pub(crate) fn definitions(&self, log: LogSink) -> Result<Vec<String>, TaskFailure> {
        let mut instance = self.instantiate(log);
        let definitions = instance.start(Birth::default()).and_then(|()| {
            let guest = exports(&instance.guest);
            guest.call_definitions(&mut instance.store)
        });
        let definitions = definitions
            .map_err(|error| trap::task_failure(&error, instance.store.data().last_error()))?;
        Ok(definitions
            .into_iter()
            .map(|definition| definition.name)
            .collect())
    }
}

impl Instance {
    /// A handle that stops this instance from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Arc::clone(&self.interrupted))
    }

    /// Says how long the workflow task under way may still take: a call that computes for longer is
    /// ended with a task failure of type `TimedOut`, if the budget of one event does not end it
    /// first. Holds for the calls that follow, until it is said again.
    pub fn bound(&mut self, left: Duration) {
        self.store.data_mut().watch.bound(left);
    }

    /// About how many bytes of memory it holds, for a cache that is bounded by bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        self.store.data().limits.resident_bytes(self.data_bytes)
    }

    /// Asks the guest a question. The task is one that only looks
    /// ([`sandglass_engine::Run::look`]), and the instance must not be given any event afterwards.
    ///
    /// # Errors
    /// The guest trapped, called an import that is not for looking, or overran its time. A failure
    /// that it answered with is the inner one.
    pub fn query(
        &mut self,
        query: &Query,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<Payload, Failure>, TaskFailure>) {
        let (arguments, headers) = (list(query.arguments.clone()), header(query.header.clone()));
        self.enter(task, |instance| {
            let guest = exports(&instance.guest);
            let answer =
                guest.call_query(&mut instance.store, &query.name, &arguments, &headers)?;
            answered(answer.map(Into::into))
        })
    }

    /// Asks the guest whether it agrees to an update, as [`Self::query`].
    ///
    /// # Errors
    /// As there.
    pub fn validate_update(
        &mut self,
        update: &Update,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<(), Failure>, TaskFailure>) {
        let update = WitUpdate::from(update.clone());
        self.enter(task, |instance| {
            let guest = exports(&instance.guest);
            answered(guest.call_validate_update(&mut instance.store, &update)?)
        })
    }

    /// Runs the guest's start functions.
    ///
    /// # Errors
    /// They trapped, overran their time, or the instance does not fit in the limits.
    fn start(&mut self, birth: Birth) -> wasmtime::Result<()> {
        self.store.data_mut().be_born(birth);
        self.store.set_epoch_deadline(1);
        self.guest = Some(self.pre.instantiate(&mut self.store)?);
        self.store.data_mut().end_lines();
        Ok(())
    }

    /// Makes one call into the guest.
    fn enter<T>(
        &mut self,
        task: Box<Task>,
        call: impl FnOnce(&mut Self) -> wasmtime::Result<T>,
    ) -> (Box<Task>, Result<T, TaskFailure>) {
        if self.dead {
            let failure = TaskFailure::new(
                TaskFailedCause::WorkflowWorkerUnhandledFailure,
                "WasmTrap",
                "the instance has trapped before and cannot go on",
            );
            return (task, Err(failure));
        }
        let birth = Birth {
            seed: task.start().seed,
            at: task.now(),
            replaying: task.replaying(),
        };
        let result = self.store.data_mut().watch.begin().map_err(Into::into);
        let result = result.and_then(|()| match &self.guest {
            Some(_) => Ok(()),
            None => self.start(birth),
        });
        self.store.data_mut().enter(task);
        let result = result.and_then(|()| {
            self.store.set_epoch_deadline(1);
            call(self)
        });
        let (task, last_error) = self.store.data_mut().leave();
        let result = result.map_err(|error| {
            self.dead = true;
            trap::task_failure(&error, last_error.as_deref())
        });
        (task, result)
    }
}

/// The functions of a guest that is started.
fn exports(guest: &Option<Workflow>) -> &Guest {
    let guest = guest.as_ref().expect("it is started before it is called");
    guest.sandglass_workflow_guest()
}

/// What a guest has answered with.
fn answered<T>(answer: Result<T, types::Failure>) -> wasmtime::Result<Result<T, Failure>> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(failure) => Ok(Err(failure_in(failure)?)),
    }
}

impl Driver for Instance {
    fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        self.enter(task, |instance| {
            let guest = exports(&instance.guest);
            guest.call_activate(&mut instance.store, &event.into())
        })
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}
