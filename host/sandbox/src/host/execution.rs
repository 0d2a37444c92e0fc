//! Interface `execution`: ends the run.

use crate::{
    bindings::workflow::sandglass::workflow::execution::{
        Continuation, Host, Outcome as WitOutcome,
    },
    convert::{failure_in, fields, header, list, search_fields},
    state::GuestState,
};
use sandglass_engine::{Command, ContinueCall, Millis, Outcome};
use wasmtime::Result;

impl Host for GuestState {
    fn complete(&mut self, how: WitOutcome) -> Result<()> {
        let outcome = match how {
            WitOutcome::Completed(result) => Outcome::Completed(result.into()),
            WitOutcome::Failed(failure) => Outcome::Failed(failure_in(failure)?),
            WitOutcome::ContinueAsNew(how) => Outcome::ContinueAsNew(Box::new(how.into())),
        };
        self.command(Command::Complete { outcome })?;
        Ok(())
    }
}

impl From<Continuation> for ContinueCall {
    fn from(how: Continuation) -> Self {
        Self {
            workflow_type: how.workflow_type,
            arguments: list(how.arguments),
            task_queue: how.task_queue,
            run_timeout: how.run_timeout.map(Millis),
            retry: how.retry.map(Into::into),
            header: how.header.map(header),
            memo: how.memo.map(fields),
            search_attributes: how.search_attributes.map(search_fields),
            drop_cancel: how.drop_cancel,
            drop_compensations: how.drop_compensations,
        }
    }
}
