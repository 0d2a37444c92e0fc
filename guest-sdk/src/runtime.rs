//! The run that this instance holds: its tasks, its unresolved operations and the current scope.
//!
//! The host calls `activate` with one event at a time. The event resolves an operation, which wakes
//! whoever awaits it; then tasks are polled until nobody wakes another. No more is needed for
//! ordinary futures to work, because every future keeps the waker it was polled with and is woken
//! through that one only.
//!
//! Everything is thread-local: an instance holds one run and has one thread.

mod children;
mod conditions;
mod handlers;
mod operation;
mod signals;
mod task;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::Waker;

use sandglass_guest_bindings::workflow::exports::sandglass::workflow::guest::{Event, Start};
use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::Failure;
use crate::host::execution::{Outcome, complete};
use crate::payload::Payload;

pub(crate) use operation::{Operation, OperationKind};
pub use task::{JoinHandle, spawn};

/// The future of a workflow or of an activity attempt, with its result encoded.
#[doc(hidden)]
pub type Body = Pin<Box<dyn Future<Output = Result<Payload, Failure>>>>;

/// A workflow or activity type, as `export!` lists it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The type's name.
    pub name: &'static str,
    /// Decodes the arguments and makes the body's future.
    pub begin: fn(Vec<Payload>) -> Body,
}

/// The root scope, which the request for the run's cancellation cancels.
pub(crate) const ROOT: types::Scope = 0;

/// All that one run needs between two activations.
#[derive(Default)]
pub(crate) struct Run {
    /// Whether an activation is under way: only then may the host be asked for anything.
    active: Cell<bool>,
    /// Whether the run has ended. What is dropped afterwards issues no commands.
    completed: Cell<bool>,
    /// Whether the workflow's code has begun.
    begun: Cell<bool>,
    /// How many futures of detached scopes are being dropped; what they started goes on.
    abandoning: Cell<i32>,
    scope: Cell<types::Scope>,
    operations: RefCell<BTreeMap<types::Operation, operation::Slot>>,
    /// Who waits for a scope's cancellation, by scope and order of asking.
    cancel_waiters: RefCell<BTreeMap<(types::Scope, u64), Waker>>,
    next_waiter: Cell<u64>,
    children: children::Children,
    conditions: conditions::Conditions,
    handlers: handlers::Handlers,
    signals: RefCell<BTreeMap<String, signals::Mailbox>>,
    tasks: task::Tasks,
}

thread_local! {
    static RUN: Run = Run::default();
}

/// Gives access to the run of this instance.
pub(crate) fn with<R>(f: impl FnOnce(&Run) -> R) -> R {
    RUN.with(f)
}

/// Panics with a message that a user understands, if the host cannot be asked now.
pub(crate) fn assert_active(what: &str) {
    assert!(
        with(|run| run.active.get()),
        "{what} was used outside a running workflow"
    );
}

/// Whether commands may be issued: inside an activation, before the run's end.
pub(crate) fn may_command() -> bool {
    // A thread's end drops thread-locals in any order; by then there is no host to tell.
    RUN.try_with(|run| run.active.get() && !run.completed.get())
        .unwrap_or(false)
}

/// Takes one event and works until nothing more can be done.
#[doc(hidden)]
pub fn activate(definitions: &[Definition], event: Event) {
    crate::log::install_panic_hook();
    if with(|run| run.completed.get()) {
        return;
    }
    with(|run| run.active.set(true));
    let begins = matches!(event, Event::Initialize(_));
    match event {
        Event::Initialize(start) => begin(definitions, start),
        Event::SignalReceived(signal) => signals::deliver(signal.name, signal.arguments),
        Event::CancelRequested(_) => wake_cancel_waiters(ROOT),
        Event::ScopeCanceled(canceled) => wake_cancel_waiters(canceled.scope),
        Event::ActivityResolved(resolved) => {
            operation::resolve(resolved.operation, resolved.outcome.map(Some));
        }
        Event::ChildStarted(started) => children::started(started.operation, started.run_id),
        Event::ChildResolved(resolved) => {
            operation::resolve(resolved.operation, resolved.outcome.map(Some));
            children::resolved(resolved.operation);
        }
        Event::TimerFired(resolved)
        | Event::ExternalResolved(resolved)
        | Event::WaitCanceled(resolved)
        | Event::Compensated(resolved) => {
            operation::resolve(resolved.operation, resolved.outcome.map(|()| None));
        }
        Event::UpdateRequested(update) => handlers::deliver(update),
    }
    task::drain();
    if begins && !with(|run| run.completed.get()) {
        handlers::begun();
    }
    with(|run| run.active.set(false));
}

fn begin(definitions: &[Definition], start: Start) {
    let definition = definitions
        .iter()
        .find(|one| one.name == start.workflow_type);
    let Some(definition) = definition else {
        panic!(
            "this component has no workflow type `{}`",
            start.workflow_type
        );
    };
    with(|run| run.begun.set(true));
    let body = (definition.begin)(start.arguments);
    task::spawn_in(ROOT, async move {
        let outcome = match body.await {
            Ok(result) => Outcome::Completed(result),
            Err(failure) => Outcome::Failed(failure.into_links()),
        };
        complete(&outcome);
        end();
    });
}

/// The host was told how the run ends: nothing runs after this.
pub(crate) fn end() {
    with(|run| run.completed.set(true));
}

/// The scope that new operations belong to.
pub(crate) fn current_scope() -> types::Scope {
    with(|run| run.scope.get())
}

/// Runs `f` with `scope` as the current one.
pub(crate) fn enter<R>(scope: types::Scope, f: impl FnOnce() -> R) -> R {
    // A thread's end drops its run when there is no current scope any more.
    let Ok(before) = RUN.try_with(|run| run.scope.replace(scope)) else {
        return f();
    };
    let result = f();
    with(|run| run.scope.set(before));
    result
}

/// Runs `f`, which drops the future of a detached scope; operations dropped by it go on.
pub(crate) fn abandon<R>(f: impl FnOnce() -> R) -> R {
    let change = |by: i32| RUN.try_with(|run| run.abandoning.set(run.abandoning.get() + by));
    let counted = change(1);
    let result = f();
    if counted.is_ok() {
        change(-1).expect("the run was there a moment ago");
    }
    result
}

/// Registers a waker for a scope's cancellation and returns what to unregister it by.
pub(crate) fn add_cancel_waiter(scope: types::Scope, waker: Waker) -> (types::Scope, u64) {
    with(|run| {
        let key = (scope, run.next_waiter.replace(run.next_waiter.get() + 1));
        run.cancel_waiters.borrow_mut().insert(key, waker);
        key
    })
}

/// Forgets a waker, if it is still there.
pub(crate) fn remove_cancel_waiter(key: (types::Scope, u64)) {
    drop(with(|run| run.cancel_waiters.borrow_mut().remove(&key)));
}

fn wake_cancel_waiters(scope: types::Scope) {
    let wakers = with(|run| {
        let mut waiters = run.cancel_waiters.borrow_mut();
        let keys: Vec<_> = waiters
            .range((scope, 0)..=(scope, u64::MAX))
            .map(|(k, _)| *k)
            .collect();
        keys.iter()
            .filter_map(|key| waiters.remove(key))
            .collect::<Vec<_>>()
    });
    wakers.into_iter().for_each(Waker::wake);
}

pub(crate) use children::poll_started;
pub(crate) use conditions::Condition;
pub(crate) use handlers::{UpdateEntry, register_query, register_update, updates_finished};
#[doc(hidden)]
pub use handlers::{query as answer_query, validate_update};
pub(crate) use signals::{add_receiver, remove_receiver, take_signal};

#[cfg(test)]
pub(crate) mod tests;
