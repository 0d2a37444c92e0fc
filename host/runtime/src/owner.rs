//! The owner's side of the socket: other processes ask, and are answered by this host's commits.

use crate::{
    activity::{ActivityAnswer, BadToken, TaskToken},
    describe::RunDescription,
    error::{Error, StartError},
    handle::RunHandle,
    host::{Host, Inner},
    protocol::{Listed, Op, Refusal, Request, Response, Row},
    start::{Companion, StartOptions, start_with},
    starts::starts,
    upgrade::{UpgradeOptions, UpgradeReport},
};
use sandglass_engine::Signal;
use sandglass_store::{ListFilter, RunKey, RunStatus};
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener as StdListener},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Notify,
};

/// Longest request, in bytes: its payloads, written as JSON.
const REQUEST_BYTES_MAX: u64 = 16 << 20;

/// Most runs of one list.
const LIST_MAX: usize = 1000;

/// Counts the requests that are being answered: a host that stops answers them first, so that
/// nobody is left not knowing what became of a request that was committed.
#[derive(Default)]
pub(crate) struct Answers {
    count: AtomicUsize,
    none: Notify,
}

/// One request that is being answered.
struct Answering(Arc<Answers>);

impl Answers {
    fn begin(self: &Arc<Self>) -> Answering {
        self.count.fetch_add(1, Ordering::AcqRel);
        Answering(Arc::clone(self))
    }

    /// Waits until none is being answered.
    pub(crate) async fn given(&self) {
        loop {
            let notified = self.none.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

/// Listens on the socket of a store that this process owns.
pub(crate) fn listen(host: &Arc<Inner>, path: &Path, answers: &Arc<Answers>) -> Result<(), Error> {
    let failed = |error| Error::system(format!("listen on {}", path.display()), error);
    // Whoever made it is dead: the store is ours.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = StdListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let _entered = host.tokio.enter();
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    host.tokio
        .spawn(accept(listener, Arc::downgrade(host), Arc::clone(answers)));
    Ok(())
}

/// Removes the socket of a host that stops.
pub(crate) fn close(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "the socket could not be removed");
    }
}

async fn accept(listener: UnixListener, host: Weak<Inner>, answers: Arc<Answers>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (host, answers) = (Weak::clone(&host), Arc::clone(&answers));
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, host, answers).await {
                        tracing::debug!(%error, "a connection to the socket broke");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the socket failed");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn serve(
    stream: UnixStream,
    host: Weak<Inner>,
    answers: Arc<Answers>,
) -> std::io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        (&mut input)
            .take(REQUEST_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await?;
        if line.is_empty() {
            return Ok(());
        }
        let mut answering = None;
        let response = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => match host.upgrade() {
                // Waiting for a run's end holds nobody up: it may take for ever.
                Some(host) if request.op == Op::Result => {
                    let response = answer(&host, request).await;
                    answering = Some(answers.begin());
                    response
                }
                Some(host) => {
                    answering = Some(answers.begin());
                    answer(&host, request).await
                }
                None => Response::Refused(Error::ShutDown.into()),
            },
            Err(error) => {
                let reason = format!("the request cannot be read: {error}");
                Response::Refused(crate::protocol::Refusal::Other(reason))
            }
        };
        let mut text = serde_json::to_vec(&response)?;
        text.push(b'\n');
        crate::crash::point("socket.before");
        output.write_all(&text).await?;
        crate::crash::point("socket.after");
        drop(answering);
    }
}

/// Reads the file here: both processes are of one user on one machine.
async fn upgrade(
    host: &Arc<Inner>,
    component: PathBuf,
    options: UpgradeOptions,
) -> Result<UpgradeReport, Error> {
    let read = fs::read(&component);
    let bytes =
        read.map_err(|error| Error::system(format!("read {}", component.display()), error))?;
    host.upgrade_runs_to(bytes, options).await
}

fn list(host: &Inner, listed: Listed) -> Result<Vec<Result<Row, String>>, Error> {
    let status = listed.status.map(|number| {
        RunStatus::from_number(number)
            .ok_or_else(|| Error::system("list runs", format!("there is no status {number}")))
    });
    let filter = ListFilter {
        workflow_id: listed.workflow_id,
        status: status.transpose()?,
        cancel_requested: listed.cancel_requested,
        ..ListFilter::default()
    };
    let (limit, after) = (listed.limit.min(LIST_MAX), listed.after.map(RunKey));
    let rows = host.read(|reader| reader.list(&filter, limit, after))?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| row.map(Row::from).map_err(|error| error.to_string()))
        .collect())
}

/// A request of the command line that has come over some other way than the socket.
#[derive(Debug)]
pub struct CommandRequest(Request);

impl CommandRequest {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or one that is only for processes of the same machine.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let request: Request = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match request.op {
            Op::Upgrade { .. } => {
                Err("an upgrade names a file: it is for the store's machine".into())
            }
            Op::SignalWithStart { .. } => {
                Err("a start names a task queue of the server: it is a call of its own".into())
            }
            _ => Ok(Self(request)),
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.0.op.is_read()
    }

    /// Whether it waits for something that a run does, however long that takes.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self.0.op, Op::Result | Op::Wait { .. })
    }

    /// Whether it waits for how far an update comes, for as long as it says itself. Asked again, it
    /// is about the same update.
    #[must_use]
    pub fn follows_update(&self) -> bool {
        match &self.0.op {
            Op::PollUpdate { .. } => true,
            Op::Update(options) => options.update_id.is_some(),
            _ => false,
        }
    }

    /// Carries it out. What is returned is what [`crate::remote::Client`] reads.
    pub async fn answer(self, host: &Host) -> Vec<u8> {
        let response = answer(&host.inner, self.0).await;
        serde_json::to_vec(&response).expect("answers have a JSON form")
    }
}

fn bad_token(bad: &BadToken) -> String {
    bad.to_string()
}

async fn signal_with_start(host: &Arc<Inner>, options: StartOptions, signal: Signal) -> Response {
    match start_with(host, options, Some(Companion::Signal(signal))).await {
        Ok(run) => Response::Made(run.run_id().unwrap_or_default().to_owned()),
        Err(StartError::Host(error)) => Response::Refused(error.into()),
        Err(error) => Response::Refused(Refusal::Usage(error.to_string())),
    }
}

fn described(run: RunDescription) -> Response {
    Response::Description(Box::new(run))
}

fn performed(answer: ActivityAnswer) -> Response {
    match answer {
        ActivityAnswer::Done => Response::Done,
        ActivityAnswer::Told(answer) => Response::Told(answer),
    }
}

async fn answer(host: &Arc<Inner>, request: Request) -> Response {
    let run = RunHandle::new(host, request.workflow_id, request.run_id);
    let run = match request.first_run_id {
        Some(first) => run.chained(&first),
        None => run,
    };
    let answered = match request.op {
        Op::Cancel(options) => run.cancel(options).await.map(Response::Canceled),
        Op::Force(options) => run.force(options).await.map(Response::Canceled),
        Op::Terminate(options) => run.terminate_with(options).await.map(|()| Response::Done),
        Op::Pause(request) => run.pause(request).await.map(|()| Response::Done),
        Op::Unpause(request) => run.unpause(request).await.map(|()| Response::Done),
        Op::CancelScope { scope, request } => {
            let canceled = run.cancel_scope(scope, request).await;
            canceled.map(|()| Response::Done)
        }
        Op::Reset(options) => run.reset(options).await.map(|made| {
            let run_id = made.run_id().unwrap_or_default();
            Response::Made(run_id.to_owned())
        }),
        Op::Activity {
            activity_id,
            token,
            op,
        } => {
            let activity = match token.map(|token| token.parse::<TaskToken>()) {
                None => run.activity(activity_id),
                // It names the run, whatever the request says.
                Some(Ok(token)) => {
                    let (id, run_id) = (token.workflow_id.clone(), token.run_id.clone());
                    RunHandle::new(host, id, Some(run_id)).attempt(token)
                }
                Some(Err(bad)) => return Response::Refused(Refusal::Usage(bad_token(&bad))),
            };
            activity.perform(op).await.map(performed)
        }
        Op::SignalWithStart { options, signal } => {
            return signal_with_start(host, *options, signal).await;
        }
        Op::Signal(signal) => run.signal(signal).await.map(|()| Response::Done),
        Op::Query(options) => {
            let answered = run.query(options).await;
            return answered.map_or_else(Into::into, Response::Answer);
        }
        Op::Update(options) => {
            let answered = run.update(options).await;
            return answered.map_or_else(Into::into, Response::Updated);
        }
        Op::Upgrade { component, options } => upgrade(host, component, options)
            .await
            .map(Response::Upgraded),
        Op::Describe => run.describe().await.map(described),
        Op::Delete => run.delete().await.map(|()| Response::Done),
        Op::Result => run.result().await.map(Response::Ended),
        Op::Frames { first } => run.stored_frames(first).map(Response::Frames),
        Op::List(listed) => list(host, listed).map(Response::Rows),
        Op::PollUpdate {
            update_id,
            wait_for,
            timeout,
        } => {
            let polled = run.poll_update(&update_id, wait_for, timeout).await;
            return polled.map_or_else(Into::into, Response::Polled);
        }
        Op::Wait { after } => run.wait_after(after).await.map(|()| Response::Done),
        Op::Starts(asked) => starts(host, asked).await.map(Response::Starts),
    };
    answered.unwrap_or_else(|error| Response::Refused(error.into()))
}
