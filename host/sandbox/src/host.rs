//! The imports of workflows, one module per WIT interface. Each converts its arguments, passes a
//! command to the task and converts the answer; what a call means is decided by the engine.

mod activities;
mod attributes;
mod cancellation;
mod children;
mod compensation;
mod execution;
mod externals;
mod info;
mod log;
mod timers;
mod updates;
mod waits;

use crate::{
    bindings::{types, workflow::Workflow},
    convert::failure_out,
    state::GuestState,
    wasi,
};
use sandglass_engine::Answer;
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

pub(crate) use log::level;

/// Makes every import of world `workflow` available.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    Workflow::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wasi::add_to_linker(linker)
}

impl types::Host for GuestState {}

/// The answer to a call that starts an operation or is refused because its scope is canceled.
fn operation(answer: Answer) -> Result<u64, types::Failure> {
    match answer {
        Answer::Operation(operation) => Ok(operation.0),
        Answer::Refused(failure) => Err(failure_out(failure)),
        Answer::Done | Answer::Scope(_) | Answer::Compensation(_) | Answer::Patched(_) => {
            unreachable!("the engine answers such a command with an operation or a refusal")
        }
    }
}
