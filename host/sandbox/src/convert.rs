//! Between the WIT types and the engine's: payloads, calls, scopes and events.

mod call;
mod event;
mod failure;

use crate::bindings::{
    types as wit, workflow::sandglass::workflow::attributes::SearchValue as WitValue,
};
use sandglass_engine::{CancelCause, CancelInfo, Fields, Payload, SearchValue, Timestamp};

pub(crate) use failure::{failure_in, failure_out, outcome_out};

impl From<wit::Payload> for Payload {
    fn from(wit::Payload { metadata, data }: wit::Payload) -> Self {
        Self { metadata, data }
    }
}

impl From<Payload> for wit::Payload {
    fn from(Payload { metadata, data }: Payload) -> Self {
        Self { metadata, data }
    }
}

/// Converts each item of a list.
pub(crate) fn list<A: Into<B>, B>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(Into::into).collect()
}

/// Converts headers.
pub(crate) fn header<A: Into<B>, B>(entries: Vec<(String, A)>) -> Vec<(String, B)> {
    entries
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect()
}

/// Converts named values, such as those of a memo.
pub(crate) fn fields(entries: Vec<(String, wit::Payload)>) -> Fields {
    let entries = entries.into_iter();
    entries.map(|(name, value)| (name, value.into())).collect()
}

/// Converts search attributes to the form in which they are stored.
pub(crate) fn search_fields(entries: Vec<(String, WitValue)>) -> Fields {
    let entries = entries.into_iter();
    entries
        .map(|(name, value)| (name, SearchValue::from(value).to_payload()))
        .collect()
}

/// Converts between two enums with the same variants, in both directions.
macro_rules! same_variants {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl From<$crate::bindings::types::$name> for $name {
            fn from(value: $crate::bindings::types::$name) -> Self {
                match value { $($crate::bindings::types::$name::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $crate::bindings::types::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}
use same_variants;

same_variants!(CancelCause {
    Requested,
    Parent,
    Code,
    Timeout
});

impl From<wit::CancelInfo> for CancelInfo {
    fn from(info: wit::CancelInfo) -> Self {
        Self {
            cause: info.cause.into(),
            reason: info.reason,
            requester: info.requester,
            at: Timestamp(info.at),
            deadline: info.deadline.map(Timestamp),
        }
    }
}

impl From<CancelInfo> for wit::CancelInfo {
    fn from(info: CancelInfo) -> Self {
        Self {
            cause: info.cause.into(),
            reason: info.reason,
            requester: info.requester,
            at: info.at.0,
            deadline: info.deadline.map(|deadline| deadline.0),
        }
    }
}
