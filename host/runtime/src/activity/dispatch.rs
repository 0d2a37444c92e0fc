//! Who makes attempts, and how many at once: first come first served.

#[cfg(test)]
mod tests;

use super::{
    ActivityContext, ActivityInfo, Attempt, AttemptState, Slot, Worker, first_poll::poll_once,
    supervise::supervise,
};
use crate::{cell::RunCell, clock::lock, host::Inner, task::panic_text};
use sandglass_engine::{EventId, PendingActivity, Timestamp};
use sandglass_store::RunKey;
use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex},
};

/// An activity that may have an attempt to be made.
#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) cell: Arc<RunCell>,
    pub(crate) event_id: EventId,
    pub(crate) activity_type: String,
    pub(crate) task_queue: String,
}

/// An activity that nobody serves: no worker of this host, and none that has polled its task queue
/// in the last five minutes. It stays scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unserved {
    /// The workflow id of its run.
    pub workflow_id: String,
    /// Its type.
    pub activity_type: String,
    /// Its task queue.
    pub task_queue: String,
    /// Since when it waits.
    pub since: Timestamp,
}

#[derive(Default)]
struct State {
    workers: HashMap<String, Arc<dyn Worker>>,
    in_flight: usize,
    waiting: VecDeque<Ticket>,
    stopped: bool,
    /// The attempts that are running, those of ended runs included, by number.
    attempts: HashMap<usize, (RunKey, Arc<Attempt>)>,
}

/// The workers of one host.
pub(crate) struct Dispatch {
    limit: usize,
    state: Mutex<State>,
    begun: Mutex<Begun>,
}

/// Attempts that have begun and are no task yet.
#[derive(Default)]
struct Begun {
    waiting: VecDeque<Supervised>,
    /// A task comes to poll them.
    coming: bool,
}

/// An attempt with what looks after it.
type Supervised = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Dispatch {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            state: Mutex::new(State::default()),
            begun: Mutex::default(),
        }
    }

    /// Adds a worker; what waited for its type is dispatched.
    pub(crate) fn register(&self, host: &Arc<Inner>, activity_type: &str, worker: Arc<dyn Worker>) {
        let mut state = lock(&self.state);
        state.workers.insert(activity_type.into(), worker);
        let tickets = host.queues.take_type(activity_type);
        drop(state);
        for ticket in tickets {
            self.offer(host, ticket);
        }
    }

    pub(crate) fn types(&self) -> Vec<String> {
        let mut types: Vec<_> = lock(&self.state).workers.keys().cloned().collect();
        types.sort();
        types
    }

    /// Lists what waits for a worker that is not there.
    pub(crate) fn unserved(&self, host: &Inner) -> Vec<Unserved> {
        let waiting = host.queues.unserved(host.clock.now());
        let is_pending = |ticket: &Ticket| {
            let state = ticket.cell.lock();
            state
                .activities
                .get(&ticket.event_id)
                .is_some_and(|slot| !slot.closing)
        };
        waiting
            .into_iter()
            .filter(|(ticket, _)| is_pending(ticket))
            .map(|(ticket, since)| Unserved {
                workflow_id: ticket.cell.workflow_id.clone(),
                activity_type: ticket.activity_type,
                task_queue: ticket.task_queue,
                since,
            })
            .collect()
    }

    /// Who makes attempts of an activity type.
    pub(super) fn worker(&self, activity_type: &str) -> Option<Arc<dyn Worker>> {
        lock(&self.state).workers.get(activity_type).cloned()
    }

    /// Whether an activity type has a worker.
    pub(crate) fn serves(&self, activity_type: &str) -> bool {
        lock(&self.state).workers.contains_key(activity_type)
    }

    /// Most attempts at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Begins an attempt now, or when there is room. One of a type that no worker here serves waits
    /// in its task queue for a worker elsewhere.
    pub(crate) fn offer(&self, host: &Arc<Inner>, ticket: Ticket) {
        let mut state = lock(&self.state);
        if state.stopped {
            return;
        }
        let Some(worker) = state.workers.get(&ticket.activity_type).cloned() else {
            // Under the lock: whoever registers a worker now looks there afterwards.
            host.queues.offer(host, ticket);
            return;
        };
        if state.in_flight >= self.limit {
            state.waiting.push_back(ticket);
            return;
        }
        state.in_flight += 1;
        drop(state);
        if !begin(host, &ticket, worker) {
            self.release(host);
        }
    }

    /// Puts an attempt to work. A commit begins many, on a thread that is not tokio's, where each
    /// spawn wakes one of its threads: so one task polls all that have come together.
    fn spawn(&self, host: &Arc<Inner>, attempt: Supervised) {
        let mut begun = lock(&self.begun);
        begun.waiting.push_back(attempt);
        let call = !std::mem::replace(&mut begun.coming, true);
        drop(begun);
        if call {
            spawn_for_any(host, poll_begun(Arc::clone(host)));
        }
    }

    /// The host has stopped: nobody polls what waits, and each attempt holds the host.
    pub(crate) fn forget_begun(&self) {
        let waiting = std::mem::take(&mut lock(&self.begun).waiting);
        drop(waiting);
    }

    /// The next attempt to be polled, and whether another task is to come for those after it.
    fn next_begun(&self) -> Option<(Supervised, bool)> {
        let mut begun = lock(&self.begun);
        let attempt = begun.waiting.pop_front()?;
        let call = !begun.waiting.is_empty() && !std::mem::replace(&mut begun.coming, true);
        Some((attempt, call))
    }

    /// An attempt has really ended: there is room for another.
    pub(crate) fn release(&self, host: &Arc<Inner>) {
        loop {
            let mut state = lock(&self.state);
            let next = if state.stopped {
                None
            } else {
                state.waiting.pop_front()
            };
            let next = next.and_then(|ticket| {
                let worker = state.workers.get(&ticket.activity_type).cloned()?;
                Some((ticket, worker))
            });
            let Some((ticket, worker)) = next else {
                state.in_flight -= 1;
                return;
            };
            drop(state);
            if begin(host, &ticket, worker) {
                return;
            }
        }
    }

    /// Notes that an attempt is running, before anybody could want to end it.
    fn register_attempt(&self, run: RunKey, attempt: &Arc<Attempt>) {
        let own = (run, Arc::clone(attempt));
        lock(&self.state).attempts.insert(number(attempt), own);
    }

    pub(super) fn forget_attempt(&self, attempt: &Arc<Attempt>) {
        lock(&self.state).attempts.remove(&number(attempt));
    }

    /// Ends all attempts of a run at once, also those left over from what has ended. Returns how
    /// many.
    pub(crate) fn kill(&self, run: RunKey) -> u64 {
        let state = lock(&self.state);
        let own = state.attempts.values().filter(|(key, _)| *key == run);
        own.map(|(_, attempt)| attempt.kill()).count() as u64
    }

    /// Tells all attempts that the host stops. Those whose result nobody wants are ended.
    pub(crate) fn shut_down(&self) {
        for (_, attempt) in lock(&self.state).attempts.values() {
            if *attempt.state.borrow() == AttemptState::NotFound {
                attempt.kill();
            }
            attempt.give_up(AttemptState::WorkerShutdown);
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        lock(&self.state).in_flight
    }

    /// Begins no more attempts.
    pub(crate) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopped = true;
        state.waiting.clear();
    }
}

/// Polls the attempts that wait once. Those that do not end with that become tasks. As long as
/// there are more, another such task comes: one attempt that takes long does not hold the others.
fn poll_begun(host: Arc<Inner>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        lock(&host.dispatch.begun).coming = false;
        while let Some((mut attempt, call)) = host.dispatch.next_begun() {
            if call {
                spawn_for_any(&host, poll_begun(Arc::clone(&host)));
            }
            match poll_once(&mut attempt).await {
                Some(Ok(())) => {}
                None => spawn_for_any(&host, attempt),
                Some(Err(panic)) => {
                    let panic = panic_text(panic);
                    tracing::error!(panic, "an attempt was lost; its limit on time ends it");
                }
            }
        }
    })
}

/// Spawns a task that any of tokio's threads may take. What was spawned last on one of them waits
/// for that thread alone, which an attempt may be about to block: something else takes its place.
fn spawn_for_any(host: &Inner, task: Supervised) {
    drop(host.tokio.spawn(task));
    if tokio::runtime::Handle::try_current().is_ok() {
        drop(host.tokio.spawn(async {}));
    }
}

/// A number that no other attempt has as long as this one lives.
fn number(attempt: &Arc<Attempt>) -> usize {
    Arc::as_ptr(attempt).addr()
}

/// Begins an attempt if the activity still wants one now.
fn begin(host: &Arc<Inner>, ticket: &Ticket, worker: Arc<dyn Worker>) -> bool {
    let Ticket { cell, event_id, .. } = ticket;
    let now = host.clock.now();
    let mut state = cell.lock();
    let Some(slot) = state.activities.get_mut(event_id) else {
        return false;
    };
    if !may_begin(host, cell, slot, now) {
        return false;
    }
    let cancel_requested = slot
        .pending
        .cancel_requested
        .clone()
        .filter(|_| host.config.push_cancel);
    crate::crash::point("dispatch.before");
    slot.pending.start(now, &host.config.identity);
    slot.arm_deadline(host, cell.key);
    let initial = cancel_requested.map_or(AttemptState::Active, AttemptState::CancelRequested);
    let attempt = Arc::new(Attempt::new(initial, slot.pending.begun));
    slot.attempt = Some(Arc::clone(&attempt));
    slot.handed = None;
    let info = Arc::new(info(cell, &slot.pending));
    // Under the run's lock: whoever kills the run's attempts after that finds this one.
    host.dispatch.register_attempt(cell.key, &attempt);
    drop(state);
    host.counters.attempts.add(1);
    let context = ActivityContext {
        host: Arc::clone(host),
        cell: Arc::clone(cell),
        attempt,
        info,
    };
    host.dispatch
        .spawn(host, Box::pin(supervise(context, worker)));
    crate::crash::point("dispatch.after");
    true
}

/// Whether an attempt of the activity is to be begun now.
pub(crate) fn may_begin(host: &Inner, cell: &RunCell, slot: &mut Slot, now: Timestamp) -> bool {
    let pending = &slot.pending;
    if pending.started.is_some() || pending.paused.is_some() || slot.closing || slot.held {
        return false;
    }
    if pending.next_attempt_at > now {
        // The clock was set back since it was due.
        slot.arm_retry(host, cell.key);
        return false;
    }
    true
}

pub(super) fn info(cell: &RunCell, pending: &PendingActivity) -> ActivityInfo {
    let call = &pending.call;
    let started = pending
        .started
        .as_ref()
        .map_or(pending.scheduled_at, |started| started.at);
    let ends = [
        call.start_to_close.map(|limit| started + limit),
        call.schedule_to_close
            .map(|limit| pending.scheduled_at + limit),
    ];
    ActivityInfo {
        activity_type: call.activity_type.clone(),
        activity_id: pending.activity_id.clone(),
        workflow_id: cell.workflow_id.clone(),
        run_id: cell.run_id.clone(),
        scheduled_event_id: pending.scheduled_event_id,
        attempt: pending.attempt,
        idempotency_key: pending.idempotency_key(&cell.run_id),
        heartbeat_details: pending.heartbeat_details.clone(),
        scheduled_at: pending.scheduled_at,
        deadline: ends.into_iter().flatten().min(),
        heartbeat_timeout: call.heartbeat,
        arguments: call.arguments.clone(),
        header: call.header.clone(),
    }
}
