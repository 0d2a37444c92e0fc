//! `/openapi.json`: the routes, told by the table that requests are matched with.

use crate::http::{
    json::{of_service, pool},
    routes::{self, Ours, Route, Target},
};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::OnceLock};

const DESCRIPTION: &str =
    "Temporal's HTTP API where it has the call, and what it has no place for.";

/// The document. It never changes.
pub(crate) fn document() -> Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(build).clone()
}

fn build() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let operation = operation(route, &mut schemas);
        let path = paths.entry(shown(&route.path)).or_insert(json!({}));
        path[route.verb.to_lowercase()] = operation;
    }
    schemas.known.insert("Error".into(), error());
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Sandglass",
            "description": DESCRIPTION,
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "schemas": schemas.known,
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{}, { "key": [] }],
    })
}

/// A path as it is told: routes that differ in the names of their fields only are one path, so a
/// field has the last part of its name.
fn shown(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix('{') {
        Some(field) => format!("{{{}", last(field)),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn last(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "details"],
        "properties": {
            "code": { "type": "integer", "description": "gRPC's code" },
            "message": { "type": "string" },
            "details": { "type": "array", "items": { "type": "object" } },
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let (id, summary, request, response) = match route.target {
        Target::Call(call) => {
            let request = message(&format!("{call}Request"));
            let response = message(&format!("{call}Response"));
            let response = schemas.reference(&response);
            (call.to_owned(), String::new(), Some(request), response)
        }
        Target::Ours(ours) => {
            let (summary, request, response) = own(ours, schemas);
            (format!("{ours:?}"), summary.to_owned(), request, response)
        }
    };
    let of_path: BTreeSet<&str> = route.fields().collect();
    let mut parameters: Vec<Value> = of_path
        .iter()
        .map(|name| parameter("path", last(name), &json!({ "type": "string" })))
        .collect();
    let mut operation = json!({ "operationId": id, "summary": summary });
    match (route.verb, &request) {
        ("POST", Some(request)) => {
            operation["requestBody"] = body("application/json", schemas.request(route, request));
        }
        ("GET", Some(request)) => parameters.extend(queries(request, &of_path)),
        _ => {}
    }
    match route.target {
        Target::Ours(Ours::PushComponent) => {
            let names = json!({ "type": "array", "items": { "type": "string" } });
            parameters.push(parameter("query", "task_queue", &names));
            let bytes = json!({ "type": "string", "format": "binary" });
            operation["requestBody"] = body("application/wasm", bytes);
        }
        Target::Ours(Ours::RemoveComponent) => {
            parameters.push(parameter(
                "query",
                "keep_runs",
                &json!({ "type": "boolean" }),
            ));
        }
        _ => {}
    }
    operation["parameters"] = parameters.into();
    if let Some(role) = route.needs.role() {
        operation["x-sandglass-role"] = role.to_string().into();
    }
    let error = json!({ "$ref": "#/components/schemas/Error" });
    operation["responses"] = json!({
        "200": { "description": "done", "content": { "application/json": { "schema": response } } },
        "default": {
            "description": "refused",
            "content": { "application/json": { "schema": error } },
        },
    });
    if route.target == Target::Ours(Ours::PushComponent) {
        // One that was not there.
        operation["responses"]["201"] = operation["responses"]["200"].clone();
    }
    operation
}

fn message(name: &str) -> MessageDescriptor {
    let found = pool().get_message_by_name(&of_service(name));
    found.expect("a test compares the routes with the messages")
}

/// What an operation of ours does, takes and answers.
fn own(ours: Ours, schemas: &mut Schemas) -> (&'static str, Option<MessageDescriptor>, Value) {
    let object = json!({ "type": "object" });
    let request = || Some(message("RequestCancelWorkflowExecutionRequest"));
    match ours {
        Ours::Health => ("Whether the process answers", None, object),
        Ours::Ready => ("Whether requests should be sent here", None, object),
        Ours::OpenApi => ("This document", None, object),
        Ours::Describe => {
            let request = Some(message("DescribeWorkflowExecutionRequest"));
            let response = schemas.reference(&message("DescribeWorkflowExecutionResponse"));
            let beside = json!({ "properties": { "sandglass": { "type": "object" } } });
            let both = json!({ "allOf": [response, beside] });
            (
                "A run as it stands, with what asked it to end",
                request,
                both,
            )
        }
        Ours::Cancel => (
            "Ask a run to end; grace and then say how long it may take and what \
                          follows",
            request(),
            object,
        ),
        Ours::Force => (
            "End a run as canceled at once, without its code",
            request(),
            object,
        ),
        Ours::Kill => (
            "As force, and stop its running activities",
            request(),
            object,
        ),
        Ours::ListComponents => ("The workflow components of the store", None, object),
        Ours::PushComponent => ("Keep a component, and begin new runs with it", None, object),
        Ours::DescribeComponent => ("All about a component", None, object),
        Ours::RemoveComponent => (
            "Begin no runs with a component, and delete it",
            None,
            object,
        ),
    }
}

fn body(kind: &str, schema: Value) -> Value {
    json!({ "content": { kind: { "schema": schema } } })
}

fn parameter(place: &str, name: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "schema": schema })
}

/// The fields of a request that a query can give: those that a text can, to the second level.
fn queries(request: &MessageDescriptor, of_path: &BTreeSet<&str>) -> Vec<Value> {
    let mut found = Vec::new();
    let mut add = |name: String, field: &FieldDescriptor| {
        let known = of_path.contains(name.as_str()) || field.is_map();
        if let Some(schema) = scalar(&field.kind()).filter(|_| !known) {
            found.push(parameter("query", &name, &schema));
        }
    };
    for field in request.fields() {
        add(field.name().to_owned(), &field);
        if let (Kind::Message(inner), false) = (field.kind(), field.is_list() || field.is_map()) {
            for below in inner.fields() {
                add(format!("{}.{}", field.name(), below.name()), &below);
            }
        }
    }
    found
}

fn scalar(kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Double | Kind::Float => json!({ "type": "number" }),
        Kind::Int32 | Kind::Sint32 | Kind::Uint32 | Kind::Fixed32 | Kind::Sfixed32 => {
            json!({ "type": "integer" })
        }
        // 64 bits are a text in JSON.
        Kind::Int64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64 => {
            json!({ "type": "string", "format": "int64" })
        }
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "format": "byte" }),
        Kind::Enum(kind) => {
            let names: Vec<String> = kind.values().map(|value| value.name().to_owned()).collect();
            json!({ "type": "string", "enum": names })
        }
        Kind::Message(_) => return None,
    })
}

/// The schemas of messages, each told once.
#[derive(Default)]
struct Schemas {
    known: Map<String, Value>,
}

impl Schemas {
    /// Where the schema of a message is.
    fn reference(&mut self, message: &MessageDescriptor) -> Value {
        match message.full_name() {
            "google.protobuf.Timestamp" => {
                return json!({ "type": "string", "format": "date-time" });
            }
            "google.protobuf.Duration" => return json!({ "type": "string", "example": "1.5s" }),
            "google.protobuf.FieldMask" => return json!({ "type": "string" }),
            // Any JSON, see the short form of values.
            "temporal.api.common.v1.Payload" => return json!({}),
            "temporal.api.common.v1.Payloads" => return json!({ "type": "array", "items": {} }),
            name if name.starts_with("google.protobuf.") => return json!({}),
            _ => {}
        }
        let name = message.full_name().to_owned();
        if !self.known.contains_key(&name) {
            // Before its fields: they may lead back to it.
            self.known.insert(name.clone(), json!({}));
            let schema = self.object(message, |_| true);
            self.known.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn object(&mut self, message: &MessageDescriptor, shown: impl Fn(&str) -> bool) -> Value {
        let mut properties = Map::new();
        for field in message.fields().filter(|field| shown(field.name())) {
            properties.insert(field.json_name().to_owned(), self.field(&field));
        }
        json!({ "type": "object", "properties": properties })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let mut of = |kind: &Kind| match kind {
            Kind::Message(message) => self.reference(message),
            kind => scalar(kind).expect("all others are scalars"),
        };
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let values = of(&entry.map_entry_value_field().kind());
                json!({ "type": "object", "additionalProperties": values })
            }
            kind if field.is_list() => json!({ "type": "array", "items": of(&kind) }),
            kind => of(&kind),
        }
    }

    /// The body of a request: what its path does not give.
    fn request(&mut self, route: &Route, message: &MessageDescriptor) -> Value {
        let of_path: BTreeSet<String> = route.fields().map(str::to_owned).collect();
        let mut schema = self.object(message, |name| !of_path.contains(name));
        if route.target == Target::Ours(Ours::Cancel) {
            schema["properties"]["grace"] = json!({ "type": "string", "example": "30s" });
            let rungs = ["force", "kill", "terminate", "fail"];
            schema["properties"]["then"] = json!({ "type": "string", "enum": rungs });
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_told_once() {
        let document = document();
        let paths = document["paths"].as_object().expect("it has paths");
        for route in routes::all() {
            let operation = &paths[&shown(&route.path)][route.verb.to_lowercase()];
            let id = operation["operationId"].as_str().unwrap_or_default();
            let expected = match route.target {
                Target::Call(call) => call.to_owned(),
                Target::Ours(ours) => format!("{ours:?}"),
            };
            assert_eq!(id, expected, "{} {}", route.verb, route.path);
        }
        let told: usize = paths
            .values()
            .map(|path| path.as_object().map_or(0, Map::len))
            .sum();
        assert_eq!(told, routes::all().len());
    }
}
