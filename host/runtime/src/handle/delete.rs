//! Deleting a run: its history and all that is stored of it goes, which is more than to end it.

use super::{Found, RunHandle, TerminateOptions};
use crate::{clock::lock, error::Error, host::Inner};
use sandglass_store::{RunKey, Write};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// What the history of a run that is deleted while it is open says of its end, as in Temporal's.
pub(crate) const REASON: &str = "Delete workflow execution";
const IDENTITY: &str = "history-service";

/// How often it is looked whether the host has stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What came of a try to delete a run.
enum Tried {
    Gone,
    /// Other runs have not heard of its end yet, or one is being made of it.
    TooEarly,
}

/// How a run is ended that is deleted while it is open.
pub(crate) fn ending() -> TerminateOptions {
    TerminateOptions::new(REASON, IDENTITY)
}

impl RunHandle {
    /// Deletes the run: its history, and all else that the store has of it, in one transaction. One
    /// run, also if it is of a chain: those before and after it stay. A run that is open is
    /// terminated first. Other runs are told of its end before it goes: its parent that it has
    /// ended, its children what their close policy says. Returns when it is gone from disk.
    ///
    /// Attempts of activities that still run find that the run is gone. The space in the file is
    /// used again, and not given back. If the host dies meanwhile, the run is as it was, or
    /// terminated, or gone: ask again, with the run id, which names no other run.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a run that is unknown or deleted, [`Error::Store`],
    /// [`Error::ShutDown`].
    pub async fn delete(&self) -> Result<(), Error> {
        let host = self.host();
        if self.follows() {
            host.until_reset(self.workflow_id()).await?;
        }
        let run_id = match self.find()? {
            Found::Open(cell) => cell.run_id.clone(),
            Found::Closed(row) => row.run_id,
        };
        // From here on it is this run, whichever comes after it.
        let run = Self::new(host, self.workflow_id().into(), Some(run_id));
        let key = loop {
            match run.find()? {
                Found::Closed(row) => break row.key,
                Found::Open(_) => match run.terminate_with(ending()).await {
                    // It has ended by itself meanwhile.
                    Ok(()) | Err(Error::Closed { .. }) => {}
                    Err(error) => return Err(error),
                },
            }
        };
        loop {
            let notified = host.quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            match run.try_to_delete(key).await? {
                Tried::Gone => break,
                Tried::TooEarly if host.is_stopping() => return Err(Error::ShutDown),
                Tried::TooEarly => {}
            }
            tokio::select! {
                () = notified => {}
                // Nobody tells of the host's end.
                () = host.wait_real(LOOK_AGAIN) => {}
            }
        }
        host.sides.forget(key);
        Ok(())
    }

    async fn try_to_delete(&self, key: RunKey) -> Result<Tried, Error> {
        let host = self.host();
        let (sender, receiver) = oneshot::channel();
        let (owner, workflow_id) = (Arc::downgrade(host), self.workflow_id().to_owned());
        // On this thread effects are offered after the commit that has stored them: none of a run
        // that has ended comes later.
        host.writer.run_job(Box::new(move |store| {
            let is_needed = |host: Arc<Inner>| {
                host.outbox.has_from(key) || lock(&host.runs).resetting.contains_key(&workflow_id)
            };
            if owner.upgrade().is_some_and(is_needed) {
                drop(sender.send(Ok(Tried::TooEarly)));
                return;
            }
            let mut write = Write::new(key);
            write.delete = true;
            let stored = store.commit(&[write]);
            let stored = stored.and_then(|answers| answers.into_iter().collect::<Result<(), _>>());
            // Whoever asked may have gone away.
            drop(sender.send(stored.map(|()| Tried::Gone)));
        }));
        Ok(receiver.await.map_err(|_| host.gone())??)
    }
}
