//! What is wrong with a value, and where in it.

use serde_json::Value;
use std::fmt;

/// Longest text of a value that an error shows, in bytes.
const SHOWN_BYTES_MAX: usize = 40;

/// A value that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where, innermost step first.
    path: Vec<String>,
    expected: String,
    found: String,
}

impl Misfit {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// The same for a value that is here in a larger one: `.field`, `[3]`, or the name of a whole.
    pub(super) fn at(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.path.iter().rev() {
            f.write_str(step)?;
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Misfit {}

/// A text that somebody else has written, in quotes and no longer than errors are.
pub(super) fn short(text: &str) -> String {
    match crate::log::cut(text, SHOWN_BYTES_MAX) {
        whole if whole.len() == text.len() => format!("{text:?}"),
        cut => format!("{cut:?}..."),
    }
}

/// A JSON value in few words.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => match fields.keys().next() {
            None => "an object without fields".into(),
            Some(first) if fields.len() == 1 => format!("an object with {}", short(first)),
            Some(first) => {
                let more = fields.len() - 1;
                format!("an object with {} and {more} more", short(first))
            }
        },
        Value::String(text) => short(text),
        scalar => scalar.to_string(),
    }
}

/// Names in a row: `a, b, c`.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
