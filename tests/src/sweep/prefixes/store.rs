//! A store as it was after some frames of a run: the frames, and the rows that follow from them.

use super::digests;
use sandglass::store::{RunKey, RunRow, RunStatus, SqliteStore, Store as _, Write};
use sandglass_engine::{
    ActivityCall, AttemptReset, CancellationType, Digest, Elsewhere, EventAttributes, EventId,
    Frame, HistoryEvent, PendingActivity, Status, Timestamp, encode, history, replay,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// Makes the store, with all components.
pub(super) fn make(path: &Path, frames: &[Frame], components: &HashMap<Digest, Vec<u8>>) {
    let mut store = SqliteStore::open(path).expect("the folder is writable");
    for (digest, bytes) in components {
        let stored = store.put_component(*digest, bytes);
        stored.expect("there is room for a component");
    }
    let last = frames.len();
    for count in 1..=last {
        let mut write = Write::new(RunKey(1));
        // As it is at the end: nothing reads it before.
        write.row = (count == 1).then(|| row(frames));
        write.frame = Some((count as u64, encode(&frames[count - 1])));
        if count == last {
            rows(&mut write, frames);
        }
        let stored = store.commit(&[write]).expect("there is room for a frame");
        stored
            .into_iter()
            .for_each(|stored| stored.expect("the frames follow each other"));
    }
}

fn row(frames: &[Frame]) -> RunRow {
    let run = replay(frames.to_vec(), None).expect("the frames are those of a run");
    let events = history(frames.to_vec()).expect("the frames are those of a run");
    let start = run.start().expect("the first frame has the start");
    let summary = run.summary();
    let ended = events.last().map(|event| event.event_time);
    RunRow {
        key: RunKey(1),
        workflow_id: start.workflow_id.clone(),
        run_id: start.run_id.clone(),
        first_run_id: start.first_run_id().to_owned(),
        workflow_type: start.workflow_type.clone(),
        status: match summary.status {
            Status::Running => RunStatus::Running,
            Status::Completed { .. } => RunStatus::Completed,
            Status::Failed { .. } => RunStatus::Failed,
            Status::Canceled { .. } => RunStatus::Canceled,
            Status::Terminated { .. } => RunStatus::Terminated,
            Status::TimedOut => RunStatus::TimedOut,
            Status::ContinuedAsNew { .. } => RunStatus::ContinuedAsNew,
        },
        digest: digests(frames).last().unwrap_or(start.digest),
        started_at: events[0].event_time,
        closed_at: ended.filter(|_| summary.status != Status::Running),
        cancel_requested: summary.cancel.is_some(),
        summary: encode(&summary),
    }
}

/// What is pending after these frames.
fn rows(write: &mut Write, frames: &[Frame]) {
    let run = replay(frames.to_vec(), None).expect("the frames are those of a run");
    if run.status() != &Status::Running {
        return;
    }
    let events = history(frames.to_vec()).expect("the frames are those of a run");
    let mut pending = Pending::default();
    if let Some(limit) = run.start().and_then(|start| start.run_timeout) {
        pending
            .timers
            .insert(EventId(1), events[0].event_time + limit);
    }
    for event in &events {
        pending.take(event);
    }
    let activities = pending.activities.iter();
    write.activities_put = activities.map(|(id, row)| (*id, encode(row))).collect();
    write.timers_put = pending.timers.into_iter().collect();
}

/// What a history leaves pending.
#[derive(Default)]
struct Pending {
    activities: BTreeMap<EventId, PendingActivity>,
    timers: BTreeMap<EventId, Timestamp>,
    /// The requests to cancel activities, by the events that scheduled these.
    requests: BTreeMap<EventId, EventId>,
}

impl Pending {
    /// What an event adds, or takes away.
    fn take(&mut self, event: &HistoryEvent) {
        match &event.attributes {
            EventAttributes::ActivityTaskScheduled {
                activity_id, call, ..
            } => {
                let pending = scheduled(event, activity_id, call);
                self.activities.insert(event.event_id, pending);
            }
            EventAttributes::ActivityTaskCancelRequested {
                scheduled_event_id,
                reason,
                ..
            } => self.cancel(event, *scheduled_event_id, reason),
            EventAttributes::ActivityTaskCompleted {
                scheduled_event_id, ..
            }
            | EventAttributes::ActivityTaskFailed {
                scheduled_event_id, ..
            }
            | EventAttributes::ActivityTaskTimedOut {
                scheduled_event_id, ..
            }
            | EventAttributes::ActivityTaskCanceled {
                scheduled_event_id, ..
            } => {
                self.activities.remove(scheduled_event_id);
                if let Some(request) = self.requests.remove(scheduled_event_id) {
                    self.timers.remove(&request);
                }
            }
            EventAttributes::WorkflowExecutionCancelRequested(request) => {
                if let (Some(due), Some(_)) = (request.deadline, request.escalation) {
                    self.timers.insert(event.event_id, due);
                }
            }
            EventAttributes::TimerStarted {
                start_to_fire_timeout,
                ..
            } => {
                let due = event.event_time + *start_to_fire_timeout;
                self.timers.insert(event.event_id, due);
            }
            EventAttributes::TimerFired {
                started_event_id, ..
            }
            | EventAttributes::TimerCanceled {
                started_event_id, ..
            }
            | EventAttributes::ActivityCancelWaitTimedOut {
                cancel_requested_event_id: started_event_id,
                ..
            } => drop(self.timers.remove(started_event_id)),
            _ => {}
        }
    }

    fn cancel(&mut self, event: &HistoryEvent, activity: EventId, reason: &str) {
        let Some(pending) = self.activities.get_mut(&activity) else {
            return;
        };
        pending.cancel_requested = Some(reason.to_owned());
        self.requests.insert(activity, event.event_id);
        if let CancellationType::WaitAtMost(limit) = pending.call.cancellation {
            self.timers.insert(event.event_id, event.event_time + limit);
        }
    }
}

/// An activity as it was when it was scheduled.
fn scheduled(event: &HistoryEvent, activity_id: &str, call: &ActivityCall) -> PendingActivity {
    PendingActivity {
        scheduled_event_id: event.event_id,
        activity_id: activity_id.to_owned(),
        call: call.clone(),
        scheduled_at: event.event_time,
        attempt: 1,
        next_attempt_at: event.event_time,
        last_failure: None,
        heartbeat_details: Vec::new(),
        cancel_requested: None,
        unclean_starts: 0,
        started: None,
        elsewhere: Elsewhere::Nobody,
        paused: None,
        reset: AttemptReset::None,
        scheduled_by: None,
        begun: 0,
        unsettled: false,
        heard_since: Timestamp(0),
    }
}
