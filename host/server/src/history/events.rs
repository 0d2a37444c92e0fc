//! One event as Temporal's tools see it. Ids, types and order are the host's own: its histories
//! have Temporal's shape, workflow tasks included.
//!
//! Events that Temporal lacks go as signals named `__sandglass.*`: any tool can show those, and no
//! id changes.

use super::{activities, messages, relatives, run, tasks};
use crate::{
    failure::event_id,
    payload,
    proto::history::{
        HistoryEvent, WorkflowExecutionSignaledEventAttributes, history_event::Attributes,
    },
    time,
};
use sandglass_engine::{
    EventAttributes as E, EventId, HistoryEvent as Event, Millis, Payload, Start,
};
use serde::Serialize;
use std::collections::HashMap;

/// What the events of one history tell of each other, as far as those that follow need it.
pub(super) struct Projection {
    /// Of which namespace they are.
    namespace: String,
    /// How the run was started.
    pub(super) start: Option<Box<Start>>,
    /// The worker of each attempt whose end is not told yet, by its started event.
    workers: HashMap<EventId, String>,
    /// The type of each child whose end is not told yet, by its initiated event.
    children: HashMap<EventId, String>,
}

impl Projection {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.into(),
            start: None,
            workers: HashMap::new(),
            children: HashMap::new(),
        }
    }

    /// The next event as it goes.
    pub(super) fn next(&mut self, event: Event) -> HistoryEvent {
        self.begin(&event);
        let over = over(&event);
        let event = self.event(event);
        self.forget(over);
        event
    }

    /// The next event is not wanted, but what it tells of others may be.
    pub(super) fn pass(&mut self, event: &Event) {
        self.begin(event);
        self.forget(over(event));
    }

    /// What an event tells of those after it. Told twice it is as told once.
    pub(super) fn begin(&mut self, event: &Event) {
        match &event.attributes {
            E::WorkflowExecutionStarted(start) => {
                let mut start = start.clone();
                // Nobody asks for these.
                start.arguments = Vec::new();
                self.start = Some(start);
            }
            E::ActivityTaskStarted { identity, .. } => {
                self.workers.insert(event.event_id, identity.clone());
            }
            E::StartChildWorkflowExecutionInitiated { call, .. } => {
                let name = call.workflow_type.clone();
                self.children.insert(event.event_id, name);
            }
            _ => {}
        }
    }

    fn forget(&mut self, over: Option<EventId>) {
        if let Some(over) = over {
            self.workers.remove(&over);
            self.children.remove(&over);
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The type of a child.
    pub(super) fn child(&self, initiated: EventId) -> Option<&str> {
        self.children.get(&initiated).map(String::as_str)
    }

    /// How long a workflow task of the run may take.
    pub(super) fn task_timeout(&self) -> Millis {
        let own = self.start.as_ref().and_then(|start| start.task_timeout);
        own.unwrap_or(super::run::TASK_TIMEOUT)
    }

    /// The task queue of the run.
    pub(super) fn task_queue(&self) -> &str {
        let start = self.start.as_ref();
        start.map_or("", |start| &start.task_queue)
    }

    /// The worker of an attempt.
    pub(super) fn worker(&self, started: EventId) -> String {
        self.workers.get(&started).cloned().unwrap_or_default()
    }

    /// An event as it goes, after those before it.
    pub(super) fn event(&self, event: Event) -> HistoryEvent {
        let attributes = self.attributes(event.attributes);
        HistoryEvent {
            event_id: event_id(event.event_id),
            event_time: Some(time::timestamp(event.event_time)),
            event_type: attributes.event_type().into(),
            task_id: event_id(event.event_id),
            attributes: Some(attributes),
            ..Default::default()
        }
    }

    fn attributes(&self, attributes: E) -> Attributes {
        match attributes {
            E::WorkflowExecutionStarted(_)
            | E::WorkflowExecutionCompleted { .. }
            | E::WorkflowExecutionFailed { .. }
            | E::WorkflowExecutionCanceled { .. }
            | E::WorkflowExecutionTerminated { .. }
            | E::WorkflowExecutionTimedOut { .. }
            | E::WorkflowExecutionContinuedAsNew { .. }
            | E::WorkflowExecutionCancelRequested(_)
            | E::WorkflowExecutionPaused(_)
            | E::WorkflowExecutionUnpaused(_) => run::attributes(self, attributes),
            E::WorkflowTaskScheduled { .. }
            | E::WorkflowTaskStarted { .. }
            | E::WorkflowTaskCompleted { .. }
            | E::WorkflowTaskFailed { .. }
            | E::WorkflowTaskTimedOut { .. }
            | E::TimerStarted { .. }
            | E::TimerFired { .. }
            | E::TimerCanceled { .. }
            | E::MarkerRecorded { .. } => tasks::attributes(self, attributes),
            E::ActivityTaskScheduled { .. }
            | E::ActivityTaskStarted { .. }
            | E::ActivityTaskCompleted { .. }
            | E::ActivityTaskFailed { .. }
            | E::ActivityTaskTimedOut { .. }
            | E::ActivityTaskCancelRequested { .. }
            | E::ActivityTaskCanceled { .. } => activities::attributes(self, attributes),
            E::StartChildWorkflowExecutionInitiated { .. }
            | E::StartChildWorkflowExecutionFailed { .. }
            | E::ChildWorkflowExecutionStarted { .. }
            | E::ChildWorkflowExecutionCompleted { .. }
            | E::ChildWorkflowExecutionFailed { .. }
            | E::ChildWorkflowExecutionCanceled { .. }
            | E::ChildWorkflowExecutionTimedOut { .. }
            | E::ChildWorkflowExecutionTerminated { .. } => relatives::child(self, attributes),
            E::SignalExternalWorkflowExecutionInitiated { .. }
            | E::SignalExternalWorkflowExecutionFailed { .. }
            | E::ExternalWorkflowExecutionSignaled { .. }
            | E::RequestCancelExternalWorkflowExecutionInitiated { .. }
            | E::RequestCancelExternalWorkflowExecutionFailed { .. }
            | E::ExternalWorkflowExecutionCancelRequested { .. } => {
                relatives::external(self, attributes)
            }
            E::WorkflowExecutionSignaled(_)
            | E::WorkflowExecutionUpdateAccepted { .. }
            | E::WorkflowExecutionUpdateCompleted { .. }
            | E::WorkflowPropertiesModified { .. }
            | E::UpsertWorkflowSearchAttributes { .. } => messages::attributes(self, attributes),
            E::WorkflowExecutionForceCancelRequested(request) => {
                foreign("force-cancel-requested", &request.identity, &request)
            }
            E::ActivityCancelWaitTimedOut {
                scheduled_event_id,
                cancel_requested_event_id,
            } => {
                let ids = [scheduled_event_id, cancel_requested_event_id];
                foreign("activity-cancel-wait-timed-out", "", &ids)
            }
            E::OperatorCancelRequested { target, request } => {
                let identity = request.identity.clone();
                foreign("operator-cancel-requested", &identity, &(target, request))
            }
        }
    }
}

/// The attempt or child whose end an event tells.
fn over(event: &Event) -> Option<EventId> {
    match &event.attributes {
        E::ActivityTaskCompleted {
            started_event_id: over,
            ..
        }
        | E::ActivityTaskFailed {
            started_event_id: over,
            ..
        }
        | E::ActivityTaskTimedOut {
            started_event_id: over,
            ..
        }
        | E::ActivityTaskCanceled {
            started_event_id: over,
            ..
        }
        | E::StartChildWorkflowExecutionFailed {
            initiated_event_id: over,
            ..
        }
        | E::ChildWorkflowExecutionCompleted {
            initiated_event_id: over,
            ..
        }
        | E::ChildWorkflowExecutionFailed {
            initiated_event_id: over,
            ..
        }
        | E::ChildWorkflowExecutionCanceled {
            initiated_event_id: over,
            ..
        }
        | E::ChildWorkflowExecutionTimedOut {
            initiated_event_id: over,
            ..
        }
        | E::ChildWorkflowExecutionTerminated {
            initiated_event_id: over,
            ..
        } => Some(*over),
        _ => None,
    }
}

/// An event that Temporal lacks.
fn foreign(name: &str, identity: &str, attributes: &impl Serialize) -> Attributes {
    let text = serde_json::to_vec(attributes).expect("these attributes have text keys only");
    WorkflowExecutionSignaledEventAttributes {
        signal_name: format!("__sandglass.{name}"),
        input: payload::to_one(Payload::json(text)),
        identity: identity.into(),
        ..Default::default()
    }
    .into()
}

/// What a family of events is given that is not of it.
pub(super) fn not_of_this_family(attributes: &E) -> ! {
    unreachable!(
        "{} is dispatched to another family",
        attributes.event_type()
    )
}
