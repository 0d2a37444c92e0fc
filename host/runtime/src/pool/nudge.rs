//! Interrupts a processor now and then, so that a guest that computes does not hold it.
//!
//! A Linux that preempts lazily (measured: 6.18) sends no interrupt to a processor on which a
//! thread is woken by another processor: who computes there goes on until the kernel's tick, up to
//! 4 ms, whatever his priority. Any interrupt makes the kernel look. The timer of a thread that
//! sleeps on that processor is one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// How long a thread that is woken may wait. It costs 3 % of the processor that is held anyway.
const INTERVAL: Duration = Duration::from_micros(100);

/// A processor's number that says: end.
const STOPPED: usize = usize::MAX;

/// The interrupts of one processor.
pub(super) struct Nudge {
    cpu: usize,
    /// Threads that compute there beside the pool.
    wanted: Arc<AtomicUsize>,
    thread: Option<Thread>,
}

impl Nudge {
    pub(super) fn new(cpu: usize) -> Self {
        Self {
            cpu,
            wanted: Arc::default(),
            thread: None,
        }
    }

    /// Ties a thread to the processor, which is interrupted until [`Self::end`] was called as
    /// often.
    pub(super) fn begin(&mut self, thread: super::Thread) {
        thread.stay_on(self.cpu);
        self.wanted.fetch_add(1, Ordering::AcqRel);
        match &self.thread {
            Some(thread) => thread.unpark(),
            None => self.thread = spawn(self.cpu, Arc::clone(&self.wanted)),
        }
    }

    pub(super) fn end(&self) {
        self.wanted.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Nudge {
    fn drop(&mut self) {
        self.wanted.store(STOPPED, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

/// Without the thread all works as before, and others may wait for a tick.
fn spawn(cpu: usize, wanted: Arc<AtomicUsize>) -> Option<Thread> {
    let work = move || {
        if !super::Thread::current().stay_on(cpu) {
            return;
        }
        loop {
            match wanted.load(Ordering::Acquire) {
                0 => thread::park(),
                STOPPED => return,
                _ => thread::sleep(INTERVAL),
            }
        }
    };
    let spawned = thread::Builder::new()
        .name("sandglass-nudge".into())
        .spawn(work);
    Some(spawned.ok()?.thread().clone())
}
