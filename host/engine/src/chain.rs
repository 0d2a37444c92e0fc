//! Chains of runs: a run may be followed by another of the same workflow id, when its code asks for
//! it, when it is tried again, or because a schedule says so.
//!
//! These types are persisted: append variants, never reorder.

use crate::{Failure, Millis, Payload, RetryPolicy, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Named values: memo fields or search attributes.
pub type Fields = BTreeMap<String, Payload>;

/// What a run has to do with the runs before and after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// The first run of the chain; empty for that run itself.
    pub first_run_id: String,
    /// The run that this one follows.
    pub continued_from: Option<String>,
    /// Why it follows that one.
    pub initiator: Option<Initiator>,
    /// Which attempt of the retry policy this run is, from 1.
    pub attempt: u32,
    /// Whether and when a failed run is followed by another attempt.
    pub retry: Option<RetryPolicy>,
    /// The cron schedule by which the run is repeated.
    pub cron: Option<String>,
    /// Limit for the whole chain, as it was given.
    pub execution_timeout: Option<Millis>,
    /// When that limit passes.
    pub expires_at: Option<Timestamp>,
    /// How long after the start its first workflow task is scheduled. A cancel does not wait.
    pub first_task_backoff: Millis,
    /// The failure of the run before it, if that failed.
    pub continued_failure: Option<Failure>,
    /// The value of the last run of the chain that returned one.
    pub last_result: Option<Payload>,
    /// The run whose history this one began with, if it was made by a reset.
    pub base_run_id: Option<String>,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            first_run_id: String::new(),
            continued_from: None,
            initiator: None,
            attempt: 1,
            retry: None,
            cron: None,
            execution_timeout: None,
            expires_at: None,
            first_task_backoff: Millis(0),
            continued_failure: None,
            last_result: None,
            base_run_id: None,
        }
    }
}

/// Why a run follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Initiator {
    /// The code of the run before it asked for it.
    ContinueAsNew,
    /// The run before it failed or timed out, and its retry policy allows another attempt.
    Retry,
    /// The cron schedule's time has come.
    Cron,
}

impl Initiator {
    /// Its name in Temporal's API, as `CONTINUE_AS_NEW_INITIATOR_` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ContinueAsNew => "WORKFLOW",
            Self::Retry => "RETRY",
            Self::Cron => "CRON_SCHEDULE",
        }
    }
}

/// Where a run stands in its chain, for those outside of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainSummary {
    /// The run that this one follows.
    pub continued_from: Option<String>,
    /// Why it follows that one.
    pub initiator: Option<Initiator>,
    /// Which attempt of the retry policy this run is, from 1.
    pub attempt: u32,
    /// Whether and when a failed run is followed by another attempt.
    pub retry: Option<RetryPolicy>,
    /// The cron schedule by which the run is repeated.
    pub cron: Option<String>,
    /// When the limit on the whole chain passes.
    pub expires_at: Option<Timestamp>,
    /// The run that follows this one; set when this one has ended.
    pub successor: Option<String>,
}

impl Default for ChainSummary {
    fn default() -> Self {
        Self {
            continued_from: None,
            initiator: None,
            attempt: 1,
            retry: None,
            cron: None,
            expires_at: None,
            successor: None,
        }
    }
}

/// Whether a workflow id may be used again once its last run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IdReusePolicy {
    /// It may.
    #[default]
    AllowDuplicate,
    /// Only if the last run failed, was canceled or terminated, or timed out.
    AllowDuplicateFailedOnly,
    /// It may not.
    RejectDuplicate,
}

/// How the run that continues another differs from it. What is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ContinueCall {
    /// The workflow type.
    pub workflow_type: Option<String>,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// The task queue.
    pub task_queue: Option<String>,
    /// Limit for the new run.
    pub run_timeout: Option<Millis>,
    /// Whether and when a failed run is followed by another attempt.
    pub retry: Option<RetryPolicy>,
    /// Headers.
    pub header: Option<Vec<(String, Payload)>>,
    /// Memo fields, instead of those of this run.
    pub memo: Option<Fields>,
    /// Search attributes, instead of those of this run.
    pub search_attributes: Option<Fields>,
    /// Whether a request to cancel this run is not handed on to the new one (R15).
    pub drop_cancel: bool,
    /// Whether registered compensations are forgotten. Otherwise they must not be there (R36).
    pub drop_compensations: bool,
}

/// What a task knew of the size of its run's history. Recorded, as the limits may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistorySize {
    /// Bytes of its stored records.
    pub bytes: u64,
    /// Whether the host advised to continue as new.
    pub suggest_continue_as_new: bool,
}
