//! Turns values into payloads and back, as Temporal's JSON converter does.
//!
//! A value is JSON under `encoding = json/plain`; no value (`()`, `None`) is `binary/null` without
//! data. Both are read wherever either may stand, since other SDKs differ in which they write.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use sandglass_guest_bindings::workflow::sandglass::workflow::types::Payload;

use crate::Failure;

const ENCODING: &str = "encoding";
const JSON: &[u8] = b"json/plain";
const NULL: &[u8] = b"binary/null";

/// Encodes a value.
///
/// # Errors
///
/// A non-retryable failure of type `PayloadEncoding` if the value has no JSON form, as a map whose
/// keys are not strings.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Payload, Failure> {
    let data = serde_json::to_vec(value).map_err(|error| {
        let kind = std::any::type_name::<T>();
        let message = format!("a value of type {kind} has no JSON form: {error}");
        Failure::application("PayloadEncoding", message).non_retryable()
    })?;
    let (encoding, data) = if data == b"null" {
        (NULL, Vec::new())
    } else {
        (JSON, data)
    };
    let metadata = vec![(ENCODING.to_owned(), encoding.to_vec())];
    Ok(Payload { metadata, data })
}

/// Decodes a value. `what` names it in the error, as in `argument 1`.
///
/// # Errors
///
/// A non-retryable failure of type `PayloadDecoding` that names the value, the type wanted and what
/// is wrong with it.
pub fn decode<T: DeserializeOwned>(payload: &Payload, what: &str) -> Result<T, Failure> {
    let refuse = |problem: String| {
        let kind = std::any::type_name::<T>();
        let message = format!("{what} does not decode as {kind}: {problem}");
        Err(Failure::application("PayloadDecoding", message).non_retryable())
    };
    let encoding = payload.metadata.iter().find(|(key, _)| key == ENCODING);
    let data = match encoding.map(|(_, value)| value.as_slice()) {
        Some(JSON) => payload.data.as_slice(),
        Some(NULL) => b"null".as_slice(),
        Some(other) => {
            return refuse(format!(
                "its encoding is {}",
                String::from_utf8_lossy(other)
            ));
        }
        None => return refuse("it names no encoding".to_owned()),
    };
    serde_json::from_slice(data).or_else(|error| refuse(error.to_string()))
}

/// Decodes a list of payloads as one value: a single payload as itself, none as no value, and more
/// as a tuple.
pub(crate) fn decode_all<T: DeserializeOwned>(
    payloads: &[Payload],
    what: &str,
) -> Result<T, Failure> {
    match payloads {
        [] => decode(&encode(&())?, what),
        [one] => decode(one, what),
        more => {
            let values = more
                .iter()
                .map(|payload| decode::<serde_json::Value>(payload, what));
            decode(&encode(&values.collect::<Result<Vec<_>, _>>()?)?, what)
        }
    }
}

/// The arguments of a workflow or activity, decoded one after another.
#[doc(hidden)]
#[derive(Debug)]
pub struct Arguments {
    given: std::vec::IntoIter<Payload>,
    wanted: usize,
    taken: usize,
}

impl Arguments {
    /// Takes what was given to a function of `wanted` arguments.
    pub fn new(given: Vec<Payload>, wanted: usize) -> Result<Self, Failure> {
        Ok(Self {
            given: given.into_iter(),
            wanted,
            taken: 0,
        })
    }

    /// Decodes the next argument. One that was left out is decoded as no value, so that an
    /// `Option` can be added to a function that has callers.
    pub fn next<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Failure> {
        self.taken += 1;
        let what = format!("argument {} (`{name}`)", self.taken);
        match self.given.next() {
            Some(payload) => decode(&payload, &what),
            None => decode(&encode(&())?, &what).map_err(|_| {
                let kind = std::any::type_name::<T>();
                let message = format!(
                    "argument {} of {} is missing: `{name}`, of type {kind}",
                    self.taken, self.wanted
                );
                Failure::application("PayloadDecoding", message).non_retryable()
            }),
        }
    }

    /// Refuses arguments that nobody took.
    pub fn finish(self) -> Result<(), Failure> {
        let extra = self.given.len();
        if extra == 0 {
            return Ok(());
        }
        let (wanted, given) = (self.wanted, self.taken + extra);
        let message = format!("{given} arguments were given where {wanted} are wanted");
        Err(Failure::application("PayloadDecoding", message).non_retryable())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn json(text: &str) -> Payload {
        Payload {
            metadata: vec![("encoding".into(), b"json/plain".to_vec())],
            data: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn values_are_json_and_no_value_is_null() {
        assert_eq!(encode(&("a", 1)).unwrap(), json("[\"a\",1]"));
        let null = encode(&()).unwrap();
        assert_eq!(
            null.metadata,
            [("encoding".to_owned(), b"binary/null".to_vec())]
        );
        assert!(null.data.is_empty());
        assert_eq!(encode(&None::<u8>).unwrap(), null);
    }

    #[test]
    fn no_value_is_read_in_both_forms() {
        for payload in [encode(&()).unwrap(), json("null")] {
            decode::<()>(&payload, "it").unwrap();
            assert_eq!(decode::<Option<u8>>(&payload, "it").unwrap(), None);
        }
    }

    #[test]
    fn what_does_not_decode_is_named() {
        let failure = decode::<u8>(&json("\"x\""), "argument 2").unwrap_err();
        let text = failure.to_string();
        assert!(
            text.contains("argument 2 does not decode as u8: invalid type: string"),
            "{text}"
        );
        assert!(failure.application_failure().unwrap().non_retryable);
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let mut payload = json("1");
        payload.metadata[0].1 = b"binary/encrypted".to_vec();
        let text = decode::<u8>(&payload, "it").unwrap_err().to_string();
        assert!(text.contains("its encoding is binary/encrypted"), "{text}");
    }

    #[test]
    fn a_missing_argument_is_none_or_refused() {
        let mut arguments = Arguments::new(vec![json("1")], 3).unwrap();
        assert_eq!(arguments.next::<u8>("first").unwrap(), 1);
        assert_eq!(arguments.next::<Option<u8>>("second").unwrap(), None);
        let text = arguments.next::<u8>("third").unwrap_err().to_string();
        assert!(
            text.contains("argument 3 of 3 is missing: `third`, of type u8"),
            "{text}"
        );
    }

    #[test]
    fn an_argument_too_many_is_refused() {
        let mut arguments = Arguments::new(vec![json("1"), json("2")], 1).unwrap();
        arguments.next::<u8>("first").unwrap();
        let text = arguments.finish().unwrap_err().to_string();
        assert!(
            text.contains("2 arguments were given where 1 are wanted"),
            "{text}"
        );
    }

    #[test]
    fn several_payloads_are_a_tuple() {
        let both = [json("1"), json("\"b\"")];
        assert_eq!(
            decode_all::<(u8, String)>(&both, "it").unwrap(),
            (1, "b".to_owned())
        );
        decode_all::<()>(&[], "it").unwrap();
    }
}
