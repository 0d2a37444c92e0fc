//! Where a run's code comes from: the seam between the host and whatever runs guests.
//!
//! The host itself knows only these two traits. Wasm components fill them, and so
//! does anything else that can take events and issue commands deterministically.

use sandglass_engine::{Digest, Driver, TaskFailure};
use std::sync::Arc;

/// Workflow code that the host can run.
pub trait Component: Send + Sync + 'static {
    /// The digest that names it. Runs are pinned to it.
    fn digest(&self) -> Digest;

    /// The workflow types it has.
    fn workflow_types(&self) -> &[String];

    /// Makes an instance for one run. It has seen no event yet.
    ///
    /// # Errors
    /// Fails the workflow task that needs it.
    fn instantiate(&self) -> Result<Box<dyn GuestInstance>, TaskFailure>;
}

/// Code of one run in memory. Dropped at any time between two events; then rebuilt by replay.
pub trait GuestInstance: Driver + Send {
    /// What ends a running [`Driver::deliver`] from another thread, with a task failure, within
    /// a fraction of a second.
    fn interrupter(&self) -> Interrupt;

    /// Bytes of memory that this instance keeps resident.
    fn resident_bytes(&self) -> usize;
}

/// Ends a running delivery from another thread.
pub type Interrupt = Arc<dyn Fn() + Send + Sync>;
