//! Interface `timers`: starts durable timers.

use super::operation;
use crate::{
    bindings::{types::Failure, workflow::sandglass::workflow::timers::Host},
    state::GuestState,
};
use sandglass_engine::{Command, Millis, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn start_timer(&mut self, parent: u32, how_long: u64) -> Result<Result<u64, Failure>> {
        let command = Command::StartTimer {
            scope: ScopeId(parent),
            duration: Millis(how_long),
        };
        Ok(operation(self.command(command)?))
    }
}
