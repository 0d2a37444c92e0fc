//! Queries: questions about a run that change nothing and are recorded nowhere.

use crate::{
    bounds,
    handle::{Found, RunHandle},
    message::MessageError,
    side::{self, Sight},
};
use sandglass_engine::{Payload, Query, Status};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a query or update waits for its answer, unless it says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// A question about a run's state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct QueryOptions {
    /// Which handler of the run's code is asked.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Which runs are not asked.
    pub reject: QueryReject,
    /// How long to wait for the answer. Default: 10 s.
    pub timeout: Option<Duration>,
}

/// Which runs a query is not put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryReject {
    /// It is put to every run.
    #[default]
    None,
    /// Not to one that has ended.
    NotOpen,
    /// Not to one that has ended otherwise than by returning a value.
    NotCompletedCleanly,
}

impl QueryOptions {
    /// A question without arguments.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds an argument that is a JSON text.
    #[must_use]
    pub fn json(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(Payload::json(text));
        self
    }

    pub(crate) fn into_query(self) -> Query {
        Query {
            name: self.name,
            arguments: self.arguments,
            header: self.header,
        }
    }
}

impl QueryReject {
    /// # Errors
    /// [`MessageError::Rejected`] if a run that stands so is not to be asked.
    pub(crate) fn check(self, status: &Status) -> Result<(), MessageError> {
        let asked = match self {
            Self::None => true,
            Self::NotOpen => *status == Status::Running,
            Self::NotCompletedCleanly => {
                matches!(status, Status::Running | Status::Completed { .. })
            }
        };
        if asked {
            return Ok(());
        }
        Err(MessageError::Rejected(status.clone()))
    }
}

impl RunHandle {
    /// Asks the run's code a question. Nothing is recorded, and nothing in the run changes.
    ///
    /// The answer takes into account every input that was acknowledged before: it is given once
    /// no workflow task is pending. It comes from a copy of the run, made by replay, so it costs a
    /// replay unless nothing has happened since the last question. A run that has ended is asked
    /// like any other.
    ///
    /// While the run's workflow task waits for local activities it is pending: the question, and
    /// the validation of an update, waits for their end, or passes its timeout.
    ///
    /// # Errors
    /// [`MessageError::Failed`] if the code answers with a failure, [`MessageError::Trapped`] if it
    /// does what a query must not, [`MessageError::Failing`] if the run's workflow tasks fail,
    /// [`MessageError::Rejected`], [`MessageError::DeadlineExceeded`], or that there is no such
    /// run.
    pub async fn query(&self, options: QueryOptions) -> Result<Payload, MessageError> {
        let host = self.host();
        host.check_size("the arguments", &options.arguments)?;
        bounds::names(&[("QueryType", &options.name)])?;
        let (inner, handle) = (std::sync::Arc::clone(host), self.clone());
        let limit = options.timeout.unwrap_or(TIMEOUT);
        side::within(host, limit, async move {
            let reject = options.reject;
            let (sight, status, run_id) = match handle.find()? {
                Found::Closed(row) => {
                    let status = crate::describe::summary_of(&row)?.status;
                    (Sight::of_row(&row)?, status, row.run_id.clone())
                }
                Found::Open(cell) => {
                    let (sight, status) = Sight::settled(&cell).await?;
                    (sight, status, cell.run_id.clone())
                }
            };
            reject.check(&status)?;
            let query = options.into_query();
            let asked = side::look(&inner, sight, run_id, move |instance, task| {
                instance.query(&query, task)
            });
            let (_, answer) = asked.await?;
            answer.map_err(MessageError::Failed)
        })
        .await
    }
}
