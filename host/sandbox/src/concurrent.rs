//! Workflows in languages that have the component model's `async`: world `async-workflow`.
//!
//! The code awaits many things at once. What it waits for is a future of the host, which is woken
//! by the one event that it is about; then the guest runs until nothing in it can go on. So it sees
//! the same events in the same order as a workflow that is called for each. The store stays ours
//! between two events, and so do the imports' tasks.

mod imports;
mod run;

use crate::{bindings::concurrent::sandglass::workflow::async_waits, host, state::GuestState};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

pub(crate) use imports::run_activity;
pub(crate) use run::{Concurrent, definitions};

/// Makes every import of the world available.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    host::add_to_linker(linker)?;
    async_waits::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}
