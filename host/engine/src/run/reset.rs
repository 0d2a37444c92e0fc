//! What a reset writes: in the old run that it ends, in the new one that it begins (R17).

use super::{PendingTask, Run, Status};
use crate::{
    Effect, EventAttributes, EventId, Failure, FailureInfo, HistorySize, Payload, Reset,
    TaskFailedCause, Timestamp,
};

impl Run {
    /// The run id that was this run's when it wrote an event, if that was another one.
    pub(crate) fn run_id_at(&self, event_id: EventId) -> Option<String> {
        let before = self.lineage.iter().find(|(until, _)| event_id < *until);
        before.map(|(_, run_id)| run_id.clone())
    }

    /// The scheduled event of the pending workflow task, if it is written.
    pub(crate) fn task_scheduled(&self) -> Option<EventId> {
        match self.task {
            PendingTask::Scheduled(event_id) => Some(event_id),
            _ => None,
        }
    }

    /// The old run ends; its children and its parent are the new run's.
    pub(super) fn record_superseded(&mut self, at: Timestamp, reset: &Reset) {
        let (reason, identity) = (reset.reason.clone(), reset.identity.clone());
        let attributes = EventAttributes::WorkflowExecutionTerminated {
            reason: reason.clone(),
            identity: identity.clone(),
            details: vec![new_run(reset)],
        };
        let event_id = self.emit(at, attributes);
        let effect = Effect::StartReset {
            workflow_id: self.reference().workflow_id,
            reset: Box::new(reset.clone()),
        };
        self.push_effect(event_id, effect);
        self.children.clear();
        self.orphaned = true;
        self.close(Status::Terminated { reason, identity });
    }

    /// The workflow task at whose end the history was cut has failed, and is run again.
    pub(super) fn record_reset(&mut self, at: Timestamp, reset: &Reset) {
        let cut_at = self.next_event_id();
        let (scheduled_event_id, started_event_id) =
            self.emit_task_started(at, HistorySize::default());
        let failure = Failure::new(
            reset.reason.clone(),
            FailureInfo::Application {
                failure_type: "ResetWorkflow".into(),
                non_retryable: false,
                details: vec![
                    Payload::json(format!("{:?}", reset.base_run_id)),
                    new_run(reset),
                ],
                next_retry_delay: None,
            },
        );
        let attributes = EventAttributes::WorkflowTaskFailed {
            scheduled_event_id,
            started_event_id,
            cause: TaskFailedCause::ResetWorkflow,
            failure,
        };
        self.emit(at, attributes);
        self.task = PendingTask::Idle;
        self.paused = None;
        self.end_backoff();
        if let Some(start) = &mut self.start {
            let before = std::mem::replace(&mut start.run_id, reset.new_run_id.clone());
            if start.chain.first_run_id.is_empty() {
                start.chain.first_run_id.clone_from(&before);
            }
            start.chain.base_run_id = Some(reset.base_run_id.clone());
            self.lineage.push((cut_at, before));
        }
        self.reset_request.clone_from(&reset.request_id);
    }
}

fn new_run(reset: &Reset) -> Payload {
    // A run id has no character that JSON would write otherwise.
    Payload::json(format!("{:?}", reset.new_run_id))
}
