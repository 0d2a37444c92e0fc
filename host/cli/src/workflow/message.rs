//! Questions to a run, which its code answers.
//!
//! The store's owner is asked, if there is one. Else a query is answered here, by replaying the
//! run's history.

use super::request::Target;
use crate::{
    args::{OutputForm, QueryArgs, RejectCondition},
    component,
    exit::{Exit, OrStop, Outcome, Stop},
    output, payload,
    run::stop,
};
use sandglass::{Error, MessageError, QueryOptions, QueryReject, offline};
use serde_json::json;

pub(super) fn query(args: &QueryArgs, form: OutputForm) -> Outcome {
    let options = QueryOptions {
        name: args.name.clone(),
        arguments: args.input.read().or_usage()?,
        header: args.headers.all(),
        reject: match args.reject_condition {
            None => QueryReject::None,
            Some(RejectCondition::NotOpen) => QueryReject::NotOpen,
            Some(RejectCondition::NotCompletedCleanly) => QueryReject::NotCompletedCleanly,
        },
        timeout: Some(args.timeout),
    };
    let mut target = Target::find(&args.target, None)?;
    let answer = target.ask(
        true,
        |owner, id, run_id| owner.query(id, run_id, options.clone()),
        |db, id, run_id| {
            let cache = component::cache_folder();
            offline::query(db, id, run_id, options.clone(), cache)
        },
    );
    let answer = payload::value(&answer.map_err(unanswered)?);
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": target.id,
            "run_id": target.found,
            "answer": answer,
        }))?,
        OutputForm::Text => output::print(&format!("{answer}\n"))?,
    }
    Ok(Exit::Completed)
}

pub(super) fn unanswered(error: MessageError) -> Stop {
    match error {
        MessageError::Host(error @ Error::Closed { .. }) => {
            Stop::failed(anyhow::anyhow!("NotFound: {error}"))
        }
        MessageError::Host(error) => stop(error),
        error => Stop::failed(error),
    }
}
