//! Interface `info`: a run's identity, its time and its random numbers.

use crate::{
    bindings::workflow::sandglass::workflow::info::{Chain, Execution, HistorySize, Host},
    convert::failure_out,
    state::GuestState,
};
use sandglass_engine::{Answer, Command};
use wasmtime::Result;

impl Host for GuestState {
    fn get_execution(&mut self) -> Result<Execution> {
        let start = self.task()?.start();
        Ok(Execution {
            workflow_id: start.workflow_id.clone(),
            run_id: start.run_id.clone(),
            workflow_type: start.workflow_type.clone(),
            task_queue: start.task_queue.clone(),
        })
    }

    fn get_history(&mut self) -> Result<HistorySize> {
        let task = self.task()?;
        let size = task.history_size();
        Ok(HistorySize {
            length: task.history_length(),
            bytes: size.bytes,
            suggest_continue_as_new: size.suggest_continue_as_new,
        })
    }

    fn get_chain(&mut self) -> Result<Chain> {
        let start = self.task()?.start();
        let chain = &start.chain;
        Ok(Chain {
            first_run_id: start.first_run_id().to_owned(),
            continued_from: chain.continued_from.clone(),
            attempt: chain.attempt,
            cron: chain.cron.clone(),
            last_result: chain.last_result.clone().map(Into::into),
            last_failure: chain.continued_failure.clone().map(failure_out),
        })
    }

    fn now(&mut self) -> Result<u64> {
        Ok(self.task()?.now().0)
    }

    fn random_bytes(&mut self, len: u32) -> Result<Vec<u8>> {
        self.draw(len)
    }

    fn patched(&mut self, id: String) -> Result<bool> {
        let deprecated = false;
        match self.command(Command::Patched { id, deprecated })? {
            Answer::Patched(patched) => Ok(patched),
            answer => unreachable!("the engine answers `patched` with yes or no, not {answer:?}"),
        }
    }

    fn deprecate_patch(&mut self, id: String) -> Result<()> {
        let deprecated = true;
        self.command(Command::Patched { id, deprecated })?;
        Ok(())
    }
}
