//! `sandglass workflow` and `activity` do and print the same at a server as on its store file.

use super::wire::Server;
use sandglass_tests::{Patience, component};
use serde_json::{Value, json};
use std::fs;

/// The two ways: with the server's address, and with its store file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    Served,
    Direct,
}

pub(super) const WAYS: [Way; 2] = [Way::Served, Way::Direct];

pub(super) struct Both {
    pub(super) server: Server,
}

/// A command's exit code and document, but for what must differ.
pub(super) type Said = (i32, Value);

impl Both {
    pub(super) fn command(&self, way: Way, arguments: &[&str]) -> Said {
        let store = self.server.file("store.db");
        let place = match way {
            Way::Served => ["--address", &self.server.address],
            // An empty address is none.
            Way::Direct => ["--db", store.to_str().unwrap()],
        };
        let mut all = [arguments, &place].concat();
        if way == Way::Direct {
            all.extend(["--address", ""]);
        }
        self.server.json(&all)
    }

    /// Runs a command on a run of its own in each way, and compares. Returns what the first said.
    #[track_caller]
    pub(super) fn same(&self, arguments: &[&str]) -> Said {
        let said = WAYS.map(|way| {
            let id = id_of(way);
            let of = |text: &&str| text.replace("{id}", id);
            let arguments: Vec<String> = arguments.iter().map(of).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (exit, mut document) = self.command(way, &arguments);
            self.clear(&mut document, id);
            (exit, document)
        });
        let [served, direct] = said;
        assert_eq!(served, direct, "{arguments:?}");
        served
    }

    /// Takes out what is another one's by its nature: ids and sizes with them, times, who answers.
    fn clear(&self, value: &mut Value, id: &str) {
        match value {
            Value::Object(fields) => {
                for known in ["host", "owner", "seed", "bytes"] {
                    fields.remove(known);
                }
                fields.values_mut().for_each(|value| self.clear(value, id));
            }
            Value::Array(items) => items.iter_mut().for_each(|value| self.clear(value, id)),
            Value::Number(number) if number.as_u64().is_some_and(|number| number > 1 << 40) => {
                *value = "TIME".into();
            }
            Value::String(text) => {
                let store = self.server.file("store.db");
                let at = format!("the server at {}", self.server.address);
                let mut clear = text
                    .replace(id, "ID")
                    .replace(&at, "PLACE")
                    .replace(store.to_str().unwrap(), "PLACE");
                let is_id = clear.len() == 36 && clear.matches('-').count() == 4;
                if is_id || clear.starts_with("cli-") {
                    clear = "RANDOM".into();
                } else if clear.starts_with("20") && clear.ends_with('Z') {
                    clear = "TIME".into();
                }
                *text = clear;
            }
            _ => {}
        }
    }

    /// Starts a run for each way, and waits until each waits.
    pub(super) fn start(&self, workflow_type: &str) {
        for way in WAYS {
            let (exit, started) = self.command(
                Way::Served,
                &[
                    "workflow",
                    "start",
                    "--type",
                    workflow_type,
                    "-t",
                    "scenarios",
                    "-w",
                    id_of(way),
                    "--memo",
                    "note=\"first\"",
                ],
            );
            assert_eq!(exit, 0, "{started}");
        }
        self.settled();
    }

    /// Waits until no workflow task is pending.
    pub(super) fn settled(&self) {
        for way in WAYS {
            loop {
                let (_, run) = self.command(way, &["workflow", "describe", id_of(way)]);
                if run["workflow_task"].is_null() && run["history_events"].as_u64() > Some(3) {
                    break;
                }
            }
        }
    }
}

pub(super) fn id_of(way: Way) -> &'static str {
    match way {
        Way::Served => "by-server",
        Way::Direct => "by-file",
    }
}

#[test]
fn a_server_and_its_file_are_told_and_tell_the_same() {
    let both = Both {
        server: Server::with_scenarios(),
    };
    both.start("holder");
    let note = ["workflow", "signal", "{id}", "--name", "note", "--input"];
    let signal = |input| both.same(&[&note, &[input][..]].concat());
    assert_eq!(signal("\"a\"").0, 0);
    both.settled();
    let query = |name| both.same(&["workflow", "query", "{id}", "--type", name]);
    assert_eq!(query("notes").1["answer"], json!(["a"]));
    assert_eq!(query("fails").0, 1);
    let update = |name| both.same(&["workflow", "update", "execute", "{id}", "--name", name]);
    assert_eq!(update("quick").1["result"], "u");
    assert_eq!(update("refused").0, 1);
    // More than a history is to keep of why, whichever way it comes.
    let long = "x".repeat((64 << 10) + 1);
    for verb in ["cancel", "terminate", "pause"] {
        let said = both.same(&["workflow", verb, "{id}", "--reason", &long]);
        assert_ne!(said.0, 0, "{verb}: {said:?}");
    }
    let paused = both.same(&["workflow", "pause", "{id}", "--reason", "wait"]);
    assert_eq!(paused.1["disposition"], "paused");
    assert_eq!(both.same(&["workflow", "pause", "{id}"]).0, 1);
    assert_eq!(both.same(&["workflow", "unpause", "{id}"]).0, 0);
    both.settled();
    let described = both.same(&["workflow", "describe", "{id}"]).1;
    assert_eq!(described["memo"]["note"], "first");
    let shown = both.same(&["workflow", "show", "{id}"]).1;
    assert!(shown["events"].as_array().unwrap().len() > 10);
    let listed = both.same(&["workflow", "list", "--id", "{id}"]).1;
    assert_eq!(listed["workflows"].as_array().unwrap().len(), 1);
    let count = both.same(&["workflow", "count", "--status", "running"]);
    assert_eq!(count.1, json!({ "count": 2 }));
    let count = both.same(&["workflow", "count", "--query", "CancelState = 'none'"]);
    assert_eq!(count.1, json!({ "count": 2 }));
    let reset = both.same(&["workflow", "reset", "{id}", "--type", "first-workflow-task"]);
    assert_eq!(reset.1["disposition"], "reset");
    both.settled();
    let canceled = both.same(&["workflow", "cancel", "{id}", "--reason", "enough", "--wait"]);
    assert_eq!(
        (canceled.0, &canceled.1["status"]),
        (0, &json!("completed"))
    );
    let again = both.same(&["workflow", "cancel", "{id}"]);
    assert_eq!(again.1["disposition"], "already_closed");
    let result = both.same(&["workflow", "result", "{id}"]);
    assert_eq!((result.0, &result.1["result"]), (0, &json!("bye")));
    for closed in ["terminate", "pause"] {
        assert_eq!(both.same(&["workflow", closed, "{id}"]).0, 1);
    }
    assert_eq!(signal("\"b\"").0, 1);
    // The newest run goes; the id alone does not mean the one that it was made of.
    let deleted = both.same(&["workflow", "delete", "{id}"]);
    assert_eq!(
        (deleted.0, &deleted.1["disposition"]),
        (0, &json!("deleted"))
    );
    for verb in ["describe", "delete"] {
        assert_eq!(both.same(&["workflow", verb, "{id}"]).0, 2, "{verb}");
    }
    let left = both.same(&["workflow", "list", "--id", "{id}"]).1;
    assert_eq!(left["workflows"][0]["status"], "terminated", "{left}");
    for way in WAYS {
        let list = ["workflow", "list", "--id", id_of(way)];
        let (_, left) = both.command(way, &list);
        let run_id = left["workflows"][0]["run_id"].as_str().unwrap();
        let delete = ["workflow", "delete", id_of(way), "--run-id", run_id];
        assert_eq!(both.command(way, &delete).0, 0);
        let (_, left) = both.command(way, &list);
        assert_eq!(left["workflows"], json!([]));
    }
    assert_eq!(both.same(&["workflow", "show", "{id}"]).0, 2);
    let missing = both.same(&["workflow", "describe", "nobody"]);
    assert_eq!(missing.0, 2);
    assert_eq!(missing.1["error"], "there is no workflow 'nobody' in PLACE");
    assert_eq!(both.same(&["workflow", "cancel", "nobody"]).0, 2);

    // It goes on when it is canceled, and is told when to be through.
    both.start("a17");
    let cancel = [
        "workflow",
        "cancel",
        "{id}",
        "--grace",
        "1h",
        "--then",
        "terminate",
    ];
    assert_eq!(both.same(&cancel).1["disposition"], "recorded");
    assert_eq!(both.same(&cancel).1["disposition"], "already_requested");
    both.settled();
    let described = both.same(&["workflow", "describe", "{id}"]).1;
    assert_eq!(described["cancel_state"], "delivered");
    let forced = both.same(&["workflow", "cancel", "{id}", "--force", "--wait"]);
    assert_eq!((forced.0, &forced.1["status"]), (3, &json!("canceled")));
    both.server.stop();
}

#[test]
fn a_servers_activities_are_ended_held_and_begun_anew_as_its_files_are() {
    let both = Both {
        server: Server::with_scenarios(),
    };
    // No worker serves it: it waits.
    both.start("a08");
    let activity = |command: &[&str]| {
        let (_, run) = both.command(Way::Served, &["workflow", "describe", "by-server"]);
        let id = run["pending_activities"][0]["activity_id"].as_str();
        let id = id.unwrap_or("none").to_owned();
        both.same(
            &[
                &["activity"],
                command,
                &["-w", "{id}", "--activity-id", &id],
            ]
            .concat(),
        )
    };
    assert_eq!(activity(&["pause", "--reason", "wait"]).0, 0);
    assert_eq!(activity(&["pause"]).0, 1);
    let described = both.same(&["workflow", "describe", "{id}"]).1;
    assert_eq!(
        described["pending_activities"][0]["paused"]["reason"],
        "wait"
    );
    assert_eq!(activity(&["unpause"]).0, 0);
    assert_eq!(activity(&["reset"]).0, 0);
    assert_eq!(activity(&["complete", "--result", "7"]).0, 0);
    let result = both.same(&["workflow", "result", "{id}"]);
    assert_eq!(result.1["result"], 7);
    assert_eq!(activity(&["complete"]).0, 1);
    both.start("a08");
    assert_eq!(activity(&["cancel", "--reason", "no"]).0, 0);
    // Its end is the run's.
    let ended = both.same(&["workflow", "result", "{id}"]);
    assert_eq!((ended.0, &ended.1["status"]), (1, &json!("failed")));
    both.start("a08");
    assert_eq!(activity(&["fail", "--non-retryable"]).0, 0);
    assert_eq!(both.same(&["workflow", "result", "{id}"]).0, 1);
    both.server.stop();
}

/// A start says what is wrong with it, and an execution ends as its run does.
#[test]
fn runs_are_started_and_waited_for_at_a_server() {
    let server = Server::with_scenarios();
    let begin = |command, more: &[&str]| {
        let start = [
            "workflow",
            command,
            "-t",
            "scenarios",
            "-w",
            "x/1",
            "--type",
        ];
        server.json(&[&start, more].concat())
    };
    let (exit, ended) = begin("execute", &["a01", "--timeout", "500ms"]);
    assert_eq!((exit, &ended["status"]), (5, &json!("timed-out")));
    let (exit, refused) = begin("start", &["nothing"]);
    assert_eq!(exit, 2, "{refused}");
    let (exit, _) = begin("start", &["a01", "--id-reuse-policy", "RejectDuplicate"]);
    assert_eq!(exit, 1);
    let (exit, first) = begin("start", &["a01"]);
    assert_eq!(exit, 0);
    assert_eq!(first["started"], true);
    for refuses in [
        &["a01", "--fail-existing"][..],
        &["a01", "--id-conflict-policy", "Fail"],
    ] {
        assert_eq!(begin("start", refuses).0, 1, "{refuses:?}");
    }
    let (exit, same) = begin("start", &["a01"]);
    assert_eq!((exit, &same["run_id"]), (0, &first["run_id"]));
    assert_eq!(same["started"], false);
    let (exit, other) = begin("start", &["a01", "--id-reuse-policy", "TerminateIfRunning"]);
    assert_eq!((exit, &other["started"]), (0, &json!(true)));
    assert_ne!(other["run_id"], first["run_id"]);
    let cron = [
        "a01",
        "--cron",
        "no schedule",
        "--id-conflict-policy",
        "TerminateExisting",
    ];
    assert_eq!(begin("start", &cron).0, 2);
    let (exit, child) = begin(
        "execute",
        &[
            "a26",
            "--input",
            "1",
            "--timeout",
            "1s",
            "--id-conflict-policy",
            "TerminateExisting",
        ],
    );
    assert_eq!((exit, &child["status"]), (5, &json!("timed-out")));
    server.stop();
}

/// A signal begins a run of the server's task queue, or reaches the one that is open; open runs of
/// the server go on with another component. No store file is looked for.
#[test]
fn a_signal_starts_a_run_and_runs_are_upgraded_at_a_server() {
    let server = Server::with_scenarios();
    let send = |queue, more: &[&str]| {
        let both = [
            "workflow",
            "signal-with-start",
            "-w",
            "s",
            "--type",
            "holder",
            "--task-queue",
            queue,
            "--signal-name",
            "note",
            "--signal-input",
            "\"a\"",
        ];
        server.json(&[&both, more].concat())
    };
    let (exit, first) = send("scenarios", &["--memo", "of=\"first\""]);
    assert_eq!(exit, 0, "{first}");
    let (exit, again) = send("scenarios", &[]);
    assert_eq!((exit, &again), (0, &first));
    let query = ["workflow", "query", "s", "--type", "notes"];
    assert_eq!(server.json(&query).1["answer"], json!(["a", "a"]));
    let described = server.json(&["workflow", "describe", "s"]).1;
    assert_eq!(described["run_id"], first["first_execution_run_id"]);
    assert_eq!(described["memo"]["of"], "first");
    // No component serves it there.
    let (exit, refused) = send("elsewhere", &[]);
    assert_eq!(exit, 2, "{refused}");

    // A custom section: another version that does the same.
    let mut bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
    bytes.extend(b"\0\x05\x04tail");
    let path = server.file("other.wasm");
    fs::write(&path, bytes).unwrap();
    let upgrade = ["workflow", "upgrade", path.to_str().unwrap(), "s", "nobody"];
    let outcomes = |more: &[&str], wanted: [&str; 2]| {
        let (exit, report) = server.json(&[&upgrade, more].concat());
        let runs = report["runs"]
            .as_array()
            .unwrap_or_else(|| panic!("{report}"));
        let found = |id: &str| {
            let mut runs = runs.iter();
            runs.find(|run| run["workflow_id"] == id).unwrap()["outcome"].clone()
        };
        assert_eq!([found("s"), found("nobody")], wanted);
        assert_eq!(exit, 1);
        report["digest"].clone()
    };
    outcomes(&["--dry-run"], ["fits", "not_found"]);
    assert_eq!(
        server.json(&["workflow", "describe", "s"]).1["digest"],
        described["digest"]
    );
    let digest = outcomes(&[], ["moved", "not_found"]);
    assert_ne!(digest, described["digest"]);
    let patience = Patience::default();
    loop {
        let now = server.json(&["workflow", "describe", "s"]).1;
        if now["digest"] == digest {
            break;
        }
        patience.pause(format!("{now}"));
    }
    // New runs begin with what they began with before.
    server.start("new", "a01");
    let new = server.json(&["workflow", "describe", "new"]).1;
    assert_eq!(new["digest"], described["digest"]);
    server.stop();
}
