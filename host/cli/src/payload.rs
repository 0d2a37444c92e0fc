//! Payloads and events as JSON and as short text.

use crate::{output, time};
use anyhow::{Context, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use sandglass_engine::{Fields, Payload, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

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

/// Values as the command line has them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The option, for errors.
    pub option: &'a str,
    /// What was said: JSON, or `@FILE` to read it.
    pub texts: &'a [String],
    /// Files with further values.
    pub files: &'a [PathBuf],
    /// Entries of their metadata; one that is repeated is for one value after another.
    pub metadata: &'a [(String, String)],
    /// Whether what was given is base64.
    pub is_base64: bool,
}

/// Reads values from the command line.
///
/// # Errors
/// Names the option or file that cannot be read, or is not what it is said to be, and where.
pub fn read(given: &Given<'_>) -> anyhow::Result<Vec<Payload>> {
    let texts = given.texts.iter().map(|text| match text.strip_prefix('@') {
        Some(path) => from_file(Path::new(path)),
        None => Ok((
            format!("{} {text}", given.option),
            text.clone().into_bytes(),
        )),
    });
    let files = given.files.iter().map(|path| from_file(path));
    let is_described = given.is_base64 || !given.metadata.is_empty();
    if is_described && given.texts.is_empty() && given.files.is_empty() {
        let option = given.option;
        bail!(
            "{option}-meta and {option}-base64 say what {option} and {option}-file give, and \
             nothing was given"
        );
    }
    let values = texts.chain(files).enumerate();
    values
        .map(|(place, found)| found.and_then(|(name, bytes)| one(given, place, &name, bytes)))
        .collect()
}

/// As [`read`], for what is JSON only.
///
/// # Errors
/// As there.
pub fn read_as(option: &str, texts: &[String]) -> anyhow::Result<Vec<Payload>> {
    read(&Given {
        option,
        texts,
        ..Given::default()
    })
}

fn from_file(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok((name, bytes))
}

/// One value: what is said of it, and its bytes.
fn one(given: &Given<'_>, place: usize, name: &str, bytes: Vec<u8>) -> anyhow::Result<Payload> {
    let option = given.option;
    let data = match given.is_base64 {
        true => BASE64
            .decode(bytes.trim_ascii())
            .with_context(|| format!("{name} is not base64"))?,
        false => bytes,
    };
    let mut payload = Payload {
        metadata: metadata(given.metadata, place),
        data,
    };
    let encoding = payload.encoding().unwrap_or_default();
    if encoding.starts_with("json/") {
        let value: Value = serde_json::from_slice(&payload.data).with_context(|| {
            format!("{name} is not JSON (a text needs quotes: {option} '\"text\"')")
        })?;
        // Written anew: what is recorded does not depend on somebody's spaces.
        if encoding == "json/plain" && !given.is_base64 {
            payload.data = value.to_string().into_bytes();
        }
    }
    Ok(payload)
}

/// What is said of the value at this place: of a key that is repeated the entry for it, else the
/// first. Without an encoding it is JSON.
fn metadata(entries: &[(String, String)], place: usize) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (key, value) in entries {
        if all.iter().any(|(known, _)| known == key) {
            continue;
        }
        let mut of_key = entries.iter().filter(|(other, _)| other == key);
        let value = of_key.nth(place).map_or(value, |(_, own)| own);
        all.push((key.clone(), value.clone().into_bytes()));
    }
    if !all.iter().any(|(key, _)| key == "encoding") {
        all.insert(0, ("encoding".into(), b"json/plain".to_vec()));
    }
    all
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
        let read_one = |text: &str| read_as("--input", &[text.to_owned()]);
        assert!(same(
            &read_one("{\"a\": 1}").unwrap(),
            &read_one("{\"a\":1}").unwrap()
        ));
        assert!(!same(&read_one("1").unwrap(), &[]));
        let error = format!("{:#}", read_one("World").unwrap_err());
        assert!(error.contains("--input World is not JSON"), "{error}");
    }
    #[test]
    fn arguments_are_what_their_metadata_says() {
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let read = |texts: &[&str], metadata: &[(String, String)], is_base64| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            read(&Given {
                option: "--input",
                texts: &texts,
                metadata,
                is_base64,
                ..Given::default()
            })
        };
        let plain = entry("encoding", "binary/plain");
        let found = read(&["/wA=", "AQ=="], std::slice::from_ref(&plain), true).unwrap();
        let data: Vec<&[u8]> = found.iter().map(|one| one.data.as_slice()).collect();
        assert_eq!(data, [&[255, 0][..], &[1]]);
        assert!(
            found
                .iter()
                .all(|one| one.encoding() == Some("binary/plain"))
        );
        // One after another; the first where there are no more.
        let both = [entry("encoding", "json/plain"), plain, entry("of", "all")];
        let found = read(&["1", "no JSON", "3"], &both, false).unwrap();
        let said: Vec<_> = found.iter().map(|one| one.encoding().unwrap()).collect();
        assert_eq!(said, ["json/plain", "binary/plain", "json/plain"]);
        assert!(
            found
                .iter()
                .all(|one| one.metadata[1] == ("of".into(), b"all".to_vec()))
        );
        for (texts, metadata, is_base64, wrong) in [
            ("x y", &[][..], true, "is not base64"),
            ("no JSON", &both[..1], false, "is not JSON"),
            (
                "bm8=",
                &[entry("encoding", "json/protobuf")][..],
                true,
                "is not JSON",
            ),
        ] {
            let error = format!("{:#}", read(&[texts], metadata, is_base64).unwrap_err());
            assert!(error.contains(wrong), "{texts}: {error}");
        }
    }
}
