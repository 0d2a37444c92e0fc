//! Temporal's clients, installed, and its development server.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::{Patience, Server, repository};
use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// The folder of Temporal's Python SDK and command line, installed if they are not.
pub fn clients() -> PathBuf {
    installed("scripts/temporal-clients.sh", &[])
}

/// The folder of the toolchain for workflows in a language whose script has this name, installed if it
/// is not.
pub fn toolchain(script: &str) -> PathBuf {
    installed(&format!("scripts/{script}-toolchain.sh"), &[])
}

/// The folder of what makes components of TypeScript and JavaScript, installed if it is not, as are
/// the packages that the one in this folder of the repository pins.
pub fn javascript_toolchain(package: &str) -> PathBuf {
    let script = "scripts/javascript-toolchain.sh";
    match repository()
        .join(package)
        .join("package-lock.json")
        .is_file()
    {
        true => installed(script, &[package]),
        false => installed(script, &[]),
    }
}

/// The folder that a script has installed something in, given these arguments.
pub(crate) fn installed(script: &str, arguments: &[&str]) -> PathBuf {
    let output = Command::new(repository().join(script))
        .current_dir(repository())
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{script} has installed nothing");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// What a script of `tests/clients` prints, in Python or JavaScript.
pub fn script(name: &str, server: &Server) -> Vec<String> {
    script_with(name, &[&server.address])
}

/// What a script of `tests/clients` prints that is given these arguments.
pub fn script_with(name: &str, arguments: &[&str]) -> Vec<String> {
    let mut program = if let Some(name) = name.strip_prefix("js/") {
        javascript(name)
    } else {
        let mut python = Command::new(clients().join("python"));
        python.arg(repository().join("tests/clients").join(name));
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python
    };
    let output = program.args(arguments).output().unwrap();
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{name} failed:\n{text}\n{errors}");
    text.lines().map(str::to_owned).collect()
}

/// A command that runs a script of `tests/clients/js`, with Temporal's TypeScript SDK installed.
pub fn javascript(name: &str) -> Command {
    let folder = installed("scripts/temporal-clients-js.sh", &[]);
    let mut node = Command::new(folder.join("bin/node"));
    node.arg(repository().join("tests/clients/js").join(name));
    node.env("NODE_PATH", folder.join("node_modules"));
    node
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

/// Temporal's own development server, in memory and on a free port of loopback.
pub struct DevServer {
    process: Child,
    /// Where it listens.
    pub address: String,
    dir: TempDir,
}

impl DevServer {
    /// Starts one, with these further arguments, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = File::create(dir.path().join("log")).unwrap();
        let process = Command::new(clients().join("temporal"))
            .args(["server", "start-dev", "--headless", "--log-level", "error"])
            .args(["--ip", "127.0.0.1", "--port", &address.port().to_string()])
            .args(arguments)
            .env("TEMPORAL_VERSION_CHECK_DISABLED", "1")
            .env("HOME", dir.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            address: address.to_string(),
            dir,
        };
        let patience = Patience::default();
        while TcpStream::connect(address).is_err() {
            if let Some(ended) = server.process.try_wait().unwrap() {
                let log = std::fs::read_to_string(server.dir.path().join("log")).unwrap();
                panic!("Temporal's server ended with {ended}:\n{log}");
            }
            patience.pause("Temporal's server does not listen");
        }
        server
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}
