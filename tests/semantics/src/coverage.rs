//! The table of what is proven, `tests/coverage.md`: which test would fail if a row of the semantics
//! did not hold.

use crate::{markdown, sources, text};
use std::collections::BTreeMap;

/// Where the table is.
pub const FILE: &str = "tests/coverage.md";

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// `S1` to `S60`, `R1` to `R40`, `A01` to `A28` or `Delete`.
    pub name: String,
    /// What it asks for.
    pub what: String,
    /// What no test shows yet; empty if the row is proven.
    pub missing: String,
    /// The tests, as `path::function`.
    pub tests: Vec<String>,
}

/// The names of all rows that must be there, in order.
#[must_use]
pub fn expected() -> Vec<String> {
    let capabilities = (1..=60).map(|number| format!("S{number}"));
    let rules = (1..=40).map(|number| format!("R{number}"));
    let scenarios = (1..=28).map(|number| format!("A{number:02}"));
    let all = capabilities.chain(rules).chain(scenarios);
    // Of the other tables what no rule or scenario says.
    all.chain(["Delete".to_owned()]).collect()
}

/// The rows of a table, proven ones first.
///
/// # Panics
/// If a row has another number of cells than its section.
#[must_use]
pub fn parse(markdown: &str) -> Vec<Row> {
    let row = |cells: Vec<String>, cells_of_section: usize| {
        assert_eq!(cells.len(), cells_of_section, "{FILE}: {cells:?}");
        let tests = cells[cells_of_section - 1].split_whitespace();
        Row {
            name: cells[0].clone(),
            what: cells[1].clone(),
            missing: cells[2..cells_of_section - 1].concat(),
            tests: tests
                .map(|test| test.trim_matches('`').to_owned())
                .collect(),
        }
    };
    let proven = markdown::rows(markdown, "Proven");
    let not_yet = markdown::rows(markdown, "Not yet");
    let rows = proven.into_iter().map(|cells| row(cells, 3));
    rows.chain(not_yet.into_iter().map(|cells| row(cells, 4)))
        .collect()
}

/// The table as it is checked in.
#[must_use]
pub fn all() -> Vec<Row> {
    parse(&text(FILE))
}

/// What is wrong with a table; `source` gives the text of a file.
#[must_use]
pub fn faults(rows: &[Row], source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *count.entry(&row.name).or_default() += 1;
        if row.missing.is_empty() && row.tests.is_empty() {
            wrong.push(format!(
                "{} is said to be proven and names no test",
                row.name
            ));
        }
        for test in &row.tests {
            let found = test.rsplit_once("::").and_then(|(path, name)| {
                let source = source(path)?;
                Some(sources::has_test(&source, name))
            });
            if found != Some(true) {
                wrong.push(format!("{}: there is no test {test}", row.name));
            }
        }
    }
    let expected = expected();
    for name in &expected {
        match count.get(&**name) {
            None => wrong.push(format!("{name} is missing")),
            Some(1) => {}
            Some(times) => wrong.push(format!("{name} is there {times} times")),
        }
    }
    let unknown = count
        .keys()
        .filter(|name| !expected.iter().any(|known| known == *name));
    wrong.extend(unknown.map(|name| format!("{name} is no row of the semantics")));
    wrong
}
