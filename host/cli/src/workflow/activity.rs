//! `sandglass activity ...`: how a pending activity ended, and what operators do to one.

use super::{
    operate::{refused, request},
    request::Target,
};
use crate::{
    args::{ActivityCommand, OneActivityArgs, OutputForm},
    exit::{Exit, OrStop as _, Outcome},
    payload,
    run::IDENTITY,
};
use sandglass::{ActivityOp, ActivityReset, offline};
use sandglass_engine::{Failure, FailureInfo, Payload};
use serde_json::json;

pub(super) fn activity(command: &ActivityCommand, form: OutputForm) -> Outcome {
    let identity = IDENTITY.to_owned();
    let (of, op, word) = match command {
        ActivityCommand::Complete(args) => {
            let result =
                payload::read_as("--result", std::slice::from_ref(&args.result)).or_usage()?;
            let result = result.into_iter().next().unwrap_or_else(Payload::null);
            let op = ActivityOp::Complete { result, identity };
            (&args.activity, op, "completed")
        }
        ActivityCommand::Fail(args) => {
            let info = FailureInfo::Application {
                failure_type: args.failure_type.clone(),
                non_retryable: args.non_retryable,
                details: Vec::new(),
                next_retry_delay: None,
            };
            let failure = Failure::new(args.reason.clone(), info);
            let op = ActivityOp::Fail { failure, identity };
            (&args.activity, op, "failed")
        }
        ActivityCommand::Cancel(args) => {
            let op = ActivityOp::Cancel(request(&args.reason));
            (&args.activity, op, "cancellation requested")
        }
        ActivityCommand::Pause(args) => {
            let op = ActivityOp::Pause(request(&args.reason));
            (&args.activity, op, "paused")
        }
        ActivityCommand::Unpause(args) => (args, ActivityOp::Unpause, "unpaused"),
        ActivityCommand::Reset(args) => {
            let op = ActivityOp::Reset(ActivityReset {
                forget_heartbeat: args.reset_heartbeats,
                keep_paused: args.keep_paused,
            });
            (&args.activity, op, "reset")
        }
    };
    perform(of, &op, word, form)
}

fn perform(of: &OneActivityArgs, op: &ActivityOp, word: &str, form: OutputForm) -> Outcome {
    let args = of.target();
    let mut target = Target::find(&args, None)?;
    // Only what names its request can be asked again without knowing what became of the first.
    let repeatable = matches!(op, ActivityOp::Cancel(_) | ActivityOp::Reset(_));
    let done = target.ask(
        repeatable,
        |owner, id, run_id| owner.activity(id, run_id, &of.activity_id, op.clone()),
        |db, id, run_id| offline::activity(db, id, run_id, &of.activity_id, op.clone()),
    );
    done.map_err(refused)?;
    let text = format!("activity {}: {word}", of.activity_id);
    let fields = json!({ "activity_id": of.activity_id, "disposition": word });
    target.answer(&text, fields, form)?;
    target.note_later();
    Ok(Exit::Completed)
}
