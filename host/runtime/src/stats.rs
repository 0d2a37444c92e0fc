//! Plain counters of what a host has done, for benchmarks and for operators.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a host has done since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Transactions committed.
    pub commits: u64,
    /// Frames stored.
    pub frames: u64,
    /// Bytes of the frames stored.
    pub frame_bytes: u64,
    /// Workflow tasks completed.
    pub tasks: u64,
    /// Workflow tasks failed, transient ones included.
    pub tasks_failed: u64,
    /// Runs rebuilt by replay.
    pub replays: u64,
    /// Resident runs dropped to make room.
    pub evictions: u64,
    /// Activity attempts begun.
    pub attempts: u64,
    /// Reports and heartbeats refused because the attempt is not the current one.
    pub stale_reports: u64,
    /// Native attempts that kept blocking after they were killed.
    pub blocked_attempts: u64,
    /// Frames whose inputs were committed before their workflow task ended.
    pub early_commits: u64,
    /// Workflow tasks that run beside the pool at this moment, because they took long while others
    /// had something to do.
    pub tasks_beside: u64,
    /// Frames that wait for the writer at this moment.
    pub frames_waiting: u64,
}

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        /// The counters behind [`Stats`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.0.load(Ordering::Relaxed),)* ..Stats::default() }
            }
        }
    };
}

counters!(
    commits,
    frames,
    frame_bytes,
    tasks,
    tasks_failed,
    replays,
    evictions,
    attempts,
    stale_reports,
    blocked_attempts,
    early_commits,
);

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
}
