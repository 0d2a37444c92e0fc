//! Where the host's time comes from: the system, or a test that moves it by hand.
//!
//! Every durable time (timers, timeouts, backoffs, sleeps of native activities) is read from one
//! [`Clock`], so that a test never has to wait for one.

use sandglass_engine::Timestamp;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A source of wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The current time. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// How long to sleep, in real time, before looking again whether `due` has come.
    ///
    /// `None`: until the waker given to [`Clock::on_jump`] is called.
    fn wait_for(&self, due: Timestamp) -> Option<Duration>;

    /// Registers what to call whenever this clock jumps. A clock that never calls it must keep
    /// [`Clock::wait_for`] short.
    fn on_jump(&self, waker: Box<dyn Fn() + Send + Sync>);
}

/// The system's wall clock. Looked at every second at least, so that a jump of it is noticed.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// The longest sleep before the wall clock is compared again.
const RECHECK: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn wait_for(&self, due: Timestamp) -> Option<Duration> {
        Some(Duration::from(due.since(self.now())).min(RECHECK))
    }

    fn on_jump(&self, _: Box<dyn Fn() + Send + Sync>) {}
}

/// A clock that stands still until it is moved.
pub struct ManualClock {
    now: Mutex<Timestamp>,
    wakers: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now: Mutex::new(now),
            wakers: Mutex::new(Vec::new()),
        }
    }

    /// Moves the clock forward and wakes the hosts that use it.
    pub fn advance(&self, by: Duration) {
        let now = *lock(&self.now) + by.into();
        self.set(now);
    }

    /// Sets the clock, forward or back, and wakes the hosts that use it.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.now) = now;
        for waker in lock(&self.wakers).iter() {
            waker();
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.now)
    }

    fn wait_for(&self, _: Timestamp) -> Option<Duration> {
        None
    }

    fn on_jump(&self, waker: Box<dyn Fn() + Send + Sync>) {
        lock(&self.wakers).push(waker);
    }
}

/// Locks a mutex. A panic of another thread does not spread: what it guards is only ever changed in
/// steps that leave it whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
