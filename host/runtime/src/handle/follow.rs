//! What those need who show a run as it goes on: how it was started, and what is new in it.

use super::{Found, RunHandle};
use crate::error::Error;
use sandglass_engine::{EventId, Frame, HistoryEvent, Input, Record, Start, decode};

impl RunHandle {
    /// How and why the run was started. It never changes; of a run that was made by a reset it is
    /// the start of the run whose history it began with.
    ///
    /// # Errors
    /// As [`RunHandle::history`].
    pub async fn started(&self) -> Result<Start, Error> {
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        let first = self.inner.frame(key, &run_id, 1)?;
        // A run whose start is not on disk yet is not there for anybody else.
        let first = first.ok_or_else(|| Error::not_found(&self.workflow_id, Some(&run_id)))?;
        let damaged = |reason: String| Error::Damaged {
            run_id: run_id.clone(),
            reason: format!("its first frame cannot be read: {reason}"),
        };
        let frame: Frame = decode(&first).map_err(|error| damaged(error.to_string()))?;
        let mut inputs = frame.records.iter().flat_map(Record::inputs);
        match inputs.next() {
            Some((_, Input::Started(start))) => Ok(start.as_ref().clone()),
            _ => Err(damaged("it does not begin with a start".into())),
        }
    }
    /// Waits until the run has an event after this one, or has ended.
    ///
    /// # Errors
    /// As [`RunHandle::history`], and [`Error::ShutDown`] if the host ends first.
    pub async fn wait_after(&self, event_id: EventId) -> Result<(), Error> {
        let Found::Open(cell) = self.find()? else {
            return Ok(());
        };
        let mut progress = cell.progress.subscribe();
        drop(cell);
        let newer = progress.wait_for(|now| now.next_event_id.0 > event_id.0 + 1 || now.is_final());
        let newer = newer.await.map_err(|_| Error::ShutDown)?;
        match newer.stopped && newer.closed.is_none() {
            true => Err(Error::ShutDown),
            false => Ok(()),
        }
    }

    /// The events after this one; waits until there is one, or the run has ended. Empty: it has
    /// ended, and there are no more.
    ///
    /// # Errors
    /// As [`RunHandle::wait_after`].
    pub async fn history_after(&self, event_id: EventId) -> Result<Vec<HistoryEvent>, Error> {
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        // The same run, also if another has followed it by then.
        let mut exact = self.clone();
        exact.run_id = Some(run_id.clone());
        exact.first_run_id = None;
        exact.wait_after(event_id).await?;
        let mut events = self.history_of(key, &run_id)?;
        events.retain(|event| event.event_id > event_id);
        Ok(events)
    }
}
