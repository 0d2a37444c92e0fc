//! Interface `cancellation`: scopes and the cancellation of operations.

use crate::{
    bindings::{
        types::CancelInfo,
        workflow::sandglass::workflow::cancellation::{Host, ScopeKind},
    },
    state::GuestState,
};
use sandglass_engine::{Answer, Command, OperationId, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn open_scope(&mut self, parent: u32, kind: ScopeKind) -> Result<u32> {
        let command = Command::OpenScope {
            parent: ScopeId(parent),
            kind: kind.into(),
        };
        match self.command(command)? {
            Answer::Scope(scope) => Ok(scope.0),
            answer => unreachable!("the engine answers `open-scope` with a scope, not {answer:?}"),
        }
    }

    fn cancel_scope(&mut self, target: u32, reason: String) -> Result<()> {
        self.command(Command::CancelScope {
            scope: ScopeId(target),
            reason,
        })?;
        Ok(())
    }

    fn close_scope(&mut self, target: u32) -> Result<()> {
        self.command(Command::CloseScope {
            scope: ScopeId(target),
        })?;
        Ok(())
    }

    fn cancel_operation(&mut self, target: u64) -> Result<()> {
        self.command(Command::CancelOperation {
            operation: OperationId(target),
        })?;
        Ok(())
    }

    fn get_cancel(&mut self, target: u32) -> Result<Option<CancelInfo>> {
        Ok(self.task()?.cancel_info(ScopeId(target))?.map(Into::into))
    }
}
