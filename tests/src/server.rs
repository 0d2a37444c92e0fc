//! A `sandglass server` of its own for a test, and Temporal's clients, installed.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::{compiled, component, repository, sandglass};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// A server on a free port with a store of its own, and the component of the scenarios for the task
/// queue `scenarios`.
pub struct Server {
    /// The process.
    pub process: Child,
    /// Where it listens.
    pub address: String,
    /// The folder with its configuration and store.
    pub dir: TempDir,
}

impl Server {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), "127.0.0.1:0")
    }

    /// Kills it in the middle of whatever it does, and starts another on the same store and port.
    pub fn kill_and_restart(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let dir = std::mem::replace(&mut self.dir, TempDir::new().unwrap());
        let address = self.address.clone();
        Self::start_in(dir, &address)
    }

    /// Starts one in this folder.
    pub fn start_in(dir: TempDir, listen: &str) -> Self {
        let bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
        fs::write(dir.path().join("scenarios.wasm"), bytes).unwrap();
        let config = "store = \"store.db\"\nlisten = \"127.0.0.1:7\"\n\n[[component]]\n\
                      file = \"scenarios.wasm\"\ntask-queue = \"scenarios\"\n";
        fs::write(dir.path().join("sandglass.toml"), config).unwrap();
        Self::spawn(dir, listen)
    }

    /// Starts a server with the configuration that this folder has.
    pub fn spawn(dir: TempDir, listen: &str) -> Self {
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
    pub fn stop(mut self) {
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
pub fn clients() -> PathBuf {
    let installed = Command::new(repository().join("scripts/temporal-clients.sh"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(installed.status.success(), "the clients are not installed");
    String::from_utf8(installed.stdout).unwrap().trim().into()
}

/// What a Python script of `tests/clients` prints.
pub fn script(name: &str, server: &Server) -> Vec<String> {
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

/// What a program has printed, to stdout and stderr.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs Temporal's command line.
pub fn temporal(server: &Server, arguments: &[&str]) -> Output {
    Command::new(clients().join("temporal"))
        .args(arguments)
        .args(["--address", &server.address, "--color", "never"])
        .env("TEMPORAL_VERSION_CHECK_DISABLED", "1")
        .env("HOME", server.dir.path())
        .output()
        .unwrap()
}
