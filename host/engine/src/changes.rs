//! What a frame changes outside the history: rows to write and effects to run after the commit.

use crate::{
    CancelRequest, Effect, EventId, Frame, HistoryEvent, Input, Limits, OperationId,
    PendingActivity, Run, Start, Timestamp, UpdateProgress,
};
use std::collections::BTreeSet;

/// One frame with all that must be stored with it and done after it.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameOutput {
    /// The frame to store.
    pub frame: Frame,
    /// What it changes.
    pub changes: Changes,
    /// The events it gives, unless the run is one [`Run::without_events`].
    pub events: Vec<HistoryEvent>,
    /// The time of the last event that it gives, if it gives any.
    pub last_event_time: Option<Timestamp>,
}

/// Changes to pending activities and timers, in the order in which they came about.
///
/// Rows are written in the frame's transaction, effects run after its commit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// Activities to store and, after the commit, dispatch.
    pub scheduled: Vec<PendingActivity>,
    /// Activities that were asked to stop, with the reason: store the flag, then tell the attempt.
    pub cancel_requested: Vec<(EventId, String)>,
    /// Activities that ended, by scheduled event: delete the row.
    pub activities_closed: Vec<EventId>,
    /// Timers to store and, after the commit, arm.
    pub timers_started: Vec<PendingTimer>,
    /// Timers that fired or were canceled, by started event: delete the row.
    pub timers_ended: Vec<EventId>,
    /// Effects on other runs, by the event that names them: store them in the outbox, then apply
    /// them.
    pub effects: Vec<(EventId, Effect)>,
    /// The local activities that go on, if there were any: others are forgotten.
    pub locals_open: Option<BTreeSet<OperationId>>,
    /// Updates that came further, in order.
    pub updates: Vec<(String, UpdateProgress)>,
    /// Whether running attempts of activities are to be killed rather than told.
    pub kill: bool,
    /// The run that follows this one, which closed: store its first frame with this one.
    pub successor: Option<Box<Successor>>,
    /// Whether the run closed: delete all its rows, tell its attempts, answer those who wait.
    pub closed: bool,
}

/// The first that is recorded of the run that follows another.
#[derive(Debug, Clone, PartialEq)]
pub struct Successor {
    /// How it is started.
    pub start: Start,
    /// When: at the close of the run before it.
    pub at: Timestamp,
    /// The request to cancel that it inherits (R15).
    pub cancel: Option<CancelRequest>,
}

impl Successor {
    /// The run, with its first frame to be taken.
    #[must_use]
    pub fn begin(self, limits: Limits) -> Box<Run> {
        let mut run = Run::new(limits);
        let started = Input::Started(Box::new(self.start));
        let inputs = [Some(started), self.cancel.map(Input::CancelRequested)];
        let inputs = inputs.into_iter().flatten().map(|input| (self.at, input));
        let refused = run.append_all(inputs).into_iter().find_map(Result::err);
        assert!(
            refused.is_none(),
            "a run without history takes its start and a request"
        );
        run
    }
}

/// A timer that waits to fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingTimer {
    /// Its started event.
    pub started_event_id: EventId,
    /// When it is due by the wall clock.
    pub due: Timestamp,
}

impl FrameOutput {
    /// Joins two outputs of one run that are to be committed as one frame. `self` comes first.
    #[must_use]
    pub fn merge(mut self, later: Self) -> Self {
        assert_eq!(
            self.frame.next_event_id, later.frame.first_event_id,
            "frames of one run join without a gap"
        );
        self.frame.next_event_id = later.frame.next_event_id;
        self.frame.records.extend(later.frame.records);
        self.events.extend(later.events);
        self.last_event_time = later.last_event_time.or(self.last_event_time);
        let Changes {
            scheduled,
            cancel_requested,
            activities_closed,
            timers_started,
            timers_ended,
            effects,
            locals_open,
            updates,
            kill,
            successor,
            closed,
        } = later.changes;
        self.changes.scheduled.extend(scheduled);
        self.changes.cancel_requested.extend(cancel_requested);
        self.changes.activities_closed.extend(activities_closed);
        self.changes.timers_started.extend(timers_started);
        self.changes.timers_ended.extend(timers_ended);
        self.changes.effects.extend(effects);
        self.changes.locals_open = locals_open.or(self.changes.locals_open);
        self.changes.updates.extend(updates);
        self.changes.kill |= kill;
        self.changes.successor = successor.or(self.changes.successor);
        self.changes.closed |= closed;
        self
    }
}
