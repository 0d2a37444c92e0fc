//! `sandglass workflow signal-with-start`: by the host that owns the store and has the component.

use super::operate::request_id;
use crate::{
    args::{OutputForm, SignalWithStartArgs},
    exit::{Exit, OrStop as _, Outcome, usage},
    output, payload,
    run::{IDENTITY, stop},
};
use sandglass::{StartOptions, remote::Client};
use sandglass_engine::Signal;
use serde_json::json;

pub(super) fn signal_with_start(args: &SignalWithStartArgs, form: OutputForm) -> Outcome {
    let mut options = StartOptions {
        arguments: payload::read(&args.input).or_usage()?,
        task_queue: args.task_queue.clone(),
        identity: IDENTITY.into(),
        ..StartOptions::new(&args.workflow_type, &args.workflow_id)
    };
    args.start.apply(&mut options);
    let signal = Signal {
        name: args.signal_name.clone(),
        arguments: payload::read_as("--signal-input", &args.signal_input).or_usage()?,
        identity: IDENTITY.into(),
        request_id: request_id(),
        ..Signal::default()
    };
    let db = &args.db.db;
    let Some(mut owner) = Client::connect(db).map_err(stop)? else {
        return Err(usage!(
            "no host runs on {}, and a new run needs one that has its component: see `sandglass \
             run` and `sandglass server`",
            db.display()
        ));
    };
    let run_id = owner.signal_with_start(options, signal).map_err(stop)?;
    let id = &args.workflow_id;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": id,
            "first_execution_run_id": run_id,
            "host": owner.owner().map(|owner| owner.pid),
        }))?,
        OutputForm::Text => output::print(&format!(
            "workflow {id}: signal {} sent; its first run is {run_id}\n",
            args.signal_name
        ))?,
    }
    Ok(Exit::Completed)
}
