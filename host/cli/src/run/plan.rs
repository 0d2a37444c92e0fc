//! What `run` is to do, decided before anything is touched: start a run, take up the open one of
//! that id, or show how the closed one ended.
//!
//! A host takes up every open run the moment it starts, so whatever is wrong must be found before.

use crate::{
    args::{Conflict, RunArgs},
    component,
    exit::{OrStop, Stop, usage},
    payload,
    workflow::stored,
};
use anyhow::Context;
use sandglass_engine::{Digest, EventAttributes, Payload, ReplayError};
use sandglass_sandbox::{Access, Grants, Sandbox, WorkflowComponent};
use sandglass_store::{Reader, RunRow, RunStatus};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Everything that `run` needs, read and checked.
#[derive(Debug)]
pub(super) struct Plan {
    /// The workflow component.
    pub(super) component: Vec<u8>,
    /// Activity components with what they may use.
    pub(super) activities: Vec<(Vec<u8>, Grants)>,
    /// What to do with them.
    pub(super) step: Step,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Start a run.
    Start {
        id: String,
        workflow_type: String,
        arguments: Vec<Payload>,
    },
    /// Take up an open run, with this component in place of its own if there is one.
    Resume {
        row: Box<RunRow>,
        upgrade: Option<Digest>,
    },
    /// Show how a closed run ended.
    Show(Box<RunRow>),
}

/// Reads and checks all that the command line names.
///
/// # Errors
/// With exit code 2, saying what is wrong. Nothing was started or written.
pub(super) fn plan(args: &RunArgs) -> Result<Plan, Stop> {
    let arguments = args.input.read().or_usage()?;
    stored::check_place(&args.db.db)?;
    let sandbox = component::sandbox()?;
    let component = component::read(&args.component)?;
    let loaded = sandbox
        .load_workflow(&component)
        .with_context(|| name(&args.component))
        .or_usage()?;
    let activities = activities(args, &sandbox)?;
    let step = match existing(args)? {
        None => start(args, &loaded, arguments)?,
        Some(row) if row.status == RunStatus::Running => {
            match args.start.conflict().unwrap_or_default() {
                Conflict::UseExisting => resume(args, row, &loaded, &arguments)?,
                Conflict::TerminateExisting => start(args, &loaded, arguments)?,
                Conflict::Fail => {
                    return Err(usage!(
                        "workflow '{}' is open as run {}",
                        row.workflow_id,
                        row.run_id
                    ));
                }
            }
        }
        Some(_) if args.rerun => start(args, &loaded, arguments)?,
        Some(row) => Step::Show(row),
    };
    Ok(Plan {
        component,
        activities,
        step,
    })
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn activities(args: &RunArgs, sandbox: &Sandbox) -> Result<Vec<(Vec<u8>, Grants)>, Stop> {
    let access = |read_only| {
        if read_only {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        }
    };
    let grants = Grants {
        directories: args
            .dir
            .iter()
            .map(|grant| {
                (
                    grant.host.clone(),
                    grant.guest.clone(),
                    access(grant.read_only),
                )
            })
            .collect(),
        hosts: args.allow_host.clone(),
    };
    let load = |path: &PathBuf| {
        let bytes = component::read(path)?;
        let loaded = sandbox.load_activities(&bytes, grants.clone());
        loaded.with_context(|| name(path)).or_usage()?;
        Ok((bytes, grants.clone()))
    };
    args.activities.iter().map(load).collect()
}

/// The newest run of the id, if the command line names one.
fn existing(args: &RunArgs) -> Result<Option<Box<RunRow>>, Stop> {
    let Some(id) = args.id.as_deref().filter(|_| args.db.db.exists()) else {
        return Ok(None);
    };
    let reader = stored::open(&args.db.db)?;
    Ok(reader.find(id, None).map_err(stored::stop)?.map(Box::new))
}

fn start(
    args: &RunArgs,
    loaded: &WorkflowComponent,
    arguments: Vec<Payload>,
) -> Result<Step, Stop> {
    let types = loaded.workflow_types();
    let workflow_type = match (&args.workflow_type, types) {
        (Some(name), types) if types.contains(name) => name.clone(),
        (Some(name), types) => {
            let known = types.join(", ");
            return Err(usage!(
                "{} has no workflow type '{name}'; it has {known}",
                args.component.display()
            ));
        }
        (None, [only]) => only.clone(),
        (None, types) => {
            return Err(usage!(
                "choose a workflow type with --type: {}",
                types.join(", ")
            ));
        }
    };
    let id = args
        .id
        .clone()
        .unwrap_or_else(|| format!("{workflow_type}-{}", suffix()));
    Ok(Step::Start {
        id,
        workflow_type,
        arguments,
    })
}

/// Six random letters and digits, enough to tell runs of one store apart.
fn suffix() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    // The standard library's hasher is seeded by the system; no better randomness is needed here.
    let random = RandomState::new().build_hasher().finish();
    (0..6)
        .map(|place| char::from(LETTERS[(random >> (5 * place)) as usize % 32]))
        .collect()
}

fn resume(
    args: &RunArgs,
    row: Box<RunRow>,
    loaded: &WorkflowComponent,
    arguments: &[Payload],
) -> Result<Step, Stop> {
    let id = &row.workflow_id;
    if let Some(name) = args
        .workflow_type
        .as_ref()
        .filter(|name| **name != row.workflow_type)
    {
        return Err(usage!(
            "workflow '{id}' is open with type '{}', not '{name}'",
            row.workflow_type
        ));
    }
    if !args.input.is_empty() {
        let recorded = recorded_arguments(args, &row)?;
        if !payload::same(&recorded, arguments) {
            return Err(usage!(
                "workflow '{id}' is open with another input: ({}); leave --input out to take it up",
                payload::short(&recorded)
            ));
        }
    }
    if row.digest == loaded.digest() {
        return Ok(Step::Resume { row, upgrade: None });
    }
    if !args.upgrade {
        return Err(usage!(
            "workflow '{id}' is open with another component\n  recorded: {}\n  given:    {}\n\
             give the recorded one, or --upgrade to go on with the given one",
            row.digest,
            loaded.digest()
        ));
    }
    if !args.no_trial {
        try_replay(args, &row, loaded)?;
    }
    Ok(Step::Resume {
        row,
        upgrade: Some(loaded.digest()),
    })
}

/// Replays the run's history with the given component. A host would take up the run before it could
/// try, so it is done here first.
fn try_replay(args: &RunArgs, row: &RunRow, loaded: &WorkflowComponent) -> Result<(), Stop> {
    if !loaded.workflow_types().contains(&row.workflow_type) {
        return Err(usage!(
            "the given component has no workflow type '{}'",
            row.workflow_type
        ));
    }
    let reader = stored::open(&args.db.db)?;
    let frames = stored::frames(&reader, row.key)?;
    let mut instance = loaded.instantiate(Arc::new(|_, _, _| ()));
    match sandglass_engine::replay(frames, Some(&mut instance)) {
        Ok(_) => Ok(()),
        Err(error @ ReplayError::Task(_)) => Err(usage!(
            "workflow '{}' cannot go on with the given component: {error}",
            row.workflow_id
        )),
        Err(error) => Err(Stop::host(error)),
    }
}

fn recorded_arguments(args: &RunArgs, row: &RunRow) -> Result<Vec<Payload>, Stop> {
    let reader = stored::open(&args.db.db)?;
    let history = stored::history(&reader, row.key)?;
    match history.into_iter().next().map(|event| event.attributes) {
        Some(EventAttributes::WorkflowExecutionStarted(start)) => Ok(start.arguments),
        _ => Err(Stop::host(anyhow::anyhow!(
            "the history of {} has no start",
            row.workflow_id
        ))),
    }
}
