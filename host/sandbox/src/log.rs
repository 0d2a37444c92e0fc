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

/// The line that a standard stream has begun. What a guest prints becomes log lines; what is longer
/// than a message may be becomes several.
#[derive(Debug, Default)]
pub(crate) struct Line(Vec<u8>);

impl Line {
    /// Takes what is printed, and passes on each line that is whole.
    pub(crate) fn append(&mut self, bytes: &[u8], mut write: impl FnMut(&str)) {
        for mut part in bytes.split_inclusive(|byte| *byte == b'\n') {
            while !part.is_empty() {
                let room = MESSAGE_BYTES_MAX - self.0.len();
                let (now, later) = part.split_at(room.min(part.len()));
                self.0.extend_from_slice(now);
                part = later;
                if self.0.ends_with(b"\n") {
                    self.end(&mut write);
                } else if self.0.len() == MESSAGE_BYTES_MAX {
                    self.break_up(&mut write);
                }
            }
        }
    }

    /// Passes on what has begun, if anything has.
    pub(crate) fn end(&mut self, mut write: impl FnMut(&str)) {
        if !self.0.is_empty() {
            write(String::from_utf8_lossy(&self.0).trim_end());
            self.0.clear();
        }
    }

    /// Passes on what has begun, but for a character that is not whole yet.
    fn break_up(&mut self, write: impl FnMut(&str)) {
        let whole = match std::str::from_utf8(&self.0) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.0.len(),
        };
        let rest = self.0.split_off(whole);
        self.end(write);
        self.0 = rest;
    }
}

/// The longest beginning of a text that fits, ending between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::{Line, MESSAGE_BYTES_MAX};

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let (mut line, mut lines) = (Line::default(), Vec::new());
        for part in parts {
            line.append(part, |text| lines.push(text.to_owned()));
        }
        line.end(|text| lines.push(text.to_owned()));
        lines
    }

    #[test]
    fn what_is_printed_becomes_lines() {
        assert_eq!(lines(&[b"a\nb\r\n\n", b"c", b"d"]), ["a", "b", "", "cd"]);
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
        assert!(lines(&[b"", b""]).is_empty());
    }

    #[test]
    fn a_long_line_is_broken_between_characters_and_nothing_of_it_is_lost() {
        let long = "a".to_owned() + &"\u{e4}".repeat(MESSAGE_BYTES_MAX);
        for size in [1, 7, long.len()] {
            let parts: Vec<&[u8]> = long.as_bytes().chunks(size).collect();
            let lines = lines(&parts);
            assert_eq!(lines.len(), 3);
            assert!(lines.iter().all(|line| line.len() <= MESSAGE_BYTES_MAX));
            assert_eq!(lines.concat(), long);
        }
    }
}
