//! `sandglass workflow signal-with-start`: by a server, or by the host that owns the store; it has
//! the component.

use super::{operate::request_id, start};
use crate::{
    args::{Conflict, OutputForm, SignalWithStartArgs},
    exit::{Exit, OrStop as _, Outcome, usage},
    output,
    run::{IDENTITY, stop},
    served::Served,
};
use sandglass::{StartOptions, remote::Client};
use sandglass_engine::Signal;
use sandglass_server::Call;
use serde_json::json;

pub(super) fn signal_with_start(args: &SignalWithStartArgs, form: OutputForm) -> Outcome {
    let mut options = StartOptions {
        arguments: args.input.read().or_usage()?,
        header: args.headers.all(),
        task_queue: args.task_queue.clone(),
        identity: IDENTITY.into(),
        ..StartOptions::new(&args.workflow_type, &args.workflow_id)
    };
    args.start.apply(&mut options);
    if let Some(server) = args.place.server()? {
        return at_server(args, &server, &options, form);
    }
    let signal = Signal {
        name: args.signal_name.clone(),
        arguments: args.signal_input.read().or_usage()?,
        header: args.headers.all(),
        identity: IDENTITY.into(),
        request_id: request_id(),
    };
    let db = args.place.file();
    let Some(mut owner) = Client::connect(db).map_err(stop)? else {
        return Err(usage!(
            "no host runs on {}, and a new run needs one that has its component: see `sandglass \
             run` and `sandglass server`",
            db.display()
        ));
    };
    let run_id = owner.signal_with_start(options, signal).map_err(stop)?;
    answer(args, &run_id, owner.owner().map(|owner| owner.pid), form)
}

fn at_server(
    args: &SignalWithStartArgs,
    server: &Served,
    options: &StartOptions,
    form: OutputForm,
) -> Outcome {
    let conflict = match args.start.conflict() {
        Some(Conflict::TerminateExisting) => Conflict::TerminateExisting,
        _ => Conflict::UseExisting,
    };
    let mut document = start::document(options, args.start.id_reuse_policy, conflict);
    document["signalName"] = args.signal_name.as_str().into();
    let arguments = args.signal_input.read().or_usage()?;
    document["signalInput"] = start::payloads(&arguments);
    let run_id = start::run_id_of(&server.document(Call::SignalWithStart(document))?)?;
    answer(args, &run_id, None, form)
}

fn answer(
    args: &SignalWithStartArgs,
    run_id: &str,
    host: Option<u32>,
    form: OutputForm,
) -> Outcome {
    let id = &args.workflow_id;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": id,
            "first_execution_run_id": run_id,
            "host": host,
        }))?,
        OutputForm::Text => output::print(&format!(
            "workflow {id}: signal {} sent; its first run is {run_id}\n",
            args.signal_name
        ))?,
    }
    Ok(Exit::Completed)
}
