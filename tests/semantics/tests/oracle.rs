//! Our event sequences against those that Temporal's server recorded, each scenario by itself.
//!
//! Needs no server: `make oracle` writes the recordings, which are checked in.

use sandglass_semantics::recording::Recording;
use sandglass_semantics::scenarios::{FILE, Kind, RECORDINGS, Row, all};
use sandglass_semantics::{sources, text};

fn recording() -> Recording {
    Recording::parse(&text(RECORDINGS))
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// What is wrong with a row, if anything.
fn judge(name: &str, row: &Row, theirs: Option<&String>) -> Option<String> {
    let is_ruled = |why: &str| {
        let rule = why.strip_prefix('R').unwrap_or("");
        rule.starts_with(|c: char| c.is_ascii_digit())
    };
    let Some(theirs) = theirs else {
        return match row.kind {
            Kind::OnlyHere if is_ruled(&row.why) => None,
            Kind::OnlyHere => Some(format!("{name}: the reason does not begin with a rule")),
            Kind::NotYet if is_ruled(&row.why) => None,
            _ => Some(format!("{name}: there is no recording")),
        };
    };
    let (ours, theirs) = (row.mode.of(&row.sequence), row.mode.of(theirs));
    let both = format!("\n    ours     {ours}\n    Temporal {theirs}");
    match row.kind {
        Kind::OnlyThere if row.why.is_empty() => Some(format!("{name}: no reason is given")),
        Kind::OnlyThere => None,
        Kind::OnlyHere => Some(format!("{name}: there is a recording")),
        _ if row.why.is_empty() && ours != theirs => Some(format!("{name} differs{both}")),
        _ if row.why.is_empty() => None,
        _ if ours == theirs => Some(format!("{name} does not differ, but is listed so{both}")),
        _ if !is_ruled(&row.why) => Some(format!("{name}: the reason does not begin with a rule")),
        _ => None,
    }
}

#[test]
fn every_sequence_is_temporals_or_differs_by_a_rule() {
    let recording = recording();
    let rows = all();
    let wrong = rows
        .iter()
        .filter_map(|(name, row)| judge(name, row, recording.sequences.get(name)));
    let mut wrong: Vec<String> = wrong.collect();
    let missing = recording
        .sequences
        .iter()
        .filter(|(name, _)| !rows.contains_key(*name));
    wrong.extend(missing.map(|(name, theirs)| format!("{name} is not in {FILE}: {theirs}")));
    let count = |kind| rows.values().filter(|row| row.kind == kind).count();
    println!(
        "{} histories of Temporal {} ({}): {} the same, {} different by a rule, {} only there, {} \
         only here, {} not yet held by a test",
        recording.sequences.len(),
        recording.server,
        recording.sdk,
        count(Kind::Same),
        count(Kind::Different),
        count(Kind::OnlyThere),
        count(Kind::OnlyHere),
        count(Kind::NotYet),
    );
    for (name, row) in rows.iter().filter(|(_, row)| row.kind == Kind::Different) {
        let theirs = recording.sequences.get(name).map_or("-", String::as_str);
        println!(
            "{name}: {}\n    ours     {}\n    Temporal {theirs}",
            row.why, row.sequence
        );
    }
    assert_none("scenarios", &wrong);
}

#[test]
fn every_scenario_is_held_by_a_test() {
    let named = sources::scenarios();
    let mut wrong = Vec::new();
    for (name, row) in all() {
        match (row.kind, named.contains(name)) {
            (Kind::Same | Kind::Different | Kind::OnlyHere, false) => {
                wrong.push(format!("no test uses scenario(\"{name}\")"));
            }
            (Kind::NotYet, true) => wrong.push(format!("{name} is held by a test: move it up")),
            _ => {}
        }
    }
    let unknown = named.iter().filter(|name| !all().contains_key(*name));
    wrong.extend(unknown.map(|name| format!("scenario(\"{name}\") is not in {FILE}")));
    assert_none("scenarios and tests", &wrong);
}

#[test]
fn the_recordings_say_what_made_them() {
    let recording = recording();
    let pins = text("tests/clients/requirements.txt");
    let sdk = recording.sdk.replace(' ', "==");
    assert!(
        pins.contains(&format!("{sdk} ")),
        "{sdk} is not what scripts/oracle.sh installs"
    );
    assert!(recording.server.starts_with(|c: char| c.is_ascii_digit()));
}

#[test]
fn the_start_of_an_activity_stands_before_its_end() {
    let event = |name: &str, attributes: &str| {
        format!(r#"{{"eventType":"EVENT_TYPE_{name}","xEventAttributes":{{{attributes}}}}}"#)
    };
    let events = [
        event("WORKFLOW_TASK_SCHEDULED", r#""attempt":1"#),
        event("ACTIVITY_TASK_STARTED", r#""scheduledEventId":"5""#),
        event("ACTIVITY_TASK_STARTED", r#""scheduledEventId":"6""#),
        event("TIMER_FIRED", ""),
        event("ACTIVITY_TASK_COMPLETED", r#""scheduledEventId":"5""#),
        event(
            "WORKFLOW_TASK_FAILED",
            r#""cause":"WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND""#,
        ),
        event("WORKFLOW_TASK_SCHEDULED", r#""attempt":2"#),
        event("WORKFLOW_TASK_STARTED", ""),
    ];
    let line = format!(
        r#"{{"scenario":"A","histories":{{"w":{{"events":[{}]}}}}}}"#,
        events.join(",")
    );
    let text = format!("{{\"server\":\"1\",\"sdk\":\"s 1\"}}\n{line}");
    let sequences = Recording::parse(&text).sequences;
    assert_eq!(sequences["A"], "Ts,TF,AB,AC,Tf(UNHANDLED_COMMAND)");
}
