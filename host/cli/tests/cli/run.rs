//! `run` and `workflow`: the life of runs on a store file, as a person and a script see it.

use crate::support::{Ended, Folder, Guest, wait_for};
use serde_json::json;
use std::process::{Child, Stdio};

/// Workflows for these tests: one that ends by itself, one that fails, one that traps, one that
/// waits for a signal, and two that run an activity without end.
const SOURCE: &str = r#"
use sandglass_guest::prelude::*;

#[activity(start_to_close = "10s", retry(maximum_attempts = 1))]
async fn greet(name: String) -> Result<String, Failure> {
    Ok(format!("Hello, {name}!"))
}

#[activity(start_to_close = "10m", heartbeat = "30s")]
async fn work() -> Result<(), Failure> {
    for beat in 1u64.. {
        activity::heartbeat(&beat)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[workflow]
async fn hello(name: String) -> Result<String, Failure> {
    greet(name).await
}

#[workflow]
async fn fails() -> Result<(), Failure> {
    Err(Failure::application("Sad", "so sad"))
}

#[workflow]
async fn traps() -> Result<(), Failure> {
    panic!("this workflow always panics");
}

#[workflow]
async fn waits(first: String) -> Result<String, Failure> {
    let mut go = signals::<String>("go");
    Ok(format!("{first} {}", go.recv().await?))
}

#[workflow]
async fn works() -> Result<(), Failure> {
    work().await
}

#[workflow]
async fn stubborn() -> Result<(), Failure> {
    scope::shielded(async { work().await }).await
}

sandglass_guest::export! {
    workflows: [hello, fails, traps, waits, works, stubborn],
    activities: [greet, work],
}
"#;

/// A guest like the first, but whose `waits` starts an activity first.
const CHANGED: &str = r#"
use sandglass_guest::prelude::*;

#[activity]
async fn greet(name: String) -> Result<String, Failure>;

#[workflow]
async fn waits(first: String) -> Result<String, Failure> {
    greet(first).await
}

/// Not in the first guest.
#[workflow]
async fn more() -> Result<(), Failure> {
    Ok(())
}

sandglass_guest::export! { workflows: [waits, more] }
"#;

fn guest() -> &'static Guest {
    static GUEST: std::sync::OnceLock<Guest> = std::sync::OnceLock::new();
    GUEST.get_or_init(|| Guest::build("run-tests", SOURCE))
}

/// A folder with the guest's components in it.
fn folder() -> Folder {
    let folder = Folder::new();
    guest().copy_to(&folder);
    folder
}

/// `sandglass run` in the background, until dropped.
struct Running(Child);

impl Running {
    fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut command = folder.command(args);
        Self(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    fn signal(&self, signal: &str) {
        let status = std::process::Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    fn end(mut self) -> Ended {
        let child = std::mem::replace(
            &mut self.0,
            std::process::Command::new("true").spawn().unwrap(),
        );
        Ended::of(child.wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the run's description says so.
fn wait_until(folder: &Folder, id: &str, what: &str, check: impl Fn(&serde_json::Value) -> bool) {
    wait_for(what, || {
        let described = folder.sandglass(&["workflow", "describe", id, "--output", "json"]);
        described.code == Some(0) && check(&described.json(0))
    });
}

const WORKFLOWS: &str = "run-tests.wasm";
const ACTIVITIES: &str = "run-tests-activities.wasm";

#[test]
fn a_run_prints_its_result_and_is_kept() {
    let folder = folder();
    let args = [
        "run",
        WORKFLOWS,
        "-a",
        ACTIVITIES,
        "-t",
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
        "-t",
        "hello",
        "-i",
        "\"World\"",
        "--id",
        "one",
    ];
    assert_eq!(folder.sandglass(&args).code, Some(0));
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
    let ended = folder.sandglass(&["run", WORKFLOWS, "-t", "fails", "--output", "json"]);
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
    run(&[WORKFLOWS, "-t", "hello", "-a", WORKFLOWS]).refused(2, "expected activities");
    run(&[WORKFLOWS]).refused(2, "choose a workflow type with --type: hello, fails");
    run(&[WORKFLOWS, "-t", "nope"]).refused(2, "no workflow type 'nope'; it has hello, fails");
    run(&[WORKFLOWS, "-t", "hello", "-i", "World"]).refused(2, "--input World is not JSON");
    run(&[WORKFLOWS, "-t", "hello", "-i", "@none.json"]).refused(2, "cannot read none.json");
    run(&[WORKFLOWS, "-t", "hello", "--db", "no/such.db"]).refused(2, "there is no such folder");
    run(&[WORKFLOWS, "-t", "hello", "--timeout", "5"]).refused(2, "expected one of the units");
    run(&[WORKFLOWS, "-t", "hello", "--no-trial"]).refused(2, "--upgrade");
    run(&[
        WORKFLOWS, "-t", "hello", "-a", ACTIVITIES, "--dir", "gone::/x",
    ])
    .refused(2, "gone");
    let document = run(&[WORKFLOWS, "-t", "nope", "--output", "json"]).json(2);
    assert_eq!(document["exit_code"], 2);
    let document = run(&[WORKFLOWS, "--nonsense", "--output", "json"]).json(2);
    assert_eq!(document["exit_code"], 2);
    folder.write(
        "other.db",
        "not a store, but long enough to look like a file of something",
    );
    run(&[WORKFLOWS, "-t", "hello", "--id", "x", "--db", "other.db"]).refused(2, "other.db");
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
        folder.sandglass(&["run", WORKFLOWS, "-t", "fails"]).code,
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
            "run", WORKFLOWS, "-t", "works", "-a", ACTIVITIES, "--id", "w",
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
            "run", WORKFLOWS, "-t", "stubborn", "-a", ACTIVITIES, "--id", "s",
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
fn a_killed_run_is_taken_up_where_it_was() {
    let folder = folder();
    let args = ["run", WORKFLOWS, "-t", "waits", "-i", "\"a\"", "--id", "w"];
    let run = Running::start(&folder, &args);
    wait_until(&folder, "w", "the run to wait", |run| {
        run["history_events"] == 4
    });
    folder
        .sandglass(&["run", WORKFLOWS, "-t", "fails"])
        .refused(2, "is in use by process");
    run.signal("-KILL");
    drop(run);

    folder
        .sandglass(&["run", WORKFLOWS, "-t", "waits", "-i", "\"b\"", "--id", "w"])
        .refused(2, "open with another input: (\"a\")");
    folder
        .sandglass(&["run", WORKFLOWS, "-t", "hello", "--id", "w"])
        .refused(2, "open with type 'waits', not 'hello'");

    let signaled = folder.sandglass(&["workflow", "signal", "w", "--name", "go", "-i", "\"b\""]);
    assert_eq!(signaled.code, Some(0), "{signaled:#?}");
    signaled.refused(0, "delivered when one opens it");
    let ended = folder.sandglass(&args);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "\"a b\"\n"),
        "{ended:#?}"
    );
    ended.refused(0, "taken up after event");
}

#[test]
fn requests_reach_the_process_that_owns_the_store() {
    let folder = folder();
    let run = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "-t", "works", "-a", ACTIVITIES, "--id", "w",
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
        &["run", WORKFLOWS, "-t", "waits", "-i", "\"a\"", "--id", "w"],
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
        "-t",
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
        "-t",
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
fn a_run_that_cannot_go_on_stays_open() {
    let folder = folder();
    let run = Running::start(&folder, &["run", WORKFLOWS, "-t", "traps", "--id", "t"]);
    wait_until(&folder, "t", "the failure", |run| {
        run["workflow_task"]["last_failure"]["message"].is_string()
    });
    run.signal("-TERM");
    let ended = run.end();
    ended.refused(6, "the run stays open");
    ended.refused(6, "this workflow always panics");
    let described = folder
        .sandglass(&["workflow", "describe", "t", "--output", "json"])
        .json(0);
    assert_eq!(described["status"], "running");
}

#[test]
fn another_component_needs_an_upgrade_that_fits() {
    let changed = Guest::build("run-changed", CHANGED);
    let folder = folder();
    changed.copy_to(&folder);
    let run = Running::start(
        &folder,
        &["run", WORKFLOWS, "-t", "waits", "-i", "\"a\"", "--id", "w"],
    );
    // Two events of its own task: the guest waits for a signal.
    wait_until(&folder, "w", "the run to wait", |run| {
        run["history_events"] == 4
    });
    run.signal("-TERM");
    run.end().refused(6, "the run stays open");

    let refused = folder.sandglass(&["run", "run-changed.wasm", "--id", "w"]);
    refused.refused(2, "is open with another component");
    refused.refused(2, "recorded: ");
    folder
        .sandglass(&["run", "run-changed.wasm", "--id", "w", "--upgrade"])
        .refused(2, "nondeterminism error at event 5");

    let signaled = folder.sandglass(&["workflow", "signal", "w", "--name", "go", "-i", "\"b\""]);
    assert_eq!(signaled.code, Some(0), "{signaled:#?}");
    let ended = folder.sandglass(&["run", WORKFLOWS, "--id", "w", "--upgrade"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "\"a b\"\n"),
        "{ended:#?}"
    );
}

#[test]
fn log_lines_are_json_if_asked_for() {
    let folder = folder();
    let mut command = folder.command(&[
        "run",
        WORKFLOWS,
        "-t",
        "traps",
        "--log-format",
        "json",
        "--timeout",
        "1s",
    ]);
    let ended = Ended::of(command.env("SANDGLASS_LOG", "info").output().unwrap());
    assert_eq!(ended.code, Some(5), "{ended:#?}");
    let lines = ended.stderr.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines.iter().any(|line| line["level"] == "ERROR"),
        "{ended:#?}"
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
