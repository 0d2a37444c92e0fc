//! One run of such a workflow in memory.

use crate::{
    bindings::concurrent::AsyncWorkflow,
    blocking::RunEnded,
    convert::{failure_in, list},
    desk::{Desk, GivenUp},
    state::GuestState,
    trap::{self, BadCall},
    typed::TypedExport,
    wasi::Birth,
    workflows::Workflows,
};
use sandglass_engine::{
    Command, Failure, GuestEvent, Outcome, Payload, Query, Task, TaskFailure, Update,
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use wasmtime::{
    Result, Store,
    component::{Accessor, AccessorTask, Instance},
};

/// Touched parts of the stack that wasmtime keeps for each store, counted for each.
const STACK_BYTES: usize = 16 << 10;

/// Most tasks, calls and sets of them that wasmtime keeps for a guest at the same time: they lie in
/// the host's memory. All the timers that a run may have can be awaited at once, and as much again.
const TABLE_MAX: usize = 20_000;

/// A run of an async workflow in memory.
pub(crate) struct Concurrent {
    store: Store<GuestState>,
    code: Arc<Workflows>,
    desk: Desk,
    returned: Returned,
    phase: Phase,
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Its start has not come yet.
    Before,
    Begun,
    /// It has returned or trapped.
    Over,
}

/// What the workflow function has returned, once it has.
#[derive(Clone, Default)]
struct Returned(Arc<Mutex<Option<Outcome>>>);

impl Returned {
    fn set(&self, outcome: Outcome) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    fn is_there(&self) -> bool {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.is_some()
    }

    fn take(&self) -> Option<Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The call of the workflow function.
struct Call {
    code: Arc<Workflows>,
    instance: Instance,
    workflow_type: String,
    arguments: Vec<Payload>,
    returned: Returned,
}

impl AccessorTask<GuestState> for Call {
    async fn run(self, accessor: &Accessor<GuestState>) -> Result<()> {
        let returned = if let Some(function) = self.code.typed.get(&self.workflow_type) {
            function
                .call_concurrent(accessor, &self.instance, &self.arguments)
                .await?
        } else {
            let guest =
                accessor.with(|mut store| AsyncWorkflow::new(&mut store, &self.instance))?;
            let exports = guest.sandglass_workflow_async_guest();
            let arguments = list(self.arguments);
            let returned = exports
                .call_run(accessor, self.workflow_type, arguments)
                .await?;
            match returned {
                Ok(result) => Ok(result.into()),
                Err(failure) => Err(failure_in(failure)?),
            }
        };
        self.returned.set(match returned {
            Ok(result) => Outcome::Completed(result),
            Err(failure) => Outcome::Failed(failure),
        });
        Ok(())
    }
}

/// Whether something can go on that could not when it was last looked at.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Concurrent {
    pub(crate) fn new(mut store: Store<GuestState>, code: Arc<Workflows>) -> Self {
        let desk = seated(&mut store);
        Self {
            store,
            code,
            desk,
            returned: Returned::default(),
            phase: Phase::Before,
        }
    }

    pub(crate) fn bound(&mut self, left: Duration) {
        self.store.data_mut().watch.bound(left);
    }

    pub(crate) fn resident_bytes(&self) -> usize {
        let guest = self.store.data().limits.resident_bytes();
        STACK_BYTES + guest + self.desk.resident_bytes()
    }

    /// The code is not entered: it has said before what the answer is.
    pub(crate) fn query(&self, query: &Query) -> std::result::Result<Payload, Failure> {
        self.desk.answer(&query.name)
    }

    /// As [`Self::query`].
    pub(crate) fn validate_update(&self, update: &Update) -> std::result::Result<(), Failure> {
        self.desk.handles(&update.name)
    }

    pub(crate) fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, std::result::Result<(), TaskFailure>) {
        let birth = Birth::of(&task);
        let start = match event {
            GuestEvent::Initialize {
                workflow_type,
                arguments,
            } => Some((workflow_type, arguments)),
            other => {
                self.desk.put(other);
                None
            }
        };
        // What comes before the start is found there.
        if self.phase == Phase::Over || (self.phase == Phase::Before && start.is_none()) {
            return (task, Ok(()));
        }
        let begun = self.store.data_mut().watch.begin().map_err(Into::into);
        let begun = begun.and_then(|()| match start {
            Some((workflow_type, arguments)) => self.begin(birth, workflow_type, arguments),
            None => Ok(()),
        });
        self.store.data_mut().enter(task);
        let result = begun.and_then(|()| self.go_on());
        if result.is_err() {
            self.phase = Phase::Over;
        }
        let (task, last_error) = self.store.data_mut().leave();
        let result = result.map_err(|error| trap::task_failure(&error, last_error.as_deref()));
        (task, result)
    }

    /// Starts the guest, and calls the workflow function: it begins to run with the next turn.
    fn begin(
        &mut self,
        birth: Birth,
        workflow_type: String,
        arguments: Vec<Payload>,
    ) -> Result<()> {
        let instance = start(&mut self.store, &self.code, birth)?;
        self.phase = Phase::Begun;
        if self.code.typed.get(&workflow_type).is_some() {
            self.desk.lock().values_bytes = TypedExport::values_bytes(&arguments);
        }
        self.store.spawn(Call {
            code: Arc::clone(&self.code),
            instance,
            workflow_type,
            arguments,
            returned: self.returned.clone(),
        })?;
        Ok(())
    }

    /// Lets the code run until nothing in it can go on, or it has returned.
    fn go_on(&mut self) -> Result<()> {
        self.store.set_epoch_deadline(1);
        let returned = self.returned.clone();
        let turn = self.store.run_concurrent(async move |_| {
            poll_fn(|_| match returned.is_there() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        });
        // What is left when it rests is kept in the store.
        match until_it_rests(turn) {
            Poll::Ready(Err(error)) if error.downcast_ref::<RunEnded>().is_some() => {
                self.phase = Phase::Over;
                return Ok(());
            }
            Poll::Ready(ended) => ended?,
            Poll::Pending => {}
        }
        match self.returned.take() {
            Some(outcome) => {
                self.phase = Phase::Over;
                let state = self.store.data_mut();
                state.command(Command::Complete { outcome }).map(drop)
            }
            None => self.end_given_up(),
        }
    }

    /// Ends what the code has given up, unless it has ended by itself.
    fn end_given_up(&mut self) -> Result<()> {
        let given_up = std::mem::take(&mut self.desk.lock().given_up);
        for each in given_up {
            let (operation, command) = match each {
                GivenUp::Wait(wait) => (wait, Command::CloseWait { wait }),
                GivenUp::Activity(operation) => (operation, Command::CancelOperation { operation }),
            };
            let mut papers = self.desk.lock();
            let has_ended = papers.take(operation).is_some();
            papers.open.remove(&operation);
            drop(papers);
            if !has_ended {
                self.store.data_mut().command(command)?;
            }
        }
        Ok(())
    }
}

/// Polls until nobody has woken it: then it waits for what is outside of the guest.
fn until_it_rests<T>(turn: impl Future<Output = T>) -> Poll<T> {
    let mut turn = pin!(turn);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(ended) = turn.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(ended);
        }
        if !woken.0.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
    }
}

/// Polls what must not wait.
fn at_once<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match until_it_rests(call) {
        Poll::Ready(ended) => ended,
        Poll::Pending => {
            let message = "the guest waits where nothing will ever come";
            Err(BadCall::new("BadCall", message).into())
        }
    }
}

/// Gives a guest its desk, and bounds what is kept for it.
fn seated(store: &mut Store<GuestState>) -> Desk {
    let table = store.concurrent_resource_table();
    let table = table.expect("the engine of these guests has one");
    table.set_max_capacity(TABLE_MAX);
    let desk = Desk::default();
    store.data_mut().desk = Some(desk.clone());
    desk
}

/// Runs the guest's start functions.
fn start(store: &mut Store<GuestState>, code: &Workflows, birth: Birth) -> Result<Instance> {
    store.data_mut().be_born(birth);
    store.data_mut().watch.begin()?;
    store.set_epoch_deadline(1);
    let instance = at_once(code.pre.instantiate_async(&mut *store))?;
    store.data_mut().end_lines();
    Ok(instance)
}

/// Asks a throw-away instance for its workflow types.
///
/// # Errors
/// It trapped or overran its time.
pub(crate) fn definitions(
    mut store: Store<GuestState>,
    code: &Workflows,
) -> std::result::Result<Vec<String>, TaskFailure> {
    let typed = code.typed.names();
    if !code.has_guest {
        return Ok(typed.collect());
    }
    seated(&mut store);
    let definitions = start(&mut store, code, Birth::default()).and_then(|instance| {
        let guest = AsyncWorkflow::new(&mut store, &instance)?;
        let exports = guest.sandglass_workflow_async_guest();
        at_once(exports.call_definitions(&mut store))
    });
    let last_error = store.data().last_error();
    let definitions = definitions.map_err(|error| trap::task_failure(&error, last_error))?;
    let definitions = definitions.into_iter().map(|of| of.name);
    Ok(typed.chain(definitions).collect())
}
