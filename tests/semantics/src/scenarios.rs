//! The event sequence of each scenario, as `tests/oracle/scenarios.md` has it.

use crate::markdown;
use std::{collections::BTreeMap, sync::LazyLock};

/// Where the sequences are written.
pub const FILE: &str = "tests/oracle/scenarios.md";

/// Where the recordings are.
pub const RECORDINGS: &str = "tests/oracle/histories.jsonl";

static ROWS: LazyLock<BTreeMap<String, Row>> =
    LazyLock::new(|| parse(include_str!("../../oracle/scenarios.md")));

/// How a sequence stands to Temporal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same.
    Same,
    /// Different, by a rule.
    Different,
    /// Temporal has no such thing.
    OnlyHere,
    /// No test holds it yet.
    NotYet,
    /// Recorded, and no scenario of ours.
    OnlyThere,
}

/// How two sequences are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every event. The start of an activity stands before its end, wherever the server put it.
    Full,
    /// Without the events of workflow tasks and the starts of activities.
    Skeleton,
}

impl Mode {
    /// What is compared of a sequence.
    #[must_use]
    pub fn of(self, sequence: &str) -> String {
        match self {
            Self::Full => sequence.into(),
            Self::Skeleton => skeleton(sequence),
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// How it stands to Temporal's.
    pub kind: Kind,
    /// How it is compared.
    pub mode: Mode,
    /// Ours. Empty for [`Kind::OnlyThere`].
    pub sequence: String,
    /// Why it differs; empty if it does not.
    pub why: String,
}

/// The event sequence of a scenario, in the notation of `sandglass_engine::shorthand`.
///
/// A scenario with one run has that run's name, others `NAME:RUN`. Write the name as a literal: the
/// test `oracle` looks for `scenario("NAME")` in the sources of the tests.
///
/// # Panics
/// If there is no such scenario.
#[must_use]
pub fn scenario(name: &str) -> &'static str {
    match ROWS.get(name) {
        Some(row) if row.kind != Kind::OnlyThere => &row.sequence,
        _ => panic!("{FILE} has no scenario {name}"),
    }
}

/// All rows by their name.
#[must_use]
pub fn all() -> &'static BTreeMap<String, Row> {
    &ROWS
}

/// A sequence without the events of workflow tasks and the starts of activities.
#[must_use]
pub fn skeleton(sequence: &str) -> String {
    let kept = sequence.split(',').filter(|word| {
        let name = word.split('(').next().unwrap_or(word);
        !["T", "Ts", "Tb", "Tc", "Tf", "Tx", "AB"].contains(&name)
    });
    kept.collect::<Vec<_>>().join(",")
}

fn parse(markdown: &str) -> BTreeMap<String, Row> {
    let sections = [
        ("Same", Kind::Same),
        ("Different", Kind::Different),
        ("Only here", Kind::OnlyHere),
        ("Not yet", Kind::NotYet),
        ("Only there", Kind::OnlyThere),
    ];
    let mut all = BTreeMap::new();
    for (heading, kind) in sections {
        for cells in markdown::rows(markdown, heading) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let (name, mode, sequence, why) = match (kind, &cells[..]) {
                (Kind::OnlyThere, &[name, why]) => (name, "FULL", "", why),
                (Kind::OnlyHere, &[name, sequence, why]) => (name, "FULL", sequence, why),
                (_, &[name, mode, sequence]) => (name, mode, sequence, ""),
                (_, &[name, mode, sequence, why]) => (name, mode, sequence, why),
                _ => panic!("{FILE}: {heading}: a row of another form: {cells:?}"),
            };
            let row = Row {
                kind,
                mode: match mode {
                    "FULL" => Mode::Full,
                    "SKEL" => Mode::Skeleton,
                    other => panic!("{FILE}: {name}: mode {other:?}"),
                },
                sequence: sequence.trim_matches('`').into(),
                why: why.into(),
            };
            let twice = all.insert(name.to_owned(), row).is_some();
            assert!(!twice, "{FILE}: {name} is there twice");
        }
    }
    all
}
