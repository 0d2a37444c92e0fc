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
use sandglass::{ActivityOp, ActivityRef, ActivityReset, offline};
use sandglass_engine::{Failure, FailureInfo, HeartbeatAnswer};
use serde_json::{Value, json};

pub(super) fn activity(command: &ActivityCommand, form: OutputForm) -> Outcome {
    let identity = IDENTITY.to_owned();
    let (of, op, word) = match command {
        ActivityCommand::Complete(args) => {
            let result = args.result.read().or_usage()?;
            let op = ActivityOp::Complete { result, identity };
            (&args.activity, op, "completed")
        }
        ActivityCommand::Fail(args) => {
            let info = FailureInfo::Application {
                failure_type: args.failure_type.clone(),
                non_retryable: args.non_retryable,
                details: args.detail.read().or_usage()?,
                next_retry_delay: None,
            };
            let failure = Failure::new(args.reason.clone(), info);
            let op = ActivityOp::Fail { failure, identity };
            (&args.activity, op, "failed")
        }
        ActivityCommand::Cancel(args) if args.activity.by_token() => {
            let details = payload::read_as("--details", &args.details).or_usage()?;
            let op = ActivityOp::ReportCanceled { details, identity };
            (&args.activity, op, "canceled")
        }
        ActivityCommand::Heartbeat(args) => {
            let details = payload::read_as("--details", &args.details).or_usage()?;
            (&args.activity, ActivityOp::Heartbeat { details }, "active")
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
    let repeatable = matches!(
        op,
        ActivityOp::Cancel(_) | ActivityOp::Reset(_) | ActivityOp::Heartbeat { .. }
    );
    let which = of.which();
    let done = target.ask(
        repeatable,
        |owner, id, run_id| owner.activity(id, run_id, &which, op.clone()),
        |db, id, run_id| offline::activity(db, id, run_id, &which, op.clone()),
    );
    let (word, reason) = match done.map_err(refused)? {
        None | Some(HeartbeatAnswer::Active) => (word, None),
        Some(HeartbeatAnswer::CancelRequested(why)) => ("cancellation requested", Some(why)),
        Some(HeartbeatAnswer::Paused) => ("paused", None),
        Some(HeartbeatAnswer::Reset) => ("reset", None),
    };
    let (name, shown) = match &which {
        ActivityRef::Id(id) => (format!("activity {id}"), json!({ "activity_id": id })),
        ActivityRef::Attempt(token) => {
            let token = token.to_string();
            (format!("attempt {token}"), json!({ "token": token }))
        }
    };
    let text = match reason.as_deref() {
        None | Some("") => format!("{name}: {word}"),
        Some(reason) => format!("{name}: {word}: {reason}"),
    };
    let mut fields = json!({ "disposition": word, "reason": reason });
    if let (Value::Object(fields), Value::Object(shown)) = (&mut fields, shown) {
        fields.extend(shown);
    }
    target.answer(&text, fields, form)?;
    target.note_later();
    Ok(Exit::Completed)
}
