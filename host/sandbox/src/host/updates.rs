//! Interface `updates`: answers updates.

use crate::{
    bindings::{
        types::{Failure, Payload},
        workflow::sandglass::workflow::updates::Host,
    },
    convert::failure_in,
    state::GuestState,
};
use sandglass_engine::Command;
use wasmtime::Result;

impl Host for GuestState {
    fn complete_update(&mut self, id: String, outcome: Result<Payload, Failure>) -> Result<()> {
        let outcome = match outcome {
            Ok(value) => Ok(value.into()),
            Err(failure) => Err(failure_in(failure)?),
        };
        self.command(Command::CompleteUpdate { id, outcome })?;
        Ok(())
    }
}
