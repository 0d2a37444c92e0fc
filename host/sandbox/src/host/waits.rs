//! Interface `waits`: tells the host where a workflow is blocked.

use super::operation;
use crate::{
    bindings::{types::Failure, workflow::sandglass::workflow::waits::Host},
    state::GuestState,
};
use sandglass_engine::{Command, OperationId, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn open_wait(&mut self, parent: u32, label: String) -> Result<Result<u64, Failure>> {
        Ok(operation(self.command(Command::OpenWait {
            scope: ScopeId(parent),
            label,
        })?))
    }

    fn close_wait(&mut self, wait: u64) -> Result<()> {
        self.command(Command::CloseWait {
            wait: OperationId(wait),
        })?;
        Ok(())
    }
}
