//! Payloads and events as JSON and as short text.

use crate::{output, time};
use anyhow::Context;
use sandglass_engine::{Fields, Payload, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A payload as the value that it stands for.
///
/// JSON is shown as itself and no value as null. Anything else is an object with its metadata and
/// its data in hexadecimal, so that nothing is lost.
#[must_use]
pub fn value(payload: &Payload) -> Value {
    match payload.encoding() {
        Some("binary/null") => Value::Null,
        Some("json/plain") => {
            serde_json::from_slice(&payload.data).unwrap_or_else(|_| raw(payload))
        }
        _ => raw(payload),
    }
}

/// Payloads as a list of values.
#[must_use]
pub fn values(payloads: &[Payload]) -> Value {
    payloads.iter().map(value).collect()
}

/// Named payloads as an object of values.
#[must_use]
pub fn fields(fields: &Fields) -> Value {
    let entries = fields.iter();
    Value::Object(
        entries
            .map(|(name, payload)| (name.clone(), value(payload)))
            .collect(),
    )
}

/// Named payloads in a line.
#[must_use]
pub fn fields_text(fields: &Fields) -> String {
    let texts = fields.iter();
    let texts =
        texts.map(|(name, payload)| format!("{name} = {}", short(std::slice::from_ref(payload))));
    texts.collect::<Vec<_>>().join(", ")
}

fn raw(payload: &Payload) -> Value {
    let metadata: Map<String, Value> = payload
        .metadata
        .iter()
        .map(|(key, bytes)| (key.clone(), String::from_utf8_lossy(bytes).into()))
        .collect();
    json!({ "metadata": metadata, "data_hex": hex(&payload.data) })
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Payloads in a line: JSON texts with commas between, each cut to 60 characters.
#[must_use]
pub fn short(payloads: &[Payload]) -> String {
    let texts: Vec<String> = payloads
        .iter()
        .map(|p| output::shorten(&value(p).to_string(), 60))
        .collect();
    texts.join(", ")
}

/// Reads arguments from the command line: JSON, or `@FILE` with JSON in it.
///
/// # Errors
/// Names the argument or file that is not JSON, and where.
pub fn read(arguments: &[String]) -> anyhow::Result<Vec<Payload>> {
    read_as("--input", arguments)
}

/// The same, for another option.
///
/// # Errors
/// As [`read`].
pub fn read_as(option: &str, arguments: &[String]) -> anyhow::Result<Vec<Payload>> {
    arguments
        .iter()
        .map(|argument| {
            let (text, name) = match argument.strip_prefix('@') {
                None => (argument.clone(), format!("{option} {argument}")),
                Some(path) => {
                    let text = std::fs::read_to_string(path);
                    (
                        text.with_context(|| format!("cannot read {path}"))?,
                        path.to_owned(),
                    )
                }
            };
            let value: Value = serde_json::from_str(&text).with_context(|| {
                format!("{name} is not JSON (a text needs quotes: {option} '\"text\"')")
            })?;
            // Written anew: what is recorded does not depend on somebody's spaces.
            Ok(Payload::json(value.to_string()))
        })
        .collect()
}

/// Whether two lists of arguments mean the same.
#[must_use]
pub fn same(one: &[Payload], other: &[Payload]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| value(a) == value(b))
}

/// Anything of the engine as JSON for people: payloads as their values, digests in hexadecimal,
/// points in time in RFC 3339.
#[must_use]
pub fn readable(value: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(value).expect("the engine's types have text keys only");
    tidy(None, &mut value);
    value
}

fn tidy(key: Option<&str>, value: &mut Value) {
    if let Some(payload) = as_payload(value) {
        *value = self::value(&payload);
        return;
    }
    match (key, &mut *value) {
        (Some("digest" | "seed"), Value::Array(bytes)) => {
            if let Some(bytes) = as_bytes(bytes) {
                *value = hex(&bytes).into();
            }
        }
        (Some("event_time" | "at" | "deadline" | "due"), Value::Number(millis)) => {
            if let Some(millis) = millis.as_u64() {
                *value = time::rfc3339(Timestamp(millis)).into();
            }
        }
        (_, Value::Array(list)) => list.iter_mut().for_each(|item| tidy(None, item)),
        (_, Value::Object(map)) => map.iter_mut().for_each(|(key, item)| tidy(Some(key), item)),
        _ => {}
    }
}

/// Recognizes a payload by its shape: no other type of the engine has exactly these fields.
fn as_payload(value: &Value) -> Option<Payload> {
    let map = value.as_object().filter(|map| map.len() == 2)?;
    map.get("metadata")?.as_array()?;
    map.get("data")?.as_array()?;
    serde_json::from_value(value.clone()).ok()
}

fn as_bytes(list: &[Value]) -> Option<Vec<u8>> {
    list.iter()
        .map(|byte| u8::try_from(byte.as_u64()?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sandglass_engine::{Digest, Failure};

    #[test]
    fn payloads_are_shown_as_what_they_stand_for() {
        assert_eq!(value(&Payload::json("[1,2]")), json!([1, 2]));
        assert_eq!(value(&Payload::null()), Value::Null);
        let binary = Payload {
            metadata: vec![("encoding".into(), b"binary/plain".to_vec())],
            data: vec![0, 255],
        };
        let shown = json!({ "metadata": { "encoding": "binary/plain" }, "data_hex": "00ff" });
        assert_eq!(value(&binary), shown);
        assert_eq!(
            value(&Payload::json("not JSON"))["data_hex"],
            "6e6f74204a534f4e"
        );
    }

    #[test]
    fn nested_payloads_digests_and_times_are_readable() {
        #[derive(Serialize)]
        struct Outer {
            at: Timestamp,
            digest: Digest,
            failure: Failure,
            details: Vec<Payload>,
        }
        let shown = readable(&Outer {
            at: Timestamp(1000),
            digest: Digest([0xab; 32]),
            failure: Failure::application("Sad", "so sad"),
            details: vec![Payload::json("7")],
        });
        assert_eq!(shown["at"], "1970-01-01T00:00:01.000Z");
        assert_eq!(shown["digest"], "ab".repeat(32));
        assert_eq!(shown["details"], json!([7]));
        assert_eq!(
            shown["failure"]["info"]["Application"]["failure_type"],
            "Sad"
        );
    }

    #[test]
    fn arguments_are_json_and_compared_by_meaning() {
        let read_one = |text: &str| read(&[text.to_owned()]);
        assert!(same(
            &read_one("{\"a\": 1}").unwrap(),
            &read_one("{\"a\":1}").unwrap()
        ));
        assert!(!same(&read_one("1").unwrap(), &[]));
        let error = format!("{:#}", read_one("World").unwrap_err());
        assert!(error.contains("--input World is not JSON"), "{error}");
    }
}
