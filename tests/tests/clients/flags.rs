//! The flags of the command line beside those of Temporal's, verb by verb, as `--help` tells them.
//! What ours leaves out is in `tests/clients/flags.md`, with the reason.

use sandglass_tests::{clients, repository, sandglass, texts};
use std::{collections::BTreeMap, fs, process::Command};

/// Verbs that both have.
const VERBS: [&str; 26] = [
    "activity cancel",
    "activity complete",
    "activity fail",
    "activity pause",
    "activity reset",
    "activity unpause",
    "workflow cancel",
    "workflow count",
    "workflow delete",
    "workflow describe",
    "workflow execute",
    "workflow list",
    "workflow pause",
    "workflow query",
    "workflow reset",
    "workflow result",
    "workflow show",
    "workflow signal",
    "workflow signal-with-start",
    "workflow start",
    "workflow terminate",
    "workflow unpause",
    "workflow update describe",
    "workflow update execute",
    "workflow update result",
    "workflow update start",
];

/// Flags by their long names, with the short form of each.
type Flags = BTreeMap<String, Option<char>>;

fn help(mut program: Command, verb: &str) -> String {
    let output = program
        .args(verb.split(' '))
        .arg("--help")
        .output()
        .unwrap();
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{verb}: {text}{errors}");
    text
}

/// The flags of a help text: lines that begin with one, as both programs write them. Further names
/// of a flag stand behind it: `[alias: --type]`.
fn flags(text: &str) -> Flags {
    let mut found = Flags::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (short, long) = match words.as_slice() {
            [short, long, ..] if short.len() == 3 && short.ends_with(',') => {
                (short.chars().nth(1), *long)
            }
            [long, ..] => (None, *long),
            [] => continue,
        };
        // Further in, a flag stands in a sentence.
        let indent = line.len() - line.trim_start().len();
        let is_flag = (1..=6).contains(&indent) && words[0].starts_with('-');
        let Some(name) = long.strip_prefix("--").filter(|_| is_flag) else {
            continue;
        };
        let end = name.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        let name = &name[..end.unwrap_or(name.len())];
        if !name.is_empty() {
            found.insert(name.into(), short);
        }
    }
    for part in text.split("[alias").skip(1) {
        let names = part.split(']').next().unwrap_or_default();
        let names = names.split(|c: char| c.is_whitespace() || c == ',');
        for name in names.filter_map(|name| name.strip_prefix("--")) {
            found.insert(name.into(), None);
        }
    }
    found
}

/// A row of the table: whether it holds for a verb, and the flags that it names.
struct LeftOut {
    verbs: Vec<String>,
    flags: Vec<String>,
}

impl LeftOut {
    fn holds(&self, verb: &str) -> bool {
        self.verbs
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(group) => verb.starts_with(group),
                None => known == verb,
            })
    }
}

fn left_out() -> Vec<LeftOut> {
    let text = fs::read_to_string(repository().join("tests/clients/flags.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(
            cells.len() == 5 && !cells[3].is_empty(),
            "a row without a reason: {row}"
        );
        let words = |cell: &str| -> Vec<String> {
            let words = cell.split('`').skip(1).step_by(2);
            words
                .map(|word| word.trim_start_matches("--").to_owned())
                .collect()
        };
        LeftOut {
            verbs: words(cells[1]),
            flags: words(cells[2]),
        }
    });
    rows.collect()
}

#[test]
fn each_flag_of_temporals_command_line_is_there_or_left_out_with_a_reason() {
    let temporal = clients().join("temporal");
    let table = left_out();
    let mut used = vec![false; table.len()];
    let (mut missing, mut differing, mut compared) = (Vec::new(), Vec::new(), 0);
    for verb in VERBS {
        let mut theirs = Command::new(&temporal);
        theirs.env("TEMPORAL_VERSION_CHECK_DISABLED", "1");
        let theirs = flags(&help(theirs, verb));
        let ours = flags(&help(sandglass(), verb));
        assert!(
            theirs.len() > 1 && ours.len() > 4,
            "{verb}: {theirs:?} {ours:?}"
        );
        for (name, short) in &theirs {
            compared += 1;
            let rows = table.iter().zip(&mut used);
            let mut rows = rows.filter(|(row, _)| row.holds(verb) && row.flags.contains(name));
            let is_left_out = match rows.next() {
                Some((_, used)) => {
                    *used = true;
                    true
                }
                None => false,
            };
            match ours.get(name) {
                Some(_) if is_left_out => {
                    differing.push(format!("{verb} --{name}: not left out any more"));
                }
                Some(own) if short.is_some() && own != short => {
                    differing.push(format!("{verb} --{name}: {own:?} and not {short:?}"));
                }
                Some(_) => {}
                None if !is_left_out => missing.push(format!("{verb} --{name}")),
                None => {}
            }
        }
        // A letter is not to mean something else.
        for (name, letter) in ours
            .iter()
            .filter_map(|(name, short)| Some((name, (*short)?)))
        {
            let other = theirs.iter().find(|(_, short)| **short == Some(letter));
            if let Some((other, _)) = other.filter(|(other, _)| *other != name) {
                differing.push(format!("{verb} -{letter}: --{name} and not --{other}"));
            }
        }
    }
    println!("{compared} flags compared");
    assert!(
        missing.is_empty(),
        "not there, and not left out:\n{}",
        missing.join("\n")
    );
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    let stale = table.iter().zip(used).filter(|(_, used)| !used);
    let stale: Vec<_> = stale
        .map(|(row, _)| format!("{:?} {:?}", row.verbs, row.flags))
        .collect();
    assert!(stale.is_empty(), "left out, but nowhere there: {stale:#?}");
}

/// Help is written as it was when this was read: a text in which nothing is found would compare
/// nothing.
#[test]
fn flags_are_found_in_both_kinds_of_help() {
    let of_temporal = "Flags:\n  -h, --help                 help\n  -w, --workflow-id string   Id, or\n                             \
                       --memo that.\n      --memo stringArray     Memo\n";
    let ours = "Options:\n  -w, --workflow-id <ID>\n          The id [alias: --id]\n      \
                --memo <KEY=JSON>\n          See --memo\n";
    let found = |text| flags(text).into_iter().collect::<Vec<_>>();
    let flag = |name: &str, short| (name.to_owned(), short);
    assert_eq!(
        found(of_temporal),
        [
            flag("help", Some('h')),
            flag("memo", None),
            flag("workflow-id", Some('w'))
        ]
    );
    assert_eq!(
        found(ours),
        [
            flag("id", None),
            flag("memo", None),
            flag("workflow-id", Some('w'))
        ]
    );
}
