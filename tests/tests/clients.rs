//! Temporal's own clients, unmodified, against `sandglass server`: its Python SDK, and its command
//! line. `tests/clients` has what they do, this file what they must see.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_tests::{compiled, component, repository, sandglass};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// A server on a free port with a store of its own, and the component of the scenarios for the task
/// queue `scenarios`.
struct Server {
    process: Child,
    address: String,
    dir: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "127.0.0.1:0")
    }

    /// Kills it in the middle of whatever it does, and starts another on the same store and port.
    fn kill_and_restart(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let dir = std::mem::replace(&mut self.dir, TempDir::new().unwrap());
        let address = self.address.clone();
        Self::start_in(dir, &address)
    }

    fn start_in(dir: TempDir, listen: &str) -> Self {
        let bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
        fs::write(dir.path().join("scenarios.wasm"), bytes).unwrap();
        let config = "store = \"store.db\"\nlisten = \"127.0.0.1:7\"\n\n[[component]]\n\
                      file = \"scenarios.wasm\"\ntask-queue = \"scenarios\"\n";
        fs::write(dir.path().join("sandglass.toml"), config).unwrap();
        Self::spawn(dir, listen)
    }

    /// Starts a server with the configuration that this folder has.
    fn spawn(dir: TempDir, listen: &str) -> Self {
        let mut process = sandglass()
            .args(["server", "--output", "json", "--config"])
            .arg(dir.path().join("sandglass.toml"))
            // The command line goes before the file.
            .args(["--listen", listen, "--http-listen", "127.0.0.1:0"])
            // Compiled code is kept for the next test.
            .env("XDG_CACHE_HOME", compiled().with_file_name("cache"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the server did not start: {error}: {line:?}"));
        let address = said["listening"].as_str().unwrap().to_owned();
        Self {
            process,
            address,
            dir,
        }
    }

    /// Asks it to end, and waits until it has.
    fn stop(mut self) {
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        let ended = self.process.wait().unwrap();
        assert!(ended.success(), "the server ended with {ended}");
        assert!(self.dir.path().join("store.db").exists());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test has not failed.
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// The folder of Temporal's clients, installed if they are not.
fn clients() -> PathBuf {
    let installed = Command::new(repository().join("scripts/temporal-clients.sh"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(installed.status.success(), "the clients are not installed");
    String::from_utf8(installed.stdout).unwrap().trim().into()
}

/// What a Python script of `tests/clients` prints.
fn script(name: &str, server: &Server) -> Vec<String> {
    let output = Command::new(clients().join("python"))
        .arg(repository().join("tests/clients").join(name))
        .arg(&server.address)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{name} failed:\n{text}\n{errors}");
    text.lines().map(str::to_owned).collect()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What must have been printed: a file beside the script.
fn expected(name: &str) -> Vec<String> {
    let path = repository().join("tests/clients").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Runs a script against a server, and compares what it prints with the file beside it.
fn compare(name: &str) {
    let server = Server::start();
    let found = script(&format!("{name}.py"), &server);
    server.stop();
    let expected = expected(&format!("{name}.txt"));
    for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "line {}", place + 1);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn the_python_client_finds_what_it_finds_at_temporals_server() {
    compare("client");
}

#[test]
fn a_python_worker_makes_heartbeats_ends_loses_and_hands_on_attempts() {
    compare("worker");
}

/// With API keys whoever has none is refused, and who may look may do nothing else.
#[test]
fn api_keys_open_what_their_roles_may() {
    let dir = TempDir::new().unwrap();
    let key = |name: &str, digest: &str| {
        format!("[[api-key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nrole = \"{name}\"\n")
    };
    // Of `abc` and of `def`.
    let read = key(
        "read",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    let write = key(
        "write",
        "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34",
    );
    let config = format!("store = \"store.db\"\n{read}{write}");
    fs::write(dir.path().join("sandglass.toml"), config).unwrap();
    let server = Server::spawn(dir, "127.0.0.1:0");
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
    assert!(!allowed && text.contains("may look only"), "{text}");
    let (_, text) = tried(&["--api-key", "def", "--tls=false"], &signal);
    assert!(text.contains("workflow not found for ID: w"), "{text}");
    server.stop();
}

/// Nothing that was acknowledged is lost, nothing happens twice, and client and worker go on by
/// themselves when the server is there again.
#[test]
fn a_server_that_is_killed_under_runs_and_a_worker_leaves_their_histories_whole() {
    let server = Server::start();
    let mut running = Command::new(clients().join("python"))
        .arg(repository().join("tests/clients/faults.py"))
        .arg(&server.address)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(running.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "now\n");
    let server = server.kill_and_restart();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(
        running.wait().unwrap().success(),
        "faults.py failed:\n{text}"
    );
    server.stop();
    let history = "workflow_execution_started task activity_task_scheduled activity_task_started \
                   activity_task_completed task workflow_execution_completed";
    let expected = format!("200 runs: 3: {history}\ncount: [('Completed', 200)]\n");
    assert_eq!(text, expected);
}

/// Runs Temporal's command line.
fn temporal(server: &Server, arguments: &[&str]) -> Output {
    Command::new(clients().join("temporal"))
        .args(arguments)
        .args(["--address", &server.address, "--color", "never"])
        .env("TEMPORAL_VERSION_CHECK_DISABLED", "1")
        .env("HOME", server.dir.path())
        .output()
        .unwrap()
}

#[test]
fn temporals_command_line_starts_lists_shows_cancels_and_terminates() {
    let server = Server::start();
    let run = |arguments: &[&str]| {
        let output = temporal(&server, arguments);
        let (text, errors) = texts(&output);
        assert!(output.status.success(), "{arguments:?}:\n{text}\n{errors}");
        text
    };
    let start = |id| {
        let queue = ["--task-queue", "scenarios", "--type", "a01"];
        run(&[&["workflow", "start", "--workflow-id", id], &queue[..]].concat());
    };
    start("one");
    start("two");
    let listed = run(&["workflow", "list", "--query", "ExecutionStatus = 'Running'"]);
    assert!(listed.contains("one") && listed.contains("two"), "{listed}");
    assert!(run(&["workflow", "count"]).contains("Total: 2"));
    let described = run(&["workflow", "describe", "--workflow-id", "one"]);
    assert!(described.contains("scenarios"), "{described}");
    run(&["workflow", "cancel", "--workflow-id", "one"]);
    let result = temporal(&server, &["workflow", "result", "--workflow-id", "one"]);
    let (text, errors) = texts(&result);
    assert!(!result.status.success());
    assert!(
        format!("{text}{errors}").contains("CANCELED"),
        "{text}{errors}"
    );
    run(&["workflow", "terminate", "--workflow-id", "two"]);
    let shown = run(&["workflow", "show", "--workflow-id", "two"]);
    assert!(shown.contains("WorkflowExecutionTerminated"), "{shown}");
    let shown = run(&[
        "workflow",
        "show",
        "--workflow-id",
        "one",
        "--output",
        "json",
    ]);
    let history: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(history["events"].as_array().unwrap().len(), 11);
    assert!(run(&["operator", "cluster", "health"]).contains("SERVING"));
    let namespace = run(&[
        "operator",
        "namespace",
        "describe",
        "--namespace",
        "default",
    ]);
    assert!(namespace.contains("Registered"), "{namespace}");
    run(&["operator", "namespace", "list"]);
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
}

/// What is no request at all gets no answer, or a refusal; others are served on.
#[test]
fn garbage_harms_nobody_else() {
    use std::{io::Write as _, net::TcpStream, time::Duration};
    let server = Server::start();
    let mut bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for rounds in 0..6 {
        let mut connection = TcpStream::connect(&server.address).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // Half of them begin as HTTP/2 does.
        if rounds % 2 == 0 {
            connection
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .unwrap();
        }
        bytes.rotate_left(17 * rounds + 1);
        // It may close before it has read all.
        let _written = connection.write_all(&bytes);
        let mut answer = Vec::new();
        let _read = connection.read_to_end(&mut answer);
    }
    assert!(
        temporal(&server, &["operator", "cluster", "health"])
            .status
            .success()
    );
    server.stop();
}
