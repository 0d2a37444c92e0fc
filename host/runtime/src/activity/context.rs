//! What a native activity is given: who it is, and how it talks to the host.

use super::{
    Attempt, AttemptState, TaskToken, current, flush, heartbeat::heartbeat, local::is_local,
};
use crate::{cell::RunCell, host::Inner};
use sandglass_engine::{EventId, Failure, FailureInfo, Millis, Payload, Timestamp};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// What an attempt knows about itself.
#[derive(Debug, Clone)]
pub struct ActivityInfo {
    /// The activity type.
    pub activity_type: String,
    /// The activity id, unique among the run's pending ones.
    pub activity_id: String,
    /// The workflow id of the run.
    pub workflow_id: String,
    /// The run id of the run.
    pub run_id: String,
    /// Its scheduled event; 0 for a local activity.
    pub scheduled_event_id: EventId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// `"{run_id}/{scheduled_event_id}"`, for a local one `"{run_id}/local-{operation}"`: the same
    /// for every attempt of this activity and different for every other one. An effect made under
    /// it once is made once. After a reset it has the id of the run that scheduled it.
    pub idempotency_key: String,
    /// Details of the newest heartbeat of an earlier attempt, or of this one before the host
    /// stopped.
    pub heartbeat_details: Vec<Payload>,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// When this attempt is given up, if ever.
    pub deadline: Option<Timestamp>,
    /// The longest silence between heartbeats, if there is a limit.
    pub heartbeat_timeout: Option<Millis>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
}

/// The host as a running attempt sees it. Cheap to clone.
#[derive(Clone)]
pub struct ActivityContext {
    pub(super) host: Arc<Inner>,
    pub(super) cell: Arc<RunCell>,
    pub(super) attempt: Arc<Attempt>,
    pub(super) info: Arc<ActivityInfo>,
}

impl ActivityContext {
    /// What this attempt knows about itself.
    #[must_use]
    pub fn info(&self) -> &ActivityInfo {
        &self.info
    }

    /// Gives a sign of life, with details that the next attempt receives. Answers whether to go on.
    ///
    /// Each call counts for the heartbeat timeout; details are stored at intervals and with a
    /// failure. Details of more than [`sandglass_engine::Limits::payload_bytes`] are not
    /// kept: the ones before them stay.
    ///
    /// An attempt that a limit on time has ended is one that nobody knows: the answer is
    /// [`AttemptState::NotFound`], and [`ActivityContext::state`] says why.
    ///
    /// Of a local activity nothing is kept: it needs no sign of life.
    pub fn heartbeat(&self, details: Vec<Payload>) -> AttemptState {
        let answer = if is_local(&self.info) {
            self.state()
        } else {
            heartbeat(
                &self.host,
                &self.cell,
                self.info.scheduled_event_id,
                &self.attempt,
                details,
            )
        };
        match answer {
            AttemptState::TimedOut => AttemptState::NotFound,
            answer => answer,
        }
    }

    /// Whether to go on, without counting as a heartbeat.
    #[must_use]
    pub fn state(&self) -> AttemptState {
        self.attempt.state.borrow().clone()
    }

    /// Whether there is a reason to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state() != AttemptState::Active
    }

    /// Waits until there is a reason to stop, and returns it. Without one, waits for ever.
    pub async fn cancelled(&self) -> AttemptState {
        let mut states = self.attempt.state.subscribe();
        match states
            .wait_for(|state| *state != AttemptState::Active)
            .await
        {
            Ok(state) => state.clone(),
            // The sender lives in this context.
            Err(_) => AttemptState::NotFound,
        }
    }

    /// Sleeps on the host's clock. Ends early if there is a reason to stop, and returns that.
    ///
    /// # Errors
    /// The reason to stop.
    pub async fn sleep(&self, how_long: Duration) -> Result<(), AttemptState> {
        tokio::select! {
            biased;
            reason = self.cancelled() => Err(reason),
            () = self.host.sleep(how_long) => Ok(()),
        }
    }

    /// Says that somebody else will report how this attempt ends, and returns the token to do it
    /// with ([`Host::activity`](crate::Host::activity)).
    ///
    /// What the body returns with `Ok` is then dropped and the activity stays pending, across
    /// restarts of the host too, until its end is reported by the token or by the activity's id, or
    /// a limit on time passes. An `Err` still fails the attempt. Called again, it returns the same
    /// token. For a local activity it does nothing.
    pub fn complete_later(&self) -> TaskToken {
        let event_id = self.info.scheduled_event_id;
        // A local activity is of this process alone: how it ends is what its body returns.
        let local = is_local(&self.info);
        self.attempt.elsewhere.store(!local, Ordering::Release);
        let mut state = self.cell.lock();
        if let Some(slot) = current(&mut state, event_id, &self.attempt) {
            slot.pending.complete_later();
            slot.dirty = true;
            flush(&self.host, &self.cell, &mut state);
        }
        TaskToken {
            workflow_id: self.info.workflow_id.clone(),
            run_id: self.info.run_id.clone(),
            scheduled_event_id: event_id,
            attempt: self.info.attempt,
            begun: self.attempt.begun,
        }
    }

    /// The failure that accepts a requested cancellation.
    #[must_use]
    pub fn canceled(&self, details: Vec<Payload>) -> Failure {
        let message = match self.state() {
            AttemptState::CancelRequested(reason) => reason,
            _ => String::new(),
        };
        let identity = self.host.config.identity.clone();
        Failure::new(
            message,
            FailureInfo::Canceled {
                details,
                identity,
                settled: true,
                request: None,
            },
        )
    }
}
