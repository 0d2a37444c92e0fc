//! A host that lives for one commit to a history: the next one is refused, the host is dropped as a crash
//! would drop it, and another is opened on the same store.
//!
//! So every state that the store ever has is one that a host must recover from. What the client
//! asked for and was not committed is asked for again, as clients do.

use sandglass::store::{
    Checkpoint, ComponentChange, Error, Reader, SqliteStore, Stats, Store, Write as StoreWrite,
};
use sandglass_engine::Digest;
use std::{
    path::Path,
    sync::{Arc, mpsc},
};
use tokio::sync::watch;

/// One life of a host.
pub(crate) struct Life {
    /// Nothing is committed in it any more.
    over: watch::Sender<bool>,
    /// Counts the lives.
    pub(crate) number: u64,
}

impl Life {
    pub(crate) fn new(number: u64) -> Arc<Self> {
        let over = watch::Sender::new(false);
        Arc::new(Self { over, number })
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Returns when it is over.
    pub(crate) async fn ended(&self) {
        let mut over = self.over.subscribe();
        // The sender is part of this life and cannot be gone.
        let _over = over.wait_for(|over| *over).await;
    }

    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }
}

/// A store that takes commits until one of them added to a history. After that one, it takes no
/// other that says anything of a run; what is only noted of attempts it still takes.
pub(crate) struct OneCommit {
    inner: SqliteStore,
    life: Arc<Life>,
    spent: bool,
    /// Told once the commit is refused.
    tell: mpsc::Sender<u64>,
    /// Dropped with the store: then the host is really gone.
    _gone: mpsc::Sender<()>,
}

impl OneCommit {
    pub(crate) fn open(
        path: &Path,
        life: &Arc<Life>,
        tell: mpsc::Sender<u64>,
        gone: mpsc::Sender<()>,
    ) -> Result<Box<dyn Store>, Error> {
        Ok(Box::new(Self {
            inner: SqliteStore::open(path)?,
            life: Arc::clone(life),
            spent: false,
            tell,
            _gone: gone,
        }))
    }

    fn refusal(&self) -> Error {
        let cause = Error::Io {
            file: self.inner.file().to_owned(),
            doing: "commit".into(),
            reason: "the test ends this host here".into(),
        };
        Error::NotCommitted(Box::new(cause))
    }
}

/// Whether a write says what a run is, and not only what is noted of attempts of its activities.
fn moves_a_run(write: &StoreWrite) -> bool {
    write.row.is_some() || write.frame.is_some()
}

impl Store for OneCommit {
    fn commit(&mut self, writes: &[StoreWrite]) -> Result<Vec<Result<(), Error>>, Error> {
        let moves = writes.iter().any(moves_a_run);
        if self.life.is_over() || (moves && self.spent) {
            self.life.end();
            // The test may be over: then nobody listens.
            let _gone = self.tell.send(self.life.number);
            return Err(self.refusal());
        }
        let answer = self.inner.commit(writes)?;
        self.spent |= writes.iter().any(|write| write.frame.is_some());
        Ok(answer)
    }

    fn put_component(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        self.inner.put_component(digest, bytes)
    }

    fn change_components(&mut self, change: &ComponentChange) -> Result<(), Error> {
        self.inner.change_components(change)
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        self.inner.checkpoint()
    }

    /// As after a stop in order: an activity that was in flight at three crashes would count as one
    /// that kills its host.
    fn mark_running(&mut self) -> Result<bool, Error> {
        self.inner.mark_running()?;
        Ok(true)
    }

    fn mark_clean(&mut self) -> Result<(), Error> {
        self.inner.mark_clean()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        self.inner.reader()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn file(&self) -> &Path {
        self.inner.file()
    }
}
