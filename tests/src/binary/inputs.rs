//! What a component that cargo does not build is made of, to see whether it has to be built again.

use super::repository;
use std::{fmt::Write as _, fs, path::Path, process::Command, time::UNIX_EPOCH};

/// Folders whose files go into components: a guest may have those of another.
const FOLDERS: [&str; 5] = ["examples", "guest-sdk", "scripts", "tests/guests", "wit"];

/// What is installed or made there.
const MADE: [&str; 4] = ["node_modules", "__pycache__", "target", "vendor"];

/// The command with the program's file and all files of those folders: path, length, time of change.
pub(super) fn all(command: &Command) -> String {
    let mut text = format!("{command:?}\n");
    add(Path::new(command.get_program()), &mut text);
    for folder in FOLDERS {
        add(&repository().join(folder), &mut text);
    }
    text
}

fn add(path: &Path, text: &mut String) {
    let Ok(found) = fs::metadata(path) else {
        return;
    };
    if !found.is_dir() {
        let changed = found.modified().ok();
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let line = writeln!(text, "{} {} {changed:?}", path.display(), found.len());
        return line.expect("a text takes lines");
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| !MADE.iter().any(|made| path.ends_with(made)));
    paths.sort();
    for path in paths {
        add(&path, text);
    }
}
