//! Runs that are taken up by another process than the one that began them, or cannot be.

use crate::{
    guests::{Running, WORKFLOWS, changed, folder, wait_until},
    support::Folder,
};

#[test]
fn a_killed_run_is_taken_up_where_it_was() {
    let folder = folder();
    let args = [
        "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "w",
    ];
    let run = Running::start(&folder, &args);
    wait_until(&folder, "w", "the run to wait", |run| {
        run["history_events"] == 4
    });
    folder
        .sandglass(&["run", WORKFLOWS, "--type", "fails"])
        .refused(2, "is in use by process");
    run.signal("-KILL");
    drop(run);

    folder
        .sandglass(&[
            "run", WORKFLOWS, "--type", "waits", "-i", "\"b\"", "--id", "w",
        ])
        .refused(2, "open with another input: (\"a\")");
    folder
        .sandglass(&["run", WORKFLOWS, "--type", "hello", "--id", "w"])
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
fn a_run_that_cannot_go_on_stays_open() {
    let folder = folder();
    let run = Running::start(&folder, &["run", WORKFLOWS, "--type", "traps", "--id", "t"]);
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
fn a_run_whose_task_failed_too_often_can_be_taken_up() {
    let folder = folder();
    changed().copy_to(&folder);
    let given_up = folder.sandglass(&["run", WORKFLOWS, "--type", "traps", "--id", "t"]);
    given_up.refused(6, "its workflow task failed 5 times");

    let again = folder.sandglass(&["run", WORKFLOWS, "--id", "t"]);
    again.refused(6, "its workflow task failed 6 times");

    let fixed = folder.sandglass(&["run", "run-changed.wasm", "--id", "t", "--upgrade"]);
    assert_eq!(
        (fixed.code, fixed.stdout.as_str()),
        (Some(0), "\"fixed\"\n"),
        "{fixed:#?}"
    );
    assert!(
        !fixed.stderr.contains("panic"),
        "the old component was entered: {fixed:#?}"
    );
    assert!(!fixed.stderr.contains("workflow task failed"), "{fixed:#?}");
}

#[test]
fn another_component_needs_an_upgrade_that_fits() {
    let folder = folder();
    changed().copy_to(&folder);
    let run = Running::start(
        &folder,
        &[
            "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "w",
        ],
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
fn a_damaged_run_is_named_by_file_and_row() {
    let folder = folder();
    let args = [
        "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "w",
    ];
    let run = Running::start(&folder, &args);
    wait_until(&folder, "w", "the run to wait", |run| {
        run["history_events"] == 4
    });
    run.signal("-TERM");
    run.end().refused(6, "with --id w takes it up");
    // Something to do for whoever takes the run up.
    let signaled = folder.sandglass(&["workflow", "signal", "w", "--name", "go", "-i", "1"]);
    assert_eq!(signaled.code, Some(0), "{signaled:#?}");

    damage(&folder);
    let named = "sandglass.db: frame 1 of run 1 is corrupt: checksum mismatch";
    folder
        .sandglass(&["workflow", "show", "w"])
        .refused(6, named);
    folder
        .sandglass(&["workflow", "terminate", "w"])
        .refused(6, named);
    let ended = folder.sandglass(&["run", WORKFLOWS, "--id", "w"]);
    ended.refused(6, named);
    assert!(!ended.stderr.contains("takes it up"), "{ended:#?}");
}

/// Changes the last byte of the first frame.
fn damage(folder: &Folder) {
    let store = rusqlite::Connection::open(folder.path().join("sandglass.db")).unwrap();
    let sql = "UPDATE frame SET body = CAST(substr(body, 1, length(body) - 1) || x'ff' AS BLOB) \
               WHERE run = 1 AND seq = 1";
    assert_eq!(store.execute(sql, []).unwrap(), 1);
}
