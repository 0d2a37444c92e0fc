//! Workflows that wait in their calls, straight ahead in C, and with component-model async: what the
//! scenarios of all languages do not show.

use super::each_way;
use sandglass::store::{Reader as _, SqliteStore};
use sandglass::{MessageError, QueryOptions, UpdateOptions};
use sandglass_engine::{Frame, Payload, decode};
use sandglass_tests::{RunUnderTest, World, WorldBuilder};

/// The guests of the two worlds.
const GUESTS: [&str; 2] = ["scenarios-c", "scenarios-async"];

async fn in_both(scenario: impl AsyncFn(&World)) {
    for guest in GUESTS {
        each_way(WorldBuilder::default(), guest, async |w| scenario(w).await).await;
    }
}

async fn asked(run: &RunUnderTest, name: &str) -> Result<String, MessageError> {
    let answer = run.handle.query(QueryOptions::new(name)).await?;
    Ok(String::from_utf8(answer.data).unwrap())
}

async fn updated(run: &RunUnderTest, id: &str, json: &str) -> String {
    let options = UpdateOptions::new("add").json(json).id(id.to_owned());
    let response = run.handle.update(options).await.unwrap();
    match response.outcome.expect("it was waited for to the end") {
        Ok(value) => String::from_utf8(value.data).unwrap(),
        Err(failure) => failure.type_name(),
    }
}

#[tokio::test]
async fn updates_are_answered_and_queries_told_without_the_code() {
    in_both(async |w| {
        let run = w.start("teller").await;
        run.until("WES,T").await;
        assert_eq!(asked(&run, "sum").await.unwrap(), "0");
        let unknown = asked(&run, "total").await.unwrap_err().to_string();
        assert!(unknown.contains("\"sum\""), "{unknown}");
        for (id, json, answer) in [("1", "3", "3"), ("2", "4", "7"), ("3", "0", "Nothing")] {
            assert_eq!(updated(&run, id, json).await, answer);
        }
        // The same update is answered as it was.
        assert_eq!(updated(&run, "1", "3").await, "3");
        assert_eq!(asked(&run, "sum").await.unwrap(), "7");
        let refused = UpdateOptions::new("subtract").id("4".to_owned());
        let refused = run.handle.update(refused).await.unwrap_err();
        assert!(
            matches!(&refused, MessageError::Failed(failure) if failure.type_name() == "UnknownUpdate"),
            "{refused}"
        );
        assert_eq!(updated(&run, "5", "-1").await, "7");
        assert_eq!(run.result().await, "7");
        assert_eq!(asked(&run, "sum").await.unwrap(), "7");
    })
    .await;
}

#[tokio::test]
async fn signals_are_taken_in_order_and_a_run_goes_on_as_new() {
    in_both(async |w| {
        let first = w.start("collector").await;
        // Whichever run is open.
        let run = w.child(first.handle.workflow_id());
        let note = async |text| {
            let note = vec![Payload::json(format!("\"{text}\""))];
            run.handle.signal_named("note", note).await.unwrap();
        };
        let current = async || run.handle.describe().await.unwrap().run_id;
        let begun = current().await;
        for text in ["one", "two", "three"] {
            note(text).await;
        }
        // The next run of a chain begins a second after the one before.
        w.advance_until(async || current().await != begun).await;
        note("four").await;
        note("end").await;
        let ended = async || run.handle.describe().await.unwrap().status.name() == "completed";
        w.advance_until(ended).await;
        assert_eq!(run.result().await, "4");
        let run = w.start("collector").await;
        run.until("WES,T").await;
        run.cancel().await;
        run.until("WES,T,CR,T,WX").await;
    })
    .await;
}

#[tokio::test]
async fn the_first_of_two_is_told_and_the_other_canceled() {
    in_both(async |w| {
        let run = w.start("races").await;
        run.until("WES,T,AS,TS").await;
        w.advance(1000);
        run.until("WES,T,AS,TS,TF,T,ACR,WC").await;
        assert_eq!(run.result().await, "\"the timer\"");
    })
    .await;
}

/// The wait for a signal is begun, given up and begun again, by dropping its future.
#[tokio::test]
async fn a_wait_that_is_given_up_leaves_nothing() {
    each_way(WorldBuilder::default(), "scenarios-async", async |w| {
        let run = w.start("hesitates").await;
        run.until("WES,T,TS").await;
        w.advance(1000);
        run.until("WES,T,TS,TF,T,TS").await;
        w.advance(1000);
        run.until("WES,T,TS,TF,T,TS,TF,T,TS").await;
        run.handle.signal_named("go", vec![]).await.unwrap();
        assert_eq!(run.result().await, "2");
        w.host.idle().await;
        let reader = SqliteStore::open_read_only(&w.store()).unwrap();
        let row = reader
            .find(run.handle.workflow_id(), None)
            .unwrap()
            .unwrap();
        let frames = reader.frames(row.key).unwrap();
        let frames = frames.iter().map(|bytes| decode::<Frame>(bytes).unwrap());
        let told = format!("{:?}", frames.collect::<Vec<_>>());
        assert_eq!(told.matches("OpenWait").count(), 3);
        assert_eq!(told.matches("CloseWait").count(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_wait_that_nothing_can_end_fails_the_workflow_task() {
    for guest in GUESTS {
        let w = World::new().await;
        w.load(guest).await;
        let run = w.start("greedy").await;
        run.until("WES,T,TS").await;
        w.advance(1000);
        let failure = run.task_failure().await;
        assert!(failure.contains("BadWait: 1 is no operation"), "{failure}");
        run.handle.terminate("seen", "test").await.unwrap();
    }
}
