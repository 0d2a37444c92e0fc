//! A server of the program, and the other end of its socket.

use sandglass_tests::{sandglass, with_scenarios};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    ops::Deref,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};
use tempfile::TempDir;

/// A server with a store of its own, asked by HTTP.
pub(super) struct Server(sandglass_tests::Server);

impl Deref for Server {
    type Target = sandglass_tests::Server;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Server {
    /// One with the component of the scenarios for the task queue `scenarios`.
    pub(super) fn with_scenarios() -> Self {
        Self::configured(|dir| with_scenarios(&["scenarios"], dir))
    }

    /// One with no component.
    pub(super) fn empty() -> Self {
        Self::configured(|_| String::new())
    }

    /// One with this configuration.
    pub(super) fn configured(config: impl FnOnce(&TempDir) -> String) -> Self {
        let dir = TempDir::new().unwrap();
        let config = config(&dir);
        Self(sandglass_tests::Server::configured(
            dir,
            "127.0.0.1:0",
            &config,
        ))
    }

    /// As [`Server::configured`], by this command.
    pub(super) fn spawned_by(program: Command, config: impl FnOnce(&TempDir) -> String) -> Self {
        let dir = TempDir::new().unwrap();
        let config = format!("store = \"store.db\"\n{}", config(&dir));
        fs::write(dir.path().join("sandglass.toml"), config).unwrap();
        Self(sandglass_tests::Server::spawn_by(
            program,
            dir,
            "127.0.0.1:0",
        ))
    }

    /// As [`sandglass_tests::Server::kill_and_restart`].
    pub(super) fn kill_and_restart(self) -> Self {
        Self(self.0.kill_and_restart())
    }

    /// As [`sandglass_tests::Server::stop`].
    pub(super) fn stop(self) {
        self.0.stop();
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.http).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Sends these bytes and reads the first answer; `None` if the connection ends without one.
    pub(super) fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        // It may answer, and close, before it has read all.
        let _sent = stream.write_all(bytes);
        read(&mut BufReader::new(stream))
    }

    /// Makes a request with these headers beside those that it needs.
    pub(super) fn request(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut text = format!("{verb} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text.push_str(&format!("Host: {}\r\n", self.http));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let bytes = [text.as_bytes(), body].concat();
        let answer = self.raw(&bytes);
        answer.unwrap_or_else(|| panic!("{verb} {path} was not answered"))
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Answer {
        let kind = [("Content-Type", "application/json")];
        self.request("POST", path, &kind, body.to_string().as_bytes())
    }

    /// Starts a workflow of the scenarios; its run id.
    pub(super) fn start(&self, id: &str, workflow_type: &str) -> String {
        let answer = self.post(
            &format!("/api/v1/namespaces/default/workflows/{id}"),
            json!({
                "workflowType": { "name": workflow_type },
                "taskQueue": { "name": "scenarios" },
            }),
        );
        answer.ok()["runId"].as_str().unwrap().to_owned()
    }

    /// Runs `sandglass` with the address of this server.
    pub(super) fn sandglass(&self, arguments: &[&str]) -> Output {
        sandglass()
            .args(arguments)
            .env("SANDGLASS_ADDRESS", &self.address)
            .output()
            .unwrap()
    }

    /// As [`Server::sandglass`]: the exit code and the JSON document that it prints.
    pub(super) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.sandglass(&[arguments, &["--output", "json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|_| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("{arguments:?}: {text}{errors}")
        });
        (output.status.code().unwrap(), value)
    }
}

impl Answer {
    /// The document of an answer that is no error.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            self.body
        );
        self.body
    }

    /// The message of an error with this status and code.
    #[track_caller]
    pub(super) fn refused(self, status: u16, code: u64) -> String {
        let found = (self.status, self.body["code"].as_u64());
        assert_eq!(found, (status, Some(code)), "{}", self.body);
        self.body["message"].as_str().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// Reads one answer; `None` if the connection ends before it.
pub(super) fn read(stream: &mut BufReader<TcpStream>) -> Option<Answer> {
    let mut line = String::new();
    if stream.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer: {line:?}"));
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let body = match body.as_slice() {
        [] => Value::Null,
        bytes => serde_json::from_slice(bytes).unwrap(),
    };
    Some(Answer {
        status,
        headers,
        body,
    })
}
