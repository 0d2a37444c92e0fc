//! Reaching a run on a store that no host runs on: the input is recorded, and delivered when a
//! host opens the store.

use crate::{
    cell::{Head, Phase, RunCell},
    error::Error,
    handle::{CancelOptions, CancelResponse, Disposition, ForceOptions},
    message::MessageError,
    query::QueryOptions,
    recovery::{decode_summary, read_frames},
    side,
    task::{head_after, write_of},
    wasm::WasmComponent,
};
use sandglass_engine::{Input, InputError, Payload, Signal, Status, Timestamp, replay};
use sandglass_sandbox::{Sandbox, SandboxConfig};
use sandglass_store::{OwnerLock, Reader as _, SqliteStore, Store as _};
use std::path::{Path, PathBuf};

/// Asks a run to end by itself, as [`crate::RunHandle::cancel`].
///
/// # Errors
/// [`Error::Store`] if the store is owned after all or cannot be written, [`Error::NotFound`].
pub fn cancel(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    options: CancelOptions,
) -> Result<CancelResponse, Error> {
    let now = crate::Clock::now(&crate::SystemClock);
    let request = options.into_request(now)?;
    let disposition = match append(
        db,
        workflow_id,
        run_id,
        now,
        Input::CancelRequested(request),
    )? {
        (Ok(()), _) => Disposition::Recorded,
        (Err(InputError::AlreadyRequested), _) => Disposition::AlreadyRequested,
        (Err(_), status) => Disposition::AlreadyClosed(status),
    };
    Ok(CancelResponse {
        disposition,
        repeats: 0,
    })
}

/// Ends a run by force, as [`crate::RunHandle::force`].
///
/// # Errors
/// [`Error::Store`] if the store is owned after all or cannot be written, [`Error::NotFound`].
pub fn force(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    options: ForceOptions,
) -> Result<CancelResponse, Error> {
    let now = crate::Clock::now(&crate::SystemClock);
    let disposition = match append(db, workflow_id, run_id, now, options.into_input()?)? {
        (Ok(()), _) => Disposition::Recorded,
        (Err(_), status) => Disposition::AlreadyClosed(status),
    };
    Ok(CancelResponse {
        disposition,
        repeats: 0,
    })
}

/// Ends a run at once, as [`crate::RunHandle::terminate`].
///
/// # Errors
/// [`Error::Store`] if the store is owned after all or cannot be written, [`Error::NotFound`],
/// [`Error::Closed`] if the run had ended.
pub fn terminate(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    reason: &str,
    identity: &str,
) -> Result<(), Error> {
    let (reason, identity) = (reason.to_owned(), identity.to_owned());
    append_to_open(
        db,
        workflow_id,
        run_id,
        Input::Terminated {
            reason,
            identity,
            details: Vec::new(),
        },
    )
}

/// Asks a run's code a question, as [`crate::RunHandle::query`], with the component that the store
/// keeps for it. Nothing is written, and a host that owns the store is not disturbed. `cache`: a
/// directory for compiled components.
///
/// What was recorded and not handled yet is not in the answer: nobody runs the run's code on. The
/// query's timeout does not apply; each event that is replayed may take as long as on a host.
///
/// # Errors
/// As there, and [`Error::UnknownComponent`] if the store does not keep the component.
pub fn query(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    options: QueryOptions,
    cache: Option<PathBuf>,
) -> Result<Payload, MessageError> {
    let not_found = || Error::not_found(workflow_id, run_id);
    if !db.exists() {
        return Err(not_found().into());
    }
    let reader = SqliteStore::open_read_only(db).map_err(Error::from)?;
    let row = reader.find(workflow_id, run_id).map_err(Error::from)?;
    let row = row.ok_or_else(not_found)?;
    let summary = decode_summary(db, &row)?;
    options.reject.check(&summary.status)?;
    if let Some(error) = side::failing(&summary) {
        return Err(error);
    }
    let bytes = reader.component(row.digest).map_err(Error::from)?;
    let bytes = bytes.ok_or(Error::UnknownComponent(row.digest))?;
    let config = SandboxConfig {
        cache_dir: cache,
        ..SandboxConfig::default()
    };
    let unusable = |error: sandglass_sandbox::Error| Error::Component(error.to_string());
    let sandbox = Sandbox::new(config).map_err(unusable)?;
    let component = WasmComponent(sandbox.load_workflow(&bytes).map_err(unusable)?);
    let frames = read_frames(&reader, row.key, &row.run_id)?;
    let query = options.into_query();
    let answer = side::look_offline(frames, &component, &row, move |instance, task| {
        instance.query(&query, task)
    })?;
    answer.map_err(MessageError::Failed)
}

/// Sends a run a message, as [`crate::RunHandle::signal`].
///
/// # Errors
/// [`Error::Store`] if the store is owned after all or cannot be written, [`Error::NotFound`],
/// [`Error::Closed`] if the run had ended.
pub fn signal(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    signal: Signal,
) -> Result<(), Error> {
    append_to_open(db, workflow_id, run_id, Input::Signaled(signal))
}

fn append_to_open(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    input: Input,
) -> Result<(), Error> {
    let now = crate::Clock::now(&crate::SystemClock);
    match append(db, workflow_id, run_id, now, input)? {
        (Ok(()), _) => Ok(()),
        (Err(_), status) => Err(Error::Closed {
            workflow_id: workflow_id.into(),
            status: Box::new(status),
        }),
    }
}

/// Owns the store for as long as it takes to record one input.
fn append(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    now: Timestamp,
    input: Input,
) -> Result<(Result<(), InputError>, Status), Error> {
    let not_found = || Error::not_found(workflow_id, run_id);
    if !db.exists() {
        // Opening would make one.
        return Err(not_found());
    }
    let _owner = OwnerLock::acquire(db)?;
    let mut store = SqliteStore::open(db)?;
    let reader = store.reader()?;
    let row = reader.find(workflow_id, run_id)?.ok_or_else(not_found)?;
    let frames = read_frames(reader.as_ref(), row.key, &row.run_id)?;
    let summary = decode_summary(db, &row)?;
    let head = Head {
        next_seq: frames.len() as u64 + 1,
        row,
        summary,
    };
    let mut run = replay(frames, None).map_err(|error| Error::Damaged {
        run_id: head.row.run_id.clone(),
        reason: error.to_string(),
    })?;
    if let Err(refused) = run.append(now, input) {
        return Ok((Err(refused), run.status().clone()));
    }
    let output = run.take_frame();
    let after = head_after(&head, &run, output.as_ref(), now);
    let cell = RunCell::new(head.clone(), String::new(), Phase::Idle);
    let write = write_of(&cell, &head, &after, output.as_ref());
    for stored in store.commit(&[write])? {
        stored?;
    }
    Ok((Ok(()), run.status().clone()))
}
