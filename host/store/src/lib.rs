//! Where runs are kept: the contract of a store, and SQLite behind it.
//!
//! A store knows bytes, ids and one rule: what it acknowledged is on disk. What the bytes mean is
//! the engine's affair, so that another store (the trait is small) cannot get a rule wrong.
//!
//! One process writes a store. It holds the [`OwnerLock`], has the only [`Store`], and uses it from
//! one thread; any process may have [`Reader`]s. See [`SqliteStore`] for files and durability.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod crash;
mod error;
mod owner;
mod rows;
mod sqlite;
mod store;

pub use error::{Error, Place};
pub use owner::{Owner, OwnerLock, owner, resolve, socket_path};
pub use rows::{
    ActivityRow, Checkpoint, ComponentChange, ComponentRow, LIST_BYTES, ListFilter, OutboxRow,
    RunKey, RunRow, RunStatus, Stats, TimerRow, Write, is_last_page,
};
pub use sqlite::{SqliteReader, SqliteStore};
pub use store::{Reader, Rows, Store};
