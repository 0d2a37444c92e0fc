//! TypeScript and JavaScript: the SDK by itself, and programs that use their platform as programs do.
//! The scenarios are in `scenarios/languages.rs`, with those of all languages.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_tests::{World, WorldBuilder, javascript_toolchain, repository};
use serde_json::{Value, json};
use std::process::Command;

/// Runs Node in the repository, and shows what it says if it fails.
fn node(arguments: &[&str]) {
    let tools = javascript_toolchain("tests/guests/scenarios-js");
    let output = Command::new(tools.join("bin/node"))
        .args(arguments)
        .current_dir(repository())
        .env("SANDGLASS_JAVASCRIPT", &tools)
        .output()
        .unwrap();
    let (said, errors) = (output.stdout.as_slice(), output.stderr.as_slice());
    let said = String::from_utf8_lossy(said) + String::from_utf8_lossy(errors);
    println!("{said}");
    assert!(output.status.success(), "{arguments:?}:\n{said}");
}

/// What is asked of the host, event by event; the order of promises; texts and times.
#[test]
fn the_sdk_does_what_its_own_tests_say() {
    node(&["--test", "guest-sdk/js/test/"]);
}

#[test]
fn the_types_are_right() {
    let compiler = javascript_toolchain("").join("node_modules/typescript/bin/tsc");
    let compiler = compiler.to_str().unwrap();
    for package in [
        "guest-sdk/js",
        "tests/guests/scenarios-js",
        "examples/order-saga-ts",
    ] {
        node(&[compiler, "--project", package]);
    }
}

/// Plays a run with cached instances, with every task beginning with a replay, and with every host
/// ending after one commit.
async fn each_way(play: impl AsyncFn(&World) -> Value) -> Vec<Value> {
    let mut seen = Vec::new();
    for settings in [
        WorldBuilder::default(),
        WorldBuilder::default().evict(),
        WorldBuilder::default().restart_after_each_commit(),
    ] {
        let world = settings.build().await;
        world.load("scenarios-js").await;
        seen.push(play(&world).await);
        world.replay_all().await;
    }
    seen
}

#[tokio::test]
async fn programs_find_the_platform_that_they_expect() {
    let seen = each_way(async |w| {
        let run = w.start("platform").await;
        w.advance_until(async || run.history().await.matches("TF").count() == 2)
            .await;
        for note in ["first", "end"] {
            let signal = vec![sandglass_engine::Payload::json(json!(note).to_string())];
            run.handle.signal_named("note", signal).await.unwrap();
        }
        serde_json::from_str(&run.result().await).unwrap()
    })
    .await;
    let expected = json!([
        "timeout",
        "raced",
        "all 2,4,6",
        "settled rejected,fulfilled",
        "counted 1",
        "counted 2",
        "counted 3",
        "timed out true",
        "microtask",
        "noted first",
    ]);
    assert_eq!(seen, [expected.clone(), expected.clone(), expected]);
}

#[tokio::test]
async fn packages_of_npm_run_as_they_are() {
    let seen = each_way(async |w| {
        let run = w.start("libraries").await;
        serde_json::from_str(&run.result().await).unwrap()
    })
    .await;
    for seen in seen {
        assert_eq!(seen["values"], json!(["a", "b", "c", "d", "e"]));
        assert_eq!(seen["most"], 2, "no more at a time than the package allows");
        let ids: Vec<&str> = seen["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        let versions: Vec<&str> = ids.iter().map(|id| &id[14..15]).collect();
        assert_eq!(versions, ["4", "7"], "{ids:?}");
        // The clock of the tests stands at 1,000,000 ms.
        assert_eq!(seen["time"], "0000000f-4240");
    }
}
