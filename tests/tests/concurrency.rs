//! Futures of other crates inside workflows: `join_all`, `FuturesUnordered`, `select!`, channels. They must
//! work as they are, live and when every workflow task begins with a replay.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::Payload;
use sandglass_tests::{RunUnderTest, World, WorldBuilder};

async fn worlds() -> [World; 2] {
    let settings = WorldBuilder::default();
    let worlds = [
        settings.clone().build().await,
        settings.evict().build().await,
    ];
    for world in &worlds {
        world.load("concurrency").await;
    }
    worlds
}

async fn start(w: &World, workflow_type: &str, argument: &str) -> RunUnderTest {
    w.start_with(workflow_type, |options| options.json(argument))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_activities_are_joined() {
    for w in worlds().await {
        let run = w.start("join_all_1000").await;
        assert_eq!(run.result().await, "499500");
        let activities = run.history().await.matches("AS").count();
        assert_eq!(activities, 1000);
        w.replay_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn futures_unordered_yields_each_once() {
    for w in worlds().await {
        let run = start(&w, "futures_unordered", "40").await;
        assert_eq!(run.result().await, "[40,780]");
        w.replay_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_pass_values_between_tasks() {
    for w in worlds().await {
        assert_eq!(w.start("mpsc_channel").await.result().await, "55");
        let run = w.start("oneshot_channel").await;
        run.until("WES,T,TS").await;
        w.advance(10);
        assert_eq!(run.result().await, "42");
        w.replay_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn select_takes_what_comes_first_and_cancels_the_rest() {
    for w in worlds().await {
        let run = w.start("select_loop").await;
        run.until("WES,T,TS").await;
        run.handle
            .signal_named("add", vec![Payload::json("4")])
            .await
            .unwrap();
        // The timer lost and is canceled; the next round starts a new one.
        run.until("WES,T,TS,SG,T,TC,AS,AB,AC,T,TS").await;
        run.handle
            .signal_named("stop", vec![Payload::null()])
            .await
            .unwrap();
        assert_eq!(run.result().await, "[4,\"stopped\"]");

        let run = w.start("select_loop").await;
        run.until("WES,T,TS").await;
        w.advance(60_000);
        assert_eq!(run.result().await, "[0,\"idle\"]");
        w.replay_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_scopes_end_each_in_its_way() {
    for w in worlds().await {
        let run = w.start("nested_scopes").await;
        loop {
            let history = run.history().await;
            if history.matches("AC").count() == 4 && history.contains("TC") {
                break;
            }
            w.host.idle().await;
        }
        w.advance(50);
        let expected = r#"["canceled: canceled","shielded: 5","limited: timed out","free: 4"]"#;
        assert_eq!(run.result().await, expected);
        w.replay_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_that_of_the_workflow_task() {
    for w in worlds().await {
        let run = w.start("random_and_time").await;
        run.until("WES,T,TS").await;
        w.advance(20);
        let observed: serde_json::Value = serde_json::from_str(&run.result().await).unwrap();
        let times: Vec<u64> = serde_json::from_value(observed["times"].clone()).unwrap();
        assert_eq!(times, [1_000_000, 1_000_020]);
        assert_eq!(observed["order"].as_array().unwrap().len(), 50);
        w.replay_all().await;
    }
}
