//! Temporal's messages as JSON: protobuf's JSON mapping, by the descriptors that the build has.
//!
//! Values (`Payload`) have a short form, as in Temporal's HTTP API: one that is JSON stands for
//! itself, one of a protobuf message is its JSON with `_protoMessageType`, null is `binary/null`,
//! and a list of values is a list. Here a value whose numbers would not come out as they are is in
//! the full form, and a request with such numbers is refused.

mod numbers;

use crate::{
    served::{self, Needs},
    status,
};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
pub(crate) use numbers::check as check_numbers;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use tonic::Status;

const PAYLOAD: &str = "temporal.api.common.v1.Payload";
const PAYLOADS: &str = "temporal.api.common.v1.Payloads";

/// What names the type of a protobuf message in a value's short form.
const MESSAGE_TYPE: &str = "_protoMessageType";

/// The messages.
pub(crate) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/messages.bin"));
        DescriptorPool::decode(bytes).expect("the build has written whole descriptors")
    })
}

/// The full name of a message of the services.
pub(crate) fn of_service(name: &str) -> String {
    let is_of = |(call, _): &(&str, Needs)| name.starts_with(call);
    let service = match served::OPERATOR.iter().any(is_of) {
        true => "operatorservice",
        false => "workflowservice",
    };
    format!("temporal.api.{service}.v1.{name}")
}

fn descriptor(name: &str) -> MessageDescriptor {
    let found = pool().get_message_by_name(name);
    found.unwrap_or_else(|| panic!("the routes name messages that there are, not {name}"))
}

/// A message as JSON.
///
/// # Errors
/// It has no JSON form, such as a time in the year 10,000.
pub(crate) fn to_json(name: &str, bytes: &[u8], shorthand: bool) -> Result<Value, Status> {
    let failed = |error: String| status::internal(format!("{name} has no JSON form: {error}"));
    let descriptor = descriptor(name);
    let message = DynamicMessage::decode(descriptor.clone(), bytes);
    let message = message.map_err(|error| failed(error.to_string()))?;
    let mut value = serde_json::to_value(&message).map_err(|error| failed(error.to_string()))?;
    if shorthand {
        visit(&descriptor, &mut value, &shorten);
    }
    Ok(value)
}

/// A message from JSON.
///
/// # Errors
/// What does not fit.
pub(crate) fn from_json(name: &str, mut value: Value, shorthand: bool) -> Result<Vec<u8>, Status> {
    let descriptor = descriptor(name);
    if shorthand {
        visit(&descriptor, &mut value, &lengthen);
    }
    let message = DynamicMessage::deserialize(descriptor, value);
    let message = message.map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(message.encode_to_vec())
}

/// Gives each field with values, and all below, to a function, with the name of its message.
fn visit(message: &MessageDescriptor, value: &mut Value, change: &impl Fn(&str, &mut Value)) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, value) in fields.iter_mut() {
        let Some(field) = by_name(message, name) else {
            continue;
        };
        let inner = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        let Kind::Message(inner) = inner else {
            continue;
        };
        let each = |value: &mut Value| match inner.full_name() {
            name @ (PAYLOAD | PAYLOADS) => change(name, value),
            _ => visit(&inner, value, change),
        };
        match value {
            Value::Object(entries) if field.is_map() => entries.values_mut().for_each(each),
            Value::Array(items) if field.is_list() => items.iter_mut().for_each(each),
            _ if field.is_map() || field.is_list() => {}
            one => each(one),
        }
    }
}

fn by_name(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    let by_json = || message.get_field_by_json_name(name);
    message.get_field_by_name(name).or_else(by_json)
}

/// Puts values in their short form where they have one.
fn shorten(name: &str, value: &mut Value) {
    if name == PAYLOAD {
        if let Some(short) = short(value) {
            *value = short;
        }
        return;
    }
    // All of a list or none: in a list of both nobody could tell them apart.
    let empty = Vec::new();
    let list = value.get("payloads").and_then(Value::as_array);
    let list: Option<Vec<Value>> = list.unwrap_or(&empty).iter().map(short).collect();
    if let Some(list) = list {
        *value = list.into();
    }
}

fn short(full: &Value) -> Option<Value> {
    let text = |value: &Value| {
        let bytes = BASE64.decode(value.as_str()?).ok()?;
        String::from_utf8(bytes).ok()
    };
    let metadata = full.get("metadata")?.as_object()?;
    let encoding = text(metadata.get("encoding")?)?;
    let data = match full.get("data") {
        Some(data) => text(data)?,
        None => String::new(),
    };
    match (encoding.as_str(), metadata.len()) {
        ("binary/null", 1) if data.is_empty() => Some(Value::Null),
        ("json/plain", 1) => {
            let value: Value = serde_json::from_str(&data).ok()?;
            numbers::check(data.as_bytes(), &value).ok()?;
            // It would come back as something else.
            let is_plain =
                !value.is_null() && !is_full(&value) && value.get(MESSAGE_TYPE).is_none();
            is_plain.then_some(value)
        }
        ("json/protobuf", 2) => {
            let name = text(metadata.get("messageType")?)?;
            let mut value: Value = serde_json::from_str(&data).ok()?;
            numbers::check(data.as_bytes(), &value).ok()?;
            let fields = value.as_object_mut()?;
            fields.insert(MESSAGE_TYPE.into(), name.into());
            (!is_full(&value)).then_some(value)
        }
        _ => None,
    }
}

/// Whether this is a value in its full form.
fn is_full(value: &Value) -> bool {
    let Value::Object(fields) = value else {
        return false;
    };
    let is_base64 = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| BASE64.decode(text).is_ok())
    };
    let Some(Value::Object(metadata)) = fields.get("metadata") else {
        return false;
    };
    let null = BASE64.encode("binary/null");
    let is_null = metadata.get("encoding").and_then(Value::as_str) == Some(null.as_str());
    let has_data = match fields.get("data") {
        Some(data) => is_base64(data) && (is_null || data != ""),
        None => is_null,
    };
    let is_known = |name: &String| name == "metadata" || name == "data";
    has_data
        && !metadata.is_empty()
        && metadata.values().all(is_base64)
        && fields.keys().all(is_known)
}

/// Puts values in their full form.
fn lengthen(name: &str, value: &mut Value) {
    if name == PAYLOAD {
        *value = full(value.take());
        return;
    }
    if let Value::Array(list) = value {
        let list: Vec<Value> = list.drain(..).map(full).collect();
        *value = json!({ "payloads": list });
    }
}

fn full(value: Value) -> Value {
    if is_full(&value) {
        return value;
    }
    let of = |metadata: &[(&str, &str)], data: String| {
        let metadata = metadata
            .iter()
            .map(|(name, text)| ((*name).to_owned(), BASE64.encode(text).into()));
        let metadata: Map<String, Value> = metadata.collect();
        json!({ "metadata": metadata, "data": BASE64.encode(data) })
    };
    match value {
        Value::Null => of(&[("encoding", "binary/null")], String::new()),
        Value::Object(mut fields) if fields.get(MESSAGE_TYPE).is_some_and(Value::is_string) => {
            let name = fields.shift_remove(MESSAGE_TYPE);
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
            let metadata = [("encoding", "json/protobuf"), ("messageType", name)];
            of(&metadata, Value::Object(fields).to_string())
        }
        value => of(&[("encoding", "json/plain")], value.to_string()),
    }
}

/// Sets a field of a message in JSON, by its path, from the text of a parameter.
///
/// # Errors
/// There is no such field, or it is none that a text can give.
pub(crate) fn set(name: &str, message: &mut Value, path: &str, text: &str) -> Result<(), String> {
    let unknown = || format!("there is no parameter {path:?} here");
    set_below(&descriptor(name), message, path, text)?.ok_or_else(unknown)
}

/// `None`: there is no such field.
fn set_below(
    message: &MessageDescriptor,
    value: &mut Value,
    path: &str,
    text: &str,
) -> Result<Option<()>, String> {
    let (part, rest) = match path.split_once('.') {
        Some((part, rest)) => (part, Some(rest)),
        None => (path, None),
    };
    let Some(field) = by_name(message, part).filter(|field| !field.is_map()) else {
        return Ok(None);
    };
    let Value::Object(fields) = value else {
        return Err(format!("{part:?} is no field of what is not an object"));
    };
    // Both names are the same field.
    let mut known = None;
    for name in [field.name(), field.json_name()] {
        known = fields.shift_remove(name).or(known);
    }
    let new = match (rest, field.kind()) {
        (Some(rest), Kind::Message(inner)) if !field.is_list() => {
            let known = known.filter(|known| !known.is_null());
            let mut below = known.unwrap_or_else(|| json!({}));
            if set_below(&inner, &mut below, rest, text)?.is_none() {
                return Ok(None);
            }
            below
        }
        (Some(_), _) => return Ok(None),
        (None, kind) if field.is_list() => {
            let mut list = match known {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            list.push(given(&kind, text));
            list.into()
        }
        (None, kind) => given(&kind, text),
    };
    fields.insert(field.json_name().to_owned(), new);
    Ok(Some(()))
}

/// A parameter in the form that its field has in JSON.
fn given(kind: &Kind, text: &str) -> Value {
    match (kind, text) {
        (Kind::Bool, "true" | "") => Value::Bool(true),
        (Kind::Bool, "false") => Value::Bool(false),
        (Kind::Enum(_), _) => text
            .parse::<i32>()
            .map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const START: &str = "temporal.api.workflowservice.v1.StartWorkflowExecutionRequest";

    /// What is in the full form after this has come in.
    fn came(value: Value) -> Value {
        let bytes = from_json(START, value, true).unwrap();
        to_json(START, &bytes, false).unwrap()
    }

    /// What goes out after this has come in.
    fn back(value: Value) -> Value {
        let bytes = from_json(START, value, true).unwrap();
        to_json(START, &bytes, true).unwrap()
    }

    #[test]
    fn values_have_a_short_form() {
        let short = json!({
            "workflowId": "w",
            "input": [1, "a", {"b": [true]}, null, {"_protoMessageType": "a.B", "c": "1"}],
            "memo": {"fields": {"note": "first"}},
            "workflowRunTimeout": "1.500s",
        });
        assert_eq!(back(short.clone()), short);
        let full = came(short);
        let of = |metadata: Value, data: &str| {
            let data = BASE64.encode(data);
            match data.as_str() {
                "" => json!({ "metadata": metadata }),
                data => json!({ "metadata": metadata, "data": data }),
            }
        };
        let plain = json!({ "encoding": BASE64.encode("json/plain") });
        let message = json!({
            "encoding": BASE64.encode("json/protobuf"),
            "messageType": BASE64.encode("a.B"),
        });
        let null = json!({ "encoding": BASE64.encode("binary/null") });
        let payloads = [
            of(plain.clone(), "1"),
            of(plain.clone(), "\"a\""),
            of(plain.clone(), r#"{"b":[true]}"#),
            of(null, ""),
            of(message, r#"{"c":"1"}"#),
        ];
        assert_eq!(full["input"], json!({ "payloads": payloads }));
        assert_eq!(full["memo"]["fields"]["note"], of(plain, "\"first\""));
    }

    #[test]
    fn what_would_change_is_in_the_full_form() {
        let payload = |encoding: &str, data: &str| {
            json!({
                "metadata": { "encoding": BASE64.encode(encoding) },
                "data": BASE64.encode(data),
            })
        };
        let null = payload("json/plain", "null");
        let like_full = payload("json/plain", &payload("x", "y").to_string());
        for odd in [
            payload("json/plain", "12345678901234567890123"),
            payload("json/plain", "no json"),
            payload("json/plain", r#"{"a":1,"a":2}"#),
            payload("binary/encrypted", "1"),
            null,
            like_full,
        ] {
            let both = json!({ "input": [odd, 1] });
            let found = back(both);
            let list = found["input"]["payloads"].as_array().unwrap();
            assert_eq!(list[0], odd);
            assert_eq!(list[1], payload("json/plain", "1"));
        }
    }

    #[test]
    fn parameters_set_fields() {
        const LIST: &str = "temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryRequest";
        let mut message = json!({});
        for (path, text) in [
            ("execution.run_id", "r"),
            ("execution.workflowId", "w"),
            ("wait_new_event", "true"),
            ("maximumPageSize", "7"),
            ("history_event_filter_type", "2"),
        ] {
            set(LIST, &mut message, path, text).unwrap();
        }
        let bytes = from_json(LIST, message, true).unwrap();
        let expected = json!({
            "execution": { "workflowId": "w", "runId": "r" },
            "waitNewEvent": true,
            "maximumPageSize": 7,
            "historyEventFilterType": "HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT",
        });
        assert_eq!(to_json(LIST, &bytes, true).unwrap(), expected);
        // The path goes before the body, by whichever name that has the field.
        let mut message = json!({ "execution": { "workflowId": "other", "runId": "r" } });
        set(LIST, &mut message, "execution.workflow_id", "w").unwrap();
        assert_eq!(
            message,
            json!({ "execution": { "runId": "r", "workflowId": "w" } })
        );
        for path in ["nothing", "execution.nothing", "namespace.x", ""] {
            assert!(set(LIST, &mut json!({}), path, "").is_err(), "{path}");
        }
    }
}
