//! Interface `log`: writes log lines.

use crate::{
    Level,
    bindings::workflow::sandglass::workflow::log::{Host, Level as WitLevel},
    state::GuestState,
};
use wasmtime::Result;

impl Host for GuestState {
    fn write(&mut self, severity: WitLevel, target: String, message: String) -> Result<()> {
        self.write_log(level(severity), &target, &message);
        Ok(())
    }
}

/// Converts a level.
pub(crate) fn level(severity: WitLevel) -> Level {
    match severity {
        WitLevel::Trace => Level::Trace,
        WitLevel::Debug => Level::Debug,
        WitLevel::Info => Level::Info,
        WitLevel::Warn => Level::Warn,
        WitLevel::Error => Level::Error,
    }
}
