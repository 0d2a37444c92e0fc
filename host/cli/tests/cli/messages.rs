//! Asking a run, and asking it to do something.

use crate::{
    guests::{Running, WORKFLOWS, folder, wait_until},
    support::{Ended, Folder},
};
use serde_json::json;

fn asked(folder: &Folder, args: &[&str]) -> Ended {
    let mut command = vec!["workflow"];
    command.extend(args);
    folder.sandglass(&command)
}

#[test]
fn queries_and_updates_reach_the_process_that_owns_the_store() {
    let folder = folder();
    let args = ["run", WORKFLOWS, "--type", "sums", "--id", "s"];
    let run = Running::start(&folder, &args);
    wait_until(&folder, "s", "the run to rest", |run| {
        run["history_events"] == json!(6)
    });
    let answer = asked(&folder, &["query", "s", "--type", "sum"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "0\n"));
    let add = [
        "update",
        "execute",
        "s",
        "--name",
        "add",
        "--input",
        "5",
        "--update-id",
        "u1",
    ];
    for _ in 0..2 {
        // The second is the same update.
        let added = asked(&folder, &add);
        assert_eq!((added.code, added.stdout.as_str()), (Some(0), "5\n"));
    }
    let refused = asked(
        &folder,
        &["update", "execute", "s", "--name", "add", "--input", "0"],
    );
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("nothing to add"), "{refused:#?}");
    let unknown = asked(&folder, &["query", "s", "--type", "total"]);
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
    assert!(unknown.stderr.contains("there are: `sum`"), "{unknown:#?}");
    let described = asked(&folder, &["describe", "s", "--output", "json"]).json(0);
    assert_eq!(described["memo"], json!({ "note": "adds up" }));
    assert_eq!(described["search_attributes"], json!({ "Kind": "sum" }));
    assert_eq!(described["updates"], json!({ "total": 1, "in_flight": 0 }));
    let listed = asked(&folder, &["list", "--output", "json"]).json(0);
    assert_eq!(listed["workflows"][0]["memo"], described["memo"]);
    let end = asked(&folder, &["signal", "s", "--name", "end"]);
    assert_eq!(end.code, Some(0), "{end:#?}");
    let ended = run.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    without_a_host(&folder);
}

/// A query is answered from the store; an update says what it needs.
fn without_a_host(folder: &Folder) {
    let args = ["query", "s", "--type", "sum", "--output", "json"];
    assert_eq!(asked(folder, &args).json(0)["answer"], json!(5));
    let rejected = [
        "query",
        "s",
        "--type",
        "sum",
        "--reject-condition",
        "not-open",
    ];
    let rejected = asked(folder, &rejected);
    assert_eq!(rejected.code, Some(1), "{rejected:#?}");
    assert!(rejected.stderr.contains("rejected"), "{rejected:#?}");
    let update = asked(
        folder,
        &["update", "execute", "s", "--name", "add", "--input", "1"],
    );
    assert_eq!(update.code, Some(1), "{update:#?}");
    assert!(update.stderr.contains("no host runs on"), "{update:#?}");
    let shown = asked(folder, &["show", "s"]);
    assert!(shown.stdout.contains("add [u1] (5)"), "{shown:#?}");
    assert!(shown.stdout.contains("[u1] -> 5"), "{shown:#?}");
}

#[test]
fn a_signal_starts_the_run_that_it_is_for_or_reaches_the_open_one() {
    let folder = folder();
    let args = [
        "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "open",
    ];
    let run = Running::start(&folder, &args);
    wait_until(&folder, "open", "the run to rest", |run| {
        run["history_events"] == json!(4)
    });
    let send = |id: &str| {
        let args = [
            "signal-with-start",
            "-w",
            id,
            "--type",
            "waits",
            "--input",
            "\"b\"",
            "--signal-name",
            "go",
            "--signal-input",
            "\"c\"",
            "--output",
            "json",
        ];
        asked(&folder, &args)
    };
    let sent = send("new").json(0);
    wait_until(&folder, "new", "the end", |run| {
        run["status"] == "completed"
    });
    let described = asked(&folder, &["describe", "new", "--output", "json"]).json(0);
    assert_eq!(described["run_id"], sent["first_execution_run_id"]);
    let shown = asked(&folder, &["show", "new"]);
    // In one commit, and before the code ran.
    let at = |what: &str| {
        shown
            .stdout
            .find(what)
            .unwrap_or_else(|| panic!("{shown:#?}"))
    };
    assert!(at("WorkflowExecutionSignaled") < at("WorkflowTaskScheduled"));
    let open = asked(&folder, &["describe", "open", "--output", "json"]).json(0);
    assert_eq!(
        send("open").json(0)["first_execution_run_id"],
        open["run_id"]
    );
    let ended = run.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "\"a c\"\n"));
    send("new").refused_in_json(2, "no host runs on");
}
