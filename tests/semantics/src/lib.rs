//! What the semantics claim and what holds it: the event sequence of each scenario, the histories
//! that Temporal's server recorded for the same scenarios, and the table of rows and their tests.
//!
//! A sequence is written once, in `tests/oracle/scenarios.md`. Tests of scenarios take it from
//! there by [`scenario`]; the test `oracle` of this crate compares it with the recording.

pub mod breakers;
pub mod coverage;
pub mod markdown;
pub mod recording;
pub mod scenarios;
pub mod sources;

pub use scenarios::scenario;

use std::path::{Path, PathBuf};

/// The repository.
#[must_use]
pub fn repository() -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    found.expect("tests/semantics is below it").to_owned()
}

/// The text of a file of the repository.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn text(path: impl AsRef<Path>) -> String {
    let path = repository().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
