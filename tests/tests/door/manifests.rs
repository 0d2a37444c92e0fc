//! Components whose manifest, the section with the options of their activities, is not what it
//! should be: each is refused for a reason with a place, or serves.

use super::wire::{Answer, Wire, field, fields, framed, start, varint};
use sandglass_sandbox::{Error, Sandbox, SandboxConfig};
use sandglass_tests::{Server, sweep::Random};
use serde_json::Value;
use std::{collections::BTreeSet, env};

const SECTION: &[u8] = b"sandglass:activities";

/// Of all options that there are.
const WHOLE: &str = r#"{"default":{"start-to-close":"30s","retry":{"initial-interval":"1s",
"maximum-interval":"60s","backoff-coefficient":1.5}},"shop:payments/cards":{"schedule-to-close":
"3600s","schedule-to-start":"250ms","retry":{"maximum-attempts":3,"non-retryable-types":["declined"]
}},"shop:payments/cards.charge":{"heartbeat":"2s","task-queue":"cards","cancellation":
"wait-cancellation-completed","wait-timeout":"10s"},"work":{"cancellation":"try-cancel"}}"#;

/// What stands where something else should.
const PARTS: [&[u8]; 28] = [
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"\"\"",
    b"\"5 minutes\"",
    b"\"99999999999999999999d\"",
    b"\"\\u0000\"",
    b"\"\\ud800\"",
    b"{}",
    b"[]",
    b"{",
    b"}",
    b",",
    b"\"",
    b"\xff",
    b"\0",
    b"NaN",
    b"\"work\"",
    b"\"default\"",
    b"\"retry\":{}",
    b"",
    b"\"90s\"",
    b"\"1h30m\"",
    b"4",
    b"1.0",
];

/// Draws manifests that nobody means.
struct Garbled(Random);

impl Garbled {
    fn seeded() -> Self {
        Self(Random::seeded())
    }

    fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    fn two(&mut self, of: &[usize]) -> (usize, usize) {
        let two = [0; 2].map(|_| of[self.below(of.len())]);
        (two[0].min(two[1]), two[0].max(two[1]))
    }

    /// The manifest with one thing changed.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let ends = [0, bytes.len()].into_iter();
        let marks = (0..bytes.len()).filter(|at| b"{}[],:".contains(&bytes[*at]));
        let marks: Vec<usize> = ends.chain(marks.flat_map(|at| [at, at + 1])).collect();
        let all: Vec<usize> = (0..=bytes.len()).collect();
        let part = PARTS[self.below(PARTS.len())].to_vec();
        let (between, put) = match self.below(8) {
            // Between two marks that follow each other: mostly a key or a value.
            0..3 => {
                let mut sorted = marks;
                sorted.sort_unstable();
                let at = self.below(sorted.len() - 1);
                ((sorted[at], sorted[at + 1]), part)
            }
            3 => (self.two(&marks), part),
            4 => {
                let (from, to) = self.two(&marks);
                ((to, to), bytes[from..to].to_vec())
            }
            5 => ((self.two(&all).0, bytes.len()), Vec::new()),
            6 => {
                let at = self.below(bytes.len() + 1);
                ((at, at), b"[".repeat(self.below(300)))
            }
            _ => {
                let at = self.below(bytes.len().max(1));
                ((at, (at + 1).min(bytes.len())), vec![self.below(256) as u8])
            }
        };
        [&bytes[..between.0], &put, &bytes[between.1..]].concat()
    }

    /// A manifest, and the component that has it: now and then twice, or broken itself.
    fn component(&mut self) -> (String, Vec<u8>) {
        let mut manifest = WHOLE.replace('\n', "").into_bytes();
        for _ in 0..self.below(4) {
            manifest = self.change(&manifest);
        }
        let mut bytes = [outside(), section(&manifest)].concat();
        let mut what = String::from_utf8_lossy(&manifest).into_owned();
        match self.below(20) {
            0 => {
                bytes.extend(section(&manifest));
                what += " twice";
            }
            1 => {
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
                what += &format!(" with byte {at} changed");
            }
            2 => {
                bytes.truncate(self.below(bytes.len()));
                what += &format!(" cut to {} bytes", bytes.len());
            }
            _ => {}
        }
        (what, bytes)
    }
}

/// A section of a component.
fn section(manifest: &[u8]) -> Vec<u8> {
    let name = [varint(SECTION.len() as u64), SECTION.to_vec()].concat();
    let length = varint((name.len() + manifest.len()) as u64);
    [vec![0], length, name, manifest.to_vec()].concat()
}

/// The component without its manifest.
fn outside() -> Vec<u8> {
    let text = r#"(component
        (import "shop:payments/cards" (instance
            (export "charge" (func (param "a" string) (result string)))))
        (import "work" (func))
        (core module $m (func (export "f")))
        (core instance $m (instantiate $m))
        (func $f (canon lift (core func $m "f")))
        (export "run" (func $f)))"#;
    wat::parse_str(text).unwrap()
}

/// Whether it is said where a manifest is wrong, or what in it.
fn has_place(reason: &str) -> bool {
    let places = [" at line ", "is not imported", "retry of ", "there are two"];
    places.iter().any(|place| reason.contains(place))
}

#[test]
fn thousands_of_manifests_are_refused_with_a_place_or_loaded() {
    let mut random = Garbled::seeded();
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let whole = [outside(), section(WHOLE.as_bytes())].concat();
    sandbox.load_workflow(&whole).unwrap();
    let (mut loaded, mut refused, mut broken) = (0, 0, 0);
    for _ in 0..3_000 {
        let (what, bytes) = random.component();
        let inspected = sandbox.inspect(&bytes);
        match sandbox.load_workflow(&bytes) {
            Ok(workflow) => {
                let inspected = inspected.unwrap();
                assert_eq!(inspected.problem, None, "{what}");
                assert!(!what.ends_with(" twice"), "{what}");
                assert_eq!(inspected.types, workflow.workflow_types(), "{what}");
                assert_eq!(inspected.types.len(), 1, "{what}");
                loaded += 1;
            }
            Err(error) => {
                let reason = error.to_string();
                // The same reason, whoever asks.
                let told = inspected.map_or_else(|error| Some(error.to_string()), |of| of.problem);
                assert_eq!(told.as_deref(), Some(&*reason), "{what}");
                match error {
                    Error::Options(_) => {
                        assert!(has_place(&reason), "{what}: {reason}");
                        refused += 1;
                    }
                    _ => {
                        let is_broken = what.contains(" changed") || what.contains(" cut to ");
                        assert!(is_broken && !reason.is_empty(), "{what}: {reason}");
                        broken += 1;
                    }
                }
            }
        }
    }
    println!("{loaded} loaded, {refused} refused, {broken} broken otherwise");
    assert!(loaded > 30 && refused > 300 && broken > 30);
}

async fn asked(wire: &Wire, call: &str, document: &Value, content: &[u8]) -> Answer {
    let document = document.to_string();
    let message = [
        field(1, b"default"),
        field(2, document.as_bytes()),
        field(3, content),
    ];
    let path = format!("/sandglass.v1.Commands/{call}");
    let answered = wire.raw(&path, &[], framed(&message.concat()), true).await;
    answered.unwrap()
}

/// The document of an answer.
fn document(answer: &Answer) -> Value {
    assert_eq!(answer.status, Some(0), "{answer:?}");
    serde_json::from_slice(fields(&answer.bytes)[0].1).unwrap()
}

/// The digests of the server's components.
async fn listed(wire: &Wire) -> BTreeSet<String> {
    let list = document(&asked(wire, "ListComponents", &serde_json::json!({}), b"").await);
    let all = list["components"].as_array().unwrap().iter();
    all.map(|one| one["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_pushed_is_refused_and_leaves_nothing_or_serves() {
    let mut random = Garbled::seeded();
    let rounds = match env::var("SANDGLASS_SWEEP").as_deref() {
        Ok("full") => 2_000,
        _ => 100,
    };
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let mut kept = listed(&wire).await;
    let (before, mut refused) = (kept.len(), 0);
    for round in 0..rounds {
        let (what, bytes) = random.component();
        let queues = serde_json::json!({ "task_queues": ["pushed"] });
        let pushed = asked(&wire, "PushComponent", &queues, &bytes).await;
        if pushed.status == Some(3) {
            let is_whole = !what.contains(" changed") && !what.contains(" cut to ");
            let is_told = !pushed.message.is_empty() && (!is_whole || has_place(&pushed.message));
            assert!(is_told, "{what}: {pushed:?}");
            refused += 1;
        } else {
            let said = document(&pushed);
            let digest = said["digest"].as_str().unwrap();
            let one = serde_json::json!({ "digest": digest });
            let described = document(&asked(&wire, "DescribeComponent", &one, b"").await);
            assert_eq!(described["problem"], Value::Null, "{what}");
            assert_eq!(
                described["workflow_types"], said["workflow_types"],
                "{what}"
            );
            kept.insert(digest.to_owned());
        }
        if round % 20 == 0 {
            assert_eq!(listed(&wire).await, kept, "{what}");
        }
    }
    assert_eq!(listed(&wire).await, kept);
    println!("{refused} of {rounds} refused");
    assert!(refused > 0 && kept.len() > before);
    let whole = [outside(), section(WHOLE.as_bytes())].concat();
    let queues = serde_json::json!({ "task_queues": ["pushed"] });
    let said = document(&asked(&wire, "PushComponent", &queues, &whole).await);
    kept.insert(said["digest"].as_str().unwrap().to_owned());
    // The same in the next server, and the last one that was taken has the new runs.
    let server = server.kill_and_restart();
    let wire = Wire::connect(&server.address).await;
    assert_eq!(listed(&wire).await, kept);
    let in_queue = [start("run", "w"), field(4, &field(1, b"pushed"))].concat();
    let started = wire.call("StartWorkflowExecution", &in_queue).await;
    assert_eq!(started.status, Some(0), "{started:?}");
    server.end().await;
}
