//! One attempt from instantiation to outcome.

use super::{
    ActivityHost, ActivityOutcome, ActivityTask, AttemptState, Loaded,
    context::{AttemptData, AttemptLog},
    wasi,
};
use crate::{
    Error, Level,
    bindings::activity::{Activity, exports::sandglass::workflow::activity_handler as wit},
    convert::{failure_in, header, list},
    limits::Limits,
    trap,
};
use sandglass_engine::{Failure, Payload};
use std::{sync::Arc, thread, time::Duration};
use wasmtime::{Result, Store};

/// Runs an attempt to its end.
pub(super) async fn run(
    loaded: Arc<Loaded>,
    task: ActivityTask,
    host: Arc<dyn ActivityHost>,
) -> ActivityOutcome {
    let log = Arc::new(AttemptLog::new(host));
    match call(&loaded, task, Arc::clone(&log)).await {
        Ok(Ok(result)) => ActivityOutcome::Completed(result),
        Ok(Err(failure)) => ActivityOutcome::Failed(failure),
        Err(error) => trapped(&error, &log),
    }
}

fn trapped(error: &wasmtime::Error, log: &AttemptLog) -> ActivityOutcome {
    ActivityOutcome::Trapped(trap::failure(error, log.last_error().as_deref()))
}

async fn call(
    loaded: &Loaded,
    task: ActivityTask,
    log: Arc<AttemptLog>,
) -> Result<Result<Payload, Failure>> {
    let task = Arc::new(task);
    let mut store = store(loaded, log, Some(Arc::clone(&task)))?;
    let instance = loaded.pre.instantiate_async(&mut store).await?;
    if let Some(function) = loaded.typed.get(&task.activity_type) {
        return function.call(&mut store, &instance, &task.arguments).await;
    }
    let guest = Activity::new(&mut store, &instance)?;
    let handler = guest.sandglass_workflow_activity_handler();
    let task = wit::ActivityTask::from(Arc::unwrap_or_clone(task));
    match handler.call_run(&mut store, &task).await? {
        Ok(result) => Ok(Ok(result.into())),
        Err(links) => Ok(Err(failure_in(links)?)),
    }
}

fn store(
    loaded: &Loaded,
    log: Arc<AttemptLog>,
    task: Option<Arc<ActivityTask>>,
) -> Result<Store<AttemptData>> {
    let limits = Limits::new(loaded.memory_bytes_max, loaded.table_elements_max, 0);
    let wasi = wasi::context(&loaded.grants, &loaded.hosts, &log)?;
    let data = AttemptData::new(limits, wasi, Arc::clone(&loaded.hosts), log, task);
    let mut store = Store::new(&loaded.engine, data);
    store.limiter(|data| &mut data.limits);
    // Each tick the guest gives its thread back, and can be dropped.
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(1);
    Ok(store)
}

/// Asks a throw-away instance for its activity types.
///
/// # Errors
/// [`Error::Definitions`]
pub(super) fn definitions(loaded: &Loaded, budget: Duration) -> Result<Vec<String>, Error> {
    let typed = loaded.typed.names();
    if !loaded.has_handler {
        return Ok(typed.collect());
    }
    // A thread of its own, because the caller may be in the middle of another async runtime.
    let on_thread = || -> Result<Vec<String>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let log = Arc::new(AttemptLog::new(Arc::new(NoAttempt)));
            let asked = tokio::time::timeout(budget, ask(loaded, Arc::clone(&log))).await;
            match asked {
                Ok(Ok(types)) => Ok(types),
                Ok(Err(error)) => {
                    Err(trap::failure(&error, log.last_error().as_deref()).to_string())
                }
                Err(_) => Err(format!("no answer after {} ms", budget.as_millis())),
            }
        })
    };
    let told = thread::scope(|scope| scope.spawn(on_thread).join())
        .expect("the thread only runs the guest, whose traps are errors")
        .map_err(Error::Definitions)?;
    Ok(typed.chain(told).collect())
}

async fn ask(loaded: &Loaded, log: Arc<AttemptLog>) -> Result<Vec<String>> {
    let mut store = store(loaded, log, None)?;
    let instance = loaded.pre.instantiate_async(&mut store).await?;
    let guest = Activity::new(&mut store, &instance)?;
    let handler = guest.sandglass_workflow_activity_handler();
    let definitions = handler.call_definitions(&mut store).await?;
    Ok(definitions
        .into_iter()
        .map(|definition| definition.name)
        .collect())
}

/// Stands for the host when there is no attempt.
struct NoAttempt;

impl ActivityHost for NoAttempt {
    fn heartbeat(&self, _: Vec<Payload>) -> AttemptState {
        AttemptState::NotFound
    }

    fn state(&self) -> AttemptState {
        AttemptState::NotFound
    }

    fn complete_later(&self) -> String {
        String::new()
    }

    fn log(&self, _: Level, _: &str, _: &str) {}
}

impl From<ActivityTask> for wit::ActivityTask {
    fn from(task: ActivityTask) -> Self {
        Self {
            activity_type: task.activity_type,
            arguments: list(task.arguments),
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
        }
    }
}
