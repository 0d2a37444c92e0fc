//! One activity between its scheduling and its end: attempts, limits on time, heartbeats.
//!
//! None of this is history: it is one row that is overwritten and deleted at the end. Only the
//! attempt that decides the end becomes events.

use crate::{
    ActivityCall, ActivityClose, AttemptInfo, EventId, Failure, FailureInfo, Input,
    OperatorRequest, Payload, RetryPolicy, RetryState, TimeoutKind, Timestamp,
    frame::{since_v3, since_v4, since_v5},
    retry,
};
use serde::{Deserialize, Serialize};

/// Unclean starts of the host with the same attempt in flight after which the attempt counts as
/// failed.
const UNCLEAN_STARTS_MAX: u32 = 3;

/// The type of the failure that such an attempt gets.
const HOST_LOST: &str = "HostLost";

/// An activity that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingActivity {
    /// Its scheduled event.
    pub scheduled_event_id: EventId,
    /// Its id.
    pub activity_id: String,
    /// What to run, with the limits that Temporal would fill in filled in.
    pub call: ActivityCall,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// The current or next attempt, from 1.
    pub attempt: u32,
    /// When that attempt may start.
    pub next_attempt_at: Timestamp,
    /// Why the attempt before it failed.
    pub last_failure: Option<Failure>,
    /// Details of the newest heartbeat of any attempt.
    pub heartbeat_details: Vec<Payload>,
    /// The reason, if it was asked to stop.
    pub cancel_requested: Option<String>,
    /// Unclean starts of the host during this attempt.
    pub unclean_starts: u32,
    /// The running attempt. Not stored: it dies with its host.
    #[serde(skip)]
    pub started: Option<StartedAttempt>,
    /// The running attempt, if it does not die with its host.
    #[serde(deserialize_with = "since_v3")]
    pub elsewhere: Elsewhere,
    /// Who paused it, and when, while it is paused: no attempt is begun.
    #[serde(deserialize_with = "since_v3")]
    pub paused: Option<(OperatorRequest, Timestamp)>,
    /// What a reset means for the running attempt and for what follows it.
    #[serde(deserialize_with = "since_v3")]
    pub reset: AttemptReset,
    /// The run that scheduled it, if that was another one, whose history its run began with.
    #[serde(deserialize_with = "since_v3")]
    pub scheduled_by: Option<String>,
    /// How many attempts were begun, the running one included: with `attempt` it tells an attempt
    /// from one that was made before a reset under the same number.
    #[serde(deserialize_with = "since_v4")]
    pub begun: u32,
    /// Whether an attempt ended without anybody knowing what it has done: it timed out, or was
    /// lost with its host. What undoes the activity is to run then, however it ends (R36).
    #[serde(deserialize_with = "since_v5")]
    pub unsettled: bool,
    /// Since when this host can hear of it. Not stored: signs of life that were given before may
    /// never have been, so silence does not count from before.
    #[serde(skip)]
    pub heard_since: Timestamp,
}

/// Who has the running attempt, where that is not the host, with whom it would die. Persisted:
/// append variants, never reorder. The first two are stored as an `Option` was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Elsewhere {
    /// Nobody: no attempt is running, or the host makes it.
    #[default]
    Nobody,
    /// The host made it, and its body has left its end to somebody else to report.
    Left(StartedAttempt),
    /// A worker that polled for it.
    Worker {
        /// The attempt.
        started: StartedAttempt,
        /// The queue at which the worker is told of cancellations, if it has one.
        control_queue: Option<String>,
    },
}

impl Elsewhere {
    /// The attempt, if somebody has it.
    #[must_use]
    pub fn started(&self) -> Option<&StartedAttempt> {
        match self {
            Self::Nobody => None,
            Self::Left(started) | Self::Worker { started, .. } => Some(started),
        }
    }

    /// Whether somebody has it.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::Nobody
    }
}

/// Whether an activity was reset while an attempt runs. Persisted: the first two were once written
/// as a bool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AttemptReset {
    /// It was not.
    #[default]
    None,
    /// After the running attempt the count of attempts begins anew.
    Restart,
    /// The same, and no attempt hears of what those before it have reported in heartbeats; nor
    /// does it of what the running one still reports.
    Forget,
}

/// How a pending activity stands, under Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingState {
    /// An attempt is to be begun, now or later.
    Scheduled,
    /// An attempt is running.
    Started,
    /// It was asked to stop.
    CancelRequested,
    /// No attempt is running, and none is begun.
    Paused,
    /// An attempt is running, after which none is begun.
    PauseRequested,
}

/// An attempt that a worker has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedAttempt {
    /// When.
    pub at: Timestamp,
    /// The worker.
    pub identity: String,
    /// When it last gave a sign of life; its start if it has not heartbeat yet.
    pub last_heartbeat_at: Timestamp,
}

/// What has become of the attempts of an activity that is to be canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// One is running, or has ended with a report that is not recorded yet.
    Running,
    /// None is: the activity ends at once (R18).
    None {
        /// Whether nobody knows what one of them has done.
        unsettled: bool,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// It returned a value.
    Completed(Payload),
    /// It failed. A bare canceled failure counts as [`Report::Canceled`].
    Failed(Failure),
    /// It accepted cancellation.
    Canceled(Vec<Payload>),
}

/// What the end of an attempt means for its activity.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The activity has ended: this input is to be recorded.
    Close(Input),
    /// There is another attempt at this time.
    Retry {
        /// When.
        at: Timestamp,
    },
}

/// What a heartbeat is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeartbeatAnswer {
    /// Go on.
    Active,
    /// Cancellation was requested, for this reason.
    CancelRequested(String),
    /// The activity was reset: its next attempt is the first again.
    Reset,
    /// The activity was paused: no further attempt is begun.
    Paused,
}

impl PendingActivity {
    /// One that was just scheduled. What is missing in `call` is missing in it.
    #[must_use]
    pub fn new(
        scheduled_event_id: EventId,
        activity_id: String,
        call: ActivityCall,
        scheduled_at: Timestamp,
    ) -> Self {
        Self {
            scheduled_event_id,
            activity_id,
            call,
            scheduled_at,
            attempt: 1,
            next_attempt_at: scheduled_at,
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

    /// The name under which an effect of this activity is made once, whatever attempt makes it.
    /// `run_id` is the run that has it pending.
    #[must_use]
    pub fn idempotency_key(&self, run_id: &str) -> String {
        let run_id = self.scheduled_by.as_deref().unwrap_or(run_id);
        format!("{run_id}/{}", self.scheduled_event_id)
    }

    /// What has become of its attempts.
    #[must_use]
    pub fn attempts(&self) -> Attempts {
        match self.started {
            Some(_) => Attempts::Running,
            None => Attempts::None {
                unsettled: self.unsettled,
            },
        }
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> PendingState {
        match (&self.cancel_requested, &self.paused, &self.started) {
            (Some(_), ..) => PendingState::CancelRequested,
            (None, Some(_), Some(_)) => PendingState::PauseRequested,
            (None, Some(_), None) => PendingState::Paused,
            (None, None, Some(_)) => PendingState::Started,
            (None, None, None) => PendingState::Scheduled,
        }
    }

    /// Somebody else will report how the running attempt ends: it outlives its host.
    pub fn complete_later(&mut self) {
        if let Some(started) = &self.started {
            self.elsewhere = Elsewhere::Left(started.clone());
        }
    }

    /// The running attempt is given to a worker that polled for it: it outlives its host, and ends
    /// by report or by its limits on time.
    pub fn hand_out(&mut self, now: Timestamp, identity: &str, control_queue: Option<String>) {
        self.start(now, identity);
        let started = self.started.clone();
        self.elsewhere = started.map_or(Elsewhere::Nobody, |started| Elsewhere::Worker {
            started,
            control_queue,
        });
    }

    /// The running attempt never reached the worker that it was given to. It is as if it had not
    /// been begun: the next one has its number. If it is to stop meanwhile there is none.
    pub fn take_back(&mut self) -> Verdict {
        if self.cancel_requested.is_some() {
            return self.never_started();
        }
        let at = self.next_attempt_at;
        self.given_back(at)
    }

    /// It was asked to stop, and no attempt of it is running nor will be.
    pub fn never_started(&mut self) -> Verdict {
        self.started = None;
        self.close(ActivityClose::Canceled {
            details: vec![Payload::json("\"ACTIVITY_ID_NOT_STARTED\"")],
            identity: String::new(),
        })
    }

    /// No attempt is begun any more; a running one is told. False if it was paused before.
    pub fn pause(&mut self, now: Timestamp, request: OperatorRequest) -> bool {
        let fresh = self.paused.is_none();
        self.paused.get_or_insert((request, now));
        fresh
    }

    /// Attempts are begun again. False if it was not paused.
    pub fn unpause(&mut self) -> bool {
        self.paused.take().is_some()
    }

    /// Its next attempt is the first again, and is begun without a wait: at once, or after the
    /// running one, which is told. If heartbeats are to be forgotten, so are those that the running
    /// one still makes.
    pub fn reset(&mut self, now: Timestamp, forget_heartbeat: bool) {
        if forget_heartbeat {
            self.heartbeat_details.clear();
        }
        if self.started.is_some() {
            self.reset = match forget_heartbeat || self.reset == AttemptReset::Forget {
                true => AttemptReset::Forget,
                false => AttemptReset::Restart,
            };
        } else {
            self.reset = AttemptReset::None;
            self.attempt = 1;
            self.next_attempt_at = now;
            self.unclean_starts = 0;
        }
    }

    /// A worker begins the current attempt.
    pub fn start(&mut self, now: Timestamp, identity: &str) {
        self.begun = self.begun.saturating_add(1);
        self.started = Some(StartedAttempt {
            at: now,
            identity: identity.into(),
            last_heartbeat_at: now,
        });
    }

    /// The running attempt gives a sign of life.
    pub fn heartbeat(&mut self, now: Timestamp, details: Vec<Payload>) -> HeartbeatAnswer {
        if self.reset != AttemptReset::Forget {
            self.heartbeat_details = details;
        }
        if let Some(started) = &mut self.started {
            started.last_heartbeat_at = now;
        }
        if let (
            Elsewhere::Left(stored)
            | Elsewhere::Worker {
                started: stored, ..
            },
            Some(started),
        ) = (&mut self.elsewhere, &self.started)
        {
            stored.clone_from(started);
        }
        self.answer()
    }

    fn is_reset(&self) -> bool {
        self.reset != AttemptReset::None
    }

    /// What its running attempt is told: to stop, rather than to begin anew, rather than to pause.
    #[must_use]
    pub fn answer(&self) -> HeartbeatAnswer {
        match &self.cancel_requested {
            Some(reason) => HeartbeatAnswer::CancelRequested(reason.clone()),
            None if self.is_reset() => HeartbeatAnswer::Reset,
            None if self.paused.is_some() => HeartbeatAnswer::Paused,
            None => HeartbeatAnswer::Active,
        }
    }

    /// The limit on time that passes first as things are, and when.
    #[must_use]
    pub fn deadline(&self) -> Option<(Timestamp, TimeoutKind)> {
        let call = &self.call;
        let total = call
            .schedule_to_close
            .map(|limit| self.scheduled_at + limit);
        let mut limits = vec![(total, TimeoutKind::ScheduleToClose)];
        if let Some(started) = &self.started {
            let attempt = call.start_to_close.map(|limit| started.at + limit);
            let heard = started.last_heartbeat_at.max(self.heard_since);
            let silence = call.heartbeat.map(|limit| heard + limit);
            limits.push((attempt, TimeoutKind::StartToClose));
            limits.push((silence, TimeoutKind::Heartbeat));
        } else {
            let begin = call
                .schedule_to_start
                .map(|limit| self.next_attempt_at + limit);
            limits.push((begin, TimeoutKind::ScheduleToStart));
        }
        // At the same instant the more specific limit is the one that is reported.
        limits
            .into_iter()
            .filter_map(|(at, kind)| Some((at?, kind)))
            .min()
    }

    /// The running attempt ended.
    pub fn report(&mut self, now: Timestamp, report: Report) -> Verdict {
        match report {
            Report::Completed(result) => self.close(ActivityClose::Completed(result)),
            Report::Canceled(details) => self.canceled(now, details),
            Report::Failed(Failure {
                info: FailureInfo::Canceled { details, .. },
                ..
            }) => self.canceled(now, details),
            Report::Failed(failure) => match self.next_attempt(now, &failure) {
                Ok(at) => self.retry(at, failure),
                Err(retry_state) => self.close(ActivityClose::Failed {
                    failure,
                    retry_state,
                }),
            },
        }
    }

    /// A limit on time passed.
    pub fn time_out(&mut self, now: Timestamp, kind: TimeoutKind) -> Verdict {
        let details = self.heartbeat_details.clone();
        match kind {
            TimeoutKind::ScheduleToStart => {
                self.timed_out(timeout(kind, Vec::new()), RetryState::Timeout)
            }
            TimeoutKind::ScheduleToClose => self.out_of_time(),
            TimeoutKind::StartToClose | TimeoutKind::Heartbeat => {
                self.unsettled = true;
                // Details reach the next attempt as its own; here they would only be repeated.
                let failure = timeout(kind, Vec::new());
                match self.next_attempt(now, &failure) {
                    Ok(at) => self.retry(at, failure),
                    Err(RetryState::Timeout) => self.out_of_time(),
                    Err(retry_state) => self.timed_out(timeout(kind, details), retry_state),
                }
            }
        }
    }

    /// The host has started again and this activity is still pending.
    ///
    /// A host that crashes again and again with the same attempt in flight is taken to crash
    /// because of it.
    pub fn host_restarted(&mut self, now: Timestamp, clean: bool) -> Option<Verdict> {
        if let Some(started) = self.elsewhere.started() {
            // It is not the host that makes this attempt.
            self.started = Some(started.clone());
            self.heard_since = now;
            return None;
        }
        let in_flight = self.next_attempt_at <= now && self.paused.is_none();
        if clean || !in_flight {
            return None;
        }
        self.unclean_starts += 1;
        // The attempt died with its host, and the next one has its key: what that reports holds for
        // both. One that only timed out may still be at work, whatever the next one reports.
        if self.unclean_starts < UNCLEAN_STARTS_MAX {
            return None;
        }
        self.start(now, "");
        self.unsettled = true;
        let message = format!(
            "the host stopped {UNCLEAN_STARTS_MAX} times without a clean shutdown during this \
             attempt"
        );
        Some(self.report(
            now,
            Report::Failed(Failure::application(HOST_LOST, message)),
        ))
    }

    fn canceled(&mut self, now: Timestamp, details: Vec<Payload>) -> Verdict {
        if self.cancel_requested.is_none() && (self.is_reset() || self.paused.is_some()) {
            // It was told to stop for that, and has given the attempt back.
            return self.given_back(now);
        }
        if self.cancel_requested.is_none() && !crate::broken("R20") {
            // Canceled is legal only after a request (R20).
            let failure = Failure::application(
                "UnexpectedCancellation",
                "the activity reported cancellation that nobody requested",
            );
            return self.report(now, Report::Failed(failure));
        }
        let identity = self
            .started
            .as_ref()
            .map_or_else(String::new, |s| s.identity.clone());
        self.close(ActivityClose::Canceled { details, identity })
    }

    fn next_attempt(&self, now: Timestamp, failure: &Failure) -> Result<Timestamp, RetryState> {
        if self.cancel_requested.is_some() && !crate::broken("R19") {
            return Err(RetryState::CancelRequested);
        }
        if self.is_reset() {
            return Ok(now);
        }
        let default = RetryPolicy::default();
        let policy = self.call.retry.as_ref().unwrap_or(&default);
        let at = now + retry::backoff(policy, self.attempt, failure)?;
        match self.call.schedule_to_close {
            Some(limit) if at >= self.scheduled_at + limit => Err(RetryState::Timeout),
            _ => Ok(at),
        }
    }

    fn retry(&mut self, at: Timestamp, failure: Failure) -> Verdict {
        self.attempt += 1;
        self.last_failure = Some(failure);
        self.given_back(at)
    }

    /// The attempt is over without an end of the activity.
    fn given_back(&mut self, at: Timestamp) -> Verdict {
        if std::mem::take(&mut self.reset) != AttemptReset::None {
            self.attempt = 1;
        }
        self.next_attempt_at = at;
        self.unclean_starts = 0;
        self.started = None;
        self.elsewhere = Elsewhere::Nobody;
        Verdict::Retry { at }
    }

    fn out_of_time(&mut self) -> Verdict {
        let mut failure = timeout(TimeoutKind::ScheduleToClose, self.heartbeat_details.clone());
        if let Some(last) = &self.last_failure {
            failure.message = "not enough time to schedule next retry before activity \
                 ScheduleToClose timeout, giving up retrying"
                .into();
            if matches!(last.info, FailureInfo::Application { .. }) {
                failure = failure.caused_by(last.clone());
            }
        }
        let state = match self.cancel_requested {
            Some(_) => RetryState::CancelRequested,
            None => RetryState::Timeout,
        };
        self.timed_out(failure, state)
    }

    fn timed_out(&mut self, failure: Failure, retry_state: RetryState) -> Verdict {
        self.close(ActivityClose::TimedOut {
            failure,
            retry_state,
        })
    }

    fn close(&mut self, close: ActivityClose) -> Verdict {
        let started = self.started.take().map(|started| AttemptInfo {
            attempt: self.attempt,
            at: started.at,
            identity: started.identity,
            last_failure: self.last_failure.take().map(Box::new),
        });
        Verdict::Close(Input::ActivityClosed {
            scheduled_event_id: self.scheduled_event_id,
            started,
            close,
            unsettled: self.unsettled,
        })
    }
}

fn timeout(kind: TimeoutKind, last_heartbeat_details: Vec<Payload>) -> Failure {
    let message = format!("activity {kind:?} timeout");
    Failure::new(
        message,
        FailureInfo::Timeout {
            kind,
            last_heartbeat_details,
        },
    )
}
