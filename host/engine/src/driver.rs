//! The seam between the rules and whoever runs guest code, and replay on top of it.

use crate::{
    Digest, EventId, Failure, Frame, GuestEvent, HistoryEvent, HistorySize, Issued, Limits,
    LocalResolution, Record, Run, Status, Task, TaskFailedCause, TaskOutcome, TaskRecord,
    Timestamp, run::size::stored_bytes,
};
use std::fmt;

/// Runs guest code: takes one event, calls [`Task::command`] for each import, returns when the
/// guest is quiescent.
///
/// The task is moved in and out because the guest's instance owns what its imports use. After an
/// error the driver is of no further use: the instance must be dropped.
pub trait Driver {
    /// Delivers one event.
    fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>);
}

/// Why a workflow task failed. The run stays open and the task is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFailure {
    /// The kind, under Temporal's name.
    pub cause: TaskFailedCause,
    /// What happened, with the guest's backtrace as its stack trace if it trapped.
    pub failure: Failure,
    /// What differed, if this is a nondeterminism error.
    pub nondeterminism: Option<Nondeterminism>,
}

/// A command that is not the one recorded at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nondeterminism {
    /// The recorded event at this place.
    pub event_id: EventId,
    /// What was recorded.
    pub recorded: String,
    /// What the guest attempted.
    pub attempted: String,
}

impl fmt::Display for Nondeterminism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nondeterminism error at event {}\n  recorded:  {}\n  attempted: {}\n  \
             likely cause: the component changed in a way that old histories do not allow",
            self.event_id, self.recorded, self.attempted
        )
    }
}

impl TaskFailure {
    /// A failure made by the host.
    #[must_use]
    pub fn new(cause: TaskFailedCause, failure_type: &str, message: impl Into<String>) -> Self {
        Self {
            cause,
            failure: Failure::application(failure_type, message),
            nondeterminism: None,
        }
    }

    pub(crate) fn nondeterminism(difference: Nondeterminism) -> Self {
        Self {
            cause: TaskFailedCause::NonDeterministicError,
            failure: Failure::application("Nondeterminism", difference.to_string()),
            nondeterminism: Some(difference),
        }
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for TaskFailure {}

/// Why a stored history could not be rebuilt.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// The guest failed or differed. The history is intact.
    #[error(transparent)]
    Task(#[from] TaskFailure),
    /// The frames contradict each other or the rules: a damaged or incompatible store.
    #[error("history is inconsistent at event {event_id}: {reason}")]
    Inconsistent {
        /// The event id at which it was found.
        event_id: EventId,
        /// What is wrong.
        reason: String,
    },
}

/// Delivers all events of a task. Afterwards either the task can be finished or the driver is dead.
pub fn drive(mut task: Box<Task>, driver: &mut dyn Driver) -> (Box<Task>, Result<(), TaskFailure>) {
    loop {
        match task.next() {
            Err(failure) => return (task, Err(failure)),
            Ok(None) => return (task, Ok(())),
            Ok(Some(event)) => {
                let (returned, result) = driver.deliver(event, task);
                task = returned;
                // The rule that a command broke says more than the trap it caused.
                if let Some(mut failure) = task.failure().cloned() {
                    if let Err(trap) = result {
                        failure.failure.stack_trace = trap.failure.stack_trace;
                    }
                    return (task, Err(failure));
                }
                if result.is_err() {
                    return (task, result);
                }
            }
        }
    }
}

/// Rebuilds a run from its frames, without limits; see [`Run::with_limits`].
///
/// With a driver the guest's instance is rebuilt with it, each of its commands compared with the
/// recorded one. Without, the recorded commands are taken as issued.
///
/// # Errors
/// [`ReplayError::Task`] if the guest traps or differs, [`ReplayError::Inconsistent`] if the
/// frames do.
pub fn replay(
    frames: impl IntoIterator<Item = Frame>,
    mut driver: Option<&mut dyn Driver>,
) -> Result<Box<Run>, ReplayError> {
    let mut run = Run::new(Limits::none());
    run.begin_replay_of_frames();
    for frame in frames {
        let bytes = stored_bytes(&frame.records);
        run = replay_frame(run, frame, driver.as_deref_mut())?;
        run.frame_replayed(bytes);
    }
    run.end_replay_of_frames();
    Ok(run)
}

/// Projects frames to the history that people see.
///
/// # Errors
/// [`ReplayError::Inconsistent`] if the frames contradict each other.
pub fn history(frames: impl IntoIterator<Item = Frame>) -> Result<Vec<HistoryEvent>, ReplayError> {
    let mut projector = Projector::default();
    let mut events = Vec::new();
    for frame in frames {
        events.extend(projector.project(frame)?);
    }
    Ok(events)
}

fn replay_frame(
    mut run: Box<Run>,
    frame: Frame,
    mut driver: Option<&mut (dyn Driver + '_)>,
) -> Result<Box<Run>, ReplayError> {
    let expected = frame.first_event_id;
    if run.next_event_id() != expected {
        return Err(ReplayError::Inconsistent {
            event_id: run.next_event_id(),
            reason: format!("the next frame begins at event {expected}"),
        });
    }
    let end = frame.next_event_id;
    for record in frame.records {
        let driver = driver
            .as_mut()
            .map(|driver| &mut **driver as &mut dyn Driver);
        run = replay_record(run, record, driver)?;
    }
    if run.next_event_id() != end {
        return Err(ReplayError::Inconsistent {
            event_id: end,
            reason: format!("its frame gives events up to {}", run.next_event_id()),
        });
    }
    Ok(run)
}

/// Projects frames to the history that people see, one after another. It keeps what later frames
/// need of earlier ones, and no event.
#[derive(Debug)]
pub struct Projector(Box<Run>);

impl Default for Projector {
    fn default() -> Self {
        Self(Run::new(Limits::none()))
    }
}

impl Projector {
    /// The id of the first event of the next frame.
    #[must_use]
    pub fn next_event_id(&self) -> EventId {
        self.0.next_event_id()
    }

    /// The events of the next frame.
    ///
    /// # Errors
    /// As [`history()`]. Afterwards it can project nothing more.
    pub fn project(&mut self, frame: Frame) -> Result<Vec<HistoryEvent>, ReplayError> {
        let run = std::mem::replace(&mut self.0, Run::new(Limits::none()));
        self.0 = replay_frame(run, frame, None)?;
        let output = self.0.take_frame();
        Ok(output.map(|output| output.events).unwrap_or_default())
    }
}

pub(crate) fn replay_record(
    mut run: Box<Run>,
    record: Record,
    driver: Option<&mut dyn Driver>,
) -> Result<Box<Run>, ReplayError> {
    let event_id = run.next_event_id();
    let inconsistent = |reason: String| ReplayError::Inconsistent { event_id, reason };
    match record {
        Record::Input { at, input } => {
            run.append(at, input)
                .map_err(|error| inconsistent(error.to_string()))?;
            Ok(run)
        }
        Record::Inputs(inputs) => {
            let refused = run.append_all(inputs).into_iter().find_map(Result::err);
            match refused {
                Some(error) => Err(inconsistent(error.to_string())),
                None => Ok(run),
            }
        }
        Record::Task(task) => {
            run.restore_attempt(task.attempt);
            replay_task(run, task, driver)
        }
    }
}

fn replay_task(
    mut run: Box<Run>,
    task: TaskRecord,
    driver: Option<&mut dyn Driver>,
) -> Result<Box<Run>, ReplayError> {
    match task.outcome {
        TaskOutcome::Failed { cause, failure } => {
            run.record_failed_task(task.started_at, cause, failure, task.history);
            Ok(run)
        }
        TaskOutcome::Completed { digest, commands } => {
            let parts = (commands, Vec::new(), task.history);
            replay_completed(run, task.started_at, digest, parts, driver)
        }
        TaskOutcome::CompletedWithLocal {
            digest,
            commands,
            resolutions,
        } => {
            let parts = (commands, resolutions, task.history);
            replay_completed(run, task.started_at, digest, parts, driver)
        }
    }
}

fn replay_completed(
    run: Box<Run>,
    started_at: Timestamp,
    digest: Digest,
    (commands, resolutions, history): (Vec<Issued>, Vec<LocalResolution>, HistorySize),
    driver: Option<&mut dyn Driver>,
) -> Result<Box<Run>, ReplayError> {
    if run.status() != &Status::Running {
        return Err(ReplayError::Inconsistent {
            event_id: run.next_event_id(),
            reason: "a workflow task follows the close".into(),
        });
    }
    let task = run.begin_replay(started_at, digest, commands, resolutions, history);
    let (task, result) = match driver {
        Some(driver) => drive(task, driver),
        None => drive(task, &mut AsRecorded),
    };
    result?;
    Ok(task.finish()?)
}

/// Issues what was recorded, so that state can be rebuilt without the guest.
struct AsRecorded;

impl Driver for AsRecorded {
    fn deliver(
        &mut self,
        _: GuestEvent,
        mut task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        while let Some(command) = task.recorded_here() {
            let command = command.clone();
            if let Err(failure) = task.command(command) {
                return (task, Err(failure));
            }
        }
        (task, Ok(()))
    }
}
