//! Commands that are malformed or pass a limit. They fail the workflow task at the guest's line.

use super::{
    Task, bad_scope,
    messages::{fields_bytes, named_bytes},
};
use crate::{
    ActivityCall, ChildCall, Command, CompensationId, ContinueCall, CronSchedule, Limits,
    OperationId, Outcome, Payload, ScopeId, ScopeKind, SearchValue, Target, TaskFailedCause,
    TaskFailure, Timestamp, retry, scopes::OperationKind,
};

impl Task {
    pub(super) fn validate(&self, command: &Command) -> Result<(), TaskFailure> {
        let limit = self.longest_name();
        match command {
            Command::ScheduleActivity { call, .. } => {
                valid_call(call, limit)?;
                self.unused_id(call)
            }
            Command::ScheduleLocalActivity { call, .. } => {
                valid_call(call, limit)?;
                only_local(call)
            }
            Command::Complete {
                outcome: Outcome::ContinueAsNew(call),
            } => self.valid_continuation(call, limit),
            Command::StartTimer { .. }
            | Command::OpenWait { .. }
            | Command::Complete { .. }
            | Command::StopCompensatingOnFailure { .. } => Ok(()),
            Command::StartChild { call, .. } => self.valid_child(call),
            Command::SignalExternal { target, name, .. } => {
                let cause = TaskFailedCause::BadSignalWorkflowExecutionAttributes;
                let kind = "BadSignalWorkflowExecutionAttributes";
                valid_target(cause, kind, target, limit)?;
                if !name.is_empty() {
                    return Ok(());
                }
                let message = format!("the signal to {:?} has no name", target.workflow_id);
                Err(TaskFailure::new(cause, kind, message))
            }
            Command::CancelExternal { target, .. } => valid_target(
                TaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes,
                "BadRequestCancelExternalWorkflowExecutionAttributes",
                target,
                limit,
            ),
            Command::OpenScope { parent: scope, .. } | Command::Compensate { scope } => {
                self.known_scope(*scope)
            }
            Command::CancelScope { scope, .. } | Command::CloseScope { scope } => {
                if *scope == ScopeId::ROOT {
                    return Err(bad_scope(
                        "the root scope cannot be canceled or closed".into(),
                    ));
                }
                self.known_scope(*scope)
            }
            Command::CloseWait { wait } => self.is_wait(*wait),
            Command::CancelOperation { operation } => self.known_operation(*operation),
            Command::CompleteUpdate { .. }
            | Command::UpsertMemo { .. }
            | Command::UpsertSearchAttributes { .. }
            | Command::Patched { .. } => self.validate_message(command, limit),
            Command::PushCompensation {
                scope,
                undoes,
                call,
                ..
            } => {
                self.known_scope(*scope)?;
                undoes.map_or(Ok(()), |operation| self.undoable(operation))?;
                valid_call(call, limit)
            }
            Command::SetCompensationArguments { compensation, .. } => {
                self.known_compensation(*compensation)
            }
        }
    }

    /// A replay is not checked against the limits of today.
    fn longest_name(&self) -> usize {
        match self.replaying() {
            true => usize::MAX,
            false => self.run.limits.name_bytes,
        }
    }

    /// Whether a child's schedule is one was decided when it was recorded.
    fn valid_child(&self, call: &ChildCall) -> Result<(), TaskFailure> {
        match self.replaying() {
            true => Ok(()),
            false => valid_child(call, &self.run.limits, self.started_at),
        }
    }

    fn known_compensation(&self, compensation: CompensationId) -> Result<(), TaskFailure> {
        if self.run.compensations.knows(compensation) {
            return Ok(());
        }
        let message = format!("compensation {compensation} was never registered");
        Err(bad_scope(message))
    }

    fn is_wait(&self, wait: OperationId) -> Result<(), TaskFailure> {
        self.known_operation(wait)?;
        match self.run.scopes.operation(wait) {
            Some(open) if !matches!(open.kind, OperationKind::Wait(_)) => {
                Err(bad_scope(format!("operation {wait} is not a wait")))
            }
            _ => Ok(()),
        }
    }

    /// What is registered to be undone belongs to this run, and no later one could undo it (R36).
    fn valid_continuation(&self, call: &ContinueCall, limit: usize) -> Result<(), TaskFailure> {
        let bad = |reason: String| {
            let cause = TaskFailedCause::BadContinueAsNewAttributes;
            let message = format!("continue as new: {reason}");
            let kind = "BadContinueAsNewAttributes";
            Err(TaskFailure::new(cause, kind, message))
        };
        let registered = self.run.compensations.entries.len();
        if registered > 0 && !call.drop_compensations {
            return bad(format!(
                "{registered} compensations are registered; run them before, or drop them"
            ));
        }
        let mut names = [&call.workflow_type, &call.task_queue]
            .into_iter()
            .flatten();
        if names.any(|name| name.is_empty() || name.len() > limit) {
            return bad(format!("a type or task queue has 1 to {limit} bytes"));
        }
        if let Some(reason) = call.retry.as_ref().and_then(retry::invalid) {
            return bad(reason);
        }
        let (memo, search) = (call.memo.as_ref(), call.search_attributes.as_ref());
        match self.run.limits.bad_fields(memo, search) {
            Some(reason) if !self.replaying() => bad(reason),
            _ => Ok(()),
        }
    }

    fn known_scope(&self, scope: ScopeId) -> Result<(), TaskFailure> {
        if self.run.scopes.knows_scope(scope) {
            return Ok(());
        }
        Err(bad_scope(format!("scope {scope} was never opened")))
    }

    fn known_operation(&self, operation: OperationId) -> Result<(), TaskFailure> {
        if self.run.scopes.knows_operation(operation) {
            return Ok(());
        }
        Err(bad_scope(format!(
            "operation {operation} was never started"
        )))
    }

    /// Only activities have an effect to undo. What has ended already is taken for one.
    fn undoable(&self, operation: OperationId) -> Result<(), TaskFailure> {
        self.known_operation(operation)?;
        match self.run.scopes.operation(operation).map(|open| &open.kind) {
            None | Some(OperationKind::Activity { .. } | OperationKind::LocalActivity { .. }) => {
                Ok(())
            }
            Some(_) => Err(bad_scope(format!(
                "operation {operation} is not an activity"
            ))),
        }
    }

    fn unused_id(&self, call: &ActivityCall) -> Result<(), TaskFailure> {
        let Some(id) = &call.activity_id else {
            return Ok(());
        };
        let pending = self
            .run
            .activities
            .values()
            .any(|open| open.activity_id == *id);
        let planned = self.planned.iter().any(|planned| match planned {
            super::Planned::ScheduleActivity { activity_id, .. } => activity_id == id,
            _ => false,
        });
        if !pending && !planned {
            return Ok(());
        }
        let cause = TaskFailedCause::ScheduleActivityDuplicateId;
        let message = format!("an activity with id {id:?} is pending already");
        Err(TaskFailure::new(
            cause,
            "ScheduleActivityDuplicateId",
            message,
        ))
    }

    /// Live only: what was recorded was within the limits of its time.
    pub(super) fn check_limits(&mut self, command: &Command) -> Result<(), TaskFailure> {
        if self.replaying() {
            return Ok(());
        }
        let limits = self.run.limits;
        let over = |what: &str, limit: usize| {
            let cause = TaskFailedCause::WorkflowWorkerUnhandledFailure;
            let message = format!("more than {limit} {what}");
            Err(TaskFailure::new(cause, "CommandLimitExceeded", message))
        };
        self.payload_bytes += payload_bytes(command);
        if self.issued.len() >= limits.commands_per_task {
            return over("commands in one workflow task", limits.commands_per_task);
        }
        if self.payload_bytes > limits.payload_bytes_per_task {
            return over(
                "bytes of payload in one workflow task",
                limits.payload_bytes_per_task,
            );
        }
        let starts_timer = matches!(
            command,
            Command::StartTimer { .. }
                | Command::OpenScope {
                    kind: ScopeKind::Timeout(_),
                    ..
                }
        );
        if starts_timer && self.run.timers.len() + self.timers_planned >= limits.pending_timers {
            return over("pending timers in one run", limits.pending_timers);
        }
        match command {
            Command::ScheduleActivity { .. } | Command::ScheduleLocalActivity { .. }
                if self.run.activities.len() + self.activities_planned + self.run.locals.len()
                    >= limits.pending_activities =>
            {
                let cause = TaskFailedCause::PendingActivitiesLimitExceeded;
                let message = format!("more than {} pending activities", limits.pending_activities);
                Err(TaskFailure::new(
                    cause,
                    "PendingActivitiesLimitExceeded",
                    message,
                ))
            }
            Command::StartChild { .. }
            | Command::SignalExternal { .. }
            | Command::CancelExternal { .. } => self.check_relatives(command),
            Command::OpenScope { .. } | Command::OpenWait { .. }
                if self.run.scopes.scopes_and_waits() >= limits.scopes_and_waits =>
            {
                over("open scopes and waits in one run", limits.scopes_and_waits)
            }
            _ => Ok(()),
        }
    }
}

impl Task {
    /// The limits on what is pending with other runs.
    fn check_relatives(&self, command: &Command) -> Result<(), TaskFailure> {
        use TaskFailedCause as Cause;
        let (limits, signals) = (self.run.limits, self.run.signals_pending);
        let (what, pending, limit, cause, kind) = match command {
            Command::StartChild { .. } => (
                "pending child workflows",
                self.run.children.len() + self.children_planned,
                limits.pending_children,
                Cause::PendingChildWorkflowsLimitExceeded,
                "PendingChildWorkflowsLimitExceeded",
            ),
            Command::SignalExternal { .. } => (
                "pending signals to other runs",
                signals + self.signals_planned,
                limits.pending_signals,
                Cause::PendingSignalsLimitExceeded,
                "PendingSignalsLimitExceeded",
            ),
            _ => (
                "pending requests to cancel other runs",
                self.run.externals.len() - signals + self.cancels_planned,
                limits.pending_cancels,
                Cause::PendingRequestCancelLimitExceeded,
                "PendingRequestCancelLimitExceeded",
            ),
        };
        if pending < limit {
            return Ok(());
        }
        let message = format!("more than {limit} {what} in one run");
        Err(TaskFailure::new(cause, kind, message))
    }
}

fn valid_target(
    cause: TaskFailedCause,
    kind: &str,
    target: &Target,
    limit: usize,
) -> Result<(), TaskFailure> {
    let len = target.workflow_id.len();
    if (1..=limit).contains(&len) {
        return Ok(());
    }
    let message = format!("a workflow id has 1 to {limit} bytes, this one has {len}");
    Err(TaskFailure::new(cause, kind, message))
}

fn valid_child(call: &ChildCall, limits: &Limits, now: Timestamp) -> Result<(), TaskFailure> {
    let limit = limits.name_bytes;
    let bad = |reason: String| {
        let cause = TaskFailedCause::BadStartChildExecutionAttributes;
        let message = format!("child workflow {:?}: {reason}", call.workflow_type);
        let kind = "BadStartChildExecutionAttributes";
        Err(TaskFailure::new(cause, kind, message))
    };
    if call.workflow_type.is_empty() {
        return bad("the type is empty".into());
    }
    if call.workflow_id.as_ref().is_some_and(String::is_empty) {
        return bad("the workflow id is empty".into());
    }
    let names = [
        Some(&call.workflow_type),
        call.workflow_id.as_ref(),
        call.task_queue.as_ref(),
    ];
    let mut names = names.into_iter().flatten();
    if names.any(|name| name.len() > limit) {
        return bad(format!("a name is longer than {limit} bytes"));
    }
    if let Some(reason) = call.retry.as_ref().and_then(retry::invalid) {
        return bad(reason);
    }
    if let Some(reason) = limits.bad_fields(Some(&call.memo), Some(&call.search_attributes)) {
        return bad(reason);
    }
    let cron = call.cron.as_deref();
    match cron.map(|cron| CronSchedule::parse_at(cron, now)) {
        Some(Err(error)) => bad(error.to_string()),
        _ => Ok(()),
    }
}

fn payload_bytes(command: &Command) -> usize {
    match command {
        Command::ScheduleActivity { call, .. }
        | Command::ScheduleLocalActivity { call, .. }
        | Command::PushCompensation { call, .. } => call.payload_bytes(),
        Command::SetCompensationArguments { arguments, .. } => values_bytes(arguments),
        Command::SignalExternal {
            arguments, header, ..
        } => values_bytes(arguments) + header_bytes(header),
        Command::StartChild { call, .. } => {
            let fields = fields_bytes(&call.memo) + fields_bytes(&call.search_attributes);
            values_bytes(&call.arguments) + header_bytes(&call.header) + fields
        }
        Command::Complete {
            outcome: Outcome::ContinueAsNew(call),
        } => {
            let fields = [&call.memo, &call.search_attributes].into_iter().flatten();
            let header = call.header.as_deref().unwrap_or_default();
            values_bytes(&call.arguments)
                + header_bytes(header)
                + fields.map(fields_bytes).sum::<usize>()
        }
        Command::Complete {
            outcome: Outcome::Completed(result),
        }
        | Command::CompleteUpdate {
            outcome: Ok(result),
            ..
        } => result.size(),
        Command::CompleteUpdate {
            outcome: Err(failure),
            ..
        } => failure.size(),
        Command::UpsertMemo { entries } => {
            let size = |value: &Payload| value.size();
            let values = entries.iter();
            values
                .map(|(name, value)| name.len() + value.as_ref().map_or(0, size))
                .sum()
        }
        Command::UpsertSearchAttributes { entries } => {
            let size = |value: &SearchValue| value.to_payload().size();
            let values = entries.iter();
            values
                .map(|(name, value)| name.len() + value.as_ref().map_or(0, size))
                .sum()
        }
        Command::OpenWait { label: text, .. }
        | Command::CancelScope { reason: text, .. }
        | Command::CancelExternal { reason: text, .. } => text.len(),
        _ => 0,
    }
}

fn values_bytes(values: &[Payload]) -> usize {
    values.iter().map(Payload::size).sum()
}

fn header_bytes(header: &[(String, Payload)]) -> usize {
    named_bytes(header.iter().map(|(name, value)| (name, value)))
}

/// A local activity knows no queue and no heartbeat.
fn only_local(call: &ActivityCall) -> Result<(), TaskFailure> {
    let foreign = [
        ("a task queue", call.task_queue.is_some()),
        ("schedule-to-start", call.schedule_to_start.is_some()),
        ("a heartbeat timeout", call.heartbeat.is_some()),
    ];
    let Some((what, _)) = foreign.into_iter().find(|(_, is_set)| *is_set) else {
        return Ok(());
    };
    let cause = TaskFailedCause::BadScheduleActivityAttributes;
    let message = format!(
        "local activity {:?} has no use for {what}",
        call.activity_type
    );
    let kind = "BadScheduleActivityAttributes";
    Err(TaskFailure::new(cause, kind, message))
}

fn valid_call(call: &ActivityCall, name_bytes: usize) -> Result<(), TaskFailure> {
    let bad = |reason: String| {
        let cause = TaskFailedCause::BadScheduleActivityAttributes;
        let message = format!("activity {:?}: {reason}", call.activity_type);
        Err(TaskFailure::new(
            cause,
            "BadScheduleActivityAttributes",
            message,
        ))
    };
    if call.activity_type.is_empty() {
        return bad("the type is empty".into());
    }
    for name in [
        Some(&call.activity_type),
        call.activity_id.as_ref(),
        call.task_queue.as_ref(),
    ] {
        if name.is_some_and(|name| name.len() > name_bytes) {
            return bad(format!("a name is longer than {name_bytes} bytes"));
        }
    }
    let limits = [call.start_to_close, call.schedule_to_close];
    if !limits
        .into_iter()
        .flatten()
        .any(|limit: crate::Millis| limit.0 > 0)
    {
        return bad("set start-to-close or schedule-to-close".into());
    }
    if let Some(reason) = call.retry.as_ref().and_then(retry::invalid) {
        return bad(reason);
    }
    Ok(())
}
