//! What a guest's trap is called and what is told about it.

use crate::limits::LimitReached;
use sandglass_engine::{Failure, TaskFailedCause, TaskFailure};
use std::time::Duration;
use wasmtime::{Error, Trap, WasmBacktrace, component::ResourceTableError};

/// Most bytes of a backtrace that are kept: it goes into the history.
const BACKTRACE_BYTES_MAX: usize = 16 << 10;

/// Why the host stopped a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stopped {
    /// It overran its time.
    #[error("one event took longer than {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The workflow task has no time left.
    #[error("the workflow task takes longer than it may")]
    TaskOver,
    /// Somebody asked for it.
    #[error("the host interrupted the guest")]
    Interrupted,
}

/// A call that the guest must not make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct BadCall {
    failure_type: &'static str,
    message: String,
}

impl BadCall {
    pub(crate) fn new(failure_type: &'static str, message: impl Into<String>) -> Self {
        Self {
            failure_type,
            message: message.into(),
        }
    }
}

/// Describes a trap as a failure of the workflow task. `last_error` is the last error that the
/// guest logged in this activation, which is a panic's message.
pub(crate) fn task_failure(error: &Error, last_error: Option<&str>) -> TaskFailure {
    if let Some(refused) = error.downcast_ref::<TaskFailure>() {
        let mut refused = refused.clone();
        refused.failure.stack_trace = backtrace(error);
        return refused;
    }
    let cause = match error.downcast_ref::<Stopped>() {
        Some(Stopped::TaskOver) => TaskFailedCause::TimedOut,
        _ => TaskFailedCause::WorkflowWorkerUnhandledFailure,
    };
    TaskFailure {
        cause,
        failure: failure(error, last_error),
        nondeterminism: None,
    }
}

/// Describes a trap.
pub(crate) fn failure(error: &Error, last_error: Option<&str>) -> Failure {
    let (failure_type, message) = name(error);
    let message = match last_error {
        Some(logged) => format!("{logged} ({message})"),
        None => message,
    };
    let mut failure = Failure::application(failure_type, message);
    failure.stack_trace = backtrace(error);
    failure
}

fn name(error: &Error) -> (&'static str, String) {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        let failure_type = match stopped {
            Stopped::Deadline(_) => "DeadlineExceeded",
            Stopped::TaskOver => "TimedOut",
            Stopped::Interrupted => "Interrupted",
        };
        return (failure_type, stopped.to_string());
    }
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        let failure_type = match limit {
            LimitReached::Memory { .. } | LimitReached::Host(_) => "MemoryLimit",
            LimitReached::Table { .. } => "TableLimit",
        };
        return (failure_type, limit.to_string());
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        let message = "the guest wants more tasks and calls at once than it may have";
        return ("TableLimit", message.into());
    }
    if let Some(call) = error.downcast_ref::<BadCall>() {
        return (call.failure_type, call.to_string());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => ("StackOverflow", "the guest's stack overflowed".into()),
        Some(trap) => ("WasmTrap", trap.to_string()),
        None => ("WasmTrap", error.root_cause().to_string()),
    }
}

/// The guest's frames, innermost first, with demangled names and, where the guest carries debug
/// information, with lines.
fn backtrace(error: &Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let text = trace.to_string();
    // The first line only says that this is a backtrace.
    let frames = text.split_once('\n').map_or("", |(_, frames)| frames);
    crate::log::cut(frames, BACKTRACE_BYTES_MAX).to_owned()
}
