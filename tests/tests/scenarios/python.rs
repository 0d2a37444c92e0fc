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
        run.until("WES,T,CR,T,TS,TF,T,WC").await;
        let told = r#"["event","again","queue","shielded","child","group","signal","timeout"]"#;
        assert_eq!(run.result().await, told);
    })
    .await;
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
