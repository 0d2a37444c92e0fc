//! Questions to a run and updates: what is asked of its code, and answered by it.
//!
//! The store's owner is asked, if there is one. Else a query is answered here, by replaying the
//! run's history; an update needs a host.

use super::{operate::request_id, request::Target};
use crate::{
    args::{OutputForm, QueryArgs, RejectCondition, Stage, UpdateArgs},
    component,
    exit::{Exit, OrStop, Outcome, Stop},
    output, payload,
    run::{IDENTITY, stop},
};
use sandglass::{
    Error, MessageError, QueryOptions, QueryReject, UpdateOptions, UpdateStage, offline,
};
use serde_json::json;
use std::path::Path;

pub(super) fn query(args: &QueryArgs, form: OutputForm) -> Outcome {
    let options = QueryOptions {
        name: args.query_type.clone(),
        arguments: payload::read(&args.input).or_usage()?,
        reject: match args.reject_condition {
            None => QueryReject::None,
            Some(RejectCondition::NotOpen) => QueryReject::NotOpen,
            Some(RejectCondition::NotCompletedCleanly) => QueryReject::NotCompletedCleanly,
        },
        timeout: Some(args.timeout),
        ..QueryOptions::default()
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

pub(super) fn update(args: &UpdateArgs, form: OutputForm) -> Outcome {
    // With an id of its own it is the same update when it is asked for again.
    let update_id = args.update_id.clone().unwrap_or_else(request_id);
    let options = UpdateOptions {
        name: args.name.clone(),
        arguments: payload::read(&args.input).or_usage()?,
        update_id: Some(update_id.clone()),
        identity: IDENTITY.into(),
        wait_for: match args.wait_for_stage {
            Stage::Admitted => UpdateStage::Admitted,
            Stage::Accepted => UpdateStage::Accepted,
            Stage::Completed => UpdateStage::Completed,
        },
        timeout: Some(args.timeout),
        ..UpdateOptions::default()
    };
    let mut target = Target::find(&args.target, None)?;
    let response = target.ask(
        true,
        |owner, id, run_id| owner.update(id, run_id, options.clone()),
        |db, _, _| Err(nobody(db)),
    );
    if let Err(MessageError::DeadlineExceeded(_)) = &response {
        output::note(&format!(
            "ask again with --update-id {update_id}: it is the same update then"
        ));
    }
    let response = response.map_err(unanswered)?;
    let stage = match response.stage {
        UpdateStage::Admitted => "admitted",
        UpdateStage::Accepted => "accepted",
        UpdateStage::Completed => "completed",
    };
    let (value, failure) = match &response.outcome {
        None => (None, None),
        Some(Ok(value)) => (Some(payload::value(value)), None),
        Some(Err(failure)) => (None, Some(failure)),
    };
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": target.id,
            "run_id": response.run_id,
            "update_id": response.update_id,
            "stage": stage,
            "result": value,
            "failure": failure.map(payload::readable),
        }))?,
        OutputForm::Text => output::print(&match (&value, failure) {
            (Some(value), _) => format!("{value}\n"),
            (_, Some(failure)) => format!("update {} failed: {failure}\n", response.update_id),
            _ => format!("update {} {stage}\n", response.update_id),
        })?,
    }
    Ok(match failure {
        Some(_) => Exit::Failed,
        None => Exit::Completed,
    })
}

fn nobody(db: &Path) -> MessageError {
    let reason = format!(
        "no host runs on {}: an update needs one to answer it; start one with `sandglass run`",
        db.display()
    );
    MessageError::Exhausted(reason)
}

fn unanswered(error: MessageError) -> Stop {
    match error {
        MessageError::Host(error @ Error::Closed { .. }) => {
            Stop::failed(anyhow::anyhow!("NotFound: {error}"))
        }
        MessageError::Host(error) => stop(error),
        error => Stop::failed(error),
    }
}
