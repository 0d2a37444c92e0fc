//! What operators do to a run beside ending it: pause, unpause, and cancel one part of it.

use super::{PendingTask, Run};
use crate::{
    EventAttributes, EventId, Failure, Input, InputError, OperatorRequest, OperatorTarget,
    TaskFailedCause, Timestamp, scopes::OperationKind,
};

impl Run {
    pub(super) fn accepts_pause(&self, request: &OperatorRequest) -> Result<(), InputError> {
        self.is_new(request)?;
        match self.paused {
            Some(_) => Err(InputError::AlreadyPaused),
            None => Ok(()),
        }
    }

    pub(super) fn accepts_unpause(&self, request: &OperatorRequest) -> Result<(), InputError> {
        self.is_new(request)?;
        match self.paused {
            Some(_) => Ok(()),
            None => Err(InputError::NotPaused),
        }
    }

    fn is_new(&self, request: &OperatorRequest) -> Result<(), InputError> {
        match self.operator_requests.contains(&request.request_id) {
            true => Err(InputError::Duplicate),
            false => Ok(()),
        }
    }

    fn note_request(&mut self, request: &OperatorRequest) {
        if !request.request_id.is_empty() {
            self.operator_requests.insert(request.request_id.clone());
        }
    }

    pub(super) fn accepts_operator_cancel(
        &self,
        target: OperatorTarget,
        request: &OperatorRequest,
    ) -> Result<(), InputError> {
        self.is_new(request)?;
        let is_waiting = |input: &Input| match input {
            Input::OperatorCanceled { target: other, .. } => *other == target,
            _ => false,
        };
        if self.undelivered.iter().any(|item| is_waiting(&item.input)) {
            return Err(InputError::AlreadyRequested);
        }
        match target {
            OperatorTarget::Activity(id) => self.accepts_activity_cancel(id),
            OperatorTarget::Scope(crate::ScopeId::ROOT) => Err(InputError::RootScope),
            OperatorTarget::Scope(id) => match self.scopes.scope(id) {
                None => Err(InputError::UnknownScope(id)),
                Some(scope) if scope.canceled.is_some() => Err(InputError::AlreadyRequested),
                Some(_) => Ok(()),
            },
        }
    }

    fn accepts_activity_cancel(&self, id: EventId) -> Result<(), InputError> {
        let Some(activity) = self.activities.get(&id) else {
            return Err(InputError::UnknownActivity(id));
        };
        match self.scopes.operation(activity.operation) {
            Some(operation) if matches!(operation.kind, OperationKind::Compensation { .. }) => {
                Err(InputError::Compensation(id))
            }
            Some(operation) if operation.canceled.is_none() => Ok(()),
            // It was canceled, and its code may not even wait for it any more.
            _ => Err(InputError::AlreadyRequested),
        }
    }

    /// Writes the events of what an operator has asked for.
    pub(super) fn record_operator(&mut self, at: Timestamp, input: &Input) {
        match input {
            Input::Superseded(reset) => self.record_superseded(at, reset),
            Input::Reset(reset) => self.record_reset(at, reset),
            Input::Paused(request) => self.record_pause(at, request),
            Input::Unpaused(request) => self.record_unpause(at, request),
            Input::OperatorCanceled { target, request } => {
                self.record_operator_cancel(at, *target, request);
            }
            _ => {}
        }
    }

    /// A workflow task that waits to be begun is taken back (R40).
    fn record_pause(&mut self, at: Timestamp, request: &OperatorRequest) {
        self.note_request(request);
        if let PendingTask::Scheduled(scheduled_event_id) = self.task {
            let attributes = EventAttributes::WorkflowTaskFailed {
                scheduled_event_id,
                started_event_id: EventId(0),
                cause: TaskFailedCause::WorkflowPauseRequestedBeforeTaskStarted,
                failure: Failure::application("WorkflowPaused", "the run was paused"),
            };
            self.emit(at, attributes);
        }
        self.task = PendingTask::Idle;
        self.emit(
            at,
            EventAttributes::WorkflowExecutionPaused(request.clone()),
        );
        self.paused = Some((request.clone(), at));
    }

    fn record_unpause(&mut self, at: Timestamp, request: &OperatorRequest) {
        self.note_request(request);
        self.emit(
            at,
            EventAttributes::WorkflowExecutionUnpaused(request.clone()),
        );
        self.paused = None;
    }

    fn record_operator_cancel(
        &mut self,
        at: Timestamp,
        target: OperatorTarget,
        request: &OperatorRequest,
    ) {
        self.note_request(request);
        let request = request.clone();
        self.emit(
            at,
            EventAttributes::OperatorCancelRequested { target, request },
        );
    }
}
