//! Log lines, written to the host's log under the run or activity attempt.
//!
//! In a replay of a workflow they do nothing, so each line appears once; those of a workflow task
//! that failed may appear again when it is tried again.

use std::sync::Once;

use crate::host::log as host;

pub use host::Level;

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace,
    __log_warn as warn,
};

/// Writes one line. `target` says which part of the program wrote it.
///
/// Outside a component, as in the tests of a workflow's helpers, the line goes to standard error.
pub fn write(level: Level, target: &str, message: &str) {
    if cfg!(any(target_arch = "wasm32", test)) {
        host::write(level, target, message);
    } else {
        eprintln!("{level:?} {target}: {message}");
    }
}

/// Makes panics visible: a trap alone would tell the host neither message nor place.
pub(crate) fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    // On a host target the hook would speak for the tests around it.
    if cfg!(target_arch = "wasm32") {
        INSTALLED.call_once(|| {
            std::panic::set_hook(Box::new(|panic| {
                write(Level::Error, "panic", &panic.to_string());
            }));
        });
    }
}

/// Logs a line for following the code closely. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace {
    ($($part:tt)*) => {
        $crate::log::write(
            $crate::log::Level::Trace,
            ::core::module_path!(),
            &::std::format!($($part)*),
        )
    };
}

/// Logs a line for debugging. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($part:tt)*) => {
        $crate::log::write(
            $crate::log::Level::Debug,
            ::core::module_path!(),
            &::std::format!($($part)*),
        )
    };
}

/// Logs a line for operators, in normal operation. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($part:tt)*) => {
        $crate::log::write(
            $crate::log::Level::Info,
            ::core::module_path!(),
            &::std::format!($($part)*),
        )
    };
}

/// Logs something unexpected that was dealt with. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($part:tt)*) => {
        $crate::log::write(
            $crate::log::Level::Warn,
            ::core::module_path!(),
            &::std::format!($($part)*),
        )
    };
}

/// Logs something that went wrong. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($part:tt)*) => {
        $crate::log::write(
            $crate::log::Level::Error,
            ::core::module_path!(),
            &::std::format!($($part)*),
        )
    };
}
