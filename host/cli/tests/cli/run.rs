//! `run` and `workflow`: the life of runs on a store file, as a person and a script see it.

use crate::{
    guests::{ACTIVITIES, Running, WORKFLOWS, folder, wait_until},
    support::Ended,
};
use serde_json::json;

#[test]
fn a_run_prints_its_result_and_is_kept() {
    let folder = folder();
    let args = [
        "run",
        WORKFLOWS,
        "-a",
        ACTIVITIES,
        "--type",
        "hello",
        "-i",
        "\"World\"",
        "--id",
        "one",
    ];
    let ended = folder.sandglass(&args);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "\"Hello, World!\"\n"),
        "{ended:#?}"
    );
    assert!(ended.stderr.contains("ActivityTaskCompleted"), "{ended:#?}");

    let again = folder.sandglass(&["run", WORKFLOWS, "--id", "one"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (Some(0), "\"Hello, World!\"\n"),
        "{again:#?}"
    );
    assert!(again.stderr.contains("has ended already"), "{again:#?}");

    let mut rerun = args.to_vec();
    rerun.extend(["--rerun", "--output", "json"]);
    let rerun = folder.sandglass(&rerun).json(0);
    assert_eq!(
        (&rerun["status"], &rerun["result"]),
        (&json!("completed"), &json!("Hello, World!"))
    );

    let list = folder
        .sandglass(&["workflow", "list", "--output", "json"])
        .json(0);
    let runs = list["workflows"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["run_id"], rerun["run_id"], "the newest comes first");
}

#[test]
fn a_history_is_shown_in_lines_and_in_json() {
    let folder = folder();
    let args = [
        "run",
        WORKFLOWS,
        "-a",
        ACTIVITIES,
        "--type",
        "hello",
        "-i",
        "\"World\"",
        "--id",
        "one",
    ];
    let mut command = folder.command(&args);
    let ended = Ended::of(
        command
            .env("SANDGLASS_LOG", "sandglass=debug")
            .output()
            .unwrap(),
    );
    assert_eq!(ended.code, Some(0));
    ended.refused(0, "workflow task completed commands=1");
    let shown = folder.sandglass(&["workflow", "show", "one"]);
    let types: Vec<_> = shown
        .stdout
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "WorkflowExecutionStarted",
            "WorkflowTaskScheduled",
            "WorkflowTaskStarted",
            "WorkflowTaskCompleted",
            "ActivityTaskScheduled",
            "ActivityTaskStarted",
            "ActivityTaskCompleted",
            "WorkflowTaskScheduled",
            "WorkflowTaskStarted",
            "WorkflowTaskCompleted",
            "WorkflowExecutionCompleted",
        ]
    );
    let events = folder
        .sandglass(&["workflow", "show", "one", "--output", "json"])
        .json(0);
    assert_eq!(
        events["events"][10]["attributes"]["result"],
        "Hello, World!"
    );
    let text = folder.sandglass(&["workflow", "describe", "one"]);
    assert!(
        text.stdout.contains("result       \"Hello, World!\""),
        "{text:#?}"
    );
}

#[test]
fn a_failed_run_exits_with_1() {
    let folder = folder();
    let ended = folder.sandglass(&["run", WORKFLOWS, "--type", "fails", "--output", "json"]);
    let document = ended.json(1);
    assert_eq!(
        (&document["status"], &document["message"]),
        (&json!("failed"), &json!("Sad: so sad"))
    );
    ended.refused(1, "failed: Sad: so sad");
}

#[test]
fn wrong_arguments_start_nothing() {
    let folder = folder();
    let run = |args: &[&str]| {
        let mut all = vec!["run"];
        all.extend(args);
        folder.sandglass(&all)
    };
    run(&["nothing.wasm"]).refused(2, "cannot read nothing.wasm");
    run(&[ACTIVITIES]).refused(2, "expected workflows");
    run(&[WORKFLOWS, "--type", "hello", "-a", WORKFLOWS]).refused(2, "expected activities");
    run(&[WORKFLOWS]).refused(2, "choose a workflow type with --type: hello, fails");
    run(&[WORKFLOWS, "--type", "nope"]).refused(2, "no workflow type 'nope'; it has hello, fails");
    run(&[WORKFLOWS, "--type", "hello", "-i", "World"]).refused(2, "--input World is not JSON");
    run(&[WORKFLOWS, "--type", "hello", "-i", "@none.json"]).refused(2, "cannot read none.json");
    run(&[WORKFLOWS, "--type", "hello", "--db", "no/such.db"])
        .refused(2, "there is no such folder");
    run(&[WORKFLOWS, "--type", "hello", "--timeout", "5"]).refused(2, "expected one of the units");
    run(&[WORKFLOWS, "--type", "hello", "--no-trial"]).refused(2, "--upgrade");
    run(&[
        WORKFLOWS, "--type", "hello", "-a", ACTIVITIES, "--dir", "gone::/x",
    ])
    .refused(2, "gone");
    for (place, why) in [
        (".", "it is a folder"),
        ("/dev/null", "it is no regular file"),
        (
            "run-tests.wasm/such.db",
            "cannot keep a store in run-tests.wasm/such.db",
        ),
        ("/proc/such.db", "no file can be made there"),
    ] {
        run(&[WORKFLOWS, "--type", "hello", "--db", place]).refused(2, why);
    }
    folder
        .sandglass(&["workflow", "list", "--db", "."])
        .refused(2, "it is a folder");
    run(&[WORKFLOWS, "--type", "nope", "--output", "json"]).refused_in_json(
        2,
        "run-tests.wasm has no workflow type 'nope'; it has hello",
    );
    let wrong = run(&[WORKFLOWS, "--nonsense", "--output", "json"]);
    wrong.refused_in_json(2, "unexpected argument '--nonsense' found");
    let error = wrong.json(2)["error"].clone();
    let error = error.as_str().unwrap();
    assert!(
        !error.contains("error:") && !error.contains("Usage"),
        "{error}"
    );
    folder.write(
        "other.db",
        "not a store, but long enough to look like a file of something",
    );
    run(&[
        WORKFLOWS, "--type", "hello", "--id", "x", "--db", "other.db",
    ])
    .refused(2, "other.db");
    assert!(
        !folder.path().join("sandglass.db").exists(),
        "a store was made"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let folder = folder();
    folder
        .sandglass(&["workflow", "list"])
        .refused(2, "there is no store at sandglass.db");
    assert_eq!(
        folder
            .sandglass(&["run", WORKFLOWS, "--type", "fails"])
            .code,
        Some(1)
    );
    for verb in [
        &["describe"][..],
        &["show"],
        &["cancel"],
        &["terminate"],
        &["signal", "--name", "x"],
    ] {
        let mut args = vec!["workflow"];
        args.extend(verb);
        args.push("nobody");
        folder
            .sandglass(&args)
            .refused(2, "there is no workflow 'nobody'");
    }
}

#[test]
fn ctrl_c_cancels_and_the_exit_code_says_so() {
    let folder = folder();
    let run = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "--type", "works", "-a", ACTIVITIES, "--id", "w",
        ],
    );
    wait_until(&folder, "w", "a heartbeat", |run| {
        run["pending_activities"][0]["heartbeat_details"] != json!([])
            && run["owner"] != json!(null)
    });
    run.signal("-INT");
    let ended = run.end();
    ended.refused(3, "workflow w canceled");
    ended.refused(3, "by cli: interrupt");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_second_ctrl_c_terminates() {
    let folder = folder();
    let run = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "--type", "stubborn", "-a", ACTIVITIES, "--id", "s",
        ],
    );
    wait_until(&folder, "s", "the activity to run", |run| {
        run["pending_activities"][0]["started_at"] != json!(null)
    });
    run.signal("-INT");
    wait_until(&folder, "s", "the cancellation to reach the code", |run| {
        run["cancel_state"] == "delivered"
    });
    run.signal("-INT");
    run.end()
        .refused(4, "workflow s terminated: by cli: interrupted twice");
}

#[test]
fn requests_reach_the_process_that_owns_the_store() {
    let folder = folder();
    let run = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "--type", "works", "-a", ACTIVITIES, "--id", "w",
        ],
    );
    wait_until(&folder, "w", "the activity to run", |run| {
        run["pending_activities"][0]["started_at"] != json!(null)
    });
    let canceled = folder.sandglass(&[
        "workflow", "cancel", "w", "--reason", "enough", "--wait", "--output", "json",
    ]);
    let canceled = canceled.json(3);
    assert_eq!(canceled["disposition"], "recorded");
    assert_eq!(canceled["status"], "canceled");
    run.end().refused(3, "by cli: enough");

    let late = folder
        .sandglass(&["workflow", "cancel", "w", "--output", "json"])
        .json(0);
    assert_eq!(late["disposition"], "already_closed");
    folder
        .sandglass(&["workflow", "terminate", "w", "--reason", "late"])
        .refused(1, "NotFound");
    folder
        .sandglass(&["workflow", "signal", "w", "--name", "go"])
        .refused(1, "NotFound");
}

#[test]
fn terminate_and_time_out_have_their_own_exit_codes() {
    let folder = folder();
    let run = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "w",
        ],
    );
    wait_until(&folder, "w", "the run to wait", |run| {
        run["history_events"] == 4
    });
    assert_eq!(
        folder
            .sandglass(&["workflow", "terminate", "w", "--reason", "why"])
            .code,
        Some(0)
    );
    run.end().refused(4, "workflow w terminated: by cli: why");

    let timed = folder.sandglass(&[
        "run",
        WORKFLOWS,
        "--type",
        "waits",
        "-i",
        "\"a\"",
        "--timeout",
        "300ms",
        "--output",
        "json",
    ]);
    assert_eq!(timed.json(5)["status"], "timed-out");
}

#[test]
fn an_activity_that_nobody_serves_is_warned_about() {
    let folder = folder();
    let ended = folder.sandglass(&[
        "run",
        WORKFLOWS,
        "--type",
        "hello",
        "-i",
        "\"World\"",
        "--timeout",
        "4s",
    ]);
    ended.refused(5, "no worker serves the activity 'greet' on queue default");
    ended.refused(5, "give its component with --activities");
}

#[test]
fn a_missing_argument_is_told_as_such() {
    let folder = folder();
    let ended = folder.sandglass(&["run", WORKFLOWS, "--type", "hello"]);
    ended.refused(1, "argument 1 of 1 is missing: `name`");
}

#[test]
fn failed_attempts_of_an_activity_are_told_of() {
    let folder = folder();
    let ended = folder.sandglass(&["run", WORKFLOWS, "--type", "tries", "-a", ACTIVITIES]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "3\n"),
        "{ended:#?}"
    );
    ended.refused(
        0,
        "attempt 1 failed: Flaky: not at attempt 1; attempt 2 in ",
    );
    ended.refused(
        0,
        "attempt 2 failed: Flaky: not at attempt 2; attempt 3 in ",
    );
}

#[test]
fn log_lines_are_json_if_asked_for() {
    let folder = folder();
    let mut command = folder.command(&[
        "run",
        WORKFLOWS,
        "--type",
        "traps",
        "--log-format",
        "json",
        "--timeout",
        "1s",
    ]);
    let ended = Ended::of(command.env("SANDGLASS_LOG", "info").output().unwrap());
    assert_eq!(ended.code, Some(5), "{ended:#?}");
    let lines = ended.stderr.lines();
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(
        lines.iter().any(|line| line["level"] == "ERROR"),
        "{ended:#?}"
    );
    let told = |line: &&serde_json::Value| {
        line["level"] == "INFO"
            && line["message"]
                .as_str()
                .is_some_and(|text| text.ends_with("timed-out"))
    };
    assert!(
        lines.iter().any(|line| told(&line)),
        "no progress: {ended:#?}"
    );

    let mut command = folder.command(&["workflow", "list"]);
    let ended = Ended::of(
        command
            .env("SANDGLASS_LOG", "sandglass=loud")
            .output()
            .unwrap(),
    );
    ended.refused(2, "SANDGLASS_LOG=sandglass=loud");
}
