//! The threads that run workflow tasks: a fixed number, one queue, first come first served.
//!
//! Guest code cannot be taken off a thread before its time is up, and eight guests that loop would
//! hold a small pool for seconds. So a thread that has been at one run for long while others have
//! something to do gives up its seat: another thread takes it, and the first goes on beside the
//! pool, as [`turns`] says, and ends after its step. Nobody waits longer than [`PATIENCE`] for each
//! row of slow runs before it.

use crate::{cell::RunCell, clock::lock};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

mod nudge;
mod turns;

pub(crate) use turns::wait_for_turn;
use turns::{Seat, Turns, sit_down};

/// How long a thread may be at one run while others wait.
const PATIENCE: Duration = Duration::from_millis(5);

/// Threads that may go on beside the pool. Each costs a stack; the guest's memory is bounded by its
/// own limit.
const BESIDE_MAX: usize = 64;

#[derive(Default)]
struct Queue {
    runs: VecDeque<Arc<RunCell>>,
    /// The threads of the pool that are at a run, by number.
    busy: BTreeMap<u64, Busy>,
    /// Threads that wait for a run.
    idle: usize,
    /// How many of them have been called and have not come yet.
    called: usize,
    /// Threads that gave up their seats and are still at their runs.
    beside: usize,
    next_number: u64,
    /// Somebody looks after the seats at this moment: he need not be called.
    watched: bool,
    stopped: bool,
}

struct Busy {
    /// When it has to give up its seat, if others want to run.
    until: Instant,
    thread: Thread,
    seat: Arc<Seat>,
}

/// The niceness of a thread beside the pool: the least. Linux's class for idle threads would be
/// less, but on a busy machine a guest that is interrupted would get no time to end for a second.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// The queue of runs that have something to do.
#[derive(Default)]
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    /// For the threads that run.
    changed: Condvar,
    /// For the one that looks after their seats.
    all_busy: Condvar,
    turns: Turns,
}

impl Pool {
    pub(crate) fn push(&self, cell: Arc<RunCell>) {
        let mut queue = lock(&self.queue);
        queue.runs.push_back(cell);
        let call = !queue.watched && (queue.runs.len() > queue.idle || queue.overdue().is_some());
        let wake = queue.idle > queue.called;
        queue.called += usize::from(wake);
        drop(queue);
        // A call costs a system call, also if nobody waits.
        if wake {
            self.changed.notify_one();
        }
        if call {
            self.all_busy.notify_one();
        }
    }

    /// Ends the threads once they are through with what they are at. What is queued stays undone.
    pub(crate) fn stop(&self) {
        lock(&self.queue).stopped = true;
        self.changed.notify_all();
        self.all_busy.notify_all();
    }

    /// Forgets what is queued.
    pub(crate) fn clear(&self) {
        lock(&self.queue).runs.clear();
    }

    /// How many threads gave up their seats and are still at their runs.
    pub(crate) fn beside(&self) -> usize {
        lock(&self.queue).beside
    }

    /// Works until stopped, or until its seat was taken.
    pub(crate) fn work(&self, step: impl Fn(&Arc<RunCell>)) {
        let thread = Thread::current();
        let own = sit_down();
        let mut queue = lock(&self.queue);
        let mut yielded = false;
        loop {
            if queue.stopped {
                return;
            }
            let Some(cell) = queue.runs.pop_front() else {
                // Whoever is about to add a run may wait for this processor: to let him go first
                // costs less than to be called.
                if !std::mem::replace(&mut yielded, true) {
                    drop(queue);
                    std::thread::yield_now();
                    queue = lock(&self.queue);
                    continue;
                }
                yielded = false;
                queue.idle += 1;
                queue = wait(&self.changed, queue);
                queue.idle -= 1;
                queue.called = queue.called.saturating_sub(1);
                continue;
            };
            yielded = false;
            let number = queue.next_number;
            queue.next_number += 1;
            let until = Instant::now() + PATIENCE;
            let seat = Arc::clone(&own);
            queue.busy.insert(
                number,
                Busy {
                    until,
                    thread,
                    seat,
                },
            );
            drop(queue);
            step(&cell);
            drop(cell);
            queue = lock(&self.queue);
            let seated = queue.busy.remove(&number).is_some();
            if !seated {
                queue.beside -= 1;
                return;
            }
        }
    }

    /// Looks after the seats until stopped. `seat` puts another thread to work, or says that it
    /// cannot.
    pub(crate) fn look_after(&self, seat: impl Fn() -> bool) {
        let mut queue = lock(&self.queue);
        while !queue.stopped {
            if let Some(number) = queue.overdue()
                && queue.give_up_seat(number, &self.turns, &seat)
            {
                continue;
            }
            if queue.runs.len() <= queue.idle {
                // Whoever adds a run that no idle thread is there for calls.
                queue.watched = false;
                queue = wait(&self.all_busy, queue);
                continue;
            }
            queue.watched = true;
            // Between two runs, or if nobody can be put in anybody's place, they have to end.
            let left = queue.first_due().map_or(PATIENCE, |(_, left)| left);
            let left = if left.is_zero() { PATIENCE } else { left };
            let waited = self.all_busy.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Queue {
    /// The thread that has to give up its seat first, and how long it may keep it.
    fn first_due(&self) -> Option<(u64, Duration)> {
        // Numbers count up.
        let (number, busy) = self.busy.iter().next()?;
        Some((
            *number,
            busy.until.saturating_duration_since(Instant::now()),
        ))
    }

    /// A thread that is to go on beside the pool. Also while a seat is free: it would compete for
    /// the processors with those who have one.
    fn overdue(&self) -> Option<u64> {
        let (number, left) = self.first_due()?;
        (left.is_zero() && self.beside < BESIDE_MAX).then_some(number)
    }

    fn give_up_seat(&mut self, number: u64, turns: &Turns, seat: &impl Fn() -> bool) -> bool {
        if !seat() {
            return false;
        }
        if let Some(busy) = self.busy.remove(&number) {
            self.beside += 1;
            busy.thread.step_back();
            turns.send(busy.thread, &busy.seat);
        }
        true
    }
}

fn wait<'a>(changed: &Condvar, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
    changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
}

/// A thread, as the kernel knows it.
#[derive(Clone, Copy)]
struct Thread {
    #[cfg(target_os = "linux")]
    id: Option<rustix::process::Pid>,
}

impl Thread {
    fn current() -> Self {
        Self {
            // The link is PID/task/TID.
            #[cfg(target_os = "linux")]
            id: std::fs::read_link("/proc/thread-self")
                .ok()
                .and_then(|link| link.file_name()?.to_str()?.parse().ok())
                .and_then(rustix::process::Pid::from_raw),
        }
    }

    /// Lets threads of the pool go first. For good: only root could take it back.
    fn step_back(self) {
        #[cfg(target_os = "linux")]
        if let Some(id) = self.id {
            // Linux has a priority for each thread. Where that is refused the kernel's own fairness
            // has to do.
            let _refused = rustix::process::setpriority_process(Some(id), NICENESS);
        }
    }

    /// Ties it to one processor. Whether that could be done.
    fn stay_on(self, cpu: usize) -> bool {
        #[cfg(target_os = "linux")]
        if self.id.is_some() {
            let mut set = rustix::thread::CpuSet::new();
            set.set(cpu);
            return rustix::thread::sched_setaffinity(self.id, &set).is_ok();
        }
        let _elsewhere = cpu;
        false
    }
}

/// The processors that this process may use.
fn processors() -> Vec<usize> {
    #[cfg(target_os = "linux")]
    if let Ok(set) = rustix::thread::sched_getaffinity(None) {
        let all = 0..rustix::thread::CpuSet::MAX_CPU;
        return all.filter(|cpu| set.is_set(*cpu)).collect();
    }
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (0..count).collect()
}
