//! The form in which two histories are compared.

use sandglass_engine::{EventAttributes, EventId, HistoryEvent};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a crash may change: when things happened, and which attempt of an activity or a workflow
/// task it was and why the one before it failed. With those the size of the history so far (`bytes`)
/// changes. Besides, what is drawn anew for each run.
const MAY_DIFFER: [&str; 5] = ["bytes", "attempt", "last_failure", "run_id", "seed"];

/// The same in what a marker of a local activity says.
const MAY_DIFFER_IN_MARKERS: [&str; 3] = ["attempt", "complete_time", "original_schedule_time"];

/// Takes times and attempts out of the marker of a local activity.
fn without_times(attributes: &mut EventAttributes) {
    let EventAttributes::MarkerRecorded {
        marker_name,
        details,
        ..
    } = attributes
    else {
        return;
    };
    let data = details.iter_mut().filter(|(name, _)| name == "data");
    for payload in data.flat_map(|(_, payloads)| payloads) {
        if let ("core_local_activity", Ok(Value::Object(mut fields))) =
            (marker_name.as_str(), serde_json::from_slice(&payload.data))
        {
            fields.retain(|name, _| !MAY_DIFFER_IN_MARKERS.contains(&name.as_str()));
            payload.data = Value::Object(fields).to_string().into_bytes();
        }
    }
}

/// A history without what a crash may change: event ids, types and all other attributes stay.
///
/// # Panics
/// If the event ids are not 1, 2, 3 and so on.
#[must_use]
pub fn normal(events: &[HistoryEvent]) -> Vec<String> {
    lines(events, events.iter().map(value).collect())
}

/// The same without workflow tasks: the other events are numbered as if there were no more.
///
/// # Panics
/// As [`normal`].
#[must_use]
pub fn without_tasks(events: &[HistoryEvent]) -> Vec<String> {
    let is_task = |event: &&HistoryEvent| event.attributes.event_type().starts_with("WorkflowTask");
    let others: Vec<&HistoryEvent> = events.iter().filter(|event| !is_task(event)).collect();
    let places = others.iter().map(|event| event.event_id.0).zip(1..);
    let places: BTreeMap<u64, u64> = places.collect();
    let mut values: Vec<Value> = others.into_iter().map(value).collect();
    for value in &mut values {
        renumber(value, &places);
    }
    lines(events, values)
}

/// An event without what a crash may change.
fn value(event: &HistoryEvent) -> Value {
    let mut event = event.clone();
    without_times(&mut event.attributes);
    let mut value = serde_json::to_value(event).expect("events are plain data");
    let fields = value.as_object_mut().expect("an event is an object");
    fields.remove("event_time");
    if let Some(Value::Object(attributes)) = fields.get_mut("attributes") {
        attributes.retain(|name, _| !MAY_DIFFER.contains(&name.as_str()));
    }
    value
}

/// The events as texts, without the run id where it stands in payloads.
fn lines(events: &[HistoryEvent], values: Vec<Value>) -> Vec<String> {
    for (event, id) in events.iter().zip(1..) {
        assert_eq!(event.event_id, EventId(id), "event ids are contiguous");
    }
    let run_id = match events.first().map(|event| &event.attributes) {
        Some(EventAttributes::WorkflowExecutionStarted(start)) => start.run_id.clone(),
        _ => panic!("a history begins with a start"),
    };
    // Idempotency keys begin with it.
    let in_bytes: Vec<String> = run_id.bytes().map(|byte| byte.to_string()).collect();
    let in_bytes = in_bytes.join(",");
    let texts = values.into_iter().map(|value| value.to_string());
    texts
        .map(|text| text.replace(&in_bytes, "run id"))
        .collect()
}

/// Replaces each id of an event by its place among those that count, 0 for the others.
fn renumber(value: &mut Value, places: &BTreeMap<u64, u64>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_u64().filter(|_| name.ends_with("event_id")) {
                    Some(id) => *value = places.get(&id).copied().unwrap_or(0).into(),
                    None => renumber(value, places),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| renumber(value, places)),
        _ => {}
    }
}
