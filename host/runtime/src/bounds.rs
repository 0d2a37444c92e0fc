//! How much a request may bring beside its payloads: reasons, names and ids. All ways in end here,
//! so that none gets around it; it is kept in histories and read by everybody who looks at a run.

use crate::{activity::ActivityOp, error::Error};
use sandglass_engine::{Input, OperatorRequest, Signal, Update};

/// Bytes of a name or an id: as at Temporal's server.
const NAME: usize = 1000;

/// Bytes of a reason.
const REASON: usize = 64 << 10;

fn at_most(limit: usize, texts: &[(&str, &str)]) -> Result<(), Error> {
    match texts.iter().find(|(_, text)| text.len() > limit) {
        Some((what, text)) => {
            let length = text.len();
            Err(Error::LimitExceeded(format!(
                "{what} exceeds length limit. Length={length} Limit={limit}"
            )))
        }
        None => Ok(()),
    }
}

/// Refuses names that are too long.
pub(crate) fn names(names: &[(&str, &str)]) -> Result<(), Error> {
    at_most(NAME, names)
}

/// Why, who, and the request's id.
pub(crate) fn request(reason: &str, identity: &str, request_id: &str) -> Result<(), Error> {
    at_most(REASON, &[("Reason", reason)])?;
    names(&[("Identity", identity), ("RequestId", request_id)])
}

fn of_operator(asked: &OperatorRequest) -> Result<(), Error> {
    request(&asked.reason, &asked.identity, &asked.request_id)
}

/// A message to a run.
pub(crate) fn of_signal(signal: &Signal) -> Result<(), Error> {
    names(&[
        ("SignalName", &signal.name),
        ("Identity", &signal.identity),
        ("RequestId", &signal.request_id),
    ])
}

/// A request that a run's code answers.
pub(crate) fn of_update(update: &Update) -> Result<(), Error> {
    names(&[
        ("UpdateName", &update.name),
        ("UpdateId", &update.id),
        ("Identity", &update.identity),
    ])
}

/// What somebody asks of a run.
pub(crate) fn input(input: &Input) -> Result<(), Error> {
    match input {
        Input::Signaled(signal) => of_signal(signal),
        Input::CancelRequested(asked) => request(&asked.reason, &asked.identity, &asked.request_id),
        Input::Forced(asked) => request(&asked.reason, &asked.identity, &asked.request_id),
        Input::Terminated {
            reason,
            identity,
            request_id,
            ..
        } => request(reason, identity, request_id),
        Input::Paused(asked)
        | Input::Unpaused(asked)
        | Input::OperatorCanceled { request: asked, .. } => of_operator(asked),
        Input::UpdateRequested(update) => of_update(update),
        Input::Superseded(reset) | Input::Reset(reset) => {
            request(&reset.reason, &reset.identity, &reset.request_id)
        }
        // What the host itself brings.
        _ => Ok(()),
    }
}

/// What somebody reports of an activity, or asks of it.
pub(crate) fn of_activity(op: &ActivityOp) -> Result<(), Error> {
    match op {
        ActivityOp::Complete { identity, .. }
        | ActivityOp::Fail { identity, .. }
        | ActivityOp::ReportCanceled { identity, .. } => names(&[("Identity", identity)]),
        ActivityOp::Cancel(asked) | ActivityOp::Pause(asked) => of_operator(asked),
        ActivityOp::Heartbeat { .. } | ActivityOp::Unpause | ActivityOp::Reset(_) => Ok(()),
    }
}
