//! Which component a workflow type of a task queue is run with.

use crate::status;
use sandglass::TaskQueueBinding;
use sandglass_engine::Digest;
use std::collections::BTreeMap;
use tonic::Status;

/// The workflow types of each task queue, with the component that new runs begin with.
#[derive(Debug, Default)]
pub(crate) struct TaskQueues {
    served: BTreeMap<String, BTreeMap<String, Digest>>,
    /// What the server was started with.
    named: Vec<TaskQueueBinding>,
    /// What was pushed: it goes before that, until it is removed.
    pushed: Vec<TaskQueueBinding>,
}

impl TaskQueues {
    /// New runs of these types in this task queue begin with this component from now on, unless
    /// another was pushed.
    pub(crate) fn add(
        &mut self,
        task_queue: &str,
        types: impl IntoIterator<Item = String>,
        digest: Digest,
    ) {
        self.named.push(TaskQueueBinding {
            task_queue: task_queue.into(),
            digest,
            types: types.into_iter().collect(),
        });
        self.bind();
    }

    /// These were pushed, and this one is served no more.
    pub(crate) fn push(&mut self, pushed: Vec<TaskQueueBinding>, removed: Option<Digest>) {
        self.named.retain(|named| Some(named.digest) != removed);
        self.pushed = pushed;
        self.bind();
    }

    fn bind(&mut self) {
        self.served.clear();
        for binding in self.named.iter().chain(&self.pushed) {
            let types = self.served.entry(binding.task_queue.clone()).or_default();
            let names = binding.types.iter().cloned();
            types.extend(names.map(|name| (name, binding.digest)));
        }
    }

    /// The task queues and types that new runs of begin with a component.
    pub(crate) fn of(&self, digest: Digest) -> Vec<(&str, Vec<&str>)> {
        let queues = self.served.iter().map(|(task_queue, types)| {
            let types = types.iter().filter(|(_, of)| **of == digest);
            let names: Vec<&str> = types.map(|(name, _)| name.as_str()).collect();
            (task_queue.as_str(), names)
        });
        queues.filter(|(_, names)| !names.is_empty()).collect()
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
        let Some(types) = self.served.get(task_queue) else {
            let known = names(self.served.keys().collect());
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
        let refused = |queues: &TaskQueues, queue, name| {
            queues
                .component(queue, name)
                .map_err(|e| e.message().to_owned())
        };
        assert_eq!(
            refused(&queues, "q", "C"),
            Err(
                r#"no component of task queue "q" has a workflow type "C"; there are: ["A", "B"]"#
                    .into()
            )
        );
        let pushed = |types: &[&str], digest| TaskQueueBinding {
            task_queue: "q".into(),
            digest,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
        };
        let (third, fourth) = (Digest([3; 32]), Digest([4; 32]));
        queues.push(vec![pushed(&["A"], third), pushed(&["A"], fourth)], None);
        queues.add("q", ["A".to_owned()], Digest([5; 32]));
        assert_eq!(queues.component("q", "A").ok(), Some(fourth));
        assert_eq!(queues.of(third), []);
        queues.push(vec![pushed(&["A"], third)], Some(Digest([5; 32])));
        assert_eq!(queues.of(third), [("q", vec!["A"])]);
        queues.push(Vec::new(), Some(third));
        assert_eq!(queues.component("q", "A").ok(), Some(Digest([1; 32])));
        assert_eq!(
            refused(&queues, "p", "A"),
            Err(r#"no component serves task queue "p"; there are: ["q"]"#.into())
        );
    }
}
