//! Values in both forms. Metadata is kept byte for byte; where a map has no order, it is sorted, so
//! that the same value is always stored the same.

use crate::{proto::common, status};
use sandglass_engine::{Fields, Payload};
use std::collections::HashMap;
use tonic::Status;

/// A value as it came.
pub(crate) fn from_proto(payload: common::Payload) -> Payload {
    let mut metadata: Vec<_> = payload.metadata.into_iter().collect();
    metadata.sort();
    Payload {
        metadata,
        data: payload.data,
    }
}

/// A value as it goes.
pub(crate) fn to_proto(payload: Payload) -> common::Payload {
    common::Payload {
        metadata: payload.metadata.into_iter().collect(),
        data: payload.data,
        ..Default::default()
    }
}

/// A list of values as it came.
pub(crate) fn list(payloads: Option<common::Payloads>) -> Vec<Payload> {
    let payloads = payloads.map_or_else(Vec::new, |list| list.payloads);
    payloads.into_iter().map(from_proto).collect()
}

/// A list of values as it goes; nothing at all if it is empty.
pub(crate) fn to_list(payloads: Vec<Payload>) -> Option<common::Payloads> {
    (!payloads.is_empty()).then(|| common::Payloads {
        payloads: payloads.into_iter().map(to_proto).collect(),
    })
}

/// One value where the API has a list.
pub(crate) fn to_one(payload: Payload) -> Option<common::Payloads> {
    to_list(vec![payload])
}

/// The result of something: one value, or none.
///
/// # Errors
/// There are several.
pub(crate) fn result(payloads: Option<common::Payloads>) -> Result<Payload, Status> {
    let mut payloads = list(payloads);
    match payloads.len() {
        0 => Ok(Payload::null()),
        1 => Ok(payloads.swap_remove(0)),
        several => Err(status::invalid(format!(
            "a result is one payload, these are {several}"
        ))),
    }
}

fn sorted(fields: HashMap<String, common::Payload>) -> impl Iterator<Item = (String, Payload)> {
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
        .into_iter()
        .map(|(name, payload)| (name, from_proto(payload)))
}

fn to_map(fields: impl IntoIterator<Item = (String, Payload)>) -> HashMap<String, common::Payload> {
    let fields = fields.into_iter();
    fields
        .map(|(name, payload)| (name, to_proto(payload)))
        .collect()
}

/// Headers as they came.
pub(crate) fn header(header: Option<common::Header>) -> Vec<(String, Payload)> {
    header.map_or_else(Vec::new, |header| sorted(header.fields).collect())
}

/// Headers as they go; nothing at all if there are none.
pub(crate) fn to_header(header: Vec<(String, Payload)>) -> Option<common::Header> {
    (!header.is_empty()).then(|| common::Header {
        fields: to_map(header),
    })
}

/// A memo as it came.
pub(crate) fn memo(memo: Option<common::Memo>) -> Fields {
    memo.map_or_else(Fields::new, |memo| sorted(memo.fields).collect())
}

/// A memo as it goes.
pub(crate) fn to_memo(fields: Fields) -> common::Memo {
    common::Memo {
        fields: to_map(fields),
    }
}

/// Search attributes as they came.
pub(crate) fn search_attributes(attributes: Option<common::SearchAttributes>) -> Fields {
    attributes.map_or_else(Fields::new, |attributes| {
        sorted(attributes.indexed_fields).collect()
    })
}

/// Search attributes as they go.
pub(crate) fn to_search_attributes(fields: Fields) -> common::SearchAttributes {
    common::SearchAttributes {
        indexed_fields: to_map(fields),
    }
}

/// Fields of which some are removed: those become null.
pub(crate) fn upserted(entries: Vec<(String, Option<Payload>)>) -> Fields {
    let entries = entries.into_iter();
    entries
        .map(|(name, payload)| (name, payload.unwrap_or_else(Payload::null)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_metadata_byte_for_byte() {
        let payload = Payload {
            metadata: vec![
                ("encoding".into(), b"binary/encrypted".to_vec()),
                ("encryption-key-id".into(), vec![0, 255, 7]),
                ("messageType".into(), b"a.B".to_vec()),
            ],
            data: vec![0, 1, 254],
        };
        assert_eq!(from_proto(to_proto(payload.clone())), payload);
    }

    #[test]
    fn a_result_is_at_most_one_value() {
        assert_eq!(result(None).ok(), Some(Payload::null()));
        let one = to_one(Payload::json("1"));
        assert_eq!(result(one).ok(), Some(Payload::json("1")));
        let two = to_list(vec![Payload::json("1"), Payload::json("2")]);
        assert!(result(two).is_err());
    }
}
