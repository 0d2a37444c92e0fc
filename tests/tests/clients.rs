//! Temporal's own clients, unmodified, against `sandglass server`: its Python SDK, its TypeScript SDK, and
//! its command line. `tests/clients` has what they do, this file what they must see.

#![expect(clippy::unwrap_used, reason = "tests")]

mod clients {
    mod command;
    mod flags;
    mod secure;
    mod twins;
}

use sandglass_tests::{Server, repository, sandglass, script, script_with, temporal, texts};
use std::fs;
use tempfile::TempDir;

/// What must have been printed: a file beside the script.
fn expected(script: &str) -> Vec<String> {
    let path = repository().join("tests/clients").join(script);
    let text = fs::read_to_string(path.with_extension("txt")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Runs a script against a server, and compares what it prints with the file beside it.
fn compare(name: &str) {
    let server = Server::start();
    let found = script(name, &server);
    server.stop();
    let expected = expected(name);
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "line {}", place + 1);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn the_python_client_finds_what_it_finds_at_temporals_server() {
    compare("client.py");
}

#[test]
fn a_python_worker_makes_heartbeats_ends_loses_and_hands_on_attempts() {
    compare("worker.py");
}

#[test]
fn the_typescript_client_finds_what_it_finds_at_temporals_server() {
    compare("js/client.js");
}

#[test]
fn a_typescript_worker_makes_heartbeats_ends_loses_and_hands_on_attempts() {
    compare("js/worker.js");
}

#[test]
fn the_samples_of_temporals_page_on_cancellation_run_as_they_stand() {
    compare("seeds.py");
}

#[test]
fn a_worker_of_workflows_ends_and_says_what_to_do_instead() {
    let server = Server::start();
    let said = script("refused_worker.py", &server).join("\n");
    server.stop();
    assert!(said.contains("register no workflows"), "{said}");
    // Also by the queue that is the worker's own.
    let push = "sandglass component push FILE --task-queue mine`";
    assert!(said.contains(push), "{said}");
}

/// A server at which the key `abc` may read and `def` write.
fn with_keys() -> Server {
    let key = |name: &str, digest: &str| {
        format!("[[api-key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nrole = \"{name}\"\n")
    };
    let read = key(
        "read",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    let write = key(
        "write",
        "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34",
    );
    Server::configured(TempDir::new().unwrap(), "127.0.0.1:0", &(read + &write))
}

/// Permission denied is final to Temporal's SDKs, though not before they have tried for a minute.
#[test]
fn a_worker_that_may_only_look_ends_and_says_why() {
    let server = with_keys();
    let said = script_with("refused_worker.py", &[&server.address, "abc"]).join("\n");
    server.stop();
    let why = "PollActivityTaskQueue needs the role write; the API key \\\"read\\\"";
    assert!(said.contains(why), "{said}");
}

/// With API keys whoever has none is refused, and who may look may do nothing else.
#[test]
fn api_keys_open_what_their_roles_may() {
    let server = with_keys();
    let tried = |key: &[&str], command: &[&str]| {
        let output = temporal(&server, &[command, key].concat());
        let (text, errors) = texts(&output);
        (output.status.success(), text + &errors)
    };
    let count = ["workflow", "count"];
    let signal = ["workflow", "signal", "--workflow-id", "w", "--name", "n"];
    let (allowed, text) = tried(&[], &count);
    assert!(!allowed && text.contains("unauthenticated"), "{text}");
    let abc = ["--api-key", "abc", "--tls=false"];
    let (allowed, text) = tried(&abc, &count);
    assert!(allowed && text.contains("Total: 0"), "{text}");
    let (allowed, text) = tried(&abc, &signal);
    assert!(
        !allowed && text.contains("needs the role write; the API key"),
        "{text}"
    );
    let (_, text) = tried(&["--api-key", "def", "--tls=false"], &signal);
    assert!(text.contains("workflow not found for ID: w"), "{text}");
    server.stop();
}

#[test]
fn the_server_refuses_addresses_that_others_can_reach() {
    let dir = TempDir::new().unwrap();
    let output = sandglass()
        .args(["server", "--listen", "0.0.0.0:0", "--store"])
        .arg(dir.path().join("store.db"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (_, errors) = texts(&output);
    assert!(
        errors.contains("0.0.0.0:0 can be reached from other machines"),
        "{errors}"
    );
    // That anybody may come is no word on keys.
    let config = dir.path().join("keys.toml");
    let sha256 = "0".repeat(64);
    let text = format!(
        "store = \"store.db\"\nlisten = \"0.0.0.0:0\"\nallow-anyone = true\n\n[[api-key]]\n\
         name = \"n\"\nsha256 = \"{sha256}\"\nrole = \"write\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let output = sandglass()
        .args(["server", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (_, errors) = texts(&output);
    assert!(
        errors.contains("API keys would go there as plain text"),
        "{errors}"
    );
}
