//! Where guests' log lines go, and how many a guest may write.

use std::sync::Arc;

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For following the code closely.
    Trace,
    /// For debugging.
    Debug,
    /// For operators, in normal operation.
    Info,
    /// Something unexpected that was dealt with.
    Warn,
    /// Something that went wrong.
    Error,
}

/// Takes log lines with level, target and message, from the thread that runs the guest.
pub type LogSink = Arc<dyn Fn(Level, &str, &str) + Send + Sync>;

/// Lines of one workflow task or activity attempt: enough to debug with, too few to fill a disk.
const LINES_MAX: usize = 10_000;
/// Bytes of these lines.
const BYTES_MAX: usize = 1 << 20;
/// Bytes of one message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of one target.
const TARGET_BYTES_MAX: usize = 256;

/// What a guest may still write.
#[derive(Debug)]
pub(crate) struct LogBudget {
    lines: usize,
    bytes: usize,
    exhausted: bool,
}

impl Default for LogBudget {
    fn default() -> Self {
        Self {
            lines: LINES_MAX,
            bytes: BYTES_MAX,
            exhausted: false,
        }
    }
}

impl LogBudget {
    /// Passes a line on, cut to size, or tells once that lines are left out.
    pub(crate) fn write(
        &mut self,
        level: Level,
        target: &str,
        message: &str,
        sink: &dyn Fn(Level, &str, &str),
    ) {
        if self.exhausted {
            return;
        }
        let message = cut(message, MESSAGE_BYTES_MAX);
        let target = cut(target, TARGET_BYTES_MAX);
        let size = message.len() + target.len();
        if self.lines == 0 || self.bytes < size {
            self.exhausted = true;
            sink(
                Level::Warn,
                "sandglass",
                "truncated: the guest logs too much",
            );
            return;
        }
        self.lines -= 1;
        self.bytes -= size;
        sink(level, target, message);
    }
}

/// The longest beginning of a text that fits, ending between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
