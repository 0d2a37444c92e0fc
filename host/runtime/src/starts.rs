//! How runs were started, for those who list them: a run's row does not tell.

use crate::{error::Error, handle::RunHandle, host::Inner};
use sandglass_engine::{Frame, Input, Record, Start, Timestamp, decode};
use sandglass_store::{Reader, RunRow};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a list tells of how a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunStart {
    /// Its task queue.
    pub task_queue: String,
    /// When its first workflow task was due.
    pub execution_time: Timestamp,
}

impl RunStart {
    /// What a store has of the start of this run. Of one that cannot be read there is no task
    /// queue.
    #[must_use]
    pub fn from_store(reader: &dyn Reader, row: &RunRow) -> Self {
        let first = reader.frame(row.key, 1).ok().flatten();
        let frame = first.and_then(|bytes| decode::<Frame>(&bytes).ok());
        let start = frame.and_then(|frame| {
            let mut inputs = frame.records.iter().flat_map(Record::inputs);
            match inputs.next() {
                Some((_, Input::Started(start))) => Some(start.as_ref().clone()),
                _ => None,
            }
        });
        Self::new(start, row.started_at)
    }

    fn new(start: Option<Start>, started_at: Timestamp) -> Self {
        match start {
            Some(start) => Self {
                execution_time: started_at + start.chain.first_task_backoff,
                task_queue: start.task_queue,
            },
            None => Self {
                task_queue: String::new(),
                execution_time: started_at,
            },
        }
    }
}

/// A run whose start is asked for: its ids, and when it was started.
pub(crate) type Asked = (String, String, Timestamp);

/// Most runs that are asked about at a time.
pub(crate) const ASKED_MAX: usize = 1000;

/// How these runs were started.
pub(crate) async fn starts(host: &Arc<Inner>, asked: Vec<Asked>) -> Result<Vec<RunStart>, Error> {
    if asked.len() > ASKED_MAX {
        let reason = format!("it asks about {} runs, more than {ASKED_MAX}", asked.len());
        return Err(Error::LimitExceeded(reason));
    }
    let mut all = Vec::with_capacity(asked.len());
    for (workflow_id, run_id, started_at) in asked {
        let start = RunHandle::new(host, workflow_id, Some(run_id))
            .started()
            .await;
        all.push(RunStart::new(start.ok(), started_at));
    }
    Ok(all)
}
