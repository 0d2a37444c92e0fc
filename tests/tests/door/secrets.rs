//! No secret is in anything that is printed, logged, answered or kept: keys, wrong ones too, the
//! private key of TLS, and the tokens of attempts in what others are told.

use super::{
    tls::TLS,
    wire::{Wire, field, framed, start},
};
use sandglass_tests::{certified, component, sandglass, texts};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

const READ_KEY: &str = "the-key-that-reads-51c7";
const WRITE_KEY: &str = "the-key-that-writes-a90e";
const WRONG_KEY: &str = "a-key-of-nobody-77d2";

/// A server that logs all that can be logged, to a file.
struct Logged {
    process: Child,
    said: Value,
    dir: TempDir,
}

impl Logged {
    fn spawn(dir: TempDir, config: &str) -> Self {
        fs::write(dir.path().join("sandglass.toml"), config).unwrap();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.path().join("server.log"))
            .unwrap();
        let mut process = sandglass()
            .args(["server", "--output", "json", "--config"])
            .arg(dir.path().join("sandglass.toml"))
            .args(["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"])
            .env("SANDGLASS_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| {
            let log = fs::read_to_string(dir.path().join("server.log"));
            panic!("it did not start: {}", log.unwrap_or_default())
        });
        Self { process, said, dir }
    }

    fn address(&self, port: &str) -> &str {
        self.said[port].as_str().unwrap()
    }

    /// Ends it, and gives what it has logged.
    fn log(mut self) -> (String, TempDir) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.process.wait().unwrap();
        let log = fs::read_to_string(self.dir.path().join("server.log")).unwrap();
        let dir = std::mem::replace(&mut self.dir, TempDir::new().unwrap());
        (log, dir)
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        // It has ended already where the test has not failed.
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// Where a secret is found, of all that was seen.
fn leaks(seen: &[(String, String)], secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (place, text) in seen {
        for secret in secrets.iter().filter(|secret| text.contains(*secret)) {
            let line = text
                .lines()
                .find(|line| line.contains(secret))
                .unwrap_or_default();
            found.push(format!("{place}: {line}"));
        }
    }
    found
}

fn key_file(dir: &Path, name: &str, key: &str) {
    let path = dir.join(name);
    fs::write(&path, key).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn http(address: &str, path: &str, key: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Commands and calls with right keys, wrong ones and ones in the wrong place: what was answered.
async fn session(server: &Logged, seen: &mut Vec<(String, String)>) -> String {
    let (grpc, web) = (server.address("listening"), server.address("http"));
    let bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
    fs::write(server.dir.path().join("scenarios.wasm"), bytes).unwrap();
    let pushed = server
        .dir
        .path()
        .join("scenarios.wasm")
        .display()
        .to_string();
    for key in [READ_KEY, WRITE_KEY, WRONG_KEY, "a key\nin two"] {
        for command in [
            &["workflow", "list"][..],
            &[
                "workflow",
                "start",
                "--type",
                "a10",
                "-t",
                "scenarios",
                "-w",
                "own",
            ],
            &["workflow", "show", "own"],
            &["workflow", "terminate", "nobody"],
            &["component", "push", &pushed, "-t", "scenarios"],
        ] {
            let output = sandglass()
                .args(command)
                .args(["--address", grpc, "--api-key", key])
                .env("SANDGLASS_LOG", "trace")
                .output()
                .unwrap();
            let (text, errors) = texts(&output);
            seen.push((format!("{command:?} with {}", key.len()), text + &errors));
        }
        if !key.contains('\n') {
            for header in [format!("Bearer {key}"), key.to_owned()] {
                let path = "/api/v1/namespaces/default/workflows/own/history";
                seen.push(("HTTP".into(), http(web, path, &header)));
            }
        }
    }
    let wire = Wire::connect(grpc).await;
    let call = async |name: &str, message: Vec<u8>, key: &str| {
        let path = format!("{}/{name}", super::wire::SERVICE);
        let key = format!("Bearer {key}");
        let headers = [("authorization", key.as_str())];
        wire.raw(&path, &headers, framed(&message), true)
            .await
            .unwrap()
    };
    let started = call("StartWorkflowExecution", start("a10", "second"), WRITE_KEY).await;
    assert_eq!(started.status, Some(0), "{started:?}");
    let queue = field(2, &field(1, b"scenarios"));
    let poll = [field(1, b"default"), queue, field(3, b"worker")].concat();
    let task = call("PollActivityTaskQueue", poll, WRITE_KEY).await;
    let length = usize::from(task.bytes[1]);
    let token = String::from_utf8(task.bytes[2..2 + length].to_vec()).unwrap();
    // The attempt is over before its token is used, by those who may and those who may not.
    let ended = [field(1, b"default"), field(2, &field(1, b"second"))].concat();
    let ended = call("TerminateWorkflowExecution", ended, WRITE_KEY).await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for key in [WRITE_KEY, READ_KEY, WRONG_KEY] {
        let report = [field(1, token.as_bytes()), field(4, b"default")].concat();
        let answer = call("RespondActivityTaskCompleted", report, key).await;
        seen.push(("a report".into(), answer.message));
    }
    let run = [field(1, b"default"), field(2, &field(1, b"second"))].concat();
    let history = call("GetWorkflowExecutionHistory", run, READ_KEY).await;
    let text = String::from_utf8_lossy(&history.bytes).into_owned();
    assert!(text.contains("scenarios"), "{history:?}");
    seen.push(("the history".into(), text));
    token
}

#[tokio::test]
async fn no_secret_is_printed_logged_answered_or_kept() {
    let mut seen = Vec::new();
    let dir = TempDir::new().unwrap();
    key_file(dir.path(), "read.key", READ_KEY);
    key_file(dir.path(), "write.key", WRITE_KEY);
    let bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
    fs::write(dir.path().join("guest.wasm"), bytes).unwrap();
    let key = |name: &str| {
        format!("[[api-key]]\nname = \"{name}\"\nkey-file = \"{name}.key\"\nrole = \"{name}\"\n")
    };
    let config = format!(
        "store = \"store.db\"\n[[component]]\nfile = \"guest.wasm\"\ntask-queue = \"scenarios\"\n{}{}",
        key("read"),
        key("write")
    );
    let server = Logged::spawn(dir, &config);
    let token = session(&server, &mut seen).await;
    let (log, dir) = server.log();
    // It has logged what was done, so it could have logged the rest.
    assert!(
        log.contains("the role is not enough") && log.contains("h2"),
        "{log}"
    );
    seen.push(("the log".into(), log));
    for file in ["store.db", "store.db-wal"] {
        let bytes = fs::read(dir.path().join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        seen.push((file.to_owned(), text));
    }
    // Configurations that are wrong, with keys where none belong.
    for wrong in [
        format!("[[api-key]]\nname = \"x\"\nsha256 = \"{WRITE_KEY}\"\nrole = \"read\"\n"),
        format!("[[api-key]]\nname = \"x\"\nkey = \"{WRITE_KEY}\"\nrole = \"read\"\n"),
        format!("[[api-key]]\nname = \"x\"\nrole = \"read\"\nsha256 = {WRITE_KEY}\n"),
    ] {
        fs::write(dir.path().join("wrong.toml"), wrong).unwrap();
        let mut command = sandglass();
        command
            .args(["server", "--config"])
            .arg(dir.path().join("wrong.toml"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let (text, errors) = texts(&output);
        seen.push(("a wrong configuration".into(), text + &errors));
    }
    // TLS with a key that does not belong to its certificate, and with half of one.
    let tls = certified(&[]);
    let private = fs::read_to_string(tls.path().join("localhost.key")).unwrap();
    let body: Vec<String> = private
        .lines()
        .filter(|line| line.len() > 20 && !line.starts_with("--"))
        .map(str::to_owned)
        .collect();
    assert!(!body.is_empty());
    for wrong in [TLS.replace("localhost.pem", "ca.pem"), TLS.into()] {
        fs::write(tls.path().join("sandglass.toml"), &wrong).unwrap();
        if wrong == TLS {
            let half = &private[..private.len() / 2];
            fs::write(tls.path().join("localhost.key"), half).unwrap();
        }
        let mut command = sandglass();
        command.args([
            "server",
            "--listen",
            "127.0.0.1:0",
            "--http-listen",
            "127.0.0.1:0",
        ]);
        command
            .arg("--config")
            .arg(tls.path().join("sandglass.toml"));
        let output = command.env("SANDGLASS_LOG", "trace").output().unwrap();
        assert!(!output.status.success());
        let (text, errors) = texts(&output);
        seen.push(("TLS that is wrong".into(), text + &errors));
    }
    let keys = [READ_KEY, WRITE_KEY, WRONG_KEY].map(str::to_owned);
    assert_eq!(
        leaks(&seen, &[&keys[..], &body].concat()),
        Vec::<String>::new()
    );
    let told: Vec<_> = seen
        .into_iter()
        .filter(|(place, _)| !place.contains("store"))
        .collect();
    assert_eq!(leaks(&told, &[token]), Vec::<String>::new());
}
