//! A history piece by piece: a run may have more events than fit into memory many times over.

use super::{Found, RunHandle};
use crate::{error::Error, host::Inner, recovery::decode_summary};
use sandglass_engine::{HistoryEvent, Projector, decode};
use sandglass_store::{Place, RunKey};
use std::sync::Arc;

/// Reads the history of a run from its first event on ([`RunHandle::read_history`]). It holds what
/// later events need of earlier ones, and no event.
pub struct HistoryReader {
    inner: Arc<Inner>,
    key: RunKey,
    run_id: String,
    projector: Projector,
    /// The number of the next frame.
    next: u64,
}

impl RunHandle {
    /// Begins to read the run's history. Reads nothing yet.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run, [`Error::Store`].
    pub fn read_history(&self) -> Result<HistoryReader, Error> {
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(row) => (row.key, row.run_id.clone()),
        };
        Ok(HistoryReader {
            inner: Arc::clone(&self.inner),
            key,
            run_id,
            projector: Projector::default(),
            next: 1,
        })
    }
}

impl HistoryReader {
    /// The next events, as many as were recorded together. None: there are no more so far; asked
    /// again later, it goes on with what has come. Blocks while it reads.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Deleted`] if the run was deleted meanwhile; [`Error::Damaged`],
    /// after which it reads nothing more.
    pub fn next_events(&mut self) -> Result<Vec<HistoryEvent>, Error> {
        while let Some(bytes) = self.next_frame()? {
            let file = || self.inner.read(|reader| Ok(reader.file().to_owned()));
            let frame = match decode(&bytes) {
                Ok(frame) => frame,
                Err(error) => {
                    let place = Place {
                        table: "frame",
                        run: Some(self.key),
                        row: Some(self.next),
                    };
                    return Err(Error::undecodable(&file()?, &self.run_id, place, &error));
                }
            };
            let events = self.projector.project(frame);
            let events = events.map_err(|error| self.damaged(error.to_string()))?;
            self.next += 1;
            if !events.is_empty() {
                return Ok(events);
            }
        }
        Ok(Vec::new())
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged {
            run_id: self.run_id.clone(),
            reason,
        }
    }

    fn next_frame(&self) -> Result<Option<Vec<u8>>, Error> {
        let (key, next) = (self.key, self.next);
        let read = || self.inner.frame(key, &self.run_id, next);
        if let Some(frame) = read()? {
            return Ok(Some(frame));
        }
        // Where a page is damaged the newest frames may be missing without any other sign. The row
        // first: a frame that is committed in between is then there.
        let row = self.inner.read(|reader| reader.run(key))?;
        let Some(row) = row else {
            // One whose start is not on disk yet has no events so far.
            return match self.inner.open_run(key) {
                Some(_) => Ok(None),
                None => Err(Error::Deleted(self.run_id.clone())),
            };
        };
        let file = self.inner.read(|reader| Ok(reader.file().to_owned()))?;
        let told = decode_summary(&file, &row).map(|summary| summary.next_event_id);
        match read()? {
            Some(frame) => Ok(Some(frame)),
            None if told.is_ok_and(|told| self.projector.next_event_id() < told) => {
                if self.inner.read(|reader| reader.run(key))?.is_none() {
                    return Err(Error::Deleted(self.run_id.clone()));
                }
                let reason = format!("its frame {next} is missing");
                let error =
                    sandglass_store::Error::corrupt(&file, "frame", key, Some(next), reason);
                Err(self.damaged(error.to_string()))
            }
            None => Ok(None),
        }
    }
}
