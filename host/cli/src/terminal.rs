//! Stderr, shared by everything that writes there: lines that stay, and below them a block of
//! lines that is drawn anew (the live view).
//!
//! One owner, because a log line written past the live view would tear it.

use crate::output::shorten;
use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
};

static STDERR: LazyLock<Mutex<Screen>> = LazyLock::new(|| Mutex::new(Screen::new(is_live())));

/// Whether lines that stay are JSON objects.
static JSON: OnceLock<bool> = OnceLock::new();

/// Columns if the terminal does not say.
const COLUMNS: usize = 80;

/// Says once, before anything is written, whether lines that stay are JSON objects.
pub fn set_json(json: bool) {
    // A second call would come too late for what is written already.
    let _first = JSON.set(json);
}

/// Whether lines that stay are JSON objects, one a line.
#[must_use]
pub fn is_json() -> bool {
    JSON.get().is_some_and(|json| *json)
}

/// Whether stderr is a terminal that can draw the live view, and nobody wants JSON there.
#[must_use]
pub fn is_live() -> bool {
    !is_json()
        && io::stderr().is_terminal()
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes text that stays, ending with a line break. Failures are not reported: there is no place
/// left to report them to.
pub fn write_above(text: &[u8]) {
    if text.is_empty() {
        return;
    }
    let mut bytes = Vec::new();
    lock().above(text, columns(), &mut bytes);
    let _ = io::stderr().lock().write_all(&bytes);
}

/// Draws the live view in place of the one before. Does nothing where it cannot be drawn.
pub fn draw(lines: Vec<String>) {
    let mut bytes = Vec::new();
    lock().draw(lines, columns(), &mut bytes);
    let _ = io::stderr().lock().write_all(&bytes);
}

/// A writer for log lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_above(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is on the terminal below the lines that stay.
#[derive(Debug)]
struct Screen {
    live: bool,
    lines: Vec<String>,
}

impl Screen {
    fn new(live: bool) -> Self {
        Self {
            live,
            lines: Vec::new(),
        }
    }

    fn above(&self, text: &[u8], columns: usize, out: &mut Vec<u8>) {
        self.clear(out);
        out.extend_from_slice(text);
        self.print(columns, out);
    }

    fn draw(&mut self, lines: Vec<String>, columns: usize, out: &mut Vec<u8>) {
        if self.live && lines != self.lines {
            self.clear(out);
            self.lines = lines;
            self.print(columns, out);
        }
    }

    /// Goes to the first line of the view and erases all below. Each line is cut to one row.
    fn clear(&self, out: &mut Vec<u8>) {
        if !self.lines.is_empty() {
            out.extend_from_slice(format!("\x1b[{}F\x1b[J", self.lines.len()).as_bytes());
        }
    }

    fn print(&self, columns: usize, out: &mut Vec<u8>) {
        for line in &self.lines {
            out.extend_from_slice(shorten(line, columns).as_bytes());
            out.push(b'\n');
        }
    }
}

fn lock() -> MutexGuard<'static, Screen> {
    // A panic while drawing leaves nothing worse than a torn view.
    STDERR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn columns() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(COLUMNS, |(width, _)| usize::from(width.0))
        .max(20)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_that_stay_are_written_above_the_view() {
        let mut screen = Screen::new(true);
        assert_eq!(text(|out| screen.above(b"one\n", 80, out)), "one\n");
        assert_eq!(
            text(|out| screen.draw(vec!["a".into(), "b".into()], 80, out)),
            "a\nb\n"
        );
        assert_eq!(
            text(|out| screen.above(b"two\n", 80, out)),
            "\x1b[2F\x1b[Jtwo\na\nb\n"
        );
        assert_eq!(
            text(|out| screen.draw(vec!["a".into(), "b".into()], 80, out)),
            ""
        );
        assert_eq!(
            text(|out| screen.draw(Vec::new(), 80, out)),
            "\x1b[2F\x1b[J"
        );
    }

    #[test]
    fn a_line_of_the_view_takes_one_row() {
        let mut screen = Screen::new(true);
        assert_eq!(
            text(|out| screen.draw(vec!["x".repeat(50)], 20, out)),
            format!("{}…\n", "x".repeat(19))
        );
    }

    #[test]
    fn nothing_is_drawn_where_it_cannot_be() {
        let mut screen = Screen::new(false);
        assert_eq!(text(|out| screen.draw(vec!["a".into()], 80, out)), "");
        assert_eq!(text(|out| screen.above(b"one\n", 80, out)), "one\n");
    }
}
