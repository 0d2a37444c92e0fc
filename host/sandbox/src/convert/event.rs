//! What a guest is told: the engine's events as those of interface `guest`.

use super::{failure_out, header, list, outcome_out};
use crate::bindings::workflow::exports::sandglass::workflow::guest as wit;
use sandglass_engine::{GuestEvent, Update};

impl From<GuestEvent> for wit::Event {
    fn from(event: GuestEvent) -> Self {
        let resolution = |operation: sandglass_engine::OperationId, outcome| wit::Resolution {
            operation: operation.0,
            outcome: outcome_out(outcome),
        };
        match event {
            GuestEvent::Initialize {
                workflow_type,
                arguments,
            } => Self::Initialize(wit::Start {
                workflow_type,
                arguments: list(arguments),
            }),
            GuestEvent::SignalReceived(signal) => Self::SignalReceived(wit::Signal {
                name: signal.name,
                arguments: list(signal.arguments),
                requester: signal.identity,
            }),
            GuestEvent::CancelRequested(info) => Self::CancelRequested(info.into()),
            GuestEvent::ScopeCanceled(scope, info) => Self::ScopeCanceled(wit::ScopeCancellation {
                scope: scope.0,
                info: info.into(),
            }),
            GuestEvent::ActivityResolved(operation, outcome) => {
                Self::ActivityResolved(wit::ActivityResolution {
                    operation: operation.0,
                    outcome: outcome.map(Into::into).map_err(failure_out),
                })
            }
            GuestEvent::TimerFired(operation, outcome) => {
                Self::TimerFired(resolution(operation, outcome))
            }
            GuestEvent::WaitCanceled(operation, failure) => {
                Self::WaitCanceled(resolution(operation, Err(failure)))
            }
            GuestEvent::ChildStarted(operation, run_id) => Self::ChildStarted(wit::ChildStart {
                operation: operation.0,
                run_id,
            }),
            GuestEvent::ChildResolved(operation, outcome) => {
                Self::ChildResolved(wit::ChildResolution {
                    operation: operation.0,
                    outcome: outcome.map(Into::into).map_err(failure_out),
                })
            }
            GuestEvent::ExternalResolved(operation, outcome) => {
                Self::ExternalResolved(resolution(operation, outcome))
            }
            GuestEvent::Compensated(operation, outcome) => {
                Self::Compensated(resolution(operation, outcome))
            }
            GuestEvent::UpdateRequested(update) => Self::UpdateRequested(update.into()),
        }
    }
}

impl From<Update> for wit::Update {
    fn from(update: Update) -> Self {
        Self {
            id: update.id,
            name: update.name,
            arguments: list(update.arguments),
            header: header(update.header),
            requester: update.identity,
        }
    }
}
