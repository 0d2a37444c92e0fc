//! What only the guest in Python has: asyncio's own waits, and a package of PyPI.

use super::each_way;
use sandglass_tests::WorldBuilder;

/// Level-triggered as everywhere (R7), also where the host knows nothing of the wait (R8); what is
/// shielded goes on, and a task group waits for it.
#[tokio::test]
async fn each_wait_of_asyncio_is_told_of_a_cancellation() {
    each_way(WorldBuilder::default(), "scenarios-python", async |w| {
        let run = w.start("waits").await;
        run.until("WES,T").await;
        run.cancel().await;
        run.until("WES,T,CR,T,TS").await;
        w.advance(1000);
        run.until("WES,T,CR,T,TS,TF,T,TS").await;
        // Then it cleans up: each step has a time that ends.
        w.advance(1000);
        run.until("WES,T,CR,T,TS,TF,T,TS,TF,T,TS").await;
        w.advance(1000);
        run.until("WES,T,CR,T,TS,TF,T,TS,TF,T,TS,TF,T,WC").await;
        let told = [
            r#"["event","again","queue","shielded","child","group","signal","timeout","#,
            r#""cleanup timeout","cleanup of a failure","helper"]"#,
        ];
        assert_eq!(run.result().await, told.concat());
    })
    .await;
}

/// A generator that a module makes when it is imported is seeded by each run.
#[tokio::test]
async fn what_was_drawn_while_it_was_built_reaches_no_run() {
    let world = WorldBuilder::default().build().await;
    world.load("scenarios-python").await;
    let first = world.start("draws").await.result().await;
    let second = world.start("draws").await.result().await;
    let numbers = |text: &str| -> Vec<f64> { serde_json::from_str(text).unwrap() };
    let (first, second) = (numbers(&first), numbers(&second));
    let differ = first.iter().zip(&second).all(|(one, other)| one != other);
    assert!(first.len() == 2 && differ, "{first:?} {second:?}");
    world.replay_all().await;
}

#[tokio::test]
async fn a_package_of_pypi_works_as_it_is() {
    each_way(WorldBuilder::default(), "scenarios-python", async |w| {
        let run = w.start("libraries").await;
        let result = run.result().await;
        let sorted = r#""counts":{"a":4,"b":3,"c":2,"d":1,"e":0},"first":["a",4]"#;
        let expected = format!(r#"{{"kept":["e","d","c","b","a"],"most":2,{sorted}}}"#);
        assert_eq!(result, expected);
    })
    .await;
}
