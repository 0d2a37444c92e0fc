//! What a workflow may know about itself.

use serde::de::DeserializeOwned;

use crate::{Failure, Payload, host, payload, runtime};

/// The identity of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The workflow id, chosen by the client.
    pub workflow_id: String,
    /// The run id, chosen by the host.
    pub run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// The task queue.
    pub task_queue: String,
}

/// How large the run's history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySize {
    /// Events, up to the one that began this workflow task.
    pub length: u64,
    /// Bytes as stored, before this workflow task.
    pub bytes: u64,
    /// Whether the host advises to continue as new, see [`crate::ContinueAsNew`].
    pub suggest_continue_as_new: bool,
}

/// Where a run stands among those that follow each other, because they continue as new, are tried
/// again or are repeated by a cron schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The first run.
    pub first_run_id: String,
    /// The run before this one.
    pub continued_from: Option<String>,
    /// Which attempt of the retry policy this run is, from 1.
    pub attempt: u32,
    /// The cron schedule.
    pub cron: Option<String>,
    last_result: Option<Payload>,
    /// The failure of the run before this one, if that failed.
    pub last_failure: Option<Failure>,
}

impl Chain {
    /// The value of the last run that returned one; `None` if none did.
    ///
    /// # Errors
    ///
    /// It is not a `T`.
    pub fn last_result<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let value = self.last_result.as_ref();
        value
            .map(|value| payload::decode(value, "the last run's result"))
            .transpose()
    }
}

/// Returns how large the history is; a replay is told what was recorded.
///
/// # Panics
///
/// Outside a workflow.
pub fn history() -> HistorySize {
    runtime::assert_active("info::history");
    let size = host::info::get_history();
    HistorySize {
        length: size.length,
        bytes: size.bytes,
        suggest_continue_as_new: size.suggest_continue_as_new,
    }
}

/// Returns where this run stands in its chain; the same in every replay.
///
/// # Panics
///
/// Outside a workflow.
pub fn chain() -> Chain {
    runtime::assert_active("info::chain");
    let chain = host::info::get_chain();
    Chain {
        first_run_id: chain.first_run_id,
        continued_from: chain.continued_from,
        attempt: chain.attempt,
        cron: chain.cron,
        last_result: chain.last_result,
        last_failure: chain.last_failure.map(Failure::from_links),
    }
}

/// Returns the identity of this run; the same in every replay.
///
/// # Panics
///
/// Outside a workflow. For activities there is [`crate::activity::info`].
pub fn execution() -> Execution {
    runtime::assert_active("info::execution");
    let execution = host::info::get_execution();
    Execution {
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        workflow_type: execution.workflow_type,
        task_queue: execution.task_queue,
    }
}
