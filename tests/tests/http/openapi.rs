//! `/openapi.json` tells of the routes that there are, and of no others.

use super::wire::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A path of the document with something in the place of each field.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{namespace}" => "default".to_owned(),
        "{digest}" => "0".repeat(64),
        part if part.starts_with('{') => "some".to_owned(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn each_route_of_the_document_is_answered_and_each_reference_is_there() {
    let server = Server::with_scenarios();
    let document = server.get("/openapi.json").ok();
    let mut called = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap();
        for (verb, operation) in operations {
            let verb = verb.to_uppercase();
            let path = filled(path);
            let answer = match verb.as_str() {
                "POST" => server.post(&path, json!({})),
                _ => server.request(&verb, &path, &[], b""),
            };
            called += 1;
            // Refused for what it is about, by whoever answers it, and not for being unknown.
            let message = answer.body["message"].as_str().unwrap_or_default();
            assert!(!message.contains("there is no route"), "{verb} {path}");
            let is_fine = matches!(answer.status, 200 | 400 | 404 | 409);
            assert!(is_fine, "{verb} {path}: {} {}", answer.status, answer.body);
            let is_there = operation["responses"]["200"]["content"]["application/json"]
                .get("schema")
                .is_some();
            assert!(is_there, "{verb} {path}");
            parameters(operation, &server, &verb, &path);
        }
        // What it does not tell of is not there.
        for verb in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if !operations.contains_key(&verb.to_lowercase()) {
                let path = filled(path);
                server.request(verb, &path, &[], b"").refused(405, 12);
            }
        }
    }
    assert!(called > 60, "{called} routes");
    let mut wanted = BTreeSet::new();
    references(&document, &mut wanted);
    for name in wanted {
        let known = document["components"]["schemas"].get(&name);
        assert!(known.is_some(), "{name}");
    }
    server.get("/api/v2").refused(404, 5);
    server.stop();
}

/// Each parameter of a query that the document tells of is taken.
fn parameters(operation: &Value, server: &Server, verb: &str, path: &str) {
    if verb != "GET" {
        return;
    }
    let parameters = operation["parameters"].as_array().unwrap().iter();
    let queries = parameters.filter(|parameter| parameter["in"] == "query");
    let pairs = queries.map(|parameter| {
        let name = parameter["name"].as_str().unwrap();
        let schema = &parameter["schema"];
        let value = match (schema["enum"][0].as_str(), schema["type"].as_str()) {
            (Some(first), _) => first,
            (None, Some("boolean")) => "false",
            (None, Some("integer" | "number")) => "0",
            (None, _) if schema["format"] == "int64" => "0",
            _ => "",
        };
        format!("{name}={value}")
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    let answer = server.get(&format!("{path}?{query}"));
    let message = answer.body["message"].as_str().unwrap_or_default();
    assert!(
        !message.contains("there is no parameter"),
        "{path}: {message}"
    );
    assert!(
        matches!(answer.status, 200 | 400 | 404),
        "{path}: {}",
        answer.body
    );
    let unknown = server.get(&format!("{path}?nothing=1"));
    let is_strict = unknown.status == 400 || path.len() < 14;
    assert!(is_strict, "{path}: {}", unknown.body);
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(place) = fields.get("$ref").and_then(Value::as_str) {
                let name = place.rsplit('/').next().unwrap();
                found.insert(name.to_owned());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
