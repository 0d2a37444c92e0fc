//! `limits`, and setting them on the command line.

use crate::{
    guests::{WORKFLOWS, folder},
    support::{Ended, Folder},
};
use serde_json::{Value, json};

fn limit(ended: &Ended, name: &str) -> Value {
    let all = ended.json(0);
    let mut all = all["limits"].as_array().unwrap().iter();
    all.find(|limit| limit["name"] == name).unwrap().clone()
}

#[test]
fn limits_are_printed_with_their_default_and_temporals() {
    let folder = Folder::new();
    let printed = folder.sandglass(&["limits", "--output", "json"]);
    let events = limit(&printed, "history-events");
    assert_eq!(
        [&events["value"], &events["default"], &events["temporal"]],
        [&json!(1_000_000), &json!(1_000_000), &json!(51_200)]
    );
    let commands = limit(&printed, "commands-per-task");
    assert_eq!(commands["temporal"], Value::Null);
    let text = folder.sandglass(&["limits", "--limit", "payload-bytes=3MiB"]);
    assert_eq!(text.code, Some(0), "{text:#?}");
    let line = text
        .stdout
        .lines()
        .find(|line| line.starts_with("payload-bytes "));
    let cells: Vec<_> = line.unwrap().split_whitespace().take(4).collect();
    assert_eq!(cells, ["payload-bytes", "3MiB", "2MiB", "2MiB"]);
}

#[test]
fn limits_are_set_by_flags_and_by_the_environment() {
    let folder = Folder::new();
    let args = [
        "limits",
        "--temporal-limits",
        "--limit",
        "pending-timers=5",
        "--output",
        "json",
    ];
    let set = folder.sandglass(&args);
    assert_eq!(limit(&set, "pending-timers")["value"], 5);
    assert_eq!(limit(&set, "history-bytes")["value"], 50 << 20);
    let mut command = folder.command(&["limits", "--output", "json"]);
    let environment = "pending-timers=6,workflow-task-timeout=2s";
    let output = command
        .env("SANDGLASS_LIMITS", environment)
        .output()
        .unwrap();
    let set = Ended::of(output);
    assert_eq!(limit(&set, "pending-timers")["value"], 6);
    assert_eq!(limit(&set, "workflow-task-timeout")["value"], 2_000);
    folder
        .sandglass(&["limits", "--limit", "luck=7"])
        .refused(2, "there is no limit named 'luck'");
}

#[test]
fn a_host_goes_by_the_limits_that_it_was_given() {
    let folder = folder();
    let large = format!("\"{}\"", "x".repeat(2_000));
    let args = [
        "run",
        WORKFLOWS,
        "--type",
        "hello",
        "-i",
        &large,
        "--limit",
        "payload-bytes=1KiB",
    ];
    folder
        .sandglass(&args)
        .refused(2, "more than the limit of 1024");
}
