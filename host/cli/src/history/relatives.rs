//! What events say of children and other runs.

use super::value_text;
use crate::payload;
use sandglass_engine::{EventAttributes, EventId, HistoryEvent, Target};

/// What an event says beyond its type; nothing if it is about something else.
pub(super) fn describe(attributes: &EventAttributes, history: &[HistoryEvent]) -> Option<String> {
    use EventAttributes as E;
    let child = |id: EventId| child_name(id, history);
    Some(match attributes {
        E::StartChildWorkflowExecutionInitiated {
            workflow_id, call, ..
        } => {
            let arguments = payload::short(&call.arguments);
            format!("{} [{workflow_id}] ({arguments})", call.workflow_type)
        }
        E::StartChildWorkflowExecutionFailed {
            initiated_event_id,
            cause,
            ..
        } => format!("{}: {}", child(*initiated_event_id), cause.name()),
        E::ChildWorkflowExecutionStarted {
            initiated_event_id,
            run_id,
            ..
        } => format!("{}, run {run_id}", child(*initiated_event_id)),
        E::ChildWorkflowExecutionCompleted {
            initiated_event_id,
            result,
            ..
        } => format!("{} -> {}", child(*initiated_event_id), value_text(result)),
        E::ChildWorkflowExecutionFailed {
            initiated_event_id,
            failure,
            ..
        } => format!("{}: {failure}", child(*initiated_event_id)),
        E::ChildWorkflowExecutionCanceled {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionTimedOut {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionTerminated {
            initiated_event_id, ..
        } => child(*initiated_event_id),
        E::SignalExternalWorkflowExecutionInitiated { target, signal, .. } => {
            let arguments = payload::short(&signal.arguments);
            format!("{}({arguments}) to {}", signal.name, name(target))
        }
        E::RequestCancelExternalWorkflowExecutionInitiated { target, reason, .. } => {
            let reason = if reason.is_empty() {
                "no reason given"
            } else {
                reason
            };
            format!("{}: {reason}", name(target))
        }
        E::ExternalWorkflowExecutionSignaled { target, .. }
        | E::ExternalWorkflowExecutionCancelRequested { target, .. } => name(target),
        E::SignalExternalWorkflowExecutionFailed { target, cause, .. }
        | E::RequestCancelExternalWorkflowExecutionFailed { target, cause, .. } => {
            format!("{}: {}", name(target), cause.name())
        }
        _ => return None,
    })
}

fn name(target: &Target) -> String {
    match &target.run_id {
        Some(run_id) => format!("{} (run {run_id})", target.workflow_id),
        None => target.workflow_id.clone(),
    }
}

fn child_name(initiated: EventId, history: &[HistoryEvent]) -> String {
    let index = usize::try_from(initiated.0)
        .unwrap_or(usize::MAX)
        .wrapping_sub(1);
    match history.get(index).map(|event| &event.attributes) {
        Some(EventAttributes::StartChildWorkflowExecutionInitiated {
            workflow_id, call, ..
        }) => format!("{} [{workflow_id}]", call.workflow_type),
        _ => format!("child of event {initiated}"),
    }
}
