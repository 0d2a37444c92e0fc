//! One attempt from its begin to its real end: runs it, kills it when its result is not wanted any
//! more, and reports what it returned.

use super::{
    ActivityContext, AttemptState, Worker, bounds,
    first_poll::{Panic, first_poll},
    is_over,
    local::is_local,
    report,
};
use crate::task::panic_text;
use sandglass_engine::{Failure, Payload, Report};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tracing::Instrument;

/// How long a native attempt may take to notice that it is over, before it is aborted at its next
/// await; and how long that may take before it counts as blocking. Real time: it is a matter of
/// threads.
const GRACE: Duration = Duration::from_millis(500);

type Joined = Result<Result<Payload, Failure>, JoinError>;

/// Runs an attempt to its end and reports how it ended.
pub(super) async fn supervise(context: ActivityContext, worker: Arc<dyn Worker>) {
    let span = span(&context);
    let running = crate::crash::phase(crate::crash::Phase::Activity);
    let reporting = async {
        let Some(outcome) = make(&context, worker).await else {
            return;
        };
        let ActivityContext {
            host,
            cell,
            attempt,
            info,
        } = &context;
        if report(host, cell, info.scheduled_event_id, attempt, outcome).is_err() {
            tracing::info!("the attempt's result was refused: it is not the current one any more");
        }
    };
    reporting.instrument(span).await;
    drop(running);
    context.host.dispatch.forget_attempt(&context.attempt);
    context.host.dispatch.release(&context.host);
    context.host.attempt_ended();
}

/// Runs an attempt of a local activity to its end. `None`: it was stopped, its result is not
/// wanted.
pub(super) async fn make_one(context: ActivityContext, worker: Arc<dyn Worker>) -> Option<Report> {
    let span = span(&context);
    let _running = crate::crash::phase(crate::crash::Phase::Activity);
    make(&context, worker).instrument(span).await
}

fn span(context: &ActivityContext) -> tracing::Span {
    let info = &context.info;
    tracing::info_span!(
        "attempt",
        run_id = info.run_id,
        workflow_id = info.workflow_id,
        activity_type = info.activity_type,
        event_id = info.scheduled_event_id.0,
        attempt = info.attempt,
    )
}

async fn make(context: &ActivityContext, worker: Arc<dyn Worker>) -> Option<Report> {
    let killable = worker.is_killable();
    let mut work = {
        let context = context.clone();
        Box::pin(async move { worker.attempt(context).await }.in_current_span())
    };
    // A task for each that ends at once would cost more than they do.
    let at_once = first_poll(context, &mut work).await;
    let limits = &context.host.config.limits;
    let bounded = |result: Result<Payload, Failure>| match result
        .and_then(|result| bounds::result(result, limits))
    {
        Ok(result) => Report::Completed(result),
        Err(failure) => Report::Failed(bounds::failure(failure, limits)),
    };
    let outcome = match at_once {
        Some(Ok(result)) => bounded(result),
        Some(Err(panic)) => Report::Failed(panicked(panic)),
        None => match go_on(context, work, killable).await {
            Ok(result) => bounded(result),
            Err(error) => Report::Failed(panicked(error.try_into_panic().ok()?)),
        },
    };
    let stopping = *context.attempt.state.borrow() == AttemptState::WorkerShutdown;
    if stopping && !matches!(outcome, Report::Completed(_)) {
        // It was told to stop, and will be made again.
        return None;
    }
    let elsewhere = context.attempt.elsewhere.load(Ordering::Acquire);
    if elsewhere && matches!(outcome, Report::Completed(_)) {
        // Somebody else reports its end.
        return None;
    }
    Some(outcome)
}

/// Goes on with an attempt that takes longer, in a task of its own, so that a killed one can be
/// left behind.
async fn go_on(
    context: &ActivityContext,
    work: impl Future<Output = Result<Payload, Failure>> + Send + 'static,
    killable: bool,
) -> Joined {
    let mut task = tokio::spawn(work);
    let ended = tokio::select! {
        biased;
        joined = &mut task => Some(joined),
        () = given_up(context) => None,
    };
    match ended {
        Some(joined) => joined,
        None if killable => {
            task.abort();
            task.await
        }
        None => kill_native(context, task).await,
    }
}

/// Waits until the attempt is to be ended: it is killed, has exceeded its limit on time, or the
/// host stops. One whose run or activity has ended may run on until its limit (S49).
pub(super) async fn given_up(context: &ActivityContext) {
    let mut killed = context.attempt.killed.subscribe();
    let mut states = context.attempt.state.subscribe();
    let over = async {
        let over = states.wait_for(is_over).await;
        // The sender lives in the context.
        let orphan = over.is_ok_and(|state| *state == AttemptState::NotFound);
        // A local activity is a part of its run, and ends with it.
        let orphan = orphan && !is_local(&context.info);
        if let (true, Some(deadline)) = (orphan, context.info.deadline) {
            context.host.wait_until(deadline).await;
        }
    };
    tokio::select! {
        _ = killed.wait_for(|killed| *killed) => {}
        () = over => {}
    }
}

async fn kill_native(
    context: &ActivityContext,
    mut task: JoinHandle<Result<Payload, Failure>>,
) -> Joined {
    if !*context.attempt.killed.borrow()
        && let Ok(joined) = timeout(GRACE, &mut task).await
    {
        return joined;
    }
    task.abort();
    if let Ok(joined) = timeout(GRACE, &mut task).await {
        return joined;
    }
    blocks(context);
    task.await
}

/// As long as an attempt that was given up may take before it counts as blocking.
pub(super) async fn grace(context: &ActivityContext) {
    let mut killed = context.attempt.killed.subscribe();
    // The sender lives in the context.
    drop(timeout(GRACE, killed.wait_for(|killed| *killed)).await);
    tokio::time::sleep(GRACE).await;
}

pub(super) fn blocks(context: &ActivityContext) {
    context.host.counters.blocked_attempts.add(1);
    tracing::warn!(
        activity_type = context.info.activity_type,
        "a native activity blocks its thread and cannot be stopped; its result will be refused"
    );
}

fn panicked(panic: Panic) -> Failure {
    Failure::application("Panic", panic_text(panic))
}
