//! Values of activities and workflows with types of their own, where their JSON is not what serde
//! makes of Rust types by itself.
//!
//! `guest-sdk/typed.md` has the rule. Names are as in WIT (`#[serde(rename_all = "kebab-case")]`);
//! what is in a module here is for `#[serde(with = "..")]`:
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "kebab-case")]
//! struct Receipt {
//!     #[serde(with = "sandglass_guest::wit::whole")]
//!     charge_number: u64,
//!     #[serde(with = "sandglass_guest::wit::bytes")]
//!     signature: Vec<u8>,
//! }
//! let receipt = Receipt { charge_number: 1 << 60, signature: vec![222, 173] };
//! # assert_eq!(
//! #     serde_json::to_string(&receipt).unwrap(),
//! #     "{\"charge-number\":\"1152921504606846976\",\"signature\":\"3q0=\"}"
//! # );
//! ```
//!
//! Enums and variants are as serde has them. A failure that an activity has declared is the first
//! detail of its failure: [`crate::Failure::details`] decodes it.

/// `s64` and `u64`: a number, and a text where JavaScript would lose digits.
pub mod whole {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::{DeserializeOwned, Deserializer, Error};
    use serde::{Deserialize, Serialize, Serializer};
    use serde_json::Value;

    /// Largest number up to which each is exact everywhere.
    const EXACT_MAX: i128 = (1 << 53) - 1;

    /// Writes a `u64` or `i64`.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<T, S>(number: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Display + Copy + Into<i128>,
        S: Serializer,
    {
        let value: i128 = (*number).into();
        match (-EXACT_MAX..=EXACT_MAX).contains(&value) {
            true => number.serialize(serializer),
            false => serializer.collect_str(number),
        }
    }

    /// Reads either form.
    ///
    /// # Errors
    /// It is neither, or out of range.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: DeserializeOwned + FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text
                .parse()
                .map_err(|error| D::Error::custom(format!("{text:?}: {error}"))),
            number => T::deserialize(number).map_err(D::Error::custom),
        }
    }
}

/// `list<u8>`: base64, with padding.
pub mod bytes {
    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serializer};

    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// Writes bytes.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for chunk in bytes.chunks(3) {
            let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
            let word = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                match place > chunk.len() {
                    true => text.push('='),
                    false => text.push(DIGITS[(word >> (18 - 6 * place) & 63) as usize].into()),
                }
            }
        }
        serializer.serialize_str(&text)
    }

    /// Reads what [`serialize`] writes.
    ///
    /// # Errors
    /// It is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(text.as_bytes()).ok_or_else(|| D::Error::custom("bytes have to be base64"))
    }

    fn decode(text: &[u8]) -> Option<Vec<u8>> {
        let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
        if !text.len().is_multiple_of(4) || padding > 2 {
            return None;
        }
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
        for chunk in text.chunks(4) {
            let mut word = 0;
            for byte in chunk {
                let digit = match byte {
                    b'=' => 0,
                    byte => DIGITS.iter().position(|digit| digit == byte)?,
                };
                word = word << 6 | u32::try_from(digit).ok()?;
            }
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
        }
        // Padding elsewhere, and bits that no byte has, would not come back the same.
        let inner = &text[..text.len() - padding];
        let kept = bytes.len() - padding;
        let clean = bytes[kept..].iter().all(|byte| *byte == 0);
        bytes.truncate(kept);
        (clean && !inner.contains(&b'=')).then_some(bytes)
    }
}

/// `result<T, E>` inside of a value: `{"ok": ..}` or `{"err": ..}`.
pub mod result {
    use serde::de::{DeserializeOwned, Deserializer, Error};
    use serde::{Deserialize, Serialize, Serializer};
    use serde_json::{Map, Value};

    /// Writes a result.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<T, E, S>(result: &Result<T, E>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        E: Serialize,
        S: Serializer,
    {
        match result {
            Ok(value) => serializer.collect_map([("ok", value)]),
            Err(error) => serializer.collect_map([("err", error)]),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is something else.
    pub fn deserialize<'de, T, E, D>(deserializer: D) -> Result<Result<T, E>, D::Error>
    where
        T: DeserializeOwned,
        E: DeserializeOwned,
        D: Deserializer<'de>,
    {
        let fields = Map::<String, Value>::deserialize(deserializer)?;
        let mut fields = fields.into_iter();
        match (fields.next(), fields.next()) {
            (Some((name, value)), None) if name == "ok" => {
                T::deserialize(value).map(Ok).map_err(D::Error::custom)
            }
            (Some((name, value)), None) if name == "err" => {
                E::deserialize(value).map(Err).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom("a result has either ok or err")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "super::whole")]
        small: i64,
        #[serde(with = "super::whole")]
        large: u64,
        #[serde(with = "super::bytes")]
        raw: Vec<u8>,
        #[serde(with = "super::result")]
        ended: Result<u8, String>,
    }

    #[test]
    fn values_have_the_form_of_their_types_in_wit() {
        for (raw, text) in [
            (vec![], ""),
            (vec![0xde], "3g=="),
            (vec![0xde, 0xad], "3q0="),
            (vec![0xde, 0xad, 0xbe, 0xef, 0xfb], "3q2+7/s="),
        ] {
            let all = All {
                small: -((1 << 53) - 1),
                large: 1 << 53,
                raw,
                ended: Err("no".into()),
            };
            let json = serde_json::to_string(&all).unwrap();
            let expected = format!(
                "{{\"small\":-9007199254740991,\"large\":\"9007199254740992\",\
                 \"raw\":\"{text}\",\"ended\":{{\"err\":\"no\"}}}}"
            );
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<All>(&json).unwrap(), all);
        }
    }

    #[test]
    fn what_has_another_form_is_refused() {
        for wrong in [
            "\"abc\"", "\"3q2=\"", "\"=q2+\"", "\"3q=+\"", "\"3q2!\"", "[1]",
        ] {
            let mut json = serde_json::Deserializer::from_str(wrong);
            let read = super::bytes::deserialize(&mut json);
            assert!(read.is_err(), "{wrong} was read as {read:?}");
        }
        let mut json = serde_json::Deserializer::from_str("\"-1\"");
        super::whole::deserialize::<u64, _>(&mut json).unwrap_err();
    }
}
