//! One pending activity as seen from outside of its attempts: somebody else reports how it ends,
//! or an operator cancels, pauses or resets it.
//!
//! Everything is answered when it is on disk, but for heartbeats, whose details are stored when it
//! is time for that.

use super::{AttemptState, Slot, TaskToken, Ticket, bounds, flush, heartbeat, settle};
use crate::{
    cell::{Ack, CellState, Delivery, Mail, RunCell},
    error::Error,
    handle::{Found, RunHandle},
    host::{Host, Inner},
    start::check_size,
};
use sandglass_engine::{
    EventId, Failure, HeartbeatAnswer, Input, InputError, Limits, OperatorRequest, OperatorTarget,
    Payload, PendingActivity, Report, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What Temporal's server answers when the run has ended.
pub(crate) const RUN_ENDED: &str = "workflow execution already completed";

/// What it answers when the activity has, or the attempt.
pub(crate) const NOT_PENDING: &str = "invalid activityID or activity already timed out or \
     invoking workflow is completed";

/// What it answers to a cancellation that nobody requested (R20).
const NOT_REQUESTED: &str = "unable to mark activity as canceled without activity being request \
     canceled first";

const ALREADY_PAUSED: &str = "activity is already paused";
const NOT_PAUSED: &str = "activity is not paused";

/// One activity of a run. Cheap; need not be pending.
#[derive(Clone)]
pub struct ActivityHandle {
    run: RunHandle,
    which: ActivityRef,
}

/// What a reset of an activity does beside beginning anew with the first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActivityReset {
    /// Details of heartbeats are forgotten: the next attempt gets none.
    pub forget_heartbeat: bool,
    /// If the activity is paused it stays so. Otherwise it is let go.
    pub keep_paused: bool,
}

/// Which activity of a run is meant, for [`remote`](crate::remote) and
/// [`offline`](crate::offline).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityRef {
    /// The one with this id.
    Id(String),
    /// The one whose attempt this token names, if that attempt is running.
    Attempt(TaskToken),
}

impl ActivityRef {
    /// Whether it is this one.
    pub(crate) fn names(&self, pending: &PendingActivity) -> bool {
        match self {
            Self::Id(id) => pending.activity_id == *id,
            Self::Attempt(token) => {
                let same = (pending.scheduled_event_id, pending.attempt, pending.begun)
                    == (token.scheduled_event_id, token.attempt, token.begun);
                same && pending.started.is_some()
            }
        }
    }
}

/// What is done with an activity from outside: one call of an [`ActivityHandle`] as a value, for
/// [`remote`](crate::remote) and [`offline`](crate::offline).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityOp {
    /// [`ActivityHandle::complete`]
    Complete {
        /// The value.
        result: Payload,
        /// Who reports it.
        identity: String,
    },
    /// [`ActivityHandle::fail`]
    Fail {
        /// How.
        failure: Failure,
        /// Who reports it.
        identity: String,
    },
    /// [`ActivityHandle::report_canceled`]
    ReportCanceled {
        /// Values that describe it.
        details: Vec<Payload>,
        /// Who reports it.
        identity: String,
    },
    /// [`ActivityHandle::heartbeat`]
    Heartbeat {
        /// Details that the next attempt receives.
        details: Vec<Payload>,
    },
    /// [`ActivityHandle::cancel`]
    Cancel(OperatorRequest),
    /// [`ActivityHandle::pause`]
    Pause(OperatorRequest),
    /// [`ActivityHandle::unpause`]
    Unpause,
    /// [`ActivityHandle::reset`]
    Reset(ActivityReset),
}

/// Does it to an activity that no host has in its hands. Returns the input to be recorded; `None`:
/// only the activity's row has changed. An error says why it does not fit.
pub(crate) fn apply(
    pending: &mut PendingActivity,
    now: Timestamp,
    op: ActivityOp,
) -> Result<Option<Input>, &'static str> {
    let (report, identity) = match op {
        ActivityOp::Complete { result, identity } => (Report::Completed(result), identity),
        ActivityOp::Fail { failure, identity } => (Report::Failed(failure), identity),
        ActivityOp::ReportCanceled { .. } if pending.cancel_requested.is_none() => {
            return Err(NOT_REQUESTED);
        }
        ActivityOp::ReportCanceled { details, identity } => (Report::Canceled(details), identity),
        ActivityOp::Heartbeat { .. } if pending.started.is_none() => return Err(NOT_PENDING),
        ActivityOp::Heartbeat { details } => {
            pending.heartbeat(now, details);
            return Ok(None);
        }
        ActivityOp::Cancel(request) => {
            let target = OperatorTarget::Activity(pending.scheduled_event_id);
            return Ok(Some(Input::OperatorCanceled { target, request }));
        }
        ActivityOp::Pause(request) if is_paused_by(pending, &request) => return Ok(None),
        ActivityOp::Pause(request) if pending.pause(now, request.clone()) => return Ok(None),
        ActivityOp::Pause(_) => return Err(ALREADY_PAUSED),
        ActivityOp::Unpause if pending.unpause() => return Ok(None),
        ActivityOp::Unpause => return Err(NOT_PAUSED),
        ActivityOp::Reset(reset) => {
            pending.reset(now, reset.forget_heartbeat);
            if !reset.keep_paused {
                pending.unpause();
            }
            return Ok(None);
        }
    };
    if pending.started.is_none() {
        pending.start(now, &identity);
    }
    Ok(match pending.report(now, report) {
        Verdict::Close(input) => Some(input),
        Verdict::Retry { .. } => None,
    })
}

/// Whether this request is the one that it is paused by, asked again (R39).
fn is_paused_by(pending: &PendingActivity, request: &OperatorRequest) -> bool {
    let by = pending.paused.as_ref();
    by.is_some_and(|(by, _)| !request.request_id.is_empty() && by.request_id == request.request_id)
}

/// What that is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ActivityAnswer {
    Done,
    Told(HeartbeatAnswer),
}

impl RunHandle {
    /// The attempt that a token names.
    pub(crate) fn attempt(&self, token: TaskToken) -> ActivityHandle {
        ActivityHandle {
            run: self.clone(),
            which: ActivityRef::Attempt(token),
        }
    }

    /// The activity of this run with this id.
    #[must_use]
    pub fn activity(&self, activity_id: impl Into<String>) -> ActivityHandle {
        ActivityHandle {
            run: self.clone(),
            which: ActivityRef::Id(activity_id.into()),
        }
    }
}

impl Host {
    /// The attempt of an activity that this token names.
    #[must_use]
    pub fn activity(&self, token: &TaskToken) -> ActivityHandle {
        ActivityHandle {
            run: self.run(token.workflow_id.clone(), Some(&token.run_id)),
            which: ActivityRef::Attempt(token.clone()),
        }
    }
}

impl ActivityHandle {
    /// Reports that the activity returned a value. By id this may be done at any time, also before
    /// any attempt was begun or between two; an attempt that is running is given up.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run, [`Error::ActivityNotFound`] if the activity or the
    /// attempt is not pending (any more), [`Error::TooLarge`].
    pub async fn complete(&self, result: Payload, identity: &str) -> Result<(), Error> {
        let identity = identity.to_owned();
        self.done(ActivityOp::Complete { result, identity }).await
    }

    /// Reports that an attempt failed. It is retried by the activity's policy.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`].
    pub async fn fail(&self, failure: Failure, identity: &str) -> Result<(), Error> {
        let identity = identity.to_owned();
        self.done(ActivityOp::Fail { failure, identity }).await
    }

    /// Reports that the activity has accepted its cancellation.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`], and [`Error::Refused`] if nobody requested it (R20).
    pub async fn report_canceled(
        &self,
        details: Vec<Payload>,
        identity: &str,
    ) -> Result<(), Error> {
        let identity = identity.to_owned();
        self.done(ActivityOp::ReportCanceled { details, identity })
            .await
    }

    /// Gives a sign of life, with details that the next attempt receives. Answers whether to go on.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`]; the attempt must have been begun.
    pub async fn heartbeat(&self, details: Vec<Payload>) -> Result<AttemptState, Error> {
        match self.perform(ActivityOp::Heartbeat { details }).await? {
            ActivityAnswer::Told(answer) => Ok(answer.into()),
            ActivityAnswer::Done => Ok(AttemptState::Active),
        }
    }

    /// Cancels the activity as the run's own code could: by its cancellation type. The request is
    /// recorded in the history, and a workflow task follows.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`], and [`Error::Refused`] if it was canceled before or is a
    /// compensation.
    pub async fn cancel(&self, request: OperatorRequest) -> Result<(), Error> {
        self.done(ActivityOp::Cancel(request)).await
    }

    /// Begins no further attempt until [`ActivityHandle::unpause`]. A running one is told, and may
    /// give itself back. Limits on time go on. Not in the history.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`], and [`Error::Refused`] if it is paused.
    pub async fn pause(&self, request: OperatorRequest) -> Result<(), Error> {
        self.done(ActivityOp::Pause(request)).await
    }

    /// Lets attempts be begun again, when they are due. Not in the history.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`], and [`Error::Refused`] if it is not paused.
    pub async fn unpause(&self) -> Result<(), Error> {
        self.done(ActivityOp::Unpause).await
    }

    /// Lets the activity begin anew with its first attempt: at once, or if an attempt is running
    /// after that, which is told. Not in the history.
    ///
    /// # Errors
    /// As [`ActivityHandle::complete`].
    pub async fn reset(&self, reset: ActivityReset) -> Result<(), Error> {
        self.done(ActivityOp::Reset(reset)).await
    }

    async fn done(&self, op: ActivityOp) -> Result<(), Error> {
        self.perform(op).await.map(drop)
    }

    pub(crate) async fn perform(&self, op: ActivityOp) -> Result<ActivityAnswer, Error> {
        let op = bounded(&self.run.host().config.limits, op)?;
        let cell = match self.run.find()? {
            Found::Open(cell) => cell,
            Found::Closed(_) => return Err(self.not_found(RUN_ENDED)),
        };
        let host = self.run.host();
        if host.is_stopping() {
            return Err(Error::ShutDown);
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut state = cell.lock();
            let id = self.pending(&state)?;
            if let ActivityOp::Heartbeat { details } = op {
                return self.beat(host, &cell, &mut state, id, details);
            }
            self.change(host, &cell, &mut state, id, op, sender)?
        };
        if let Some(ticket) = ticket {
            host.dispatch.offer(host, ticket);
        }
        let delivery = receiver.await.map_err(|_| host.gone())??;
        self.delivered(delivery)
    }

    fn delivered(&self, delivery: Delivery) -> Result<ActivityAnswer, Error> {
        match delivery {
            Delivery::Recorded | Delivery::Refused(InputError::Duplicate, _) => {
                Ok(ActivityAnswer::Done)
            }
            Delivery::Refused(InputError::Closed, _) => Err(self.not_found(RUN_ENDED)),
            Delivery::Refused(InputError::UnknownActivity(_), _) => {
                Err(self.not_found(NOT_PENDING))
            }
            Delivery::Refused(error, _) => Err(self.refused(error.to_string())),
        }
    }

    fn not_found(&self, reason: &'static str) -> Error {
        Error::ActivityNotFound {
            workflow_id: self.run.workflow_id().to_owned(),
            reason: reason.into(),
        }
    }

    fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Refused {
            workflow_id: self.run.workflow_id().to_owned(),
            reason: reason.into(),
        }
    }

    /// The activity, if it is pending and, where an attempt is named, that one is running.
    fn pending(&self, state: &CellState) -> Result<EventId, Error> {
        // One whose end is being recorded has ended.
        let is_open = |slot: &&Slot| !slot.closing && !slot.held;
        let found = match &self.which {
            ActivityRef::Id(_) => {
                let mut open = state.activities.values().filter(is_open);
                open.find(|slot| self.which.names(&slot.pending))
            }
            ActivityRef::Attempt(token) => {
                let slot = state.activities.get(&token.scheduled_event_id);
                slot.filter(is_open)
                    .filter(|slot| self.which.names(&slot.pending))
            }
        };
        let slot = found.ok_or_else(|| self.not_found(NOT_PENDING))?;
        Ok(slot.pending.scheduled_event_id)
    }

    fn beat(
        &self,
        host: &Arc<Inner>,
        cell: &Arc<RunCell>,
        state: &mut CellState,
        id: EventId,
        details: Vec<Payload>,
    ) -> Result<ActivityAnswer, Error> {
        let now = host.clock.now();
        let slot = slot(state, id);
        if slot.pending.started.is_none() {
            return Err(self.not_found(NOT_PENDING));
        }
        let told = slot.pending.heartbeat(now, details);
        heartbeat::store_soon(host, cell, state, id);
        Ok(ActivityAnswer::Told(told))
    }

    /// Does anything but a heartbeat. Returns the ticket of an activity that may have an attempt to
    /// be begun now.
    fn change(
        &self,
        host: &Arc<Inner>,
        cell: &Arc<RunCell>,
        state: &mut CellState,
        id: EventId,
        op: ActivityOp,
        ack: Ack,
    ) -> Result<Option<Ticket>, Error> {
        let now = host.clock.now();
        let slot = slot(state, id);
        let is_cancel = matches!(op, ActivityOp::Cancel(_));
        let was_started = slot.pending.started.is_some();
        // Whoever reports by a token has the attempt itself.
        let other = matches!(self.which, ActivityRef::Id(_)).then(|| slot.recalled(host, cell));
        let input = apply(&mut slot.pending, now, op).map_err(|reason| self.refused(reason))?;
        if is_cancel {
            let mail = input.map(|input| Mail::input(now, input, Some(ack)));
            mail.into_iter()
                .for_each(|mail| host.post(cell, state, mail));
            return Ok(None);
        }
        let over = was_started && slot.pending.started.is_none();
        if let Some((queue, command)) = other.flatten().filter(|_| over) {
            host.queues.push(host, &queue, command);
        }
        match slot.attempt.take_if(|_| over || input.is_some()) {
            Some(attempt) => attempt.give_up(AttemptState::NotFound),
            None => slot
                .attempt
                .iter()
                .for_each(|attempt| attempt.tell(slot.pending.answer())),
        }
        if let Some(input) = input {
            let posted = settle(host, cell, state, id, Verdict::Close(input), now, Some(ack));
            host.queue(cell, posted);
            return Ok(None);
        }
        slot.dirty = true;
        slot.arm_deadline(host, cell.key);
        let begin = slot.pending.started.is_none() && slot.pending.next_attempt_at <= now;
        let ticket = begin.then(|| slot.ticket(cell));
        if !begin && slot.pending.started.is_none() {
            slot.arm_retry(host, cell.key);
        }
        state.row_acks.push(ack);
        flush(host, cell, state);
        Ok(ticket)
    }
}

/// Refuses what is too large, and shortens a failure that is.
pub(crate) fn bounded(limits: &Limits, op: ActivityOp) -> Result<ActivityOp, Error> {
    crate::bounds::of_activity(&op)?;
    match &op {
        ActivityOp::Complete { result, .. } => {
            check_size(limits, "the result", std::slice::from_ref(result))?;
        }
        ActivityOp::ReportCanceled { details, .. } | ActivityOp::Heartbeat { details } => {
            check_size(limits, "the details", details)?;
        }
        _ => {}
    }
    Ok(match op {
        ActivityOp::Fail { failure, identity } => ActivityOp::Fail {
            failure: bounds::failure(failure, limits),
            identity,
        },
        op => op,
    })
}

/// The slot of an activity that was just found.
fn slot(state: &mut CellState, id: EventId) -> &mut Slot {
    state
        .activities
        .get_mut(&id)
        .expect("an activity that was found under the same lock is there")
}
