//! Workflows whose code runs straight ahead: world `blocking-workflow`.
//!
//! The code runs on a stack of its own, a fiber. Where it waits the fiber is left, and the events
//! that follow are put on the run's [desk](crate::desk); after each the code looks whether it can
//! go on. So it sees the same events in the same order as a workflow that is called for each.

mod fiber;
mod imports;

use crate::{bindings::blocking::sandglass::workflow::blocking, host, state::GuestState};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

pub(crate) use fiber::{Fiber, RunEnded, definitions};

/// Makes every import of the world available.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    host::add_to_linker(linker)?;
    blocking::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}
