//! Activity components: untrusted code that may do input and output, within what it was granted.
//!
//! Each attempt runs in an instance of its own, as a future. Dropping the future kills the attempt
//! wherever it is: in a host call by dropping that, in its own code at the next tick of the epoch.

mod attempt;
mod context;
mod grants;
mod output;
mod wasi;

use crate::{
    Error, Level, SandboxConfig, Typed, bindings::activity::ActivityPre, component::check_types,
    typed::TypedExports,
};
use grants::GrantedHosts;
use sandglass_engine::{Digest, Failure, HeartbeatAnswer, Millis, Payload, Timestamp};
use std::{fmt, sync::Arc};
use wasmtime::{Engine, component::InstancePre};

pub(crate) use context::{AttemptData, linker};
pub use grants::{Access, Grants};

/// One attempt of an activity, as the guest is told of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActivityTask {
    /// The activity type.
    pub activity_type: String,
    /// The arguments.
    pub arguments: Vec<Payload>,
    /// Headers of the call.
    pub header: Vec<(String, Payload)>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The same for every attempt of this activity.
    pub idempotency_key: String,
    /// Details of the last heartbeat of an earlier attempt.
    pub heartbeat_details: Vec<Payload>,
    /// The workflow id of the run.
    pub workflow_id: String,
    /// The run id of the run.
    pub run_id: String,
    /// The activity id.
    pub activity_id: String,
    /// When the activity was scheduled.
    pub scheduled_at: Timestamp,
    /// When this attempt is given up, if ever.
    pub deadline: Option<Timestamp>,
    /// Longest silence between heartbeats.
    pub heartbeat_timeout: Option<Millis>,
}

/// Whether an attempt should go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptState {
    /// Go on.
    Active,
    /// Cancellation was requested, with this reason.
    CancelRequested(String),
    /// The run has closed, or this is not the current attempt.
    NotFound,
    /// The attempt has exceeded a limit on time.
    TimedOut,
    /// The host is stopping.
    WorkerShutdown,
    /// The activity was paused: no further attempt is begun.
    Paused,
    /// The activity was reset: its next attempt is the first again.
    Reset,
}

impl From<HeartbeatAnswer> for AttemptState {
    fn from(answer: HeartbeatAnswer) -> Self {
        match answer {
            HeartbeatAnswer::Active => Self::Active,
            HeartbeatAnswer::CancelRequested(reason) => Self::CancelRequested(reason),
            HeartbeatAnswer::Reset => Self::Reset,
            HeartbeatAnswer::Paused => Self::Paused,
        }
    }
}

/// What an attempt can ask of the host. Called on the thread that runs the guest; must not block.
pub trait ActivityHost: Send + Sync {
    /// Records that the attempt is alive.
    fn heartbeat(&self, details: Vec<Payload>) -> AttemptState;
    /// The state, without counting as a heartbeat.
    fn state(&self) -> AttemptState;
    /// Notes that somebody else reports how the attempt ends, and tells with which token.
    fn complete_later(&self) -> String;
    /// Takes a log line, or one that the guest wrote to its standard output or error.
    fn log(&self, level: Level, target: &str, message: &str);
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ActivityOutcome {
    /// It returned a value.
    Completed(Payload),
    /// It returned a failure, which is a canceled one if it accepted cancellation.
    Failed(Failure),
    /// It trapped, exited or reached a limit. The attempt failed and may be retried.
    Trapped(Failure),
}

/// An activity component that is compiled and checked, with what its attempts may use.
pub struct ActivityComponent {
    digest: Digest,
    activity_types: Vec<String>,
    inner: Arc<Loaded>,
}

/// What the attempts of a component have in common.
struct Loaded {
    engine: Engine,
    pre: InstancePre<AttemptData>,
    /// Whether it exports `activity-handler`.
    has_handler: bool,
    /// Its functions of its own types.
    typed: TypedExports,
    grants: Grants,
    hosts: Arc<GrantedHosts>,
    memory_bytes_max: usize,
    table_elements_max: usize,
}

impl ActivityComponent {
    /// Checks the grants and asks the component for its types.
    pub(crate) fn new(
        digest: Digest,
        engine: Engine,
        pre: InstancePre<AttemptData>,
        has_handler: bool,
        grants: Grants,
        config: &SandboxConfig,
    ) -> Result<Self, Error> {
        let hosts = Arc::new(grants.check()?);
        if has_handler {
            // It must be as the world has it.
            ActivityPre::new(pre.clone()).map_err(Error::invalid)?;
        }
        let typed = TypedExports::activities(pre.component(), &engine)?;
        let inner = Arc::new(Loaded {
            engine,
            pre,
            has_handler,
            typed,
            grants,
            hosts,
            memory_bytes_max: config.memory_bytes_max,
            table_elements_max: config.table_elements_max,
        });
        let activity_types = attempt::definitions(&inner, config.activation_budget)?;
        check_types(&activity_types)?;
        Ok(Self {
            digest,
            activity_types,
            inner,
        })
    }

    /// The SHA-256 digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The activity types that it exports.
    #[must_use]
    pub fn activity_types(&self) -> &[String] {
        &self.activity_types
    }

    /// The functions of its author's own types, each an activity type.
    #[must_use]
    pub fn typed(&self) -> Typed {
        Typed {
            imports: Vec::new(),
            exports: self.inner.typed.functions(),
        }
    }

    /// Makes one attempt. The future is to be polled on a tokio runtime with time and I/O enabled;
    /// a guest that computes yields at each tick of the epoch. Dropping it kills the attempt.
    pub fn start(
        &self,
        task: ActivityTask,
        host: Arc<dyn ActivityHost>,
    ) -> impl Future<Output = ActivityOutcome> + Send + 'static {
        attempt::run(Arc::clone(&self.inner), task, host)
    }
}

impl fmt::Debug for ActivityComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityComponent")
            .field("digest", &self.digest)
            .field("activity_types", &self.activity_types)
            .field("grants", &self.inner.grants)
            .finish_non_exhaustive()
    }
}
