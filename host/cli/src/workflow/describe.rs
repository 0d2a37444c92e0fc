//! `sandglass workflow describe`: how a run stands and what it waits for.

use super::place::Place;
use crate::{
    args::{OutputForm, TargetArgs},
    description,
    exit::{Exit, Outcome},
    output,
};

pub(super) fn describe(args: &TargetArgs, form: OutputForm) -> Outcome {
    let mut place = Place::open(&args.place)?;
    let run = place.describe(args.id(), args.run_id.as_deref())?;
    let owner = place.owner()?;
    let scopes = place.scopes(&run)?;
    match form {
        OutputForm::Json => {
            let mut document = description::to_json(&run, owner.as_ref());
            document["scopes"] = description::scopes_json(&scopes);
            output::print_json(&document)?;
        }
        OutputForm::Text => {
            let mut text = description::text(&run, owner.as_ref(), description::now());
            text += &description::scopes_text(&scopes);
            output::print(&text)?;
        }
    }
    Ok(Exit::Completed)
}
