//! What operators ask of a run beside ending it: to hold it, to go on, to stop one part of it.
//!
//! These types are persisted: append variants, never reorder.

use crate::{EventId, ScopeId};
use serde::{Deserialize, Serialize};

/// Who asks for something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OperatorRequest {
    /// Why.
    pub reason: String,
    /// Who asked.
    pub identity: String,
    /// The request's id. If it is not empty, a repeated one is not recorded again.
    pub request_id: String,
}

/// The part of a run that an operator cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorTarget {
    /// The activity with this scheduled event.
    Activity(EventId),
    /// A scope other than the root, with what is in it.
    Scope(ScopeId),
}
