//! `sandglass workflow show`.

use super::stored;
use crate::{
    args::{OutputForm, TargetArgs},
    exit::{Exit, Outcome},
    history, output, payload,
};
use serde_json::json;

pub(super) fn show(args: &TargetArgs, form: OutputForm) -> Outcome {
    let reader = stored::open(&args.db.db)?;
    let row = stored::find(&reader, args.id(), args.run_id.as_deref())?;
    let events = stored::history(&reader, row.key)?;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": row.workflow_id,
            "run_id": row.run_id,
            "events": payload::readable(&events),
        }))?,
        OutputForm::Text => output::print(&history::text(&events))?,
    }
    Ok(Exit::Completed)
}
