//! Clocks, and waiting for them.

use crate::{
    bindings::wasi::wasi::{
        clocks::{
            monotonic_clock::{self, Duration, Instant},
            wall_clock::{self, Datetime},
        },
        io::poll::{self, Pollable},
    },
    state::GuestState,
    trap::BadCall,
};
use wasmtime::{Result, component::Resource};

/// The time of a workflow is counted in milliseconds.
const RESOLUTION_NS: u32 = 1_000_000;

/// Most pollables that a guest may hold.
const POLLABLES_MAX: usize = 10_000;

/// When each is ready. A place that is free is used again.
#[derive(Default)]
pub(crate) struct Pollables(Vec<Option<Instant>>);

impl Pollables {
    /// One that is ready at this time.
    ///
    /// # Errors
    /// Traps a guest that keeps too many.
    pub(super) fn open(&mut self, due: Instant) -> Result<Resource<Pollable>> {
        let free = self.0.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.0.push(None);
            self.0.len() - 1
        });
        if place >= POLLABLES_MAX {
            let message = format!("more than {POLLABLES_MAX} pollables are open");
            return Err(BadCall::new("BadCall", message).into());
        }
        self.0[place] = Some(due);
        Ok(Resource::new_own(place as u32))
    }

    fn due(&self, pollable: &Resource<Pollable>) -> Instant {
        let place = self.0.get(pollable.rep() as usize);
        place.copied().flatten().unwrap_or_default()
    }

    fn close(&mut self, pollable: &Resource<Pollable>) {
        if let Some(place) = self.0.get_mut(pollable.rep() as usize) {
            *place = None;
        }
    }
}

impl GuestState {
    /// The monotonic clock. It never shows 0, which Go's runtime takes for a broken one.
    fn now_ns(&self) -> Instant {
        let now = self.wasi_now().0.saturating_mul(u64::from(RESOLUTION_NS));
        now.saturating_add(self.wasi.waited_ns).max(1)
    }

    /// Waits for the first of these pollables, if that is ready within what the clock does not
    /// tell apart. The clock shows its time up to the end of the event: for a runtime with threads
    /// of its own such a wait is how it learns that none of them has anything to do.
    fn pass(&mut self, pollables: &[Resource<Pollable>]) {
        let first = pollables.iter().map(|one| self.wasi.pollables.due(one));
        let Some(first) = first.min() else { return };
        let wait = first.saturating_sub(self.now_ns());
        if self.wasi.waited_ns.saturating_add(wait) < RESOLUTION_NS.into() {
            self.wasi.waited_ns += wait;
        }
    }

    fn is_ready(&self, pollable: &Resource<Pollable>) -> bool {
        self.wasi.pollables.due(pollable) <= self.now_ns()
    }
}

/// Nobody may wait for a clock inside of an event: the time stands still until the next one.
fn would_wait() -> wasmtime::Error {
    let message = "a workflow must not wait for a clock by WASI: use sleep() of the SDK (interface \
                   `timers`), which is durable";
    BadCall::new("BlockingCall", message).into()
}

impl monotonic_clock::Host for GuestState {
    fn now(&mut self) -> Result<Instant> {
        Ok(self.now_ns())
    }

    fn resolution(&mut self) -> Result<Duration> {
        Ok(RESOLUTION_NS.into())
    }

    fn subscribe_instant(&mut self, when: Instant) -> Result<Resource<Pollable>> {
        self.wasi.pollables.open(when)
    }

    fn subscribe_duration(&mut self, when: Duration) -> Result<Resource<Pollable>> {
        let due = self.now_ns().saturating_add(when);
        self.wasi.pollables.open(due)
    }
}

impl wall_clock::Host for GuestState {
    fn now(&mut self) -> Result<Datetime> {
        let millis = self.wasi_now().0;
        let within = u32::try_from(millis % 1000).expect("less than 1000");
        Ok(Datetime {
            seconds: millis / 1000,
            nanoseconds: within * RESOLUTION_NS,
        })
    }

    fn resolution(&mut self) -> Result<Datetime> {
        Ok(Datetime {
            seconds: 0,
            nanoseconds: RESOLUTION_NS,
        })
    }
}

impl poll::Host for GuestState {
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> Result<Vec<u32>> {
        self.pass(&pollables);
        let ready = pollables.iter().zip(0..);
        let ready: Vec<u32> = ready
            .filter(|(pollable, _)| self.is_ready(pollable))
            .map(|(_, place)| place)
            .collect();
        match ready.is_empty() {
            true => Err(would_wait()),
            false => Ok(ready),
        }
    }
}

impl poll::HostPollable for GuestState {
    fn ready(&mut self, pollable: Resource<Pollable>) -> Result<bool> {
        Ok(self.is_ready(&pollable))
    }

    fn block(&mut self, pollable: Resource<Pollable>) -> Result<()> {
        self.pass(std::slice::from_ref(&pollable));
        match self.is_ready(&pollable) {
            true => Ok(()),
            false => Err(would_wait()),
        }
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> Result<()> {
        self.wasi.pollables.close(&pollable);
        Ok(())
    }
}
