//! One ordered set of everything that is due at some time, and the thread that watches it.
//!
//! Entries are ordered by (due, run, event id): what is due first fires first, whatever its kind.
//! The set holds no state of its own: it is rebuilt from rows when the host starts, and whoever is
//! told checks against the run whether the entry still means something.

use crate::clock::{Clock, lock};
use sandglass_engine::{EventId, Timestamp};
use sandglass_store::RunKey;
use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

/// What is due. The order of kinds is the order at the same time for the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A timer of the workflow, or of one of its timeout scopes; of event 1: the run's timeout; of
    /// event 0: the time of its first workflow task.
    Timer,
    /// The deadline of a request to cancel that waits for a workflow task to end.
    KeptGrace,
    /// A limit on time of an activity.
    ActivityDeadline,
    /// The next attempt of an activity.
    ActivityRetry,
    /// Heartbeat details that wait to be stored.
    HeartbeatFlush,
    /// The next attempt of a workflow task.
    TaskRetry,
    /// Another try after the store failed.
    StoreRetry,
    /// 80 % of the time of a workflow task that waits for local activities.
    TaskOver,
    /// A sleeping native activity; the event id is the number of the sleep.
    Sleep,
    /// A task queue may hand something out again; the event id is its number.
    QueueRate,
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm {
    pub due: Timestamp,
    pub run: RunKey,
    pub event: EventId,
    pub kind: Kind,
}

#[derive(Default)]
struct Set {
    alarms: BTreeSet<Alarm>,
    /// When the thread looks by itself; `None`: not before it is called.
    looks_at: Option<Timestamp>,
    /// The thread has taken alarms and not yet passed them on.
    firing: bool,
    stopped: bool,
}

/// The set of alarms of one host.
pub(crate) struct Timers {
    clock: Arc<dyn Clock>,
    set: Mutex<Set>,
    changed: Condvar,
}

impl Timers {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let timers = Arc::new(Self {
            clock,
            set: Mutex::new(Set::default()),
            changed: Condvar::new(),
        });
        let weak = Arc::downgrade(&timers);
        timers.clock.on_jump(Box::new(move || {
            if let Some(timers) = weak.upgrade() {
                // Whoever watches either waits, or has yet to read the clock under this lock.
                drop(lock(&timers.set));
                timers.changed.notify_all();
            }
        }));
        timers
    }

    pub(crate) fn arm(&self, alarm: Alarm) {
        self.arm_all([alarm]);
    }

    pub(crate) fn arm_all(&self, alarms: impl IntoIterator<Item = Alarm>) {
        let mut set = lock(&self.set);
        set.alarms.extend(alarms);
        // What was due before may have been disarmed: to be called late costs less than too often.
        let first = set.alarms.first().map(|alarm| alarm.due);
        let sooner = first.is_some_and(|due| set.looks_at.is_none_or(|at| due < at));
        if sooner {
            set.looks_at = first;
        }
        drop(set);
        if sooner {
            self.changed.notify_all();
        }
    }

    pub(crate) fn disarm(&self, alarm: Alarm) {
        lock(&self.set).alarms.remove(&alarm);
    }

    pub(crate) fn disarm_all(&self, alarms: impl IntoIterator<Item = Alarm>) {
        let mut set = lock(&self.set);
        for alarm in alarms {
            set.alarms.remove(&alarm);
        }
    }

    /// Whether nothing is due and nothing due is still being passed on.
    pub(crate) fn is_quiet(&self) -> bool {
        let now = self.clock.now();
        let set = lock(&self.set);
        let due = set.alarms.first().is_some_and(|alarm| alarm.due <= now);
        !set.firing && (set.stopped || !due)
    }

    pub(crate) fn stop(&self) {
        lock(&self.set).stopped = true;
        self.changed.notify_all();
    }

    /// Watches the clock until stopped. `fire` gets all that is due, in order; `fired` is told when
    /// it is through with that.
    pub(crate) fn watch(&self, fire: impl Fn(Vec<Alarm>), fired: impl Fn()) {
        let mut set = lock(&self.set);
        while !set.stopped {
            let now = self.clock.now();
            let due = take_due(&mut set.alarms, now);
            if !due.is_empty() {
                set.firing = true;
                drop(set);
                fire(due);
                lock(&self.set).firing = false;
                fired();
                set = lock(&self.set);
                continue;
            }
            let next = set.alarms.first().map(|alarm| alarm.due);
            set.looks_at = next;
            set = match next.and_then(|due| self.clock.wait_for(due)) {
                Some(wait) => {
                    let waited = self.changed.wait_timeout(set, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(set)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn take_due(alarms: &mut BTreeSet<Alarm>, now: Timestamp) -> Vec<Alarm> {
    let mut due = Vec::new();
    while let Some(alarm) = alarms.first().copied().filter(|alarm| alarm.due <= now) {
        alarms.remove(&alarm);
        due.push(alarm);
    }
    due
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::clock::ManualClock;
    use std::{sync::mpsc, thread, time::Duration};

    fn alarm(due: u64, run: u64, event: u64) -> Alarm {
        let (due, run) = (Timestamp(due), RunKey(run));
        Alarm {
            due,
            run,
            event: EventId(event),
            kind: Kind::Timer,
        }
    }

    fn watched(timers: &Arc<Timers>) -> mpsc::Receiver<Vec<Alarm>> {
        let (sender, receiver) = mpsc::channel();
        let timers = Arc::clone(timers);
        thread::spawn(move || timers.watch(|due| drop(sender.send(due)), || ()));
        receiver
    }

    #[test]
    fn a_hundred_thousand_due_at_once_fire_in_order() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let timers = Timers::new(clock.clone());
        let fired = watched(&timers);
        timers.arm_all((0..100_000).rev().map(|n| alarm(1000 + n % 7, n % 1000, n)));
        clock.advance(Duration::from_hours(1));
        let mut all = Vec::new();
        while all.len() < 100_000 {
            all.extend(fired.recv().unwrap());
        }
        assert!(all.is_sorted(), "fired by (due, run, event id)");
        timers.stop();
    }

    #[test]
    fn a_clock_that_jumps_back_fires_nothing_early() {
        let clock = Arc::new(ManualClock::new(Timestamp(10_000_000)));
        let timers = Timers::new(clock.clone());
        let fired = watched(&timers);
        timers.arm(alarm(10_000_500, 1, 1));
        clock.set(Timestamp(10_000_000 - 3_600_000));
        timers.arm(alarm(10_000_000 - 3_599_000, 1, 2));
        clock.advance(Duration::from_secs(1));
        assert_eq!(fired.recv().unwrap(), [alarm(10_000_000 - 3_599_000, 1, 2)]);
        clock.set(Timestamp(10_000_000 + 3_600_000));
        assert_eq!(fired.recv().unwrap(), [alarm(10_000_500, 1, 1)]);
        timers.stop();
    }

    #[test]
    fn a_disarmed_alarm_does_not_fire() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let timers = Timers::new(clock.clone());
        let fired = watched(&timers);
        timers.arm_all([alarm(5, 1, 1), alarm(6, 1, 2)]);
        timers.disarm(alarm(5, 1, 1));
        clock.advance(Duration::from_millis(10));
        assert_eq!(fired.recv().unwrap(), [alarm(6, 1, 2)]);
        timers.stop();
    }
}
