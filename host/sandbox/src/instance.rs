//! One live workflow instance: the engine's driver on wasmtime.
//!
//! Between two calls it can be kept, moved to another thread or dropped.

use crate::{
    activation::Activation,
    bindings::workflow::WorkflowPre,
    blocking::{self, Fiber},
    concurrent::{self, Concurrent},
    config::Pace,
    limits::Limits,
    log::LogSink,
    state::{GuestState, Watch},
    workflows::Workflows,
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
    pub(crate) world: World,
    pub(crate) data_bytes: usize,
    pub(crate) memory_bytes_max: usize,
    pub(crate) table_elements_max: usize,
    pub(crate) budget: Duration,
    pub(crate) budget_ticks: u64,
    pub(crate) pace: Pace,
}

/// How the code of a component is called.
#[derive(Clone)]
pub(crate) enum World {
    /// For each event.
    Activation(WorkflowPre<GuestState>),
    /// Once, on a fiber.
    Blocking(Arc<Workflows>),
    /// Once; it awaits.
    Concurrent(Arc<Workflows>),
}

/// One run's guest code in memory. The guest is started with the first event, so that all it learns
/// while it starts is the run's.
///
/// It belongs to one run and must be given its events from the first on. After an error it is of no
/// further use: drop it and replay the run in another one.
pub struct Instance {
    code: Code,
    interrupted: Arc<AtomicBool>,
    dead: bool,
}

enum Code {
    Activation(Box<Activation>),
    Blocking(Box<Fiber>),
    Concurrent(Box<Concurrent>),
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
        let store = self.store(log, Arc::clone(&interrupted));
        let code = match &self.world {
            World::Activation(pre) => {
                Code::Activation(Box::new(Activation::new(store, pre.clone())))
            }
            World::Blocking(code) => Code::Blocking(Box::new(Fiber::new(store, Arc::clone(code)))),
            World::Concurrent(code) => {
                Code::Concurrent(Box::new(Concurrent::new(store, Arc::clone(code))))
            }
        };
        Instance {
            code,
            interrupted,
            dead: false,
        }
    }

    /// Asks a throw-away instance for its workflow types.
    ///
    /// # Errors
    /// It trapped or overran its time.
    pub(crate) fn definitions(&self, log: LogSink) -> Result<Vec<String>, TaskFailure> {
        let store = self.store(log, Arc::default());
        match &self.world {
            World::Activation(pre) => Activation::new(store, pre.clone()).definitions(),
            World::Blocking(code) => blocking::definitions(store, code),
            World::Concurrent(code) => concurrent::definitions(store, code),
        }
    }

    fn store(&self, log: LogSink, interrupted: Arc<AtomicBool>) -> Store<GuestState> {
        let limits = Limits::new(
            self.memory_bytes_max,
            self.table_elements_max,
            self.data_bytes,
        );
        let watch = Watch::new(interrupted, self.pace, self.budget_ticks, self.budget);
        let mut store = Store::new(&self.engine, GuestState::new(limits, log, watch));
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|mut store| store.data_mut().watch.tick());
        store
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
        match &mut self.code {
            Code::Activation(code) => code.bound(left),
            Code::Blocking(code) => code.bound(left),
            Code::Concurrent(code) => code.bound(left),
        }
    }

    /// About how many bytes of memory it holds, for a cache that is bounded by bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        match &self.code {
            Code::Activation(code) => code.resident_bytes(),
            Code::Blocking(code) => code.resident_bytes(),
            Code::Concurrent(code) => code.resident_bytes(),
        }
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
        self.enter(task, |code, task| match code {
            Code::Activation(code) => code.query(query, task),
            Code::Blocking(code) => (task, Ok(code.query(query))),
            Code::Concurrent(code) => (task, Ok(code.query(query))),
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
        self.enter(task, |code, task| match code {
            Code::Activation(code) => code.validate_update(update, task),
            Code::Blocking(code) => (task, Ok(code.validate_update(update))),
            Code::Concurrent(code) => (task, Ok(code.validate_update(update))),
        })
    }

    /// Makes one call into the code, unless it has trapped before.
    fn enter<T>(
        &mut self,
        task: Box<Task>,
        call: impl FnOnce(&mut Code, Box<Task>) -> (Box<Task>, Result<T, TaskFailure>),
    ) -> (Box<Task>, Result<T, TaskFailure>) {
        if self.dead {
            let failure = TaskFailure::new(
                TaskFailedCause::WorkflowWorkerUnhandledFailure,
                "WasmTrap",
                "the instance has trapped before and cannot go on",
            );
            return (task, Err(failure));
        }
        let (task, result) = call(&mut self.code, task);
        self.dead = result.is_err();
        (task, result)
    }
}

impl Driver for Instance {
    fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        self.enter(task, |code, task| match code {
            Code::Activation(code) => code.deliver(event, task),
            Code::Blocking(code) => code.deliver(event, task),
            Code::Concurrent(code) => code.deliver(event, task),
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
