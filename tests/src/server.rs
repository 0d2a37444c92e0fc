//! A `sandglass server` of its own for a test.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::{cache, component, sandglass};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A server on a free port with a store of its own, and the component of the scenarios for the task
/// queue `scenarios`.
pub struct Server {
    /// The process.
    pub process: Child,
    /// Where it listens for gRPC.
    pub address: String,
    /// Where it listens for HTTP.
    pub http: String,
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
        Self::spawn(dir, &address)
    }

    /// Starts one in this folder.
    pub fn start_in(dir: TempDir, listen: &str) -> Self {
        Self::start_for(&["scenarios"], dir, listen)
    }

    /// Starts one whose component serves all these task queues.
    pub fn start_for(queues: &[&str], dir: TempDir, listen: &str) -> Self {
        let config = format!("listen = \"127.0.0.1:7\"\n{}", with_scenarios(queues, &dir));
        Self::configured(dir, listen, &config)
    }

    /// Starts one in this folder with this configuration, and a store there.
    pub fn configured(dir: TempDir, listen: &str, config: &str) -> Self {
        let config = format!("store = \"store.db\"\n{config}");
        fs::write(dir.path().join("sandglass.toml"), config).unwrap();
        Self::spawn(dir, listen)
    }

    /// Starts a server with the configuration that this folder has.
    pub fn spawn(dir: TempDir, listen: &str) -> Self {
        Self::spawn_by(sandglass(), dir, listen)
    }

    /// As [`Server::spawn`], by a command that has no arguments of the program's yet.
    pub fn spawn_by(mut program: Command, dir: TempDir, listen: &str) -> Self {
        let mut process = program
            .args(["server", "--output", "json", "--config"])
            .arg(dir.path().join("sandglass.toml"))
            // The command line goes before the file.
            .args(["--listen", listen, "--http-listen", "127.0.0.1:0"])
            // Compiled code is kept for the next test.
            .env("XDG_CACHE_HOME", cache())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the server did not start: {error}: {line:?}"));
        let address = |of: &str| said[of].as_str().unwrap().to_owned();
        Self {
            process,
            address: address("listening"),
            http: address("http"),
            dir,
        }
    }

    /// Asks it to end, and waits until it has, while clients that this thread drives go on: it asks
    /// each whether it has seen that no more calls are taken.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(|| self.stop());
        ended.await.unwrap();
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

/// Puts the component of the scenarios into this folder; how a configuration says that it is for
/// these task queues.
pub fn with_scenarios(queues: &[&str], dir: &TempDir) -> String {
    let bytes = component("tests/guests/scenarios", "guest-scenarios.wasm");
    fs::write(dir.path().join("scenarios.wasm"), bytes).unwrap();
    let entry = "\n[[component]]\nfile = \"scenarios.wasm\"\ntask-queue";
    let entries = queues.iter();
    entries
        .map(|queue| format!("{entry} = \"{queue}\"\n"))
        .collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test has not failed.
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}
