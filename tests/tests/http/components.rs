//! `sandglass component` against a running server.

use super::wire::Server;
use sandglass_tests::{Patience, component};
use serde_json::{Value, json};
use std::fs;

/// The component that a run is pinned to.
fn digest_of(server: &Server, id: &str) -> String {
    let run = server.get(&format!("/api/v1/namespaces/default/workflows/{id}"));
    let run = run.ok();
    run["sandglass"]["component"].as_str().unwrap().to_owned()
}

/// Writes a component into the server's folder.
fn file(server: &Server, krate: &str, name: &str) -> String {
    let path = server.file(name);
    fs::write(&path, component(krate, name)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn digests(list: &Value) -> Vec<&str> {
    let components = list["components"].as_array().unwrap().iter();
    components
        .map(|component| component["digest"].as_str().unwrap())
        .collect()
}

#[test]
fn a_component_comes_serves_stays_and_goes_without_a_restart() {
    let server = Server::empty();
    let path = file(&server, "tests/guests/scenarios", "guest-scenarios.wasm");
    let push = ["component", "push", &path, "-t", "scenarios", "-t", "other"];
    let (exit, pushed) = server.json(&push);
    assert_eq!((exit, &pushed["disposition"]), (0, &json!("added")));
    assert_eq!(pushed["task_queues"], json!(["scenarios", "other"]));
    let digest = pushed["digest"].as_str().unwrap().to_owned();
    let (exit, again) = server.json(&push);
    assert_eq!((exit, &again["disposition"]), (0, &json!("present")));
    assert_eq!(again["digest"], digest);

    // It takes new runs at once.
    let run_id = server.start("one", "a01");
    let (_, list) = server.json(&["component", "list"]);
    assert_eq!(digests(&list), [&digest]);
    assert_eq!(list["components"][0]["open_runs"], 1);
    let serves = &list["components"][0]["serves"];
    assert_eq!(serves[0]["task_queue"], "other");
    assert_eq!(serves[1]["task_queue"], "scenarios");
    let (exit, shown) = server.json(&["component", "inspect", &digest]);
    assert_eq!((exit, &shown["kind"]), (0, &json!("workflows")));
    let types = shown["workflow_types"].as_array().unwrap();
    assert!(types.contains(&json!("a01")), "{types:?}");

    // A run needs it.
    let (exit, refused) = server.json(&["component", "remove", &digest]);
    let text = refused["error"].as_str().unwrap();
    assert_eq!(exit, 1, "{text}");
    assert!(
        text.contains(&format!("1 open run: \"one\" (run {run_id})")),
        "{text}"
    );
    server.start("two", "a01");

    // All of it outlives the process.
    let server = server.kill_and_restart();
    let (_, after) = server.json(&["component", "list"]);
    assert_eq!(after["components"][0]["open_runs"], 2);
    assert_eq!(after["components"][0]["serves"], *serves);
    server.start("three", "a01");

    // Nothing new begins with it, and what has begun goes on.
    let (exit, kept) = server.json(&["component", "remove", "--keep-runs", &digest]);
    assert_eq!(exit, 0);
    assert_eq!(
        (&kept["disposition"], &kept["open_runs"]),
        (&json!("unbound"), &json!(3))
    );
    let start = json!({
        "workflowType": { "name": "a01" }, "taskQueue": { "name": "scenarios" },
    });
    let four = "/api/v1/namespaces/default/workflows/four";
    let text = server.post(four, start.clone()).refused(400, 3);
    assert!(
        text.contains("no component serves task queue \"scenarios\""),
        "{text}"
    );
    let server = server.kill_and_restart();
    server.post(four, start).refused(400, 3);
    for id in ["one", "two", "three"] {
        let of = format!("/api/v1/namespaces/default/workflows/{id}");
        server.post(&format!("{of}/cancel"), json!({})).ok();
        let ended = server.get(&format!(
            "{of}/history?waitNewEvent=true&historyEventFilterType=2"
        ));
        let kind = &ended.ok()["history"]["events"][0]["eventType"];
        assert_eq!(kind, "EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED");
    }
    let (exit, removed) = server.json(&["component", "remove", &digest]);
    assert_eq!((exit, &removed["disposition"]), (0, &json!("removed")));
    let (_, list) = server.json(&["component", "list"]);
    assert_eq!(list, json!({ "components": [] }));
    let (exit, missing) = server.json(&["component", "remove", &digest]);
    assert_eq!(exit, 2);
    assert!(
        missing["error"]
            .as_str()
            .unwrap()
            .contains("is not in the store")
    );
    server.stop();
}

/// What cannot be a component is refused with its reason, and leaves nothing.
#[test]
fn what_is_no_workflow_component_is_refused_and_leaves_nothing() {
    let server = Server::empty();
    let forbidden = server.file("forbidden.wasm");
    let bytes = wat::parse_str(
        r#"(component
            (import "evil:clock/now" (instance))
            (instance $empty)
            (export "sandglass:workflow/guest@0.1.0" (instance $empty)))"#,
    );
    fs::write(&forbidden, bytes.unwrap()).unwrap();
    let text = server.file("text.wasm");
    fs::write(&text, "no component").unwrap();
    let module = server.file("module.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    for (path, reason) in [
        (
            forbidden.to_str().unwrap(),
            "forbidden imports:\n  evil:clock/now",
        ),
        (text.to_str().unwrap(), "not a WebAssembly component"),
        (module.to_str().unwrap(), "this is a core module"),
    ] {
        let (exit, refused) = server.json(&["component", "push", path]);
        let text = refused["error"].as_str().unwrap();
        assert_eq!(exit, 2, "{text}");
        assert!(text.contains(reason) && text.contains(path), "{text}");
    }
    // Without a body, and with a body that is too long to be one.
    server
        .request("POST", "/components", &[], b"")
        .refused(400, 3);
    let bytes =
        b"POST /components HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n";
    let message = server.raw(bytes).unwrap().refused(413, 8);
    assert!(message.contains("134217728 bytes"), "{message}");
    let (_, list) = server.json(&["component", "list"]);
    assert_eq!(list, json!({ "components": [] }));
    let server = server.kill_and_restart();
    let (_, list) = server.json(&["component", "list"]);
    assert_eq!(list, json!({ "components": [] }));
    server.stop();
}

/// A version that was pushed goes before the one of the configuration, until it is removed.
#[test]
fn the_newest_version_takes_the_new_runs() {
    let server = Server::with_scenarios();
    server.start("old", "a01");
    let digest_of = |id: &str| digest_of(&server, id);
    let old = digest_of("old");
    let path = file(
        &server,
        "tests/guests/scenarios-fixed",
        "guest-scenarios-fixed.wasm",
    );
    let (exit, pushed) = server.json(&["component", "push", &path, "-t", "scenarios"]);
    assert_eq!(exit, 0, "{pushed}");
    let new = pushed["digest"].as_str().unwrap();
    server.start("new", "a20");
    server.start("as-before", "a01");
    assert_eq!(digest_of("new"), new);
    // The new one has not all types of the old one.
    assert_eq!(digest_of("as-before"), old);
    let (exit, _) = server.json(&["component", "remove", "--keep-runs", new]);
    assert_eq!(exit, 0);
    server.start("again", "a20");
    assert_eq!(digest_of("again"), old);
    server.stop();
}

/// Children begin with the component that their type was pushed with, before and after a restart,
/// and not with one that is removed.
#[test]
fn children_begin_with_what_was_pushed() {
    let server = Server::with_scenarios();
    server.start("configured", "a01");
    let configured = digest_of(&server, "configured");
    let path = server.file("pushed.wasm");
    let mut bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
    // A custom section: another version that does the same.
    bytes.extend(b"\0\x05\x04tail");
    fs::write(&path, bytes).unwrap();
    let push = [
        "component",
        "push",
        path.to_str().unwrap(),
        "-t",
        "scenarios",
    ];
    let (exit, pushed) = server.json(&push);
    assert_eq!(exit, 0, "{pushed}");
    let pushed = pushed["digest"].as_str().unwrap().to_owned();
    let of_child = |server: &Server, parent: &str| {
        let child = format!("{parent}-child");
        let start = json!({
            "workflowType": { "name": "a13" },
            "taskQueue": { "name": "scenarios" },
            "input": [child],
        });
        let of = |id: &str| format!("/api/v1/namespaces/default/workflows/{id}");
        server.post(&of(parent), start).ok();
        let patience = Patience::default();
        while server.get(&of(&child)).status != 200 {
            patience.pause(format!("no child {child}"));
        }
        digest_of(server, &child)
    };
    assert_eq!(of_child(&server, "before"), pushed);
    let server = server.kill_and_restart();
    assert_eq!(of_child(&server, "after"), pushed);
    let (exit, kept) = server.json(&["component", "remove", "--keep-runs", &pushed]);
    assert_eq!((exit, &kept["disposition"]), (0, &json!("unbound")));
    assert_eq!(of_child(&server, "without"), configured);
    server.stop();
}

/// A run whose component is gone is not begun anew at the cost of the one that is open.
#[test]
fn a_reset_needs_the_component() {
    let server = Server::with_scenarios();
    let fixed = "tests/guests/scenarios-fixed";
    let path = file(&server, fixed, "guest-scenarios-fixed.wasm");
    let (_, pushed) = server.json(&["component", "push", &path, "-t", "fixed"]);
    let of = "/api/v1/namespaces/default/workflows/w";
    let start = |queue: &str| {
        let start = json!({
            "workflowType": { "name": "a20" }, "taskQueue": { "name": queue },
        });
        server.post(of, start).ok()["runId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = start("fixed");
    // Until its first workflow task has completed.
    let length = || server.get(of).ok()["workflowExecutionInfo"]["historyLength"].clone();
    let patience = Patience::default();
    while ["2", "3"].iter().any(|few| length() == *few) {
        patience.pause("its first workflow task does not complete");
    }
    server.post(&format!("{of}/terminate"), json!({})).ok();
    let digest = pushed["digest"].as_str().unwrap();
    let (_, removed) = server.json(&["component", "remove", digest]);
    assert_eq!(removed["disposition"], "removed");
    let second = start("scenarios");
    let reset = [
        "workflow",
        "reset",
        "w",
        "--run-id",
        &first,
        "--type",
        "FirstWorkflowTask",
    ];
    let (exit, refused) = server.json(&reset);
    let text = refused["error"].as_str().unwrap();
    assert!(exit != 0 && text.contains(digest), "{exit}: {text}");
    let run = server.get(of).ok();
    assert_eq!(run["workflowExecutionInfo"]["execution"]["runId"], second);
    server.stop();
}
