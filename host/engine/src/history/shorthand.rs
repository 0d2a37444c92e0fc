//! Histories in one line, in the notation that Sandglass's documents and tests use.

use crate::{EventAttributes as E, HistoryEvent};

/// Writes a history in one line: `WES,T,TS,CR,T,TC,WX`.
///
/// A workflow task without anything between its events is `T`; otherwise `Ts`, `Tb` and `Tc` or
/// `Tf` with its cause stand where they are.
#[must_use]
pub fn shorthand(events: &[HistoryEvent]) -> String {
    let mut words: Vec<String> = Vec::with_capacity(events.len());
    for event in events {
        words.push(word(&event.attributes));
        if let [.., scheduled, started, completed] = &words[..]
            && (scheduled, started, completed) == (&"Ts".into(), &"Tb".into(), &"Tc".into())
        {
            words.truncate(words.len() - 3);
            words.push("T".into());
        }
    }
    words.join(",")
}

/// Writes what of a history does not depend on the timing of workflow tasks (SKEL): without their
/// events and without those that begin activities.
#[must_use]
pub fn skeleton(events: &[HistoryEvent]) -> String {
    let words = events.iter().filter_map(|event| match event.attributes {
        E::WorkflowTaskScheduled { .. }
        | E::WorkflowTaskStarted { .. }
        | E::WorkflowTaskCompleted { .. }
        | E::WorkflowTaskFailed { .. }
        | E::WorkflowTaskTimedOut { .. }
        | E::ActivityTaskStarted { .. } => None,
        ref attributes => Some(word(attributes)),
    });
    words.collect::<Vec<_>>().join(",")
}

fn word(attributes: &E) -> String {
    match attributes {
        E::WorkflowExecutionStarted(_) => "WES",
        E::WorkflowExecutionCompleted { .. } => "WC",
        E::WorkflowExecutionFailed { .. } => "WF",
        E::WorkflowExecutionCanceled { .. } => "WX",
        E::WorkflowExecutionTerminated { .. } => "WK",
        E::WorkflowExecutionTimedOut { .. } => "WTO",
        E::WorkflowExecutionContinuedAsNew { .. } => "WCAN",
        E::WorkflowExecutionCancelRequested(_) => "CR",
        E::WorkflowExecutionSignaled(_) => "SG",
        E::WorkflowTaskScheduled { .. } => "Ts",
        E::WorkflowTaskStarted { .. } => "Tb",
        E::WorkflowTaskCompleted { .. } => "Tc",
        E::WorkflowTaskFailed { cause, .. } => return format!("Tf({})", cause.name()),
        E::WorkflowTaskTimedOut { .. } => "Tx",
        E::ActivityTaskScheduled { .. } => "AS",
        E::ActivityTaskStarted { .. } => "AB",
        E::ActivityTaskCompleted { .. } => "AC",
        E::ActivityTaskFailed { .. } => "AF",
        E::ActivityTaskTimedOut { .. } => "ATO",
        E::ActivityTaskCancelRequested { .. } => "ACR",
        E::ActivityTaskCanceled { .. } => "AX",
        E::TimerStarted { .. } => "TS",
        E::TimerFired { .. } => "TF",
        E::TimerCanceled { .. } => "TC",
        E::StartChildWorkflowExecutionInitiated { .. } => "CI",
        E::StartChildWorkflowExecutionFailed { .. } => "CSF",
        E::ChildWorkflowExecutionStarted { .. } => "CS",
        E::ChildWorkflowExecutionCompleted { .. } => "CC",
        E::ChildWorkflowExecutionFailed { .. } => "CF",
        E::ChildWorkflowExecutionCanceled { .. } => "CX",
        E::ChildWorkflowExecutionTimedOut { .. } => "CTO",
        E::ChildWorkflowExecutionTerminated { .. } => "CK",
        E::SignalExternalWorkflowExecutionInitiated { .. } => "GI",
        E::SignalExternalWorkflowExecutionFailed { .. } => "GF",
        E::ExternalWorkflowExecutionSignaled { .. } => "GD",
        E::RequestCancelExternalWorkflowExecutionInitiated { .. } => "XI",
        E::RequestCancelExternalWorkflowExecutionFailed { .. } => "XF",
        E::ExternalWorkflowExecutionCancelRequested { .. } => "XR",
        E::WorkflowExecutionUpdateAccepted { .. } => "UA",
        E::WorkflowExecutionUpdateCompleted { .. } => "UC",
        E::WorkflowPropertiesModified { .. } => "PM",
        E::UpsertWorkflowSearchAttributes { .. } => "USA",
        E::MarkerRecorded { .. } => "MR",
        E::WorkflowExecutionForceCancelRequested(_) => "FORCE",
        E::ActivityCancelWaitTimedOut { .. } => "AWTO",
        E::WorkflowExecutionPaused(_) => "PAUSED",
        E::WorkflowExecutionUnpaused(_) => "UNPAUSED",
        E::OperatorCancelRequested { .. } => "OCR",
    }
    .into()
}
