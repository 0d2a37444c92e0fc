//! Prints the table of what is proven: what is not, with its count, then a line for each row.

use sandglass_semantics::breakers;
use sandglass_semantics::coverage::{all, expected};
use sandglass_semantics::scenarios::{self, Kind};
use std::fmt::Write as _;
use std::io::Write as _;

fn main() {
    // Whoever reads may stop before the end.
    _ = std::io::stdout().write_all(table().as_bytes());
}

fn table() -> String {
    let rows = all();
    let (proven, not_yet): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.missing.is_empty());
    let open = scenarios::all()
        .values()
        .filter(|row| row.kind == Kind::NotYet)
        .count();
    let mut text = format!(
        "{} of {} rows are not proven yet, and {open} event sequences of {} are held by no test:\n",
        not_yet.len(),
        expected().len(),
        scenarios::FILE,
    );
    for row in not_yet {
        _ = writeln!(
            text,
            "{:4} {} -- missing: {}",
            row.name, row.what, row.missing
        );
    }
    _ = writeln!(text, "\n{} are proven:", proven.len());
    let broken = breakers::all();
    for row in proven {
        _ = writeln!(
            text,
            "{:4} {} -- {}",
            row.name,
            row.what,
            row.tests.join(" ")
        );
        for mutation in broken.iter().filter(|mutation| mutation.rule == row.name) {
            _ = writeln!(
                text,
                "     broken ({}) it is caught by {}",
                mutation.instead, mutation.test
            );
        }
    }
    text
}
