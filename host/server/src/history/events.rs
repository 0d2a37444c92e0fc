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

/// What the events of one history tell of each other.
pub(super) struct Projection<'a> {
    /// Of which namespace they are.
    pub(super) namespace: &'a str,
    /// How the run was started.
    pub(super) start: Option<&'a Start>,
    /// The worker of each attempt, by its started event.
    pub(super) workers: HashMap<EventId, &'a str>,
    /// The type of each child, by its initiated event.
    pub(super) children: HashMap<EventId, &'a str>,
}

impl<'a> Projection<'a> {
    pub(super) fn new(namespace: &'a str, events: &'a [Event]) -> Self {
        let mut projection = Self {
            namespace,
            start: None,
            workers: HashMap::new(),
            children: HashMap::new(),
        };
        for event in events {
            match &event.attributes {
                E::WorkflowExecutionStarted(start) => projection.start = Some(start),
                E::ActivityTaskStarted { identity, .. } => {
                    projection.workers.insert(event.event_id, identity);
                }
                E::StartChildWorkflowExecutionInitiated { call, .. } => {
                    let name = call.workflow_type.as_str();
                    projection.children.insert(event.event_id, name);
                }
                _ => {}
            }
        }
        projection
    }

    /// How long a workflow task of the run may take.
    pub(super) fn task_timeout(&self) -> Millis {
        let own = self.start.and_then(|start| start.task_timeout);
        own.unwrap_or(super::run::TASK_TIMEOUT)
    }

    /// The task queue of the run.
    pub(super) fn task_queue(&self) -> &str {
        self.start.map_or("", |start| &start.task_queue)
    }

    /// The worker of an attempt.
    pub(super) fn worker(&self, started: EventId) -> String {
        self.workers
            .get(&started)
            .copied()
            .unwrap_or_default()
            .into()
    }

    /// The event as it goes.
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
