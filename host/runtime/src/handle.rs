//! What clients do with a run: cancel, terminate, signal, wait, look.

mod delete;
mod follow;
mod operate;
mod options;
mod pieces;

pub(crate) use delete::ending as ending_of_deleted;
pub(crate) use operate::terminated_by;
pub use operate::{TerminateOptions, open_scopes};
pub use options::{CancelOptions, CancelResponse, Disposition, ForceOptions};
pub(crate) use options::{canceled_by, forced_by};
pub use pieces::HistoryReader;

use crate::{
    bounds,
    cell::{Delivery, Letter, RunCell},
    describe::{RunDescription, RunListing, describe, summary_of},
    error::Error,
    host::{Host, Inner},
    keep,
};
use sandglass_engine::{
    HistoryEvent, Input, InputError, Payload, RunSummary, Signal, Status, broken,
};
use sandglass_store::{ListFilter, RunKey, RunRow, RunStatus};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// A request to cancel that was not recorded in this time is stored beside the history: a workflow
/// task takes long. As long as one may take before its own inputs are stored.
const KEEP_AFTER: Duration = Duration::from_millis(2);

/// Bytes of frames after which a page of them ends.
const FRAMES_PAGE: usize = 1 << 20;

/// Most runs of one [`Host::list`].
const LIST_MAX: usize = 1000;

/// One run, by its ids. Cheap; need not exist yet.
#[derive(Clone)]
pub struct RunHandle {
    inner: Arc<Inner>,
    workflow_id: String,
    run_id: Option<String>,
    /// The first run of the chain that requests are for, whichever of its runs is the current one.
    first_run_id: Option<String>,
}

/// A run as it is found.
pub(crate) enum Found {
    Open(Arc<RunCell>),
    Closed(Box<RunRow>),
}

impl Found {
    fn first_run_id(&self) -> &str {
        match self {
            Self::Open(cell) => &cell.first_run_id,
            Self::Closed(row) => &row.first_run_id,
        }
    }
}

/// Runs before the current one in which a repeated request to cancel is looked for.
const RUNS_BEFORE: usize = 10;

/// What became of an input, at the run that it reached.
enum Sent {
    Delivered(Arc<RunCell>, Delivery),
    Closed(Box<RunRow>),
}

impl RunHandle {
    pub(crate) fn new(inner: &Arc<Inner>, workflow_id: String, run_id: Option<String>) -> Self {
        Self {
            inner: Arc::clone(inner),
            workflow_id,
            run_id,
            first_run_id: None,
        }
    }

    /// The same handle, whose requests go to the current run of this chain.
    pub(crate) fn chained(mut self, first_run_id: &str) -> Self {
        self.first_run_id = Some(first_run_id.into());
        self
    }

    /// A handle for the chain that begins with this run: all it is asked for concerns the current
    /// run, but only if that is of this chain (R4). If another chain's is open there is no run; if
    /// the workflow id has no open run, the last one answers.
    #[must_use]
    pub fn of_chain(mut self, first_run_id: &str) -> Self {
        self.run_id = None;
        self.chained(first_run_id)
    }

    /// The workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// The run id, if the handle is for one run and not for the newest.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    pub(crate) fn host(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The run that the handle is for: exactly its run, or the current one.
    pub(crate) fn find(&self) -> Result<Found, Error> {
        match &self.run_id {
            Some(run_id) => self.find_run(Some(run_id)),
            None => self.find_current(),
        }
    }

    /// The run that requests go to: the current one of the chain, if the handle is for a chain.
    fn find_current(&self) -> Result<Found, Error> {
        let Some(first) = &self.first_run_id else {
            return self.find_run(self.run_id.as_deref());
        };
        let found = self.find_run(None)?;
        match (found.first_run_id() == first, &self.run_id) {
            (true, _) => Ok(found),
            // The chain has ended, and the workflow id was used again.
            (false, Some(run_id)) => self.find_run(Some(run_id)),
            (false, None) if matches!(found, Found::Closed(_)) => Ok(found),
            (false, None) => Err(Error::not_found(&self.workflow_id, Some(first))),
        }
    }

    /// Whether requests go to a run that follows the one they were sent to.
    fn follows(&self) -> bool {
        self.run_id.is_none() || self.first_run_id.is_some()
    }

    fn find_run(&self, wanted: Option<&str>) -> Result<Found, Error> {
        let wanted = wanted.filter(|_| !broken("R4"));
        let open = |run: &Arc<RunCell>| wanted.is_none_or(|run_id| run_id == run.run_id);
        if let Some(cell) = self.inner.open_run_of(&self.workflow_id).filter(open) {
            return Ok(Found::Open(cell));
        }
        let row = self.stored(wanted)?;
        // It was started, or has not been forgotten, between the two looks.
        if let Some(cell) = self.inner.open_run(row.key) {
            return Ok(Found::Open(cell));
        }
        if row.status != RunStatus::Running {
            return Ok(Found::Closed(Box::new(row)));
        }
        if self.inner.is_stopping() {
            return Err(Error::ShutDown);
        }
        // It ended between the two looks, or is one that the host could not take up.
        let row = self.stored(Some(&row.run_id))?;
        if row.status == RunStatus::Running {
            return Err(Error::Damaged {
                run_id: row.run_id,
                reason: "it is open but was not taken up; the host's log says why".into(),
            });
        }
        Ok(Found::Closed(Box::new(row)))
    }

    fn stored(&self, run_id: Option<&str>) -> Result<RunRow, Error> {
        self.inner
            .read(|reader| reader.find(&self.workflow_id, run_id))?
            .ok_or_else(|| Error::not_found(&self.workflow_id, run_id))
    }

    /// Posts an input and waits until it is on disk, or refused.
    async fn send(&self, cell: &Arc<RunCell>, letter: Letter) -> Result<Delivery, Error> {
        if self.inner.is_stopping() {
            return Err(Error::ShutDown);
        }
        let is_cancel = matches!(letter, Letter::Input(Input::CancelRequested(_)));
        let (sender, mut receiver) = oneshot::channel();
        self.inner.send(cell, letter, Some(sender));
        let answer = tokio::select! {
            biased;
            answer = &mut receiver => answer,
            // A workflow task takes long: the request is not to wait for its end (R1).
            () = self.inner.wait_real(KEEP_AFTER), if is_cancel => {
                keep::keep_cancel(&self.inner, cell);
                receiver.await
            }
        };
        answer.map_err(|_| self.inner.gone())?
    }

    /// The error for what needs an open run.
    pub(crate) fn closed(&self, status: Status) -> Error {
        Error::Closed {
            workflow_id: self.workflow_id.clone(),
            status: Box::new(status),
        }
    }

    /// Sends an input to the run that requests go to, or to the one that follows it if it ends
    /// meanwhile.
    async fn deliver(&self, input: Input) -> Result<Sent, Error> {
        bounds::input(&input)?;
        loop {
            if self.follows() {
                // What is meant for the run that is being made is not to find the one before.
                self.inner.until_reset(&self.workflow_id).await?;
            }
            let cell = match self.find_current()? {
                Found::Closed(_)
                    if self.follows() && self.inner.is_being_reset(&self.workflow_id) =>
                {
                    continue;
                }
                Found::Closed(row) => return Ok(Sent::Closed(row)),
                Found::Open(cell) => cell,
            };
            let delivery = self.send(&cell, Letter::Input(input.clone())).await?;
            let ended = matches!(delivery, Delivery::Refused(InputError::Closed, _));
            if !(ended && self.follows()) {
                return Ok(Sent::Delivered(cell, delivery));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends an input that needs an open run.
    async fn input(&self, input: Input) -> Result<(), Error> {
        let closed = |status| Err(self.closed(status));
        match self.deliver(input).await? {
            Sent::Closed(row) => closed(summary_of(&row)?.status),
            Sent::Delivered(_, delivery) => match delivery {
                // The same request was recorded before: what was asked for is done.
                Delivery::Recorded | Delivery::Refused(InputError::Duplicate, _) => Ok(()),
                Delivery::Refused(error @ InputError::TooManySignals(_), _) => {
                    Err(Error::LimitExceeded(error.to_string()))
                }
                Delivery::Refused(InputError::Closed, status) => closed(status),
                Delivery::Refused(error, _) => Err(Error::Refused {
                    workflow_id: self.workflow_id.clone(),
                    reason: error.to_string(),
                }),
            },
        }
    }

    /// Asks the run to end by itself. Returns when the request is on disk; never waits for the
    /// run's code.
    ///
    /// The code is told once, by an event; its operations in cancellable scopes are canceled. It
    /// may clean up, and may go on. The first request counts, later ones are only counted. With a
    /// request id it can be asked again if the answer was lost: that is the same request.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run. A closed run is no error.
    pub async fn cancel(&self, options: CancelOptions) -> Result<CancelResponse, Error> {
        let now = self.inner.clock.now();
        if let Some(request_id) = &options.request_id
            && let Some(row) = self.canceled_before(request_id)?
        {
            return Ok(CancelResponse {
                run_id: row.run_id.clone(),
                disposition: Disposition::Recorded,
                repeats: summary_of(&row)?.cancel_repeats,
                killed: 0,
            });
        }
        let request = options.into_request(now)?;
        let request_id = request.request_id.clone();
        let (cell, delivery) = match self.deliver(Input::CancelRequested(request)).await? {
            Sent::Delivered(cell, delivery) => (cell, delivery),
            Sent::Closed(_) if broken("R3") => {
                return Err(Error::not_found(&self.workflow_id, self.run_id.as_deref()));
            }
            Sent::Closed(row) => {
                let summary = summary_of(&row)?;
                let disposition = match canceled_by(&summary, &request_id) {
                    true => Disposition::Recorded,
                    false => Disposition::AlreadyClosed(summary.status),
                };
                return Ok(CancelResponse {
                    run_id: row.run_id,
                    disposition,
                    repeats: summary.cancel_repeats,
                    killed: 0,
                });
            }
        };
        let state = cell.lock();
        let disposition = match delivery {
            Delivery::Recorded => Disposition::Recorded,
            Delivery::Refused(..) if state.was_canceled_by(&request_id) => Disposition::Recorded,
            Delivery::Refused(InputError::AlreadyRequested, _) => Disposition::AlreadyRequested,
            Delivery::Refused(_, status) => Disposition::AlreadyClosed(status),
        };
        Ok(CancelResponse {
            run_id: cell.run_id.clone(),
            disposition,
            repeats: state.repeats(),
            killed: 0,
        })
    }

    /// A run that the current one follows, if this request has canceled that: asked again, it is
    /// the same request, also if the code let it go and continued as new (R39). Of a chain that
    /// has gone on for longer only the last runs are looked at.
    fn canceled_before(&self, request_id: &str) -> Result<Option<RunRow>, Error> {
        if request_id.is_empty() || !self.follows() {
            return Ok(None);
        }
        let Found::Open(cell) = self.find_current()? else {
            return Ok(None);
        };
        let mut before = {
            let state = cell.lock();
            let known = state.was_canceled_by(request_id);
            let before = state.head.summary.chain.continued_from.clone();
            before.filter(|_| !known)
        };
        for _ in 0..RUNS_BEFORE {
            let Some(run_id) = before else { break };
            let row = match self.stored(Some(&run_id)) {
                // It was deleted, and nothing is known of those before it.
                Err(Error::NotFound { .. }) => break,
                row => row?,
            };
            let summary = summary_of(&row)?;
            if canceled_by(&summary, request_id) {
                return Ok(Some(row));
            }
            before = summary.chain.continued_from;
        }
        Ok(None)
    }

    /// Ends the run as canceled at once, without its code and without compensation. Returns when
    /// that is on disk. For runs that do not end by themselves after [`RunHandle::cancel`].
    ///
    /// A workflow task that is running is interrupted. Attempts of activities are told that the run
    /// is gone; they may run on until their limit on time, and change nothing (S49). With
    /// [`ForceOptions::kill`] they are ended at once; of a run that had ended those that are left.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run. A closed run is no error.
    pub async fn force(&self, options: ForceOptions) -> Result<CancelResponse, Error> {
        let (kill, request_id) = (options.kill, options.request_id.clone());
        let closed = |run_id: &str, summary: &RunSummary| CancelResponse {
            run_id: run_id.into(),
            disposition: match forced_by(summary, request_id.as_deref()) {
                true => Disposition::Recorded,
                false => Disposition::AlreadyClosed(summary.status.clone()),
            },
            repeats: 0,
            killed: 0,
        };
        // Attempts that are left over from a run that has ended (R29).
        let left_over = |key| match kill {
            true => self.inner.dispatch.kill(key),
            false => 0,
        };
        Ok(match self.deliver(options.into_input()?).await? {
            Sent::Delivered(cell, Delivery::Recorded) => CancelResponse {
                run_id: cell.run_id.clone(),
                disposition: Disposition::Recorded,
                repeats: 0,
                killed: 0,
            },
            Sent::Delivered(cell, Delivery::Refused(..)) => CancelResponse {
                killed: left_over(cell.key),
                ..closed(&cell.run_id, &cell.lock().head.summary)
            },
            Sent::Closed(row) => CancelResponse {
                killed: left_over(row.key),
                ..closed(&row.run_id, &summary_of(&row)?)
            },
        })
    }

    /// Ends the run at once, without its code. Returns when that is on disk. A workflow task that
    /// is running is interrupted; attempts of activities find that the run is gone, and may run on.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Closed`] if it had ended.
    pub async fn terminate(&self, reason: &str, identity: &str) -> Result<(), Error> {
        self.terminate_with(TerminateOptions::new(reason, identity))
            .await
    }

    /// Sends the run a message. Returns when it is on disk. With a request id it can be sent again
    /// if the answer was lost: the run gets it once.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Closed`] if it had ended, or [`Error::TooLarge`].
    pub async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.inner.check_size("the arguments", &signal.arguments)?;
        self.inner.check_header(&signal.header)?;
        self.input(Input::Signaled(signal)).await
    }

    /// Sends the run a message with payloads.
    ///
    /// # Errors
    /// As [`RunHandle::signal`].
    pub async fn signal_named(&self, name: &str, arguments: Vec<Payload>) -> Result<(), Error> {
        self.signal(Signal {
            name: name.into(),
            arguments,
            ..Signal::default()
        })
        .await
    }

    /// Waits until the run has ended, and those that follow it by continue-as-new, its retry policy
    /// or a cron schedule, and tells how the last one did.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run; [`Error::ShutDown`] if the host ends first: the
    /// run goes on in the next one.
    pub async fn result(&self) -> Result<Status, Error> {
        let mut found = self.find()?;
        loop {
            let (status, successor) = match found {
                Found::Closed(row) => {
                    let summary = summary_of(&row)?;
                    (summary.status, summary.chain.successor)
                }
                Found::Open(cell) => self.ended(cell).await?,
            };
            match successor {
                Some(run_id) => found = self.find_run(Some(&run_id))?,
                None => return Ok(status),
            }
        }
    }

    /// Waits until this run has ended, also if another follows it. Tells how it did.
    ///
    /// # Errors
    /// As [`RunHandle::result`].
    pub async fn wait_closed(&self) -> Result<Status, Error> {
        match self.find()? {
            Found::Closed(row) => Ok(summary_of(&row)?.status),
            Found::Open(cell) => Ok(self.ended(cell).await?.0),
        }
    }

    /// Waits until a run has ended. How it did, and which one follows.
    async fn ended(&self, cell: Arc<RunCell>) -> Result<(Status, Option<String>), Error> {
        let progress = cell.progress.subscribe();
        let mut over = cell.over();
        drop(cell);
        let waited = over.wait_for(|over| *over).await;
        waited.map_err(|_| Error::ShutDown)?;
        let over = progress.borrow();
        if over.stopped && over.closed.is_none() {
            return Err(Error::ShutDown);
        }
        match over.closed.clone() {
            Some(status) => Ok((status, over.successor.clone())),
            None => Err(Error::not_found(&self.workflow_id, self.run_id.as_deref())),
        }
    }

    /// Describes the run as it stands now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run, [`Error::Store`], [`Error::Damaged`].
    pub async fn describe(&self) -> Result<RunDescription, Error> {
        match self.find()? {
            Found::Open(cell) => Ok(describe(&self.inner, &cell)),
            Found::Closed(row) => RunDescription::closed(&row),
        }
    }

    /// The run's history as far as it is on disk.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run, [`Error::Store`], [`Error::Damaged`].
    pub async fn history(&self) -> Result<Vec<HistoryEvent>, Error> {
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        self.history_of(key, &run_id)
    }

    /// Frames of the run as they are on disk, from this number on, until they are a page; none if
    /// there are no more.
    pub(crate) fn stored_frames(&self, first: u64) -> Result<Vec<Vec<u8>>, Error> {
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        if first <= 1 {
            // Whether all of them are there and can be read is told before the first is given.
            self.inner.frames(key, &run_id)?;
        }
        let (mut page, mut bytes) = (Vec::new(), 0);
        for number in first.max(1).. {
            let frame = self.inner.frame(key, &run_id, number)?;
            let Some(frame) = frame.filter(|_| bytes < FRAMES_PAGE) else {
                break;
            };
            bytes += frame.len();
            page.push(frame);
        }
        Ok(page)
    }

    pub(crate) fn history_of(&self, key: RunKey, run_id: &str) -> Result<Vec<HistoryEvent>, Error> {
        let frames = self.inner.frames(key, run_id)?;
        sandglass_engine::history(frames).map_err(|error| Error::Damaged {
            run_id: run_id.into(),
            reason: error.to_string(),
        })
    }
}

impl Host {
    /// The run with this run id, or the newest run of this workflow id.
    #[must_use]
    pub fn run(&self, workflow_id: impl Into<String>, run_id: Option<&str>) -> RunHandle {
        RunHandle::new(&self.inner, workflow_id.into(), run_id.map(Into::into))
    }

    /// Lists runs, newest first, at most 1,000 and about 4 MiB of what is kept with them. The next
    /// page starts after the last run's key; after the last page comes an empty one.
    ///
    /// # Errors
    /// [`Error::Store`]. A run whose row is damaged is left out and logged.
    pub async fn list(
        &self,
        filter: &ListFilter,
        limit: usize,
        after: Option<RunKey>,
    ) -> Result<Vec<(RunKey, RunListing)>, Error> {
        let rows = self
            .inner
            .read(|reader| reader.list(filter, limit.min(LIST_MAX), after))?;
        let listings = rows.into_iter().filter_map(|row| {
            let listing = row
                .map_err(Error::from)
                .and_then(|row| Ok((row.key, RunListing::from_row(&row)?)));
            listing
                .inspect_err(|error| tracing::error!(%error, "a run cannot be listed"))
                .ok()
        });
        Ok(listings.collect())
    }
}
