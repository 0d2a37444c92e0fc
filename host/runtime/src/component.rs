//! Where a run's code comes from: the seam between the host and whatever runs guests.
//!
//! The host itself knows only these two traits. Wasm components fill them, and so
//! does anything else that can take events and issue commands deterministically.

use sandglass_engine::{Digest, Driver, Failure, Payload, Query, Task, TaskFailure, Update};
use std::{sync::Arc, time::Duration};

/// Workflow code that the host can run.
pub trait Component: Send + Sync + 'static {
    /// The digest that names it. Runs are pinned to it.
    fn digest(&self) -> Digest;

    /// The workflow types it has.
    fn workflow_types(&self) -> &[String];

    /// The activities that it calls by functions with types: activity types, with the function in
    /// WIT. They are compared with those that are served.
    fn typed_activities(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Checks the arguments of a run before it is started.
    ///
    /// # Errors
    /// They do not fit the workflow type: in words.
    fn check_arguments(&self, workflow_type: &str, arguments: &[Payload]) -> Result<(), String> {
        let _any_fit = (workflow_type, arguments);
        Ok(())
    }

    /// Makes an instance for one run. Its code begins with the first event.
    fn instantiate(&self) -> Box<dyn GuestInstance>;
}

/// Code of one run in memory. Dropped at any time between two events; then rebuilt by replay.
pub trait GuestInstance: Driver + Send {
    /// What ends a running [`Driver::deliver`] from another thread, with a task failure, within
    /// a fraction of a second.
    fn interrupter(&self) -> Interrupt;

    /// How long the workflow task may still take. Said before each event of a task that is not a
    /// replay; whoever cannot be stopped in the middle of one needs not heed it.
    fn bound(&mut self, left: Duration) {
        let _ = left;
    }

    /// Asks the code a question, in a task that only looks ([`sandglass_engine::Run::look`]). The
    /// instance gets no event afterwards. The inner error is the code's own.
    fn query(
        &mut self,
        query: &Query,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<Payload, Failure>, TaskFailure>) {
        let message = format!("no query `{}`; there are none", query.name);
        (task, Ok(Err(Failure::application("UnknownQuery", message))))
    }

    /// Asks the code whether it agrees to an update, as [`GuestInstance::query`].
    fn validate_update(
        &mut self,
        update: &Update,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<(), Failure>, TaskFailure>) {
        let message = format!("no update `{}`; there are none", update.name);
        (
            task,
            Ok(Err(Failure::application("UnknownUpdate", message))),
        )
    }

    /// Bytes of memory that this instance keeps resident.
    fn resident_bytes(&self) -> usize;
}

/// Ends a running delivery from another thread.
pub type Interrupt = Arc<dyn Fn() + Send + Sync>;
