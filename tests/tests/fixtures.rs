//! What an earlier host stored is read for ever: its runs are listed, described and shown, and can still be ended.
//!
//! `UPDATE_FIXTURES=1` writes the file anew. That is right only while its format is unreleased. The component is
//! not in it: what a component may import changes for other reasons than the store's format.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass::{Host, ManualClock, store::ListFilter};
use sandglass_engine::{CancelState, Status, Timestamp, shorthand};
use sandglass_tests::{WorldBuilder, repository};
use std::{fs, path::PathBuf, sync::Arc};

/// Workflow ids and their histories.
const RUNS: [(&str, &str); 4] = [
    ("open-timer", "WES,T,TS"),
    ("canceled", "WES,T,TS,CR,T,TC,WX"),
    ("terminated", "WES,T,TS,WK"),
    ("canceling-activity", "WES,T,AS,CR,Ts"),
];

fn fixture() -> PathBuf {
    repository().join("tests/fixtures/host-v1.db")
}

/// Makes the runs and stores them without their component.
async fn write_fixture() {
    let w = WorldBuilder::default().unserved().build().await;
    w.load("scenarios").await;
    for (workflow_id, history) in RUNS {
        let workflow_type = if history.contains("AS") { "a08" } else { "a01" };
        let named = |mut options: sandglass::StartOptions| {
            options.workflow_id = workflow_id.into();
            options
        };
        let run = w.start_with(workflow_type, named).await;
        run.until(if history.contains("AS") {
            "WES,T,AS"
        } else {
            "WES,T,TS"
        })
        .await;
        match workflow_id {
            "canceling-activity" => {
                w.host.pause_workflow_tasks();
                run.cancel().await;
            }
            "canceled" => _ = run.cancel().await,
            "terminated" => run.handle.terminate("t", "op").await.unwrap(),
            _ => {}
        }
        run.until(history).await;
    }
    let folder = w.stop().await;
    let store = folder.path().join("store.db");
    let connection = rusqlite::Connection::open(&store).unwrap();
    let tidy = "DELETE FROM component; PRAGMA journal_mode=DELETE; VACUUM;";
    connection.execute_batch(tidy).unwrap();
    fs::copy(store, fixture()).unwrap();
}

#[tokio::test]
async fn a_store_of_format_1_is_read_for_ever() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        write_fixture().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    fs::copy(fixture(), &store).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(2_000_000)));
    let host = Host::builder()
        .store(&store)
        .clock(clock)
        // Their component is not there: a workflow task would fail and add to a history.
        .start_paused()
        .build()
        .await
        .unwrap();

    let listed = host.list(&ListFilter::default(), 10, None).await.unwrap();
    assert_eq!(listed.len(), RUNS.len());
    for (workflow_id, history) in RUNS {
        let run = host.run(workflow_id, None);
        assert_eq!(
            shorthand(&run.history().await.unwrap()),
            history,
            "{workflow_id}"
        );
    }
    let canceling = host
        .run("canceling-activity", None)
        .describe()
        .await
        .unwrap();
    assert_eq!(canceling.status, Status::Running);
    assert_eq!(canceling.cancel.unwrap().state, CancelState::Requested);
    assert_eq!(canceling.activities[0].activity_type, "Work");
    let sleeping = host.run("open-timer", None).describe().await.unwrap();
    assert_eq!(sleeping.timers.len(), 1);
    let terminated = host.run("terminated", None).result().await.unwrap();
    assert_eq!(
        terminated,
        Status::Terminated {
            reason: "t".into(),
            identity: "op".into()
        }
    );

    host.run("open-timer", None)
        .terminate("enough", "op")
        .await
        .unwrap();
    let ended = host.run("open-timer", None).history().await.unwrap();
    assert_eq!(shorthand(&ended), "WES,T,TS,WK");
}
