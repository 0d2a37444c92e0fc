//! What an attempt's store holds, and the imports of ours that attempts have.

use super::{ActivityHost, ActivityTask, AttemptState, grants::GrantedHosts, wasi};
use crate::{
    Level,
    bindings::{
        activity::{Activity, sandglass::workflow::activity_context as wit},
        types,
        workflow::sandglass::workflow::log as wit_log,
    },
    convert::{header, list},
    host::level,
    limits::Limits,
    log::{LogBudget, MESSAGE_BYTES_MAX, cut},
    trap::BadCall,
};
use std::sync::{Arc, Mutex, MutexGuard};
use wasmtime::{
    Engine, Result,
    component::{HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The data of an attempt's store.
pub(crate) struct AttemptData {
    pub(super) limits: Limits,
    wasi: WasiCtx,
    table: ResourceTable,
    pub(super) hosts: Arc<GrantedHosts>,
    log: Arc<AttemptLog>,
    /// Which attempt it is, if it is one.
    task: Option<Arc<ActivityTask>>,
}

impl AttemptData {
    pub(super) fn new(
        limits: Limits,
        wasi: WasiCtx,
        hosts: Arc<GrantedHosts>,
        log: Arc<AttemptLog>,
        task: Option<Arc<ActivityTask>>,
    ) -> Self {
        Self {
            limits,
            wasi,
            table: ResourceTable::new(),
            hosts,
            log,
            task,
        }
    }
}

/// Makes every import of activities available.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<AttemptData>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    Activity::add_to_linker::<_, HasSelf<_>>(&mut linker, |data: &mut AttemptData| data)?;
    Ok(linker)
}

/// The attempt's lines on their way to the host, whether logged or written to a standard stream.
pub(super) struct AttemptLog {
    host: Arc<dyn ActivityHost>,
    state: Mutex<LogState>,
}

#[derive(Default)]
struct LogState {
    budget: LogBudget,
    last_error: Option<String>,
}

impl AttemptLog {
    pub(super) fn new(host: Arc<dyn ActivityHost>) -> Self {
        Self {
            host,
            state: Mutex::default(),
        }
    }

    pub(super) fn write(&self, level: Level, target: &str, message: &str) {
        let mut state = self.lock();
        if level == Level::Error {
            state.last_error = Some(cut(message, MESSAGE_BYTES_MAX).to_owned());
        }
        let sink = |level, target: &str, message: &str| self.host.log(level, target, message);
        state.budget.write(level, target, message, &sink);
    }

    /// The last error that the guest logged, which is a panic's message.
    pub(super) fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state
            .lock()
            .expect("the host's log function does not panic")
    }
}

impl WasiView for AttemptData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl types::Host for AttemptData {}

impl wit_log::Host for AttemptData {
    fn write(&mut self, severity: wit_log::Level, target: String, message: String) -> Result<()> {
        self.log.write(level(severity), &target, &message);
        Ok(())
    }
}

impl wit::Host for AttemptData {
    fn get_attempt(&mut self) -> Result<wit::AttemptInfo> {
        let Some(task) = self.task.as_deref() else {
            let message = "there is no attempt: `get-attempt` is for activities";
            return Err(BadCall::new("BadCall", message).into());
        };
        let task = task.clone();
        Ok(wit::AttemptInfo {
            activity_type: task.activity_type,
            header: header(task.header),
            attempt: task.attempt,
            idempotency_key: task.idempotency_key,
            heartbeat_details: list(task.heartbeat_details),
            workflow_id: task.workflow_id,
            run_id: task.run_id,
            activity_id: task.activity_id,
            scheduled_at: task.scheduled_at.0,
            deadline: task.deadline.map(|deadline| deadline.0),
            heartbeat_timeout: task.heartbeat_timeout.map(|timeout| timeout.0),
        })
    }

    fn heartbeat(&mut self, details: Vec<types::Payload>) -> Result<wit::AttemptState> {
        Ok(self.log.host.heartbeat(list(details)).into())
    }

    fn get_state(&mut self) -> Result<wit::AttemptState> {
        Ok(self.log.host.state().into())
    }

    fn complete_later(&mut self) -> Result<String> {
        Ok(self.log.host.complete_later())
    }
}

impl From<AttemptState> for wit::AttemptState {
    fn from(state: AttemptState) -> Self {
        match state {
            AttemptState::Active => Self::Active,
            AttemptState::CancelRequested(reason) => Self::CancelRequested(reason),
            AttemptState::NotFound => Self::NotFound,
            AttemptState::TimedOut => Self::TimedOut,
            AttemptState::WorkerShutdown => Self::WorkerShutdown,
            AttemptState::Paused => Self::Paused,
            AttemptState::Reset => Self::Reset,
        }
    }
}
