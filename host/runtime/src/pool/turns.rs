//! How runs that take long share what the others leave of the processors.
//!
//! A lower priority alone does not keep them out of the way: with more threads that compute than
//! processors, a thread that wakes up for a moment's work waits some milliseconds, whoever has the
//! higher priority. So one processor is left free, where there are several. Each thread beside the
//! pool is tied to one of the others, where one computes at a time; they change at each tick of the
//! epoch.

use super::{Thread, nudge::Nudge};
use crate::clock::lock;
use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How soon a thread that waits for its turn notices that its run is to be interrupted.
const NOTICE: Duration = Duration::from_millis(20);

thread_local! {
    static SEAT: RefCell<Option<Arc<Seat>>> = const { RefCell::new(None) };
}

/// The processors for those who are beside the pool.
pub(super) struct Turns {
    processors: Vec<Arc<Processor>>,
}

/// One processor for those who are beside the pool.
struct Processor {
    nudge: Mutex<Nudge>,
    turns: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Threads that are tied to it.
    tied: usize,
    computing: bool,
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

/// What a thread of the pool knows of its place.
#[derive(Default)]
pub(super) struct Seat {
    /// The processor it was sent to, beside the pool.
    beside: Mutex<Option<Arc<Processor>>>,
    /// It is its turn there.
    computing: AtomicBool,
}

/// Makes a seat for this thread.
pub(super) fn sit_down() -> Arc<Seat> {
    let seat = Arc::<Seat>::default();
    SEAT.set(Some(Arc::clone(&seat)));
    seat
}

/// Called by a running guest now and then: if its thread is beside the pool, it returns when it is
/// its turn, or when the run is to be interrupted.
pub(crate) fn wait_for_turn(interrupted: &AtomicBool) {
    SEAT.with_borrow(|seat| {
        let Some(seat) = seat else { return };
        let processor = lock(&seat.beside).clone();
        if let Some(processor) = processor {
            seat.take_turn(&processor, interrupted);
        }
    });
}

impl Default for Turns {
    fn default() -> Self {
        let mut all = super::processors();
        if all.len() > 1 {
            all.remove(0);
        }
        let processor = |cpu| {
            Arc::new(Processor {
                nudge: Mutex::new(Nudge::new(cpu)),
                turns: Mutex::default(),
                changed: Condvar::new(),
            })
        };
        Self {
            processors: all.into_iter().map(processor).collect(),
        }
    }
}

impl Turns {
    /// Sends a thread beside the pool.
    pub(super) fn send(&self, thread: Thread, seat: &Seat) {
        let least = |processor: &&Arc<Processor>| lock(&processor.turns).tied;
        if let Some(processor) = self.processors.iter().min_by_key(least) {
            lock(&processor.turns).tied += 1;
            lock(&processor.nudge).begin(thread);
            *lock(&seat.beside) = Some(Arc::clone(processor));
        }
    }
}

impl Seat {
    fn take_turn(&self, processor: &Processor, interrupted: &AtomicBool) {
        let mut state = lock(&processor.turns);
        if self.computing.swap(false, Ordering::Relaxed) {
            if state.waiting.is_empty() {
                self.computing.store(true, Ordering::Relaxed);
                return;
            }
            state.computing = false;
            processor.changed.notify_all();
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        while !interrupted.load(Ordering::Acquire) {
            if state.waiting.front() == Some(&ticket) && !state.computing {
                state.waiting.pop_front();
                state.computing = true;
                self.computing.store(true, Ordering::Relaxed);
                return;
            }
            let waited = processor.changed.wait_timeout(state, NOTICE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting.retain(|waiting| *waiting != ticket);
        processor.changed.notify_all();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(processor) = lock(&self.beside).take() else {
            return;
        };
        lock(&processor.nudge).end();
        let mut state = lock(&processor.turns);
        state.tied -= 1;
        if self.computing.load(Ordering::Relaxed) {
            state.computing = false;
            processor.changed.notify_all();
        }
    }
}
