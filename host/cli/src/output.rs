//! Writing to stdout and to files.

use crate::{description, exit::Stop, terminal, time::rfc3339};
use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Prints one JSON document.
///
/// # Errors
/// If stdout cannot be written, except that a closed pipe (`| head`) is no error.
pub fn print_json(value: &impl Serialize) -> Result<(), Stop> {
    let text = serde_json::to_string_pretty(value).expect("what is printed has text keys only");
    print(&format!("{text}\n"))
}

/// Prints text as it is.
///
/// # Errors
/// As [`print_json`].
pub fn print(text: &str) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout").map_err(Stop::host),
    }
}

/// Writes a line to stderr, as a JSON object if log lines are. A failure is not reported: there is
/// no place left to report it to.
pub fn note(text: &str) {
    notes([text.to_owned()]);
}

/// As [`note`], for several lines at once.
pub fn notes(lines: impl IntoIterator<Item = String>) {
    let written = |line: String| {
        if terminal::is_json() {
            format!("{}\n", log_line(&line))
        } else {
            line + "\n"
        }
    };
    let text: String = lines.into_iter().map(written).collect();
    terminal::write_above(text.as_bytes());
}

/// A line as the log has its own.
fn log_line(text: &str) -> Value {
    let (level, message) = match text.split_once(": ") {
        Some(("error", rest)) => ("ERROR", rest),
        Some(("warning", rest)) => ("WARN", rest),
        _ => ("INFO", text),
    };
    json!({
        "timestamp": rfc3339(description::now()),
        "level": level,
        "message": message.trim(),
        "target": "sandglass_cli",
    })
}

/// Writes a file so that no reader ever sees a part of it.
///
/// # Errors
/// Names the file.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut name = path
        .file_name()
        .context("a file to write has a name")?
        .to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| _ = fs::remove_file(&temporary))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Lays rows out in columns, two spaces apart. The last column is not padded.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let padding = width - cell.chars().count() + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Cuts text for a place that has room for this many characters.
#[must_use]
pub fn shorten(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Text with every run of blanks and line breaks made one blank.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A size for people.
#[must_use]
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let rows = [["a", "bb", "c"], ["aaa", "b", ""]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "a    bb  c\naaa  b\n");
    }

    #[test]
    fn a_line_of_the_log_has_the_level_that_its_text_names() {
        let line = log_line("warning: it is late");
        assert_eq!(
            (&line["level"], &line["message"]),
            (&json!("WARN"), &json!("it is late"))
        );
        assert_eq!(log_line("+1 s  TimerFired")["level"], "INFO");
    }

    #[test]
    fn shortened_text_fits_its_room() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
        assert_eq!(shorten("äöüäöü", 3), "äö…");
    }
}
