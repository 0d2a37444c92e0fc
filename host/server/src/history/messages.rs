//! Events of signals and updates, and of what the run's code shows of itself.

use super::events::{Projection, not_of_this_family};
use crate::{
    failure::event_id,
    payload,
    proto::{
        history::{
            UpsertWorkflowSearchAttributesEventAttributes,
            WorkflowExecutionSignaledEventAttributes,
            WorkflowExecutionUpdateAcceptedEventAttributes,
            WorkflowExecutionUpdateCompletedEventAttributes,
            WorkflowPropertiesModifiedEventAttributes, history_event::Attributes,
        },
        update::{Input, Meta, Request},
    },
    update::to_outcome,
};
use sandglass_engine::{EventAttributes as E, Update};

fn accepted(update: Update) -> Attributes {
    WorkflowExecutionUpdateAcceptedEventAttributes {
        protocol_instance_id: update.id.clone(),
        accepted_request_message_id: format!("{}/request", update.id),
        accepted_request: Some(Request {
            meta: Some(Meta {
                update_id: update.id,
                identity: update.identity,
            }),
            input: Some(Input {
                header: payload::to_header(update.header),
                name: update.name,
                args: payload::to_list(update.arguments),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
    .into()
}

/// The attributes of one of these events.
pub(super) fn attributes(projection: &Projection, attributes: E) -> Attributes {
    match attributes {
        E::WorkflowExecutionSignaled(signal) => WorkflowExecutionSignaledEventAttributes {
            signal_name: signal.name,
            input: payload::to_list(signal.arguments),
            identity: signal.identity,
            header: payload::to_header(signal.header),
            request_id: signal.request_id,
            ..Default::default()
        }
        .into(),
        E::WorkflowExecutionUpdateAccepted { update, .. } => accepted(*update),
        E::WorkflowExecutionUpdateCompleted {
            update_id,
            accepted_event_id,
            outcome,
        } => WorkflowExecutionUpdateCompletedEventAttributes {
            meta: Some(Meta {
                update_id,
                ..Default::default()
            }),
            accepted_event_id: event_id(accepted_event_id),
            outcome: Some(to_outcome(outcome, projection.namespace())),
        }
        .into(),
        E::WorkflowPropertiesModified {
            upserted_memo,
            workflow_task_completed_event_id: task,
        } => WorkflowPropertiesModifiedEventAttributes {
            workflow_task_completed_event_id: event_id(task),
            upserted_memo: Some(payload::to_memo(payload::upserted(upserted_memo))),
        }
        .into(),
        E::UpsertWorkflowSearchAttributes {
            search_attributes,
            workflow_task_completed_event_id: task,
        } => {
            let attributes = payload::upserted(search_attributes);
            UpsertWorkflowSearchAttributesEventAttributes {
                workflow_task_completed_event_id: event_id(task),
                search_attributes: Some(payload::to_search_attributes(attributes)),
            }
            .into()
        }
        other => not_of_this_family(&other),
    }
}
