//! What calls of waiting code do before they wait, or instead: the same whichever way they wait.

use super::Papers;
use crate::{
    bindings::types::{Failure, Payload},
    convert::failure_out,
    state::GuestState,
    trap::BadCall,
};
use sandglass_engine::{
    ActivityCall, Answer, Command, Failure as EngineFailure, OperationId, ScopeId, Signal,
};
use std::ops::ControlFlow;
use wasmtime::Result;

impl Papers {
    /// Checks that the outcome of an operation can come, or be there.
    pub(crate) fn awaited(&self, operation: OperationId) -> Result<()> {
        if self.open.contains(&operation) {
            return Ok(());
        }
        let message = format!("{operation} is no operation whose outcome was not taken");
        Err(BadCall::new("BadWait", message).into())
    }
}

impl GuestState {
    /// Begins an activity of a typed import, in the scope that the code has said.
    ///
    /// # Errors
    /// The call is refused by the rules. The inner failure: the scope is canceled.
    pub(crate) fn begin_activity(
        &mut self,
        call: ActivityCall,
    ) -> Result<std::result::Result<OperationId, EngineFailure>> {
        self.task()?;
        let scope = self.desk().lock().scope;
        match self.command(Command::ScheduleActivity { scope, call })? {
            Answer::Operation(operation) => Ok(Ok(operation)),
            Answer::Refused(failure) => Ok(Err(failure)),
            _ => unreachable!("the engine answers an activity with an operation or a refusal"),
        }
    }

    /// Begins a wait in a scope, unless there is an answer at once: what is looked for, or that the
    /// scope is canceled.
    pub(crate) fn begin_wait<T>(
        &mut self,
        parent: u32,
        label: String,
        look: impl Fn(&mut Papers) -> Option<T>,
    ) -> Result<ControlFlow<std::result::Result<T, Failure>, OperationId>> {
        let scope = ScopeId(parent);
        // In a canceled scope the wait is refused, whatever has come.
        let is_canceled = self.task()?.cancel_info(scope)?.is_some();
        if !is_canceled && let Some(found) = look(&mut self.desk().lock()) {
            return Ok(ControlFlow::Break(Ok(found)));
        }
        match self.command(Command::OpenWait { scope, label })? {
            Answer::Operation(wait) => Ok(ControlFlow::Continue(wait)),
            Answer::Refused(failure) => Ok(ControlFlow::Break(Err(failure_out(failure)))),
            _ => unreachable!("the engine answers a wait with an operation or a refusal"),
        }
    }

    /// Takes the oldest signal of a name.
    pub(crate) fn take_signal(&mut self, name: &str) -> Result<Option<Signal>> {
        self.task()?;
        Ok(self.desk().lock().signal(name))
    }

    /// Says which updates are handled.
    pub(crate) fn handle(&mut self, names: Vec<String>) -> Result<()> {
        self.task()?;
        self.desk().lock().handled = names.into_iter().collect();
        Ok(())
    }

    /// Says which scope calls of typed imports belong to. One that is not there traps.
    pub(crate) fn call_from(&mut self, parent: u32) -> Result<()> {
        let scope = ScopeId(parent);
        self.task()?.cancel_info(scope)?;
        self.desk().lock().scope = scope;
        Ok(())
    }

    /// Says what queries of a name are answered.
    pub(crate) fn answer_with(&mut self, name: String, answer: Payload) -> Result<()> {
        self.task()?;
        let kept = self.desk().lock().keep_answer(name, answer.into());
        Ok(kept.map_err(|message| BadCall::new("BadCall", message))?)
    }
}
