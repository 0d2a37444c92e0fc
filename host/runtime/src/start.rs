//! Starting runs: once per request, and at most one open run per workflow id.

use crate::{
    cell::{Delivery, Head, Letter, Mail, Phase, RunCell},
    clock::lock,
    components::unknown_type,
    error::{Error, StartError},
    handle::RunHandle,
    host::{Host, Inner},
    recovery::row_of_new_run,
};
use sandglass_engine::{
    Digest, EventId, Input, Millis, Origin, Payload, RunSummary, Start, Status,
};
use sandglass_store::RunKey;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

/// What to run, and under which name.
#[derive(Debug, Clone, PartialEq)]
pub struct StartOptions {
    /// The workflow type.
    pub workflow_type: String,
    /// The id by which the run is found. At most one run of it is open.
    pub workflow_id: String,
    /// The arguments.
    pub arguments: Vec<Payload>,
    /// The component; `None` for the only loaded one that has the type.
    pub component: Option<Digest>,
    /// The task queue. Default: `default`.
    pub task_queue: String,
    /// Who starts it.
    pub identity: String,
    /// The id of this request: asked again, it finds the run that it started.
    pub request_id: Option<String>,
    /// Limit for the run. When it passes the run is closed as timed out, without its code.
    pub run_timeout: Option<Duration>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
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
            header: Vec::new(),
        }
    }

    /// Adds an argument that is a JSON text.
    #[must_use]
    pub fn json(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(Payload::json(text));
        self
    }
}

/// What starting comes to under the lock.
pub(crate) enum Begun {
    /// A new run, or the one that the same request started.
    Run(Arc<RunCell>, oneshot::Receiver<Result<Delivery, Error>>),
    /// The request's run has ended already.
    Ended(String),
}

impl Host {
    /// Starts a run. Returns when its start is on disk.
    ///
    /// # Errors
    /// [`StartError::AlreadyStarted`] if another request's run of this id is open,
    /// [`StartError::UnknownType`], or why the start could not be stored: then there is no run.
    pub async fn start(&self, options: StartOptions) -> Result<RunHandle, StartError> {
        let inner = &self.inner;
        let len = options.workflow_id.len();
        let limit = inner.config.limits.name_bytes;
        if len == 0 || len > limit {
            return Err(StartError::InvalidId { len, limit });
        }
        inner.check_size("the arguments", &options.arguments)?;
        let digest = match options.component {
            Some(digest) => digest,
            None => inner.components.with_type(&options.workflow_type)?,
        };
        let component = inner.components.get(inner, digest)?;
        if !component.workflow_types().contains(&options.workflow_type) {
            let known = component.workflow_types().iter().cloned();
            return Err(unknown_type(&options.workflow_type, known));
        }
        let workflow_id = options.workflow_id.clone();
        match inner.begin_run(options, digest, None)? {
            Begun::Ended(run_id) => Ok(RunHandle::new(inner, workflow_id, Some(run_id))),
            Begun::Run(cell, started) => {
                if let Delivery::Refused(reason, Status::Running) =
                    started.await.map_err(|_| inner.gone())??
                {
                    return Err(Error::system("start the run", reason).into());
                }
                Ok(RunHandle::new(
                    inner,
                    workflow_id,
                    Some(cell.run_id.clone()),
                ))
            }
        }
    }
}

impl Inner {
    /// Whether a request does not bring too much. Of much it is warned.
    pub(crate) fn check_size(&self, what: &'static str, payloads: &[Payload]) -> Result<(), Error> {
        let size = payloads.iter().map(Payload::size).sum();
        let limits = &self.config.limits;
        if size > limits.payload_bytes {
            let limit = limits.payload_bytes;
            return Err(Error::TooLarge { what, size, limit });
        }
        if size > limits.payload_bytes_warning {
            tracing::warn!(size, "{what} of a request are large");
        }
        Ok(())
    }

    /// Starts a run, unless the same request has started one; `parent` starts it as a child.
    pub(crate) fn begin_run(
        &self,
        options: StartOptions,
        digest: Digest,
        parent: Option<Origin>,
    ) -> Result<Begun, StartError> {
        if self.is_stopping() {
            return Err(Error::ShutDown.into());
        }
        // Repeated requests wait for each other, so that the second finds what the first has done.
        let _one_at_a_time = options.request_id.as_ref().map(|_| lock(&self.starting));
        let (sender, receiver) = oneshot::channel();
        if let Some(request_id) = &options.request_id
            && let Some(found) = self.started_by(&options.workflow_id, request_id)?
        {
            return Ok(match self.open_run_of(&options.workflow_id) {
                Some(cell) if cell.run_id == found => {
                    self.send(&cell, Letter::Barrier, Some(sender));
                    Begun::Run(cell, receiver)
                }
                _ => Begun::Ended(found),
            });
        }
        let start = Start {
            parent,
            ..self.new_start(options, digest)?
        };
        let key = RunKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        let head = Head {
            row: row_of_new_run(key, &start, self.clock.now()),
            summary: RunSummary {
                next_event_id: EventId(1),
                ..RunSummary::default()
            },
            next_seq: 1,
        };
        let cell = Arc::new(RunCell::new(head, start.request_id.clone(), Phase::Idle));
        let workflow_id = start.workflow_id.clone();
        let input = Mail::input(
            self.clock.now(),
            Input::Started(Box::new(start)),
            Some(sender),
        );
        {
            let mut runs = lock(&self.runs);
            if self.is_stopping() {
                return Err(Error::ShutDown.into());
            }
            if let Some(open) = runs.by_workflow_id.get(&workflow_id) {
                return Err(StartError::AlreadyStarted {
                    workflow_id,
                    run_id: open.run_id.clone(),
                });
            }
            runs.by_workflow_id.insert(workflow_id, Arc::clone(&cell));
            runs.by_key.insert(key, Arc::clone(&cell));
            // While nobody else can find the run, so that its start is the first that it gets.
            self.post(&cell, &mut cell.lock(), input);
        }
        Ok(Begun::Run(cell, receiver))
    }

    /// The run id of the newest run of this workflow id, if this request started it.
    fn started_by(&self, workflow_id: &str, request_id: &str) -> Result<Option<String>, Error> {
        if let Some(cell) = self.open_run_of(workflow_id)
            && !cell.request_id.is_empty()
        {
            return Ok((cell.request_id == request_id).then(|| cell.run_id.clone()));
        }
        let Some(row) = self.read(|reader| reader.find(workflow_id, None))? else {
            return Ok(None);
        };
        let frames = self.frames(row.key, &row.run_id)?;
        let start = frames
            .first()
            .and_then(|frame| match frame.records.first() {
                Some(sandglass_engine::Record::Input {
                    input: Input::Started(start),
                    ..
                }) => Some(start),
                _ => None,
            });
        Ok(start
            .filter(|start| start.request_id == request_id)
            .map(|_| row.run_id))
    }

    pub(crate) fn open_run_of(&self, workflow_id: &str) -> Option<Arc<RunCell>> {
        lock(&self.runs).by_workflow_id.get(workflow_id).cloned()
    }

    fn new_start(&self, options: StartOptions, digest: Digest) -> Result<Start, Error> {
        let mut seed = [0; 32];
        fill_random(&mut seed)?;
        Ok(Start {
            workflow_id: options.workflow_id,
            run_id: random_id()?,
            workflow_type: options.workflow_type,
            task_queue: options.task_queue,
            arguments: options.arguments,
            header: options.header,
            identity: options.identity,
            request_id: match options.request_id {
                Some(request_id) => request_id,
                None => random_id()?,
            },
            digest,
            seed,
            run_timeout: options.run_timeout.map(Millis::from),
            ..Start::default()
        })
    }
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
