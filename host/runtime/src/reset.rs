//! Resetting a run: a new run begins with a part of its history (R17).
//!
//! If a run of the workflow id is open, it ends first, and the new one is a row of the outbox in
//! the commit that ends it: a crash between the two loses neither.

use crate::{
    cell::{Head, Phase, RunCell},
    clock::lock,
    error::Error,
    handle::{Found, RunHandle},
    host::Inner,
    recovery::row_of_new_run,
    start::random_id,
    task::{head_after, write_of},
    writer::{Part, Submission},
};
use sandglass_engine::{
    EventId, Frame, FrameOutput, Input, Reset, ResetPoint, Run, RunSummary, Timestamp, reset,
};
use sandglass_store::{RunKey, Write};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::oneshot;

/// A request to reset a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetOptions {
    /// Where its history is cut.
    pub point: ResetPoint,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub identity: String,
    /// The request's id; made up if there is none. Asked again, it finds the run that it made.
    pub request_id: Option<String>,
}

impl ResetOptions {
    /// A request for a reset to this point.
    #[must_use]
    pub fn to(point: ResetPoint) -> Self {
        Self {
            point,
            reason: String::new(),
            identity: String::new(),
            request_id: None,
        }
    }

    pub(crate) fn into_reset(self, base_run_id: String) -> Result<Reset, Error> {
        Ok(Reset {
            base_run_id,
            new_run_id: random_id()?,
            reason: self.reason,
            identity: self.identity,
            request_id: match self.request_id {
                Some(request_id) => request_id,
                None => random_id()?,
            },
            point: self.point,
        })
    }
}

/// A run that is made and not stored.
pub(crate) struct Made {
    pub(crate) cell: Arc<RunCell>,
    pub(crate) head: Head,
    pub(crate) output: FrameOutput,
    pub(crate) write: Write,
}

/// Makes the new run of these frames.
pub(crate) fn make(
    key: RunKey,
    frames: Vec<Frame>,
    what: Reset,
    limits: sandglass_engine::Limits,
    now: Timestamp,
    workflow_id: &str,
) -> Result<Made, Error> {
    let refused = |error: sandglass_engine::ResetError| Error::Refused {
        workflow_id: workflow_id.into(),
        reason: error.to_string(),
    };
    let (run, output) = reset(frames, now, what, limits).map_err(refused)?;
    let row = row_of_new_run(key, start_of(&run), now);
    let before = Head {
        row,
        summary: RunSummary {
            next_event_id: EventId(1),
            ..RunSummary::default()
        },
        next_seq: 1,
    };
    let cell = Arc::new(RunCell::new(
        before.clone(),
        String::new(),
        Phase::Committing,
    ));
    let head = head_after(&before, &run, Some(&output), now);
    let write = write_of(&cell, &before, &head, Some(&output));
    Ok(Made {
        cell,
        head,
        output,
        write,
    })
}

fn start_of(run: &Run) -> &sandglass_engine::Start {
    run.start()
        .expect("the first record of a history is the start")
}

impl RunHandle {
    /// Makes a new run that begins with this run's history up to a point, and ends this run if it
    /// is open. Returns the new run when it is on disk.
    ///
    /// Signals, updates and news of children that came after the point are brought along, a request
    /// to cancel is not. Activities that were pending at the point are begun anew under the
    /// idempotency keys that they have; those that were scheduled later are forgotten, and what the
    /// code schedules in the new run has keys of its own. Children go on, as the new run's.
    /// [`ResetPoint::BeforeCancel`] takes back a cancellation: nothing that was done is done again.
    ///
    /// If another run of the workflow id is open, that one is ended.
    ///
    /// # Errors
    /// [`Error::Refused`] if the history cannot be cut there, [`Error::NotFound`].
    pub async fn reset(&self, options: ResetOptions) -> Result<Self, Error> {
        let host = self.host();
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        if let Some(made) = self.made_by(options.request_id.as_deref())? {
            return Ok(made);
        }
        let what = options.into_reset(run_id.clone())?;
        // A point that does not exist is found before anything is ended.
        let frames = host.frames(key, &run_id)?;
        let (limits, now) = (host.config.limits, host.clock.now());
        make(
            RunKey(0),
            frames,
            what.clone(),
            limits,
            now,
            self.workflow_id(),
        )?;
        let new_run_id = what.new_run_id.clone();
        match host.open_run_of(self.workflow_id()) {
            Some(_) => {
                let open = Self::new(host, self.workflow_id().into(), None);
                open.supersede(what).await?;
            }
            None => host.start_reset(self.workflow_id(), what).await?,
        }
        let made = Self::new(host, self.workflow_id().into(), Some(new_run_id));
        made.until_stored().await?;
        Ok(made)
    }

    /// The run that the same request has made.
    fn made_by(&self, request_id: Option<&str>) -> Result<Option<Self>, Error> {
        let newest = Self::new(self.host(), self.workflow_id().into(), None);
        let (summary, run_id) = match newest.find()? {
            Found::Open(cell) => (cell.lock().head.summary.clone(), cell.run_id.clone()),
            Found::Closed(row) => (crate::describe::summary_of(&row)?, row.run_id.clone()),
        };
        let own = request_id.is_some_and(|id| id == summary.reset_request);
        let made = || Self::new(self.host(), self.workflow_id().into(), Some(run_id));
        Ok(own.then(made))
    }

    /// Waits until the run that the outbox starts is there.
    async fn until_stored(&self) -> Result<(), Error> {
        let host = self.host();
        loop {
            let notified = host.quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            match self.find() {
                Err(Error::NotFound { .. }) if !host.is_stopping() => notified.await,
                found => return found.map(drop),
            }
        }
    }
}

impl Inner {
    /// Starts the run that a reset makes. Doing it again does nothing more.
    pub(crate) async fn start_reset(
        self: &Arc<Self>,
        workflow_id: &str,
        what: Reset,
    ) -> Result<(), Error> {
        let new_run_id = what.new_run_id.clone();
        let known = self.read(|reader| reader.find(workflow_id, Some(&new_run_id)))?;
        if known.is_some() {
            return Ok(());
        }
        let base_run_id = what.base_run_id.clone();
        let base = self.read(|reader| reader.find(workflow_id, Some(&base_run_id)))?;
        let base = base.ok_or_else(|| Error::not_found(workflow_id, Some(&base_run_id)))?;
        let frames = self.frames(base.key, &base_run_id)?;
        let key = RunKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        let (limits, now) = (self.config.limits, self.clock.now());
        let made = make(key, frames, what, limits, now, workflow_id)?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut runs = lock(&self.runs);
            if self.is_stopping() {
                return Err(Error::ShutDown);
            }
            if let Some(open) = runs.by_workflow_id.get(workflow_id) {
                return Err(Error::Refused {
                    workflow_id: workflow_id.into(),
                    reason: format!("run {} was started meanwhile", open.run_id),
                });
            }
            runs.by_workflow_id
                .insert(workflow_id.into(), Arc::clone(&made.cell));
            runs.by_key.insert(key, Arc::clone(&made.cell));
        }
        self.entered_step();
        self.writer.submit(Submission {
            successor: None,
            cell: made.cell,
            write: made.write,
            changes: made.output.changes,
            head: Some(Arc::new(made.head)),
            acks: vec![(sender, crate::cell::Delivery::Recorded)],
            part: Part::Step,
        });
        receiver.await.map_err(|_| self.gone())??;
        Ok(())
    }
}

/// What ends the run that is reset.
pub(crate) fn ending(what: &Reset) -> Input {
    Input::Superseded(Box::new(what.clone()))
}
