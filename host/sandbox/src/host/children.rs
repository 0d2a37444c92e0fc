//! Interface `children`: starts child workflows.

use super::operation;
use crate::{
    bindings::{
        types::Failure,
        workflow::sandglass::workflow::children::{ChildCall, Host},
    },
    state::GuestState,
};
use sandglass_engine::{Command, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn start_child(&mut self, parent: u32, call: ChildCall) -> Result<Result<u64, Failure>> {
        let scope = ScopeId(parent);
        let call = call.into();
        Ok(operation(
            self.command(Command::StartChild { scope, call })?,
        ))
    }
}
