//! Child workflows and other runs: what a task asks of them, and what it is told of them.

use super::{Planned, Task, cancel::canceled};
use crate::{
    ChildCall, ChildCancellation, ChildClose, Effect, EventAttributes, EventId,
    ExternalFailedCause, Failure, FailureInfo, GuestEvent, OperationId, Payload, RetryState,
    ScopeId, Signal, StartChildFailedCause, Target, TimeoutKind,
    run::{ExternalKind, OpenChild, OpenExternal},
    scopes::{Child, OperationKind, OperationState},
};

/// The failure of a child workflow; its cause says how it failed.
pub(super) fn child_failure(
    child: &Child,
    initiated_event_id: EventId,
    started_event_id: EventId,
    retry_state: RetryState,
) -> Failure {
    let info = FailureInfo::ChildWorkflow {
        workflow_id: child.workflow_id.clone(),
        run_id: child.run_id.clone(),
        workflow_type: child.workflow_type.clone(),
        initiated_event_id,
        started_event_id,
        retry_state,
    };
    Failure::new("child workflow failed", info)
}

/// What the guest is asking for.
impl Task {
    pub(super) fn start_child(&mut self, scope: ScopeId, call: ChildCall) -> OperationId {
        let number = self.run.scopes.next_operation();
        let by_default = || format!("{}_{number}", self.start().run_id);
        let workflow_id = call.workflow_id.clone().unwrap_or_else(by_default);
        let child = Child {
            workflow_id: workflow_id.clone(),
            workflow_type: call.workflow_type.clone(),
            run_id: String::new(),
            cancellation: call.cancellation,
            cut_short: call.is_cut_short(),
        };
        let operation = self.add_unsent(scope, OperationKind::Child(child));
        self.plan(Planned::StartChild {
            operation,
            workflow_id,
            call: Box::new(call),
        });
        operation
    }

    pub(super) fn signal_external(
        &mut self,
        scope: ScopeId,
        target: Target,
        name: String,
        arguments: Vec<Payload>,
        header: Vec<(String, Payload)>,
    ) -> OperationId {
        let operation = self.add_unsent(scope, OperationKind::External);
        let signal = Box::new(Signal {
            name,
            arguments,
            header,
            identity: self.start().workflow_id.clone(),
            request_id: String::new(),
        });
        self.plan(Planned::Signal {
            operation,
            target,
            signal,
        });
        operation
    }

    pub(super) fn cancel_external(
        &mut self,
        scope: ScopeId,
        target: Target,
        reason: String,
    ) -> OperationId {
        let operation = self.add_unsent(scope, OperationKind::External);
        self.plan(Planned::CancelExternal {
            kind: ExternalKind::Cancel(operation),
            target,
            reason,
        });
        operation
    }

    pub(super) fn add_unsent(&mut self, scope: ScopeId, kind: OperationKind) -> OperationId {
        let state = OperationState::Unsent(self.planned.len());
        self.run.scopes.add_operation(Some(scope), kind, state)
    }
}

/// What becomes of it when the task ends.
impl Task {
    pub(super) fn initiate_child(
        &mut self,
        operation: OperationId,
        workflow_id: String,
        mut call: Box<ChildCall>,
        workflow_task_completed_event_id: EventId,
    ) {
        let queue = &self.start().task_queue;
        call.task_queue.get_or_insert_with(|| queue.clone());
        let attributes = EventAttributes::StartChildWorkflowExecutionInitiated {
            workflow_id: workflow_id.clone(),
            call: call.clone(),
            workflow_task_completed_event_id,
        };
        let event_id = self.run.emit(self.started_at, attributes);
        self.sent(operation, event_id);
        let child = OpenChild {
            operation,
            workflow_id: workflow_id.clone(),
            workflow_type: call.workflow_type.clone(),
            policy: call.parent_close_policy,
            started: None,
        };
        self.run.children.insert(event_id, child);
        let effect = Effect::StartChild {
            parent: self.run.origin(event_id),
            workflow_id,
            call,
            digest: self.digest,
        };
        self.run.push_effect(event_id, effect);
    }

    pub(super) fn initiate_signal(
        &mut self,
        operation: OperationId,
        target: Target,
        signal: Signal,
        workflow_task_completed_event_id: EventId,
    ) {
        let attributes = EventAttributes::SignalExternalWorkflowExecutionInitiated {
            target: target.clone(),
            signal: signal.clone(),
            workflow_task_completed_event_id,
        };
        let event_id = self.run.emit(self.started_at, attributes);
        self.sent(operation, event_id);
        self.open_external(event_id, &target, ExternalKind::Signal(operation));
        let source = self.run.origin(event_id);
        let signal = Signal {
            // Sent again after a crash, it is the same request (R39).
            request_id: format!("{}/{event_id}", source.run.run_id),
            ..signal
        };
        let effect = Effect::Signal {
            source,
            target,
            signal,
        };
        self.run.push_effect(event_id, effect);
    }

    pub(super) fn initiate_cancel(
        &mut self,
        kind: ExternalKind,
        target: Target,
        reason: String,
        workflow_task_completed_event_id: EventId,
    ) {
        let child_only = matches!(kind, ExternalKind::CancelChild(_));
        let attributes = EventAttributes::RequestCancelExternalWorkflowExecutionInitiated {
            target: target.clone(),
            child_workflow_only: child_only,
            reason: reason.clone(),
            workflow_task_completed_event_id,
        };
        let event_id = self.run.emit(self.started_at, attributes);
        if let ExternalKind::Cancel(operation) = kind {
            self.sent(operation, event_id);
        }
        self.open_external(event_id, &target, kind);
        let effect = Effect::Cancel {
            source: self.run.origin(event_id),
            target,
            child_only,
            reason,
        };
        self.run.push_effect(event_id, effect);
    }

    fn open_external(&mut self, event_id: EventId, target: &Target, kind: ExternalKind) {
        let target = target.clone();
        self.run.signals_pending += usize::from(kind.is_signal());
        self.run
            .externals
            .insert(event_id, OpenExternal { target, kind });
    }
}

/// What the guest is told.
impl Task {
    pub(super) fn apply_child_started(
        &mut self,
        id: OperationId,
        run_id: String,
    ) -> Option<GuestEvent> {
        let operation = self.run.scopes.operation_mut(id)?;
        if operation.state == OperationState::Queued {
            return None;
        }
        if let OperationKind::Child(child) = &mut operation.kind {
            child.run_id.clone_from(&run_id);
        }
        Some(GuestEvent::ChildStarted(id, run_id))
    }

    pub(super) fn apply_child_start_failed(
        &mut self,
        id: OperationId,
        initiated_event_id: EventId,
        cause: StartChildFailedCause,
    ) -> Option<GuestEvent> {
        let child = self.resolve_child(id)?;
        let (name, message) = match cause {
            StartChildFailedCause::WorkflowAlreadyExists => (
                "WorkflowExecutionAlreadyStarted",
                format!("a run of workflow id {:?} is open", child.workflow_id),
            ),
            StartChildFailedCause::WorkflowTypeNotFound => (
                "WorkflowTypeNotFound",
                format!("no loaded component has the type {:?}", child.workflow_type),
            ),
        };
        let failure = child_failure(
            &child,
            initiated_event_id,
            EventId(0),
            RetryState::NonRetryableFailure,
        );
        let failure = failure.caused_by(Failure::application(name, message));
        Some(GuestEvent::ChildResolved(id, Err(failure)))
    }

    pub(super) fn apply_child_close(
        &mut self,
        id: OperationId,
        (initiated_event_id, started_event_id): (EventId, EventId),
        close: ChildClose,
    ) -> Option<GuestEvent> {
        let request = self.run.scopes.operation(id)?.canceled.clone();
        let child = self.resolve_child(id)?;
        let (cause, retry_state) = match close {
            ChildClose::Completed(result) => {
                return Some(GuestEvent::ChildResolved(id, Ok(result)));
            }
            ChildClose::Failed {
                failure,
                retry_state,
            } => (failure, retry_state),
            ChildClose::Canceled { details } => {
                let message = request.as_ref().map(|info| info.reason.clone());
                let info = FailureInfo::Canceled {
                    details,
                    identity: String::new(),
                    settled: true,
                    request,
                };
                let failure = Failure::new(message.unwrap_or_default(), info);
                (failure, RetryState::NonRetryableFailure)
            }
            ChildClose::TimedOut { retry_state } => {
                let info = FailureInfo::Timeout {
                    kind: TimeoutKind::StartToClose,
                    last_heartbeat_details: Vec::new(),
                };
                (Failure::new("child workflow timeout", info), retry_state)
            }
            ChildClose::Terminated { identity } => {
                let info = FailureInfo::Terminated { identity };
                let failure = Failure::new("child workflow terminated", info);
                (failure, RetryState::NonRetryableFailure)
            }
        };
        let failure = child_failure(&child, initiated_event_id, started_event_id, retry_state);
        Some(GuestEvent::ChildResolved(id, Err(failure.caused_by(cause))))
    }

    fn resolve_child(&mut self, id: OperationId) -> Option<Child> {
        // One that was canceled before this in the same task resolves so (rule 6).
        if self.run.scopes.operation(id)?.state == OperationState::Queued {
            return None;
        }
        match self.run.scopes.resolve(id)?.kind {
            OperationKind::Child(child) => Some(child),
            _ => None,
        }
    }

    pub(super) fn apply_external(
        &mut self,
        id: OperationId,
        outcome: Result<(), ExternalFailedCause>,
    ) -> Option<GuestEvent> {
        let operation = self.run.scopes.operation(id)?;
        if operation.state == OperationState::Queued {
            return None;
        }
        if let OperationKind::Child(child) = &operation.kind {
            // The request has reached the child, or never will: that is all that is waited for.
            let requested = ChildCancellation::WaitCancellationRequested;
            let (OperationState::Sent(event_id), true, Some(info)) = (
                operation.state,
                child.cancellation == requested && !crate::broken("R25"),
                operation.canceled.clone(),
            ) else {
                return None;
            };
            let child = self.resolve_child(id)?;
            let failure = child_failure(&child, event_id, EventId(0), RetryState::CancelRequested);
            let failure = failure.caused_by(canceled(&info, false));
            return Some(GuestEvent::ChildResolved(id, Err(failure)));
        }
        self.run.scopes.resolve(id)?;
        let outcome = outcome.or_else(|cause| match crate::broken("R24") {
            true => Ok(()),
            false => Err(cause),
        });
        let outcome = outcome.map_err(|cause| {
            let message = "there is no such run, or it is not the one that was meant";
            Failure::application(cause.name(), message)
        });
        Some(GuestEvent::ExternalResolved(id, outcome))
    }
}
