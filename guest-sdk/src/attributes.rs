//! What is shown with a run, and by which it can be found: its memo and its search attributes.
//!
//! Clients set both at the start; the workflow may change them. Each change is a command: a replay
//! compares it with the recorded one. Cancellation does not stop it.
//!
//! ```
//! # use sandglass_guest::prelude::*;
//! # use sandglass_guest::attributes;
//! #[workflow]
//! async fn order(customer: String) -> Result<(), Failure> {
//!     attributes::set_memo("note", &"express")?;
//!     attributes::set_search("Customer", customer);
//!     attributes::set_search("Total", 5);
//!     Ok(())
//! }
//! # fn main() {}
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::attributes as host;
use crate::{Failure, Timestamp, payload, runtime};

/// The value of a search attribute. Its variant is its type, which it keeps in a run.
#[derive(Debug, Clone, PartialEq)]
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

/// Makes a variant of a type.
macro_rules! from {
    ($($kind:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$kind> for SearchValue {
            fn from(value: $kind) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}
from!(
    &str => Keyword,
    String => Keyword,
    Vec<String> => KeywordList,
    i32 => Int,
    i64 => Int,
    f64 => Double,
    bool => Bool,
    Timestamp => Datetime,
);

impl From<SearchValue> for host::SearchValue {
    fn from(value: SearchValue) -> Self {
        match value {
            SearchValue::Keyword(text) => Self::Keyword(text),
            SearchValue::KeywordList(texts) => Self::KeywordList(texts),
            SearchValue::Text(text) => Self::Text(text),
            SearchValue::Int(number) => Self::Int(number),
            SearchValue::Double(number) => Self::Double(number),
            SearchValue::Bool(truth) => Self::Boolean(truth),
            SearchValue::Datetime(at) => Self::Datetime(at.as_millis()),
        }
    }
}

impl From<host::SearchValue> for SearchValue {
    fn from(value: host::SearchValue) -> Self {
        match value {
            host::SearchValue::Keyword(text) => Self::Keyword(text),
            host::SearchValue::KeywordList(texts) => Self::KeywordList(texts),
            host::SearchValue::Text(text) => Self::Text(text),
            host::SearchValue::Int(number) => Self::Int(number),
            host::SearchValue::Double(number) => Self::Double(number),
            host::SearchValue::Boolean(truth) => Self::Bool(truth),
            host::SearchValue::Datetime(at) => Self::Datetime(Timestamp::from_millis(at)),
        }
    }
}

/// Sets an entry of the memo.
///
/// # Errors
///
/// If the value has no JSON form.
///
/// # Panics
///
/// Outside a workflow, as all functions here.
pub fn set_memo<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<(), Failure> {
    runtime::assert_active("set_memo");
    host::upsert_memo(&[(name.to_owned(), Some(payload::encode(value)?))]);
    Ok(())
}

/// Removes an entry of the memo.
pub fn remove_memo(name: &str) {
    runtime::assert_active("remove_memo");
    host::upsert_memo(&[(name.to_owned(), None)]);
}

/// Returns an entry of the memo, if it is there.
///
/// # Errors
///
/// If it is not of the type wanted.
pub fn memo<T: DeserializeOwned>(name: &str) -> Result<Option<T>, Failure> {
    runtime::assert_active("memo");
    let found = host::get_memo().into_iter().find(|(key, _)| key == name);
    found
        .map(|(_, value)| payload::decode(&value, &format!("memo entry `{name}`")))
        .transpose()
}

/// Sets a search attribute.
pub fn set_search(name: &str, value: impl Into<SearchValue>) {
    upsert_search([(name, Some(value.into()))]);
}

/// Removes a search attribute.
pub fn remove_search(name: &str) {
    upsert_search([(name, None)]);
}

/// Sets several search attributes, or removes those without a value, as one event.
pub fn upsert_search<N: Into<String>>(entries: impl IntoIterator<Item = (N, Option<SearchValue>)>) {
    runtime::assert_active("upsert_search");
    let entries = entries.into_iter();
    let entries: Vec<_> = entries
        .map(|(name, value)| (name.into(), value.map(Into::into)))
        .collect();
    host::upsert_search_attributes(&entries);
}

/// Returns a search attribute, if it is there.
pub fn search(name: &str) -> Option<SearchValue> {
    runtime::assert_active("search");
    let all = host::get_search_attributes().into_iter();
    all.into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into())
}
