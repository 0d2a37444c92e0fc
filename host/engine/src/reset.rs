//! A new run from the beginning of another one's history (R17).
//!
//! The new run's one frame has the records of the old one up to the point, as they were, then
//! [`Input::Reset`] and what is brought along. So a replay of it needs nothing of the old run, and
//! what the old run had done before the point is not done again.

use crate::{
    ActivityClose, Changes, Effect, EventId, Frame, FrameOutput, Input, InputError, Limits,
    PendingActivity, Record, ReplayError, Run, Timestamp, driver::replay_record,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a history is cut. Persisted: append variants, never reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetPoint {
    /// Before the end of the workflow task that this event is of.
    Event(EventId),
    /// Before the end of the first workflow task that has completed.
    FirstTask,
    /// Before the end of the last workflow task that has completed.
    LastTask,
    /// Before the first request to cancel the run: all that was done by then stays done.
    BeforeCancel,
}

/// What a reset is. Persisted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The run whose history the new one begins with.
    pub base_run_id: String,
    /// The new run.
    pub new_run_id: String,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub identity: String,
    /// The request's id.
    pub request_id: String,
    /// Where the history is cut.
    pub point: ResetPoint,
}

/// Why a history cannot be cut there.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResetError {
    /// The event is none of a workflow task.
    #[error(
        "event {event_id} is of no workflow task; the tasks that have completed did so at events \
         {completed}"
    )]
    NotATask {
        /// The event.
        event_id: EventId,
        /// The events that end workflow tasks, as text.
        completed: String,
    },
    /// No workflow task has completed.
    #[error("no workflow task has completed: there is nothing to reset to")]
    NoTask,
    /// Nobody asked for the cancellation of the run.
    #[error("nobody asked for the cancellation of the run: there is nothing to go back from")]
    NotCanceled,
    /// The history cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What came after the point is not taken by the new run.
    #[error("what came after the point cannot be brought along: {0}")]
    Refused(InputError),
}

/// Makes the new run. It keeps the old one's seed: what its code draws after the point is what the
/// old run's code drew there. Signals, updates and news of children that came after the point are
/// brought along, requests to cancel are not. Activities and timers that were pending at the point
/// are among the changes, the activities with their first attempt.
///
/// # Errors
/// Why the history cannot be cut there.
pub fn reset(
    frames: Vec<Frame>,
    at: Timestamp,
    reset: Reset,
    limits: Limits,
) -> Result<(Box<Run>, FrameOutput), ResetError> {
    let mut records: Vec<Record> = frames.into_iter().flat_map(|frame| frame.records).collect();
    let cut = cut(&mut records, reset.point)?;
    let rest = records.split_off(cut);
    // What was recorded was within the limits of its time, and comes along all the same.
    let mut run = Run::new(Limits::none());
    for record in records {
        run = replay_record(run, record, None)?;
    }
    let uncancel = reset.point == ResetPoint::BeforeCancel;
    let along: Vec<Input> = rest
        .iter()
        .flat_map(Record::inputs)
        .filter(|(_, input)| comes_along(&run, input, uncancel))
        .map(|(_, input)| input.clone())
        .collect();
    let began_with = run.start().map(|start| start.run_id.clone());
    let first = Input::Reset(Box::new(reset));
    let inputs = std::iter::once(first).chain(along);
    let results = run.append_all(inputs.map(|input| (at, input)));
    let refused = results.into_iter().filter_map(Result::err);
    if let Some(error) = { refused }.find(|error| !is_of_no_use(error)) {
        return Err(ResetError::Refused(error));
    }
    let mut output = run
        .take_frame()
        .expect("a reset is always recorded in an open run");
    output.changes = pending(&run, output.changes, at, began_with.unwrap_or_default());
    Ok((run.with_limits(limits), output))
}

/// The number of records before the point. A record that the point is in is split.
fn cut(records: &mut Vec<Record>, point: ResetPoint) -> Result<usize, ResetError> {
    let completed = |record: &Record| match record {
        Record::Task(task) => task.outcome.completed().is_some(),
        _ => false,
    };
    match point {
        ResetPoint::Event(event_id) => task_of(records, event_id),
        ResetPoint::FirstTask => {
            let found = records.iter().position(completed);
            found.ok_or(ResetError::NoTask)
        }
        ResetPoint::LastTask => {
            let found = records.iter().rposition(completed);
            found.ok_or(ResetError::NoTask)
        }
        ResetPoint::BeforeCancel => before_cancel(records).ok_or(ResetError::NotCanceled),
    }
}

/// The record of the workflow task that an event is of.
fn task_of(records: &[Record], event_id: EventId) -> Result<usize, ResetError> {
    let mut completed = Vec::new();
    let mut run = Run::new(Limits::none());
    for (index, record) in records.iter().enumerate() {
        if let Record::Task(task) = record {
            let next = run.next_event_id();
            let scheduled = run.task_scheduled().unwrap_or(next);
            let started = match scheduled == next {
                true => next.0 + 1,
                false => next.0,
            };
            if [scheduled.0, started, started + 1].contains(&event_id.0) {
                return Ok(index);
            }
            if task.outcome.completed().is_some() {
                completed.push((started + 1).to_string());
            }
        }
        run = replay_record(run, record.clone(), None)?;
    }
    Err(ResetError::NotATask {
        event_id,
        completed: completed.join(", "),
    })
}

fn before_cancel(records: &mut Vec<Record>) -> Option<usize> {
    let is_request = |input: &Input| matches!(input, Input::CancelRequested(_));
    let index = records
        .iter()
        .position(|record| record.inputs().any(|(_, input)| is_request(input)))?;
    if let Record::Inputs(inputs) = &mut records[index]
        && let Some(place) = inputs.iter().position(|(_, input)| is_request(input))
        && place > 0
    {
        let after = inputs.split_off(place);
        records.insert(index + 1, Record::Inputs(after));
        return Some(index + 1);
    }
    Some(index)
}

/// Whether an input of the old run after the point is one of the new run too.
fn comes_along(run: &Run, input: &Input, uncancel: bool) -> bool {
    match input {
        Input::Signaled(_) | Input::UpdateRequested(_) => true,
        Input::CancelRequested(_) => crate::broken("R17"),
        // What the old run heard of children and others that it had turned to before the point.
        Input::ChildStarted {
            initiated_event_id: id,
            ..
        }
        | Input::ChildStartFailed {
            initiated_event_id: id,
            ..
        }
        | Input::ChildClosed {
            initiated_event_id: id,
            ..
        } => run.children.contains_key(id),
        Input::ExternalResolved {
            initiated_event_id: id,
            ..
        } => run.externals.contains_key(id),
        // What was done in spite of the request is not done again.
        Input::ActivityClosed {
            scheduled_event_id: id,
            close: ActivityClose::Completed(_),
            ..
        } => uncancel && run.activities.contains_key(id),
        _ => false,
    }
}

/// Whether an input is not taken because the new run knows it already, or does not wait for it.
fn is_of_no_use(error: &InputError) -> bool {
    matches!(
        error,
        InputError::Duplicate
            | InputError::Closed
            | InputError::UnknownActivity(_)
            | InputError::UnknownChild(_)
            | InputError::UnknownExternal(_)
    )
}

/// What is pending in the new run of all that its history brought about.
fn pending(run: &Run, all: Changes, at: Timestamp, began_with: String) -> Changes {
    let mut activities: BTreeMap<EventId, PendingActivity> = all
        .scheduled
        .into_iter()
        .map(|activity| (activity.scheduled_event_id, activity))
        .filter(|(id, _)| run.activities.contains_key(id))
        .collect();
    for (id, reason) in all.cancel_requested {
        if let Some(activity) = activities.get_mut(&id) {
            activity.cancel_requested = Some(reason);
        }
    }
    for activity in activities.values_mut() {
        let of = run.run_id_at(activity.scheduled_event_id);
        activity.scheduled_by = Some(of.unwrap_or_else(|| began_with.clone()));
        activity.scheduled_at = at;
        activity.next_attempt_at = at;
    }
    let limit = run.start().and_then(|start| start.run_timeout);
    let expires = run.start().and_then(|start| start.chain.expires_at);
    let timers = all.timers_started.into_iter().filter_map(|mut timer| {
        let id = timer.started_event_id;
        if id == EventId(1) {
            // The limit of a run is counted anew, that of its chain is not.
            if let Some(limit) = limit {
                let due = at + limit;
                timer.due = expires.map_or(due, |expires| due.min(expires));
            }
            return Some(timer);
        }
        let is_grace = run.summary().grace.is_some_and(|(event, _)| event == id);
        (run.timers.contains_key(&id) || is_grace).then_some(timer)
    });
    let effects = all.effects.into_iter().filter(|(id, effect)| match effect {
        Effect::StartChild { .. } => {
            let child = run.children.get(id);
            child.is_some_and(|child| child.started.is_none())
        }
        _ => run.externals.contains_key(id),
    });
    Changes {
        timers_started: timers.collect(),
        effects: effects.collect(),
        scheduled: activities.into_values().collect(),
        ..Changes::default()
    }
}
