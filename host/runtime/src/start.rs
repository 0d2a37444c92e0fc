//! Starting runs: once per request, and at most one open run per workflow id.

mod begin;

pub(crate) use begin::Begun;

use crate::{
    bounds,
    cell::Delivery,
    components::unknown_type,
    error::{Error, StartError},
    handle::RunHandle,
    host::{Host, Inner},
    message::MessageError,
    update::{UpdateOptions, UpdateStage},
};
use sandglass_engine::{
    CronSchedule, Digest, Fields, IdReusePolicy, Limits, Millis, Payload, RetryPolicy, Signal,
    Status, Update,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// What to run, and under which name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartOptions {
    /// The workflow type.
    pub workflow_type: String,
    /// The id by which the run is found. At most one run of it is open.
    pub workflow_id: String,
    /// The arguments.
    pub arguments: Vec<Payload>,
    /// The component; `None` for the one with the type that was loaded last.
    pub component: Option<Digest>,
    /// The task queue. Default: `default`.
    pub task_queue: String,
    /// Who starts it.
    pub identity: String,
    /// The id of this request: asked again, it finds the run that it started.
    pub request_id: Option<String>,
    /// Limit for the run. When it passes the run is closed as timed out, without its code.
    pub run_timeout: Option<Duration>,
    /// Limit for each workflow task of the chain's runs; by default the host's
    /// ([`Limits::workflow_task_timeout`]). When it passes the task is given up and tried again.
    /// One that is longer than [`Limits::workflow_task_timeout_max`] is cut to that.
    pub task_timeout: Option<Duration>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Limit for all runs of the chain that this one begins, from its first workflow task on. When
    /// it passes the current run is closed as timed out, and none follows.
    pub execution_timeout: Option<Duration>,
    /// Whether and when another run follows one that has failed or passed its `run_timeout`. Not
    /// after a request to cancel.
    pub retry: Option<RetryPolicy>,
    /// A cron schedule, in UTC: the first run waits for its time, and another follows each that has
    /// ended, until one is canceled or terminated.
    pub cron: Option<String>,
    /// How long the first workflow task is put off. A request to cancel does not wait for it.
    pub start_delay: Option<Duration>,
    /// Whether the workflow id may be used although runs of it have ended.
    pub id_reuse: IdReusePolicy,
    /// What is done if a run of the workflow id is open.
    pub id_conflict: IdConflictPolicy,
    /// Values that are shown with the run.
    pub memo: Fields,
    /// Values by which the run can be found.
    pub search_attributes: Fields,
}

/// What a start does if a run of its workflow id is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IdConflictPolicy {
    /// It is refused.
    #[default]
    Fail,
    /// It gives the open run.
    UseExisting,
    /// It terminates the open run first. The two are separate commits: a crash between them leaves
    /// none open.
    TerminateExisting,
}

impl StartOptions {
    /// A run of this type under this id, without arguments.
    #[must_use]
    pub fn new(workflow_type: impl Into<String>, workflow_id: impl Into<String>) -> Self {
        Self {
            workflow_type: workflow_type.into(),
            workflow_id: workflow_id.into(),
            arguments: Vec::new(),
            component: None,
            task_queue: "default".into(),
            identity: String::new(),
            request_id: None,
            run_timeout: None,
            task_timeout: None,
            header: Vec::new(),
            execution_timeout: None,
            retry: None,
            cron: None,
            start_delay: None,
            id_reuse: IdReusePolicy::default(),
            id_conflict: IdConflictPolicy::default(),
            memo: Fields::new(),
            search_attributes: Fields::new(),
        }
    }

    /// Adds an argument that is a JSON text.
    #[must_use]
    pub fn json(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(Payload::json(text));
        self
    }
}

impl Host {
    /// Starts a run. Returns when its start is on disk. The handle stands for the chain that the
    /// run begins: requests go to its current run, and the result is that of its last.
    ///
    /// # Errors
    /// [`StartError::AlreadyStarted`] if another request's run of this id is open and the conflict
    /// policy does not help, [`StartError::IdUsed`] if the reuse policy forbids a further one,
    /// [`StartError::UnknownType`], [`StartError::Invalid`], or why the start could not be stored:
    /// then there is no run.
    pub async fn start(&self, options: StartOptions) -> Result<RunHandle, StartError> {
        start_with(&self.inner, options, None).await
    }

    /// Finds the run that an update of a workflow id is for, or starts a run with it: the update is
    /// recorded with the start, before the run's first workflow task, so that the code has it
    /// before it can end. Returns when that is on disk. [`RunHandle::update`] with the same options
    /// is the same update then, and gives its answer; in a run that was open already it makes it.
    ///
    /// A run that has had an update of this id is the one, whatever the policies say.
    ///
    /// # Errors
    /// As [`Host::start`], and [`StartError::Invalid`] if the update has no id.
    pub async fn start_with_update(
        &self,
        options: StartOptions,
        update: &UpdateOptions,
    ) -> Result<RunHandle, StartError> {
        let Some(id) = update.update_id.clone() else {
            let reason = "an update that comes with a start needs an id".into();
            return Err(StartError::Invalid { reason });
        };
        let current = self.run(&options.workflow_id, None);
        // It waits for the store alone: who does not know takes a wrong run, or starts one twice.
        let known = current.poll_update(&id, UpdateStage::Admitted, Some(Duration::MAX));
        match known.await {
            Ok(Some(known)) => return Ok(self.run(&options.workflow_id, Some(&known.run_id))),
            Ok(None) | Err(MessageError::Host(Error::NotFound { .. } | Error::Deleted(_))) => {}
            Err(MessageError::Host(error)) => return Err(error.into()),
            // What has become of it is told to whoever asks.
            Err(_) => return Ok(current),
        }
        let update = Update {
            id,
            name: update.name.clone(),
            arguments: update.arguments.clone(),
            header: update.header.clone(),
            identity: update.identity.clone(),
        };
        start_with(&self.inner, options, Some(Companion::Update(update))).await
    }

    /// Sends a message to the open run of a workflow id, or starts a run with it: the message is
    /// recorded with the start, before the run's first workflow task. Returns when it is on disk.
    ///
    /// The conflict policy `TerminateExisting` starts anew in any case; the others use the open
    /// run.
    ///
    /// # Errors
    /// As [`Host::start`], but never [`StartError::AlreadyStarted`].
    pub async fn signal_with_start(
        &self,
        options: StartOptions,
        signal: Signal,
    ) -> Result<RunHandle, StartError> {
        start_with(&self.inner, options, Some(Companion::Signal(signal))).await
    }
}

/// What is recorded together with the start of a run.
#[derive(Debug, Clone)]
pub(crate) enum Companion {
    Signal(Signal),
    Update(Update),
}

impl Companion {
    /// Its arguments and headers.
    fn brings(&self) -> (&[Payload], &[(String, Payload)]) {
        match self {
            Self::Signal(signal) => (&signal.arguments, &signal.header),
            Self::Update(update) => (&update.arguments, &update.header),
        }
    }
}

/// As [`Host::start`] or, with a message, [`Host::signal_with_start`].
pub(crate) async fn start_with(
    inner: &Arc<Inner>,
    options: StartOptions,
    companion: Option<Companion>,
) -> Result<RunHandle, StartError> {
    check_bounds(inner, &options, companion.as_ref())?;
    let digest = checked(inner, &options)?;
    let handle = |run_id: &str| {
        RunHandle::new(inner, options.workflow_id.clone(), Some(run_id.into())).chained(run_id)
    };
    loop {
        inner.until_reset(&options.workflow_id).await?;
        let begun = {
            // It may have been removed since it was found.
            let _settled = inner.components.settled().await;
            inner.components.get(inner, digest)?;
            inner.begin_run(options.clone(), digest, None, companion.clone())
        };
        let open = match begun {
            Ok(Begun::Ended(run_id)) => return Ok(handle(&run_id)),
            Ok(Begun::Run(cell, started)) => {
                let started = started.await.map_err(|_| inner.gone())??;
                if let Delivery::Refused(reason, Status::Running) = started {
                    return Err(Error::system("start the run", reason).into());
                }
                return Ok(handle(&cell.first_run_id));
            }
            Err(StartError::AlreadyStarted {
                workflow_id,
                run_id,
            }) => {
                let current = inner.open_run_of(&workflow_id);
                let first = current.map_or(run_id.clone(), |cell| cell.first_run_id.clone());
                RunHandle::new(inner, workflow_id, Some(run_id)).chained(&first)
            }
            Err(error) => return Err(error),
        };
        // If it ends meanwhile, the next try finds that.
        let over = match (options.id_conflict, &companion) {
            (IdConflictPolicy::TerminateExisting, _) => {
                open.terminate(TERMINATED, &options.identity).await
            }
            (_, Some(Companion::Signal(signal))) => {
                let sent = open.signal(signal.clone()).await;
                if sent.is_ok() {
                    return Ok(open);
                }
                sent
            }
            (IdConflictPolicy::UseExisting, _) => return Ok(open),
            (IdConflictPolicy::Fail, _) => {
                return Err(StartError::AlreadyStarted {
                    workflow_id: open.workflow_id().into(),
                    run_id: open.run_id().unwrap_or_default().into(),
                });
            }
        };
        match over {
            Ok(()) | Err(Error::Closed { .. } | Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::task::yield_now().await;
    }
}

/// Checks the sizes of what a start brings.
fn check_bounds(
    inner: &Inner,
    options: &StartOptions,
    companion: Option<&Companion>,
) -> Result<(), StartError> {
    if let Some((arguments, header)) = companion.map(Companion::brings) {
        inner.check_size("the arguments", arguments)?;
        inner.check_header(header)?;
    }
    match companion {
        Some(Companion::Signal(signal)) => bounds::of_signal(signal)?,
        Some(Companion::Update(update)) => bounds::of_update(update)?,
        None => {}
    }
    bounds::names(&[
        ("WorkflowType", &options.workflow_type),
        ("TaskQueue", &options.task_queue),
        ("Identity", &options.identity),
        (
            "RequestId",
            options.request_id.as_deref().unwrap_or_default(),
        ),
        ("CronSchedule", options.cron.as_deref().unwrap_or_default()),
    ])?;
    Ok(())
}

/// Finds what is wrong with a start, or the component that it is for.
fn checked(inner: &Arc<Inner>, options: &StartOptions) -> Result<Digest, StartError> {
    let len = options.workflow_id.len();
    let limit = inner.config.limits.name_bytes;
    if len == 0 || len > limit {
        return Err(StartError::InvalidId { len, limit });
    }
    inner.check_size("the arguments", &options.arguments)?;
    inner.check_header(&options.header)?;
    let invalid = |reason: String| Err(StartError::Invalid { reason });
    let limits = &inner.config.limits;
    let (memo, search) = (&options.memo, &options.search_attributes);
    if let Some(reason) = limits.bad_fields(Some(memo), Some(search)) {
        return invalid(reason);
    }
    if let Some(reason) = options.retry.as_ref().and_then(RetryPolicy::problem) {
        return invalid(format!("retry policy: {reason}"));
    }
    if options.task_timeout.map(Millis::from) == Some(Millis(0)) {
        return invalid("the limit for workflow tasks is less than a millisecond".into());
    }
    if let Some(cron) = &options.cron {
        if let Err(error) = CronSchedule::parse_at(cron, inner.clock.now()) {
            return invalid(error.to_string());
        }
        if options.start_delay.is_some() {
            return invalid("a start delay and a cron schedule exclude each other".into());
        }
    }
    let digest = match options.component {
        Some(digest) => digest,
        None => inner.components.with_type(&options.workflow_type)?,
    };
    let component = inner.components.get(inner, digest)?;
    if !component.workflow_types().contains(&options.workflow_type) {
        let known = component.workflow_types().iter().cloned();
        return Err(unknown_type(&options.workflow_type, known));
    }
    component
        .check_arguments(&options.workflow_type, &options.arguments)
        .map_err(|reason| StartError::Invalid {
            reason: format!("the input of {}: {reason}", options.workflow_type),
        })?;
    Ok(digest)
}

/// Why a run is terminated for another one's sake.
const TERMINATED: &str = "another run of its workflow id was started in its place";

impl Inner {
    /// Whether a request does not bring too much. Of much it is warned.
    pub(crate) fn check_size(&self, what: &'static str, payloads: &[Payload]) -> Result<(), Error> {
        check_size(&self.config.limits, what, payloads)
    }

    /// Whether a request's headers do not bring too much: they are kept like its arguments.
    pub(crate) fn check_header(&self, header: &[(String, Payload)]) -> Result<(), Error> {
        let sizes = header.iter().map(|(name, value)| name.len() + value.size());
        let (size, limit) = (sizes.sum(), self.config.limits.payload_bytes);
        match size > limit {
            true => Err(Error::TooLarge {
                what: "the header",
                size,
                limit,
            }),
            false => Ok(()),
        }
    }
}

/// As [`Inner::check_size`], with or without a host.
pub(crate) fn check_size(
    limits: &Limits,
    what: &'static str,
    payloads: &[Payload],
) -> Result<(), Error> {
    let size = payloads.iter().map(Payload::size).sum();
    if size > limits.payload_bytes {
        let limit = limits.payload_bytes;
        return Err(Error::TooLarge { what, size, limit });
    }
    if size > limits.payload_bytes_warning {
        tracing::warn!(size, "{what} of a request are large");
    }
    Ok(())
}

fn fill_random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::system("get random bytes", error))
}

/// A random UUID (version 4) as text.
pub(crate) fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-"))
}
