//! `sandglass workflow show`.

use super::place::Place;
use crate::{
    args::{OutputForm, TargetArgs},
    exit::{Exit, Outcome},
    history, output, payload,
};
use serde_json::json;

pub(super) fn show(args: &TargetArgs, form: OutputForm) -> Outcome {
    let mut place = Place::open(&args.place)?;
    let run = place.find(args.id(), args.run_id.as_deref())?;
    let events = place.history(&run)?;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "events": payload::readable(&events),
        }))?,
        OutputForm::Text => output::print(&history::text(&events))?,
    }
    Ok(Exit::Completed)
}
