//! Exit codes, and the error that carries one.

use std::fmt;

/// What a process tells its caller. Scripts depend on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it should; for a run: completed.
    Completed = 0,
    /// The run failed, or the build did.
    Failed = 1,
    /// The command line or what it names is wrong. Nothing was started.
    Usage = 2,
    /// The run was canceled.
    Canceled = 3,
    /// The run was terminated.
    Terminated = 4,
    /// The run timed out.
    TimedOut = 5,
    /// The host could not go on. The run stays open.
    Host = 6,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command stopped, with the exit code that says so.
#[derive(Debug)]
pub struct Stop {
    /// The exit code.
    pub exit: Exit,
    /// What to tell people.
    pub error: anyhow::Error,
}

impl Stop {
    /// The command line, or something that it names, is wrong.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Usage,
            error: error.into(),
        }
    }

    /// What was asked for did not come about.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Failed,
            error: error.into(),
        }
    }

    /// The host cannot go on.
    pub fn host(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Host,
            error: error.into(),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// How a command ends.
pub type Outcome = Result<Exit, Stop>;

/// Turns errors into a [`Stop`] with the exit code that fits the place.
pub trait OrStop<T> {
    /// See [`Stop::usage`].
    fn or_usage(self) -> Result<T, Stop>;
    /// See [`Stop::host`].
    fn or_host(self) -> Result<T, Stop>;
}

impl<T, E: Into<anyhow::Error>> OrStop<T> for Result<T, E> {
    fn or_usage(self) -> Result<T, Stop> {
        self.map_err(Stop::usage)
    }

    fn or_host(self) -> Result<T, Stop> {
        self.map_err(Stop::host)
    }
}

/// `usage!("..")`: a [`Stop`] with exit code 2 and a formatted message.
macro_rules! usage {
    ($($arg:tt)*) => { $crate::exit::Stop::usage(::anyhow::anyhow!($($arg)*)) };
}
pub(crate) use usage;
