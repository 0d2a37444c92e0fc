//! What every call needs: the host behind the door of a namespace, and the run that a request is
//! for.

use crate::{
    history::Histories, proto::common::WorkflowExecution, queues::TaskQueues, status,
    visibility::Started, workers::Workers,
};
use sandglass::{Host, RunHandle};
use std::{
    collections::HashMap,
    sync::{Mutex, RwLock},
    time::Duration,
};
use tokio::sync::watch;
use tonic::Status;

/// How long a poll waits before it is answered that there is nothing. Clients ask again at once;
/// they give up a call after 30 s if it is none of those that they know to be long.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(20);

/// As [`LONG_POLL`], for polls of workers. Their clients wait for 70 s; Temporal's server answers
/// after 51 to 58 s.
const WORKER_POLL: Duration = Duration::from_secs(55);

/// The host of a namespace, as the calls see it.
pub(crate) struct Door {
    /// The name of the namespace.
    pub(crate) namespace: String,
    pub(crate) host: Host,
    pub(crate) queues: RwLock<TaskQueues>,
    pub(crate) workers: Workers,
    /// What lists show of how runs were started, by run id.
    pub(crate) starts: Mutex<HashMap<String, Started>>,
    pub(crate) histories: Histories,
    /// True once no new work is to be begun: long polls are answered then.
    pub(crate) closing: watch::Receiver<bool>,
}

impl Door {
    pub(crate) fn new(namespace: &str, host: Host, closing: watch::Receiver<bool>) -> Self {
        let mut queues = TaskQueues::default();
        queues.push(host.task_queue_bindings(), None);
        Self {
            namespace: namespace.into(),
            queues: RwLock::new(queues),
            host,
            workers: Workers::default(),
            starts: Mutex::default(),
            histories: Histories::default(),
            closing,
        }
    }

    /// The run that a request is for: the current one of a chain, whatever run is named with it, or
    /// else exactly the one that is named, or the current one of the workflow id.
    pub(crate) fn run(
        &self,
        execution: Option<WorkflowExecution>,
        first_run_id: &str,
    ) -> Result<RunHandle, Status> {
        let WorkflowExecution {
            workflow_id,
            run_id,
        } = execution.unwrap_or_default();
        if workflow_id.is_empty() {
            return Err(status::invalid("WorkflowId is not set on request."));
        }
        if [run_id.as_str(), first_run_id]
            .iter()
            .any(|id| !id.is_empty() && !is_uuid(id))
        {
            return Err(status::invalid("Invalid RunId."));
        }
        Ok(match first_run_id {
            "" => self
                .host
                .run(workflow_id, Some(&*run_id).filter(|id| !id.is_empty())),
            first => self.host.run(workflow_id, None).of_chain(first),
        })
    }

    /// Waits for something, but no longer than a poll may take. `None`: there is nothing yet.
    pub(crate) fn poll<T>(&self, wait: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
        self.poll_for(LONG_POLL, Box::pin(wait))
    }

    /// As [`Door::poll`], for a worker that waits for something to do.
    pub(crate) fn poll_of_worker<T>(
        &self,
        wait: impl Future<Output = T>,
    ) -> impl Future<Output = Option<T>> {
        // Thousands wait: each future around it would have room of its own for it.
        self.poll_for(WORKER_POLL, Box::pin(wait))
    }

    async fn poll_for<T>(&self, limit: Duration, wait: impl Future<Output = T>) -> Option<T> {
        let mut closing = self.closing.clone();
        tokio::select! {
            biased;
            found = wait => Some(found),
            () = tokio::time::sleep(limit) => None,
            _ = closing.wait_for(|closing| *closing) => None,
        }
    }

    /// Waits for something that has a limit of its own. `None`: the server stops before.
    pub(crate) async fn until_closing<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut closing = self.closing.clone();
        tokio::select! {
            biased;
            found = wait => Some(found),
            _ = closing.wait_for(|closing| *closing) => None,
        }
    }
}

pub(crate) fn is_uuid(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::is_uuid;

    #[test]
    fn run_ids_are_uuids() {
        assert!(is_uuid("01a2056e-6994-7006-ae3f-9945cba9cf38"));
        for bad in [
            "",
            "x",
            "01a2056e-6994-7006-ae3f-9945cba9cf3",
            "01a2056e06994-7006-ae3f-9945cba9cf38",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }
}
