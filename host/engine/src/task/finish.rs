//! The end of a task: its commands become events.

use super::{Planned, Task};
use crate::{
    ActivityCall, ActivityClose, Attempts, EventAttributes, EventId, FailureInfo, Initiator, Input,
    Millis, OperationId, Outcome, Payload, PendingActivity, PendingTimer, Record, Run, Status,
    TaskFailure, TaskOutcome, TaskRecord,
    local::LocalPhase,
    run::{OpenActivity, OpenTimer, PendingTask},
    scopes::OperationState,
};
use std::collections::BTreeSet;

/// What an activity that had not been started reports when it is canceled (R18).
const NOT_STARTED: &str = "\"ACTIVITY_ID_NOT_STARTED\"";

impl Task {
    /// Ends a replayed task, or a live one none of whose pending activities has been started.
    ///
    /// # Errors
    /// In replay, if the guest has issued fewer commands than were recorded.
    pub fn finish(self) -> Result<Box<Run>, TaskFailure> {
        if self.replaying() {
            // What became of unstarted activities is recorded next.
            return Ok(self.into_history()?.0);
        }
        self.finish_with(|_| Attempts::None { unsettled: false })
    }

    /// Ends a live task. `attempts` tells what has become of a pending activity's; one that is
    /// canceled while none is running closes at once.
    ///
    /// # Errors
    /// If a command failed. The run is lost and must be rebuilt from its frames.
    pub fn finish_with(
        self,
        attempts: impl Fn(EventId) -> Attempts,
    ) -> Result<Box<Run>, TaskFailure> {
        let at = self.started_at;
        let (mut run, canceled) = self.into_history()?;
        if run.status() != &Status::Running {
            return Ok(run);
        }
        let not_running = canceled.into_iter().filter_map(|id| match attempts(id) {
            Attempts::None { unsettled } if !crate::broken("R18") => Some((id, unsettled)),
            _ => None,
        });
        let closes = not_running.map(|(scheduled_event_id, unsettled)| {
            let details = vec![Payload::json(NOT_STARTED)];
            let close = ActivityClose::Canceled {
                details,
                identity: String::new(),
            };
            let input = Input::ActivityClosed {
                scheduled_event_id,
                started: None,
                close,
                unsettled,
            };
            (at, input)
        });
        let refused = run.append_all(closes).into_iter().find_map(Result::err);
        assert!(
            refused.is_none(),
            "an activity that was just asked to stop is pending"
        );
        Ok(run)
    }

    /// Writes the task's events. Returns the run and the activities that were asked to stop.
    fn into_history(mut self) -> Result<(Box<Run>, Vec<EventId>), TaskFailure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.check_none_left()?;
        let (at, digest) = (self.started_at, self.digest);
        let attempt = self.run.task_attempt();
        let (scheduled_event_id, started_event_id) = self.run.emit_task_started(at, self.history);
        let completed_event_id = self.run.emit(
            at,
            EventAttributes::WorkflowTaskCompleted {
                scheduled_event_id,
                started_event_id,
                digest,
            },
        );
        self.run.task = PendingTask::Idle;
        self.run.first_task_done = true;
        if let Some(cancel) = &mut self.run.cancel {
            cancel.delivered = true;
        }
        let commands = std::mem::take(&mut self.issued);
        let resolutions = std::mem::take(&mut self.resolutions);
        let outcome = if resolutions.is_empty() {
            TaskOutcome::Completed { digest, commands }
        } else {
            TaskOutcome::CompletedWithLocal {
                digest,
                commands,
                resolutions,
            }
        };
        self.run.push_record(Record::Task(TaskRecord {
            started_at: at,
            attempt,
            outcome,
            history: self.history,
        }));
        let mut canceled = Vec::new();
        for planned in std::mem::take(&mut self.planned) {
            if let Planned::CancelActivity {
                scheduled_event_id, ..
            } = planned
            {
                canceled.push(scheduled_event_id);
            }
            self.write(planned, completed_event_id);
            if self.run.status() != &Status::Running {
                break; // A closed run sends nothing more.
            }
        }
        self.locals_go_on();
        Ok((self.run, canceled))
    }

    /// Local activities that have not ended are waited for by another workflow task.
    fn locals_go_on(&mut self) {
        if self.run.status() != &Status::Running {
            return;
        }
        let running = self.run.locals.iter();
        let running = running.filter(|(_, open)| open.phase == LocalPhase::Running);
        let running: BTreeSet<OperationId> = running.map(|(id, _)| *id).collect();
        if !running.is_empty() {
            self.run.task = PendingTask::Due;
        }
        if self.had_locals {
            self.run.changes().locals_open = Some(running);
        }
    }

    /// Writes the event of a command.
    fn write(&mut self, planned: Planned, completed_event_id: EventId) {
        match planned {
            Planned::Nothing => {}
            Planned::ScheduleActivity {
                operation,
                activity_id,
                call,
            } => self.schedule(operation, activity_id, call, completed_event_id),
            Planned::StartTimer {
                operation,
                duration,
            } => self.write_timer(operation, duration, completed_event_id),
            Planned::CancelActivity {
                scheduled_event_id,
                reason,
                wait_at_most,
            } => {
                let id = self.cancel_activity(scheduled_event_id, reason, completed_event_id);
                self.limit_wait(scheduled_event_id, id, wait_at_most);
            }
            Planned::CancelTimer {
                started_event_id,
                operation,
            } => self.cancel_timer(started_event_id, operation, completed_event_id),
            Planned::StartChild {
                operation,
                workflow_id,
                call,
            } => self.initiate_child(operation, workflow_id, call, completed_event_id),
            Planned::Signal {
                operation,
                target,
                signal,
            } => self.initiate_signal(operation, target, *signal, completed_event_id),
            Planned::CancelExternal {
                kind,
                target,
                reason,
            } => self.initiate_cancel(kind, target, reason, completed_event_id),
            Planned::Marker {
                name,
                details,
                failure,
            } => self.write_marker(name, details, failure, completed_event_id),
            Planned::Close(outcome) => self.close(outcome, completed_event_id),
            Planned::AcceptUpdate(update) => self.write_acceptance(*update, completed_event_id),
            Planned::CompleteUpdate { id, outcome } => self.write_completion(id, outcome),
            Planned::Memo(entries) => self.write_memo(entries, completed_event_id),
            Planned::SearchAttributes(entries) => {
                self.write_search_attributes(entries, completed_event_id);
            }
        }
    }

    fn write_marker(
        &mut self,
        marker_name: String,
        details: Vec<(String, Vec<Payload>)>,
        failure: Option<crate::Failure>,
        workflow_task_completed_event_id: EventId,
    ) {
        let attributes = EventAttributes::MarkerRecorded {
            marker_name,
            details,
            failure,
            workflow_task_completed_event_id,
        };
        self.run.emit(self.started_at, attributes);
    }

    fn schedule(
        &mut self,
        operation: OperationId,
        activity_id: String,
        call: Box<ActivityCall>,
        workflow_task_completed_event_id: EventId,
    ) {
        let event_id =
            self.run
                .emit_with(self.started_at, || EventAttributes::ActivityTaskScheduled {
                    activity_id: activity_id.clone(),
                    call: call.clone(),
                    workflow_task_completed_event_id,
                });
        self.sent(operation, event_id);
        self.run.compensations.note_sent(operation, event_id);
        let open = OpenActivity {
            operation,
            activity_id: activity_id.clone(),
            cancel_requested_event_id: None,
        };
        self.run.activities.insert(event_id, open);
        if self.run.keeps_records() {
            let pending = PendingActivity::new(event_id, activity_id, *call, self.started_at);
            self.run.changes().scheduled.push(pending);
        }
    }

    fn write_timer(
        &mut self,
        operation: OperationId,
        start_to_fire_timeout: Millis,
        workflow_task_completed_event_id: EventId,
    ) {
        let started_event_id =
            self.run
                .emit_with(self.started_at, || EventAttributes::TimerStarted {
                    timer_id: operation.to_string(),
                    start_to_fire_timeout,
                    workflow_task_completed_event_id,
                });
        self.sent(operation, started_event_id);
        let timer = OpenTimer {
            operation,
            ends_wait_for: None,
        };
        self.run.timers.insert(started_event_id, timer);
        let due = self.started_at + start_to_fire_timeout;
        self.run.changes().timers_started.push(PendingTimer {
            started_event_id,
            due,
        });
    }

    pub(super) fn sent(&mut self, operation: OperationId, event_id: EventId) {
        if let Some(entry) = self.run.scopes.operation_mut(operation) {
            entry.state = OperationState::Sent(event_id);
        }
    }

    fn cancel_activity(
        &mut self,
        scheduled_event_id: EventId,
        reason: String,
        workflow_task_completed_event_id: EventId,
    ) -> EventId {
        let attributes = EventAttributes::ActivityTaskCancelRequested {
            scheduled_event_id,
            workflow_task_completed_event_id,
            reason: reason.clone(),
        };
        let event_id = self.run.emit(self.started_at, attributes);
        if let Some(open) = self.run.activities.get_mut(&scheduled_event_id) {
            open.cancel_requested_event_id = Some(event_id);
        }
        self.run
            .changes()
            .cancel_requested
            .push((scheduled_event_id, reason));
        event_id
    }

    /// Arms the timer that ends the wait for a canceled activity, if the wait has a limit.
    ///
    /// It has no event of its own until it is due, and goes by the id of the request.
    fn limit_wait(
        &mut self,
        scheduled_event_id: EventId,
        cancel_requested_event_id: EventId,
        limit: Option<Millis>,
    ) {
        let activity = self.run.activities.get(&scheduled_event_id);
        let limit = limit.filter(|_| !crate::broken("R23"));
        let (Some(limit), Some(activity)) = (limit, activity) else {
            return;
        };
        let timer = OpenTimer {
            operation: activity.operation,
            ends_wait_for: Some(scheduled_event_id),
        };
        self.run.timers.insert(cancel_requested_event_id, timer);
        let due = self.started_at + limit;
        self.run.changes().timers_started.push(PendingTimer {
            started_event_id: cancel_requested_event_id,
            due,
        });
    }

    fn cancel_timer(
        &mut self,
        started_event_id: EventId,
        operation: OperationId,
        workflow_task_completed_event_id: EventId,
    ) {
        let attributes = EventAttributes::TimerCanceled {
            timer_id: operation.to_string(),
            started_event_id,
            workflow_task_completed_event_id,
        };
        self.run.emit(self.started_at, attributes);
        self.run.timers.remove(&started_event_id);
        self.run.changes().timers_ended.push(started_event_id);
    }

    /// Canceled means that cancellation was requested and that the failure is one (R12).
    fn close(&mut self, outcome: Outcome, workflow_task_completed_event_id: EventId) {
        let uncompensated = self.run.compensations.failed.clone();
        let requested = self.run.cancel.as_ref().map(|cancel| cancel.event_id);
        let cancel_requested_event_id =
            requested.or_else(|| crate::broken("R12").then_some(EventId(0)));
        let at = self.started_at;
        let (attributes, status) = match (outcome, cancel_requested_event_id) {
            (Outcome::Completed(result), _) => (
                EventAttributes::WorkflowExecutionCompleted {
                    result: result.clone(),
                    workflow_task_completed_event_id,
                    new_execution_run_id: self.run.follow_completion(at, &result),
                },
                Status::Completed { result },
            ),
            (Outcome::ContinueAsNew(call), _) => {
                let (new_run_id, backoff_start_interval) = self.run.follow_as_new(at, &call);
                let attributes = EventAttributes::WorkflowExecutionContinuedAsNew {
                    new_execution_run_id: new_run_id.clone(),
                    call,
                    backoff_start_interval,
                    initiator: Initiator::ContinueAsNew,
                    workflow_task_completed_event_id,
                };
                (attributes, Status::ContinuedAsNew { new_run_id })
            }
            (Outcome::Failed(failure), Some(cancel_requested_event_id))
                if failure.is_cancellation() =>
            {
                let details = details(&failure);
                let attributes = EventAttributes::WorkflowExecutionCanceled {
                    details: details.clone(),
                    workflow_task_completed_event_id,
                    cancel_requested_event_id,
                    uncompensated,
                    forced: false,
                };
                (attributes, Status::Canceled { details })
            }
            (Outcome::Failed(failure), _) => {
                let (retry_state, new_execution_run_id) = self.run.follow_failure(at, &failure);
                self.run.retry_state = retry_state;
                let attributes = EventAttributes::WorkflowExecutionFailed {
                    failure: failure.clone(),
                    retry_state,
                    workflow_task_completed_event_id,
                    uncompensated,
                    new_execution_run_id,
                };
                (attributes, Status::Failed { failure })
            }
        };
        self.run.emit(at, attributes);
        self.run.close(status);
    }
}

/// Details of the canceled failure that makes a failure a cancellation (R13).
fn details(failure: &crate::Failure) -> Vec<Payload> {
    let canceled = failure.chain().find_map(|link| match &link.info {
        FailureInfo::Canceled { .. } if crate::broken("R13") => None,
        FailureInfo::Canceled { details, .. } => Some(details.clone()),
        _ => None,
    });
    canceled.unwrap_or_default()
}
