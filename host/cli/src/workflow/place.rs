//! Looking at runs: at a server, or in a store file.

use super::stored;
use crate::{
    args::PlaceArgs,
    exit::{OrStop as _, Stop},
    run::stop,
};
use sandglass::{Error, RunDescription, RunStart, open_scopes, remote::Client, stored_frames};
use sandglass_engine::{Frame, HistoryEvent, OpenScopeView, Status};
use sandglass_store::{ListFilter, Owner, Reader as _, RunKey, RunRow, RunStatus, SqliteReader};

/// Where runs are looked at.
pub(super) enum Place<'a> {
    Server(Client, &'a PlaceArgs),
    File(SqliteReader, &'a PlaceArgs),
}

/// What is known of a run before it is looked at.
pub(super) struct Found {
    pub(super) workflow_id: String,
    pub(super) run_id: String,
    pub(super) first_run_id: String,
    pub(super) is_open: bool,
}

impl<'a> Place<'a> {
    /// # Errors
    /// With exit code 2 if there is no such store, 6 if it cannot be read.
    pub(super) fn open(args: &'a PlaceArgs) -> Result<Self, Stop> {
        match args.server()? {
            None => Ok(Self::File(stored::open(args.file())?, args)),
            Some(_) => {
                let client = args.client().map_err(stop)?;
                let client = client.expect("a server always answers for its runs");
                Ok(Self::Server(client, args))
            }
        }
    }

    /// Finds a run, the newest of its workflow id if no run id is given.
    ///
    /// # Errors
    /// With exit code 2, naming the id, if there is none.
    pub(super) fn find(&mut self, id: &str, run_id: Option<&str>) -> Result<Found, Stop> {
        match self {
            Self::File(reader, _) => {
                let row = stored::find(reader, id, run_id)?;
                Ok(Found {
                    workflow_id: row.workflow_id,
                    run_id: row.run_id,
                    first_run_id: row.first_run_id,
                    is_open: row.status == RunStatus::Running,
                })
            }
            Self::Server(..) => {
                let run = self.describe(id, run_id)?;
                Ok(Found {
                    workflow_id: run.workflow_id,
                    run_id: run.run_id,
                    first_run_id: run.first_run_id,
                    is_open: run.status == Status::Running,
                })
            }
        }
    }

    /// A run as whoever runs it knows it: with running attempts and the newest heartbeats. If the
    /// owner of a store does not answer, what it has stored is shown.
    pub(super) fn describe(
        &mut self,
        id: &str,
        run_id: Option<&str>,
    ) -> Result<RunDescription, Stop> {
        match self {
            Self::Server(client, args) => {
                client.describe(id, run_id).map_err(|error| match error {
                    Error::NotFound { .. } => stored::not_found(&args.name(), id, run_id),
                    error => stop(error),
                })
            }
            Self::File(reader, args) => {
                let row = stored::find(reader, id, run_id)?;
                let live = || {
                    let mut owner = Client::connect(args.file()).ok().flatten()?;
                    owner.describe(&row.workflow_id, Some(&row.run_id)).ok()
                };
                let is_open = row.status == RunStatus::Running;
                match is_open.then(live).flatten() {
                    Some(run) => Ok(run),
                    None => stored::describe(reader, &row),
                }
            }
        }
    }

    /// The process that owns the store, where that matters.
    pub(super) fn owner(&self) -> Result<Option<Owner>, Stop> {
        match self {
            Self::Server(..) => Ok(None),
            Self::File(_, args) => sandglass_store::owner(args.file()).map_err(stored::stop),
        }
    }

    fn frames(&mut self, id: &str, run_id: &str) -> Result<Vec<Frame>, Stop> {
        match self {
            Self::Server(client, _) => client.frames(id, Some(run_id)).map_err(stop),
            Self::File(reader, _) => {
                let row = stored::find(reader, id, Some(run_id))?;
                stored_frames(reader, row.key).map_err(stop)
            }
        }
    }

    /// The open scopes, from the run's stored history: no row has them.
    pub(super) fn scopes(&mut self, run: &RunDescription) -> Result<Vec<OpenScopeView>, Stop> {
        if run.status != Status::Running {
            return Ok(Vec::new());
        }
        let frames = self.frames(&run.workflow_id, &run.run_id)?;
        open_scopes(frames).map_err(|reason| {
            let run_id = run.run_id.clone();
            stop(Error::Damaged { run_id, reason })
        })
    }

    /// A run's frames from this number on.
    pub(super) fn frames_from(&mut self, run: &Found, number: u64) -> Result<Vec<Frame>, Stop> {
        let (id, run_id) = (&run.workflow_id, &run.run_id);
        match self {
            Self::Server(client, _) => client.frames_from(id, Some(run_id), number).map_err(stop),
            Self::File(..) => {
                let skipped = usize::try_from(number - 1).unwrap_or(usize::MAX);
                Ok(self.frames(id, run_id)?.into_iter().skip(skipped).collect())
            }
        }
    }

    pub(super) fn history(&mut self, run: &Found) -> Result<Vec<HistoryEvent>, Stop> {
        let frames = self.frames(&run.workflow_id, &run.run_id)?;
        sandglass_engine::history(frames).or_host()
    }

    /// How runs were started.
    pub(super) fn starts(&mut self, rows: &[RunRow]) -> Result<Vec<RunStart>, Stop> {
        match self {
            Self::Server(client, _) => {
                let rows: Vec<&RunRow> = rows.iter().collect();
                client.starts(&rows).map_err(stop)
            }
            Self::File(reader, _) => {
                let starts = rows.iter().map(|row| RunStart::from_store(reader, row));
                Ok(starts.collect())
            }
        }
    }

    /// Runs, newest first; of those that cannot be read, why.
    pub(super) fn list(
        &mut self,
        filter: &ListFilter,
        limit: usize,
        after: Option<RunKey>,
    ) -> Result<Vec<Result<RunRow, String>>, Stop> {
        match self {
            Self::Server(client, _) => client.list(filter, limit, after).map_err(stop),
            Self::File(reader, _) => {
                let rows = reader.list(filter, limit, after).map_err(stored::stop)?;
                let rows = rows.into_iter();
                Ok(rows
                    .map(|row| row.map_err(|error| error.to_string()))
                    .collect())
            }
        }
    }
}
