//! Interface `externals`: speaks to other runs.

use super::operation;
use crate::{
    bindings::{
        types::{Failure, Payload},
        workflow::sandglass::workflow::externals::{Host, Target},
    },
    convert::{header, list},
    state::GuestState,
};
use sandglass_engine::{Command, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn signal_external(
        &mut self,
        parent: u32,
        to: Target,
        name: String,
        arguments: Vec<Payload>,
        headers: Vec<(String, Payload)>,
    ) -> Result<Result<u64, Failure>> {
        let answer = self.command(Command::SignalExternal {
            scope: ScopeId(parent),
            target: to.into(),
            name,
            arguments: list(arguments),
            header: header(headers),
        })?;
        Ok(operation(answer))
    }

    fn cancel_external(
        &mut self,
        parent: u32,
        to: Target,
        reason: String,
    ) -> Result<Result<u64, Failure>> {
        let answer = self.command(Command::CancelExternal {
            scope: ScopeId(parent),
            target: to.into(),
            reason,
        })?;
        Ok(operation(answer))
    }
}
