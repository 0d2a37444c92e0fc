//! The contract of a store: what a writer and a reader may rely on.
//!
//! Small on purpose: everything here must be done again, and pass `conformance`, for each store.

use crate::{
    ActivityRow, Checkpoint, ComponentChange, ComponentRow, Error, ListFilter, OutboxRow, RunKey,
    RunRow, Stats, TimerRow, Write,
};
use sandglass_engine::Digest;
use std::path::Path;

/// Runs, of which single ones may be unreadable: the others are still given.
pub type Rows = Vec<Result<RunRow, Error>>;

/// The writing side. One process owns a store, and one thread has this.
pub trait Store: Send {
    /// Stores the writes, in order, in one transaction; a write that cannot be stored (wrong frame
    /// number, unknown run, second open run of a workflow id) fails alone and leaves nothing.
    /// A run may have several writes in one commit; if one of them fails, the later ones usually
    /// do too, because their frame does not follow.
    ///
    /// A crash before this returns may leave all or none of what it stores, never a part. After it
    /// returned `Ok`, each write answered `Ok` survives any crash.
    ///
    /// # Errors
    /// `Err` acknowledges nothing: after [`Error::NotCommitted`] whoever had a write in it must
    /// read again what the store holds. The next commit tries a fresh connection; a failed sync is
    /// never tried again.
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<Result<(), Error>>, Error>;

    /// Stores a component, durably, unless it is there. The digest is taken on trust.
    ///
    /// # Errors
    /// Nothing was stored.
    fn put_component(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error>;

    /// Changes what is kept of components, durably, in one transaction.
    ///
    /// # Errors
    /// Nothing was changed.
    fn change_components(&mut self, change: &ComponentChange) -> Result<(), Error>;

    /// Moves committed pages to where readers find them faster. Takes time, so call it when no
    /// commit waits, and at the latest when [`Stats::log_bytes`] has grown large. Never waits for
    /// readers.
    ///
    /// # Errors
    /// Nothing is lost; a later call tries again.
    fn checkpoint(&mut self) -> Result<Checkpoint, Error>;

    /// Notes that a host runs on this store, durably, and tells whether the last one stopped
    /// cleanly (true for a new store).
    ///
    /// # Errors
    /// The note was not made.
    fn mark_running(&mut self) -> Result<bool, Error>;

    /// Notes that the host is about to stop with nothing in flight.
    ///
    /// # Errors
    /// The note was not made; the next host takes this stop for a crash.
    fn mark_clean(&mut self) -> Result<(), Error>;

    /// A reader with a connection of its own. It sees each commit that returned before it is asked.
    ///
    /// # Errors
    /// The store cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn Reader>, Error>;

    /// Counters since the store was opened.
    fn stats(&self) -> Stats;

    /// The file, or the name, of the store, for messages.
    fn file(&self) -> &Path;
}

/// The reading side. Each call sees one state of the store; two calls may see different ones.
///
/// # Errors
/// Every method fails with [`Error::Corrupt`] if what it reads is damaged, naming the row where
/// that is known, and with [`Error::Busy`] or [`Error::Io`] if the file cannot be read now.
pub trait Reader: Send {
    /// One more than the highest key in use, 1 in an empty store.
    fn next_run_key(&self) -> Result<RunKey, Error>;

    /// The run of this workflow id with this run id, or the current one of the workflow id: the
    /// newest. If that is deleted there is none until another one comes; older ones have their run
    /// ids, and are listed.
    fn find(&self, workflow_id: &str, run_id: Option<&str>) -> Result<Option<RunRow>, Error>;

    /// A run by its key.
    fn run(&self, key: RunKey) -> Result<Option<RunRow>, Error>;

    /// The open runs, oldest first.
    fn open_runs(&self) -> Result<Rows, Error>;

    /// At most `limit` runs that match, newest first, starting after the run `after`; fewer where
    /// their summaries have 4 MiB before ([`is_last_page`](crate::is_last_page)).
    fn list(&self, filter: &ListFilter, limit: usize, after: Option<RunKey>)
    -> Result<Rows, Error>;

    /// A run's frames from number `first` on, in order. A gap is an error; an end is not.
    fn frames_from(&self, key: RunKey, first: u64) -> Result<Vec<Vec<u8>>, Error>;

    /// All of a run's frames: number 1 is at index 0.
    fn frames(&self, key: RunKey) -> Result<Vec<Vec<u8>>, Error> {
        self.frames_from(key, 1)
    }

    /// One frame of a run, from number 1.
    fn frame(&self, key: RunKey, number: u64) -> Result<Option<Vec<u8>>, Error>;

    /// A run's pending activities, by scheduled event.
    fn activities(&self, key: RunKey) -> Result<Vec<ActivityRow>, Error>;

    /// Every run's pending activities, by run and scheduled event.
    fn all_activities(&self) -> Result<Vec<ActivityRow>, Error>;

    /// A run's timers, by started event.
    fn timers(&self, key: RunKey) -> Result<Vec<TimerRow>, Error>;

    /// Every run's timers, by run and started event.
    fn all_timers(&self) -> Result<Vec<TimerRow>, Error>;

    /// Effects that are not applied yet, by source run and source event.
    fn outbox(&self) -> Result<Vec<OutboxRow>, Error>;

    /// A component's bytes. Whoever runs them checks their digest: the store does not.
    fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error>;

    /// Whether a component is stored. Its bytes are not read.
    fn has_component(&self, digest: Digest) -> Result<bool, Error>;

    /// The stored components, by digest.
    fn components(&self) -> Result<Vec<ComponentRow>, Error>;

    /// What the last [`ComponentChange`] with a text left there.
    fn component_note(&self) -> Result<Option<String>, Error>;

    /// The file, or the name, of the store, for messages.
    fn file(&self) -> &Path;
}
