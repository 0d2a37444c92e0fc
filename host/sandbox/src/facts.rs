//! What is known of a workflow component once it was loaded, kept beside its machine code: finding
//! it out again means to read all of the component and to run some of it.

use crate::shape::Shape;
use sandglass_engine::{Persisted, decode, encode};
use serde::{Deserialize, Serialize};

/// Raised when anything in [`Facts`] changes its form or its meaning.
const VERSION: u32 = 2;

/// What loading a component finds out. Whether the component may be used is asked anew each time.
#[derive(Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) shape: Shape,
    /// Its workflow types.
    pub(crate) types: Vec<String>,
}

/// How they are stored, with a checksum of all of it.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// SHA-256 of the machine code that they were found with.
    code: String,
    /// [`Facts`], encoded.
    facts: Vec<u8>,
}

impl Persisted for Stored {}
impl Persisted for Facts {}

impl Facts {
    /// Reads them, with the checksum of the code that they belong to.
    ///
    /// # Errors
    /// The bytes are damaged, or of another version: in words.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, String), String> {
        let stored: Stored = decode(bytes).map_err(|error| error.to_string())?;
        if stored.version != VERSION {
            let found = stored.version;
            return Err(format!("it is of version {found}, not {VERSION}"));
        }
        let facts = decode(&stored.facts).map_err(|error| error.to_string())?;
        Ok((facts, stored.code))
    }

    /// The bytes to be stored, for code with this checksum.
    pub(crate) fn write(&self, code: &str) -> Vec<u8> {
        encode(&Stored {
            version: VERSION,
            code: code.to_owned(),
            facts: encode(self),
        })
    }
}
