//! The threads that run workflow tasks: a fixed number, one queue, first come first served.

use crate::{cell::RunCell, clock::lock};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

#[derive(Default)]
struct Queue {
    runs: VecDeque<Arc<RunCell>>,
    stopped: bool,
}

/// The queue of runs that have something to do.
#[derive(Default)]
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Pool {
    pub(crate) fn push(&self, cell: Arc<RunCell>) {
        lock(&self.queue).runs.push_back(cell);
        self.changed.notify_one();
    }

    /// Ends the threads once they are through with what they are at. What is queued stays undone.
    pub(crate) fn stop(&self) {
        lock(&self.queue).stopped = true;
        self.changed.notify_all();
    }

    /// Forgets what is queued.
    pub(crate) fn clear(&self) {
        lock(&self.queue).runs.clear();
    }

    /// Works until stopped.
    pub(crate) fn work(&self, step: impl Fn(&Arc<RunCell>)) {
        while let Some(cell) = self.next() {
            step(&cell);
        }
    }

    fn next(&self) -> Option<Arc<RunCell>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopped {
                return None;
            }
            if let Some(cell) = queue.runs.pop_front() {
                return Some(cell);
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
