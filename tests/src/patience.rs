//! How long a test waits for what has to come about by itself, in another process or thread.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// How long that may take before a test gives up: far longer than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Somebody who looks again and again.
pub struct Patience(Instant);

impl Default for Patience {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Patience {
    /// Waits a little before the next look.
    ///
    /// # Panics
    /// It took too long; `what` says what was waited for, or what was there instead.
    #[track_caller]
    pub fn pause(&self, what: impl Display) {
        self.check(what);
        thread::sleep(PAUSE);
    }

    /// [`Patience::pause`], where others go on in the same thread.
    ///
    /// # Panics
    /// It took too long.
    pub async fn paused(&self, what: impl Display) {
        self.check(what);
        tokio::time::sleep(PAUSE).await;
    }

    #[track_caller]
    fn check(&self, what: impl Display) {
        assert!(self.0.elapsed() < PATIENCE, "waited in vain: {what}");
    }
}
