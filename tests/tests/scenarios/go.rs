//! What only the guest in Go has: package time and contexts, goroutines, handlers of messages, the
//! standard library, and how its bugs show.

use super::each_way;
use sandglass::{MessageError, QueryOptions, UpdateOptions};
use sandglass_engine::Payload;
use sandglass_tests::{RunUnderTest, World, WorldBuilder, repository, toolchain};
use serde_json::{Value, json};
use std::process::Command;

async fn in_go(scenario: impl AsyncFn(&World)) {
    each_way(WorldBuilder::default(), "scenarios-go", scenario).await;
}

async fn result(run: &RunUnderTest) -> Value {
    serde_json::from_str(&run.result().await).unwrap()
}

/// What errors and values become; and both vet the programs.
#[test]
fn the_sdk_does_what_its_own_tests_say() {
    for (folder, arguments) in [
        ("guest-sdk/go", &["test", "./..."][..]),
        ("tests/guests/scenarios-go", &["vet", "."]),
        ("examples/order-saga-go", &["vet", "."]),
    ] {
        let output = Command::new(toolchain("go").join("go"))
            .args(arguments)
            .current_dir(repository().join(folder))
            .envs([
                ("GOPROXY", "off"),
                ("GOTOOLCHAIN", "local"),
                ("CGO_ENABLED", "0"),
            ])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{folder}: {said}");
    }
}

/// What waits for the clock by package time is one timer of the run, due with the first of them.
#[tokio::test]
async fn clocks_of_the_standard_library_are_durable() {
    in_go(async |w| {
        let run = w.start("clocks").await;
        run.until("WES,T,TS").await;
        // 2.5 ms are waited for as 3.
        w.advance(3);
        run.until("WES,T,TS,TF,T,TS").await;
        w.advance(997);
        run.until("WES,T,TS,TF,T,TS,TF,T,TS").await;
        w.advance(2000);
        // The SDK's own timer, and that of an hour.
        run.until("WES,T,TS,TF,T,TS,TF,T,TS,TF,T,TS,TS").await;
        w.advance_until(async || run.handle.describe().await.unwrap().status.name() == "completed")
            .await;
        let told = json!([
            "slept 2.5ms",
            "slept 1s",
            "slept 3s",
            "after 3s",
            "the SDK's timer",
            "deadline true, canceled true",
        ]);
        let all = result(&run).await;
        let all = all.as_array().unwrap();
        assert_eq!(all.len(), 7, "{all:?}");
        assert_eq!(all[..6], *told.as_array().unwrap());
    })
    .await;
}

#[tokio::test]
async fn scopes_that_were_closed_are_forgotten() {
    in_go(async |w| {
        let run = w.start("scopes").await;
        assert_eq!(result(&run).await, json!(true), "{:?}", run.log());
    })
    .await;
}

/// Contexts of the SDK and of the standard library are done when they should be, again and again
/// (R7), and what is shielded goes on.
#[tokio::test]
async fn each_wait_is_told_by_its_context() {
    in_go(async |w| {
        let run = w.start("contexts").await;
        // The timer in the scope that is closed at once was never sent.
        let waits = async || run.history().await.matches("TF").count() == 1;
        w.advance_until(waits).await;
        w.host.idle().await;
        run.cancel().await;
        w.advance_until(async || run.handle.describe().await.unwrap().status.name() == "completed")
            .await;
        let told = [
            "activity",
            "not started",
            "timeout",
            "closed",
            "signal",
            "r1 by 0",
            "again",
            "slept in the shield",
        ];
        assert_eq!(result(&run).await, json!(told));
    })
    .await;
}

async fn asked(
    run: &RunUnderTest,
    name: &str,
    argument: Option<&str>,
) -> Result<String, MessageError> {
    let mut options = QueryOptions::new(name);
    if let Some(json) = argument {
        options = options.json(json);
    }
    let answer = run.handle.query(options).await?;
    Ok(String::from_utf8(answer.data).unwrap())
}

async fn added(run: &RunUnderTest, id: &str, json: &str) -> Result<String, MessageError> {
    let options = UpdateOptions::new("add").json(json).id(id.to_owned());
    let response = run.handle.update(options).await?;
    Ok(
        match response.outcome.expect("it was waited for to the end") {
            Ok(value) => String::from_utf8(value.data).unwrap(),
            Err(failure) => failure.type_name(),
        },
    )
}

#[tokio::test]
async fn queries_and_updates_are_handled_by_the_code() {
    in_go(async |w| {
        let run = w.start_with("cart", |options| options.json("2")).await;
        run.until("WES,T").await;
        assert_eq!(asked(&run, "contents", None).await.unwrap(), "[]");
        let unknown = asked(&run, "sum", None).await.unwrap_err().to_string();
        assert!(unknown.contains("`contents`, `price`"), "{unknown}");
        for (id, name, answer) in [("1", "pen", "1"), ("2", "cup", "2")] {
            let item = json!({ "Name": name, "Price": 3 }).to_string();
            assert_eq!(added(&run, id, &item).await.unwrap(), answer);
        }
        for (id, json, refusal) in [
            ("3", r#"{"Name":"hat"}"#, "Full"),
            ("4", "7", "PayloadDecoding"),
        ] {
            let refused = added(&run, id, json).await.unwrap_err();
            assert!(
                matches!(&refused, MessageError::Failed(failure) if failure.type_name() == refusal),
                "{refused}"
            );
        }
        assert_eq!(asked(&run, "price", Some("\"cup\"")).await.unwrap(), "3");
        let gone = asked(&run, "price", Some("\"hat\""))
            .await
            .unwrap_err()
            .to_string();
        assert!(gone.contains("there is no hat"), "{gone}");
        let pen = vec![Payload::json("\"pen\"")];
        run.handle.signal_named("remove", pen).await.unwrap();
        run.handle.signal_named("checkout", vec![]).await.unwrap();
        assert_eq!(result(&run).await, json!([{ "Name": "cup", "Price": 3 }]));
        assert!(asked(&run, "contents", None).await.unwrap().contains("cup"));
    })
    .await;
}

#[tokio::test]
async fn signals_are_a_channel_and_a_run_goes_on_as_new() {
    in_go(async |w| {
        let first = w.start_with("collector", |options| options.json("0")).await;
        // Whichever run is open.
        let run = w.child(first.handle.workflow_id());
        for text in ["one", "two", "three", "four", "end"] {
            let note = vec![Payload::json(format!("\"{text}\""))];
            run.handle.signal_named("note", note).await.unwrap();
        }
        // The next run of a chain begins a second after the one before.
        let ended = async || run.handle.describe().await.unwrap().status.name() == "completed";
        w.advance_until(ended).await;
        assert_eq!(run.result().await, "4");
    })
    .await;
}

#[tokio::test]
async fn the_standard_library_works_as_it_is() {
    in_go(async |w| {
        let run = w.start("libraries").await;
        let told = "\"<e><d><c><b><a> most 2 10.0.0.2 baa true\"";
        assert_eq!(run.result().await, told);
    })
    .await;
}

#[tokio::test]
async fn a_panic_fails_the_workflow_task_and_says_where() {
    let w = World::new().await;
    w.load("scenarios-go").await;
    let run = w.start("panics").await;
    let failure = run.task_failure().await;
    for told in ["nil pointer dereference", "main.panics", "Exit"] {
        assert!(failure.contains(told), "{told}: {failure}");
    }
    run.handle.terminate("seen", "test").await.unwrap();
}
