//! `sandglass workflow update ...`: what a run is asked to do. It needs a host.

use super::{message::unanswered, operate::request_id, request::Target};
use crate::{
    args::{AskedUpdateArgs, OneUpdateArgs, OutputForm, Stage, UpdateCommand},
    exit::{Exit, OrStop as _, Outcome, usage},
    output, payload,
    run::IDENTITY,
};
use sandglass::{MessageError, UpdateOptions, UpdateResponse, UpdateStage};
use serde_json::json;
use std::path::Path;

pub(super) fn update(command: &UpdateCommand, form: OutputForm) -> Outcome {
    match command {
        UpdateCommand::Execute(args) => ask(args, UpdateStage::Completed, form),
        UpdateCommand::Start(args) => {
            let stage = match args.wait_for_stage {
                Stage::Admitted => UpdateStage::Admitted,
                Stage::Accepted => UpdateStage::Accepted,
            };
            ask(&args.asked, stage, form)
        }
        UpdateCommand::Result(args) => look(args, UpdateStage::Completed, form),
        // Whatever it is by now.
        UpdateCommand::Describe(args) => look(args, UpdateStage::Admitted, form),
    }
}

fn ask(args: &AskedUpdateArgs, wait_for: UpdateStage, form: OutputForm) -> Outcome {
    // With an id of its own it is the same update when it is asked for again.
    let update_id = args.update_id.clone().unwrap_or_else(request_id);
    let options = UpdateOptions {
        name: args.name.clone(),
        arguments: args.input.read().or_usage()?,
        header: args.headers.all(),
        update_id: Some(update_id.clone()),
        identity: IDENTITY.into(),
        wait_for,
        timeout: Some(args.timeout),
    };
    let chain = args.chain.first_execution_run_id.as_deref();
    let mut target = Target::find(&args.target, chain)?;
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
    answer(&target, &response.map_err(unanswered)?, form)
}

fn look(args: &OneUpdateArgs, wait_for: UpdateStage, form: OutputForm) -> Outcome {
    let mut target = Target::find(&args.target, None)?;
    let found = target.ask(
        true,
        |owner, id, run_id| {
            let timeout = Some(args.timeout);
            owner.poll_update(id, run_id, &args.update_id, wait_for, timeout)
        },
        |db, _, _| Err(nobody(db)),
    );
    match found.map_err(unanswered)? {
        Some(response) => answer(&target, &response, form),
        None => Err(usage!(
            "workflow '{}' has no update '{}'",
            target.id,
            args.update_id
        )),
    }
}

fn answer(target: &Target<'_>, response: &UpdateResponse, form: OutputForm) -> Outcome {
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
