//! What each input writes into the history.

use super::{Cancellation, Run, Status};
use crate::{
    ActivityClose, EventAttributes, EventId, Input, OperationId, Payload, PendingTimer, RetryState,
    Start, Timestamp,
};

impl Run {
    /// Forgets the activity or timer that an input ends. Returns its operation.
    pub(super) fn remove_pending(&mut self, input: &Input) -> Option<OperationId> {
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
                Some(activity.operation)
            }
            Input::TimerFired { started_event_id } => {
                let timer = self.timers.remove(started_event_id)?;
                Some(timer.operation)
            }
            _ => None,
        }
    }

    /// Writes the events of an input. Returns the activity's started event, if it closes one.
    pub(super) fn record_input(&mut self, at: Timestamp, input: &Input) -> EventId {
        match input {
            Input::Started(start) => self.record_start(at, start),
            Input::Signaled(signal) => {
                if !signal.request_id.is_empty() {
                    self.signal_requests.insert(signal.request_id.clone());
                }
                self.emit(
                    at,
                    EventAttributes::WorkflowExecutionSignaled(signal.clone()),
                );
            }
            Input::CancelRequested(request) => {
                let attributes = EventAttributes::WorkflowExecutionCancelRequested(request.clone());
                let event_id = self.emit(at, attributes);
                let request = request.clone();
                self.cancel = Some(Cancellation {
                    request,
                    event_id,
                    at,
                    delivered: false,
                });
            }
            Input::ActivityClosed {
                scheduled_event_id,
                started,
                close,
            } => {
                let started_event_id = started.as_ref().map_or(EventId(0), |attempt| {
                    let attributes = EventAttributes::ActivityTaskStarted {
                        scheduled_event_id: *scheduled_event_id,
                        attempt: attempt.attempt,
                        identity: attempt.identity.clone(),
                        last_failure: attempt.last_failure.clone(),
                    };
                    self.emit(attempt.at, attributes)
                });
                self.record_activity_close(at, *scheduled_event_id, started_event_id, close);
                return started_event_id;
            }
            Input::TimerFired { started_event_id } => self.record_timer(at, *started_event_id),
            Input::Terminated {
                reason,
                identity,
                details,
            } => self.record_termination(at, reason, identity, details),
            Input::TimedOut => {
                let retry_state = RetryState::RetryPolicyNotSet;
                self.emit(
                    at,
                    EventAttributes::WorkflowExecutionTimedOut { retry_state },
                );
                self.close(Status::TimedOut);
            }
        }
        EventId(0)
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
        self.close(status);
    }

    fn record_start(&mut self, at: Timestamp, start: &Start) {
        self.start = Some(Box::new(start.clone()));
        self.clock = at;
        let attributes = EventAttributes::WorkflowExecutionStarted(Box::new(start.clone()));
        let started_event_id = self.emit(at, attributes);
        if let Some(limit) = start.run_timeout {
            let timer = PendingTimer {
                started_event_id,
                due: at + limit,
            };
            self.recording.changes.timers_started.push(timer);
        }
    }

    fn record_activity_close(
        &mut self,
        at: Timestamp,
        scheduled_event_id: EventId,
        started_event_id: EventId,
        close: &ActivityClose,
    ) {
        let attributes = match close.clone() {
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
                let requested = self.activities[&scheduled_event_id].cancel_requested_event_id;
                EventAttributes::ActivityTaskCanceled {
                    details,
                    latest_cancel_requested_event_id: requested.unwrap_or_default(),
                    scheduled_event_id,
                    started_event_id,
                    identity,
                }
            }
        };
        self.emit(at, attributes);
        self.recording
            .changes
            .activities_closed
            .push(scheduled_event_id);
    }
}
