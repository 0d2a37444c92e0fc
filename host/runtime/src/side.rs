//! Side instances: copies of runs, made by replay, that are asked and never get another event.
//!
//! So whatever a query does to its memory cannot change what the run does. Some are kept for the
//! next question, until the run has gone on.

use crate::{
    cell::RunCell,
    clock::lock,
    component::{GuestInstance, Interrupt},
    describe::summary_of,
    error::Error,
    host::Inner,
    message::MessageError,
};
use sandglass_engine::{
    Digest, EventId, Frame, ReplayError, Run, Status, Task, TaskFailure, replay,
};
use sandglass_store::{RunKey, RunRow};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Side instances that are kept, and bytes of memory that they may hold.
const KEPT_MAX: usize = 16;
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Side instances that may be asked at one time. Others wait, within their deadline.
const ASKED_MAX: usize = 4;

/// The side instances of a host.
pub(crate) struct Sides {
    kept: Mutex<VecDeque<Side>>,
    permits: Arc<Semaphore>,
}

/// One that nobody asks now.
struct Side {
    sight: Sight,
    run: Box<Run>,
    instance: Box<dyn GuestInstance>,
}

/// What is looked at: a run as of some place in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    key: RunKey,
    digest: Digest,
    next_event_id: EventId,
}

impl Default for Sides {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            permits: Arc::new(Semaphore::new(ASKED_MAX)),
        }
    }
}

impl Sides {
    fn take(&self, sight: Sight) -> Option<Side> {
        let mut kept = lock(&self.kept);
        let place = kept.iter().position(|side| side.sight.key == sight.key)?;
        // One of an earlier time is of no use any more.
        kept.remove(place).filter(|side| side.sight == sight)
    }

    fn keep(&self, side: Side) {
        let mut kept = lock(&self.kept);
        kept.push_back(side);
        let mut bytes: usize = kept.iter().map(|side| side.instance.resident_bytes()).sum();
        while kept.len() > KEPT_MAX || bytes > KEPT_BYTES_MAX {
            let Some(oldest) = kept.pop_front() else {
                break;
            };
            bytes -= oldest.instance.resident_bytes();
        }
    }

    pub(crate) fn forget(&self, key: RunKey) {
        lock(&self.kept).retain(|side| side.sight.key != key);
    }
}

impl Sight {
    pub(crate) fn of_row(row: &RunRow) -> Result<Self, Error> {
        Ok(Self {
            key: row.key,
            digest: row.digest,
            next_event_id: summary_of(row)?.next_event_id,
        })
    }

    /// The run as of its last commit, once no workflow task is pending any more: so an answer takes
    /// into account whatever was acknowledged before the question. Tells whether the run is open.
    ///
    /// # Errors
    /// [`MessageError::Failing`] if that will not be, [`Error::ShutDown`].
    pub(crate) async fn settled(cell: &RunCell) -> Result<(Self, Status), MessageError> {
        let mut progress = cell.progress.subscribe();
        loop {
            {
                let state = cell.lock();
                let summary = &state.head.summary;
                if let Some(error) = failing(summary) {
                    return Err(error);
                }
                if summary.status != Status::Running || !summary.task_pending {
                    let sight = Self {
                        key: cell.key,
                        digest: state.head.row.digest,
                        next_event_id: summary.next_event_id,
                    };
                    return Ok((sight, summary.status.clone()));
                }
            }
            if progress.borrow().stopped {
                return Err(Error::ShutDown.into());
            }
            progress.changed().await.map_err(|_| Error::ShutDown)?;
        }
    }
}

/// Why a run's code cannot be asked, if it is paused (R40), or its workflow task has failed and is
/// to be tried again.
pub(crate) fn failing(summary: &sandglass_engine::RunSummary) -> Option<MessageError> {
    if summary.paused.is_some() && summary.status == sandglass_engine::Status::Running {
        return Some(MessageError::Paused);
    }
    let failed = summary.task_attempt.saturating_sub(1);
    let (cause, failure) = summary.task_failure.clone()?;
    (summary.task_pending && failed > 0).then_some(MessageError::Failing {
        failed,
        cause,
        failure,
    })
}

/// Ends a call into a side instance, also one that is made later.
#[derive(Default)]
struct Stop(Mutex<(bool, Option<Interrupt>)>);

impl Stop {
    fn arm(&self, interrupt: Interrupt) {
        let mut state = lock(&self.0);
        if state.0 {
            interrupt();
        }
        state.1 = Some(interrupt);
    }

    /// The call is over. Whether nobody has tried to end it: only then is the instance as it was.
    fn disarm(&self) -> bool {
        let mut state = lock(&self.0);
        state.1 = None;
        !state.0
    }
}

/// Nobody waits for the answer any more once this is dropped.
struct Asker(Arc<Stop>);

impl Drop for Asker {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.0 = true;
        if let Some(interrupt) = state.1.take() {
            interrupt();
        }
    }
}

/// The task, and what the guest has answered.
pub(crate) type Asked<T> = (Box<Task>, Result<T, TaskFailure>);

/// A question to a side instance.
pub(crate) trait Ask<T>:
    FnOnce(&mut dyn GuestInstance, Box<Task>) -> Asked<T> + Send + 'static
{
}

impl<T, F> Ask<T> for F where
    F: FnOnce(&mut dyn GuestInstance, Box<Task>) -> (Box<Task>, Result<T, TaskFailure>)
        + Send
        + 'static
{
}

/// Asks a run's code, and tells with the answer the place in history that it is true of. Dropping
/// the future ends the call.
///
/// # Errors
/// [`MessageError::Trapped`], or why the run cannot be read.
pub(crate) async fn look<T: Send + 'static>(
    host: &Arc<Inner>,
    sight: Sight,
    run_id: String,
    ask: impl Ask<T>,
) -> Result<(EventId, T), MessageError> {
    let permit = Arc::clone(&host.sides.permits).acquire_owned().await;
    let permit = permit.map_err(|_| Error::ShutDown)?;
    let asker = Asker(Arc::default());
    let (inner, stop) = (Arc::clone(host), Arc::clone(&asker.0));
    let asked = host.tokio.spawn_blocking(move || {
        let _permit = permit;
        let side = match inner.sides.take(sight) {
            Some(side) => {
                stop.arm(side.instance.interrupter());
                side
            }
            None => {
                let frames = inner.frames(sight.key, &run_id)?;
                let component = inner.components.get(&inner, sight.digest)?;
                build(frames, component.as_ref(), sight, &run_id, &|interrupt| {
                    stop.arm(interrupt);
                })?
            }
        };
        let (side, answer) = ask_side(side, ask)?;
        let at = side.sight.next_event_id;
        if stop.disarm() {
            inner.sides.keep(side);
        }
        Ok((at, answer))
    });
    asked.await.map_err(|_| host.gone())?
}

/// The same for a run whose frames were read from a store without a host.
///
/// # Errors
/// As [`look`].
pub(crate) fn look_offline<T>(
    frames: Vec<Frame>,
    component: &dyn crate::Component,
    row: &RunRow,
    ask: impl Ask<T>,
) -> Result<T, MessageError> {
    let sight = Sight::of_row(row)?;
    let side = build(frames, component, sight, &row.run_id, &|_| {})?;
    Ok(ask_side(side, ask)?.1)
}

fn build(
    frames: Vec<Frame>,
    component: &dyn crate::Component,
    sight: Sight,
    run_id: &str,
    arm: &dyn Fn(Interrupt),
) -> Result<Side, MessageError> {
    let trapped = |failure: TaskFailure| MessageError::Trapped(failure.failure);
    let mut instance = component.instantiate();
    arm(instance.interrupter());
    let run = match replay(frames, Some(instance.as_mut())) {
        Ok(run) => run,
        Err(ReplayError::Task(failure)) => return Err(trapped(failure)),
        Err(error) => {
            let (run_id, reason) = (run_id.to_owned(), error.to_string());
            return Err(Error::Damaged { run_id, reason }.into());
        }
    };
    let sight = Sight {
        // Something may have been recorded since somebody decided to look.
        next_event_id: run.next_event_id(),
        ..sight
    };
    Ok(Side {
        sight,
        run,
        instance,
    })
}

fn ask_side<T>(side: Side, ask: impl Ask<T>) -> Result<(Side, T), MessageError> {
    let Side {
        sight,
        run,
        mut instance,
    } = side;
    let (task, answer) = ask(instance.as_mut(), run.look());
    // After a trap the instance is of no use.
    let answer = answer.map_err(|failure| MessageError::Trapped(failure.failure))?;
    let side = Side {
        sight,
        run: task.into_run(),
        instance,
    };
    Ok((side, answer))
}

/// Runs something on the host's own runtime, for no longer than this.
///
/// # Errors
/// [`MessageError::DeadlineExceeded`], [`Error::ShutDown`].
pub(crate) async fn within<T: Send + 'static>(
    host: &Inner,
    limit: Duration,
    future: impl Future<Output = Result<T, MessageError>> + Send + 'static,
) -> Result<T, MessageError> {
    let limited = host.tokio.spawn(tokio::time::timeout(limit, future));
    match limited.await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            Err(MessageError::DeadlineExceeded(millis))
        }
        Err(_) => Err(host.gone().into()),
    }
}
