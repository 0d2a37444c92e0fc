//! How a run was started, for those who show it.

use super::{Found, RunHandle};
use crate::error::Error;
use sandglass_engine::{Frame, Input, Record, Start, decode};

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
        let first = self.inner.read(|reader| reader.frame(key, 1))?;
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
}
