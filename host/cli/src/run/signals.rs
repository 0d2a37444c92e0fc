//! Ctrl-C and what else asks this process to end.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// Ctrl-C: the run is to end.
    Interrupt,
    /// The process is to end; the run may go on later.
    Stop,
}

/// The signals of this process, from the moment it was made.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Nothing is lost if the wait is given up.
    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Interrupt,
            _ = self.terminate.recv() => Request::Stop,
            _ = self.hang_up.recv() => Request::Stop,
        }
    }
}
