//! The options that `sandglass` has by Temporal's names, at a server and on its store file.

use super::{
    command::{Both, Way, id_of},
    wire::Server,
};
use sandglass_tests::{Patience, sandglass, with_scenarios};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

/// The attributes of the first event of this type.
fn event<'a>(shown: &'a Value, kind: &str) -> &'a Value {
    let mut events = shown["events"].as_array().unwrap().iter();
    let found = events.find(|event| event["event_type"] == kind);
    &found.unwrap_or_else(|| panic!("no {kind} in {shown}"))["attributes"]
}

#[test]
fn filters_and_groups_may_be_about_how_runs_were_started() {
    let both = Both {
        server: Server::configured(|dir| with_scenarios(&["scenarios", "other"], dir)),
    };
    let server = &both.server;
    for (id, queue) in [("a", "scenarios"), ("b", "scenarios"), ("c", "other")] {
        let start = ["workflow", "start", "--type", "a01", "-t", queue, "-w", id];
        assert_eq!(server.json(&start).0, 0);
    }
    let query = |verb, query: &str| both.same(&["workflow", verb, "-q", query]);
    let ids = |text: &str| {
        let (exit, listed) = query("list", text);
        assert_eq!(exit, 0, "{listed}");
        let runs = listed["workflows"].as_array().unwrap().clone();
        let ids = runs
            .iter()
            .map(|run| run["workflow_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids("TaskQueue = 'other'"), "c");
    assert_eq!(ids("TaskQueue = 'scenarios' AND WorkflowId != 'a'"), "b");
    assert_eq!(ids("ExecutionTime > '2020-01-01T00:00:00Z'"), "c b a");
    assert_eq!(ids("ExecutionTime < '2020-01-01T00:00:00Z'"), "");
    let count = |text| query("count", text).1;
    assert_eq!(count("TaskQueue = 'scenarios'"), json!({ "count": 2 }));
    assert_eq!(server.json(&["workflow", "terminate", "-w", "a"]).0, 0);
    let grouped = json!({ "count": 2, "groups": { "Running": 1, "Terminated": 1 } });
    assert_eq!(
        count("TaskQueue = 'scenarios' GROUP BY ExecutionStatus"),
        grouped
    );
    let grouped = json!({ "count": 3, "groups": { "Running": 2, "Terminated": 1 } });
    assert_eq!(count("GROUP BY ExecutionStatus"), grouped);
    let (exit, refused) = query("list", "GROUP BY ExecutionStatus");
    assert_eq!(exit, 2, "{refused}");
    let text = server.sandglass(&["workflow", "count", "-q", "GROUP BY ExecutionStatus"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text, "3\nRunning: 2\nTerminated: 1\n");
    // Page by page they are the same.
    let pages = ["workflow", "list", "--page-size", "1", "--limit", "2"];
    let listed = both.same(&pages).1;
    assert_eq!(listed["workflows"].as_array().unwrap().len(), 2);
    assert_eq!(listed["workflows"][0]["workflow_id"], "c");
    both.server.stop();
}

#[test]
fn arguments_and_headers_come_as_they_are_given() {
    let both = Both {
        server: Server::with_scenarios(),
    };
    let file = both.server.file("argument.json");
    fs::write(&file, "  \"from a file\" ").unwrap();
    let file = file.to_str().unwrap();
    // Without an id of its own a run gets one.
    let start = ["workflow", "start", "--type", "holder", "-t", "scenarios"];
    let header = ["--headers", "of=\"the start\"", "--input-file", file];
    let (exit, started) = both.server.json(&[&start[..], &header].concat());
    assert_eq!((exit, &started["started"]), (0, &json!(true)));
    let id = started["workflow_id"].as_str().unwrap();
    assert!(id.starts_with("holder-"), "{id}");
    let shown = both.server.json(&["workflow", "show", id]).1;
    let first = event(&shown, "WorkflowExecutionStarted").to_string();
    assert!(
        first.contains("from a file") && first.contains("the start"),
        "{first}"
    );

    both.start("holder");
    let signal = ["workflow", "signal", "-w", "{id}", "--type", "note"];
    let told = |more: &[&str]| both.same(&[&signal, more].concat()).0;
    assert_eq!(
        told(&["--input-file", file, "--headers", "of=\"the signal\""]),
        0
    );
    assert_eq!(told(&["-i", "1", "--input-file", file]), 2);
    assert_eq!(told(&["--input-file", "nowhere.json"]), 2);
    both.settled();
    let asked = both.same(&["workflow", "query", "-w", "{id}", "--name", "notes"]);
    assert_eq!(asked.1["answer"], json!(["from a file"]));
    let shown = both.same(&["workflow", "show", "-w", "{id}"]).1;
    let signaled = event(&shown, "WorkflowExecutionSignaled").to_string();
    assert!(signaled.contains("the signal"), "{signaled}");
    // What is not JSON: the run's code cannot read it, but the history has it.
    let bytes = [
        "--input-meta",
        "encoding=binary/plain",
        "--input-base64",
        "-i",
        "/wA=",
    ];
    let update = [
        "workflow", "update", "execute", "-w", "{id}", "--type", "add",
    ];
    let (exit, said) = both.same(&[&update, &bytes[..]].concat());
    assert_eq!(exit, 1, "{said}");
    assert_eq!(told(&["-i", "\"end\""]), 0);
    both.server.stop();
}

#[test]
fn an_update_can_be_begun_and_asked_about() {
    let both = Both {
        server: Server::with_scenarios(),
    };
    both.start("holder");
    let update = |verb, more: &[&str]| {
        both.same(&[&["workflow", "update", verb, "-w", "{id}"], more].concat())
    };
    let stage = |said: &Value| said["stage"].as_str().unwrap_or_default().to_owned();
    let (exit, begun) = update("start", &["--name", "upd", "--update-id", "slow"]);
    assert_eq!((exit, &*stage(&begun)), (0, "accepted"), "{begun}");
    let (exit, described) = update("describe", &["--update-id", "slow"]);
    assert_eq!((exit, &*stage(&described)), (0, "accepted"), "{described}");
    let (exit, late) = update("result", &["--update-id", "slow", "--timeout", "100ms"]);
    assert_eq!(exit, 1, "{late}");
    let (exit, done) = update("execute", &["--name", "quick", "--update-id", "quick"]);
    assert_eq!((exit, &done["result"]), (0, &json!("u")));
    for verb in ["result", "describe"] {
        let (exit, known) = update(verb, &["--update-id", "quick"]);
        assert_eq!((exit, &known), (0, &done), "{verb}");
    }
    let (exit, unknown) = update("describe", &["--update-id", "none"]);
    assert_eq!(exit, 2, "{unknown}");
    // Of another chain.
    let other = "01a2056e-6994-7006-ae3f-9945cba9cf38";
    let (exit, _) = update(
        "execute",
        &["--name", "quick", "--first-execution-run-id", other],
    );
    assert_eq!(exit, 2);
    let note = [
        "workflow", "signal", "-w", "{id}", "--name", "note", "-i", "\"end\"",
    ];
    assert_eq!(both.same(&note).0, 0);
    // The run has left it unanswered.
    let (exit, ended) = update("result", &["--update-id", "slow"]);
    assert_eq!((exit, &*stage(&ended)), (1, "completed"), "{ended}");
    both.server.stop();
}

#[test]
fn a_history_is_shown_backwards_in_detail_and_as_it_grows() {
    let both = Both {
        server: Server::with_scenarios(),
    };
    both.start("holder");
    let show = |more: &[&str]| both.same(&[&["workflow", "show", "{id}"], more].concat());
    let (forward, backward) = (show(&[]).1, show(&["--reverse"]).1);
    let ids = |shown: &Value| {
        let events = shown["events"].as_array().unwrap().iter();
        events
            .map(|event| event["event_id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let mut ascending = ids(&backward);
    ascending.reverse();
    assert_eq!(ids(&forward), ascending);
    assert!(ascending.len() > 3);
    assert_eq!(show(&["--follow"]).0, 2);
    assert_eq!(show(&["--follow", "--reverse"]).0, 2);
    let detailed = both
        .server
        .sandglass(&["workflow", "show", "by-server", "--detailed"]);
    let text = String::from_utf8(detailed.stdout).unwrap();
    assert!(
        text.contains("\n    {\n") && text.contains("\"workflow_type\": \"holder\""),
        "{text}"
    );
    for way in [Way::Served, Way::Direct] {
        followed(&both, way);
    }
    both.server.stop();
}

/// What happens while somebody follows is shown, up to the end of the run.
fn followed(both: &Both, way: Way) {
    let (id, store) = (id_of(way), both.server.file("store.db"));
    let mut command = sandglass();
    command
        .args(["workflow", "show", id, "-f"])
        .stdout(Stdio::piped());
    match way {
        Way::Served => command.args(["--address", &both.server.address]),
        Way::Direct => command.arg("--db").arg(store),
    };
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = |word: &str| {
        let mut seen = Vec::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if line.contains(word) {
                return;
            }
            seen.push(line);
        }
        panic!("{way:?}: no {word} in {seen:#?}");
    };
    next("WorkflowTaskCompleted");
    for (text, word) in [
        ("x", "WorkflowExecutionSignaled"),
        ("end", "WorkflowExecutionCompleted"),
    ] {
        let input = format!("\"{text}\"");
        let signal = [
            "workflow", "signal", id, "--name", "note", "--input", &input,
        ];
        assert_eq!(both.command(way, &signal).0, 0);
        next(word);
    }
    let patience = Patience::default();
    while following.try_wait().unwrap().is_none() {
        patience.pause("it follows a run that has ended");
    }
    assert!(following.wait().unwrap().success());
}

#[test]
fn an_activity_ends_with_a_result_of_a_file_or_a_failure_with_a_detail() {
    let both = Both {
        server: Server::with_scenarios(),
    };
    let file = both.server.file("result.json");
    fs::write(&file, "8").unwrap();
    both.start("a08");
    let end = |verb, more: &[&str]| {
        both.same(&[&["activity", verb, "-w", "{id}", "-a", "1"], more].concat())
    };
    assert_eq!(
        end("complete", &["--result-file", file.to_str().unwrap()]).0,
        0
    );
    assert_eq!(both.same(&["workflow", "result", "{id}"]).1["result"], 8);
    both.start("a08");
    let detail = ["--detail", "\"seven\"", "--reason", "no", "--non-retryable"];
    assert_eq!(end("fail", &detail).0, 0);
    let (exit, failed) = both.same(&["workflow", "result", "{id}"]);
    assert_eq!(exit, 1);
    assert!(failed.to_string().contains("seven"), "{failed}");
    both.server.stop();
}
