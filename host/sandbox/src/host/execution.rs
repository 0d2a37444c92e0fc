//! Interface `execution`: ends the run.

use crate::{
    bindings::workflow::sandglass::workflow::execution::{Host, Outcome as WitOutcome},
    convert::failure_in,
    state::GuestState,
};
use sandglass_engine::{Command, Outcome};
use wasmtime::Result;

impl Host for GuestState {
    fn complete(&mut self, how: WitOutcome) -> Result<()> {
        let outcome = match how {
            WitOutcome::Completed(result) => Outcome::Completed(result.into()),
            WitOutcome::Failed(failure) => Outcome::Failed(failure_in(failure)?),
        };
        self.command(Command::Complete { outcome })?;
        Ok(())
    }
}
