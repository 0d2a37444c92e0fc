//! Which component a workflow type of a task queue is run with.

use crate::status;
use sandglass_engine::Digest;
use std::collections::BTreeMap;
use tonic::Status;

/// The workflow types of each task queue, with the component that new runs begin with.
#[derive(Debug, Default)]
pub(crate) struct TaskQueues(BTreeMap<String, BTreeMap<String, Digest>>);

impl TaskQueues {
    /// New runs of these types in this task queue begin with this component from now on.
    pub(crate) fn add(
        &mut self,
        task_queue: &str,
        types: impl IntoIterator<Item = String>,
        digest: Digest,
    ) {
        let served = self.0.entry(task_queue.into()).or_default();
        served.extend(types.into_iter().map(|name| (name, digest)));
    }

    /// The component that a new run begins with.
    ///
    /// A run is pinned to its component when it is started, so unlike on a Temporal server one
    /// cannot be started before there is something to run it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, which no client tries again: nothing serves it. The text says what is
    /// served.
    pub(crate) fn component(
        &self,
        task_queue: &str,
        workflow_type: &str,
    ) -> Result<Digest, Status> {
        if workflow_type.is_empty() {
            return Err(status::invalid("WorkflowType is not set on request."));
        }
        if task_queue.is_empty() {
            return Err(status::invalid("missing task queue name"));
        }
        let names = |found: Vec<&String>| match &found[..] {
            [] => "none".to_owned(),
            names => format!("{names:?}"),
        };
        let Some(types) = self.0.get(task_queue) else {
            let known = names(self.0.keys().collect());
            return Err(status::invalid(format!(
                "no component serves task queue {task_queue:?}; there are: {known}"
            )));
        };
        types.get(workflow_type).copied().ok_or_else(|| {
            let known = names(types.keys().collect());
            status::invalid(format!(
                "no component of task queue {task_queue:?} has a workflow type \
                 {workflow_type:?}; there are: {known}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_that_came_last_has_the_type() {
        let mut queues = TaskQueues::default();
        queues.add("q", ["A".to_owned(), "B".to_owned()], Digest([1; 32]));
        queues.add("q", ["B".to_owned()], Digest([2; 32]));
        assert_eq!(queues.component("q", "A").ok(), Some(Digest([1; 32])));
        assert_eq!(queues.component("q", "B").ok(), Some(Digest([2; 32])));
        let refused = |queue, name| {
            queues
                .component(queue, name)
                .map_err(|e| e.message().to_owned())
        };
        assert_eq!(
            refused("q", "C"),
            Err(
                r#"no component of task queue "q" has a workflow type "C"; there are: ["A", "B"]"#
                    .into()
            )
        );
        assert_eq!(
            refused("p", "A"),
            Err(r#"no component serves task queue "p"; there are: ["q"]"#.into())
        );
    }
}
