//! What a workflow may know about itself.

use crate::{host, runtime};

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
