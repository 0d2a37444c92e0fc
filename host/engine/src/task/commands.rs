//! What each command does (rules 1, 7, 10, 11, 12).

use super::{Planned, Task, cancel::canceled};
use crate::{
    ActivityCall, Answer, CancelCause, CancelInfo, Command, CompensateWhen, CompensationId,
    Failure, FailureInfo, Issued, Millis, OperationId, Outcome, Payload, ScopeId, ScopeKind,
    TaskFailure,
    compensation::{End, Entry, Purpose},
    run::ExternalKind,
    scopes::{OperationKind, OperationState},
};

impl Task {
    pub(super) fn take_command(&mut self, command: Command) -> Result<Answer, TaskFailure> {
        if self.run.guest_done {
            // Destructors that run after the end have nothing more to say (rule 12).
            return Ok(ignored(&command));
        }
        if let Command::Patched { id, deprecated } = command {
            return self.patched(id, deprecated);
        }
        self.skip_deprecated(None);
        if let Some(failure) = self.refusal(&command)? {
            return Ok(Answer::Refused(failure));
        }
        self.check_recorded(&command)?;
        self.validate(&command)?;
        self.check_limits(&command)?;
        let delivery = self.deliveries.saturating_sub(1);
        if self.run.keeps_records() {
            let command = command.clone();
            self.issued.push(Issued { delivery, command });
        }
        Ok(self.execute(command))
    }

    /// A command that starts something in a canceled or closed scope is answered at once: it uses
    /// no number and is not recorded (rule 7).
    fn refusal(&self, command: &Command) -> Result<Option<Failure>, TaskFailure> {
        let (Command::ScheduleActivity { scope, .. }
        | Command::ScheduleLocalActivity { scope, .. }
        | Command::StartTimer { scope, .. }
        | Command::OpenWait { scope, .. }
        | Command::StartChild { scope, .. }
        | Command::SignalExternal { scope, .. }
        | Command::CancelExternal { scope, .. }) = command
        else {
            return Ok(None);
        };
        if !self.run.scopes.knows_scope(*scope) {
            return Err(super::bad_scope(format!("scope {scope} was never opened")));
        }
        if crate::broken("R7") {
            return Ok(None);
        }
        Ok(match self.run.scopes.scope(*scope) {
            Some(scope) if crate::broken("R33") && !scope.children.is_empty() => None,
            Some(scope) => scope.refuses().map(|info| canceled(info, true)),
            None => Some(Failure::new(
                "scope closed",
                FailureInfo::Canceled {
                    details: Vec::new(),
                    identity: String::new(),
                    settled: true,
                    request: None,
                },
            )),
        })
    }

    pub(super) fn execute(&mut self, command: Command) -> Answer {
        match command {
            Command::ScheduleActivity { scope, call } => {
                Answer::Operation(self.schedule_activity(scope, call))
            }
            Command::ScheduleLocalActivity {
                scope,
                call,
                retry_threshold,
            } => Answer::Operation(self.schedule_local(scope, call, retry_threshold)),
            Command::StartTimer { scope, duration } => {
                Answer::Operation(self.start_timer(scope, duration))
            }
            Command::OpenWait { scope, label } => {
                let scopes = &mut self.run.scopes;
                let (kind, state) = (OperationKind::Wait(label), OperationState::Local);
                Answer::Operation(scopes.add_operation(Some(scope), kind, state))
            }
            // One whose cancellation is queued counts as satisfied: the first wins (rule 11).
            Command::CloseWait { wait } => {
                self.run.scopes.resolve(wait);
                Answer::Done
            }
            Command::OpenScope { parent, kind } => Answer::Scope(self.open_scope(parent, kind)),
            Command::CancelScope { scope, reason } => {
                let info = self.by_code(reason);
                self.cancel_scope(scope, &info);
                Answer::Done
            }
            Command::CloseScope { scope } => {
                self.close_scope(scope);
                Answer::Done
            }
            Command::CancelOperation { operation } => self.cancel_by_code(operation),
            Command::PushCompensation {
                scope,
                undoes,
                call,
                when,
            } => Answer::Compensation(self.push_compensation(scope, undoes, call, when)),
            Command::SetCompensationArguments {
                compensation,
                arguments,
            } => {
                self.set_compensation_arguments(compensation, arguments);
                Answer::Done
            }
            Command::Compensate { scope } => Answer::Operation(self.compensate(scope)),
            Command::StopCompensatingOnFailure { stop } => {
                self.run.compensations.stop_on_failure = stop;
                Answer::Done
            }
            Command::Complete { outcome } => self.complete(outcome),
            Command::StartChild { scope, call } => Answer::Operation(self.start_child(scope, call)),
            Command::SignalExternal {
                scope,
                target,
                name,
                arguments,
                header,
            } => Answer::Operation(self.signal_external(scope, target, name, arguments, header)),
            Command::CancelExternal {
                scope,
                target,
                reason,
            } => Answer::Operation(self.cancel_external(scope, target, reason)),
            command => self.execute_message(command),
        }
    }

    fn cancel_by_code(&mut self, operation: OperationId) -> Answer {
        let info = self.by_code("operation canceled".into());
        self.cancel_operation(operation, &info);
        Answer::Done
    }

    /// One that has run, or is about to, keeps the arguments it ran with.
    fn set_compensation_arguments(&mut self, id: CompensationId, arguments: Vec<Payload>) {
        if let Some(entry) = self.run.compensations.entries.get_mut(&id) {
            entry.call.arguments = arguments;
        }
    }

    fn start_timer(&mut self, scope: ScopeId, duration: Millis) -> OperationId {
        let operation = self.add_unsent(scope, OperationKind::Timer);
        self.plan(Planned::StartTimer {
            operation,
            duration,
        });
        operation
    }

    fn schedule_activity(&mut self, scope: ScopeId, call: ActivityCall) -> OperationId {
        let number = self.run.scopes.next_operation();
        let activity_id = call
            .activity_id
            .clone()
            .unwrap_or_else(|| number.to_string());
        let kind = OperationKind::Activity {
            activity_type: call.activity_type.clone(),
            activity_id: activity_id.clone(),
            cancellation: call.cancellation,
        };
        self.send_activity(Some(scope), kind, activity_id, call)
    }

    pub(super) fn send_activity(
        &mut self,
        scope: Option<ScopeId>,
        kind: OperationKind,
        activity_id: String,
        call: ActivityCall,
    ) -> OperationId {
        let state = OperationState::Unsent(self.planned.len());
        let operation = self.run.scopes.add_operation(scope, kind, state);
        let mut call = Box::new(call.normalized());
        let queue = &self.start().task_queue;
        if call.task_queue.is_none() && !queue.is_empty() {
            call.task_queue = Some(queue.clone());
        }
        self.plan(Planned::ScheduleActivity {
            operation,
            activity_id,
            call,
        });
        operation
    }

    fn open_scope(&mut self, parent: ScopeId, kind: ScopeKind) -> ScopeId {
        let id = self.run.scopes.open_scope(parent, kind);
        let (inherited, works_on) = match self.run.scopes.scope(parent) {
            Some(parent) => (parent.canceled.clone(), parent.refuses().is_none()),
            None => (Some(self.by_code("scope closed".into())), false),
        };
        let inherits = match kind {
            ScopeKind::Detached => false,
            // A shield is told what its parent was told.
            ScopeKind::Shielded => true,
            ScopeKind::Cancellable | ScopeKind::Timeout(_) => !works_on,
        };
        if let (Some(info), true) = (inherited, inherits) {
            let info = CancelInfo {
                cause: CancelCause::Parent,
                ..info
            };
            if let Some(scope) = self.run.scopes.scope_mut(id) {
                scope.canceled = Some(info);
            }
            return id;
        }
        if let ScopeKind::Timeout(duration) = kind {
            let state = OperationState::Unsent(self.planned.len());
            let operation =
                self.run
                    .scopes
                    .add_operation(Some(id), OperationKind::ScopeTimer(id), state);
            self.plan(Planned::StartTimer {
                operation,
                duration,
            });
        }
        id
    }

    fn push_compensation(
        &mut self,
        scope: ScopeId,
        undoes: Option<OperationId>,
        mut call: ActivityCall,
        when: CompensateWhen,
    ) -> CompensationId {
        // An id of its own would clash if the activity it undoes is repeated.
        call.activity_id = None;
        if let Some(operation) = undoes
            && let Some(local) = self.run.locals.get(&operation)
        {
            let key = local.key.clone();
            self.run.compensations.locals.insert(operation, key);
        }
        let open = undoes.is_some_and(|operation| self.is_open(operation));
        let entry = Entry { undoes, call, when };
        let id = self
            .run
            .compensations
            .push(self.run.scopes.open_or_root(scope), entry, open);
        if let Some(operation) = undoes
            && self.run.scopes.operation(operation).is_some_and(|o| o.void)
        {
            self.run.compensations.settle(operation, End::Void);
        }
        id
    }

    /// Whether an activity's end is not recorded, or recorded but not applied yet.
    fn is_open(&self, operation: OperationId) -> bool {
        let open = self.run.scopes.operation(operation);
        let awaited = open.is_some_and(|open| open.void || open.state != OperationState::Queued);
        awaited
            || self.resolving.contains(&operation)
            || self
                .run
                .activities
                .values()
                .any(|activity| activity.operation == operation)
    }

    fn compensate(&mut self, scope: ScopeId) -> OperationId {
        let operation =
            self.run
                .scopes
                .add_operation(None, OperationKind::Compensate, OperationState::Local);
        let below = self.run.scopes.subtree(scope);
        let purpose = Purpose::Resolve(operation);
        self.run
            .compensations
            .begin_round(purpose, |scope| below.contains(scope));
        self.advance_compensation();
        operation
    }

    /// The main function has ended: what is left to do is the host's (rule 12).
    fn complete(&mut self, outcome: Outcome) -> Answer {
        self.run.guest_done = true;
        self.queue.clear();
        let failed = matches!(outcome, Outcome::Failed(_));
        self.run
            .compensations
            .begin_round(Purpose::Close(outcome), |_| failed);
        self.drop_locals();
        self.advance_compensation();
        Answer::Done
    }

    pub(super) fn plan(&mut self, planned: Planned) {
        if let Some(count) = self.count_of(&planned) {
            *count += 1;
        }
        self.planned.push(planned);
    }

    /// Takes back a command that is not sent yet.
    pub(super) fn unschedule(&mut self, index: usize) {
        let planned = std::mem::replace(&mut self.planned[index], Planned::Nothing);
        if let Some(count) = self.count_of(&planned) {
            *count -= 1;
        }
    }

    /// The count of its kind, for the limits.
    fn count_of(&mut self, planned: &Planned) -> Option<&mut usize> {
        match planned {
            Planned::StartTimer { .. } => Some(&mut self.timers_planned),
            Planned::ScheduleActivity { .. } => Some(&mut self.activities_planned),
            Planned::StartChild { .. } => Some(&mut self.children_planned),
            Planned::Signal { .. } => Some(&mut self.signals_planned),
            Planned::CancelExternal {
                kind: ExternalKind::Cancel(_),
                ..
            } => Some(&mut self.cancels_planned),
            _ => None,
        }
    }

    /// How many events the commands so far become.
    pub(super) fn planned_count(&self) -> u64 {
        self.planned
            .iter()
            .filter(|planned| !matches!(planned, Planned::Nothing))
            .count() as u64
    }
}

/// What a command is answered once nothing matters any more.
fn ignored(command: &Command) -> Answer {
    match command {
        Command::ScheduleActivity { .. }
        | Command::ScheduleLocalActivity { .. }
        | Command::StartTimer { .. }
        | Command::OpenWait { .. }
        | Command::StartChild { .. }
        | Command::SignalExternal { .. }
        | Command::CancelExternal { .. } => Answer::Refused(Failure::new(
            "the run has ended",
            FailureInfo::Canceled {
                details: Vec::new(),
                identity: String::new(),
                settled: true,
                request: None,
            },
        )),
        Command::OpenScope { .. } => Answer::Scope(ScopeId::ROOT),
        Command::PushCompensation { .. } => Answer::Compensation(CompensationId(0)),
        Command::Compensate { .. } => Answer::Operation(OperationId(0)),
        Command::Patched { .. } => Answer::Patched(false),
        _ => Answer::Done,
    }
}
