//! Reaching a run on a store that no host runs on: the input is recorded, and delivered when a
//! host opens the store. What is too large for a host with the default limits is refused.

use crate::{
    activity::{ActivityOp, ActivityRef, NOT_PENDING, RUN_ENDED, apply, bounded},
    bounds,
    cell::{Head, Phase, RunCell},
    components::load_stored,
    error::Error,
    handle::{
        CancelOptions, CancelResponse, Disposition, ForceOptions, TerminateOptions, canceled_by,
        ending_of_deleted, forced_by, terminated_by,
    },
    message::MessageError,
    query::QueryOptions,
    recovery::{decode_activity, decode_summary, read_frames},
    reset::{ResetOptions, ending, made_by, make},
    side,
    start::check_size,
    task::{head_after, write_of},
    wasm::WasmComponent,
};
use sandglass_engine::{
    Effect, Frame, HeartbeatAnswer, Input, InputError, Limits, OperatorRequest, OperatorTarget,
    Payload, PendingActivity, Reset, Run, ScopeId, Signal, Status, Timestamp, decode, encode,
    replay,
};
use sandglass_sandbox::{Sandbox, SandboxConfig};
use sandglass_store::{OwnerLock, Reader, RunStatus, SqliteStore, Store as _, Write};
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
    let mut opened = Opened::open(db, workflow_id, run_id)?;
    let request = options.into_request(opened.now)?;
    let request_id = request.request_id.clone();
    let disposition = match opened.append(Input::CancelRequested(request))? {
        (Ok(()), _) => Disposition::Recorded,
        (Err(_), _) if canceled_by(&opened.run.summary(), &request_id) => Disposition::Recorded,
        (Err(InputError::AlreadyRequested), _) => {
            opened.count_repeat()?;
            Disposition::AlreadyRequested
        }
        (Err(_), status) => Disposition::AlreadyClosed(status),
    };
    Ok(CancelResponse {
        run_id: opened.head.row.run_id.clone(),
        disposition,
        repeats: opened.head.summary.cancel_repeats,
        killed: 0,
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
    let mut opened = Opened::open(db, workflow_id, run_id)?;
    let request_id = options.request_id.clone();
    let disposition = match opened.append(options.into_input()?)? {
        (Ok(()), _) => Disposition::Recorded,
        (Err(_), _) if forced_by(&opened.run.summary(), request_id.as_deref()) => {
            Disposition::Recorded
        }
        (Err(_), status) => Disposition::AlreadyClosed(status),
    };
    Ok(CancelResponse {
        run_id: opened.head.row.run_id.clone(),
        disposition,
        repeats: 0,
        killed: 0,
    })
}

/// Ends a run at once, as [`crate::RunHandle::terminate_with`].
///
/// # Errors
/// [`Error::Store`] if the store is owned after all or cannot be written, [`Error::NotFound`],
/// [`Error::Closed`] if the run had ended otherwise.
pub fn terminate(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    options: TerminateOptions,
) -> Result<(), Error> {
    check_size(&Limits::default(), "the details", &options.details)?;
    let mut opened = Opened::open(db, workflow_id, run_id)?;
    if let Some(request_id) = &options.request_id
        && terminated_by(&opened.frames, request_id)
    {
        return Ok(());
    }
    opened.record(options.into_input())
}

/// Deletes a run, as [`crate::RunHandle::delete`].
///
/// # Errors
/// [`Error::Store`] if the store is owned after all or cannot be written, [`Error::NotFound`], and
/// [`Error::Refused`] if only a host can delete it, since other runs are still to hear of its end,
/// or one is to be made of it: then it was terminated, if it was open, and no more.
pub fn delete(db: &Path, workflow_id: &str, run_id: Option<&str>) -> Result<(), Error> {
    let not_found = || Error::not_found(workflow_id, run_id);
    if !db.exists() {
        // Opening would make one.
        return Err(not_found());
    }
    let find = |reader: &dyn Reader, run_id| reader.find(workflow_id, run_id);
    let row = find(&SqliteStore::open_read_only(db)?, run_id)?.ok_or_else(not_found)?;
    let run_id = Some(&*row.run_id);
    if row.status == RunStatus::Running {
        match terminate(db, workflow_id, run_id, ending_of_deleted()) {
            Ok(()) | Err(Error::Closed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let _owner = OwnerLock::acquire(db)?;
    let mut store = SqliteStore::open(db)?;
    let reader = store.reader()?;
    let row = find(reader.as_ref(), run_id)?.ok_or_else(not_found)?;
    not_being_reset(reader.as_ref(), workflow_id)?;
    if reader
        .outbox()?
        .iter()
        .any(|effect| effect.source == row.key)
    {
        return Err(Error::Refused {
            workflow_id: workflow_id.into(),
            reason: format!(
                "run {} has ended, and other runs are still to hear of it, which the next host \
                 sees to: delete it then",
                row.run_id
            ),
        });
    }
    let mut write = Write::new(row.key);
    write.delete = true;
    for stored in store.commit(&[write])? {
        stored?;
    }
    Ok(())
}

/// Pauses a run, as [`crate::RunHandle::pause`].
///
/// # Errors
/// As [`terminate`], and [`Error::Refused`] if it is paused.
pub fn pause(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    request: OperatorRequest,
) -> Result<(), Error> {
    append_to_open(db, workflow_id, run_id, Input::Paused(request))
}

/// Lets a paused run go on, as [`crate::RunHandle::unpause`].
///
/// # Errors
/// As [`terminate`], and [`Error::Refused`] if it is not paused.
pub fn unpause(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    request: OperatorRequest,
) -> Result<(), Error> {
    append_to_open(db, workflow_id, run_id, Input::Unpaused(request))
}

/// Cancels a scope of a run, as [`crate::RunHandle::cancel_scope`].
///
/// # Errors
/// As [`terminate`], and [`Error::Refused`] if it is not open or was canceled.
pub fn cancel_scope(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    scope: ScopeId,
    request: OperatorRequest,
) -> Result<(), Error> {
    let target = OperatorTarget::Scope(scope);
    let input = Input::OperatorCanceled { target, request };
    append_to_open(db, workflow_id, run_id, input)
}

/// Makes a new run of a part of a run's history, as [`crate::RunHandle::reset`]. Returns its run
/// id.
///
/// # Errors
/// As [`terminate`], and [`Error::Refused`] if the history cannot be cut there, or if another run
/// of the workflow id is open.
pub fn reset(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    options: ResetOptions,
) -> Result<String, Error> {
    let mut opened = Opened::open(db, workflow_id, run_id)?;
    if let Some(request_id) = &options.request_id {
        let base = opened.head.row.key;
        if let Some(made) = made_by(opened.reader.as_ref(), workflow_id, base, request_id)? {
            return Ok(made.run_id);
        }
    }
    let what = options.into_reset(opened.head.row.run_id.clone())?;
    let key = opened.reader.next_run_key()?;
    let frames = opened.frames.clone();
    let limits = Limits::default();
    let made = make(key, frames, what.clone(), limits, opened.now, workflow_id)?;
    let mut write = made.write;
    if opened.run.status() == &Status::Running {
        write = opened.ended_by(&what, write)?;
    }
    opened.commit(write)?;
    Ok(what.new_run_id)
}

/// Does something with a pending activity of a run, as [`crate::ActivityHandle`]. What the last
/// host began is taken to have ended with it, unless it is made elsewhere.
///
/// # Errors
/// As [`terminate`], [`Error::ActivityNotFound`], and [`Error::Refused`] if it does not fit.
pub fn activity(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    which: &ActivityRef,
    op: ActivityOp,
) -> Result<Option<HeartbeatAnswer>, Error> {
    let beats = matches!(op, ActivityOp::Heartbeat { .. });
    let op = bounded(&Limits::default(), op)?;
    let (workflow_id, run_id) = match which {
        // It names the run, whatever the request says.
        ActivityRef::Attempt(token) => (&*token.workflow_id, Some(&*token.run_id)),
        ActivityRef::Id(_) => (workflow_id, run_id),
    };
    let mut opened = Opened::open(db, workflow_id, run_id)?;
    let not_found = |reason: &str| Error::ActivityNotFound {
        workflow_id: workflow_id.into(),
        reason: reason.into(),
    };
    if opened.run.status() != &Status::Running {
        return Err(not_found(RUN_ENDED));
    }
    let mut pending = opened
        .activity(which)?
        .ok_or_else(|| not_found(NOT_PENDING))?;
    let refused = |reason: &str| Error::Refused {
        workflow_id: workflow_id.into(),
        reason: reason.into(),
    };
    match apply(&mut pending, opened.now, op).map_err(refused)? {
        Some(input) => opened.record(input)?,
        None => opened.store_activity(&pending)?,
    }
    Ok(beats.then(|| pending.answer()))
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
    check_size(&Limits::default(), "the arguments", &options.arguments)?;
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
    let config = SandboxConfig {
        cache_dir: cache,
        ..SandboxConfig::default()
    };
    let unusable = |error: sandglass_sandbox::Error| Error::Component(error.to_string());
    let sandbox = Sandbox::new(config).map_err(unusable)?;
    if !reader.has_component(row.digest).map_err(Error::from)? {
        return Err(Error::UnknownComponent(row.digest).into());
    }
    let component = WasmComponent(load_stored(&sandbox, row.digest, || {
        Ok(reader.component(row.digest)?)
    })?);
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
    check_size(&Limits::default(), "the arguments", &signal.arguments)?;
    append_to_open(db, workflow_id, run_id, Input::Signaled(signal))
}

fn append_to_open(
    db: &Path,
    workflow_id: &str,
    run_id: Option<&str>,
    input: Input,
) -> Result<(), Error> {
    Opened::open(db, workflow_id, run_id)?.record(input)
}

/// A run of a store that is owned for as long as this lives.
struct Opened {
    store: SqliteStore,
    reader: Box<dyn Reader>,
    head: Head,
    frames: Vec<Frame>,
    run: Box<Run>,
    now: Timestamp,
    /// Dropped last: until then nobody else opens the store.
    _owner: OwnerLock,
}

/// Whether no run of this workflow id has ended for a reset whose new run is still to be made: what
/// is meant for it is not to find the old one.
fn not_being_reset(reader: &dyn Reader, workflow_id: &str) -> Result<(), Error> {
    for row in reader.outbox()? {
        let effect = decode(&row.body);
        if let Ok(Effect::StartReset {
            workflow_id: id, ..
        }) = effect
            && id == workflow_id
        {
            return Err(Error::Refused {
                workflow_id: id,
                reason:
                    "it was reset, and the next host makes the new run; start one, or name the \
                         old run"
                        .into(),
            });
        }
    }
    Ok(())
}

impl Opened {
    fn open(db: &Path, workflow_id: &str, run_id: Option<&str>) -> Result<Self, Error> {
        let not_found = || Error::not_found(workflow_id, run_id);
        if !db.exists() {
            // Opening would make one.
            return Err(not_found());
        }
        let owner = OwnerLock::acquire(db)?;
        let store = SqliteStore::open(db)?;
        let reader = store.reader()?;
        let row = reader.find(workflow_id, run_id)?.ok_or_else(not_found)?;
        if run_id.is_none() {
            not_being_reset(reader.as_ref(), workflow_id)?;
        }
        let frames = read_frames(reader.as_ref(), row.key, &row.run_id)?;
        let summary = decode_summary(db, &row)?;
        let head = Head {
            next_seq: frames.len() as u64 + 1,
            row,
            summary,
        };
        let mut run = replay(frames.clone(), None).map_err(|error| Error::Damaged {
            run_id: head.row.run_id.clone(),
            reason: error.to_string(),
        })?;
        run.restore_undelivered(head.summary.undelivered_tasks);
        Ok(Self {
            store,
            reader,
            head,
            frames,
            run,
            now: crate::Clock::now(&crate::SystemClock),
            _owner: owner,
        })
    }

    /// Records an input in an open run. The same request again is no error.
    fn record(&mut self, input: Input) -> Result<(), Error> {
        let workflow_id = self.head.row.workflow_id.clone();
        match self.append(input)? {
            (Ok(()) | Err(InputError::Duplicate), _) => Ok(()),
            (Err(InputError::Closed), status) => Err(Error::Closed {
                workflow_id,
                status: Box::new(status),
            }),
            (Err(refused), _) => Err(Error::Refused {
                workflow_id,
                reason: refused.to_string(),
            }),
        }
    }

    fn append(&mut self, input: Input) -> Result<(Result<(), InputError>, Status), Error> {
        bounds::input(&input)?;
        if let Err(refused) = self.run.append(self.now, input) {
            return Ok((Err(refused), self.run.status().clone()));
        }
        let output = self.run.take_frame();
        let after = head_after(&self.head, &self.run, output.as_ref(), self.now);
        let cell = RunCell::new(self.head.clone(), String::new(), Phase::Idle);
        self.commit(write_of(&cell, &self.head, &after, output.as_ref()))?;
        Ok((Ok(()), self.run.status().clone()))
    }

    /// What ends this run in the commit that starts the one that a reset makes of it.
    fn ended_by(&mut self, what: &Reset, successor: Write) -> Result<Write, Error> {
        let refused = |error: InputError| Error::Refused {
            workflow_id: self.head.row.workflow_id.clone(),
            reason: error.to_string(),
        };
        self.run.append(self.now, ending(what)).map_err(refused)?;
        let output = self.run.take_frame();
        let after = head_after(&self.head, &self.run, output.as_ref(), self.now);
        let cell = RunCell::new(self.head.clone(), String::new(), Phase::Idle);
        let mut write = write_of(&cell, &self.head, &after, output.as_ref());
        // The new run is in the same commit, and no effect of it.
        write.outbox_put.clear();
        write.successor = Some(Box::new(successor));
        Ok(write)
    }

    /// Another request to cancel has come after the first (R2).
    fn count_repeat(&mut self) -> Result<(), Error> {
        let repeats = self.head.summary.cancel_repeats + 1;
        self.head.count_repeats(repeats);
        let mut write = Write::new(self.head.row.key);
        write.row = Some(self.head.row.clone());
        self.commit(write)
    }

    fn commit(&mut self, write: Write) -> Result<(), Error> {
        for stored in self.store.commit(&[write])? {
            stored?;
        }
        Ok(())
    }

    fn activity(&self, which: &ActivityRef) -> Result<Option<PendingActivity>, Error> {
        let row = &self.head.row;
        for stored in self.reader.activities(row.key)? {
            let mut pending = decode_activity(self.reader.file(), &row.run_id, &stored)?;
            pending.started = pending.elsewhere.started().cloned();
            if which.names(&pending) {
                return Ok(Some(pending));
            }
        }
        Ok(None)
    }

    fn store_activity(&mut self, pending: &PendingActivity) -> Result<(), Error> {
        let mut write = Write::new(self.head.row.key);
        write.activities_put = vec![(pending.scheduled_event_id, encode(pending))];
        self.commit(write)
    }
}
