//! Wasm components as the host's [`Component`]s, and guests' log lines as tracing events.

use crate::component::{Component, GuestInstance, Interrupt};
use sandglass_engine::{
    Digest, Driver, Failure, GuestEvent, Payload, Query, Task, TaskFailure, Update,
};
use sandglass_sandbox::{Instance, Level, TypedFunction, WorkflowComponent};
use std::{sync::Arc, time::Duration};

/// A compiled wasm component with workflows.
pub(crate) struct WasmComponent(pub(crate) Arc<WorkflowComponent>);

impl Component for WasmComponent {
    fn digest(&self) -> Digest {
        self.0.digest()
    }

    fn workflow_types(&self) -> &[String] {
        self.0.workflow_types()
    }

    fn typed_activities(&self) -> Vec<(String, String)> {
        functions(&self.0.typed().imports)
    }

    fn check_arguments(&self, workflow_type: &str, arguments: &[Payload]) -> Result<(), String> {
        self.0.check_arguments(workflow_type, arguments)
    }

    fn instantiate(&self) -> Box<dyn GuestInstance> {
        Box::new(WasmInstance(self.0.instantiate(Arc::new(log_line))))
    }
}

/// Functions by their types, in WIT.
pub(crate) fn functions(of: &[TypedFunction]) -> Vec<(String, String)> {
    let all = of.iter();
    all.map(|function| (function.name.clone(), function.signature.clone()))
        .collect()
}

struct WasmInstance(Instance);

impl Driver for WasmInstance {
    fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        self.0.deliver(event, task)
    }
}

impl GuestInstance for WasmInstance {
    fn interrupter(&self) -> Interrupt {
        let interrupter = self.0.interrupter();
        Arc::new(move || interrupter.interrupt())
    }

    fn bound(&mut self, left: Duration) {
        self.0.bound(left);
    }

    fn query(
        &mut self,
        query: &Query,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<Payload, Failure>, TaskFailure>) {
        self.0.query(query, task)
    }

    fn validate_update(
        &mut self,
        update: &Update,
        task: Box<Task>,
    ) -> (Box<Task>, Result<Result<(), Failure>, TaskFailure>) {
        self.0.validate_update(update, task)
    }

    fn resident_bytes(&self) -> usize {
        self.0.resident_bytes()
    }
}

/// Passes a guest's line on, under the span of the run or attempt that is current.
pub(crate) fn log_line(level: Level, target: &str, message: &str) {
    match level {
        Level::Trace => tracing::trace!(target: "guest", guest_target = target, "{message}"),
        Level::Debug => tracing::debug!(target: "guest", guest_target = target, "{message}"),
        Level::Info => tracing::info!(target: "guest", guest_target = target, "{message}"),
        Level::Warn => tracing::warn!(target: "guest", guest_target = target, "{message}"),
        Level::Error => tracing::error!(target: "guest", guest_target = target, "{message}"),
    }
}
