//! The one thread that writes: group commit by readiness (one transaction for all that is ready).
//!
//! A commit begins when the writer is free and no workflow task that is already runnable could
//! still join it, or 256 frames or 1 MiB wait, or the oldest frame has waited 1 ms. With nothing
//! to do the thread sleeps without a timer. After a commit it runs the effects, then checkpoints
//! when idle.

mod early;
#[cfg(test)]
mod tests;

pub(crate) use early::{EarlySlot, Offer, Settled};

use crate::{
    cell::{Ack, Delivery, Head, RunCell},
    clock::lock,
    error::Error,
    host::Inner,
};
use sandglass_engine::{Changes, EventId};
use sandglass_store::{Store, Write};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Frames that are not made to wait for more.
const FRAMES_MAX: usize = 256;
/// Bytes that are not made to wait for more.
const BYTES_MAX: usize = 1 << 20;
/// How long the oldest frame waits for others.
const PATIENCE: Duration = Duration::from_millis(1);
/// A workflow task that runs longer than this has its inputs committed alone.
const EARLY_AFTER: Duration = Duration::from_millis(2);
/// With nothing to write for this long, the log is checkpointed.
const CHECKPOINT_AFTER: Duration = Duration::from_millis(50);

/// A log that has grown to this size is checkpointed even if the writer is never idle.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// One run's part in a commit.
pub(crate) struct Submission {
    pub(crate) cell: Arc<RunCell>,
    pub(crate) write: Write,
    pub(crate) changes: Changes,
    /// The run's head once this is committed; `None` if it only overwrites rows of activities.
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) acks: Vec<(Ack, Delivery)>,
    pub(crate) part: Part,
    /// The first frame of the run that follows, whose write is in this one's.
    pub(crate) successor: Option<Box<Submission>>,
}

/// What a submission is a part of.
pub(crate) enum Part {
    /// A whole step of the run; afterwards the run is free.
    Step,
    /// The inputs of a workflow task that is still running.
    Inputs(Arc<EarlySlot>),
    /// Rows of these activities, beside whatever the run is doing.
    Aside(Vec<EventId>),
}

impl Submission {
    fn bytes(&self) -> usize {
        let frame = self
            .write
            .frame
            .as_ref()
            .map_or(0, |(_, bytes)| bytes.len());
        let rows: usize = self
            .write
            .activities_put
            .iter()
            .map(|(_, bytes)| bytes.len())
            .sum();
        frame + rows + self.write.row.as_ref().map_or(0, |row| row.summary.len())
    }
}

/// Something else that needs the store's writing side, between two commits.
type Job = Box<dyn FnOnce(&mut dyn Store) + Send>;

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    batch: Vec<Submission>,
    bytes: usize,
    /// When the oldest of the batch was submitted.
    since: Option<Instant>,
    /// Runs that wait for a thread of the pool.
    queued: usize,
    /// Steps that threads of the pool are at, by token.
    running: BTreeMap<u64, Running>,
    next_token: u64,
    committing: bool,
    /// While the writer waits: when it looks again by itself; `None` for only when it is called.
    waiting: Option<Option<Instant>>,
    stopped: bool,
    /// Nobody writes any more.
    ended: bool,
}

struct Running {
    since: Instant,
    /// The inputs of its workflow task, and since when that runs.
    slot: Option<(Instant, Arc<EarlySlot>)>,
}

/// The queue in front of the writer thread.
#[derive(Default)]
pub(crate) struct Writer {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// One step that a thread of the pool is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// A run was put in the pool's queue.
    pub(crate) fn expect(&self) {
        self.lock().queued += 1;
    }

    /// A thread of the pool has taken a run from its queue.
    pub(crate) fn begin(&self) -> Token {
        let mut queue = self.lock();
        queue.queued = queue.queued.saturating_sub(1);
        queue.next_token += 1;
        let token = queue.next_token;
        queue.running.insert(
            token,
            Running {
                since: Instant::now(),
                slot: None,
            },
        );
        Token(token)
    }

    /// Offers the inputs of the running workflow task for a commit of their own.
    pub(crate) fn offer(&self, token: Token, slot: Option<Arc<EarlySlot>>) {
        let mut queue = self.lock();
        if let Some(running) = queue.running.get_mut(&token.0) {
            running.slot = slot.map(|slot| (Instant::now(), slot));
        }
        self.call(queue);
    }

    /// The step is put aside: its workflow task waits for local activities, but its inputs do not
    /// wait for it.
    pub(crate) fn wait(&self, token: Token) {
        let running = self.lock().running.remove(&token.0);
        let slot = running.and_then(|running| running.slot);
        if let Some(submission) = slot.and_then(|(_, slot)| slot.take()) {
            self.lock().add(submission);
        }
        self.changed.notify_all();
    }

    /// The step has ended, with something to write or without.
    pub(crate) fn end(&self, token: Token, submission: Option<Submission>) {
        let mut queue = self.lock();
        queue.running.remove(&token.0);
        if let Some(submission) = submission {
            queue.add(submission);
        }
        self.call(queue);
    }

    pub(crate) fn submit(&self, submission: Submission) {
        let mut queue = self.lock();
        queue.add(submission);
        self.call(queue);
    }

    /// Calls the writer, unless it is at work or looks soon enough by itself: a thread that wakes
    /// up for nothing costs more than a frame.
    fn call(&self, queue: MutexGuard<'_, Queue>) {
        let Some(looks_at) = queue.waiting else {
            return;
        };
        let now = Instant::now();
        let ready = queue.ready_in(now).or_else(|| queue.overdue_in(now));
        let late = ready.is_some_and(|ready| looks_at.is_none_or(|at| now + ready < at));
        drop(queue);
        if late {
            self.changed.notify_all();
        }
    }

    /// Runs something on the writer thread, between two commits. Dropped if the writer has been
    /// stopped.
    pub(crate) fn run_job(&self, job: Job) {
        let mut queue = self.lock();
        if queue.stopped {
            return;
        }
        queue.jobs.push(job);
        drop(queue);
        self.changed.notify_all();
    }

    pub(crate) fn frames_waiting(&self) -> usize {
        let queue = self.lock();
        let frames = queue.batch.iter().map(|waiting| &waiting.write.frame);
        frames.flatten().count()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let queue = self.lock();
        queue.batch.is_empty() && !queue.committing
    }

    /// Writes what is there, then ends the thread.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Writes until stopped.
    pub(crate) fn run(&self, host: &Arc<Inner>, store: &mut dyn Store) {
        let mut idle = Idle::Fresh;
        while let Some(mut batch) = self.next_batch(&mut idle, store) {
            let take = |submission: &mut Submission| std::mem::take(&mut submission.write);
            let writes: Vec<Write> = batch.iter_mut().map(take).collect();
            let committing = crate::crash::phase(crate::crash::Phase::Commit);
            let results = store.commit(&writes);
            drop(committing);
            count(host, &writes, &results);
            let dispatching = crate::crash::phase(crate::crash::Phase::Dispatch);
            complete(host, batch, results);
            drop(dispatching);
            idle = Idle::Fresh;
            if store.stats().log_bytes > LOG_BYTES_MAX {
                checkpoint(store);
            }
            self.lock().committing = false;
            host.quiet.notify_waiters();
        }
    }

    /// Waits for a batch that is ready. `None`: stopped, and nothing is left.
    fn next_batch(&self, idle: &mut Idle, store: &mut dyn Store) -> Option<Vec<Submission>> {
        let mut queue = self.lock();
        loop {
            let now = Instant::now();
            if !queue.jobs.is_empty() {
                let jobs = std::mem::take(&mut queue.jobs);
                drop(queue);
                jobs.into_iter().for_each(|job| job(store));
                queue = self.lock();
                continue;
            }
            let overdue = queue.overdue(now);
            if !overdue.is_empty() {
                // Encoded without the queue, which every thread of the pool needs.
                drop(queue);
                let taken: Vec<_> = overdue.iter().filter_map(EarlySlot::take).collect();
                queue = self.lock();
                taken
                    .into_iter()
                    .for_each(|submission| queue.add(submission));
                continue;
            }
            let wait = match queue.ready_in(now) {
                Some(Duration::ZERO) => {
                    queue.committing = true;
                    queue.since = None;
                    queue.bytes = 0;
                    return Some(std::mem::take(&mut queue.batch));
                }
                Some(wait) => Some(wait),
                None if queue.stopped => {
                    queue.ended = true;
                    return None;
                }
                None => queue.overdue_in(now),
            };
            let resting = wait.is_none();
            let wait = wait.or(idle.wait());
            queue.waiting = Some(wait.map(|wait| now + wait));
            let Some(wait) = wait else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.waiting = None;
                continue;
            };
            let waited = self.changed.wait_timeout(queue, wait);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.waiting = None;
            if timeout.timed_out() && resting && queue.batch.is_empty() {
                drop(queue);
                checkpoint(store);
                *idle = Idle::Checkpointed;
                queue = self.lock();
            }
        }
    }
}

#[derive(PartialEq, Clone, Copy)]
enum Idle {
    /// Something was written since the last checkpoint.
    Fresh,
    Checkpointed,
}

impl Idle {
    fn wait(self) -> Option<Duration> {
        (self == Self::Fresh).then_some(CHECKPOINT_AFTER)
    }
}

impl Queue {
    /// After the writer's end it is dropped, and whoever waits for it hears that the host is gone.
    fn add(&mut self, submission: Submission) {
        if self.ended {
            return;
        }
        self.bytes += submission.bytes();
        self.since.get_or_insert_with(Instant::now);
        self.batch.push(submission);
    }

    /// Takes the inputs of workflow tasks that have been running too long.
    fn overdue(&mut self, now: Instant) -> Vec<Arc<EarlySlot>> {
        let due = |(since, _): &mut (Instant, Arc<EarlySlot>)| {
            now.saturating_duration_since(*since) >= EARLY_AFTER
        };
        let slots = self
            .running
            .values_mut()
            .filter_map(|running| running.slot.take_if(due));
        slots.map(|(_, slot)| slot).collect()
    }

    /// How long until the batch is ready; `None` if it is empty.
    fn ready_in(&self, now: Instant) -> Option<Duration> {
        let since = self.since?;
        let joinable = self
            .running
            .values()
            .map(|running| PATIENCE.saturating_sub(now - running.since))
            .max();
        let full = self.batch.len() >= FRAMES_MAX || self.bytes >= BYTES_MAX;
        let nobody = self.queued == 0 && joinable.is_none_or(|left| left.is_zero());
        if full || nobody || self.stopped {
            return Some(Duration::ZERO);
        }
        let patience = PATIENCE.saturating_sub(now.duration_since(since));
        Some(if self.queued == 0 {
            patience.min(joinable.unwrap_or_default())
        } else {
            patience
        })
    }

    /// How long until the inputs of a running workflow task are to be taken.
    fn overdue_in(&self, now: Instant) -> Option<Duration> {
        let offered = self
            .running
            .values()
            .filter_map(|running| running.slot.as_ref());
        offered
            .map(|(since, _)| EARLY_AFTER.saturating_sub(now.saturating_duration_since(*since)))
            .min()
    }
}

fn checkpoint(store: &mut dyn Store) {
    if let Err(error) = store.checkpoint() {
        tracing::warn!(%error, "checkpoint failed; it is tried again later");
    }
}

/// What a commit answers: for each write, or for all of them.
type Results = Result<Vec<Result<(), sandglass_store::Error>>, sandglass_store::Error>;

fn count(host: &Inner, writes: &[Write], results: &Results) {
    let Ok(results) = results else { return };
    host.counters.commits.add(1);
    let stored = writes
        .iter()
        .zip(results)
        .filter(|(_, result)| result.is_ok());
    for (_, bytes) in stored.filter_map(|(write, _)| write.frame.as_ref()) {
        host.counters.frames.add(1);
        host.counters.frame_bytes.add(bytes.len() as u64);
    }
}

fn complete(host: &Arc<Inner>, batch: Vec<Submission>, results: Results) {
    match results {
        Ok(results) => {
            for (submission, result) in batch.into_iter().zip(results) {
                match result {
                    Ok(()) => crate::effects::committed(host, submission),
                    Err(error) => lost(host, submission, error.into()),
                }
            }
        }
        Err(error) => {
            let error = Error::from(error);
            tracing::error!(%error, runs = batch.len(), "commit failed; nothing was acknowledged");
            for submission in batch {
                lost(host, submission, error.clone());
            }
        }
    }
}

fn lost(host: &Arc<Inner>, mut submission: Submission, error: Error) {
    let cell = Arc::clone(&submission.cell);
    let acks = std::mem::take(&mut submission.acks);
    if submission.successor.is_some() {
        // Nobody has heard of it: its run goes with it.
        host.left_step();
    }
    match submission.part {
        Part::Step => crate::effects::lost(host, &cell, &error),
        Part::Inputs(slot) => {
            slot.finish(Err(error.clone()));
            crate::task::hosting::look(host, &cell);
        }
        Part::Aside(ids) => {
            tracing::warn!(run_id = cell.run_id, %error, "activity rows were not stored");
            crate::activity::not_stored(host, &cell, &ids);
        }
    }
    // Last, so that whoever hears it finds the run as it is now.
    for (ack, _) in acks {
        drop(ack.send(Err(error.clone())));
    }
}
