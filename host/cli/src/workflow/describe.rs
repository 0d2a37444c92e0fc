//! `sandglass workflow describe`: how a run stands and what it waits for.

use super::stored;
use crate::{
    args::{OutputForm, TargetArgs},
    description,
    exit::{Exit, Outcome},
    output,
};
use sandglass::{RunDescription, remote::Client};
use sandglass_store::{RunRow, RunStatus};

pub(super) fn describe(args: &TargetArgs, form: OutputForm) -> Outcome {
    let reader = stored::open(&args.db.db)?;
    let row = stored::find(&reader, &args.id, args.run_id.as_deref())?;
    let owner = sandglass_store::owner(&args.db.db).map_err(stored::stop)?;
    let run = live(args, &row).map_or_else(|| stored::describe(&reader, &row), Ok)?;
    match form {
        OutputForm::Json => output::print_json(&description::to_json(&run, owner.as_ref()))?,
        OutputForm::Text => {
            output::print(&description::text(&run, owner.as_ref(), description::now()))?;
        }
    }
    Ok(Exit::Completed)
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
