//! The form in which two histories are compared.

use sandglass_engine::{EventAttributes, EventId, HistoryEvent};
use serde_json::Value;

/// What a crash may change: when things happened, and which attempt of an activity or a workflow
/// task it was and why the one before it failed. With those the size of the history so far (`bytes`)
/// changes. Besides, what is drawn anew for each run.
const MAY_DIFFER: [&str; 5] = ["bytes", "attempt", "last_failure", "run_id", "seed"];

/// A history without what a crash may change: event ids, types and all other attributes stay.
///
/// # Panics
/// If the event ids are not 1, 2, 3 and so on.
#[must_use]
pub fn normal(events: &[HistoryEvent]) -> Vec<String> {
    let run_id = match events.first().map(|event| &event.attributes) {
        Some(EventAttributes::WorkflowExecutionStarted(start)) => start.run_id.clone(),
        _ => panic!("a history begins with a start"),
    };
    // As it stands in payloads: idempotency keys begin with it.
    let in_bytes: Vec<String> = run_id.bytes().map(|byte| byte.to_string()).collect();
    let in_bytes = in_bytes.join(",");
    let mut lines = Vec::with_capacity(events.len());
    for (event, id) in events.iter().zip(1..) {
        assert_eq!(event.event_id, EventId(id), "event ids are contiguous");
        let mut value = serde_json::to_value(event).expect("events are plain data");
        let fields = value.as_object_mut().expect("an event is an object");
        fields.remove("event_time");
        if let Some(Value::Object(attributes)) = fields.get_mut("attributes") {
            attributes.retain(|name, _| !MAY_DIFFER.contains(&name.as_str()));
        }
        lines.push(value.to_string().replace(&in_bytes, "run id"));
    }
    lines
}
