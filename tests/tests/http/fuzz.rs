//! Garbage: routes, bodies and headers that nobody means. Each is answered, and nothing breaks.

use super::wire::Server;
use sandglass_tests::sweep::Random;
use serde_json::{Value, json};

/// Requests of one run of the test.
const REQUESTS: usize = 1_500;

/// Draws requests that nobody means.
struct Garbled(Random);

impl Garbled {
    fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let length = self.below(longest + 1);
        (0..length)
            .map(|_| u8::try_from(self.below(256)).unwrap())
            .collect()
    }

    /// A part of a path: what there is, nothing, or garbage.
    fn part(&mut self) -> String {
        let garbage = [
            "%",
            "%zz",
            "%00",
            "%2F",
            "%ff%fe",
            "..",
            ".",
            "%E2%80%AE",
            "+",
            "{id}",
        ];
        match self.below(4) {
            0 => self
                .one(&["h", "default", "holder", "notes", "quick"])
                .to_string(),
            1 => self.one(&garbage).to_string(),
            2 => "a".repeat(self.below(3000)),
            _ => String::new(),
        }
    }

    fn path(&mut self, paths: &[String]) -> String {
        let mut parts: Vec<String> = self.one(paths).split('/').map(String::from).collect();
        for part in &mut parts {
            if part.starts_with('{') {
                *part = match self.below(3) {
                    0 => self.part(),
                    _ => self.one(&["h", "default", "note"]).to_string(),
                };
            } else if self.below(40) == 0 {
                *part = self.part();
            }
        }
        let query = [
            "query=",
            "nextPageToken=",
            "pageSize=",
            "pretty",
            "execution.run_id=",
            "x",
        ];
        let mut path = parts.join("/");
        if self.below(3) == 0 {
            let values = [
                "-1",
                "a=b",
                "%00",
                "ExecutionStatus%20IN%20(",
                "AAAA",
                "1e99",
                "%f0",
            ];
            path.push_str(&format!("?{}{}", self.one(&query), self.one(&values)));
        }
        path
    }

    /// A document, as a request might have one, with wrong parts.
    fn value(&mut self, depth: usize) -> Value {
        let names = [
            "workflowType",
            "name",
            "taskQueue",
            "input",
            "payloads",
            "metadata",
            "data",
            "encoding",
            "memo",
            "fields",
            "identity",
            "requestId",
            "grace",
            "then",
            "retryPolicy",
            "header",
            "workflowRunTimeout",
            "seconds",
            "_protoMessageType",
            "reason",
            "taskToken",
            "failure",
            "cause",
            "waitPolicy",
            "lifecycleStage",
            "workflowTaskFinishEventId",
            "details",
            "initialInterval",
            "searchAttributes",
            "indexedFields",
            "request",
            "args",
            "versionInfo",
        ];
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.one(&[-1.5, 1e300, 0.0, -0.0])),
            3 => json!(self.one(&[i64::MIN, i64::MAX, -1, 0, 7])),
            4 => {
                let texts = [
                    "",
                    "h",
                    "json/plain",
                    "YQ==",
                    "\u{202e}",
                    "315576000001s",
                    "-1s",
                    "1.5s",
                    "9999999999999999999999s",
                    "0001-01-01T00:00:00Z",
                    "+999999-01-01T00:00:00Z",
                    "scenarios",
                    "holder",
                    "\0",
                    "WORKFLOW_ID_REUSE_POLICY_NOTHING",
                ];
                json!(self.one(&texts))
            }
            5 => json!("a".repeat(self.below(5000))),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let fields = (0..self.below(6))
                    .map(|_| (self.one(&names).to_string(), self.value(depth - 1)));
                Value::Object(fields.collect())
            }
        }
    }

    fn body(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => Vec::new(),
            1 => self.bytes(2000),
            2 => [b"{\"input\":".repeat(self.below(300)), b"1".to_vec()].concat(),
            3 => {
                let mut text = self.value(4).to_string().into_bytes();
                let cut = self.below(text.len() + 1);
                text.truncate(cut);
                text
            }
            _ => {
                let mut fields = json!({ "a": self.value(5) });
                if let Some(object) = fields["a"].as_object_mut() {
                    return Value::Object(object.clone()).to_string().into_bytes();
                }
                fields.to_string().into_bytes()
            }
        }
    }

    fn headers(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(4) {
            let names = [
                "Accept",
                "Authorization",
                "Content-Type",
                "X-Y",
                "Origin",
                "Expect",
                "Te",
            ];
            text.extend_from_slice(self.one(&names).as_bytes());
            text.extend_from_slice(b": ");
            let values: [&[u8]; 7] = [
                b"application/json",
                b"application/json+pretty+no-payload-shorthand",
                b"Bearer \xff",
                b"",
                b"100-continue",
                b"\x01",
                b"text/html; charset=\"",
            ];
            text.extend_from_slice(self.one::<&[u8]>(&values));
            text.extend_from_slice(b"\r\n");
        }
        text
    }

    fn request(&mut self, paths: &[String], host: &str) -> Vec<u8> {
        if self.below(25) == 0 {
            return [self.bytes(300), b"\r\n\r\n".to_vec()].concat();
        }
        let verb = *self.one(&[
            "GET", "POST", "POST", "POST", "DELETE", "PUT", "OPTIONS", "BREW",
        ]);
        let (path, body) = (self.path(paths), self.body());
        let mut text = format!("{verb} {path} HTTP/1.1\r\n").into_bytes();
        if self.below(30) != 0 {
            text.extend_from_slice(format!("Host: {host}\r\nConnection: close\r\n").as_bytes());
        }
        if self.below(6) != 0 {
            text.extend_from_slice(b"Content-Type: application/json\r\n");
        }
        text.extend_from_slice(&self.headers());
        let length = match self.below(30) {
            0 => "-1".to_owned(),
            1 => "99999999999999999999".to_owned(),
            2 => (body.len() / 2).to_string(),
            _ => body.len().to_string(),
        };
        text.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        text.extend_from_slice(&body);
        text
    }
}

#[test]
fn garbage_is_answered_and_breaks_nothing() {
    let server = Server::with_scenarios();
    server.start("h", "holder");
    let document = server.get("/openapi.json").ok();
    let paths: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let mut random = Garbled(Random::seeded());
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    for number in 0..REQUESTS {
        let request = random.request(&paths, &server.http);
        let text = String::from_utf8_lossy(&request);
        let Some(answer) = server.raw(&request) else {
            // Only what is no HTTP at all may go without an answer.
            assert!(
                !text.contains("HTTP/1.1"),
                "{number}: no answer to {text:?}"
            );
            continue;
        };
        *seen.entry(answer.status).or_default() += 1;
        // 504: an update that waits for what does not come.
        let is_fine = answer.status < 500 || matches!(answer.status, 501 | 504);
        assert!(
            is_fine,
            "{number}: {}: {text:?}: {}",
            answer.status, answer.body
        );
        // What hyper itself refuses has no body.
        let is_bare = matches!(answer.status, 400 | 414 | 431) && answer.body.is_null();
        if answer.status >= 400 && !is_bare {
            let error = &answer.body;
            let is_error = error["code"].as_u64().is_some_and(|code| code > 0)
                && error["message"].is_string()
                && error["details"].is_array();
            assert!(is_error, "{number}: {text:?}: {error}");
        }
    }
    println!("{seen:?}");
    assert!(seen.contains_key(&200) && seen.contains_key(&400) && seen.contains_key(&404));
    // It lives, and the run too, unless somebody has ended it by chance.
    server.get("/api/v1/namespaces/default/workflows/h").ok();
    server.get("/readyz").ok();
    server.stop();
}
