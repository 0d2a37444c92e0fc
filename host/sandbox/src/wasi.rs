//! WASI 0.2 for workflows: what a language's runtime and ordinary libraries ask of it is the same
//! in each replay.
//!
//! Clocks read the time of the workflow, which stands still while its code computes. Random bytes
//! come from a generator seeded by the run's start. Standard output and error are the run's log,
//! silent in replay. There is no environment, no argument, no input, no terminal and no directory.
//! What would wait for a clock traps and names what to use instead: nothing blocks in a workflow. A
//! wait of less than a millisecond, which the clock does not tell from none, ends at once.
//! Sockets and HTTP are refused when a component is loaded.
//!
//! The code that starts the guest, before a run's first event, is served the same: its time is that
//! of the run's first workflow task, and its random bytes are the run's. What is asked while a
//! component is loaded, to list its types, belongs to no run; it gets the year 1970 and bytes that
//! never change.

mod clocks;
mod files;
mod program;
mod streams;

use crate::{bindings::wasi::Wasi as World, state::GuestState};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sandglass_engine::{Task, Timestamp};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

/// The stream of the run's generator that WASI draws from. Stream 0 is that of
/// `info.random-bytes`: what a library draws does not change what the code draws there.
const STREAM: u64 = 1;

/// Makes it available to workflows.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    World::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What an instance keeps for WASI.
#[derive(Default)]
pub(crate) struct Wasi {
    /// What is served while the guest is started.
    pub(crate) birth: Birth,
    random: Option<ChaCha8Rng>,
    pollables: clocks::Pollables,
    /// How far waits have moved the monotonic clock in this event, in nanoseconds.
    waited_ns: u64,
    output: streams::Output,
}

/// The run that a guest is started for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Birth {
    pub(crate) seed: [u8; 32],
    pub(crate) at: Timestamp,
    pub(crate) replaying: bool,
}

impl Birth {
    /// That of a guest whose first task this is.
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            seed: task.start().seed,
            at: task.now(),
            replaying: task.replaying(),
        }
    }
}

impl Wasi {
    fn random(&mut self) -> &mut ChaCha8Rng {
        self.random.get_or_insert_with(|| {
            let mut random = ChaCha8Rng::from_seed(self.birth.seed);
            random.set_stream(STREAM);
            random
        })
    }

    /// A new event begins: the clock shows the time of its task.
    pub(crate) fn begin_event(&mut self) {
        self.waited_ns = 0;
    }

    fn random_u64(&mut self) -> u64 {
        self.random().next_u64()
    }

    fn random_bytes(&mut self, bytes: &mut [u8]) {
        self.random().fill_bytes(bytes);
    }
}
