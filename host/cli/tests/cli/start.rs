//! How a run is started: retries, schedules, delays, ids, and what is shown with it.

use crate::{
    guests::{ACTIVITIES, Running, WORKFLOWS, folder, wait_until},
    support::{Ended, Folder, wait_for},
};
use serde_json::{Value, json};

/// Runs the workflow type `kind` under the id `w`.
fn run(folder: &Folder, kind: &str, more: &[&str]) -> Ended {
    let args = [
        "run", WORKFLOWS, "-a", ACTIVITIES, "--type", kind, "--id", "w", "--output", "json",
    ];
    folder.sandglass(&[&args, more].concat())
}

/// The runs of the store, newest first: what `list` says of each.
fn listed(folder: &Folder) -> Vec<Value> {
    let list = folder.sandglass(&["workflow", "list", "--output", "json"]);
    list.json(0)["workflows"].as_array().unwrap().clone()
}

fn statuses(folder: &Folder) -> Vec<Value> {
    let runs = listed(folder).into_iter();
    runs.map(|run| run["status"].clone()).collect()
}

/// The attributes of the first event of the newest run.
fn started(folder: &Folder) -> Value {
    let shown = folder.sandglass(&["workflow", "show", "w", "--output", "json"]);
    shown.json(0)["events"][0].clone()
}

#[test]
fn a_failed_run_is_tried_again_by_its_policy() {
    let folder = folder();
    let ended = run(
        &folder,
        "fails",
        &[
            "--retry-maximum-attempts",
            "3",
            "--retry-initial-interval",
            "10ms",
            "--retry-backoff-coefficient",
            "1",
        ],
    );
    assert_eq!(ended.json(1)["status"], "failed");
    assert_eq!(statuses(&folder), ["failed", "failed", "failed"]);
    assert_eq!(started(&folder)["attributes"]["chain"]["attempt"], 3);
}

#[test]
fn a_schedule_starts_one_run_after_another_until_it_is_canceled() {
    let folder = folder();
    let args = [
        "run",
        WORKFLOWS,
        "-a",
        ACTIVITIES,
        "--type",
        "hello",
        "-i",
        "\"you\"",
        "--id",
        "w",
        "--cron",
        "@every 1s",
    ];
    let running = Running::start(&folder, &args);
    wait_for("two runs to complete", || {
        // The store may be there and not be made up yet.
        if folder.sandglass(&["workflow", "list"]).code != Some(0) {
            return false;
        }
        let done = statuses(&folder).into_iter();
        // On a slow machine more may have ended before somebody looks.
        done.filter(|status| status == "completed").count() >= 2
    });
    // Whichever run of the chain is the current one by then: it is that one which is canceled.
    let cancel = folder.sandglass(&["workflow", "cancel", "w", "--output", "json"]);
    assert_eq!(cancel.json(0)["disposition"], "recorded");
    let ended = running.end();
    let list = folder.sandglass(&["workflow", "list", "--output", "json"]);
    let last = &list.json(0)["workflows"][0];
    // Most likely it waited for its time. If it was at work, its activity may have completed; no
    // other run follows in either case (R14).
    let code = if last["status"] == "completed" { 0 } else { 3 };
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    assert_eq!(last["cancel_requested"], true, "{last:#}");
    assert!(ended.stderr.contains("follows"), "{ended:#?}");

    run(&folder, "hello", &["--cron", "61 * * * *", "--rerun"]).refused_in_json(2, "61 * * * *");
}

#[test]
fn a_delayed_run_waits_and_can_be_canceled_meanwhile() {
    let folder = folder();
    let args = [
        "run",
        WORKFLOWS,
        "--type",
        "waits",
        "-i",
        "\"a\"",
        "--id",
        "w",
        "--start-delay",
        "1h",
    ];
    let running = Running::start(&folder, &args);
    wait_until(&folder, "w", "the start", |run| run["history_events"] == 1);
    let canceled = folder.sandglass(&["workflow", "cancel", "w"]);
    assert_eq!(canceled.code, Some(0), "{canceled:#?}");
    assert_eq!(running.end().code, Some(3));

    let late = run(
        &folder,
        "hello",
        &["--cron", "@daily", "--start-delay", "1h"],
    );
    late.refused_in_json(2, "--start-delay");
}

#[test]
fn all_runs_of_a_chain_have_one_limit_on_time() {
    let folder = folder();
    let ended = run(
        &folder,
        "waits",
        &[
            "-i",
            "\"a\"",
            "--execution-timeout",
            "300ms",
            "--timeout",
            "1h",
        ],
    );
    assert_eq!(ended.json(5)["status"], "timed-out");
}

#[test]
fn the_policies_say_whether_an_id_may_be_used_again() {
    let folder = folder();
    let hello = ["-i", "\"you\"", "--rerun"];
    assert_eq!(run(&folder, "hello", &hello).json(0)["status"], "completed");
    for policy in ["RejectDuplicate", "AllowDuplicateFailedOnly"] {
        let again = [&hello[..], &["--id-reuse-policy", policy]].concat();
        run(&folder, "hello", &again).refused_in_json(2, "its reuse is not allowed");
    }
    assert_eq!(run(&folder, "hello", &hello).json(0)["status"], "completed");
    assert_eq!(statuses(&folder), ["completed", "completed"]);
}

#[test]
fn an_open_run_is_taken_up_refused_or_replaced() {
    let folder = folder();
    let waits = ["-i", "\"a\""];
    let running = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "w",
        ],
    );
    wait_until(&folder, "w", "the run to wait", |run| {
        run["history_events"] == 4
    });
    running.signal("-TERM");
    running.end().refused(6, "the run stays open");

    let fail = [&waits[..], &["--id-conflict-policy", "Fail"]].concat();
    run(&folder, "waits", &fail).refused_in_json(2, "workflow 'w' is open");
    let replace = ["--id-conflict-policy", "TerminateExisting", "-i", "\"you\""];
    assert_eq!(
        run(&folder, "hello", &replace).json(0)["status"],
        "completed"
    );
    assert_eq!(statuses(&folder), ["completed", "terminated"]);
}

#[test]
fn what_is_shown_with_a_run_is_given_when_it_starts() {
    let folder = folder();
    let shown = [
        "-i",
        "\"you\"",
        "--memo",
        "note={\"by\": \"phone\"}",
        "--search-attribute",
        "Customer=\"acme\"",
    ];
    assert_eq!(run(&folder, "hello", &shown).code, Some(0));
    let run_listed = listed(&folder).remove(0);
    assert_eq!(run_listed["memo"], json!({ "note": { "by": "phone" } }));
    assert_eq!(
        run_listed["search_attributes"],
        json!({ "Customer": "acme" })
    );

    let wrong = run(
        &folder,
        "hello",
        &["--rerun", "--search-attribute", "Customer=acme"],
    );
    wrong.refused_in_json(2, "the value is not JSON");
    let untyped = run(
        &folder,
        "hello",
        &["--rerun", "--search-attribute", "Customer={\"id\": 1}"],
    );
    untyped.refused_in_json(2, "search attribute \"Customer\"");
    let long = format!("Customer=\"{}\"", "x".repeat(41 << 10));
    let long = run(&folder, "hello", &["--rerun", "--search-attribute", &long]);
    long.refused_in_json(2, "at most 40960");
}
