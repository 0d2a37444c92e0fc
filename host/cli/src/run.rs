//! `sandglass run`: a host for as long as one run takes.
//!
//! Progress goes to stderr, the result to stdout, how it ended to the exit code.

mod follow;
mod plan;
mod report;
mod signals;

use crate::{
    args::{OutputForm, RunArgs},
    component,
    exit::{Exit, OrStop, Outcome, Stop},
    limits, output, terminal,
    workflow::stored,
};
pub(crate) use follow::Known;
use follow::{Follower, Over};
use plan::{Plan, Step};
use sandglass::{Error, Host, RunHandle, StartError, StartOptions, UpgradeError};
use std::time::Duration;

/// Who asks, in histories.
pub(crate) const IDENTITY: &str = "cli";

/// How long the host may take to stop in order.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Starts a run or takes up the open one of its id, and follows it to its end.
///
/// # Errors
/// With exit code 2 if something named on the command line is wrong: then nothing was started. With
/// 6 if the host cannot go on: the run stays open.
pub fn run(args: &RunArgs, form: OutputForm) -> Outcome {
    let plan = plan::plan(args)?;
    if let Step::Show(row) = &plan.step {
        output::note(&format!(
            "workflow {} has ended already; --rerun starts another run",
            row.workflow_id
        ));
        let reader = stored::open(&args.db.db)?;
        return report::report(&stored::describe(&reader, row)?, form);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .or_host()?;
    let outcome = runtime.block_on(host_one(args, plan, form));
    // A host that does not stop must not keep the process; the next one finds it as after a crash.
    runtime.shutdown_background();
    outcome
}

async fn host_one(args: &RunArgs, plan: Plan, form: OutputForm) -> Outcome {
    let mut builder = Host::builder()
        .store(&args.db.db)
        .limits(limits::effective(&args.limits));
    if let Some(folder) = component::cache_folder() {
        builder = builder.compile_cache(folder);
    }
    for (bytes, grants) in plan.activities {
        builder = builder.activity_component(bytes, grants);
    }
    if matches!(
        &plan.step,
        Step::Resume {
            upgrade: Some(_),
            ..
        }
    ) {
        // Else the component that the run is to leave would be entered once more.
        builder = builder.start_paused();
    }
    let signals = signals::Signals::new().or_host()?;
    let host = builder.build().await.map_err(stop)?;
    let over = drive(args, &host, plan.component, plan.step, signals).await;
    terminal::draw(Vec::new());
    let stopped = tokio::time::timeout(STOP_MAX, tokio::spawn(host.shutdown())).await;
    let in_order = match stopped {
        Ok(Ok(stopped)) => stopped.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the host did not stop within {STOP_MAX:?}")),
    };
    if let Err(error) = in_order {
        output::note(&format!(
            "warning: the store was not closed in order: {error}"
        ));
    }
    match over? {
        Over::Ended(run) => report::report(&run, form),
        Over::StaysOpen { id, why, trouble } => {
            let then = if trouble && !stored::is_readable(&args.db.db, &id) {
                "the run stays open as it is".into()
            } else {
                format!("the run stays open; `sandglass run` with --id {id} takes it up")
            };
            Err(Stop::host(anyhow::anyhow!("{why}\n{then}")))
        }
    }
}

/// Starts or takes up the run and follows it.
async fn drive(
    args: &RunArgs,
    host: &Host,
    component: Vec<u8>,
    step: Step,
    signals: signals::Signals,
) -> Result<Over, Stop> {
    let loaded = match &step {
        // A run that goes on with its own component has it in the store.
        Step::Resume { upgrade: None, .. } => None,
        _ => Some(host.load_component(component).await.map_err(stop)?),
    };
    let (run, known) = match step {
        Step::Start {
            id,
            workflow_type,
            arguments,
        } => {
            let mut options = StartOptions {
                arguments,
                component: loaded,
                identity: IDENTITY.into(),
                ..StartOptions::new(workflow_type, id)
            };
            args.start.apply(&mut options);
            let run = host.start(options).await.map_err(start_stop)?;
            output::note(&format!(
                "workflow {} started, run {}",
                run.workflow_id(),
                run.run_id().unwrap_or_default()
            ));
            (run, Known::NEW)
        }
        Step::Resume { row, upgrade } => {
            let run = host.run(&row.workflow_id, Some(&row.run_id));
            if let Some(digest) = upgrade {
                host.upgrade(&run, digest, !args.no_trial)
                    .await
                    .map_err(upgrade_stop)?;
                output::note(&format!("upgraded to component {digest}"));
                host.resume_workflow_tasks();
            }
            let known = stored::known(&row);
            output::note(&format!(
                "workflow {} taken up after event {}, run {}",
                row.workflow_id, known.events, row.run_id
            ));
            if args.start.is_for_new_runs() {
                let what =
                    "timeouts, retries, cron, memo and search attributes hold for a new run only";
                output::note(&format!("warning: {what}"));
            }
            (run, known)
        }
        Step::Show(_) => unreachable!("a closed run needs no host"),
    };
    follow_chain(host, run, known, args.activities.is_empty(), signals).await
}

/// The exit code of a host's error.
pub(crate) fn stop(error: Error) -> Stop {
    let exit = match &error {
        Error::Store(error) => stored::exit(error),
        Error::NotFound { .. }
        | Error::Deleted(_)
        | Error::Component(_)
        | Error::UnknownComponent(_)
        | Error::TooLarge { .. }
        | Error::LimitExceeded(_) => Exit::Usage,
        Error::Closed { .. }
        | Error::ActivityNotFound { .. }
        | Error::Refused { .. }
        | Error::ComponentInUse { .. } => Exit::Failed,
        Error::Damaged { .. } | Error::ShutDown | Error::System { .. } => Exit::Host,
    };
    Stop {
        exit,
        error: error.into(),
    }
}

fn start_stop(error: StartError) -> Stop {
    match error {
        StartError::Host(error) => stop(error),
        error => Stop::usage(error),
    }
}

fn upgrade_stop(error: UpgradeError) -> Stop {
    match error {
        UpgradeError::Host(error) => stop(error),
        error => Stop::usage(error),
    }
}

/// Follows a run and those that follow it, until the last one has ended.
async fn follow_chain(
    host: &Host,
    mut run: RunHandle,
    mut known: Known,
    no_activities: bool,
    mut signals: signals::Signals,
) -> Result<Over, Stop> {
    loop {
        let follower = Follower::new(host, &run, known, no_activities);
        let ended = match follower.follow(&mut signals).await? {
            Over::Ended(ended) => ended,
            over => return Ok(over),
        };
        let Some(next) = &ended.chain.successor else {
            return Ok(Over::Ended(ended));
        };
        let how = ended.status.name();
        output::note(&format!("run {} {how}; run {next} follows", ended.run_id));
        run = host.run(&ended.workflow_id, Some(next));
        known = Known::NEW;
    }
}
