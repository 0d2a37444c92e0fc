//! What a guest is told, one event per activation.

use crate::{CancelInfo, Failure, OperationId, Payload, ScopeId, Signal, Update};

/// One thing that a run's code is told. Derived again in replay, never stored.
#[derive(Debug, Clone, PartialEq)]
pub enum GuestEvent {
    /// The run starts.
    Initialize {
        /// The workflow type.
        workflow_type: String,
        /// The arguments.
        arguments: Vec<Payload>,
    },
    /// A message arrived.
    SignalReceived(Signal),
    /// Cancellation of the run was requested.
    CancelRequested(CancelInfo),
    /// A scope other than the root was canceled or, for a shielded one, asked to.
    ScopeCanceled(ScopeId, CancelInfo),
    /// An activity ended or was canceled.
    ActivityResolved(OperationId, Result<Payload, Failure>),
    /// A timer fired or was canceled.
    TimerFired(OperationId, Result<(), Failure>),
    /// A wait was canceled.
    WaitCanceled(OperationId, Failure),
    /// A child workflow was started, as this run.
    ChildStarted(OperationId, String),
    /// A child workflow ended, was canceled or could not be started.
    ChildResolved(OperationId, Result<Payload, Failure>),
    /// A signal or request to cancel has reached another run, or cannot, or was canceled.
    ExternalResolved(OperationId, Result<(), Failure>),
    /// A `compensate` call has ended.
    Compensated(OperationId, Result<(), Failure>),
    /// An update was asked for, and is thereby accepted.
    UpdateRequested(Update),
}
