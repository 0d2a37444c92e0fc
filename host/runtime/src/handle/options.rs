//! What a request to end a run says, and what it is answered.

use crate::{
    cell::{CellState, Letter},
    error::Error,
    start::random_id,
};
use sandglass_engine::{
    CancelRequest, Escalation, ForceRequest, Input, Millis, RunSummary, Status, Timestamp, Trigger,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A request to cancel a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CancelOptions {
    /// Why. The run's code can see it.
    pub reason: String,
    /// Who asks.
    pub identity: String,
    /// The request's id; made up if there is none.
    pub request_id: Option<String>,
    /// How long the run may take to end; its code can see the deadline that this makes.
    pub deadline: Option<Duration>,
    /// What the host does when the run has not ended by the deadline; `None`: nothing. Without a
    /// deadline it has no meaning. Survives a restart of the host.
    #[serde(default)]
    pub escalation: Option<Escalation>,
}

/// A request to end a run by force, without its code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ForceOptions {
    /// Why.
    pub reason: String,
    /// Who asks.
    pub identity: String,
    /// The request's id; made up if there is none.
    pub request_id: Option<String>,
    /// Whether running attempts of its activities are stopped at their next await, without time to
    /// notice.
    pub kill: bool,
}

impl ForceOptions {
    pub(crate) fn into_input(self) -> Result<Input, Error> {
        Ok(Input::Forced(ForceRequest {
            rung: match self.kill {
                true => Escalation::Kill,
                false => Escalation::Force,
            },
            trigger: Trigger::Request,
            reason: self.reason,
            identity: self.identity,
            request_id: match self.request_id {
                Some(request_id) => request_id,
                None => random_id()?,
            },
        }))
    }
}

impl CancelOptions {
    pub(crate) fn into_request(self, now: Timestamp) -> Result<CancelRequest, Error> {
        Ok(CancelRequest {
            reason: self.reason,
            identity: self.identity,
            request_id: match self.request_id {
                Some(request_id) => request_id,
                None => random_id()?,
            },
            deadline: self.deadline.map(|wait| now + Millis::from(wait)),
            escalation: self.deadline.and(self.escalation),
            ..CancelRequest::default()
        })
    }

    /// A request with a reason.
    #[must_use]
    pub fn reason(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }
}

/// What became of a request to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelResponse {
    /// The run that it was for.
    #[serde(default)]
    pub run_id: String,
    /// Whether it was recorded.
    pub disposition: Disposition,
    /// Requests after the first, each as often as it was sent: only the first is known by its id.
    pub repeats: u64,
    /// Attempts left over from a run that had ended, which a kill has ended now.
    #[serde(default)]
    pub killed: u64,
}

/// Whether a request to cancel was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Disposition {
    /// It is on disk and will reach the run's code.
    Recorded,
    /// An earlier one stands; this one changes nothing.
    AlreadyRequested,
    /// The run had ended like this.
    AlreadyClosed(Status),
}

/// Whether the request with this id is the one that a run was canceled by.
pub(crate) fn canceled_by(summary: &RunSummary, request_id: &str) -> bool {
    let first = summary.cancel.as_ref();
    first.is_some_and(|(first, _)| !request_id.is_empty() && first.request_id == request_id)
}

/// Whether the request with this id is the one that a run was ended by force by.
pub(crate) fn forced_by(summary: &RunSummary, request_id: Option<&str>) -> bool {
    summary.force.as_ref().is_some_and(|(first, _)| {
        first.trigger == Trigger::Request
            && request_id.is_some_and(|id| !id.is_empty() && first.request_id == id)
    })
}

impl CellState {
    /// How many requests to cancel have come after the first, those included that wait for a
    /// workflow task to end.
    pub(crate) fn repeats(&self) -> u64 {
        let recorded = self.head.summary.cancel.as_ref();
        let mut first = recorded.map(|(request, _)| request.request_id.as_str());
        let mut repeats = self.repeats;
        for mail in &self.mailbox {
            let Letter::Input(Input::CancelRequested(request)) = &mail.letter else {
                continue;
            };
            match first {
                None => first = Some(&request.request_id),
                Some(id) if !id.is_empty() && id == request.request_id => {}
                Some(_) => repeats += 1,
            }
        }
        repeats
    }

    /// As [`canceled_by`], also if the request is on disk and waits to be recorded.
    pub(crate) fn was_canceled_by(&self, request_id: &str) -> bool {
        let kept = match &self.cancel_kept {
            Some(Input::CancelRequested(kept)) => Some(kept),
            _ => None,
        };
        canceled_by(&self.head.summary, request_id)
            || kept.is_some_and(|kept| !request_id.is_empty() && kept.request_id == request_id)
    }
}
