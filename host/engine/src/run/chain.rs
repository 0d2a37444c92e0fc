//! Whether a run is followed by another, and with what that one begins.
//!
//! The successor's id and seed come from its predecessor's: a replay gives the same ones.

use super::Run;
use crate::{
    CancelRequest, Chain, ChainSummary, ContinueCall, EventId, Failure, FailureInfo, Initiator,
    Millis, Payload, PendingTimer, RetryState, Start, Successor, TimeoutKind, Timestamp, broken,
    retry, schedule::CronSchedule,
};
use sha2::{Digest as _, Sha256};

/// A run that continues one which was younger than this begins its work so much later, so that a
/// loop of runs cannot take a host's time and disk. As Temporal's.
const RUN_AT_LEAST: Millis = Millis(1000);

/// The event that the timer of a backoff before the first workflow task goes by. There is none of
/// this id.
pub(crate) const BACKOFF_TIMER: EventId = EventId(0);

/// How the next run differs from this one.
struct Next {
    initiator: Initiator,
    backoff: Millis,
    attempt: u32,
    failure: Option<Failure>,
    result: Option<Payload>,
}

impl Run {
    pub(super) fn chain_summary(&self) -> ChainSummary {
        let Some(start) = self.start() else {
            return ChainSummary::default();
        };
        let chain = &start.chain;
        ChainSummary {
            continued_from: chain.continued_from.clone(),
            initiator: chain.initiator,
            attempt: chain.attempt,
            retry: chain.retry.clone(),
            cron: chain.cron.clone(),
            expires_at: chain.expires_at,
            successor: self.successor.clone(),
        }
    }

    /// Takes in what a start says of the chain. `at`: when it is recorded.
    pub(super) fn begin_chain(&mut self, at: Timestamp, start: &Start, started_event_id: EventId) {
        self.started_at = at;
        let begins = at + start.chain.first_task_backoff;
        let ends = start.run_timeout.map(|limit| begins + limit);
        let due = match (ends, start.chain.expires_at) {
            (Some(ends), Some(expires)) => Some(ends.min(expires)),
            (ends, expires) => ends.or(expires),
        };
        let timers = &mut self.recording.changes.timers_started;
        timers.extend(due.map(|due| PendingTimer {
            started_event_id,
            due,
        }));
        if begins > at {
            self.backing_off = true;
            timers.push(PendingTimer {
                started_event_id: BACKOFF_TIMER,
                due: begins,
            });
        }
    }

    /// The first workflow task does not wait any longer.
    pub(super) fn end_backoff(&mut self) {
        if std::mem::take(&mut self.backing_off) {
            self.recording.changes.timers_ended.push(BACKOFF_TIMER);
        }
    }

    /// The run has returned a value: it may be repeated. Returns the run that follows.
    pub(crate) fn follow_completion(&mut self, at: Timestamp, result: &Payload) -> Option<String> {
        if self.cancel.is_some() && !broken("R14") {
            return None; // R14
        }
        let backoff = self.cron_backoff(at)?;
        Some(self.follow(at, |_| Next {
            initiator: Initiator::Cron,
            backoff,
            attempt: 1,
            failure: None,
            result: Some(result.clone()),
        }))
    }

    /// The run has failed: it may be tried again, or repeated. Returns why not, or that it is, and
    /// the run that follows.
    pub(crate) fn follow_failure(
        &mut self,
        at: Timestamp,
        failure: &Failure,
    ) -> (RetryState, Option<String>) {
        let Some(chain) = self.start().map(|start| start.chain.clone()) else {
            return (RetryState::RetryPolicyNotSet, None);
        };
        let chained = chain.retry.is_some() || chain.cron.is_some();
        if self.cancel.is_some() && chained && !broken("R14") {
            return (RetryState::CancelRequested, None); // R14
        }
        let why_not = match self.retry_backoff(at, &chain, failure) {
            Ok(backoff) => {
                let next = self.follow(at, |chain| Next {
                    initiator: Initiator::Retry,
                    backoff,
                    attempt: chain.attempt.saturating_add(1),
                    failure: Some(failure.clone()),
                    result: chain.last_result.clone(),
                });
                return (RetryState::InProgress, Some(next));
            }
            Err(why_not) => why_not,
        };
        let Some(backoff) = self.cron_backoff(at) else {
            return (why_not, None);
        };
        let next = self.follow(at, |chain| Next {
            initiator: Initiator::Cron,
            backoff,
            attempt: 1,
            failure: Some(failure.clone()),
            result: chain.last_result.clone(),
        });
        (why_not, Some(next))
    }

    /// A limit on time has passed. That on the whole chain ends it.
    pub(crate) fn follow_timeout(&mut self, at: Timestamp) -> (RetryState, Option<String>) {
        if self.leaves_no_time(at) {
            return (RetryState::Timeout, None);
        }
        let info = FailureInfo::Timeout {
            kind: TimeoutKind::StartToClose,
            last_heartbeat_details: Vec::new(),
        };
        self.follow_failure(at, &Failure::new("workflow timeout", info))
    }

    fn retry_backoff(
        &self,
        at: Timestamp,
        chain: &Chain,
        failure: &Failure,
    ) -> Result<Millis, RetryState> {
        let policy = chain.retry.as_ref().ok_or(RetryState::RetryPolicyNotSet)?;
        let backoff = retry::backoff(policy, chain.attempt, failure)?;
        if self.leaves_no_time(at + backoff) {
            return Err(RetryState::Timeout);
        }
        Ok(backoff)
    }

    fn cron_backoff(&self, at: Timestamp) -> Option<Millis> {
        let chain = &self.start()?.chain;
        // It was read when the chain was started; one that a newer version refuses ends the chain.
        let schedule = CronSchedule::parse(chain.cron.as_deref()?).ok()?;
        let from = self.started_at + chain.first_task_backoff;
        let next = schedule.next_after(from, at)?;
        (!self.leaves_no_time(next)).then(|| next.since(at))
    }

    /// Whether nothing of the chain's limit is left at a time.
    fn leaves_no_time(&self, at: Timestamp) -> bool {
        let expires = self.start().and_then(|start| start.chain.expires_at);
        expires.is_some_and(|expires| at >= expires)
    }

    /// The run's code wants it to be continued by another. Returns that run, and how long after
    /// the close it begins its work.
    pub(crate) fn follow_as_new(&mut self, at: Timestamp, call: &ContinueCall) -> (String, Millis) {
        let age = at.since(self.started_at);
        let backoff = Millis(RUN_AT_LEAST.0.saturating_sub(age.0));
        let dropped = call.drop_cancel || broken("R15");
        let cancel = self.cancel.as_ref().filter(|_| !dropped);
        let cancel = cancel.map(|cancel| CancelRequest {
            // R15: who asked and why stay as they were, and so does the deadline.
            inherited_from: self.start().map(|start| start.run_id.clone()),
            ..cancel.request.clone()
        });
        let next = self.follow(at, |chain| Next {
            initiator: Initiator::ContinueAsNew,
            backoff,
            attempt: 1,
            failure: None,
            result: chain.last_result.clone(),
        });
        if let Some(successor) = &mut self.recording.changes.successor {
            let start = &mut successor.start;
            let ContinueCall {
                workflow_type,
                arguments,
                task_queue,
                run_timeout,
                retry,
                header,
                memo,
                search_attributes,
                drop_cancel: _,
                drop_compensations: _,
            } = call.clone();
            start.arguments = arguments;
            replace(&mut start.workflow_type, workflow_type);
            replace(&mut start.task_queue, task_queue);
            replace(&mut start.header, header);
            replace(&mut start.memo, memo);
            replace(&mut start.search_attributes, search_attributes);
            start.run_timeout = run_timeout.or(start.run_timeout);
            start.chain.retry = retry.or(start.chain.retry.take());
            successor.cancel = cancel;
        }
        (next, backoff)
    }

    /// Notes the run that follows this one, to be stored with its close. Returns its id.
    fn follow(&mut self, at: Timestamp, next: impl FnOnce(&Chain) -> Next) -> String {
        let start = self
            .start()
            .expect("a run closes only after its start")
            .clone();
        let Next {
            initiator,
            backoff,
            attempt,
            failure,
            result,
        } = next(&start.chain);
        let run_id = next_run_id(&start);
        let chain = Chain {
            first_run_id: start.first_run_id().to_owned(),
            continued_from: Some(start.run_id.clone()),
            initiator: Some(initiator),
            attempt,
            first_task_backoff: backoff,
            continued_failure: failure,
            last_result: result,
            base_run_id: None,
            ..start.chain.clone()
        };
        let start = Start {
            run_id: run_id.clone(),
            seed: derived(&start, "seed"),
            chain,
            memo: self.memo.clone(),
            search_attributes: self.search_attributes.clone(),
            ..start
        };
        self.successor = Some(run_id.clone());
        self.recording.changes.successor = Some(Box::new(Successor {
            start,
            at,
            cancel: None,
        }));
        run_id
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// 32 bytes that nobody can tell who does not know the run's seed. The run's id keeps apart those
/// of runs that have the same seed, as a reset makes them.
fn derived(start: &Start, what: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [
        b"sandglass successor ",
        what.as_bytes(),
        start.run_id.as_bytes(),
    ] {
        hasher.update(part);
    }
    hasher.update(start.seed);
    hasher.finalize().into()
}

/// The id of the run that follows, in the form of a random UUID.
fn next_run_id(start: &Start) -> String {
    let mut bytes = derived(start, "run id");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
