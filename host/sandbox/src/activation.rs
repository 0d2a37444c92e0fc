//! Workflows whose code is called for each event: world `workflow`.
//!
//! A call is an ordinary synchronous one on the caller's thread. Between calls the instance is
//! plain memory.

use crate::{
    bindings::{
        types,
        workflow::{
            Workflow, WorkflowPre,
            exports::sandglass::workflow::guest::{Guest, Update as WitUpdate},
        },
    },
    convert::{failure_in, header, list},
    state::GuestState,
    trap,
    wasi::Birth,
};
use sandglass_engine::{Failure, GuestEvent, Payload, Query, Task, TaskFailure, Update};
use std::time::Duration;
use wasmtime::Store;

/// What a guest answers to a question.
type Answer<T> = Result<Result<T, Failure>, TaskFailure>;

/// A run of a workflow in memory. The guest is started with the first call, so that all it learns
/// while it starts is the run's.
pub(crate) struct Activation {
    store: Store<GuestState>,
    pre: WorkflowPre<GuestState>,
    guest: Option<Workflow>,
}

impl Activation {
    pub(crate) fn new(store: Store<GuestState>, pre: WorkflowPre<GuestState>) -> Self {
        Self {
            store,
            pre,
            guest: None,
        }
    }

    pub(crate) fn definitions(mut self) -> Result<Vec<String>, TaskFailure> {
        let definitions = self.start(Birth::default()).and_then(|()| {
            let guest = exports(&self.guest);
            guest.call_definitions(&mut self.store)
        });
        let definitions = definitions
            .map_err(|error| trap::task_failure(&error, self.store.data().last_error()))?;
        Ok(definitions.into_iter().map(|of| of.name).collect())
    }

    pub(crate) fn bound(&mut self, left: Duration) {
        self.store.data_mut().watch.bound(left);
    }

    pub(crate) fn resident_bytes(&self) -> usize {
        self.store.data().limits.resident_bytes()
    }

    pub(crate) fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        self.enter(task, |instance| {
            let guest = exports(&instance.guest);
            guest.call_activate(&mut instance.store, &event.into())
        })
    }

    pub(crate) fn query(&mut self, query: &Query, task: Box<Task>) -> (Box<Task>, Answer<Payload>) {
        let (arguments, headers) = (list(query.arguments.clone()), header(query.header.clone()));
        self.enter(task, |instance| {
            let guest = exports(&instance.guest);
            let answer =
                guest.call_query(&mut instance.store, &query.name, &arguments, &headers)?;
            answered(answer.map(Into::into))
        })
    }

    pub(crate) fn validate_update(
        &mut self,
        update: &Update,
        task: Box<Task>,
    ) -> (Box<Task>, Answer<()>) {
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
        let birth = Birth::of(&task);
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
        let result = result.map_err(|error| trap::task_failure(&error, last_error.as_deref()));
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
