//! Compensations: activities that undo what a run has done.
//!
//! They are registered with the host, which runs them when the workflow returns a failure: newest
//! first, one at a time, shielded from cancellation, after everything they undo has settled. The
//! workflow needs no code for that.
//!
//! A compensation belongs to the activity that it undoes and is registered in the same breath,
//! before the next `.await`. By default it is skipped if that activity failed or was canceled for
//! certain.

use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::host::compensation as host;
use crate::runtime::{self, Operation, OperationKind};
use crate::{ActivityCall, Failure};

pub use host::RunWhen;

/// A registered compensation.
#[derive(Debug)]
pub struct Compensation {
    /// None if what it would undo was never started.
    id: Option<types::Compensation>,
}

impl Compensation {
    /// Registers a compensation that undoes no particular activity: it always runs.
    ///
    /// A replay compares the registration with the recorded one. It works in a canceled scope, too.
    ///
    /// # Panics
    ///
    /// Outside a workflow, and if an argument has no JSON form.
    pub fn register<T>(undo: ActivityCall<T>) -> Self {
        runtime::assert_active("a compensation");
        Self::push(None, undo, RunWhen::Always)
    }

    /// Replaces the arguments by those of `undo`, once the result of what it undoes is known. Type
    /// and options stay as they were registered.
    ///
    /// # Panics
    ///
    /// If an argument has no JSON form.
    pub fn set_arguments<T>(&self, undo: ActivityCall<T>) {
        let arguments = undo
            .into_arguments()
            .unwrap_or_else(|failure| panic!("{failure}"));
        if let Some(id) = self.id
            && runtime::may_command()
        {
            host::set_compensation_arguments(id, &arguments);
        }
    }

    pub(crate) fn push<T>(
        undoes: Option<types::Operation>,
        undo: ActivityCall<T>,
        when: RunWhen,
    ) -> Self {
        // Going on without it would lose the compensation when it is needed.
        let call = undo
            .into_host()
            .unwrap_or_else(|failure| panic!("{failure}"));
        let scope = runtime::current_scope();
        Self {
            id: Some(host::push_compensation(scope, undoes, &call, when)),
        }
    }

    pub(crate) fn none() -> Self {
        Self { id: None }
    }
}

/// Says what the failure of a compensation means from now on for those that were to run after it:
/// by default they run nevertheless, with `true` they do not. The run shows what was not undone in
/// both cases.
///
/// A replay compares the call with the recorded one. It works in a canceled scope, too.
///
/// # Panics
///
/// Outside a workflow.
pub fn stop_compensating_on_failure(stop: bool) {
    runtime::assert_active("stop_compensating_on_failure");
    host::stop_compensating_on_failure(stop);
}

/// Runs the compensations of the current scope, and of the scopes below it, now. Those of a scope
/// that has ended are its parent's.
///
/// Those that run are no longer registered. Cancellation does not stop them. A replay waits for
/// their recorded results.
///
/// # Errors
///
/// The failure of one that failed. The others have run nevertheless, unless
/// [`stop_compensating_on_failure`] was asked for.
///
/// # Panics
///
/// Outside a workflow.
pub async fn compensate() -> Result<(), Failure> {
    runtime::assert_active("compensate");
    let id = host::compensate(runtime::current_scope());
    Operation::new(id, OperationKind::Detached)
        .await
        .map(|_| ())
}
