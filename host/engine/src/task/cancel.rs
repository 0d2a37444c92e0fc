//! What cancellation does to scopes and operations (rules 4, 5, 6, 9).

use super::{Planned, Task, relatives::child_failure};
use crate::{
    CancelCause, CancelInfo, CancellationType, ChildCancellation, EventId, Failure, FailureInfo,
    GuestEvent, OperationId, RetryState, ScopeId, ScopeKind, Target,
    compensation::End,
    run::ExternalKind,
    scopes::{OperationKind, OperationState},
};

/// A failure for what belongs to a canceled scope.
pub(super) fn canceled(info: &CancelInfo, settled: bool) -> Failure {
    let message = info.reason.clone();
    let request = Some(info.clone());
    let details = Vec::new();
    Failure::new(
        message,
        FailureInfo::Canceled {
            details,
            identity: String::new(),
            settled,
            request,
        },
    )
}

/// The failure of an activity that is reported canceled before it has ended.
pub(super) fn activity_canceled(
    kind: &OperationKind,
    scheduled_event_id: EventId,
    info: &CancelInfo,
    settled: bool,
) -> Failure {
    let (activity_type, activity_id) = kind.activity();
    let wrapper = FailureInfo::Activity {
        scheduled_event_id,
        started_event_id: EventId(0),
        identity: String::new(),
        activity_type,
        activity_id,
        retry_state: RetryState::CancelRequested,
    };
    Failure::new("activity failed", wrapper).caused_by(canceled(info, settled))
}

impl Task {
    /// A cancellation by the guest's own code.
    pub(super) fn by_code(&self, reason: String) -> CancelInfo {
        let (cause, requester) = (CancelCause::Code, String::new());
        CancelInfo {
            cause,
            reason,
            requester,
            at: self.run.clock,
            deadline: None,
        }
    }

    /// Cancels a scope, its unresolved operations in order, then its children (rule 5).
    ///
    /// The walk keeps its own stack: a guest may nest scopes deeper than a thread's stack bears.
    pub(super) fn cancel_scope(&mut self, id: ScopeId, info: &CancelInfo) {
        let mut rest = vec![(id, info.clone())];
        while let Some((id, info)) = rest.pop() {
            let Some(scope) = self.run.scopes.scope_mut(id) else {
                continue;
            };
            if scope.canceled.is_some() && !crate::broken("R35") {
                continue; // The first cancellation of a scope wins (R35).
            }
            scope.canceled = Some(info.clone());
            let shielded = scope.kind == ScopeKind::Shielded && !crate::broken("R32");
            let mut operations: Vec<_> = scope.operations.iter().copied().collect();
            if crate::broken("R9") {
                operations.reverse();
            }
            let children: Vec<_> = scope.children.iter().copied().collect();
            if id != ScopeId::ROOT {
                self.queue
                    .push_back(GuestEvent::ScopeCanceled(id, info.clone()));
            }
            if shielded {
                continue; // It is only told; nothing in it or below is touched.
            }
            for operation in operations {
                self.cancel_operation(operation, &info);
            }
            let info = CancelInfo {
                cause: CancelCause::Parent,
                ..info
            };
            for child in children.into_iter().rev() {
                let kind = self.run.scopes.scope(child).map(|scope| scope.kind);
                if kind.is_some_and(|kind| kind != ScopeKind::Detached) {
                    rest.push((child, info.clone()));
                }
            }
        }
    }

    /// Closes a scope and the scopes below it that are not detached (rule 9). What is registered
    /// to be undone in them is its parent's from now on.
    pub(super) fn close_scope(&mut self, id: ScopeId) {
        let info = self.by_code("scope closed".into());
        let parent = self.run.scopes.scope(id).map(|scope| scope.parent);
        let parent = parent.unwrap_or(ScopeId::ROOT);
        let mut rest = vec![id];
        while let Some(id) = rest.pop() {
            let Some(scope) = self.run.scopes.remove_scope(id) else {
                continue;
            };
            self.run.compensations.hand_over(id, parent);
            for operation in scope.operations {
                self.cancel_operation(operation, &info);
            }
            for child in scope.children.into_iter().rev() {
                match self.run.scopes.scope(child).map(|scope| scope.kind) {
                    // It goes on without the scope that it was opened in.
                    Some(ScopeKind::Detached) => self.run.scopes.move_scope(child, parent),
                    Some(_) => rest.push(child),
                    None => {}
                }
            }
        }
    }

    /// Cancels one operation (rule 6). One that is resolved or canceled stays as it is.
    pub(super) fn cancel_operation(&mut self, id: OperationId, info: &CancelInfo) {
        let resolves_later = self.resolving.contains(&id) && !crate::broken("R11");
        let Some(operation) = self.run.scopes.operation_mut(id) else {
            return;
        };
        // What the host runs by itself is stopped by nobody but the host.
        let by_host = matches!(
            operation.kind,
            OperationKind::Compensate | OperationKind::Compensation { .. }
        );
        let over = operation.canceled.is_some() || operation.state == OperationState::Queued;
        if by_host || over {
            return;
        }
        operation.canceled = Some(info.clone());
        if matches!(operation.kind, OperationKind::LocalActivity { .. }) {
            self.cancel_local(id, info);
            return;
        }
        let waits = match operation.kind {
            OperationKind::Activity { cancellation, .. } => cancellation.waits(),
            OperationKind::Child(ref child) => child.cancellation.waits(),
            // It cannot be called back: how it ends is awaited (rule 6).
            OperationKind::External => true,
            _ => false,
        };
        match operation.state {
            OperationState::Unsent(planned) => {
                if !crate::broken("R10") {
                    self.unschedule(planned);
                }
                self.run.compensations.settle(id, End::Void);
                self.queue_canceled(id, info, EventId(0), true);
            }
            OperationState::Sent(_) if resolves_later && waits => {}
            OperationState::Sent(event_id) => {
                if !resolves_later {
                    self.plan_cancel(id, event_id, &info.reason);
                }
                if !waits {
                    self.queue_canceled(id, info, event_id, false);
                }
            }
            OperationState::Local if crate::broken("R8") => {}
            OperationState::Local => self.queue_canceled(id, info, EventId(0), true),
            OperationState::Queued => {}
        }
    }

    /// Plans the command that cancels a sent operation, if it has one.
    fn plan_cancel(&mut self, id: OperationId, event_id: EventId, reason: &str) {
        let Some(operation) = self.run.scopes.operation(id) else {
            return;
        };
        match &operation.kind {
            OperationKind::Activity {
                cancellation: CancellationType::Abandon,
                ..
            } => {}
            OperationKind::Activity { cancellation, .. } => {
                let wait_at_most = match cancellation {
                    CancellationType::WaitAtMost(limit) => Some(*limit),
                    _ => None,
                };
                let reason = reason.to_owned();
                self.planned.push(Planned::CancelActivity {
                    scheduled_event_id: event_id,
                    reason,
                    wait_at_most,
                });
            }
            OperationKind::Child(child) => {
                let target = Target {
                    workflow_id: child.workflow_id.clone(),
                    run_id: crate::broken("R27").then(|| child.run_id.clone()),
                };
                if child.cancellation != ChildCancellation::Abandon {
                    self.planned.push(Planned::CancelExternal {
                        kind: ExternalKind::CancelChild(id),
                        target,
                        reason: reason.to_owned(),
                    });
                }
            }
            OperationKind::Timer | OperationKind::ScopeTimer(_) => {
                let (started_event_id, operation) = (event_id, id);
                self.planned.push(Planned::CancelTimer {
                    started_event_id,
                    operation,
                });
            }
            _ => {}
        }
    }

    /// Resolves an operation as canceled: its event goes to the end of the queue.
    pub(super) fn queue_canceled(
        &mut self,
        id: OperationId,
        info: &CancelInfo,
        event_id: EventId,
        settled: bool,
    ) {
        let Some(operation) = self.run.scopes.operation_mut(id) else {
            return;
        };
        operation.state = OperationState::Queued;
        operation.void = settled;
        let event = match &operation.kind {
            OperationKind::Activity { .. } | OperationKind::LocalActivity { .. } => {
                let failure = activity_canceled(&operation.kind, event_id, info, settled);
                GuestEvent::ActivityResolved(id, Err(failure))
            }
            OperationKind::Timer => GuestEvent::TimerFired(id, Err(canceled(info, true))),
            OperationKind::Child(child) => {
                let failure =
                    child_failure(child, event_id, EventId(0), RetryState::CancelRequested)
                        .caused_by(canceled(info, settled));
                GuestEvent::ChildResolved(id, Err(failure))
            }
            OperationKind::External => GuestEvent::ExternalResolved(id, Err(canceled(info, true))),
            OperationKind::Wait(_) => GuestEvent::WaitCanceled(id, canceled(info, true)),
            // The guest never hears of a scope's own timer.
            OperationKind::ScopeTimer(_) => {
                self.run.scopes.resolve(id);
                return;
            }
            OperationKind::Compensate | OperationKind::Compensation { .. } => return,
        };
        self.queue.push_back(event);
    }
}
