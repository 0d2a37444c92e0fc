//! What operators do with a run beside canceling it: terminate, pause, unpause, cancel one scope.

use super::{Found, RunHandle};
use crate::error::Error;
use sandglass_engine::{
    Frame, Input, OpenScopeView, OperatorRequest, OperatorTarget, Payload, Record, Reset, ScopeId,
    replay,
};
use serde::{Deserialize, Serialize};

/// A request to end a run at once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TerminateOptions {
    /// Why.
    pub reason: String,
    /// Who asks.
    pub identity: String,
    /// Values that describe it.
    pub details: Vec<Payload>,
    /// The request's id. Asked again with it, a run that it has ended is no error.
    pub request_id: Option<String>,
}

impl TerminateOptions {
    /// A request of somebody, for a reason.
    #[must_use]
    pub fn new(reason: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            identity: identity.into(),
            ..Self::default()
        }
    }

    pub(crate) fn into_input(self) -> Input {
        Input::Terminated {
            reason: self.reason,
            identity: self.identity,
            details: self.details,
            request_id: self.request_id.unwrap_or_default(),
        }
    }
}

/// Whether the request to terminate with this id is what ended a run.
pub(crate) fn terminated_by(frames: &[Frame], request_id: &str) -> bool {
    let records = frames.iter().rev().flat_map(|frame| &frame.records);
    let mut inputs = records.flat_map(Record::inputs);
    inputs.any(|(_, input)| match input {
        Input::Terminated {
            request_id: own, ..
        } => own == request_id && !own.is_empty(),
        _ => false,
    })
}

/// The open scopes of a run with these frames.
///
/// # Errors
/// The frames contradict each other; the text says how.
pub fn open_scopes(frames: Vec<Frame>) -> Result<Vec<OpenScopeView>, String> {
    let run = replay(frames, None).map_err(|error| error.to_string())?;
    Ok(run.open_scopes())
}

impl RunHandle {
    /// As [`RunHandle::terminate`], with details that the history shows. With a request id it can
    /// be asked again if the answer was lost (R39).
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Closed`] if it had ended otherwise, or [`Error::TooLarge`].
    pub async fn terminate_with(&self, options: TerminateOptions) -> Result<(), Error> {
        self.inner.check_size("the details", &options.details)?;
        let request_id = options.request_id.clone();
        let done = self.input(options.into_input()).await;
        match (done, request_id) {
            (Err(Error::Closed { .. }), Some(request_id)) if self.ended_by(&request_id)? => Ok(()),
            (done, _) => done,
        }
    }

    /// Whether a request to terminate the run with this id is what ended it.
    fn ended_by(&self, request_id: &str) -> Result<bool, Error> {
        let row = self.stored(self.run_id.as_deref())?;
        let frames = self.inner.frames(row.key, &row.run_id)?;
        Ok(terminated_by(&frames, request_id))
    }

    /// Holds the run: until [`RunHandle::unpause`] no workflow task is begun. Inputs are recorded,
    /// timers fire, activities go on; terminate, force and limits on time act at once. Returns when
    /// it is on disk; a workflow task that is running ends first.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is paused already, [`Error::NotFound`], [`Error::Closed`].
    pub async fn pause(&self, request: OperatorRequest) -> Result<(), Error> {
        self.input(Input::Paused(request)).await
    }

    pub(crate) async fn supersede(&self, what: Reset) -> Result<(), Error> {
        self.input(crate::reset::ending(&what)).await
    }

    /// Lets a paused run go on. A workflow task follows, even if there is nothing new.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is not paused, [`Error::NotFound`], [`Error::Closed`].
    pub async fn unpause(&self, request: OperatorRequest) -> Result<(), Error> {
        self.input(Input::Unpaused(request)).await
    }

    /// Cancels one scope of the run other than the root, as its own code could.
    /// [`RunHandle::open_scopes`] tells which there are.
    ///
    /// # Errors
    /// [`Error::Refused`] if the scope is not open or was canceled, [`Error::NotFound`],
    /// [`Error::Closed`].
    pub async fn cancel_scope(
        &self,
        scope: ScopeId,
        request: OperatorRequest,
    ) -> Result<(), Error> {
        let target = OperatorTarget::Scope(scope);
        self.input(Input::OperatorCanceled { target, request })
            .await
    }

    /// The run's open scopes and what is pending in each, as of its last committed frame. Rebuilds
    /// the run's state, which takes time that grows with its history.
    ///
    /// # Errors
    /// As [`RunHandle::history`].
    pub async fn open_scopes(&self) -> Result<Vec<OpenScopeView>, Error> {
        let (key, run_id) = match self.find()? {
            Found::Open(cell) => (cell.key, cell.run_id.clone()),
            Found::Closed(_) => return Ok(Vec::new()),
        };
        open_scopes(self.inner.frames(key, &run_id)?)
            .map_err(|reason| Error::Damaged { run_id, reason })
    }
}
