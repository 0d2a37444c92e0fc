//! What Temporal's description of a run has no place for: who wants it to end, why, since when and
//! how far that has come, what its compensation has left, and what stands in its way. The same in
//! an entry of the memo over gRPC and beside the description over HTTP.

use sandglass::{CancelDescription, RunDescription};
use sandglass_engine::{Escalation, Status, Trigger};
use serde_json::{Value, json};

/// What a description tells that the API's has no place for.
pub(crate) fn of(run: &RunDescription) -> Value {
    let disposition = match (&run.status, &run.cancel) {
        (Status::Running, None) => "recorded",
        (Status::Running, Some(_)) => "already_requested",
        _ => "already_closed",
    };
    json!({
        "component": run.digest.to_string(),
        "cancel_state": run.cancel_state.name(),
        // How a request to cancel it would be answered now.
        "disposition": disposition,
        "cancel": run.cancel.as_ref().map(request),
        "force": run.force.as_ref().map(|(force, at)| json!({
            "rung": force.rung.name(),
            "trigger": match force.trigger {
                Trigger::Request => "request",
                Trigger::Deadline => "deadline",
            },
            "reason": force.reason,
            "identity": force.identity,
            "requested_at": at.to_rfc3339(),
        })),
        "uncompensated": run.uncompensated,
        "trouble": run.trouble,
        "workflow_task_failure": run.task_failure(),
    })
}

fn request(cancel: &CancelDescription) -> Value {
    json!({
        "reason": cancel.reason,
        "identity": cancel.identity,
        "requested_at": cancel.requested_at.to_rfc3339(),
        "deadline": cancel.deadline.map(|at| at.to_rfc3339()),
        "then": cancel.escalation.map(Escalation::name),
        "repeats": cancel.repeats,
        "undeliverable": cancel.undeliverable,
    })
}
