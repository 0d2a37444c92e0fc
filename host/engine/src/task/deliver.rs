//! Which event the guest is given next (rules 2, 3, 8).

use super::{Task, cancel::activity_canceled};
use crate::{
    ActivityClose, CancelCause, CancelInfo, CancelRequest, EventId, Failure, FailureInfo,
    GuestEvent, Input, OperationId, OperatorRequest, OperatorTarget, Payload, RetryState, ScopeId,
    Timestamp,
    compensation::End,
    run::Undelivered,
    scopes::{Operation, OperationKind, OperationState},
};

impl Task {
    /// The queue is emptied before the next input is applied.
    pub(super) fn next_event(&mut self) -> Option<GuestEvent> {
        loop {
            let event = match self.queue.pop_front() {
                Some(event) if self.take_queued(&event) => Some(event),
                Some(_) => None,
                None => match self.inputs.pop_front() {
                    Some(input) => self.apply(input),
                    None => {
                        let ended = self.next_resolution()?;
                        self.apply_local(ended)
                    }
                },
            };
            // Once its main function has ended, the guest is not entered again.
            if event.is_some() && !self.run.guest_done {
                return event;
            }
        }
    }

    /// Resolves the operation of a queued event. False if it was resolved since it was queued.
    fn take_queued(&mut self, event: &GuestEvent) -> bool {
        let operation = match event {
            GuestEvent::ActivityResolved(operation, _)
            | GuestEvent::TimerFired(operation, _)
            | GuestEvent::WaitCanceled(operation, _)
            | GuestEvent::ChildResolved(operation, _)
            | GuestEvent::ExternalResolved(operation, _)
            | GuestEvent::Compensated(operation, _) => *operation,
            _ => return true,
        };
        self.run.scopes.resolve(operation).is_some()
    }

    fn apply(&mut self, item: Undelivered) -> Option<GuestEvent> {
        let Undelivered {
            at,
            input,
            started_event_id,
            concerns,
            resolves,
        } = item;
        if let Some(operation) = resolves {
            self.resolving.remove(&operation);
        }
        match input {
            Input::Started(start) => Some(GuestEvent::Initialize {
                workflow_type: start.workflow_type,
                arguments: start.arguments,
            }),
            Input::Signaled(signal) => Some(GuestEvent::SignalReceived(signal)),
            Input::CancelRequested(request) => Some(self.apply_cancel_request(at, request)),
            Input::ActivityClosed {
                scheduled_event_id,
                started,
                close,
                unsettled,
            } => {
                let identity = started.map_or_else(String::new, |attempt| attempt.identity);
                let ids = (scheduled_event_id, started_event_id, identity);
                self.apply_activity_close(resolves?, ids, close, unsettled)
            }
            Input::TimerFired { .. } => self.apply_timer(at, resolves?),
            Input::ChildStarted { run_id, .. } => self.apply_child_started(concerns?, run_id),
            Input::ChildStartFailed {
                initiated_event_id,
                cause,
            } => self.apply_child_start_failed(resolves?, initiated_event_id, cause),
            Input::ChildClosed {
                initiated_event_id,
                close,
            } => self.apply_child_close(resolves?, (initiated_event_id, started_event_id), close),
            Input::ExternalResolved { outcome, .. } => self.apply_external(concerns?, outcome),
            Input::UpdateRequested(update) => self.deliver_update(update),
            Input::OperatorCanceled { target, request } => {
                self.apply_operator_cancel(at, target, concerns, request);
                None
            }
            // The code is not told of it.
            Input::Paused(_) | Input::Unpaused(_) | Input::Reset(_) => None,
            // A closed run has no further task.
            Input::Terminated { .. }
            | Input::TimedOut
            | Input::Forced(_)
            | Input::Superseded(_) => None,
            Input::FirstTaskDue => None,
        }
    }

    fn apply_cancel_request(&mut self, at: Timestamp, request: CancelRequest) -> GuestEvent {
        let info = CancelInfo {
            cause: CancelCause::Requested,
            reason: match crate::broken("R5") {
                true => String::new(),
                false => request.reason,
            },
            requester: request.identity,
            at,
            deadline: request.deadline,
        };
        // The commands this causes stand before anything the guest does in answer (rule 3).
        self.cancel_scope(ScopeId::ROOT, &info);
        GuestEvent::CancelRequested(info)
    }

    /// An operator stops a part of the run. Its code is told as if it had done so itself, but for
    /// the cause and who asked.
    fn apply_operator_cancel(
        &mut self,
        at: Timestamp,
        target: OperatorTarget,
        concerns: Option<OperationId>,
        request: OperatorRequest,
    ) {
        let info = CancelInfo {
            cause: CancelCause::Requested,
            reason: request.reason,
            requester: request.identity,
            at,
            deadline: None,
        };
        match (target, concerns) {
            (OperatorTarget::Scope(scope), _) => self.cancel_scope(scope, &info),
            (OperatorTarget::Activity(_), Some(operation)) => {
                self.cancel_operation(operation, &info);
            }
            (OperatorTarget::Activity(_), None) => {}
        }
    }

    pub(super) fn apply_activity_close(
        &mut self,
        id: OperationId,
        ids: (EventId, EventId, String),
        close: ActivityClose,
        unsettled: bool,
    ) -> Option<GuestEvent> {
        let end = End::of(unsettled, &close);
        self.run.compensations.settle(id, end);
        let event = self.resolve_activity(id, ids, close);
        // What has just settled may be what compensations waited for.
        self.advance_compensation();
        event
    }

    /// What the guest is told, if the operation is not resolved for it already.
    fn resolve_activity(
        &mut self,
        id: OperationId,
        ids: (EventId, EventId, String),
        close: ActivityClose,
    ) -> Option<GuestEvent> {
        // One that was canceled before this in the same task resolves so (rule 6).
        if self.run.scopes.operation(id)?.state == OperationState::Queued {
            return None;
        }
        let operation = self.run.scopes.resolve(id)?;
        let outcome = outcome(&operation, ids, close);
        if let OperationKind::Compensation { .. } = operation.kind {
            self.compensation_ended(id, outcome.err());
            return None;
        }
        Some(GuestEvent::ActivityResolved(id, outcome))
    }

    fn apply_timer(&mut self, at: Timestamp, id: OperationId) -> Option<GuestEvent> {
        let OperationState::Sent(event_id) = self.run.scopes.operation(id)?.state else {
            return None;
        };
        if self.run.locals.contains_key(&id) {
            self.retry_local(id);
            return None;
        }
        let operation = self.run.scopes.resolve(id)?;
        match operation.kind {
            OperationKind::Activity { .. } => Some(self.stop_waiting(id, event_id, &operation)),
            OperationKind::ScopeTimer(scope) => {
                let info = CancelInfo {
                    cause: match crate::broken("R34") {
                        true => CancelCause::Requested,
                        false => CancelCause::Timeout,
                    },
                    reason: "timeout".into(),
                    requester: String::new(),
                    at,
                    deadline: None,
                };
                self.cancel_scope(scope, &info);
                None
            }
            _ => Some(GuestEvent::TimerFired(id, Ok(()))),
        }
    }

    /// The wait for the end of a canceled activity is over; its effect may still happen (R23).
    fn stop_waiting(
        &mut self,
        id: OperationId,
        scheduled_event_id: EventId,
        operation: &Operation,
    ) -> GuestEvent {
        self.run.compensations.settle(id, End::Effective);
        self.advance_compensation();
        let by_code = self.by_code(String::new());
        let info = operation.canceled.as_ref().unwrap_or(&by_code);
        let failure = activity_canceled(&operation.kind, scheduled_event_id, info, false);
        GuestEvent::ActivityResolved(id, Err(failure))
    }
}

/// What the guest is told of an activity's end: its value, or an activity failure with the cause.
fn outcome(
    operation: &Operation,
    (scheduled_event_id, started_event_id, identity): (EventId, EventId, String),
    close: ActivityClose,
) -> Result<Payload, Failure> {
    let (cause, retry_state) = match close {
        ActivityClose::Completed(result) => return Ok(result),
        ActivityClose::Failed {
            failure,
            retry_state,
        }
        | ActivityClose::TimedOut {
            failure,
            retry_state,
        } => (failure, retry_state),
        ActivityClose::Canceled { details, identity } => {
            let request = operation.canceled.clone();
            let failure = reported_canceled(request, &details, &identity);
            (failure, RetryState::CancelRequested)
        }
    };
    let (activity_type, activity_id) = operation.kind.activity();
    let info = FailureInfo::Activity {
        scheduled_event_id,
        started_event_id,
        identity,
        activity_type,
        activity_id,
        retry_state,
    };
    Err(Failure::new("activity failed", info).caused_by(cause))
}

/// The failure of an activity that has accepted its cancellation.
pub(super) fn reported_canceled(
    request: Option<CancelInfo>,
    details: &[Payload],
    identity: &str,
) -> Failure {
    let reason = request.as_ref().map(|info| info.reason.clone());
    let info = FailureInfo::Canceled {
        details: details.to_vec(),
        identity: identity.into(),
        settled: true,
        request,
    };
    Failure::new(reason.unwrap_or_default(), info)
}
