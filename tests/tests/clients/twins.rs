//! The same client script at Temporal's own server and at ours: `tests/clients/twins.py`, compared as
//! `tests/clients/twins.md` says. The sequences are those of `tests/oracle/scenarios.md` too.

use sandglass_semantics::{
    markdown,
    recording::Recording,
    scenarios::{self, Kind, Mode},
    text,
};
use sandglass_tests::{DevServer, Server, component, script_with, with_scenarios};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
};
use tempfile::TempDir;

const TABLE: &str = "tests/clients/twins.md";

/// What a client has found at one server.
struct Found {
    /// The event sequences, `SCENARIO` or `SCENARIO:RUN`.
    sequences: BTreeMap<String, String>,
    /// What it was told, `SCENARIO WHAT`.
    facts: BTreeMap<String, Value>,
}

impl Found {
    fn at(address: &str, sort: &str) -> Self {
        let lines = script_with("twins.py", &[address, sort]);
        let mut facts = BTreeMap::new();
        for line in &lines[1..] {
            let line: Value = serde_json::from_str(line).unwrap();
            let scenario = line["scenario"].as_str().unwrap();
            for (what, found) in line["facts"].as_object().unwrap() {
                facts.insert(format!("{scenario} {what}"), found.clone());
            }
        }
        Self {
            sequences: Recording::parse(&lines.join("\n")).sequences,
            facts,
        }
    }
}

/// What the table says of a scenario, and of what differs there.
struct Table {
    modes: BTreeMap<String, Mode>,
    /// What is found here, where that differs from what is found there.
    different: BTreeMap<String, String>,
    worded: BTreeMap<String, String>,
    /// Scenarios that cannot be played, and why.
    not_played: BTreeMap<String, String>,
}

impl Table {
    fn read() -> Self {
        let markdown = text(TABLE);
        let pairs_with = |heading: &str, cell: usize| -> BTreeMap<String, String> {
            let rows = markdown::rows(&markdown, heading);
            rows.into_iter()
                .map(|cells| (cells[0].clone(), cells[cell].clone()))
                .collect()
        };
        let pairs = |heading| pairs_with(heading, 1);
        let mode = |mode: &str| match mode {
            "FULL" => Mode::Full,
            "SKEL" => Mode::Skeleton,
            other => panic!("{TABLE}: mode {other:?}"),
        };
        let modes = pairs("Scenarios").into_iter();
        Self {
            modes: modes.map(|(name, word)| (name, mode(&word))).collect(),
            different: pairs_with("Different", 2),
            worded: pairs("Other words"),
            not_played: pairs("Not played"),
        }
    }

    fn mode(&self, name: &str) -> Mode {
        let scenario = name.split(':').next().unwrap();
        self.modes[scenario]
    }
}

#[test]
fn one_script_finds_the_same_at_temporals_server_and_at_ours() {
    let table = Table::read();
    let (theirs, ours) = both(&table);
    let mut wrong = Vec::new();
    for name in theirs.sequences.keys().chain(ours.sequences.keys()) {
        let mode = table.mode(name);
        let of = |found: &Found| found.sequences.get(name).map(|found| mode.of(found));
        check(&table, name, &of(&theirs), &of(&ours), &mut wrong);
    }
    for name in theirs.facts.keys().chain(ours.facts.keys()) {
        let of = |found: &Found| found.facts.get(name).map(Value::to_string);
        check(&table, name, &of(&theirs), &of(&ours), &mut wrong);
    }
    let all = |name: &String| theirs.facts.contains_key(name) || ours.sequences.contains_key(name);
    for name in table.different.keys().chain(table.worded.keys()) {
        if !all(name) {
            wrong.push(format!("{TABLE} lists {name}, which nobody has recorded"));
        }
    }
    for name in table.modes.keys() {
        let begin = format!("{name} ");
        if !ours.facts.keys().any(|fact| fact.starts_with(&begin)) {
            wrong.push(format!("{TABLE} lists {name}, which was not played"));
        }
    }
    for (name, row) in scenarios::all() {
        let is_ours = [Kind::Same, Kind::Different].contains(&row.kind);
        let Some(found) = ours.sequences.get(name).filter(|_| is_ours) else {
            continue;
        };
        let mode = if row.mode == Mode::Skeleton {
            row.mode
        } else {
            table.mode(name)
        };
        let (found, row) = (mode.of(found), mode.of(&row.sequence));
        if found != row {
            wrong.push(format!(
                "{name} is in {}\n  {row}\nand here\n  {found}",
                scenarios::FILE
            ));
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (runs, facts) = (ours.sequences.len(), ours.facts.len());
    println!(
        "{} scenarios, {runs} histories, {facts} facts",
        table.modes.len()
    );
}

/// Whether a name is that of a scenario of the semantics, or of a part of it: A01, A04a. What has a
/// longer one (`A03_paused`) is another scenario.
fn is_of_semantics(name: &str) -> bool {
    let (number, part) = name.split_at_checked(3).unwrap_or((name, ""));
    let number = number.strip_prefix('A').map(str::parse::<u8>);
    matches!(number, Some(Ok(1..=28))) && matches!(part.as_bytes(), [] | [b'a'..=b'z'])
}

/// Each scenario of the semantics that the oracle has is played under its own name or said not to be,
/// and not both.
fn neither_played_nor_explained(table: &Table) -> Vec<String> {
    let rows = scenarios::all().keys();
    let rows = rows.map(|name| name.split(':').next().unwrap_or(name));
    let all: BTreeSet<&str> = rows.filter(|name| is_of_semantics(name)).collect();
    let mut wrong = Vec::new();
    for number in 1..=28 {
        let name = format!("A{number:02}");
        if !all.iter().any(|of| of.starts_with(&name)) {
            wrong.push(format!("{} has no scenario {name}", scenarios::FILE));
        }
    }
    for name in &all {
        let is_played = table.modes.contains_key(*name);
        match (is_played, table.not_played.contains_key(*name)) {
            (false, false) => wrong.push(format!("{TABLE} says nothing of {name}")),
            (true, true) => wrong.push(format!("{TABLE}: {name} is played, and said not to be")),
            _ => {}
        }
    }
    let unknown = table.not_played.keys();
    let unknown = unknown.filter(|name| !all.contains(name.as_str()));
    wrong.extend(unknown.map(|name| format!("{TABLE} explains {name}, which is no scenario")));
    wrong
}

#[test]
fn each_scenario_is_played_or_said_not_to_be() {
    let wrong = neither_played_nor_explained(&Table::read());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ours, with a namespace beside the others' whose activities it serves itself.
fn ours(queues: &[&str]) -> Server {
    let dir = TempDir::new().unwrap();
    let activities = component("tests/guests/hostile", "guest-hostile-activities.wasm");
    fs::write(dir.path().join("activities.wasm"), activities).unwrap();
    let local = "namespace = \"local\"\n[namespaces.local]\nactivities = [\"activities.wasm\"]\n";
    let config = [with_scenarios(queues, &dir), with_scenarios(&["A22"], &dir)].concat() + local;
    Server::configured(dir, "127.0.0.1:0", &config)
}

/// The script at both servers at once.
fn both(table: &Table) -> (Found, Found) {
    let queues: Vec<&str> = table.modes.keys().map(String::as_str).collect();
    let temporal = DevServer::start(&[
        // Pausing is off unless asked for, and attributes have to be registered.
        "--dynamic-config-value=frontend.WorkflowPauseEnabled=true",
        "--search-attribute=Customer=Keyword",
        "--search-attribute=Region=Keyword",
        "--search-attribute=Total=Int",
    ]);
    let server = ours(&queues);
    let found = thread::scope(|scope| {
        let theirs = scope.spawn(|| Found::at(&temporal.address, "temporal"));
        let ours = Found::at(&server.address, "sandglass");
        (theirs.join().unwrap(), ours)
    });
    server.stop();
    found
}

/// Compares one thing that was found at both, and what the table says of it.
fn check(
    table: &Table,
    name: &str,
    theirs: &Option<String>,
    ours: &Option<String>,
    wrong: &mut Vec<String>,
) {
    let pair = || format!("\n  Temporal  {theirs:?}\n  Sandglass {ours:?}");
    let structure = |found: &Option<String>| found.as_deref().map(without_words);
    match (table.different.get(name), table.worded.get(name)) {
        (None, None) if theirs != ours => wrong.push(format!("{name} differs:{}", pair())),
        (Some(_), _) | (_, Some(_)) if theirs == ours => {
            wrong.push(format!(
                "{TABLE} lists {name}, which is the same:{}",
                pair()
            ));
        }
        (Some(expected), _) if ours.as_deref() != Some(expected.trim_matches('`')) => {
            wrong.push(format!("{name} is not `{expected}` here:{}", pair()));
        }
        (None, Some(_)) if structure(theirs) != structure(ours) => {
            wrong.push(format!("{name} differs in more than words:{}", pair()));
        }
        _ => {}
    }
}

/// A chain of failures without their messages: what stands in brackets.
fn without_words(chain: &str) -> String {
    let links = chain.split(" <- ");
    let kinds = links.map(|link| link.split('(').next().unwrap_or(link));
    kinds.collect::<Vec<_>>().join(" <- ")
}
