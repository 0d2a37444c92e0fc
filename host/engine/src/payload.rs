//! Values as they cross between guests, clients and history.

use serde::{Deserialize, Serialize};

/// One value with the metadata that says how it is encoded, as in Temporal's `Payload`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload {
    /// Metadata entries, `encoding` among them, kept byte for byte and in order.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The encoded value.
    pub data: Vec<u8>,
}

impl Payload {
    /// A JSON text, encoding `json/plain`.
    #[must_use]
    pub fn json(text: impl Into<Vec<u8>>) -> Self {
        Self {
            metadata: vec![("encoding".into(), b"json/plain".to_vec())],
            data: text.into(),
        }
    }

    /// No value, encoding `binary/null`.
    #[must_use]
    pub fn null() -> Self {
        Self {
            metadata: vec![("encoding".into(), b"binary/null".to_vec())],
            data: Vec::new(),
        }
    }

    /// The value of `encoding`, if it is there and is text.
    #[must_use]
    pub fn encoding(&self) -> Option<&str> {
        let (_, value) = self.metadata.iter().find(|(key, _)| key == "encoding")?;
        std::str::from_utf8(value).ok()
    }

    /// What this payload counts against limits on size, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let metadata: usize = self
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        metadata + self.data.len()
    }
}
