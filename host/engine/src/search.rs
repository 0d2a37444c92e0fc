//! Search attributes: typed values by which runs can be found. Persisted: append, never reorder.
//!
//! Where they are stored and shown they are payloads with the type in their metadata, as in
//! Temporal.

use crate::{Payload, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Metadata entry of a payload that names the type of the search attribute.
const TYPE: &str = "type";

/// The value of a search attribute. Its variant is its type, under Temporal's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SearchValue {
    /// A text that is compared as a whole.
    Keyword(String),
    /// Several such texts; each is found by itself.
    KeywordList(Vec<String>),
    /// A text in which words are searched.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A point in time.
    Datetime(Timestamp),
}

impl SearchValue {
    /// The name of its type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Keyword(_) => "Keyword",
            Self::KeywordList(_) => "KeywordList",
            Self::Text(_) => "Text",
            Self::Int(_) => "Int",
            Self::Double(_) => "Double",
            Self::Bool(_) => "Bool",
            Self::Datetime(_) => "Datetime",
        }
    }

    /// The value as Temporal's payloads have it: JSON, with the type's name in the metadata.
    #[must_use]
    pub fn to_payload(&self) -> Payload {
        let value = match self {
            Self::Keyword(text) | Self::Text(text) => Value::from(text.as_str()),
            Self::KeywordList(texts) => Value::from(texts.as_slice()),
            Self::Int(number) => Value::from(*number),
            Self::Double(number) => Value::from(*number),
            Self::Bool(truth) => Value::from(*truth),
            Self::Datetime(at) => Value::from(at.to_rfc3339()),
        };
        let mut payload = Payload::json(value.to_string());
        let name = self.type_name().as_bytes().to_vec();
        payload.metadata.push((TYPE.into(), name));
        payload
    }

    /// Reads what [`Self::to_payload`] or a client of Temporal wrote. A payload without a type is
    /// taken for what its JSON is: Keyword, KeywordList, Int, Double or Bool.
    ///
    /// # Errors
    /// Says what is wrong with the payload.
    pub fn from_payload(payload: &Payload) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(&payload.data)
            .map_err(|error| format!("it is not JSON: {error}"))?;
        let wanted = type_of(payload).unwrap_or_else(|| natural_type(&value));
        let found = match (wanted, &value) {
            ("Keyword", Value::String(text)) => Some(Self::Keyword(text.clone())),
            ("Text", Value::String(text)) => Some(Self::Text(text.clone())),
            ("Datetime", Value::String(text)) => Timestamp::from_rfc3339(text).map(Self::Datetime),
            ("KeywordList", Value::Array(texts)) => {
                let texts = texts.iter().map(|text| text.as_str().map(Into::into));
                texts.collect::<Option<_>>().map(Self::KeywordList)
            }
            ("Int", number) => number.as_i64().map(Self::Int),
            ("Double", number) => number.as_f64().map(Self::Double),
            ("Bool", truth) => truth.as_bool().map(Self::Bool),
            _ => None,
        };
        found.ok_or_else(|| format!("{value} is not of type {wanted}"))
    }

    /// Whether it is of the type that this payload says it is of.
    pub(crate) fn is_of_type_of(&self, payload: &Payload) -> bool {
        type_of(payload).is_none_or(|name| name == self.type_name())
    }
}

fn type_of(payload: &Payload) -> Option<&str> {
    let (_, name) = payload.metadata.iter().find(|(key, _)| key == TYPE)?;
    std::str::from_utf8(name).ok()
}

fn natural_type(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "Bool",
        Value::Number(number) if number.is_i64() => "Int",
        Value::Number(_) => "Double",
        Value::Array(_) => "KeywordList",
        _ => "Keyword",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_comes_back_from_its_payload() {
        for value in [
            SearchValue::Keyword("a \"b\"".into()),
            SearchValue::KeywordList(vec!["a".into(), "b".into()]),
            SearchValue::Text("some words".into()),
            SearchValue::Int(-7),
            SearchValue::Double(1.5),
            SearchValue::Double(2.0),
            SearchValue::Bool(true),
            SearchValue::Datetime(Timestamp(1_700_000_000_123)),
        ] {
            let payload = value.to_payload();
            assert_eq!(SearchValue::from_payload(&payload), Ok(value));
        }
    }

    #[test]
    fn what_is_not_of_its_type_is_refused() {
        let mut payload = SearchValue::Int(1).to_payload();
        payload.data = b"\"one\"".to_vec();
        let refused = SearchValue::from_payload(&payload);
        assert_eq!(refused, Err("\"one\" is not of type Int".into()));
    }

    #[test]
    fn without_a_type_the_json_decides() {
        for (json, value) in [
            ("\"a\"", SearchValue::Keyword("a".into())),
            ("3", SearchValue::Int(3)),
            ("3.5", SearchValue::Double(3.5)),
            ("[\"a\"]", SearchValue::KeywordList(vec!["a".into()])),
            ("false", SearchValue::Bool(false)),
        ] {
            assert_eq!(SearchValue::from_payload(&Payload::json(json)), Ok(value));
        }
    }
}
