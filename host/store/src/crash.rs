//! Named places at which a test kills the process, and phases that it can see a kill hit.
//!
//! With the feature `crash-points` each [`point`] is counted, and the one that the environment
//! names ends the process at once, as `kill -9` would: no destructor runs, nothing is flushed.
//! Without the feature all of this compiles to nothing. It lives in the lowest room that has such
//! places; `sandglass` (the runtime) and tests use it from here.
//!
//! - `SANDGLASS_CRASH_AT=commit.after:3` dies at the third time that `commit.after` is reached;
//!   `commit.after:3+250` dies 250 us later, wherever the process is by then; `commit.after:3@250`
//!   holds the thread there for 250 us, so that whatever others do too early is done, and then
//!   dies; `list` only counts.
//! - `SANDGLASS_CRASH_PHASES=FILE` keeps in FILE one byte for each [`Phase`]: how many threads are
//!   in it now. Whoever killed the process reads there what it was doing.

#[cfg(feature = "crash-points")]
mod armed;
#[cfg(feature = "crash-points")]
pub use armed::counts;

/// What a process is doing, as far as a kill at that time is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It compiles, maps or stores a component.
    Loading,
    /// It takes up what the last host left.
    Recovery,
    /// It rebuilds a run from its history.
    Replay,
    /// A guest is given events for the first time.
    Activation,
    /// A transaction is being written and synced.
    Commit,
    /// What follows a commit: answers are given, attempts begun, timers armed.
    Dispatch,
    /// An attempt of an activity is running.
    Activity,
    /// Something that was due is passed on.
    Timers,
    /// The log's pages are being moved.
    Checkpoint,
}

impl Phase {
    /// All phases, in the order of their bytes in the file.
    pub const ALL: [Self; 9] = [
        Self::Loading,
        Self::Recovery,
        Self::Replay,
        Self::Activation,
        Self::Commit,
        Self::Dispatch,
        Self::Activity,
        Self::Timers,
        Self::Checkpoint,
    ];
}

/// The process is at this place.
#[inline(always)]
pub fn point(name: &'static str) {
    #[cfg(feature = "crash-points")]
    armed::point(name);
    #[cfg(not(feature = "crash-points"))]
    let _ = name;
}

/// The process is in this phase until the answer is dropped.
#[inline(always)]
pub fn phase(phase: Phase) -> InPhase {
    #[cfg(feature = "crash-points")]
    armed::enter(phase);
    #[cfg(not(feature = "crash-points"))]
    let _ = phase;
    InPhase {
        #[cfg(feature = "crash-points")]
        phase,
    }
}

/// Ends the phase when it is dropped.
#[must_use]
pub struct InPhase {
    #[cfg(feature = "crash-points")]
    phase: Phase,
}

impl Drop for InPhase {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(feature = "crash-points")]
        armed::leave(self.phase);
    }
}
