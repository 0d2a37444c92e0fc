//! What a workflow instance's store holds: the task under way and what its imports need.

use crate::{
    Level, LogSink,
    config::Pace,
    desk::Desk,
    limits::Limits,
    log::{LogBudget, cut},
    trap::{BadCall, Stopped},
    wasi::{Birth, Wasi},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sandglass_engine::{Answer, Command, Task, Timestamp};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use wasmtime::{Result, UpdateDeadline};

/// The data of a workflow instance's store.
pub(crate) struct GuestState {
    /// The task, while a call into the guest is under way.
    task: Option<Box<Task>>,
    pub(crate) limits: Limits,
    /// Seeded by the run's start at the first use; replay makes the same calls.
    random: Option<ChaCha8Rng>,
    sink: LogSink,
    log: LogBudget,
    /// The task that `log` belongs to, by its time. Two tasks in one millisecond share a budget.
    log_of: Timestamp,
    last_error: Option<String>,
    pub(crate) wasi: Wasi,
    pub(crate) watch: Watch,
    /// Of code that waits where it needs something.
    pub(crate) desk: Option<Desk>,
}

impl GuestState {
    pub(crate) fn new(limits: Limits, sink: LogSink, watch: Watch) -> Self {
        Self {
            task: None,
            limits,
            random: None,
            sink,
            log: LogBudget::default(),
            log_of: Timestamp::default(),
            last_error: None,
            wasi: Wasi::default(),
            watch,
            desk: None,
        }
    }

    /// The time that WASI's clocks show.
    pub(crate) fn wasi_now(&self) -> Timestamp {
        let task = self.task.as_deref();
        task.map_or(self.wasi.birth.at, Task::now)
    }

    /// Begins to start the guest.
    pub(crate) fn be_born(&mut self, birth: Birth) {
        self.wasi.birth = birth;
    }

    /// Begins a call into the guest.
    pub(crate) fn enter(&mut self, task: Box<Task>) {
        if task.now() != self.log_of {
            self.log_of = task.now();
            self.log = LogBudget::default();
        }
        self.watch.ticks = 0;
        self.wasi.begin_event();
        self.task = Some(task);
    }

    /// Ends the call, giving back the task and the last error that the guest logged in it.
    pub(crate) fn leave(&mut self) -> (Box<Task>, Option<String>) {
        self.end_lines();
        let task = self.task.take().expect("every call begins with `enter`");
        (task, self.last_error.take())
    }

    /// The last error that a guest without a task logged.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// The task under way.
    ///
    /// # Errors
    /// Traps a guest that calls imports in `definitions` or while it is instantiated: nothing that
    /// it learns or does there would be replayed.
    pub(crate) fn task(&mut self) -> Result<&mut Task> {
        self.task.as_deref_mut().ok_or_else(|| {
            let message = "only `log` and WASI may be called outside `activate` and `run`";
            BadCall::new("BadCall", message).into()
        })
    }

    /// Passes a command to the task, trapping the guest if the rules refuse it.
    pub(crate) fn command(&mut self, command: Command) -> Result<Answer> {
        let answer = self.task()?.command(command)?;
        if let (Some(desk), Answer::Operation(operation)) = (&self.desk, &answer) {
            desk.opened(*operation);
        }
        Ok(answer)
    }

    /// Where what has come for the run lies.
    pub(crate) fn desk(&self) -> Desk {
        let desk = self.desk.clone();
        desk.expect("such imports are linked to guests that have a desk")
    }

    /// The next random bytes of the run.
    pub(crate) fn draw(&mut self, len: u32) -> Result<Vec<u8>> {
        let mut bytes = random_room(len.into())?;
        let task = self.task()?;
        if task.read_only() {
            let message = "`info.random-bytes` must not be called in a query or by the validator \
                           of an update: they may only look";
            return Err(BadCall::new("ReadOnly", message).into());
        }
        let seed = task.start().seed;
        let random = self
            .random
            .get_or_insert_with(|| ChaCha8Rng::from_seed(seed));
        random.fill_bytes(&mut bytes);
        Ok(bytes)
    }

    /// Writes a log line, unless it was written before the replay.
    pub(crate) fn write_log(&mut self, level: Level, target: &str, message: &str) {
        if level == Level::Error {
            self.last_error = Some(cut(message, crate::log::MESSAGE_BYTES_MAX).to_owned());
        }
        let task = self.task.as_deref();
        if !task.map_or(self.wasi.birth.replaying, Task::replaying) {
            self.log.write(level, target, message, &*self.sink);
        }
    }
}

/// Most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Room for this many random bytes.
///
/// # Errors
/// They are too many.
pub(crate) fn random_room(len: u64) -> Result<Vec<u8>> {
    if len > RANDOM_BYTES_MAX {
        let message = format!("{len} random bytes at once; at most {RANDOM_BYTES_MAX}");
        return Err(BadCall::new("BadCall", message).into());
    }
    Ok(vec![0; usize::try_from(len)?])
}

/// Ends a call that takes too long or is not wanted any more. Asked at each tick of the epoch.
pub(crate) struct Watch {
    interrupted: Arc<AtomicBool>,
    pace: Pace,
    ticks: u64,
    ticks_max: u64,
    budget: Duration,
    /// What the workflow task has left, if that is less than what one event may take.
    task_ticks: Option<u64>,
}

impl Watch {
    pub(crate) fn new(
        interrupted: Arc<AtomicBool>,
        pace: Pace,
        ticks_max: u64,
        budget: Duration,
    ) -> Self {
        Self {
            interrupted,
            pace,
            ticks: 0,
            ticks_max,
            budget,
            task_ticks: None,
        }
    }

    /// The workflow task has this long left, from the next call on.
    pub(crate) fn bound(&mut self, left: Duration) {
        let ticks = left.as_nanos() * u128::from(self.ticks_max);
        let ticks = ticks.div_ceil(self.budget.as_nanos().max(1));
        self.task_ticks = u64::try_from(ticks)
            .ok()
            .filter(|ticks| *ticks < self.ticks_max);
    }

    /// Begins a call: what the one before took does not count.
    pub(crate) fn begin(&mut self) -> Result<(), Stopped> {
        self.ticks = 0;
        self.check()
    }

    /// Whether the guest may go on.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.interrupted.load(Ordering::Acquire) {
            return Err(Stopped::Interrupted);
        }
        if self.task_ticks.is_some_and(|left| self.ticks > left) {
            return Err(Stopped::TaskOver);
        }
        if self.ticks > self.ticks_max {
            return Err(Stopped::Deadline(self.budget));
        }
        Ok(())
    }

    pub(crate) fn tick(&mut self) -> Result<UpdateDeadline> {
        self.ticks += 1;
        self.check()?;
        (self.pace)(&self.interrupted);
        self.check()?;
        Ok(UpdateDeadline::Continue(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_not_charged_for_the_one_before_it() {
        let budget = Duration::from_millis(100);
        let mut watch = Watch::new(Arc::default(), |_| (), 10, budget);
        watch.bound(Duration::from_secs(1));
        for _ in 0..8 {
            assert!(watch.tick().is_ok());
        }
        // The task has less left than the event before has taken.
        watch.bound(Duration::from_millis(30));
        assert_eq!(watch.check(), Err(Stopped::TaskOver));
        assert_eq!(watch.begin(), Ok(()));
        for _ in 0..3 {
            assert!(watch.tick().is_ok());
        }
        assert!(watch.tick().is_err());
    }
}
