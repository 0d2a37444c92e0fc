//! A store that forgets that its last host crashed: an activity that was in flight at three crashes
//! counts as one that kills its host, and a sweep crashes more often than that.

use sandglass::store::{
    Checkpoint, ComponentChange, Error, Reader, SqliteStore, Stats, Store, Write,
};
use sandglass_engine::Digest;
use std::path::Path;

pub(super) struct Lenient(SqliteStore);

impl Lenient {
    pub(super) fn open(path: &Path) -> Result<Box<dyn Store>, Error> {
        Ok(Box::new(Self(SqliteStore::open(path)?)))
    }
}

impl Store for Lenient {
    fn commit(&mut self, writes: &[Write]) -> Result<Vec<Result<(), Error>>, Error> {
        self.0.commit(writes)
    }

    fn put_component(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        self.0.put_component(digest, bytes)
    }

    fn change_components(&mut self, change: &ComponentChange) -> Result<(), Error> {
        self.0.change_components(change)
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        self.0.checkpoint()
    }

    fn mark_running(&mut self) -> Result<bool, Error> {
        self.0.mark_running()?;
        Ok(true)
    }

    fn mark_clean(&mut self) -> Result<(), Error> {
        self.0.mark_clean()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        self.0.reader()
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }

    fn file(&self) -> &Path {
        self.0.file()
    }
}
