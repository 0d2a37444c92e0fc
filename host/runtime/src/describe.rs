//! What people are shown of a run, live from the host or from the rows of a store.

use crate::{
    cell::{Phase, RunCell},
    error::Error,
    host::Inner,
    recovery::{decode_activity, decode_summary},
};
use sandglass_engine::{
    CancelState, ChainSummary, Digest, Elsewhere, Escalation, EventId, Failure, Fields,
    ForceRequest, Input, OperatorRequest, Origin, Payload, PendingActivity, PendingState,
    RunSummary, SearchValue, Status, TaskFailedCause, Timestamp, UpdateCounts, broken, decode,
};
use sandglass_store::{Reader, RunRow};
use serde::{Deserialize, Serialize};

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDescription {
    /// The id that the client chose.
    pub workflow_id: String,
    /// The id of this run.
    pub run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// The component it is pinned to.
    pub digest: Digest,
    /// How it stands or ended.
    pub status: Status,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// Events in its history.
    pub history_length: u64,
    /// How far a request to cancel it has come, or to end it by force.
    #[serde(default)]
    pub cancel_state: CancelState,
    /// The request to cancel it.
    pub cancel: Option<CancelDescription>,
    /// How it was ended by force, and when.
    #[serde(default)]
    pub force: Option<(ForceRequest, Timestamp)>,
    /// The run that started it as a child.
    #[serde(default)]
    pub parent: Option<Origin>,
    /// The first run of its chain.
    #[serde(default)]
    pub first_run_id: String,
    /// Where it stands in its chain.
    #[serde(default)]
    pub chain: ChainSummary,
    /// Who paused it, and when, while it is paused.
    #[serde(default)]
    pub paused: Option<(OperatorRequest, Timestamp)>,
    /// Its workflow task, if one is to be run.
    pub task: Option<TaskDescription>,
    /// Its pending activities, in the order in which they were scheduled.
    pub activities: Vec<ActivityDescription>,
    /// Local activities that its workflow task waits for: type and attempt.
    #[serde(default)]
    pub local_activities: Vec<(String, u32)>,
    /// Inputs that wait for its workflow task to end. They are not acknowledged yet.
    #[serde(default)]
    pub buffered_inputs: usize,
    /// Its pending timers: started event and due time. Event 1 is the run's own timeout, event 0
    /// the time of its first workflow task.
    pub timers: Vec<(EventId, Timestamp)>,
    /// Activity types of compensations that failed.
    pub uncompensated: Vec<String>,
    /// What keeps it from going on, if the store failed it.
    pub trouble: Option<String>,
    /// Values that are shown with it.
    #[serde(default)]
    pub memo: Fields,
    /// Values by which it can be found.
    #[serde(default)]
    pub search_attributes: Fields,
    /// How many updates it has had.
    #[serde(default)]
    pub updates: UpdateCounts,
}

/// A request to cancel a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelDescription {
    /// Why.
    pub reason: String,
    /// Who asked.
    pub identity: String,
    /// When it was recorded.
    pub requested_at: Timestamp,
    /// How far it has come.
    pub state: CancelState,
    /// When the host stops waiting for the run to end.
    pub deadline: Option<Timestamp>,
    /// What the host does then.
    #[serde(default)]
    pub escalation: Option<Escalation>,
    /// Requests after it.
    pub repeats: u64,
    /// How many workflow tasks have failed since it was recorded, if it has not reached the run's
    /// code for that: at least 3, or one if there is no component for the run. Why the last one
    /// did is in the description's task.
    #[serde(default)]
    pub undeliverable: Option<u32>,
}

/// A workflow task that is to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDescription {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Why the attempt before it failed.
    pub last_failure: Option<(TaskFailedCause, Failure)>,
    /// When it is tried again; `None`: now, or when its component is loaded or tasks are resumed.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether workflow tasks are held back on this host.
    pub paused: bool,
}

/// A pending activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityDescription {
    /// Its scheduled event.
    pub scheduled_event_id: EventId,
    /// Its id.
    pub activity_id: String,
    /// Its type.
    pub activity_type: String,
    /// The current or next attempt, from 1.
    pub attempt: u32,
    /// When the current attempt started, if one is running on this host.
    pub started_at: Option<Timestamp>,
    /// When it last gave a sign of life.
    pub last_heartbeat_at: Option<Timestamp>,
    /// Details of its newest heartbeat.
    pub heartbeat_details: Vec<Payload>,
    /// When the next attempt starts, if none is running.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the attempt before failed.
    pub last_failure: Option<Failure>,
    /// The reason, if it was asked to stop.
    pub cancel_requested: Option<String>,
    /// How it stands.
    #[serde(default = "scheduled")]
    pub state: PendingState,
    /// Who paused it, and when, while it is paused.
    #[serde(default)]
    pub paused: Option<(OperatorRequest, Timestamp)>,
    /// Whether somebody outside of the host reports how its running attempt ends.
    #[serde(default)]
    pub elsewhere: bool,
    /// The remote worker that makes its running attempt, if one does.
    #[serde(default)]
    pub worker: Option<String>,
    /// Whether a run that is canceled waits for it though nobody would notice a stuck attempt
    /// ([`sandglass_engine::ActivityCall::lacks_heartbeat`]).
    #[serde(default)]
    pub lacks_heartbeat: bool,
    /// When it was scheduled.
    #[serde(default)]
    pub scheduled_at: Timestamp,
    /// When its limit on all attempts together passes.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The most attempts; 0 for no limit.
    #[serde(default)]
    pub maximum_attempts: u32,
    /// The worker of the running attempt.
    #[serde(default)]
    pub identity: String,
}

/// How an activity stands of which an older host does not tell.
fn scheduled() -> PendingState {
    PendingState::Scheduled
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunListing {
    /// The id that the client chose.
    pub workflow_id: String,
    /// The id of this run.
    pub run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// How it stands or ended.
    pub status: Status,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// How far a request to cancel it has come.
    pub cancel_state: CancelState,
    /// As [`CancelDescription::undeliverable`].
    #[serde(default)]
    pub undeliverable: Option<u32>,
    /// Activity types of compensations that failed.
    pub uncompensated: Vec<String>,
    /// Values that are shown with it.
    #[serde(default)]
    pub memo: Fields,
    /// Values by which it can be found.
    #[serde(default)]
    pub search_attributes: Fields,
    /// Whether it is paused.
    #[serde(default)]
    pub paused: bool,
    /// Events in its history.
    #[serde(default)]
    pub history_length: u64,
    /// The first run of its chain.
    #[serde(default)]
    pub first_run_id: String,
    /// The run that started it as a child.
    #[serde(default)]
    pub parent: Option<Origin>,
}

/// Workflow tasks in a row that have to fail before a run is reported to have problems.
const REPORTED_AFTER: u32 = 5;

/// The search attribute by which Temporal reports them, which no run can set.
const REPORTED_PROBLEMS: &str = "TemporalReportedProblems";

/// The search attributes as they are shown: with one that reports workflow tasks that keep failing.
fn shown_attributes(summary: &RunSummary) -> Fields {
    let mut shown = summary.search_attributes.clone();
    let fails = summary.status == Status::Running
        && summary.task_pending
        && summary.task_attempt > REPORTED_AFTER;
    if let (true, Some((cause, _))) = (fails, &summary.task_failure) {
        let problems = match cause {
            TaskFailedCause::TimedOut => [
                "category=WorkflowTaskTimedOut".into(),
                "cause=WorkflowTaskTimedOutCauseStartToClose".into(),
            ],
            cause => [
                "category=WorkflowTaskFailed".into(),
                format!("cause=WorkflowTaskFailedCause{cause:?}"),
            ],
        };
        let problems = SearchValue::KeywordList(problems.into());
        shown.insert(REPORTED_PROBLEMS.into(), problems.to_payload());
    }
    shown
}

/// Workflow tasks that have to fail before a request to cancel counts as undeliverable.
const UNDELIVERABLE_AFTER: u32 = 3;

/// The failed workflow tasks that keep a recorded request from the run's code. Without its
/// component none will succeed, so the first one tells.
fn undeliverable(summary: &RunSummary) -> Option<u32> {
    let waits = summary.status == Status::Running
        && summary.task_pending
        && summary.cancel_state == CancelState::Requested;
    let failed = summary.undelivered_tasks;
    let cause = summary.task_failure.as_ref().map(|(cause, _)| *cause);
    let enough = match cause {
        Some(TaskFailedCause::BadBinary) => 1,
        _ => UNDELIVERABLE_AFTER,
    };
    (waits && failed >= enough && !broken("R31")).then_some(failed)
}

impl ActivityDescription {
    fn new(pending: &PendingActivity) -> Self {
        let started = pending.started.as_ref();
        Self {
            scheduled_event_id: pending.scheduled_event_id,
            activity_id: pending.activity_id.clone(),
            activity_type: pending.call.activity_type.clone(),
            attempt: pending.attempt,
            started_at: started.map(|started| started.at),
            last_heartbeat_at: started.map(|started| started.last_heartbeat_at),
            heartbeat_details: pending.heartbeat_details.clone(),
            next_attempt_at: started.is_none().then_some(pending.next_attempt_at),
            last_failure: pending.last_failure.clone(),
            cancel_requested: pending.cancel_requested.clone(),
            state: pending.state(),
            paused: pending.paused.clone(),
            elsewhere: pending.elsewhere.is_some(),
            worker: match &pending.elsewhere {
                Elsewhere::Worker { started, .. } => Some(started.identity.clone()),
                Elsewhere::Nobody | Elsewhere::Left(_) => None,
            },
            lacks_heartbeat: pending.call.lacks_heartbeat(),
            scheduled_at: pending.scheduled_at,
            expires_at: pending
                .call
                .schedule_to_close
                .map(|limit| pending.scheduled_at + limit),
            maximum_attempts: pending
                .call
                .retry
                .as_ref()
                .map_or(0, |retry| retry.maximum_attempts),
            identity: started.map_or_else(String::new, |started| started.identity.clone()),
        }
    }
}

impl RunDescription {
    /// Why its last workflow task failed, if it is to be run again: cause and failure.
    #[must_use]
    pub fn task_failure(&self) -> Option<String> {
        let (cause, failure) = self.task.as_ref()?.last_failure.as_ref()?;
        Some(format!("{}: {failure}", cause.name()))
    }

    fn new(row: &RunRow, summary: RunSummary) -> Self {
        let open = summary.status == Status::Running;
        let undeliverable = undeliverable(&summary);
        let search_attributes = shown_attributes(&summary);
        Self {
            workflow_id: row.workflow_id.clone(),
            run_id: row.run_id.clone(),
            workflow_type: row.workflow_type.clone(),
            digest: row.digest,
            status: summary.status,
            started_at: row.started_at,
            closed_at: row.closed_at,
            history_length: summary.next_event_id.0.saturating_sub(1),
            cancel_state: summary.cancel_state,
            cancel: summary
                .cancel
                .map(|(request, requested_at)| CancelDescription {
                    reason: request.reason,
                    identity: request.identity,
                    requested_at,
                    state: summary.cancel_state,
                    deadline: request.deadline,
                    escalation: request.escalation,
                    repeats: summary.cancel_repeats,
                    undeliverable,
                }),
            force: summary.force,
            parent: summary.parent,
            first_run_id: row.first_run_id.clone(),
            chain: summary.chain,
            memo: summary.memo,
            search_attributes,
            paused: summary.paused.filter(|_| open),
            task: (open && summary.task_pending).then_some(TaskDescription {
                attempt: summary.task_attempt,
                last_failure: summary.task_failure,
                next_attempt_at: None,
                paused: false,
            }),
            activities: Vec::new(),
            timers: Vec::new(),
            uncompensated: summary.uncompensated,
            local_activities: Vec::new(),
            buffered_inputs: 0,
            trouble: None,
            updates: summary.updates,
        }
    }

    /// Describes a run from the rows of a store that no host may be running on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`], or [`Error::Damaged`] if a row cannot be decoded.
    pub fn from_store(
        reader: &dyn Reader,
        workflow_id: &str,
        run_id: Option<&str>,
    ) -> Result<Self, Error> {
        let row = reader
            .find(workflow_id, run_id)?
            .ok_or_else(|| Error::not_found(workflow_id, run_id))?;
        let file = reader.file();
        let mut description = Self::new(&row, decode_summary(file, &row)?);
        for activity in reader.activities(row.key)? {
            let mut pending = decode_activity(file, &row.run_id, &activity)?;
            pending.started = pending.elsewhere.started().cloned();
            description
                .activities
                .push(ActivityDescription::new(&pending));
        }
        let timers = reader.timers(row.key)?;
        description.timers = timers
            .into_iter()
            .map(|timer| (timer.started_event_id, timer.due))
            .collect();
        Ok(description)
    }

    /// Describes a closed run from its row.
    pub(crate) fn closed(row: &RunRow) -> Result<Self, Error> {
        Ok(Self::new(row, summary_of(row)?))
    }
}

impl RunListing {
    /// The listing of a row of the store.
    ///
    /// # Errors
    /// [`Error::Damaged`] if its summary cannot be decoded.
    pub fn from_row(row: &RunRow) -> Result<Self, Error> {
        let summary = summary_of(row)?;
        Ok(Self {
            undeliverable: undeliverable(&summary),
            search_attributes: shown_attributes(&summary),
            paused: summary.paused.is_some() && summary.status == Status::Running,
            workflow_id: row.workflow_id.clone(),
            run_id: row.run_id.clone(),
            workflow_type: row.workflow_type.clone(),
            status: summary.status,
            started_at: row.started_at,
            closed_at: row.closed_at,
            cancel_state: summary.cancel_state,
            uncompensated: summary.uncompensated,
            memo: summary.memo,
            history_length: summary.next_event_id.0.saturating_sub(1),
            first_run_id: row.first_run_id.clone(),
            parent: summary.parent,
        })
    }
}

/// A row's summary.
pub(crate) fn summary_of(row: &RunRow) -> Result<RunSummary, Error> {
    decode(&row.summary).map_err(|error| Error::Damaged {
        run_id: row.run_id.clone(),
        reason: format!("its summary cannot be read: {error}"),
    })
}

/// Describes an open run.
pub(crate) fn describe(host: &Inner, cell: &RunCell) -> RunDescription {
    let state = cell.lock();
    let mut description = RunDescription::new(&state.head.row, state.head.summary.clone());
    if let Some(cancel) = &mut description.cancel {
        cancel.repeats = state.repeats();
    } else {
        // One that waits for the running workflow task to end is shown at once.
        description.cancel = state.mailbox.iter().find_map(|mail| match &mail.letter {
            crate::cell::Letter::Input(Input::CancelRequested(request)) => {
                Some(CancelDescription {
                    reason: request.reason.clone(),
                    identity: request.identity.clone(),
                    requested_at: mail.at,
                    state: CancelState::Requested,
                    deadline: request.deadline,
                    escalation: request.escalation,
                    repeats: state.repeats(),
                    undeliverable: None,
                })
            }
            _ => None,
        });
    }
    if description.cancel.is_some() {
        description.cancel_state = description.cancel_state.max(CancelState::Requested);
    }
    if let Some(task) = &mut description.task {
        task.next_attempt_at = state.retry_at.filter(|at| *at < Timestamp(u64::MAX));
        task.paused = host.is_paused();
    }
    let pending = state
        .activities
        .values()
        .map(|slot| ActivityDescription::new(&slot.pending));
    description.activities = pending.collect();
    description.timers = state.timers.iter().map(|(id, due)| (*id, *due)).collect();
    description.trouble.clone_from(&state.trouble);
    description.local_activities = state.shown_locals();
    if matches!(state.phase, Phase::Running | Phase::Waiting) {
        description.buffered_inputs = state.mailbox.len();
    }
    description
}
