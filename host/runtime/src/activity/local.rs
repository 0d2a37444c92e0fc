//! Local activities in flight: begun when what was recorded before their workflow task is on disk,
//! made again in this process when they fail, told of a cancellation at once.
//!
//! They go by their operation and belong to the run, not to the workflow task that asked: one that
//! fails, or whose commit does, finds them running, or ended, when it is tried again.

use super::{ActivityContext, ActivityInfo, Attempt, AttemptState, supervise};
use crate::{
    cell::{CellState, RunCell},
    host::Inner,
    task::hosting,
};
use sandglass_engine::{
    EventId, Failure, LocalActivity, LocalOrder, LocalOutcome, LocalResolution, LocalVerdict,
    Millis, OperationId, Report, TimeoutKind, Timestamp,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

/// One local activity of a run.
pub(crate) struct LocalSlot {
    local: LocalActivity,
    /// Tells it from another one that took its place.
    life: Arc<()>,
    begun: bool,
    attempt: Option<Arc<Attempt>>,
    /// How it ended, and as which one.
    ended: Option<(u64, LocalResolution)>,
    /// The workflow task that runs has been told.
    told: bool,
    /// Its run does not wait for it. It is stopped with the run.
    abandoned: bool,
}

impl LocalSlot {
    fn new(local: LocalActivity) -> Self {
        Self {
            local,
            life: Arc::default(),
            begun: false,
            attempt: None,
            ended: None,
            told: false,
            abandoned: false,
        }
    }

    fn kill(&self, cause: AttemptState, at_once: bool) {
        if let Some(attempt) = &self.attempt {
            attempt.give_up(cause);
            if at_once {
                attempt.kill();
            }
        }
    }
}

impl CellState {
    /// Notes how a local activity ended.
    fn local_ended(&mut self, operation: OperationId, at: Timestamp, outcome: LocalOutcome) {
        let place = self.locals_ended;
        let Some(slot) = self.locals.get_mut(&operation) else {
            return;
        };
        slot.attempt = None;
        if slot.abandoned {
            self.locals.remove(&operation);
            return;
        }
        if slot.ended.is_none() {
            let attempt = slot.local.last_attempt();
            let resolution = LocalResolution {
                operation,
                attempt,
                at,
                outcome,
                unsettled: slot.local.pending.unsettled,
            };
            slot.ended = Some((place, resolution));
            self.locals_ended += 1;
        }
    }

    /// Type and attempt of those that run, for people.
    pub(crate) fn shown_locals(&self) -> Vec<(String, u32)> {
        let slots = self.locals.values();
        let running = slots.filter(|slot| slot.ended.is_none() && !slot.abandoned);
        running
            .map(|slot| {
                let pending = &slot.local.pending;
                (pending.call.activity_type.clone(), pending.attempt)
            })
            .collect()
    }

    /// Whether the run waits for local activities.
    pub(crate) fn hosts_locals(&self) -> bool {
        self.locals.values().any(|slot| !slot.abandoned)
    }
}

/// Whether a local activity has ended and the workflow task does not know.
pub(crate) fn any_told(state: &CellState) -> bool {
    let mut slots = state.locals.values();
    slots.any(|slot| slot.ended.is_some() && !slot.told && !slot.abandoned)
}

/// Takes what the workflow task is to be told, in the order in which it came about.
pub(crate) fn take_told(state: &mut CellState) -> Vec<LocalResolution> {
    let slots = state.locals.values_mut();
    let fresh = slots.filter(|slot| slot.ended.is_some() && !slot.told && !slot.abandoned);
    let mut told: Vec<_> = fresh
        .filter_map(|slot| {
            slot.told = true;
            slot.ended.clone()
        })
        .collect();
    told.sort_by_key(|(place, _)| *place);
    told.into_iter().map(|(_, resolution)| resolution).collect()
}

/// Does what a workflow task has ordered.
pub(crate) fn obey(host: &Arc<Inner>, cell: &Arc<RunCell>, order: LocalOrder) {
    let now = host.clock.now();
    let mut state = cell.lock();
    match order {
        LocalOrder::Begin(local) => begin(&mut state, now, *local),
        LocalOrder::Cancel {
            operation,
            reason,
            waits,
            wait_at_most,
        } => {
            cancel(&mut state, now, operation, reason);
            if !waits {
                abandon(&mut state, operation);
            } else if let Some(limit) = wait_at_most {
                limit_wait(host, cell, &state, operation, limit);
            }
        }
        LocalOrder::Abandon(operation) => abandon(&mut state, operation),
        LocalOrder::Drop(operation) => {
            if let Some(slot) = state.locals.remove(&operation) {
                slot.kill(AttemptState::NotFound, false);
            }
        }
    }
}

fn begin(state: &mut CellState, now: Timestamp, local: LocalActivity) {
    let operation = local.operation;
    match state.locals.get_mut(&operation) {
        // The task before was given up, or its commit failed; or it ended without this.
        Some(slot) if slot.local.pending.call == local.pending.call && !slot.abandoned => {
            slot.told = false;
        }
        other => {
            if let Some(slot) = other {
                slot.kill(AttemptState::NotFound, false);
            }
            let canceled = local.pending.cancel_requested.is_some();
            state.locals.insert(operation, LocalSlot::new(local));
            if canceled {
                // It was to stop when its host did: there is no other attempt (R19), and what the
                // one before did is not known.
                state.local_ended(operation, now, LocalOutcome::Unsettled);
            }
        }
    }
}

fn cancel(state: &mut CellState, now: Timestamp, operation: OperationId, reason: String) {
    let Some(slot) = state.locals.get_mut(&operation) else {
        return;
    };
    slot.local.pending.cancel_requested = Some(reason.clone());
    match &slot.attempt {
        Some(attempt) => attempt.request_cancel(reason),
        // Not begun, or between two attempts.
        None => {
            let stopped = slot.local.stopped();
            state.local_ended(operation, now, stopped);
        }
    }
}

fn abandon(state: &mut CellState, operation: OperationId) {
    if let Some(slot) = state.locals.get_mut(&operation) {
        slot.abandoned = true;
        if slot.attempt.is_none() {
            state.locals.remove(&operation);
        }
    }
}

/// Stops waiting for the end of one that was canceled (R23).
fn limit_wait(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    state: &CellState,
    operation: OperationId,
    limit: Millis,
) {
    let Some(life) = state
        .locals
        .get(&operation)
        .map(|slot| Arc::clone(&slot.life))
    else {
        return;
    };
    let (host, cell) = (Arc::clone(host), Arc::clone(cell));
    let due = host.clock.now() + limit;
    host.tokio.clone().spawn(async move {
        host.wait_until(due).await;
        let mut state = cell.lock();
        let own = state.locals.get(&operation);
        if own.is_some_and(|slot| Arc::ptr_eq(&slot.life, &life) && slot.ended.is_none()) {
            let attempt = state
                .locals
                .get_mut(&operation)
                .and_then(|slot| slot.attempt.take());
            state.local_ended(operation, host.clock.now(), LocalOutcome::Unsettled);
            // It goes on, and is stopped with the run.
            if let Some(slot) = state.locals.get_mut(&operation) {
                slot.attempt = attempt;
            }
            drop(state);
            hosting::look(&host, &cell);
        }
    });
}

/// Begins what waits for the commit of what was recorded before its workflow task.
pub(crate) fn begin_due(host: &Arc<Inner>, cell: &Arc<RunCell>) {
    let mut state = cell.lock();
    let committed = state
        .hosting
        .as_ref()
        .is_some_and(|hosting| hosting.is_committed());
    if !committed || host.is_stopping() {
        return;
    }
    for (operation, slot) in &mut state.locals {
        if !slot.begun && slot.ended.is_none() {
            slot.begun = true;
            host.locals_running.fetch_add(1, Ordering::AcqRel);
            let life = Life {
                host: Arc::clone(host),
                cell: Arc::clone(cell),
                operation: *operation,
                own: Arc::clone(&slot.life),
            };
            host.tokio.spawn(life.run());
        }
    }
}

/// Forgets the local activities that are not among these; all, also those left alone, if the run
/// has ended.
pub(crate) fn keep(state: &mut CellState, open: &BTreeSet<OperationId>) {
    state.locals.retain(|operation, slot| {
        let stays = slot.abandoned || open.contains(operation);
        if !stays {
            slot.kill(AttemptState::NotFound, false);
        }
        stays
    });
}

pub(crate) fn end_all(state: &mut CellState, cause: &AttemptState, at_once: bool) {
    for slot in std::mem::take(&mut state.locals).into_values() {
        slot.kill(cause.clone(), at_once);
    }
}

/// Tells all that the host is stopping.
pub(crate) fn stop(state: &CellState) {
    for slot in state.locals.values() {
        slot.kill(AttemptState::WorkerShutdown, false);
    }
}

/// The attempts of one local activity, one after the other.
struct Life {
    host: Arc<Inner>,
    cell: Arc<RunCell>,
    operation: OperationId,
    own: Arc<()>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.host.locals_running.fetch_sub(1, Ordering::AcqRel);
        self.host.attempt_ended();
    }
}

impl Life {
    async fn run(self) {
        while let Some((context, deadline)) = self.begin_attempt() {
            let report = self.attempt(context, deadline).await;
            let Some(at) = self.attempt_ended(report) else {
                break;
            };
            self.host.wait_until(at).await;
        }
        hosting::look(&self.host, &self.cell);
    }

    /// Its slot, while the run waits for it.
    fn slot<'a>(&self, state: &'a mut CellState) -> Option<&'a mut LocalSlot> {
        let slot = state.locals.get_mut(&self.operation)?;
        (Arc::ptr_eq(&slot.life, &self.own) && slot.ended.is_none()).then_some(slot)
    }

    fn begin_attempt(&self) -> Option<(ActivityContext, Option<(Timestamp, TimeoutKind)>)> {
        let now = self.host.clock.now();
        let mut state = self.cell.lock();
        if self.host.is_stopping() {
            return None;
        }
        let slot = self.slot(&mut state)?;
        crate::crash::point("dispatch.before");
        slot.local.pending.start(now, &self.host.config.identity);
        let attempt = Arc::new(Attempt::new(AttemptState::Active, slot.local.pending.begun));
        slot.attempt = Some(Arc::clone(&attempt));
        let deadline = slot.local.pending.deadline();
        let info = ActivityInfo {
            idempotency_key: slot.local.idempotency_key.clone(),
            ..super::dispatch::info(&self.cell, &slot.local.pending)
        };
        drop(state);
        self.host.counters.attempts.add(1);
        let context = ActivityContext {
            host: Arc::clone(&self.host),
            cell: Arc::clone(&self.cell),
            attempt,
            info: Arc::new(info),
        };
        Some((context, deadline))
    }

    /// Makes one attempt. `Err`: a limit on time passed; nothing: its result is not wanted.
    async fn attempt(
        &self,
        context: ActivityContext,
        deadline: Option<(Timestamp, TimeoutKind)>,
    ) -> Result<Option<Report>, TimeoutKind> {
        let name = context.info.activity_type.clone();
        let Some(worker) = self.host.dispatch.worker(&name) else {
            let message = format!("this host has no activity {name:?}");
            let failure = Failure::application("ActivityNotRegistered", message);
            return Ok(Some(Report::Failed(failure)));
        };
        let attempt = Arc::clone(&context.attempt);
        let making = tokio::spawn(supervise::make_one(context, worker));
        tokio::select! {
            biased;
            made = making => Ok(made.ok().flatten()),
            kind = self.passed(deadline) => {
                attempt.give_up(AttemptState::TimedOut);
                Err(kind)
            }
        }
    }

    async fn passed(&self, deadline: Option<(Timestamp, TimeoutKind)>) -> TimeoutKind {
        match deadline {
            Some((at, kind)) => {
                self.host.wait_until(at).await;
                kind
            }
            None => std::future::pending().await,
        }
    }

    /// Says when there is another attempt.
    fn attempt_ended(&self, report: Result<Option<Report>, TimeoutKind>) -> Option<Timestamp> {
        crate::crash::point("report.before");
        let now = self.host.clock.now();
        let threshold = Millis(self.host.config.limits.workflow_task_timeout as u64);
        let mut state = self.cell.lock();
        let Some(slot) = self.slot(&mut state) else {
            self.host.counters.stale_reports.add(1);
            let own = state.locals.get(&self.operation);
            if own.is_some_and(|slot| slot.abandoned && Arc::ptr_eq(&slot.life, &self.own)) {
                state.locals.remove(&self.operation);
            }
            return None;
        };
        let verdict = match report {
            Ok(Some(report)) => slot.local.report(now, report, threshold),
            Err(kind) => slot.local.time_out(now, kind, threshold),
            Ok(None) => {
                slot.attempt = None;
                return None;
            }
        };
        slot.attempt = None;
        match verdict {
            LocalVerdict::Ended(outcome) => {
                state.local_ended(self.operation, now, outcome);
                drop(state);
                crate::crash::point("report.after");
                None
            }
            LocalVerdict::Retry { at } => Some(at),
        }
    }
}

/// Whether these are the data of a local activity, which has no scheduled event.
pub(crate) fn is_local(info: &ActivityInfo) -> bool {
    info.scheduled_event_id == EventId(0)
}
