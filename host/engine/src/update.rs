//! Questions to a run's code, and updates: requests that it answers and may act on.
//!
//! What is said of updates is persisted: append, never reorder.

use crate::{EventId, Failure, Payload};
use serde::{Deserialize, Serialize};

/// A question about a run's state. It changes nothing and is recorded nowhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Query {
    /// Which handler it is for.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
}

/// A request that the code of a run answers with a value or a failure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Update {
    /// Its id, unique in the run: asked again, it is the same update.
    pub id: String,
    /// Which handler it is for.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Who asks.
    pub identity: String,
}

/// How far an update has come in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UpdateProgress {
    /// It is recorded and waits for a workflow task.
    Admitted,
    /// It has reached the run's code.
    Accepted {
        /// The event that says so.
        event_id: EventId,
    },
    /// The run's code has answered it.
    Completed {
        /// The answer.
        outcome: Result<Payload, Failure>,
    },
}

/// How many updates a run has had, for the limits on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UpdateCounts {
    /// All, those that are completed included.
    pub total: u32,
    /// Those that are not completed.
    pub in_flight: u32,
}

/// What a run remembers of an update. Its outcome is in the history.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UpdateState {
    /// It was given to the guest.
    pub delivered: bool,
    /// The event of its acceptance; 0 until the task that delivers it ends.
    pub accepted_event_id: EventId,
    /// The guest has answered it.
    pub answered: bool,
}
