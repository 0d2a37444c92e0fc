//! What a guest asks for: activity calls, scope kinds and how a compensation is to run.

use super::{fields, header, list, search_fields};
use crate::bindings::{
    types as wit,
    workflow::sandglass::workflow::{cancellation, children, compensation, externals},
};
use sandglass_engine::{
    ActivityCall, CancellationType, ChildCall, ChildCancellation, CompensateWhen, IdReusePolicy,
    Millis, ParentClosePolicy, RetryPolicy, ScopeKind, Target,
};

impl From<wit::ActivityCall> for ActivityCall {
    fn from(call: wit::ActivityCall) -> Self {
        Self {
            activity_type: call.activity_type,
            activity_id: call.activity_id,
            task_queue: call.task_queue,
            arguments: list(call.arguments),
            header: header(call.header),
            schedule_to_close: call.schedule_to_close.map(Millis),
            schedule_to_start: call.schedule_to_start.map(Millis),
            start_to_close: call.start_to_close.map(Millis),
            heartbeat: call.heartbeat.map(Millis),
            retry: call.retry.map(Into::into),
            cancellation: cancellation(call.cancellation, call.wait_timeout),
        }
    }
}

impl From<children::ChildCall> for ChildCall {
    fn from(call: children::ChildCall) -> Self {
        use children::{
            ChildCancellationType as Type, IdReusePolicy as Reuse, ParentClosePolicy as Policy,
        };
        Self {
            workflow_type: call.workflow_type,
            workflow_id: call.workflow_id,
            task_queue: call.task_queue,
            arguments: list(call.arguments),
            header: header(call.header),
            run_timeout: call.run_timeout.map(Millis),
            cancellation: match call.cancellation {
                Type::WaitCancellationCompleted => ChildCancellation::WaitCancellationCompleted,
                Type::WaitCancellationRequested => ChildCancellation::WaitCancellationRequested,
                Type::TryCancel => ChildCancellation::TryCancel,
                Type::Abandon => ChildCancellation::Abandon,
            },
            parent_close_policy: match call.parent_close {
                Policy::Terminate => ParentClosePolicy::Terminate,
                Policy::RequestCancel => ParentClosePolicy::RequestCancel,
                Policy::Abandon => ParentClosePolicy::Abandon,
            },
            execution_timeout: call.execution_timeout.map(Millis),
            retry: call.retry.map(Into::into),
            cron: call.cron,
            id_reuse: match call.id_reuse {
                Reuse::AllowDuplicate => IdReusePolicy::AllowDuplicate,
                Reuse::AllowDuplicateFailedOnly => IdReusePolicy::AllowDuplicateFailedOnly,
                Reuse::RejectDuplicate => IdReusePolicy::RejectDuplicate,
            },
            memo: fields(call.memo),
            search_attributes: search_fields(call.search_attributes),
        }
    }
}

impl From<externals::Target> for Target {
    fn from(target: externals::Target) -> Self {
        Self {
            workflow_id: target.workflow_id,
            run_id: target.run_id,
        }
    }
}

impl From<wit::RetryPolicy> for RetryPolicy {
    fn from(policy: wit::RetryPolicy) -> Self {
        Self {
            initial_interval: Millis(policy.initial_interval),
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval: policy.maximum_interval.map(Millis),
            maximum_attempts: policy.maximum_attempts,
            non_retryable_types: policy.non_retryable_types,
        }
    }
}

fn cancellation(kind: wit::CancellationType, wait_timeout: Option<u64>) -> CancellationType {
    match (kind, wait_timeout) {
        (wit::CancellationType::WaitCancellationCompleted, Some(limit)) => {
            CancellationType::WaitAtMost(Millis(limit))
        }
        (wit::CancellationType::WaitCancellationCompleted, None) => {
            CancellationType::WaitCancellationCompleted
        }
        (wit::CancellationType::TryCancel, _) => CancellationType::TryCancel,
        (wit::CancellationType::Abandon, _) => CancellationType::Abandon,
    }
}

impl From<cancellation::ScopeKind> for ScopeKind {
    fn from(kind: cancellation::ScopeKind) -> Self {
        match kind {
            cancellation::ScopeKind::Cancellable => Self::Cancellable,
            cancellation::ScopeKind::Shielded => Self::Shielded,
            cancellation::ScopeKind::Detached => Self::Detached,
            cancellation::ScopeKind::Timeout(after) => Self::Timeout(Millis(after)),
        }
    }
}

impl From<compensation::RunWhen> for CompensateWhen {
    fn from(when: compensation::RunWhen) -> Self {
        match when {
            compensation::RunWhen::Effective => Self::Effective,
            compensation::RunWhen::Always => Self::Always,
        }
    }
}
