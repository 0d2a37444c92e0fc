//! Activities that are wasm components: each attempt in an instance of its own, killable anywhere.

use super::{ActivityContext, AttemptState, Attempting, Worker};
use crate::wasm::log_line;
use sandglass_engine::Payload;
use sandglass_sandbox::{ActivityComponent, ActivityHost, ActivityOutcome, ActivityTask, Level};
use std::sync::Arc;

/// A loaded component with activities.
pub(crate) struct WasmActivities(pub(crate) Arc<ActivityComponent>);

impl Worker for WasmActivities {
    fn attempt(&self, context: ActivityContext) -> Attempting {
        let info = context.info().clone();
        let task = ActivityTask {
            activity_type: info.activity_type,
            arguments: info.arguments,
            header: info.header,
            attempt: info.attempt,
            idempotency_key: info.idempotency_key,
            heartbeat_details: info.heartbeat_details,
            workflow_id: info.workflow_id,
            run_id: info.run_id,
            activity_id: info.activity_id,
            scheduled_at: info.scheduled_at,
            deadline: info.deadline,
            heartbeat_timeout: info.heartbeat_timeout,
        };
        let attempt = self.0.start(task, Arc::new(context));
        Box::pin(async move {
            match attempt.await {
                ActivityOutcome::Completed(result) => Ok(result),
                ActivityOutcome::Failed(failure) | ActivityOutcome::Trapped(failure) => {
                    Err(failure)
                }
            }
        })
    }

    fn is_killable(&self) -> bool {
        true
    }
}

impl ActivityHost for ActivityContext {
    fn heartbeat(&self, details: Vec<Payload>) -> AttemptState {
        Self::heartbeat(self, details)
    }

    fn state(&self) -> AttemptState {
        Self::state(self)
    }

    fn complete_later(&self) -> String {
        Self::complete_later(self).to_string()
    }

    fn log(&self, level: Level, target: &str, message: &str) {
        log_line(level, target, message);
    }
}
