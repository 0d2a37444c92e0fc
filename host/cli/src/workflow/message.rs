//! Questions to a run and updates: what is asked of its code, and answered by it.
//!
//! The store's owner is asked, if there is one. Else a query is answered here, by replaying the
//! run's history; an update needs a host.

use super::stored;
use crate::{
    args::{OutputForm, QueryArgs, RejectCondition, Stage, TargetArgs, UpdateArgs},
    component,
    exit::{Exit, OrStop, Outcome, Stop},
    output, payload,
    run::{IDENTITY, stop},
};
use sandglass::{
    Error, MessageError, QueryOptions, QueryReject, UpdateOptions, UpdateStage, offline,
    remote::Client,
};
use serde_json::json;

/// How often a request is made again because the owner went away.
const TRIES: u32 = 3;

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
    let (id, run_id) = find(&args.target)?;
    let db = &args.target.db.db;
    let answer = ask(
        &args.target,
        |owner| owner.query(&id, Some(&run_id), options.clone()),
        || {
            let cache = component::cache_folder();
            offline::query(db, &id, Some(&run_id), options.clone(), cache)
        },
    );
    let answer = payload::value(&answer.map_err(unanswered)?);
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": id,
            "run_id": run_id,
            "answer": answer,
        }))?,
        OutputForm::Text => output::print(&format!("{answer}\n"))?,
    }
    Ok(Exit::Completed)
}

pub(super) fn update(args: &UpdateArgs, form: OutputForm) -> Outcome {
    let options = UpdateOptions {
        name: args.name.clone(),
        arguments: payload::read(&args.input).or_usage()?,
        update_id: args.update_id.clone(),
        identity: IDENTITY.into(),
        wait_for: match args.wait_for_stage {
            Stage::Admitted => UpdateStage::Admitted,
            Stage::Accepted => UpdateStage::Accepted,
            Stage::Completed => UpdateStage::Completed,
        },
        timeout: Some(args.timeout),
        ..UpdateOptions::default()
    };
    let (id, run_id) = find(&args.target)?;
    let response = ask(
        &args.target,
        |owner| owner.update(&id, Some(&run_id), options.clone()),
        || Err(nobody(&args.target)),
    );
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
            "workflow_id": id,
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

/// The ids of the run that is meant; a newer one of the workflow id is not.
fn find(target: &TargetArgs) -> Result<(String, String), Stop> {
    let reader = stored::open(&target.db.db)?;
    let row = stored::find(&reader, target.id(), target.run_id.as_deref())?;
    Ok((row.workflow_id, row.run_id))
}

/// Asks the owner, or does it here if there is none; again if the owner stops meanwhile.
fn ask<T>(
    target: &TargetArgs,
    mut remote: impl FnMut(&mut Client) -> Result<T, MessageError>,
    mut local: impl FnMut() -> Result<T, MessageError>,
) -> Result<T, MessageError> {
    let mut tries = 1;
    loop {
        let answer = match Client::connect(&target.db.db)? {
            Some(mut owner) => remote(&mut owner),
            None => return local(),
        };
        match answer {
            // An update has an id only if it was given one; without, a second one would be another.
            Err(MessageError::Host(Error::ShutDown)) if tries < TRIES => tries += 1,
            answer => return answer,
        }
    }
}

fn nobody(target: &TargetArgs) -> MessageError {
    let reason = format!(
        "no host runs on {}: an update needs one to answer it; start one with `sandglass run`",
        target.db.db.display()
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
