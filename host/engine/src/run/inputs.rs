//! What each input writes into the history.

use super::{Cancellation, ExternalKind, Run, Status};
use crate::{
    ActivityClose, CancelRequest, Escalation, EventAttributes, EventId, Failure, ForceRequest,
    Input, OperationId, OperatorTarget, Payload, PendingTimer, RetryState, Start, Timestamp,
};

impl Run {
    /// Forgets what is pending no more with an input. Returns the operation that the input
    /// concerns, and whether it ends it.
    pub(super) fn remove_pending(&mut self, input: &Input) -> Option<(OperationId, bool)> {
        match input {
            Input::ActivityClosed {
                scheduled_event_id, ..
            } => {
                let activity = self.activities.remove(scheduled_event_id)?;
                if let Some(request) = activity.cancel_requested_event_id
                    && self.timers.remove(&request).is_some()
                {
                    // Nobody has to stop waiting any more.
                    self.recording.changes.timers_ended.push(request);
                }
                Some((activity.operation, true))
            }
            Input::TimerFired { started_event_id } => {
                let timer = self.timers.remove(started_event_id)?;
                Some((timer.operation, true))
            }
            Input::ChildStarted {
                initiated_event_id, ..
            } => {
                let child = self.children.get(initiated_event_id)?;
                Some((child.operation, false))
            }
            Input::ChildStartFailed {
                initiated_event_id, ..
            }
            | Input::ChildClosed {
                initiated_event_id, ..
            } => {
                let child = self.children.remove(initiated_event_id)?;
                Some((child.operation, true))
            }
            Input::ExternalResolved {
                initiated_event_id, ..
            } => {
                let kind = self.externals.remove(initiated_event_id)?.kind;
                self.signals_pending -= usize::from(kind.is_signal());
                Some(match kind {
                    ExternalKind::Signal(operation) | ExternalKind::Cancel(operation) => {
                        (operation, true)
                    }
                    // The child's own end resolves it, or its cancellation type does.
                    ExternalKind::CancelChild(operation) => (operation, false),
                })
            }
            Input::OperatorCanceled {
                target: OperatorTarget::Activity(id),
                ..
            } => Some((self.activities.get(id)?.operation, false)),
            _ => None,
        }
    }

    /// Writes the events of an input. Returns the activity's started event, if it closes one.
    pub(super) fn record_input(&mut self, at: Timestamp, input: &Input) -> EventId {
        match input {
            Input::Started(start) => self.record_start(at, start),
            Input::Signaled(signal) => {
                self.signals += 1;
                if !signal.request_id.is_empty() {
                    self.signal_requests.insert(signal.request_id.clone());
                }
                self.emit_with(at, || {
                    EventAttributes::WorkflowExecutionSignaled(signal.clone())
                });
            }
            Input::CancelRequested(request) => self.record_cancel_request(at, request.clone()),
            Input::ActivityClosed {
                scheduled_event_id,
                started,
                close,
                ..
            } => {
                let started_event_id = started.as_ref().map_or(EventId(0), |attempt| {
                    self.emit_with(attempt.at, || EventAttributes::ActivityTaskStarted {
                        scheduled_event_id: *scheduled_event_id,
                        attempt: attempt.attempt,
                        identity: attempt.identity.clone(),
                        last_failure: attempt.last_failure.as_deref().cloned(),
                    })
                });
                self.record_activity_close(at, *scheduled_event_id, started_event_id, close);
                return started_event_id;
            }
            Input::TimerFired { started_event_id } => self.record_timer(at, *started_event_id),
            Input::Terminated {
                reason,
                identity,
                details,
                ..
            } => self.record_termination(at, reason, identity, details),
            Input::TimedOut => self.record_timeout(at),
            Input::Forced(request) => self.record_force(at, request),
            Input::FirstTaskDue => self.end_backoff(),
            Input::ChildStarted {
                initiated_event_id,
                run_id,
            } => self.record_child_started(at, *initiated_event_id, run_id),
            Input::ChildStartFailed {
                initiated_event_id,
                cause,
            } => self.record_child_start_failed(at, *initiated_event_id, *cause),
            Input::ChildClosed {
                initiated_event_id,
                close,
            } => return self.record_child_closed(at, *initiated_event_id, close),
            Input::ExternalResolved {
                initiated_event_id,
                outcome,
            } => self.record_external(at, *initiated_event_id, *outcome),
            // Its event is written when it is delivered.
            Input::UpdateRequested(update) => {
                self.updates.entry(update.id.clone()).or_default();
            }
            Input::Superseded(_)
            | Input::Reset(_)
            | Input::Paused(_)
            | Input::Unpaused(_)
            | Input::OperatorCanceled { .. } => self.record_operator(at, input),
        }
        EventId(0)
    }

    fn record_timeout(&mut self, at: Timestamp) {
        let (retry_state, new_execution_run_id) = self.follow_timeout(at);
        self.retry_state = retry_state;
        let attributes = EventAttributes::WorkflowExecutionTimedOut {
            retry_state,
            new_execution_run_id,
        };
        self.emit(at, attributes);
        self.close(Status::TimedOut);
    }

    fn record_cancel_request(&mut self, at: Timestamp, request: CancelRequest) {
        let attributes = EventAttributes::WorkflowExecutionCancelRequested(request.clone());
        let event_id = self.emit(at, attributes);
        // It does not wait for the first workflow task's time (R1).
        self.end_backoff();
        if let (Some(due), Some(_), false) =
            (request.deadline, request.escalation, crate::broken("R30"))
        {
            // It goes by the request's id; the host knows it from the summary (R30).
            self.recording.changes.timers_started.push(PendingTimer {
                started_event_id: event_id,
                due,
            });
        }
        self.cancel = Some(Cancellation {
            request,
            event_id,
            at,
            delivered: false,
            failed_tasks: 0,
        });
    }

    fn record_force(&mut self, at: Timestamp, request: &ForceRequest) {
        let attributes = EventAttributes::WorkflowExecutionForceCancelRequested(request.clone());
        self.emit(at, attributes);
        self.force = Some((request.clone(), at));
        self.recording.changes.kill = request.rung == Escalation::Kill;
        let cancel_requested_event_id = self.cancel.as_ref().map(|cancel| cancel.event_id);
        let uncompensated = self.compensations.failed.clone();
        let (attributes, status) = match request.rung {
            Escalation::Fail => {
                let failure = Failure::application("CancelDeadlineExceeded", &*request.reason);
                self.retry_state = RetryState::CancelRequested;
                let attributes = EventAttributes::WorkflowExecutionFailed {
                    failure: failure.clone(),
                    retry_state: RetryState::CancelRequested,
                    new_execution_run_id: None,
                    workflow_task_completed_event_id: EventId(0),
                    uncompensated,
                };
                (attributes, Status::Failed { failure })
            }
            Escalation::Force | Escalation::Kill | Escalation::Terminate => {
                let details = Vec::new();
                let attributes = EventAttributes::WorkflowExecutionCanceled {
                    details: details.clone(),
                    workflow_task_completed_event_id: EventId(0),
                    cancel_requested_event_id: cancel_requested_event_id.unwrap_or_default(),
                    uncompensated,
                    forced: true,
                };
                (attributes, Status::Canceled { details })
            }
        };
        self.emit(at, attributes);
        self.close(status);
    }

    fn record_timer(&mut self, at: Timestamp, started_event_id: EventId) {
        let timer = self.timers[&started_event_id];
        let attributes = match timer.ends_wait_for {
            None => EventAttributes::TimerFired {
                timer_id: timer.operation.to_string(),
                started_event_id,
            },
            Some(scheduled_event_id) => EventAttributes::ActivityCancelWaitTimedOut {
                scheduled_event_id,
                cancel_requested_event_id: started_event_id,
            },
        };
        self.emit(at, attributes);
        self.recording.changes.timers_ended.push(started_event_id);
    }

    fn record_termination(
        &mut self,
        at: Timestamp,
        reason: &str,
        identity: &str,
        details: &[Payload],
    ) {
        let (reason, identity) = (reason.to_owned(), identity.to_owned());
        let status = Status::Terminated {
            reason: reason.clone(),
            identity: identity.clone(),
        };
        let details = details.to_vec();
        let attributes = EventAttributes::WorkflowExecutionTerminated {
            reason,
            identity,
            details,
        };
        self.emit(at, attributes);
        if !crate::broken("R28") {
            self.close(status);
        }
    }

    fn record_start(&mut self, at: Timestamp, start: &Start) {
        self.start = Some(Box::new(start.clone()));
        self.memo.clone_from(&start.memo);
        self.search_attributes.clone_from(&start.search_attributes);
        self.clock = at;
        let attributes = EventAttributes::WorkflowExecutionStarted(Box::new(start.clone()));
        let started_event_id = self.emit(at, attributes);
        self.begin_chain(at, start, started_event_id);
    }

    fn record_activity_close(
        &mut self,
        at: Timestamp,
        scheduled_event_id: EventId,
        started_event_id: EventId,
        close: &ActivityClose,
    ) {
        let requested = self.activities[&scheduled_event_id].cancel_requested_event_id;
        self.emit_with(at, || match close.clone() {
            ActivityClose::Completed(result) => EventAttributes::ActivityTaskCompleted {
                result,
                scheduled_event_id,
                started_event_id,
            },
            ActivityClose::Failed {
                failure,
                retry_state,
            } => EventAttributes::ActivityTaskFailed {
                failure,
                scheduled_event_id,
                started_event_id,
                retry_state,
            },
            ActivityClose::TimedOut {
                failure,
                retry_state,
            } => EventAttributes::ActivityTaskTimedOut {
                failure,
                scheduled_event_id,
                started_event_id,
                retry_state,
            },
            ActivityClose::Canceled { details, identity } => {
                EventAttributes::ActivityTaskCanceled {
                    details,
                    latest_cancel_requested_event_id: requested.unwrap_or_default(),
                    scheduled_event_id,
                    started_event_id,
                    identity,
                }
            }
        });
        self.recording
            .changes
            .activities_closed
            .push(scheduled_event_id);
    }
}
