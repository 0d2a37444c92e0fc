//! Interface `compensation`: registers activities that undo what a run has done.

use crate::{
    bindings::{
        types::{ActivityCall, Payload},
        workflow::sandglass::workflow::compensation::{Host, RunWhen},
    },
    convert::list,
    state::GuestState,
};
use sandglass_engine::{Answer, Command, CompensationId, OperationId, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn push_compensation(
        &mut self,
        owner: u32,
        undoes: Option<u64>,
        call: ActivityCall,
        when: RunWhen,
    ) -> Result<u32> {
        let command = Command::PushCompensation {
            scope: ScopeId(owner),
            undoes: undoes.map(OperationId),
            call: call.into(),
            when: when.into(),
        };
        match self.command(command)? {
            Answer::Compensation(compensation) => Ok(compensation.0),
            answer => unreachable!("the engine answers with a compensation, not {answer:?}"),
        }
    }

    fn set_compensation_arguments(&mut self, target: u32, arguments: Vec<Payload>) -> Result<()> {
        self.command(Command::SetCompensationArguments {
            compensation: CompensationId(target),
            arguments: list(arguments),
        })?;
        Ok(())
    }

    fn stop_compensating_on_failure(&mut self, stop: bool) -> Result<()> {
        self.command(Command::StopCompensatingOnFailure { stop })?;
        Ok(())
    }

    fn compensate(&mut self, owner: u32) -> Result<u64> {
        match self.command(Command::Compensate {
            scope: ScopeId(owner),
        })? {
            Answer::Operation(operation) => Ok(operation.0),
            answer => unreachable!("the engine answers with an operation, not {answer:?}"),
        }
    }
}
