//! Local activities in a workflow task: begun when nothing is left to deliver, resolved after
//! everything else, in the order in which the host tells.

use super::{
    Planned, Task,
    cancel::{activity_canceled, canceled},
};
use crate::{
    ActivityCall, ActivityClose, CancelInfo, CancellationType, EventId, Failure, GuestEvent,
    LocalOrder, LocalOutcome, LocalResolution, Millis, OperationId, Payload, RetryState, ScopeId,
    compensation::End,
    local::{LocalPhase, OpenLocal, idempotency_key},
    scopes::{OperationKind, OperationState},
};
use serde_json::json;

/// The name that Temporal's SDKs give the marker.
const MARKER: &str = "core_local_activity";

/// What the host does with the local activities of its task.
impl Task {
    /// Whether the task has nothing to deliver but what local activities will give.
    #[must_use]
    pub fn waits_for_local(&self) -> bool {
        let mut open = self.run.locals.values();
        open.any(|open| open.phase == LocalPhase::Running)
    }

    /// Takes what the host is to do for local activities, in order. To be asked for when
    /// [`Task::next`] has nothing to deliver.
    #[must_use]
    pub fn take_local_orders(&mut self) -> Vec<LocalOrder> {
        std::mem::take(&mut self.orders)
    }

    /// A local activity has ended: delivered next, after what was told before. One that nobody
    /// waits for any more is ignored.
    pub fn resolve_local(&mut self, resolution: LocalResolution) {
        self.resolved.push_back(resolution);
    }

    /// Whether the results of this task fill a frame, so that it should end before it takes more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let results = self.resolutions.iter();
        let bytes: usize = results.map(|result| result.outcome.payload_bytes()).sum();
        self.payload_bytes.saturating_add(bytes) >= self.run.limits.payload_bytes_per_task
    }
}

/// What the guest asks for.
impl Task {
    pub(super) fn schedule_local(
        &mut self,
        scope: ScopeId,
        call: ActivityCall,
        retry_threshold: Option<Millis>,
    ) -> OperationId {
        let number = self.run.scopes.next_operation();
        let activity_id = call.activity_id.clone();
        let activity_id = activity_id.unwrap_or_else(|| number.to_string());
        let kind = OperationKind::LocalActivity {
            activity_type: call.activity_type.clone(),
            activity_id: activity_id.clone(),
        };
        let operation = self
            .run
            .scopes
            .add_operation(Some(scope), kind, OperationState::Local);
        let open = OpenLocal {
            activity_id,
            call: Box::new(call.normalized()),
            retry_threshold,
            attempt: 1,
            last_failure: None,
            unsettled: false,
            scheduled_at: self.run.clock,
            canceled: None,
            told: false,
            phase: LocalPhase::Requested,
            key: idempotency_key(&self.start().run_id, operation),
        };
        self.run.locals.insert(operation, open);
        self.had_locals = true;
        operation
    }

    /// Nothing is left to deliver: what was asked for begins.
    pub(super) fn begin_locals(&mut self) {
        for (operation, open) in &mut self.run.locals {
            if open.phase == LocalPhase::Requested {
                self.orders.push(open.begin(*operation));
                open.phase = LocalPhase::Running;
            }
        }
    }

    /// Cancels one (rule 6). `id` is neither canceled nor resolved.
    pub(super) fn cancel_local(&mut self, id: OperationId, info: &CancelInfo) {
        let Some(open) = self.run.locals.get_mut(&id) else {
            return;
        };
        let cancellation = open.call.cancellation;
        match open.phase {
            LocalPhase::Requested => {
                let end = open.end();
                self.run.locals.remove(&id);
                self.run.compensations.settle(id, end);
                self.queue_canceled(id, info, EventId(0), end == End::Void);
            }
            LocalPhase::BackingOff => {
                self.stop_backoff(id);
                self.cancel_at_once(id, info);
            }
            LocalPhase::Running if cancellation.waits() => {
                open.canceled = Some(info.reason.clone());
                self.orders.push(LocalOrder::Cancel {
                    operation: id,
                    reason: info.reason.clone(),
                    waits: true,
                    wait_at_most: match cancellation {
                        CancellationType::WaitAtMost(limit) => Some(limit),
                        _ => None,
                    },
                });
            }
            LocalPhase::Running => {
                // The code does not wait for its end, but what undoes it does (R36).
                let waits = self.run.compensations.is_open(id);
                if cancellation != CancellationType::Abandon {
                    self.orders.push(LocalOrder::Cancel {
                        operation: id,
                        reason: info.reason.clone(),
                        waits,
                        wait_at_most: None,
                    });
                } else if !waits {
                    self.orders.push(LocalOrder::Abandon(id));
                }
                self.cancel_at_once(id, info);
            }
        }
    }

    /// Takes back the timer before the next attempt.
    fn stop_backoff(&mut self, id: OperationId) {
        let state = self.run.scopes.operation(id).map(|open| open.state);
        match state {
            Some(OperationState::Unsent(planned)) => self.unschedule(planned),
            // A timer that fires later in this task needs no command (rule 6).
            Some(OperationState::Sent(started_event_id)) if !self.resolving.contains(&id) => {
                let operation = id;
                self.planned.push(Planned::CancelTimer {
                    started_event_id,
                    operation,
                });
            }
            _ => {}
        }
    }

    /// It is over for the code, whatever becomes of it.
    fn cancel_at_once(&mut self, id: OperationId, info: &CancelInfo) {
        let Some(open) = self.run.locals.remove(&id) else {
            return;
        };
        let runs = open.phase == LocalPhase::Running;
        let end = if runs { End::Effective } else { open.end() };
        let settled = end == End::Void;
        let ended = LocalResolution {
            operation: id,
            attempt: open.attempt,
            at: self.run.clock,
            outcome: LocalOutcome::Unsettled,
            unsettled: open.unsettled,
        };
        self.mark_local(&open, &ended, None, Some(canceled(info, settled)));
        if runs && self.run.compensations.is_open(id) {
            let canceled = Some(info.reason.clone());
            let open = OpenLocal {
                canceled,
                told: true,
                ..open
            };
            self.run.locals.insert(id, open);
        } else {
            self.run.compensations.settle(id, end);
        }
        self.queue_canceled(id, info, EventId(0), settled);
    }

    /// The main function has ended: only what compensations wait for goes on.
    pub(super) fn drop_locals(&mut self) {
        let all = self.run.locals.iter();
        let all: Vec<_> = all
            .map(|(id, open)| (*id, open.phase, open.end()))
            .collect();
        for (id, phase, end) in all {
            if phase == LocalPhase::Running {
                if self.run.compensations.awaits(id) {
                    continue;
                }
                self.orders.push(LocalOrder::Drop(id));
            }
            let state = self.run.scopes.operation(id).map(|open| open.state);
            if let Some(OperationState::Unsent(planned)) = state {
                self.unschedule(planned);
            }
            // The timer of one that backs off is left alone, like any that the code leaves behind.
            self.run.locals.remove(&id);
            self.run.scopes.resolve(id);
            self.run.compensations.settle(id, end);
        }
    }
}

/// What the guest is told.
impl Task {
    /// The next resolution that the host has told, or that was recorded.
    pub(super) fn next_resolution(&mut self) -> Option<LocalResolution> {
        self.begin_locals();
        self.resolved.pop_front()
    }

    pub(super) fn apply_local(&mut self, ended: LocalResolution) -> Option<GuestEvent> {
        let id = ended.operation;
        let open = self.run.locals.get(&id)?.clone();
        if open.phase != LocalPhase::Running {
            return None;
        }
        self.resolutions.push(ended.clone());
        if open.told {
            self.settle_told(id, &ended);
            return None;
        }
        match ended.outcome.clone() {
            LocalOutcome::Backoff { delay, failure } if open.canceled.is_none() => {
                self.mark_local(&open, &ended, None, Some(failure.clone()));
                self.back_off(id, &ended, delay, failure);
                None
            }
            LocalOutcome::Backoff { failure, .. } => {
                // After the request there is no other attempt (R19).
                let retry_state = RetryState::CancelRequested;
                let close = match End::from(&failure) {
                    End::Effective => ActivityClose::TimedOut {
                        failure,
                        retry_state,
                    },
                    End::Void => ActivityClose::Failed {
                        failure,
                        retry_state,
                    },
                };
                self.close_local(&open, &ended, close)
            }
            LocalOutcome::Closed(close) => self.close_local(&open, &ended, close),
            LocalOutcome::Unsettled => self.stop_waiting_for_local(&open, &ended),
        }
    }

    /// One that the code knows as canceled has ended: what undoes it need not wait any longer.
    fn settle_told(&mut self, id: OperationId, ended: &LocalResolution) {
        let end = match &ended.outcome {
            _ if ended.unsettled => End::Effective,
            LocalOutcome::Closed(close) => End::from(close),
            // After the request there is no other attempt (R19).
            LocalOutcome::Backoff { failure, .. } => End::from(failure),
            LocalOutcome::Unsettled => End::Effective,
        };
        self.run.locals.remove(&id);
        self.run.compensations.settle(id, end);
        self.advance_compensation();
    }

    fn close_local(
        &mut self,
        open: &OpenLocal,
        ended: &LocalResolution,
        close: ActivityClose,
    ) -> Option<GuestEvent> {
        let id = ended.operation;
        let canceled = self.run.scopes.operation(id);
        let info = canceled.and_then(|operation| operation.canceled.clone());
        let (result, failure) = match &close {
            ActivityClose::Completed(result) => (Some(result.clone()), None),
            ActivityClose::Failed { failure, .. } | ActivityClose::TimedOut { failure, .. } => {
                (None, Some(failure.clone()))
            }
            ActivityClose::Canceled { details, identity } => {
                let failure = super::deliver::reported_canceled(info, details, identity);
                (None, Some(failure))
            }
        };
        self.mark_local(open, ended, result, failure);
        self.run.locals.remove(&id);
        let ids = (EventId(0), EventId(0), String::new());
        self.apply_activity_close(id, ids, close, ended.unsettled)
    }

    fn back_off(
        &mut self,
        id: OperationId,
        ended: &LocalResolution,
        delay: Millis,
        failure: Failure,
    ) {
        if let Some(open) = self.run.locals.get_mut(&id) {
            open.phase = LocalPhase::BackingOff;
            open.attempt = ended.attempt + 1;
            open.last_failure = Some(failure);
            open.unsettled |= ended.unsettled;
        }
        if let Some(operation) = self.run.scopes.operation_mut(id) {
            operation.state = OperationState::Unsent(self.planned.len());
        }
        self.plan(Planned::StartTimer {
            operation: id,
            duration: delay,
        });
    }

    /// The wait before its next attempt is over.
    pub(super) fn retry_local(&mut self, id: OperationId) {
        if let Some(operation) = self.run.scopes.operation_mut(id) {
            operation.state = OperationState::Local;
        }
        if let Some(open) = self.run.locals.get_mut(&id) {
            open.phase = LocalPhase::Requested;
        }
    }

    fn stop_waiting_for_local(
        &mut self,
        open: &OpenLocal,
        ended: &LocalResolution,
    ) -> Option<GuestEvent> {
        let id = ended.operation;
        let operation = self.run.scopes.resolve(id)?;
        let by_code = self.by_code(String::new());
        let info = operation.canceled.as_ref().unwrap_or(&by_code);
        self.mark_local(open, ended, None, Some(canceled(info, false)));
        self.run.locals.remove(&id);
        self.orders.push(LocalOrder::Abandon(id));
        self.run.compensations.settle(id, End::Effective);
        self.advance_compensation();
        let failure = activity_canceled(&operation.kind, EventId(0), info, false);
        Some(GuestEvent::ActivityResolved(id, Err(failure)))
    }

    /// Plans the marker, with what Temporal's SDKs write into it.
    fn mark_local(
        &mut self,
        open: &OpenLocal,
        ended: &LocalResolution,
        result: Option<Payload>,
        failure: Option<Failure>,
    ) {
        let backoff = match &ended.outcome {
            LocalOutcome::Backoff { delay, .. } => Some(delay.0),
            _ => None,
        };
        let data = json!({
            "seq": ended.operation.0,
            "activity_id": open.activity_id,
            "activity_type": open.call.activity_type,
            "attempt": ended.attempt,
            "complete_time": ended.at.0,
            "original_schedule_time": open.scheduled_at.0,
            "backoff": backoff,
        });
        let mut details = vec![("data".into(), vec![Payload::json(data.to_string())])];
        details.extend(result.map(|result| ("result".into(), vec![result])));
        self.planned.push(Planned::Marker {
            name: MARKER.into(),
            details,
            failure,
        });
    }
}
