//! `workflow upgrade`: open runs move to a new component, or are told why not.

use crate::{
    guests::{Running, WORKFLOWS, changed, folder, wait_until},
    support::{Ended, Folder},
};
use serde_json::Value;

/// Two open runs of one store: `w` waits for a signal, `t` fails its workflow tasks.
fn two_open(folder: &Folder) {
    for (id, kind, args) in [("w", "waits", vec!["-i", "\"a\""]), ("t", "traps", vec![])] {
        let mut all = vec!["run", WORKFLOWS, "--type", kind, "--id", id];
        all.extend(args);
        let run = Running::start(folder, &all);
        wait_until(folder, id, "the run to rest", |run| {
            let failed = run["workflow_task"]["last_failure"]["message"].is_string();
            failed || run["workflow_task"].is_null()
        });
        run.signal("-TERM");
        run.end().refused(6, "the run stays open");
    }
}

fn outcome(ended: &Ended, code: i32, id: &str) -> Value {
    let report = ended.json(code);
    let mut runs = report["runs"].as_array().unwrap().iter();
    let found = runs.find(|run| run["workflow_id"] == id);
    found
        .unwrap_or_else(|| panic!("{id} is not in {report:#}"))
        .clone()
}

fn digest(folder: &Folder, id: &str) -> Value {
    let described = folder.sandglass(&["workflow", "describe", id, "--output", "json"]);
    described.json(0)["digest"].clone()
}

/// Components in the store.
fn components(folder: &Folder) -> u64 {
    let store = rusqlite::Connection::open(folder.path().join("sandglass.db")).unwrap();
    let count = "SELECT count(*) FROM component";
    store.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn runs_move_or_are_told_why_they_cannot() {
    let folder = folder();
    changed().copy_to(&folder);
    two_open(&folder);
    let old = digest(&folder, "w");
    let new = [
        "workflow",
        "upgrade",
        "run-changed.wasm",
        "--output",
        "json",
    ];

    let tried = folder.sandglass(&[&new[..], &["--dry-run"]].concat());
    assert_eq!(outcome(&tried, 1, "t")["outcome"], "fits");
    assert_eq!(digest(&folder, "t"), old, "nothing was moved");
    assert_eq!(components(&folder), 1, "what was only tried is not kept");

    let moved = folder.sandglass(&new);
    let told = outcome(&moved, 1, "w");
    assert_eq!((&told["outcome"], &told["from"]), (&"cannot".into(), &old));
    let why = &told["why"];
    assert_eq!(why["event_id"], 5, "{why:#}");
    assert!(
        why["recorded"].as_str().unwrap().contains("open wait"),
        "{why:#}"
    );
    let attempted = why["attempted"].as_str().unwrap();
    assert!(attempted.contains("schedule activity greet"), "{why:#}");
    assert!(
        why["stack_trace"].as_str().unwrap().contains("waits"),
        "{why:#}"
    );
    assert_eq!(outcome(&moved, 1, "t")["outcome"], "moved");
    assert_eq!(digest(&folder, "w"), old, "it stays as it is");
    assert_eq!(digest(&folder, "t"), moved.json(1)["digest"]);

    let text = folder.sandglass(&["workflow", "upgrade", "run-changed.wasm", "w", "nobody"]);
    assert_eq!(text.code, Some(1), "{text:#?}");
    assert!(text.stdout.contains("nobody: not found"), "{text:#?}");
    assert!(text.stdout.contains("w: cannot: "), "{text:#?}");
    assert!(
        text.stdout.contains("  attempted: schedule activity greet"),
        "{text:#?}"
    );

    let ended = folder.sandglass(&["run", "run-changed.wasm", "--id", "t"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "\"fixed\"\n"),
        "{ended:#?}"
    );
    let again = folder.sandglass(&[&new[..], &["t", "--from", old.as_str().unwrap()]].concat());
    assert_eq!(outcome(&again, 0, "t")["outcome"], "closed");
}

#[test]
fn the_process_that_owns_the_store_moves_its_runs() {
    let folder = folder();
    changed().copy_to(&folder);
    let run = Running::start(&folder, &["run", WORKFLOWS, "--type", "traps", "--id", "t"]);
    wait_until(&folder, "t", "the failure", |run| {
        run["workflow_task"]["last_failure"]["message"].is_string()
    });
    let args = [
        "workflow",
        "upgrade",
        "run-changed.wasm",
        "t",
        "--output",
        "json",
    ];
    let moved = folder.sandglass(&args);
    assert_eq!(outcome(&moved, 0, "t")["outcome"], "moved");
    let ended = run.end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "\"fixed\"\n"),
        "{ended:#?}"
    );
    folder
        .sandglass(&["workflow", "upgrade", "nothing.wasm"])
        .refused(2, "cannot read nothing.wasm");
}
