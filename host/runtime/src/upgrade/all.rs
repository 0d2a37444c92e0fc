//! Moving the open runs of a store to another component, and telling which cannot move and why.

use super::{check, try_replay};
use crate::{
    cell::{Delivery, Letter, Mail, Phase, Posted, RunCell},
    error::{Error, UpgradeError},
    host::{Host, Inner},
};
use sandglass_engine::{Digest, EventId};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How often a run that goes on while it is tried is tried again, and after which wait.
const TRIES: u32 = 50;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Why a run that went on each time cannot be moved.
pub(super) const RESTLESS: &str = "it did not rest while it was tried; ask again";

/// Which runs are to be moved, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UpgradeOptions {
    /// The workflow ids of the runs; empty for all open runs.
    pub workflow_ids: Vec<String>,
    /// Only runs that have this component.
    pub from: Option<Digest>,
    /// Do not try first whether the component fits the history.
    pub no_trial: bool,
    /// Try, and move nothing.
    pub dry_run: bool,
}

/// What became of each run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeReport {
    /// The component that they were to go on with.
    pub digest: Digest,
    /// The runs, by workflow id.
    pub runs: Vec<RunUpgrade>,
}

/// What became of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunUpgrade {
    /// Its workflow id.
    pub workflow_id: String,
    /// Its run id; empty if there is none.
    pub run_id: String,
    /// The component that it had.
    pub from: Option<Digest>,
    /// What became of it.
    pub outcome: UpgradeOutcome,
}

/// What became of a run that was to be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeOutcome {
    /// It goes on with the new component, from its next workflow task on.
    Moved,
    /// It could be moved.
    Fits,
    /// It has that component already.
    Unchanged,
    /// It has ended: nothing is left to move.
    Closed,
    /// There is no such run.
    NotFound,
    /// It stays as it is.
    Cannot(Obstacle),
}

/// Why a run cannot be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// In a sentence.
    pub reason: String,
    /// The recorded event at which the new code differs, if it does.
    pub event_id: Option<EventId>,
    /// What was recorded there.
    pub recorded: Option<String>,
    /// What the new code attempted.
    pub attempted: Option<String>,
    /// Where in the new code; empty if it was not entered or has no names.
    pub stack_trace: String,
}

impl UpgradeReport {
    /// How many runs cannot move.
    #[must_use]
    pub fn obstacles(&self) -> usize {
        let cannot = |run: &&RunUpgrade| {
            matches!(
                run.outcome,
                UpgradeOutcome::Cannot(_) | UpgradeOutcome::NotFound
            )
        };
        self.runs.iter().filter(cannot).count()
    }
}

impl From<&UpgradeError> for Obstacle {
    fn from(error: &UpgradeError) -> Self {
        let mut obstacle = Self {
            reason: error.to_string(),
            event_id: None,
            recorded: None,
            attempted: None,
            stack_trace: String::new(),
        };
        if let UpgradeError::Replay { failure, .. } = error {
            obstacle
                .stack_trace
                .clone_from(&failure.failure.stack_trace);
            if let Some(difference) = &failure.nondeterminism {
                obstacle.reason = "the new code does not do what is recorded".into();
                obstacle.event_id = Some(difference.event_id);
                obstacle.recorded = Some(difference.recorded.clone());
                obstacle.attempted = Some(difference.attempted.clone());
            }
        }
        obstacle
    }
}

impl Host {
    /// Moves open runs to another component, each after a trial replay of its history, and tells
    /// what became of each. A run that cannot move stays as it is and goes on with the component
    /// that it has. The component must be loaded or in the store. Which component new runs begin
    /// with stays as it is: that is a matter of [`Host::load_component`].
    ///
    /// # Errors
    /// [`Error::UnknownComponent`], [`Error::Component`], [`Error::Store`]: then nothing was moved.
    pub async fn upgrade_runs(
        &self,
        digest: Digest,
        options: UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        self.inner.upgrade_runs(digest, options).await
    }

    /// Loads a component as [`Host::load_component`] does, and moves open runs to it as
    /// [`Host::upgrade_runs`] does. With [`UpgradeOptions::dry_run`] it is only tried: it is not
    /// kept in the store, and new runs begin with what they began with before.
    ///
    /// # Errors
    /// As those two.
    pub async fn upgrade_runs_to(
        &self,
        component: impl Into<Vec<u8>>,
        options: UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        self.inner.upgrade_runs_to(component.into(), options).await
    }
}

impl Inner {
    pub(crate) async fn upgrade_runs_to(
        self: &Arc<Self>,
        component: Vec<u8>,
        options: UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        let digest = self.load_component(component, !options.dry_run).await?;
        self.upgrade_runs(digest, options).await
    }

    pub(crate) async fn upgrade_runs(
        self: &Arc<Self>,
        digest: Digest,
        options: UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        let host = Arc::clone(self);
        let loading = self.tokio.spawn_blocking(move || {
            host.components.get(&host, digest)?;
            Ok::<_, Error>(())
        });
        loading
            .await
            .map_err(|error| Error::system("load the component", error))??;
        let _kept = self.components.upgrading(self, digest).await?;
        let mut runs = Vec::new();
        let mut cells = Vec::new();
        if options.workflow_ids.is_empty() {
            cells = self.open_runs();
        }
        for id in &options.workflow_ids {
            match self.open_run_of(id) {
                Some(cell) => cells.push(cell),
                None => runs.push(self.not_open(id)?),
            }
        }
        for cell in cells {
            let from = cell.lock().head.row.digest;
            if options.from.is_some_and(|only| only != from) {
                continue;
            }
            let outcome = if from == digest {
                UpgradeOutcome::Unchanged
            } else {
                self.upgrade_one(&cell, digest, &options).await
            };
            runs.push(RunUpgrade {
                workflow_id: cell.workflow_id.clone(),
                run_id: cell.run_id.clone(),
                from: Some(from),
                outcome,
            });
        }
        runs.sort_by(|a, b| (&a.workflow_id, &a.run_id).cmp(&(&b.workflow_id, &b.run_id)));
        Ok(UpgradeReport { digest, runs })
    }

    fn not_open(&self, workflow_id: &str) -> Result<RunUpgrade, Error> {
        let row = self.read(|reader| reader.find(workflow_id, None))?;
        let outcome = match &row {
            Some(_) => UpgradeOutcome::Closed,
            None => UpgradeOutcome::NotFound,
        };
        Ok(RunUpgrade {
            workflow_id: workflow_id.into(),
            run_id: row
                .as_ref()
                .map(|row| row.run_id.clone())
                .unwrap_or_default(),
            from: row.map(|row| row.digest),
            outcome,
        })
    }

    async fn upgrade_one(
        self: &Arc<Self>,
        cell: &Arc<RunCell>,
        digest: Digest,
        options: &UpgradeOptions,
    ) -> UpgradeOutcome {
        match self.tried_and_moved(cell, digest, options).await {
            Ok(Some(outcome)) => return outcome,
            Ok(None) => {}
            Err(error) => return UpgradeOutcome::Cannot(Obstacle::from(&error)),
        }
        UpgradeOutcome::Cannot(Obstacle {
            reason: RESTLESS.to_owned(),
            event_id: None,
            recorded: None,
            attempted: None,
            stack_trace: String::new(),
        })
    }

    /// Nothing: the run has gone on each time that it was tried.
    pub(super) async fn tried_and_moved(
        self: &Arc<Self>,
        cell: &Arc<RunCell>,
        digest: Digest,
        options: &UpgradeOptions,
    ) -> Result<Option<UpgradeOutcome>, UpgradeError> {
        for _ in 0..TRIES {
            let outcome = self.try_and_move(cell, digest, options).await?;
            if outcome.is_some() {
                return Ok(outcome);
            }
            self.wait_real(TRY_AGAIN_AFTER).await;
        }
        Ok(None)
    }

    /// Nothing: the run has gone on since it was tried.
    async fn try_and_move(
        self: &Arc<Self>,
        cell: &Arc<RunCell>,
        digest: Digest,
        options: &UpgradeOptions,
    ) -> Result<Option<UpgradeOutcome>, UpgradeError> {
        let tried_to = cell.lock().head.summary.next_event_id;
        let (host, run, trial) = (Arc::clone(self), Arc::clone(cell), !options.no_trial);
        let trying = self.tokio.spawn_blocking(move || {
            check(&host, digest, &run.workflow_type)?;
            if trial {
                try_replay(&host, digest, run.key, &run.run_id)?;
            }
            Ok::<_, UpgradeError>(())
        });
        trying
            .await
            .map_err(|error| Error::system("try the component", error))??;
        let moved = {
            let mut state = cell.lock();
            if state.phase == Phase::Closed {
                return Ok(Some(UpgradeOutcome::Closed));
            }
            let rests = state.phase == Phase::Idle
                && state.mailbox.is_empty()
                && state.head.summary.next_event_id == tried_to;
            if trial && !rests {
                return Ok(None);
            }
            if options.dry_run {
                return Ok(Some(UpgradeOutcome::Fits));
            }
            let (sender, receiver) = oneshot::channel();
            let mail = Mail {
                at: self.clock.now(),
                letter: Letter::Repin(digest),
                ack: Some(sender),
                buffered: false,
                joined: false,
                settles: None,
            };
            // Under the lock, so that no workflow task of the old component comes in between.
            if state.post([mail]) == Posted::Queue {
                self.enqueue(Arc::clone(cell));
            }
            receiver
        };
        match moved.await.map_err(|_| self.gone())?? {
            Delivery::Refused(..) => Ok(Some(UpgradeOutcome::Closed)),
            _ => Ok(Some(UpgradeOutcome::Moved)),
        }
    }
}
