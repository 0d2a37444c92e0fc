//! Moving an open run to another component, after a trial replay of its history.

mod all;

pub use all::{Obstacle, RunUpgrade, UpgradeOptions, UpgradeOutcome, UpgradeReport};

use crate::{
    error::{Error, UpgradeError},
    handle::RunHandle,
    host::{Host, Inner},
};
use sandglass_engine::{Digest, ReplayError, replay};
use std::sync::Arc;

impl Host {
    /// Lets an open run go on with another component, from its next workflow task on.
    ///
    /// With `trial` its history is first replayed with the new component on the side; a difference
    /// is an error and changes nothing. Without, a difference shows as a failing workflow task
    /// later. The component must be loaded or in the store.
    ///
    /// # Errors
    /// [`UpgradeError::Replay`] with what differed, [`UpgradeError::UnknownType`],
    /// [`Error::NotFound`] if no such run is open, [`Error::Closed`] if it ended meanwhile,
    /// [`Error::Refused`] if it went on each time that it was tried, [`Error::UnknownComponent`].
    pub async fn upgrade(
        &self,
        run: &RunHandle,
        digest: Digest,
        trial: bool,
    ) -> Result<(), UpgradeError> {
        let inner = Arc::clone(&self.inner);
        let not_found = || Error::not_found(run.workflow_id(), run.run_id());
        let cell = inner
            .open_run_of(run.workflow_id())
            .filter(|cell| run.run_id().is_none_or(|run_id| run_id == cell.run_id))
            .ok_or_else(not_found)?;
        let options = UpgradeOptions {
            no_trial: !trial,
            ..UpgradeOptions::default()
        };
        let workflow_id = cell.workflow_id.clone();
        let _kept = inner.components.upgrading(&inner, digest).await?;
        match inner.tried_and_moved(&cell, digest, &options).await? {
            Some(UpgradeOutcome::Closed) => {
                let status = Box::new(cell.lock().head.summary.status.clone());
                Err(Error::Closed {
                    workflow_id,
                    status,
                }
                .into())
            }
            Some(_) => Ok(()),
            None => {
                let reason = all::RESTLESS.into();
                Err(Error::Refused {
                    workflow_id,
                    reason,
                }
                .into())
            }
        }
    }
}

fn check(host: &Inner, digest: Digest, workflow_type: &String) -> Result<(), UpgradeError> {
    let component = host.components.get(host, digest)?;
    if !component.workflow_types().contains(workflow_type) {
        return Err(UpgradeError::UnknownType {
            digest,
            workflow_type: workflow_type.clone(),
        });
    }
    Ok(())
}

fn try_replay(
    host: &Inner,
    digest: Digest,
    key: sandglass_store::RunKey,
    run_id: &str,
) -> Result<(), UpgradeError> {
    let failed = |failure| UpgradeError::Replay {
        digest,
        failure: Box::new(failure),
    };
    let component = host.components.get(host, digest)?;
    let mut instance = component.instantiate();
    let frames = host.frames(key, run_id)?;
    match replay(frames, Some(instance.as_mut())) {
        Ok(_) => Ok(()),
        Err(ReplayError::Task(failure)) => Err(failed(failure)),
        Err(error) => {
            let (run_id, reason) = (run_id.into(), error.to_string());
            Err(Error::Damaged { run_id, reason }.into())
        }
    }
}
