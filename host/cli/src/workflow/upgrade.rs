//! `sandglass workflow upgrade`: open runs go on with a new component, and which cannot, and why.
//!
//! The server does it, or the store's owner, if there is one. Else a host is started for it, whose
//! workflow tasks are held back: no code runs but the trials. What is due meanwhile (timers,
//! deadlines, requests to other runs) is recorded, by the limits of the command line.

use super::stored;
use crate::{
    args::{OutputForm, UpgradeArgs},
    component,
    exit::{Exit, OrStop, Outcome, Stop},
    limits, output,
    run::stop,
    served::Served,
};
use anyhow::Context;
use sandglass::{Host, RunUpgrade, UpgradeOptions, UpgradeOutcome, UpgradeReport, remote::Client};
use sandglass_server::Call;
use serde_json::{Value, json};

pub(super) fn upgrade(args: &UpgradeArgs, form: OutputForm) -> Outcome {
    // Whatever is wrong with the store or the component is told before anything is begun.
    let server = args.place.server()?;
    if server.is_none() {
        stored::open(args.place.file())?;
    }
    let bytes = component::read(&args.component)?;
    component::sandbox()?
        .load_workflow(&bytes)
        .with_context(|| args.component.display().to_string())
        .or_usage()?;
    let options = UpgradeOptions {
        workflow_ids: args.ids.clone(),
        from: args.from,
        no_trial: args.no_trial,
        dry_run: args.dry_run,
    };
    let report = match server {
        Some(server) => there(&server, bytes, &options)?,
        None => match Client::connect(args.place.file()).map_err(stop)? {
            Some(mut owner) => {
                let path = args.component.canonicalize().or_usage()?;
                owner.upgrade(&path, options).map_err(stop)?
            }
            None => here(args, bytes, options)?,
        },
    };
    match form {
        OutputForm::Json => output::print_json(&to_json(&report))?,
        OutputForm::Text => output::print(&text(&report))?,
    }
    Ok(match report.obstacles() {
        0 => Exit::Completed,
        _ => Exit::Failed,
    })
}

fn there(server: &Served, bytes: Vec<u8>, options: &UpgradeOptions) -> Result<UpgradeReport, Stop> {
    let options = serde_json::to_vec(options).or_host()?;
    let answer = server.ask(Call::Upgrade(options, bytes))?;
    serde_json::from_slice(&answer).or_host()
}

fn here(
    args: &UpgradeArgs,
    bytes: Vec<u8>,
    options: UpgradeOptions,
) -> Result<UpgradeReport, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_host()?;
    runtime.block_on(async {
        let mut builder = Host::builder()
            .store(args.place.file())
            .limits(limits::effective(&args.limits))
            .start_paused();
        if let Some(folder) = component::cache_folder() {
            builder = builder.compile_cache(folder);
        }
        let host = builder.build().await.map_err(stop)?;
        let upgraded = host.upgrade_runs_to(bytes, options).await;
        host.shutdown().await.map_err(stop)?;
        upgraded.map_err(stop)
    })
}

fn word(outcome: &UpgradeOutcome) -> &'static str {
    match outcome {
        UpgradeOutcome::Moved => "moved",
        UpgradeOutcome::Fits => "fits",
        UpgradeOutcome::Unchanged => "unchanged",
        UpgradeOutcome::Closed => "closed",
        UpgradeOutcome::NotFound => "not_found",
        UpgradeOutcome::Cannot(_) => "cannot",
    }
}

fn to_json(report: &UpgradeReport) -> Value {
    let runs = report.runs.iter().map(|run| {
        let mut value = json!({
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "from": run.from.map(|digest| digest.to_string()),
            "outcome": word(&run.outcome),
        });
        if let UpgradeOutcome::Cannot(why) = &run.outcome {
            value["why"] = json!(why);
        }
        value
    });
    json!({ "digest": report.digest.to_string(), "runs": runs.collect::<Vec<_>>() })
}

fn text(report: &UpgradeReport) -> String {
    if report.runs.is_empty() {
        return "no open workflows\n".into();
    }
    report.runs.iter().map(line).collect()
}

/// One run; below it, what differs and where.
fn line(run: &RunUpgrade) -> String {
    let mut text = format!(
        "{}: {}",
        run.workflow_id,
        word(&run.outcome).replace('_', " ")
    );
    if let UpgradeOutcome::Cannot(why) = &run.outcome {
        text.push_str(&format!(": {}", why.reason));
        if let Some(event_id) = why.event_id {
            text.push_str(&format!(", at event {event_id}"));
        }
        let both = [
            ("recorded: ", &why.recorded),
            ("attempted:", &why.attempted),
        ];
        for (label, what) in both {
            if let Some(what) = what {
                text.push_str(&format!("\n  {label} {what}"));
            }
        }
        for frame in why.stack_trace.lines() {
            text.push_str(&format!("\n    {frame}"));
        }
    }
    text + "\n"
}
