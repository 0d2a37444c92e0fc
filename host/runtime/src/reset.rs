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
    recovery::{decode_summary, row_of_new_run},
    start::random_id,
    task::{head_after, write_of},
    writer::{Part, Submission},
};
use sandglass_engine::{
    Effect, EventId, Frame, FrameOutput, Input, Reset, ResetPoint, Run, RunSummary, Timestamp,
    reset,
};
use sandglass_store::{ListFilter, Reader, RunKey, RunRow, Write, is_last_page};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How often it is looked whether the host has stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Runs that are read at once.
const PAGE: usize = 100;

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
        let request_id = self.request_id.as_deref().unwrap_or_default();
        crate::bounds::request(&self.reason, &self.identity, request_id)?;
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
    /// code schedules in the new run has keys of its own. Children go on, as the new run's. The
    /// run's random bytes are the old run's, also after the point: an id that the code draws again
    /// is the same one.
    /// [`ResetPoint::BeforeCancel`] takes back a cancellation: nothing that was done is done again.
    ///
    /// If another run of the workflow id is open, that one is ended.
    ///
    /// # Errors
    /// [`Error::Refused`] if the history cannot be cut there, [`Error::UnknownComponent`] if the
    /// component that the history began with was removed, [`Error::NotFound`], [`Error::ShutDown`].
    pub async fn reset(&self, options: ResetOptions) -> Result<Self, Error> {
        let host = self.host();
        host.until_reset(self.workflow_id()).await?;
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        let request_id = options.request_id.clone();
        if let Some(made) = self.made_by(key, request_id.as_deref())? {
            return Ok(made);
        }
        let what = options.into_reset(run_id.clone())?;
        // A point that does not exist is found before anything is ended.
        let frames = host.frames(key, &run_id)?;
        let (limits, now) = (host.config.limits, host.clock.now());
        let tried = make(
            RunKey(0),
            frames,
            what.clone(),
            limits,
            now,
            self.workflow_id(),
        )?;
        // Nor does one whose component was removed, or is while this lasts.
        let digest = tried.head.row.digest;
        let _kept = host.components.upgrading(host, digest).await?;
        let new_run_id = what.new_run_id.clone();
        loop {
            let taken = match host.take_for_reset(self.workflow_id(), &new_run_id) {
                Taken::Free(taken) => taken,
                Taken::Open => {
                    let open = Self::new(host, self.workflow_id().into(), None);
                    match open.supersede(what.clone()).await {
                        Ok(()) => break,
                        // It ended by itself, or was reset, meanwhile.
                        Err(Error::Closed { .. }) => tokio::task::yield_now().await,
                        Err(error) => return Err(error),
                    }
                    continue;
                }
                Taken::Other => {
                    host.until_reset(self.workflow_id()).await?;
                    if let Some(made) = self.made_by(key, request_id.as_deref())? {
                        return Ok(made);
                    }
                    continue;
                }
            };
            host.start_reset(self.workflow_id(), what).await?;
            drop(taken);
            break;
        }
        let made = Self::new(host, self.workflow_id().into(), Some(new_run_id));
        host.until_reset(self.workflow_id()).await?;
        match made.find() {
            Err(Error::NotFound { .. }) => Err(Error::Refused {
                workflow_id: self.workflow_id().into(),
                reason: "the run that it makes could not be started; the host's log says why"
                    .into(),
            }),
            found => found.map(|_| made),
        }
    }

    /// The run that the same request has made: one that came after the base run, whatever has
    /// followed it.
    fn made_by(&self, base: RunKey, request_id: Option<&str>) -> Result<Option<Self>, Error> {
        let Some(request_id) = request_id else {
            return Ok(None);
        };
        let host = self.host();
        let made =
            host.read(|reader| Ok(made_by(reader, self.workflow_id(), base, request_id)))??;
        Ok(made.map(|row| Self::new(host, self.workflow_id().into(), Some(row.run_id))))
    }
}

/// The run that a request to reset this run, or an older one, has made.
pub(crate) fn made_by(
    reader: &dyn Reader,
    workflow_id: &str,
    base: RunKey,
    request_id: &str,
) -> Result<Option<RunRow>, Error> {
    let filter = ListFilter {
        workflow_id: Some(workflow_id.into()),
        ..ListFilter::default()
    };
    let mut after = None;
    loop {
        let rows = reader.list(&filter, PAGE, after)?;
        let is_last = is_last_page(&rows, PAGE);
        for row in rows {
            let row = row?;
            if row.key <= base {
                return Ok(None);
            }
            if decode_summary(reader.file(), &row)?.reset_request == request_id {
                return Ok(Some(row));
            }
            after = Some(row.key);
        }
        if is_last {
            return Ok(None);
        }
    }
}

/// Whose a workflow id is when a run of it is to be reset.
enum Taken<'a> {
    /// Nobody's: it is kept for the run that is to be made.
    Free(Kept<'a>),
    /// A run of it is open, and has to end first.
    Open,
    /// Another reset's.
    Other,
}

/// Keeps a workflow id for a run that a reset makes.
struct Kept<'a> {
    host: &'a Inner,
    workflow_id: &'a str,
    new_run_id: &'a str,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.host.reset_is_over(self.workflow_id, self.new_run_id);
    }
}

impl Inner {
    fn take_for_reset<'a>(&'a self, workflow_id: &'a str, new_run_id: &'a str) -> Taken<'a> {
        let mut runs = lock(&self.runs);
        if runs.resetting.contains_key(workflow_id) {
            return Taken::Other;
        }
        if runs.by_workflow_id.contains_key(workflow_id) {
            return Taken::Open;
        }
        let made = BTreeSet::from([new_run_id.to_owned()]);
        runs.resetting.insert(workflow_id.into(), made);
        Taken::Free(Kept {
            host: self,
            workflow_id,
            new_run_id,
        })
    }

    /// Keeps the workflow id for the run that this effect starts, until
    /// [`Inner::reset_is_over`]: nobody else is to come in between, and what is meant for the
    /// run that was reset waits for the new one.
    pub(crate) fn keep_for_reset(&self, effect: &Effect) {
        if let Effect::StartReset { workflow_id, reset } = effect {
            let mut runs = lock(&self.runs);
            let made = runs.resetting.entry(workflow_id.clone()).or_default();
            made.insert(reset.new_run_id.clone());
        }
    }

    pub(crate) fn reset_is_over(&self, workflow_id: &str, new_run_id: &str) {
        let mut runs = lock(&self.runs);
        if let Some(made) = runs.resetting.get_mut(workflow_id) {
            made.remove(new_run_id);
            if made.is_empty() {
                runs.resetting.remove(workflow_id);
            }
        }
        drop(runs);
        self.quiet.notify_waiters();
    }

    pub(crate) fn is_being_reset(&self, workflow_id: &str) -> bool {
        lock(&self.runs).resetting.contains_key(workflow_id)
    }

    /// Waits while a run of this workflow id has ended for a reset, and the new one is not there.
    pub(crate) async fn until_reset(&self, workflow_id: &str) -> Result<(), Error> {
        while self.is_being_reset(workflow_id) {
            let notified = self.quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.is_being_reset(workflow_id) {
                break;
            }
            if self.is_stopping() {
                return Err(Error::ShutDown);
            }
            tokio::select! {
                () = notified => {}
                // Nobody tells of the host's end.
                () = self.wait_real(LOOK_AGAIN) => {}
            }
        }
        Ok(())
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
        let key = self.new_key();
        let (limits, now) = (self.config.limits, self.clock.now());
        let made = make(key, frames, what, limits, now, workflow_id)?;
        let (sender, receiver) = oneshot::channel();
        // Its component is not removed meanwhile.
        let settled = self.components.settled().await;
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
        drop(settled);
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
