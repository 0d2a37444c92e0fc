//! Functions with types of their own: activities that a workflow imports, workflows that it exports,
//! and activities that a component serves by exporting them (`guest-sdk/typed.md`).

use super::{
    each_way,
    languages::{Mode, told},
};
use sandglass::{Grants, Host, StartError, StartOptions};
use sandglass_engine::{ActivityCall, CancellationType, EventAttributes, Millis, Status};
use sandglass_semantics::scenario;
use sandglass_tests::{
    Patience, RunUnderTest, World, WorldBuilder, compiled, component, sandglass,
};
use serde_json::{Value, json};
use std::{cell::RefCell, fs};

/// A world with the activities that the guest imports, served by their functions.
fn served() -> WorldBuilder {
    WorldBuilder::default().activity_guest("typed-activities")
}

async fn start(w: &World, workflow_type: &str, input: Value) -> RunUnderTest {
    let input = input.to_string();
    w.start_with(workflow_type, |options| options.json(input))
        .await
}

fn order(id: &str) -> Value {
    json!({ "id": id, "items": [{ "sku": "a", "price": 3 }, { "sku": "b", "price": 4 }] })
}

/// What a run failed with: the type of its failure, and all of it in words.
async fn failure(run: &RunUnderTest) -> (String, String) {
    match run.closed().await {
        Status::Failed { failure, .. } => (failure.type_name(), failure.to_string()),
        other => panic!("it ended as {other:?}"),
    }
}

async fn call_of(run: &RunUnderTest) -> ActivityCall {
    match run.attributes("ActivityTaskScheduled").await {
        EventAttributes::ActivityTaskScheduled { call, .. } => *call,
        other => panic!("{other:?} is not an activity"),
    }
}

#[tokio::test]
async fn a_function_is_an_activity_like_any_other() {
    each_way(served(), "typed", async |w| {
        let run = start(w, "run-order", order("good")).await;
        let result: Value = serde_json::from_str(&run.result().await).unwrap();
        let scheduled = run.event_id("ActivityTaskScheduled").await;
        let key = format!("{}/{scheduled}", run.handle.run_id().unwrap());
        assert_eq!(result, json!({ "charge": 7, "key": key }));
        run.until("WES,T,AS,AB,AC,T,WC").await;
        let call = call_of(&run).await;
        assert_eq!(call.activity_type, "shop:payments/cards.charge");
        let input = String::from_utf8(call.arguments[0].data.clone()).unwrap();
        assert_eq!(
            input,
            "{\"id\":\"good\",\"items\":[{\"sku\":\"a\",\"price\":3},\
             {\"sku\":\"b\",\"price\":4}],\"note\":null}"
        );
    })
    .await;
}

/// With component-model async: `charge: async func(..)`.
#[tokio::test]
async fn functions_are_awaited_at_once_and_canceled_when_they_are_given_up() {
    each_way(served(), "scenarios-async", async |w| {
        let run = w.start("two-orders").await;
        assert_eq!(run.result().await, "\"7, no funds\"");
        assert!(run.history().await.starts_with("WES,T,AS,AS"));
        let call = call_of(&run).await;
        assert_eq!(call.activity_type, "shop:payments/cards.charge");
        let input = String::from_utf8(call.arguments[0].data.clone()).unwrap();
        let items = "[{\"sku\":\"a\",\"price\":7}]";
        assert_eq!(
            input,
            format!("{{\"id\":\"good\",\"items\":{items},\"note\":null}}")
        );
    })
    .await;
    let w = served().build().await;
    w.load("scenarios-async").await;
    let run = w.start("hasty-order").await;
    run.until("WES,T,AS,TS").await;
    w.advance(1000);
    let asked = async || run.history().await.contains("ACR");
    w.advance_until(asked).await;
    w.advance_until(async || run.handle.describe().await.unwrap().status.name() != "running")
        .await;
    assert_eq!(run.result().await, "\"given up\"");
    w.replay_all().await;
}

/// The same with a function that awaits: `export buy: async func(..)`, beside `async-guest`.
#[tokio::test]
async fn an_async_function_is_a_workflow_with_types_of_its_own() {
    each_way(served(), "scenarios-async", async |w| {
        let run = start(w, "buy", order("good")).await;
        run.until("WES,T,TS").await;
        w.advance(1000);
        let result: Value = serde_json::from_str(&run.result().await).unwrap();
        assert_eq!(result["charge"], json!(7));
        run.until("WES,T,TS,TF,T,AS,AB,AC,T,WC").await;

        let run = start(w, "buy", order("poor")).await;
        run.until("WES,T,TS").await;
        w.advance(1000);
        assert_eq!(failure(&run).await.0, "declined");

        let run = start(w, "buy", order("good")).await;
        run.until("WES,T,TS").await;
        run.cancel().await;
        assert_eq!(run.closed().await.name(), "canceled");

        let none = StartOptions::new("buy", "none").json("{\"id\":1}");
        let Err(StartError::Invalid { reason }) = w.host.start(none).await else {
            panic!("it was started");
        };
        let expected = "the input of buy: order.id: expected string, found 1";
        assert_eq!(reason, expected);
    })
    .await;
}

/// A component that exports these functions by themselves, each `async` or not; they return 7.
fn answers(functions: &[(&str, &str)]) -> Vec<u8> {
    let exports = functions.iter().map(|(name, is_async)| {
        format!(
            r#"(type ${name} (func {is_async} (result u32)))
            (func $f-{name} (type ${name}) (canon lift (core func $i "f")))
            (export "{name}" (func $f-{name}))"#
        )
    });
    let text = format!(
        r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 7)))
        (core instance $i (instantiate $m))
        {})"#,
        exports.collect::<String>()
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn functions_alone_are_workflows() {
    for function in ["", "async"] {
        let w = WorldBuilder::default().build().await;
        let answers = answers(&[("answer", function)]);
        w.host.load_component(answers).await.unwrap();
        let run = w.start("answer").await;
        assert_eq!(run.result().await, "7", "{function}");
        w.replay_all().await;
    }
    let w = WorldBuilder::default().build().await;
    let mixed = answers(&[("awaits", "async"), ("waits", "")]);
    let refused = w.host.load_component(mixed).await.unwrap_err().to_string();
    let expected = "waits: func() -> u32: the other workflows of the component are `async`";
    assert!(refused.contains(expected), "{refused}");
}

#[tokio::test]
async fn its_history_is_that_of_the_untyped_call() {
    let mut histories = Vec::new();
    for workflow_type in ["run-order", "untyped"] {
        let w = served().build().await;
        w.load("typed").await;
        // As the typed call writes it.
        let mut input = order("good");
        input["note"] = Value::Null;
        start(&w, workflow_type, input).await.closed().await;
        let text = told(&w, Mode::Full).await.replace(workflow_type, "TYPE");
        // The error that the function declares, which the untyped call does not know.
        let declared = "\"non_retryable_types\":[\"declined\",\"timeout\",\"other\"]";
        assert_eq!(text.contains(declared), workflow_type == "run-order");
        histories.push(text.replace(declared, "\"non_retryable_types\":[]"));
    }
    let inputs = histories.iter().map(|history| {
        let history = history.replace("\\\"", "'");
        history
            .lines()
            .filter(|line| !line.contains("'id'"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    let inputs: Vec<String> = inputs.collect();
    assert_eq!(inputs[0], inputs[1]);
}

/// Plays an order to its end, moving the clock where nothing else can end it; how many attempts
/// there were, and the type of the failure, if it failed.
async fn played(w: &World, workflow_type: &str, id: &str) -> (u32, String) {
    let run = start(w, workflow_type, order(id)).await;
    let patience = Patience::default();
    loop {
        let described = run.handle.describe().await.unwrap();
        let activity = described.activities.first();
        match activity.map(|one| one.started_at.is_some()) {
            _ if described.status.name() != "running" => break,
            Some(runs) if !runs || id == "slow" => w.advance(200),
            _ => patience.paused("its attempt does not end").await,
        }
        w.host.idle().await;
    }
    let EventAttributes::ActivityTaskStarted { attempt, .. } =
        run.attributes("ActivityTaskStarted").await
    else {
        panic!("not an attempt");
    };
    match run.closed().await {
        Status::Completed { .. } => (attempt, String::new()),
        _ => (attempt, failure(&run).await.0),
    }
}

#[tokio::test]
async fn attempts_are_made_again_and_what_is_declared_is_an_answer() {
    let w = served().build().await;
    w.load("typed").await;
    for (id, attempts, end) in [
        ("good", 1, ""),
        ("flaky", 3, ""),
        ("poor", 1, "declined"),
        ("broken", 3, "other"),
    ] {
        let found = played(&w, "run-order", id).await;
        assert_eq!(found, (attempts, end.into()), "{id}");
    }
    w.replay_all().await;
    // Each task begins with a replay. Time-outs are not continued from prefixes.
    let w = served().evict().build().await;
    w.load("typed").await;
    let slow = played(&w, "run-order", "slow").await;
    assert_eq!(slow, (3, "timeout".into()));
    assert!(w.host.stats().replays > 0);
}

#[tokio::test]
async fn it_is_canceled_with_its_scope() {
    each_way(WorldBuilder::default(), "typed", async |w| {
        let run = w.start("works").await;
        run.until("WES,T,AS").await;
        w.probe.started("work", 1).await;
        run.cancel().await;
        // Its `string` cannot carry a cancellation: the run ends by it.
        run.until(scenario("A08")).await;
    })
    .await;
    let w = served().build().await;
    w.load("typed").await;
    let run = start(&w, "hasty-order", order("slow")).await;
    run.until("WES,T,TS,AS").await;
    w.advance(1000);
    // Nobody has asked the run to end: it has failed.
    let (_, words) = failure(&run).await;
    assert!(words.contains("canceled"), "{words}");
    let run = start(&w, "undone-order", order("slow")).await;
    run.until("WES,T,AS").await;
    run.cancel().await;
    assert_eq!(failure(&run).await.0, "error");
    let history = run.history().await;
    assert_eq!(history.matches("AS").count(), 2, "{history}");
    w.replay_all().await;
}

#[tokio::test]
async fn a_function_that_cannot_say_why_ends_the_run() {
    let w = served().build().await;
    w.load("typed").await;
    assert_eq!(w.start("balances").await.result().await, "7");
    each_way(WorldBuilder::default(), "typed", async |w| {
        let run = w.start("balances").await;
        let (name, words) = failure(&run).await;
        assert_eq!(name, "Activity");
        let expected = "activity shop:payments/cards.balance failed: NoBank: there is no bank";
        assert_eq!(words, expected);
        run.until("WES,T,AS,AB,AF,T,WF").await;
    })
    .await;
}

#[tokio::test]
async fn every_type_goes_through_a_component_and_back() {
    let input = json!({
        "yes": true,
        "s8": -128, "u8": 255, "s16": -32768, "u16": 65535,
        "s32": -2_147_483_648_i64, "u32": 4_294_967_295_u32,
        "s64": "-9223372036854775808", "u64": "18446744073709551615",
        "f32": 0.1, "f64": "-Infinity",
        "letter": "\u{1f600}", "text": "a\u{0}\"\n", "raw": "3q2+7w==",
        "numbers": [1, -2, "9007199254740993"],
        "smalls": [
            { "a": 1, "b": null }, { "a": 2, "b": { "some": null } },
            { "a": 3, "b": { "some": -3 } },
        ],
        "pair": ["x", 7],
        "shape": { "box": [1, 2] },
        "shapes": ["dot", { "circle": 1.5 }],
        "color": "green",
        "rights": ["read", "run"],
        "maybe": 3,
        "maybe-maybe": { "some": null },
        "ended": { "err": "no" },
        "empty": { "ok": null },
    });
    each_way(WorldBuilder::default(), "typed", async |w| {
        let run = start(w, "mirrored", input.clone()).await;
        let result: Value = serde_json::from_str(&run.result().await).unwrap();
        assert_eq!(result, input);
    })
    .await;
}

#[tokio::test]
async fn input_that_does_not_fit_is_refused_or_fails_the_run() {
    let w = served().build().await;
    w.load("typed").await;
    let wrong = json!({ "id": "x", "items": [{ "sku": "a", "price": "much" }] });
    let options = StartOptions::new("run-order", "wrong").json(wrong.to_string());
    let Err(StartError::Invalid { reason }) = w.host.start(options).await else {
        panic!("it was started");
    };
    let expected = "the input of run-order: order.items[0].price: expected u32, found \"much\"";
    assert_eq!(reason, expected);
    let none = w.host.start(StartOptions::new("run-order", "none")).await;
    let Err(StartError::Invalid { reason }) = none else {
        panic!("it was started");
    };
    assert_eq!(
        reason,
        "the input of run-order: arguments: expected 1 (order), found 0"
    );

    let run = w.start("parent").await;
    let (_, words) = failure(&run).await;
    let expected = "TypeMismatch: the input of run-order: order.id: expected string, found 1";
    assert!(words.ends_with(expected), "{words}");
    w.replay_all().await;
}

/// An activity component that has a function of the interface in another way.
fn other_balance() -> Vec<u8> {
    let text = r#"(component
        (core module $m (func (export "f") (result i64) (i64.const 1)))
        (core instance $i (instantiate $m))
        (func $f (result u64) (canon lift (core func $i "f")))
        (instance $cards (export "balance" (func $f)))
        (export "shop:payments/cards@1.0.0" (instance $cards)))"#;
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn both_sides_must_have_the_same_types() {
    let folder = tempfile::tempdir().unwrap();
    let guest = component("tests/guests/typed", "guest-typed.wasm");
    for workflow_first in [true, false] {
        let builder = Host::builder().compile_cache(compiled());
        let store = folder.path().join(format!("{workflow_first}"));
        let host = builder.store(store).build().await.unwrap();
        let refused = if workflow_first {
            host.load_component(guest.clone()).await.unwrap();
            let activities = host.load_activities(other_balance(), Grants::default());
            activities.await.unwrap_err()
        } else {
            let activities = host.load_activities(other_balance(), Grants::default());
            assert_eq!(activities.await.unwrap(), ["shop:payments/cards.balance"]);
            host.load_component(guest.clone()).await.unwrap_err()
        };
        let text = refused.to_string();
        for part in [
            "the two sides of shop:payments/cards.balance differ",
            "imports\n    func() -> u32",
            "exports\n    func() -> u64",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}

/// Also where the host was started again, and has not loaded the workflows yet.
#[tokio::test]
async fn what_was_pushed_before_a_restart_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let guest = component("tests/guests/typed", "guest-typed.wasm");
    let open = || {
        let builder = Host::builder().compile_cache(compiled());
        builder.store(folder.path().join("store.db"))
    };
    let host = open().build().await.unwrap();
    host.push_component(guest, vec!["q".into()]).await.unwrap();
    host.shutdown().await.unwrap();
    let activities = (other_balance(), Grants::default());
    let refused = open().activity_component(activities.0.clone(), activities.1.clone());
    let refused = refused.build().await.err().unwrap().to_string();
    assert!(refused.contains("cards.balance differ"), "{refused}");
    let host = open().build().await.unwrap();
    let refused = host.load_activities(activities.0, activities.1).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("cards.balance differ"), "{refused}");
}

/// A trait in Rust, for workflows that are called for each event.
#[tokio::test]
async fn a_trait_calls_the_same_activities() {
    let calls = RefCell::new(Vec::new());
    for (guest, workflow_type) in [("typed", "run-order"), ("scenarios", "ordered")] {
        each_way(served(), guest, async |w| {
            let run = start(w, workflow_type, order("good")).await;
            let result: Value = serde_json::from_str(&run.result().await).unwrap();
            assert_eq!(result["charge"], 7);
            run.until("WES,T,AS,AB,AC,T,WC").await;
            let call = call_of(&run).await;
            calls.borrow_mut().push(call);
        })
        .await;
    }
    let mut calls: Vec<_> = calls.into_inner();
    calls.dedup();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let w = served().build().await;
    w.load("scenarios").await;
    for (id, attempts, end) in [("poor", 1, "declined"), ("flaky", 3, "")] {
        let found = played(&w, "ordered", id).await;
        assert_eq!(found, (attempts, end.into()), "{id}");
    }
    w.replay_all().await;
}

#[tokio::test]
async fn the_manifest_says_how_activities_are_run() {
    let w = served().build().await;
    w.load("typed").await;
    let run = start(&w, "run-order", order("good")).await;
    run.result().await;
    let call = call_of(&run).await;
    let retry = call.retry.unwrap();
    assert_eq!(call.start_to_close, Some(Millis::from_secs(5)));
    assert_eq!((retry.maximum_attempts, call.heartbeat), (3, None));
    assert_eq!(retry.non_retryable_types, ["declined", "timeout", "other"]);
    assert_eq!(
        call.cancellation,
        CancellationType::WaitCancellationCompleted
    );

    let run = w.start("works").await;
    run.until("WES,T,AS").await;
    let call = call_of(&run).await;
    assert_eq!(call.start_to_close, Some(Millis::from_secs(30)));
    assert_eq!(call.heartbeat, Some(Millis::from_secs(2)));
    assert_eq!(call.retry.unwrap().non_retryable_types, ["error"]);
    w.probe.started("work", 1).await;
    w.probe.finish();
    let ended = async || run.handle.describe().await.unwrap().status.name() != "running";
    w.advance_until(ended).await;
    assert_eq!(run.result().await, "7");
}

/// What `sandglass build` says to a project with this table of activities.
fn built_with(activities: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!("[project]\nname = \"x\"\nlanguage = \"c\"\n{activities}");
    fs::write(folder.path().join("sandglass.toml"), manifest).unwrap();
    let built = sandglass()
        .arg("build")
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(built.status.code(), Some(2));
    String::from_utf8(built.stderr).unwrap()
}

#[test]
fn a_wrong_key_is_refused_with_what_is_allowed() {
    let said = built_with("[activities.default]\nstart-to-clse = \"5s\"\n");
    for part in [
        "sandglass.toml",
        "`start-to-clse`",
        "`start-to-close`",
        "`schedule-to-close`",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let said = built_with("[activities.\"a:b/c\"]\nheartbeat = \"5 minutes\"\n");
    for part in [
        "sandglass.toml",
        "heartbeat",
        "expected one of the units ms, s, m, h, d",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let said = built_with("[activities.\"a:b/c\"]\ncancellation = \"no\"\n");
    assert!(said.contains("`try-cancel`"), "{said}");
}
