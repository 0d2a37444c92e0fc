//! Which component new runs of a workflow type begin with.

use sandglass::store::{Reader as _, SqliteStore};
use sandglass::{
    Host, QueryOptions, RunHandle, StartError, StartOptions, UpgradeOptions, UpgradeOutcome,
};
use sandglass_engine::{Digest, Limits};
use sandglass_tests::{compiled, component};
use std::path::Path;

/// A guest that has the workflow type `a20`.
fn guest(name: &str) -> Vec<u8> {
    component(
        &format!("tests/guests/{name}"),
        &format!("guest-{name}.wasm"),
    )
}

async fn host(db: &Path) -> Host {
    let builder = Host::builder()
        .store(db)
        .compile_cache(compiled())
        .limits(Limits::temporal());
    builder.build().await.unwrap()
}

async fn start(host: &Host, id: &str) -> RunHandle {
    let run = host.start(StartOptions::new("a20", id)).await.unwrap();
    host.idle().await;
    run
}

async fn digest_of(run: &RunHandle) -> Digest {
    run.describe().await.unwrap().digest
}

#[tokio::test]
async fn a_component_that_is_only_tried_takes_no_runs() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("db");
    let host = host(&db).await;
    let old = host.load_component(guest("scenarios")).await.unwrap();
    let run = start(&host, "w").await;
    let options = UpgradeOptions {
        dry_run: true,
        ..UpgradeOptions::default()
    };
    let fixed = guest("scenarios-fixed");
    let tried = host.upgrade_runs_to(fixed.clone(), options).await.unwrap();
    assert_eq!(tried.runs[0].outcome, UpgradeOutcome::Fits);
    assert_eq!(digest_of(&start(&host, "x").await).await, old);
    let kept = SqliteStore::open_read_only(&db).unwrap().components();
    assert_eq!(kept.unwrap().len(), 1, "it is not in the store");

    let moved = host.upgrade_runs_to(fixed, UpgradeOptions::default());
    let new = moved.await.unwrap().digest;
    assert_eq!(digest_of(&run).await, new);
    assert_eq!(digest_of(&start(&host, "y").await).await, new);
    let kept = SqliteStore::open_read_only(&db).unwrap().components();
    assert_eq!(kept.unwrap().len(), 2);
}

#[tokio::test]
async fn of_several_components_of_old_runs_none_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("db");
    let first = host(&db).await;
    for (id, name) in [("v1", "scenarios"), ("v2", "scenarios-fixed")] {
        first.load_component(guest(name)).await.unwrap();
        start(&first, id).await;
    }
    first.shutdown().await.unwrap();

    let host = host(&db).await;
    let run = host.run("v1", None);
    run.signal_named("wake", vec![]).await.unwrap();
    host.idle().await;
    let only = digest_of(&run).await;
    assert_eq!(digest_of(&start(&host, "x").await).await, only);
    host.run("v2", None)
        .signal_named("wake", vec![])
        .await
        .unwrap();
    host.idle().await;
    let options = StartOptions::new("a20", "y");
    let refused = host.start(options.clone()).await.err().unwrap();
    assert!(matches!(refused, StartError::Invalid { .. }), "{refused}");
    let named = StartOptions {
        component: Some(only),
        ..options
    };
    host.start(named).await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_not_those_that_were_stored_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("db");
    let first = host(&db).await;
    first.load_component(guest("scenarios")).await.unwrap();
    start(&first, "w").await;
    first.shutdown().await.unwrap();
    let store = rusqlite::Connection::open(&db).unwrap();
    let other = guest("scenarios-fixed");
    store
        .execute("UPDATE component SET bytes = ?1", [other])
        .unwrap();
    drop(store);
    let asked = async |host: Host| {
        let answer = host.run("w", None).query(QueryOptions::new("none")).await;
        host.shutdown().await.unwrap();
        answer.unwrap_err().to_string()
    };
    // What was compiled is that of the digest: the bytes are not read.
    let answer = asked(host(&db).await).await;
    assert!(answer.contains("UnknownQuery"), "{answer}");
    let without = Host::builder().store(&db).limits(Limits::temporal());
    let answer = asked(without.build().await.unwrap()).await;
    assert!(answer.contains("are damaged"), "{answer}");
}
