//! Asking the process that owns a store, from another process. Blocking: for command-line tools.

use crate::{
    activity::{ActivityOp, ActivityRef},
    describe::RunDescription,
    error::Error,
    handle::{CancelOptions, CancelResponse, ForceOptions, TerminateOptions},
    message::MessageError,
    protocol::{Listed, Op, Request, Response},
    query::QueryOptions,
    reset::ResetOptions,
    start::StartOptions,
    starts::RunStart,
    update::{UpdateOptions, UpdateResponse, UpdateStage},
    upgrade::{UpgradeOptions, UpgradeReport},
};
use sandglass_engine::{
    EventId, Frame, HeartbeatAnswer, OperatorRequest, Payload, ScopeId, Signal, Status, decode,
};
use sandglass_store::{ListFilter, Owner, RunKey, RunRow};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

/// The owner may hold the store and not listen yet: how often and how far apart it is tried.
const TRIES: u32 = 50;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Sends a request some other way, and gives what [`crate::CommandRequest::answer`] has returned.
pub type Ask = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Error> + Send>;

/// How the owner is reached.
enum Way {
    Socket(BufReader<UnixStream>, Owner),
    Other(Ask),
}

/// A connection to the owner of a store.
pub struct Client {
    way: Way,
    first_run_id: Option<String>,
}

impl Client {
    /// Connects to the owner of the store at `db`. `None`: nobody owns it now; see
    /// [`crate::offline`].
    ///
    /// # Errors
    /// [`Error::System`] if there is an owner that does not answer, [`Error::Store`].
    pub fn connect(db: &Path) -> Result<Option<Self>, Error> {
        let mut failed = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                thread::sleep(TRY_AGAIN_AFTER);
            }
            let Some(owner) = sandglass_store::owner(db)? else {
                return Ok(None);
            };
            match UnixStream::connect(&owner.socket) {
                Ok(stream) => {
                    return Ok(Some(Self {
                        way: Way::Socket(BufReader::new(stream), owner),
                        first_run_id: None,
                    }));
                }
                Err(error) => failed = Some((owner, error)),
            }
        }
        let (owner, error) = failed.expect("at least one try is made, and each failed");
        let what = format!(
            "ask process {} ({}), which owns the store",
            owner.pid, owner.command
        );
        Err(Error::system(what, error))
    }

    /// A client whose requests go some other way than through the socket.
    #[must_use]
    pub fn over(ask: Ask) -> Self {
        Self {
            way: Way::Other(ask),
            first_run_id: None,
        }
    }

    /// The process at the other end of the socket.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        match &self.way {
            Way::Socket(_, owner) => Some(owner),
            Way::Other(_) => None,
        }
    }

    /// The run's stored frames.
    ///
    /// # Errors
    /// As [`crate::RunHandle::history`], and [`Error::System`] if the connection breaks.
    pub fn frames(&mut self, workflow_id: &str, run_id: Option<&str>) -> Result<Vec<Frame>, Error> {
        self.frames_from(workflow_id, run_id, 1)
    }

    /// The run's stored frames from this number on; the first has the number 1.
    ///
    /// # Errors
    /// As [`Client::frames`].
    pub fn frames_from(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        number: u64,
    ) -> Result<Vec<Frame>, Error> {
        let mut all = Vec::new();
        loop {
            let first = number + all.len() as u64;
            let page = match self.ask(workflow_id, run_id, Op::Frames { first })? {
                Response::Frames(page) => page,
                other => return Err(unexpected(&other)),
            };
            if page.is_empty() {
                return Ok(all);
            }
            for frame in page {
                let frame = decode(&frame);
                all.push(frame.map_err(|error| Error::system("read the run's frames", error))?);
            }
        }
    }

    /// Rows of the store, as [`sandglass_store::Reader::list`]: by workflow id, status and whether
    /// they were asked to end. Of those that cannot be read it is told why.
    ///
    /// # Errors
    /// [`Error::Store`] if nothing can be read, [`Error::System`] if the connection breaks.
    pub fn list(
        &mut self,
        filter: &ListFilter,
        limit: usize,
        after: Option<RunKey>,
    ) -> Result<Vec<Result<RunRow, String>>, Error> {
        let listed = Listed {
            workflow_id: filter.workflow_id.clone(),
            status: filter.status.map(|status| status as u8),
            cancel_requested: filter.cancel_requested,
            limit,
            after: after.map(|key| key.0),
        };
        let newer = || String::from("a run has a status of a newer version");
        match self.ask("", None, Op::List(listed))? {
            Response::Rows(rows) => Ok(rows
                .into_iter()
                .map(|row| row.and_then(|row| row.into_row().ok_or_else(newer)))
                .collect()),
            other => Err(unexpected(&other)),
        }
    }

    /// From now on requests that go to the current run of a chain go to this one's, as those of a
    /// handle from [`crate::Host::start`]. A run id names the run that answers if the workflow id
    /// has been used for another chain; without one there is no run then, as with
    /// [`crate::RunHandle::of_chain`].
    #[must_use]
    pub fn chained(mut self, first_run_id: Option<String>) -> Self {
        self.first_run_id = first_run_id;
        self
    }

    /// As [`crate::RunHandle::cancel`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn cancel(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        options: CancelOptions,
    ) -> Result<CancelResponse, Error> {
        match self.ask(workflow_id, run_id, Op::Cancel(options))? {
            Response::Canceled(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::RunHandle::force`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn force(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        options: ForceOptions,
    ) -> Result<CancelResponse, Error> {
        match self.ask(workflow_id, run_id, Op::Force(options))? {
            Response::Canceled(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::RunHandle::terminate_with`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn terminate(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        options: TerminateOptions,
    ) -> Result<(), Error> {
        self.done(workflow_id, run_id, Op::Terminate(options))
    }

    /// As [`crate::RunHandle::delete`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn delete(&mut self, workflow_id: &str, run_id: Option<&str>) -> Result<(), Error> {
        self.done(workflow_id, run_id, Op::Delete)
    }

    /// As [`crate::RunHandle::pause`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn pause(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        request: OperatorRequest,
    ) -> Result<(), Error> {
        self.done(workflow_id, run_id, Op::Pause(request))
    }

    /// As [`crate::RunHandle::unpause`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn unpause(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        request: OperatorRequest,
    ) -> Result<(), Error> {
        self.done(workflow_id, run_id, Op::Unpause(request))
    }

    /// As [`crate::RunHandle::cancel_scope`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn cancel_scope(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        scope: ScopeId,
        request: OperatorRequest,
    ) -> Result<(), Error> {
        self.done(workflow_id, run_id, Op::CancelScope { scope, request })
    }

    /// As [`crate::RunHandle::reset`]. Returns the run id of the new run.
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn reset(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        options: ResetOptions,
    ) -> Result<String, Error> {
        match self.ask(workflow_id, run_id, Op::Reset(options))? {
            Response::Made(run_id) => Ok(run_id),
            other => Err(unexpected(&other)),
        }
    }

    /// As the calls of [`crate::ActivityHandle`]. A heartbeat has an answer.
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn activity(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        which: &ActivityRef,
        op: ActivityOp,
    ) -> Result<Option<HeartbeatAnswer>, Error> {
        let (activity_id, token) = match which {
            ActivityRef::Id(id) => (id.clone(), None),
            ActivityRef::Attempt(token) => (String::new(), Some(token.to_string())),
        };
        let op = Op::Activity {
            activity_id,
            token,
            op,
        };
        match self.ask(workflow_id, run_id, op)? {
            Response::Done => Ok(None),
            Response::Told(answer) => Ok(Some(answer)),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::Host::signal_with_start`], with what the owner has loaded. Returns the id of the
    /// first run of the chain that has the message.
    ///
    /// # Errors
    /// As there, in words, and [`Error::System`] if the connection breaks.
    pub fn signal_with_start(
        &mut self,
        options: StartOptions,
        signal: Signal,
    ) -> Result<String, Error> {
        let workflow_id = options.workflow_id.clone();
        let options = Box::new(options);
        match self.ask(&workflow_id, None, Op::SignalWithStart { options, signal })? {
            Response::Made(run_id) => Ok(run_id),
            other => Err(unexpected(&other)),
        }
    }

    fn done(&mut self, workflow_id: &str, run_id: Option<&str>, op: Op) -> Result<(), Error> {
        match self.ask(workflow_id, run_id, op)? {
            Response::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::RunHandle::signal`]. If the connection breaks, the same signal can be sent again
    /// on another one, provided that it has a request id.
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn signal(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        signal: Signal,
    ) -> Result<(), Error> {
        match self.ask(workflow_id, run_id, Op::Signal(signal))? {
            Response::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::RunHandle::query`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn query(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        options: QueryOptions,
    ) -> Result<Payload, MessageError> {
        match self.ask(workflow_id, run_id, Op::Query(options))? {
            Response::Answer(answer) => Ok(answer),
            Response::Unanswered(error) => Err(error.0),
            other => Err(unexpected(&other).into()),
        }
    }

    /// As [`crate::RunHandle::update`]. If the connection breaks, the same update can be asked for
    /// again, provided that it has an id.
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn update(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        options: UpdateOptions,
    ) -> Result<UpdateResponse, MessageError> {
        match self.ask(workflow_id, run_id, Op::Update(options))? {
            Response::Updated(response) => Ok(response),
            Response::Unanswered(error) => Err(error.0),
            other => Err(unexpected(&other).into()),
        }
    }

    /// As [`crate::RunHandle::poll_update`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn poll_update(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        update_id: &str,
        wait_for: UpdateStage,
        timeout: Option<Duration>,
    ) -> Result<Option<UpdateResponse>, MessageError> {
        let op = Op::PollUpdate {
            update_id: update_id.into(),
            wait_for,
            timeout,
        };
        match self.ask(workflow_id, run_id, op)? {
            Response::Polled(response) => Ok(response),
            Response::Unanswered(error) => Err(error.0),
            other => Err(unexpected(&other).into()),
        }
    }

    /// As [`crate::RunHandle::wait_after`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn wait_after(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
        after: EventId,
    ) -> Result<(), Error> {
        self.done(workflow_id, run_id, Op::Wait { after })
    }

    /// How runs were started that were listed, at most 1,000 at a time, in their order.
    ///
    /// # Errors
    /// [`Error::System`] if the connection breaks.
    pub fn starts(&mut self, rows: &[&RunRow]) -> Result<Vec<RunStart>, Error> {
        let asked = rows.iter().map(|row| {
            let ids = (row.workflow_id.clone(), row.run_id.clone());
            (ids.0, ids.1, row.started_at)
        });
        match self.ask("", None, Op::Starts(asked.collect()))? {
            Response::Starts(starts) => Ok(starts),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::RunHandle::describe`].
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn describe(
        &mut self,
        workflow_id: &str,
        run_id: Option<&str>,
    ) -> Result<RunDescription, Error> {
        match self.ask(workflow_id, run_id, Op::Describe)? {
            Response::Description(run) => Ok(*run),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::Host::upgrade_runs`], with the component in a file that the owner reads.
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the file cannot be read or the connection breaks.
    pub fn upgrade(
        &mut self,
        component: &Path,
        options: UpgradeOptions,
    ) -> Result<UpgradeReport, Error> {
        let component = component.to_owned();
        match self.ask("", None, Op::Upgrade { component, options })? {
            Response::Upgraded(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`crate::RunHandle::result`]: waits until the run has ended.
    ///
    /// # Errors
    /// As there, and [`Error::System`] if the connection breaks.
    pub fn result(&mut self, workflow_id: &str, run_id: Option<&str>) -> Result<Status, Error> {
        match self.ask(workflow_id, run_id, Op::Result)? {
            Response::Ended(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, workflow_id: &str, run_id: Option<&str>, op: Op) -> Result<Response, Error> {
        let broken = |reason: String| Error::system("ask the owner of the store", reason);
        let request = Request {
            workflow_id: workflow_id.into(),
            run_id: run_id.map(Into::into),
            first_run_id: self.first_run_id.clone(),
            op,
        };
        let mut text = serde_json::to_vec(&request).map_err(|error| broken(error.to_string()))?;
        let line = match &mut self.way {
            Way::Other(ask) => ask(&text)?,
            Way::Socket(stream, _) => {
                text.push(b'\n');
                let mut line = Vec::new();
                let asked = stream.get_mut().write_all(&text);
                asked
                    .and_then(|()| stream.read_until(b'\n', &mut line))
                    .map_err(|error| broken(error.to_string()))?;
                line
            }
        };
        if line.is_empty() {
            return Err(broken("it has ended".into()));
        }
        match serde_json::from_slice(&line).map_err(|error| broken(error.to_string()))? {
            Response::Refused(refusal) => Err(refusal.into_error(workflow_id, run_id)),
            response => Ok(response),
        }
    }
}

fn unexpected(response: &Response) -> Error {
    Error::system(
        "ask the owner of the store",
        format!("it answered something else: {response:?}"),
    )
}
