//! What operators do to a run beside ending it: pause, unpause, delete, cancel one scope.

use super::request::{Target, closed_is_not_found};
use crate::{
    args::{CancelArgs, OutputForm, PauseArgs, ResetArgs, ResetType, TargetArgs},
    exit::{Exit, Outcome, Stop},
    run::{IDENTITY, stop},
};
use sandglass::{Error, ResetOptions, offline};
use sandglass_engine::{EventId, OperatorRequest, ResetPoint, ScopeId};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn pause(args: &PauseArgs, form: OutputForm) -> Outcome {
    let request = request(&args.reason);
    let mut target = Target::find(&args.target, None)?;
    let done = target.ask(
        true,
        |owner, id, run_id| owner.pause(id, run_id, request.clone()),
        |db, id, run_id| offline::pause(db, id, run_id, request.clone()),
    );
    done.map_err(refused)?;
    target.answer("paused", json!({ "disposition": "paused" }), form)?;
    Ok(Exit::Completed)
}

pub(super) fn unpause(args: &PauseArgs, form: OutputForm) -> Outcome {
    let request = request(&args.reason);
    let mut target = Target::find(&args.target, None)?;
    let done = target.ask(
        true,
        |owner, id, run_id| owner.unpause(id, run_id, request.clone()),
        |db, id, run_id| offline::unpause(db, id, run_id, request.clone()),
    );
    done.map_err(refused)?;
    target.answer("unpaused", json!({ "disposition": "unpaused" }), form)?;
    target.note_later();
    Ok(Exit::Completed)
}

pub(super) fn cancel_scope(args: &CancelArgs, scope: u32, form: OutputForm) -> Outcome {
    let request = request(&args.reason);
    let number = ScopeId(scope);
    let mut target = Target::find(&args.target, None)?;
    let done = target.ask(
        true,
        |owner, id, run_id| owner.cancel_scope(id, run_id, number, request.clone()),
        |db, id, run_id| offline::cancel_scope(db, id, run_id, number, request.clone()),
    );
    done.map_err(refused)?;
    let text = format!("cancellation of scope {scope} requested");
    let fields = json!({ "disposition": "recorded", "scope": scope });
    target.answer(&text, fields, form)?;
    target.note_later();
    Ok(Exit::Completed)
}

pub(super) fn delete(args: &TargetArgs, form: OutputForm) -> Outcome {
    let mut target = Target::exactly(args)?;
    let done = target.ask(
        true,
        |owner, id, run_id| owner.delete(id, run_id),
        offline::delete,
    );
    match done {
        // It was found a moment ago: somebody else has deleted it, or this command has and did not
        // hear so.
        Err(Error::NotFound { .. }) => {}
        done => done.map_err(refused)?,
    }
    let fields = json!({ "disposition": "deleted" });
    target.answer(&format!("deleted run {}", target.found), fields, form)?;
    Ok(Exit::Completed)
}

pub(super) fn reset(args: &ResetArgs, form: OutputForm) -> Outcome {
    let point = match (args.event_id, args.to) {
        (Some(event_id), _) => ResetPoint::Event(EventId(event_id)),
        (None, Some(ResetType::FirstWorkflowTask)) => ResetPoint::FirstTask,
        (None, Some(ResetType::LastWorkflowTask)) => ResetPoint::LastTask,
        (None, None) => ResetPoint::BeforeCancel,
    };
    let options = ResetOptions {
        reason: args.reason.clone(),
        identity: IDENTITY.into(),
        request_id: Some(request_id()),
        ..ResetOptions::to(point)
    };
    let mut target = Target::find(&args.target, None)?;
    let made = target.ask(
        true,
        |owner, id, run_id| owner.reset(id, run_id, options.clone()),
        |db, id, run_id| offline::reset(db, id, run_id, options.clone()),
    );
    let new_run_id = made.map_err(refused)?;
    let text = format!("reset; it goes on as run {new_run_id}");
    let fields = json!({ "disposition": "reset", "new_run_id": new_run_id });
    target.answer(&text, fields, form)?;
    target.note_later();
    Ok(Exit::Completed)
}

/// A request of whoever runs this command, which may be made again if its answer is lost.
pub(super) fn request(reason: &str) -> OperatorRequest {
    OperatorRequest {
        reason: reason.into(),
        identity: IDENTITY.into(),
        request_id: request_id(),
    }
}

/// An id that no other request has: this process and the time.
pub(super) fn request_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("cli-{}-{nanos:x}", std::process::id())
}

/// What does not fit how the run or the activity stands is a failure, and no wrong usage.
pub(super) fn refused(error: Error) -> Stop {
    match error {
        error @ Error::Refused { .. } => Stop::failed(anyhow::anyhow!("{error}")),
        error @ Error::ActivityNotFound { .. } => {
            Stop::failed(anyhow::anyhow!("NotFound: {error}"))
        }
        error @ Error::Closed { .. } => closed_is_not_found(error),
        error => stop(error),
    }
}
