//! Versions 2 to 4 of what is persisted, as far as later ones differ. They are read for ever.
//!
//! A later version only has more: variants at the end of enums, which an older frame does not use,
//! and fields. A type that got one marks it with `deserialize_with = "since_v3"`, or a later one.
//! Where an older value is read, nothing stands in the bytes for that field and it gets its
//! default. So no type that holds another one needs a second form for the change of the other.

use serde::{Deserialize, Deserializer};
use std::cell::Cell;

thread_local! {
    /// The version of the value that this thread is decoding.
    static READING: Cell<u8> = const { Cell::new(super::FORMAT_VERSION) };
}

/// While this lives, what is decoded on this thread is of an older version.
pub(super) struct Reading;

pub(super) fn reading(version: u8) -> Reading {
    READING.set(version);
    Reading
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.set(super::FORMAT_VERSION);
    }
}

/// Reads a field that versions 1 and 2 do not have.
pub(crate) fn since_v3<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    since(3, deserializer)
}

/// Reads a field that versions 1 to 3 do not have.
pub(crate) fn since_v4<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    since(4, deserializer)
}

/// Reads a field that versions 1 to 4 do not have.
pub(crate) fn since_v5<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    since(5, deserializer)
}

fn since<'de, D, T>(version: u8, deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    if READING.get() < version {
        return Ok(T::default());
    }
    T::deserialize(deserializer)
}
