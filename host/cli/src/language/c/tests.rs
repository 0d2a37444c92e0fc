//! Manifests that nobody means: each is refused for a reason with a place, or what it says of
//! activities is in the component, which can be loaded unless they are none of its imports.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use sandglass_sandbox::{Sandbox, SandboxConfig};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

const MANIFESTS: usize = 10_000;

/// What they are made of.
const WHOLE: &str = r#"[project]
name = "orders"
language = "c"

[c]
sources = ["orders.c"]
flags = ["-Wall"]

[activities.default]
start-to-close = "30s"

[activities.default.retry]
initial-interval = "1s"
maximum-interval = "1m"
backoff-coefficient = 1.5

[activities."shop:payments/cards"]
retry = { maximum-attempts = 3, non-retryable-types = ["declined"] }
schedule-to-close = "1h"
schedule-to-start = "250ms"

[activities."shop:payments/cards.charge"]
heartbeat = "2s"
task-queue = "cards"
cancellation = "wait-cancellation-completed"
wait-timeout = "10s"

[activities.work]
cancellation = "try-cancel"
"#;

/// What stands where something else should.
const PARTS: [&str; 34] = [
    "\"\"",
    "\"30s\"",
    "\"5 minutes\"",
    "\"0s\"",
    "\"18446744073709551615ms\"",
    "\"-1s\"",
    "\"213503982334602d\"",
    "1",
    "0",
    "-1",
    "4294967296",
    "99999999999999999999",
    "0.5",
    "1e400",
    "nan",
    "-inf",
    "true",
    "1979-05-27",
    "[]",
    "{}",
    "[[[[",
    "{ a = { a = {",
    "\"\\u0000\"",
    "\"\\uD800\"",
    "\"\"\"",
    "'",
    "\n",
    "\r",
    "\0",
    "\u{feff}",
    "é",
    "#",
    "\"default\"",
    "[\"c\", 1]",
];

/// Numbers that are the same again for the same seed.
struct Random(u64);

impl Random {
    /// By the seed that the environment has, or one of its own; it is printed.
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = std::env::var("SANDGLASS_SEED").map_or_else(
            |_| u64::from(now.subsec_nanos()),
            |seed| seed.parse().unwrap(),
        );
        println!("SANDGLASS_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A place in a text.
    fn place(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap()
    }

    /// The text with a few things changed.
    fn mutated(&mut self, whole: &str) -> String {
        let mut text = whole.to_owned();
        for _ in 0..=self.below(3) {
            text = self.changed(whole, &text);
        }
        text
    }

    fn changed(&mut self, whole: &str, text: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = self.below(lines.len().max(1));
        match (self.below(7), lines.get_mut(at)) {
            // Another value, or another key.
            (0 | 1, Some(line)) => {
                let key = line.split('=').next().unwrap_or_default();
                *line = format!("{key}= {}", self.one(&PARTS));
            }
            (2, Some(line)) => {
                let keys = whole.lines().filter_map(|line| line.split_once(" ="));
                let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
                let value = line.split_once('=').map_or("", |(_, value)| value);
                *line = format!("{} ={value}", self.one(&keys));
            }
            (3, Some(line)) => {
                let line = line.clone();
                lines.insert(self.below(lines.len() + 1), line);
            }
            (4, Some(_)) => drop(lines.remove(at)),
            (5, _) => {
                let (from, to) = (self.place(text), self.place(text));
                return [&text[..from.min(to)], &text[from.max(to)..]].concat();
            }
            _ => {
                let (at, deep) = (self.place(text), "[".repeat(self.below(2_000)));
                let part = match self.below(20) {
                    0 => &deep,
                    _ => self.one(&PARTS),
                };
                return [&text[..at], part, &text[at..]].concat();
            }
        }
        lines.join("\n")
    }
}

fn read(text: &str) -> Result<Manifest, String> {
    let read: Manifest = toml::from_str(text).map_err(|error| error.to_string())?;
    let checked = check_language(&read.project, Path::new("sandglass.toml"));
    checked.map(|()| read).map_err(|stop| stop.to_string())
}

/// A component whose activities are those of the manifest.
fn component() -> Vec<u8> {
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

#[test]
fn manifests_are_refused_with_a_place_or_kept_as_they_are() {
    let mut random = Random::new();
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let (component, mut seen) = (component(), BTreeMap::<&str, usize>::new());
    assert!(read(WHOLE).is_ok());
    for number in 0..MANIFESTS {
        let text = random.mutated(WHOLE);
        let manifest = match read(&text) {
            Ok(manifest) => manifest,
            Err(reason) => {
                let has_place = ["line ", "the language"]
                    .iter()
                    .any(|of| reason.contains(of));
                assert!(has_place, "{number}: {text:?}: {reason}");
                *seen.entry("refused").or_default() += 1;
                continue;
            }
        };
        let options = manifest.activities;
        let bytes = options.embed(&component);
        let json = bytes[component.len()..]
            .iter()
            .position(|byte| *byte == b'{')
            .unwrap();
        let kept = serde_json::from_slice(&bytes[component.len() + json..]);
        let kept: TypedOptions = kept.unwrap_or_else(|error| panic!("{number}: {text:?}: {error}"));
        assert_eq!(kept, options, "{number}: {text:?}");
        let what = match sandbox.load_workflow(&bytes) {
            Ok(loaded) => {
                assert_eq!(loaded.workflow_types(), ["run"]);
                "loaded"
            }
            Err(error) => {
                let reason = error.to_string();
                let is_told = reason.starts_with("options of activities: ")
                    && ["is not imported", "retry of "]
                        .iter()
                        .any(|of| reason.contains(of));
                assert!(is_told, "{number}: {text:?}: {reason}");
                "not loaded"
            }
        };
        *seen.entry(what).or_default() += 1;
    }
    println!("{seen:?}");
    assert!(
        seen.len() == 3 && seen.values().all(|count| *count > 10),
        "{seen:?}"
    );
}
