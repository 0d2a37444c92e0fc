//! The token by which somebody outside of the host names one attempt.

use sandglass_engine::EventId;
use std::{fmt, str::FromStr};

/// Names one attempt of an activity, for whoever reports how it ends.
///
/// As text it is `RUN-ID/SCHEDULED-EVENT/ATTEMPT.BEGUN/WORKFLOW-ID`. It is no secret: who may
/// report is a matter of who may reach the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskToken {
    /// The workflow id of the run.
    pub workflow_id: String,
    /// The run id.
    pub run_id: String,
    /// The activity's scheduled event.
    pub scheduled_event_id: EventId,
    /// The attempt, from 1. The token of an attempt that is over names nothing any more.
    pub attempt: u32,
    /// How many attempts of the activity had been begun then, this one included: after a reset the
    /// first attempt is another one.
    pub begun: u32,
}

/// A text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no task token: it should be RUN-ID/SCHEDULED-EVENT/ATTEMPT.BEGUN/WORKFLOW-ID")]
pub struct BadToken(String);

impl fmt::Display for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workflow_id,
            run_id,
            scheduled_event_id,
            attempt,
            begun,
        } = self;
        write!(
            f,
            "{run_id}/{scheduled_event_id}/{attempt}.{begun}/{workflow_id}"
        )
    }
}

impl FromStr for TaskToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let bad = || BadToken(text.into());
        // The workflow id is last: it may have slashes.
        let mut parts = text.splitn(4, '/');
        let mut part = || parts.next().ok_or_else(bad);
        let (run_id, event, attempt) = (part()?, part()?, part()?);
        let (attempt, begun) = attempt.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            workflow_id: part()?.into(),
            run_id: run_id.into(),
            scheduled_event_id: EventId(event.parse().map_err(|_| bad())?),
            attempt: attempt.parse().map_err(|_| bad())?,
            begun: begun.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_text() {
        let token = TaskToken {
            workflow_id: "orders/7/late".into(),
            run_id: "r".into(),
            scheduled_event_id: EventId(5),
            attempt: 2,
            begun: 3,
        };
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in ["", "r/5/2.3", "r/five/2.3/w", "r/5/-1.3/w", "r/5/2/w"] {
            assert_eq!(bad.parse::<TaskToken>(), Err(BadToken(bad.into())));
        }
    }
}
