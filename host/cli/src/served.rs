//! Asking a server over HTTP. One request for each connection, and nobody to wait for beside it: so
//! a socket and a few lines of a protocol that does not change.

use crate::exit::{Exit, OrStop as _, Stop, usage};
use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

/// How long the server may take to be there, and to answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(330);

/// A server, by its HTTP address.
#[derive(Debug, Clone)]
pub struct Served {
    address: String,
    key: Option<String>,
}

/// What is sent with a request.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(&'a Value),
    /// A component.
    Wasm(&'a [u8]),
}

impl Served {
    /// The server at an address like `HOST:PORT` or `http://HOST:PORT`.
    ///
    /// # Errors
    /// With exit code 2 if it is no such address, or the key cannot be sent.
    pub fn at(address: &str, key: Option<String>) -> Result<Self, Stop> {
        if address.starts_with("https://") {
            return Err(usage!("{address}: the HTTP port has no TLS"));
        }
        let bare = address.strip_prefix("http://").unwrap_or(address);
        let bare = bare.trim_end_matches('/');
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain(bare) || bare.contains('/') || !bare.contains(':') {
            return Err(usage!("{address:?} is no address like 127.0.0.1:8233"));
        }
        if !key.as_deref().is_none_or(is_plain) {
            return Err(usage!("the API key has characters that no key has"));
        }
        Ok(Self {
            address: bare.into(),
            key,
        })
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks, and returns the document that is answered.
    ///
    /// # Errors
    /// With exit code 6 if the server cannot be reached or fails, with 1 if what was asked does not
    /// fit how things stand, with 2 if it is refused.
    pub fn ask(&self, verb: &str, path: &str, body: Body<'_>) -> Result<Value, Stop> {
        let place = || format!("ask the server at {}", self.address);
        let (status, text) = self
            .exchange(verb, path, body)
            .with_context(place)
            .or_host()?;
        let answer: Value = serde_json::from_slice(&text)
            .map_err(|_| anyhow!("it did not answer as Sandglass does; is it the HTTP port?"))
            .with_context(place)
            .or_host()?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or("it gave no reason");
        Err(Stop {
            exit: match status {
                409 => Exit::Failed,
                408 | 429 | 500.. => Exit::Host,
                _ => Exit::Usage,
            },
            error: anyhow!("{message}"),
        })
    }

    fn exchange(&self, verb: &str, path: &str, body: Body<'_>) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut stream = self.connect()?;
        let (kind, bytes) = match body {
            Body::Empty => (None, Vec::new()),
            Body::Json(value) => (Some("application/json"), value.to_string().into_bytes()),
            Body::Wasm(bytes) => (Some("application/wasm"), bytes.to_vec()),
        };
        let mut head = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            bytes.len()
        );
        if let Some(kind) = kind {
            head.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        if let Some(key) = &self.key {
            head.push_str(&format!("Authorization: Bearer {key}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // A refusal may come before all is sent: then that is the answer.
        let sent = stream.write_all(&bytes);
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        match parse(&text) {
            Ok(answer) => Ok(answer),
            Err(error) => {
                sent?;
                read?;
                Err(error)
            }
        }
    }

    fn connect(&self) -> anyhow::Result<TcpStream> {
        let mut last = anyhow!("there is no such address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_MAX) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(ANSWER_MAX))?;
                    stream.set_write_timeout(Some(ANSWER_MAX))?;
                    return Ok(stream);
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

/// The status and the document of an answer. Its length is always told.
fn parse(text: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
    let end = text.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.context("it ended the connection without an answer")?;
    let head = std::str::from_utf8(&text[..end]).context("its answer is not HTTP")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| {
        let (version, rest) = line.split_once(' ')?;
        let status = rest.get(..3)?.parse::<u16>().ok()?;
        version.starts_with("HTTP/1.").then_some(status)
    });
    let status = status.context("its answer is not HTTP")?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.context("its answer does not tell its length")?;
    match text[end + 4..].get(..length) {
        Some(body) => Ok((status, body.to_vec())),
        None => bail!("its answer broke off"),
    }
}

/// A text as one part of a path.
#[must_use]
pub fn part(text: &str) -> String {
    let mut part = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_ports() {
        let of = |text| Served::at(text, None).map(|server| server.address);
        for text in ["localhost:1", "http://localhost:1", "http://localhost:1/"] {
            assert_eq!(of(text).ok(), Some("localhost:1".into()), "{text}");
        }
        for text in [
            "",
            "localhost",
            "https://localhost:1",
            "a:1/b",
            "a b:1",
            "a:1\r\nx",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        assert!(Served::at("a:1", Some("x\r\ny".into())).is_err());
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let of = |text: &str| parse(text.as_bytes()).ok();
        let whole = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX: y\r\n\r\n{}";
        assert_eq!(of(whole), Some((404, b"{}".to_vec())));
        for broken in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
            "ABC 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        ] {
            assert_eq!(of(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_part_of_a_path_keeps_to_itself() {
        assert_eq!(part("a/b ä.~"), "a%2Fb%20%C3%A4%2E~");
    }
}
