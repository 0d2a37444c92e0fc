//! What surrounds each event that a guest is given: a span, and the limit on time of the workflow
//! task.

use crate::{component::GuestInstance, host::Inner};
use sandglass_engine::{Driver, GuestEvent, Millis, Task, TaskFailedCause, TaskFailure, Timestamp};
use std::time::Duration;

/// Puts a span around each delivery, and ends a workflow task that takes too long.
pub(super) struct Activations<'a> {
    host: &'a Inner,
    instance: &'a mut dyn GuestInstance,
    until: Timestamp,
}

impl<'a> Activations<'a> {
    pub(super) fn new(
        host: &'a Inner,
        instance: &'a mut dyn GuestInstance,
        until: Timestamp,
    ) -> Self {
        Self {
            host,
            instance,
            until,
        }
    }
}

impl Driver for Activations<'_> {
    fn deliver(
        &mut self,
        event: GuestEvent,
        task: Box<Task>,
    ) -> (Box<Task>, Result<(), TaskFailure>) {
        let span = tracing::debug_span!("activation", event = event_name(&event));
        let _entered = span.enter();
        let left = self.until.since(self.host.clock.now());
        if left == Millis(0) {
            let limit = task.timeout().0;
            let message = format!("the workflow task took longer than {limit} ms");
            let failure = TaskFailure::new(TaskFailedCause::TimedOut, "TimedOut", message);
            return (task, Err(failure));
        }
        self.instance.bound(Duration::from_millis(left.0));
        self.instance.deliver(event, task)
    }
}

fn event_name(event: &GuestEvent) -> &'static str {
    match event {
        GuestEvent::Initialize { .. } => "initialize",
        GuestEvent::SignalReceived(_) => "signal-received",
        GuestEvent::CancelRequested(_) => "cancel-requested",
        GuestEvent::ScopeCanceled(..) => "scope-canceled",
        GuestEvent::ActivityResolved(..) => "activity-resolved",
        GuestEvent::TimerFired(..) => "timer-fired",
        GuestEvent::WaitCanceled(..) => "wait-canceled",
        GuestEvent::ChildStarted(..) => "child-started",
        GuestEvent::ChildResolved(..) => "child-resolved",
        GuestEvent::ExternalResolved(..) => "external-resolved",
        GuestEvent::Compensated(..) => "compensated",
        GuestEvent::UpdateRequested(_) => "update-requested",
    }
}
