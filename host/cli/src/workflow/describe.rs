//! `sandglass workflow describe`: how a run stands and what it waits for.

use super::stored;
use crate::{
    args::{OutputForm, TargetArgs},
    description,
    exit::{Exit, Outcome, Stop},
    output,
    run::stop,
};
use sandglass::{RunDescription, open_scopes, remote::Client, stored_frames};
use sandglass_engine::OpenScopeView;
use sandglass_store::{Reader, RunRow, RunStatus};

pub(super) fn describe(args: &TargetArgs, form: OutputForm) -> Outcome {
    let reader = stored::open(&args.db.db)?;
    let row = stored::find(&reader, args.id(), args.run_id.as_deref())?;
    let owner = sandglass_store::owner(&args.db.db).map_err(stored::stop)?;
    let run = live(args, &row).map_or_else(|| stored::describe(&reader, &row), Ok)?;
    let scopes = scopes(&reader, &row)?;
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

/// The open scopes, from the run's stored history: no row has them.
fn scopes(reader: &impl Reader, row: &RunRow) -> Result<Vec<OpenScopeView>, Stop> {
    if row.status != RunStatus::Running {
        return Ok(Vec::new());
    }
    let frames = stored_frames(reader, row.key).map_err(stop)?;
    open_scopes(frames).map_err(|reason| {
        let run_id = row.run_id.clone();
        stop(sandglass::Error::Damaged { run_id, reason })
    })
}

/// As the host that runs it knows it: with running attempts and the newest heartbeats. If it does
/// not answer, what it has stored is shown.
fn live(args: &TargetArgs, row: &RunRow) -> Option<RunDescription> {
    if row.status != RunStatus::Running {
        return None;
    }
    let mut owner = Client::connect(&args.db.db).ok().flatten()?;
    owner.describe(&row.workflow_id, Some(&row.run_id)).ok()
}
