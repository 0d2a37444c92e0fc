//! The tests as they stand in the sources: which functions there are, which scenarios they name.

use crate::{repository, text};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where the crates are.
const FOLDERS: [&str; 4] = ["host", "guest-sdk", "tests", "examples"];

/// The Rust sources of the crates, this one aside, with their text.
#[must_use]
pub fn all() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        walk(Path::new(folder), &mut found);
    }
    found
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let entries = fs::read_dir(repository().join(folder)).expect("a folder of sources can be read");
    for entry in entries {
        let name = entry.expect("its entries too").file_name();
        let path = folder.join(&name);
        let full = repository().join(&path);
        if full.is_dir() && name != "target" && path != Path::new("tests/semantics") {
            walk(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && full.is_file() {
            found.insert(path.clone(), text(&path));
        }
    }
}

/// The names in `scenario("NAME")`, in all sources.
#[must_use]
pub fn scenarios() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in all().values() {
        // Formatting may have put the literal on a line of its own.
        let source: String = source.split_whitespace().collect();
        for (at, _) in source.match_indices("scenario(\"") {
            let rest = &source[at + "scenario(\"".len()..];
            names.extend(rest.split('"').next().map(str::to_owned));
        }
    }
    names
}

/// Whether a source has a test of this name that is run.
#[must_use]
pub fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = line
            .strip_prefix("fn ")
            .and_then(|line| line.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(place, line)| {
        let attributes = || {
            lines[..place]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("#["))
        };
        let runs = |line: &&str| line.starts_with("#[test") || line.starts_with("#[tokio::test");
        let skipped = |line: &&str| line.starts_with("#[ignore") || line.starts_with("#[cfg");
        is_it(line) && attributes().any(runs) && !attributes().any(skipped)
    })
}
