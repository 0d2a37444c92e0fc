//! Local activities: short work that the host does inside of a workflow task (S59, A22).
//!
//! They have no events, rows or queue of their own. While one runs, the workflow task that waits
//! for it stays started; how it ended is recorded in that task and becomes a marker. Before that
//! is committed, a crash lets it run again.

use crate::{
    ActivityCall, ActivityClose, EventId, Failure, Input, Millis, OperationId, PendingActivity,
    Report, TimeoutKind, Timestamp, Verdict, compensation::End, frame::since_v5,
};
use serde::{Deserialize, Serialize};

/// How a stretch of a local activity ended. Persisted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalResolution {
    /// Which one.
    pub operation: OperationId,
    /// Its last attempt, from 1.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: LocalOutcome,
    /// Whether an attempt ended without anybody knowing what it has done.
    #[serde(deserialize_with = "since_v5")]
    pub unsettled: bool,
}

/// How it ended. Persisted: append variants, never reorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LocalOutcome {
    /// There is no further attempt.
    Closed(ActivityClose),
    /// The wait before the next attempt is longer than a workflow task should last: it becomes a
    /// timer.
    Backoff {
        /// How long.
        delay: Millis,
        /// Why the attempt failed.
        failure: Failure,
    },
    /// It was canceled, and nobody knows how it ended: it did not within the time that the run
    /// waits for it (R23), or its host died before it did.
    Unsettled,
}

impl LocalOutcome {
    /// What its payloads count against the limit of a workflow task, in bytes.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Closed(ActivityClose::Completed(result)) => result.size(),
            _ => 0,
        }
    }
}

/// What the host is to do with a local activity.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalOrder {
    /// Run it, unless it is running already.
    Begin(Box<LocalActivity>),
    /// Tell it that it is to stop.
    Cancel {
        /// Which one.
        operation: OperationId,
        /// Why.
        reason: String,
        /// Whether how it ends is waited for.
        waits: bool,
        /// For how long, if not for ever.
        wait_at_most: Option<Millis>,
    },
    /// Leave it alone, but forget how it ends.
    Abandon(OperationId),
    /// Nobody wants its result any more.
    Drop(OperationId),
}

/// A local activity from its begin to the end of its stretch: attempts, retries and limits on time.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalActivity {
    /// Which operation of the run it is.
    pub operation: OperationId,
    /// It, as any activity. It has no scheduled event and no heartbeats.
    pub pending: PendingActivity,
    /// The longest wait before an attempt that is not made a timer; `None` for the host's own.
    pub retry_threshold: Option<Millis>,
    /// How long its end is waited for once it was asked to stop.
    pub wait_at_most: Option<Millis>,
    /// Whether it was begun before, in a workflow task that has ended. If this host does not run
    /// it, another one did, and nobody knows what became of that attempt.
    pub begun_before: bool,
    /// The key under which its effect is made once: the same for each attempt, after a crash, and
    /// in a run that a reset has made of the one that asked for it.
    pub idempotency_key: String,
}

/// What the end of an attempt means.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalVerdict {
    /// The stretch has ended so.
    Ended(LocalOutcome),
    /// There is another attempt at this time.
    Retry {
        /// When.
        at: Timestamp,
    },
}

/// One that has not ended, as its run knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenLocal {
    pub activity_id: String,
    pub call: Box<ActivityCall>,
    pub retry_threshold: Option<Millis>,
    /// The first attempt of this stretch.
    pub attempt: u32,
    /// Why the one before it failed.
    pub last_failure: Option<Failure>,
    /// Whether nobody knows what an attempt of an earlier stretch has done.
    pub unsettled: bool,
    pub scheduled_at: Timestamp,
    /// The reason, if it was canceled and its end is waited for.
    pub canceled: Option<String>,
    /// Its run knows it as canceled already: only its compensation waits for its end.
    pub told: bool,
    pub phase: LocalPhase,
    /// What names its effect.
    pub key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalPhase {
    /// It is begun when nothing is left to deliver; before that it can be taken back (R10).
    Requested,
    /// The host runs it.
    Running,
    /// A timer runs before its next attempt.
    BackingOff,
}

/// The key under which a local activity of a run makes its effect once.
pub(crate) fn idempotency_key(run_id: &str, operation: OperationId) -> String {
    format!("{run_id}/local-{operation}")
}

impl OpenLocal {
    /// The order to run it.
    pub(crate) fn begin(&self, operation: OperationId) -> LocalOrder {
        let call = (*self.call).clone();
        let wait_at_most = match call.cancellation {
            crate::CancellationType::WaitAtMost(limit) => Some(limit),
            _ => None,
        };
        let activity_id = self.activity_id.clone();
        let mut pending = PendingActivity::new(EventId(0), activity_id, call, self.scheduled_at);
        pending.attempt = self.attempt;
        pending.last_failure.clone_from(&self.last_failure);
        pending.unsettled = self.unsettled;
        pending.cancel_requested.clone_from(&self.canceled);
        LocalOrder::Begin(Box::new(LocalActivity {
            operation,
            pending,
            retry_threshold: self.retry_threshold,
            wait_at_most,
            begun_before: self.phase == LocalPhase::Running,
            idempotency_key: self.key.clone(),
        }))
    }

    /// What its attempts so far mean for its compensation, if there is no other one.
    pub(crate) fn end(&self) -> End {
        match &self.last_failure {
            _ if self.unsettled => End::Effective,
            Some(failure) => End::from(failure),
            None => End::Void,
        }
    }
}

impl LocalActivity {
    /// The running attempt ended. `threshold` is the host's longest wait between attempts.
    pub fn report(&mut self, now: Timestamp, report: Report, threshold: Millis) -> LocalVerdict {
        let verdict = self.pending.report(now, report);
        self.verdict(now, verdict, threshold)
    }

    /// A limit on time passed.
    pub fn time_out(
        &mut self,
        now: Timestamp,
        kind: TimeoutKind,
        threshold: Millis,
    ) -> LocalVerdict {
        let verdict = self.pending.time_out(now, kind);
        self.verdict(now, verdict, threshold)
    }

    /// How it ends if it is asked to stop while this host makes no attempt of it.
    #[must_use]
    pub fn stopped(&self) -> LocalOutcome {
        let last = self.pending.last_failure.as_ref().map(End::from);
        match self.pending.unsettled || self.begun_before || last == Some(End::Effective) {
            true => LocalOutcome::Unsettled,
            false => LocalOutcome::Closed(ActivityClose::Canceled {
                details: Vec::new(),
                identity: String::new(),
            }),
        }
    }

    /// The last attempt that was made, from 1.
    #[must_use]
    pub fn last_attempt(&self) -> u32 {
        // Once the next one is planned it counts as the current one.
        match self.pending.started {
            None if self.pending.last_failure.is_some() => self.pending.attempt.max(2) - 1,
            _ => self.pending.attempt,
        }
    }

    fn verdict(&self, now: Timestamp, verdict: Verdict, threshold: Millis) -> LocalVerdict {
        match verdict {
            Verdict::Retry { at } => {
                let delay = at.since(now);
                if delay <= self.retry_threshold.unwrap_or(threshold) {
                    return LocalVerdict::Retry { at };
                }
                let failure = self.pending.last_failure.clone();
                let failure = failure.expect("an attempt that is made again has failed");
                LocalVerdict::Ended(LocalOutcome::Backoff { delay, failure })
            }
            Verdict::Close(Input::ActivityClosed { close, .. }) => {
                LocalVerdict::Ended(LocalOutcome::Closed(close))
            }
            Verdict::Close(other) => unreachable!("an activity ends as one, not as {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_whose_attempt_timed_out_is_not_settled_when_it_is_stopped_after_that() {
        let mut pending = PendingActivity::new(
            EventId(0),
            "1".into(),
            ActivityCall::default(),
            Timestamp(1),
        );
        pending.start(Timestamp(1), "host");
        let mut local = LocalActivity {
            operation: OperationId(1),
            pending,
            retry_threshold: None,
            wait_at_most: None,
            begun_before: false,
            idempotency_key: "run/local-1".into(),
        };
        let is_settled = |local: &LocalActivity| local.stopped() != LocalOutcome::Unsettled;
        assert!(is_settled(&local), "no attempt has ended");
        let again = |verdict| matches!(verdict, LocalVerdict::Retry { .. });
        let second = Millis::from_secs(10);
        let late = local.time_out(Timestamp(2), TimeoutKind::StartToClose, second);
        assert!(again(late) && !is_settled(&local));
        local.pending.start(Timestamp(3), "host");
        let failed = Report::Failed(Failure::application("E", "e"));
        // That the next one failed does not tell what the first has done.
        assert!(again(local.report(Timestamp(4), failed, second)) && !is_settled(&local));
    }
}
