//! What events say of updates, attributes and markers.

use super::value_text;
use crate::payload;
use sandglass_engine::{EventAttributes, Payload};

/// What an event says beyond its type; nothing if it is about something else.
pub(super) fn describe(attributes: &EventAttributes) -> Option<String> {
    use EventAttributes as E;
    Some(match attributes {
        E::WorkflowExecutionUpdateAccepted { update, .. } => {
            let arguments = payload::short(&update.arguments);
            format!("{} [{}] ({arguments})", update.name, update.id)
        }
        E::WorkflowExecutionUpdateCompleted {
            update_id, outcome, ..
        } => match outcome {
            Ok(value) => format!("[{update_id}] -> {}", value_text(value)),
            Err(failure) => format!("[{update_id}]: {failure}"),
        },
        E::WorkflowPropertiesModified { upserted_memo, .. } => entries(upserted_memo),
        E::UpsertWorkflowSearchAttributes {
            search_attributes, ..
        } => entries(search_attributes),
        E::MarkerRecorded {
            marker_name,
            details,
            ..
        } if marker_name == "core_patch" => {
            let details: Vec<_> = details
                .iter()
                .flat_map(|(_, values)| values)
                .cloned()
                .collect();
            format!("{marker_name} {}", payload::short(&details))
        }
        _ => return None,
    })
}

fn entries(entries: &[(String, Option<Payload>)]) -> String {
    let texts = entries.iter().map(|(name, value)| match value {
        Some(value) => format!("{name} = {}", value_text(value)),
        None => format!("{name} removed"),
    });
    texts.collect::<Vec<_>>().join(", ")
}
