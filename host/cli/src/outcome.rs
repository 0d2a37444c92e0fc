//! How a run stands or ended, as text, as JSON and as an exit code.

use crate::{exit::Exit, history::value_text, payload};
use sandglass_engine::Status;
use serde_json::{Map, Value, json};

/// The exit code of a run. That of an open one is success: nothing is known against it.
#[must_use]
pub fn exit(status: &Status) -> Exit {
    match status {
        Status::Running | Status::Completed { .. } | Status::ContinuedAsNew { .. } => {
            Exit::Completed
        }
        Status::Failed { .. } => Exit::Failed,
        Status::Canceled { .. } => Exit::Canceled,
        Status::Terminated { .. } => Exit::Terminated,
        Status::TimedOut => Exit::TimedOut,
    }
}

/// The fields that say how a run ended; none for an open one.
#[must_use]
pub fn fields(status: &Status) -> Map<String, Value> {
    let fields = match status {
        Status::Running | Status::TimedOut => json!({}),
        Status::ContinuedAsNew { new_run_id } => json!({ "newRunId": new_run_id }),
        Status::Completed { result } => json!({ "result": payload::value(result) }),
        Status::Failed { failure } => {
            json!({ "message": failure.to_string(), "failure": payload::readable(failure) })
        }
        Status::Canceled { details } => json!({ "details": payload::values(details) }),
        Status::Terminated { reason, identity } => {
            json!({ "reason": reason, "identity": identity })
        }
    };
    fields.as_object().cloned().unwrap_or_default()
}

/// What is to say about the end beyond its word, with a label.
#[must_use]
pub fn text(status: &Status) -> Option<(&'static str, String)> {
    match status {
        Status::Running | Status::TimedOut => None,
        Status::ContinuedAsNew { new_run_id } => {
            Some(("continued", format!("by run {new_run_id}")))
        }
        Status::Completed { result } => Some(("result", value_text(result))),
        Status::Failed { failure } => Some(("failure", failure.to_string())),
        Status::Canceled { details } if details.is_empty() => None,
        Status::Canceled { details } => Some(("details", payload::short(details))),
        Status::Terminated { reason, identity } if reason.is_empty() => {
            Some(("terminated", format!("by {identity}")))
        }
        Status::Terminated { reason, identity } => {
            Some(("terminated", format!("by {identity}: {reason}")))
        }
    }
}
