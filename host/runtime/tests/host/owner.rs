//! One owner per store, and how other processes reach its runs.

use super::support::*;
use sandglass::{
    ActivityOp, CancelOptions, Disposition, Error, MessageError, QueryOptions, TerminateOptions,
    engine::*, offline, remote::Client, store,
};
use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

fn sleeper() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn a_second_host_is_refused_and_told_who_owns_the_store() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let error = world.host(&sleeper()).build().await.err().unwrap();
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(host);
    world.host(&sleeper()).build().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_answered_by_the_owners_commit() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = start(&host).await;
    let socket = store::socket_path(&store::resolve(&world.db).unwrap()).unwrap();
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let db = world.db.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&db).unwrap().unwrap();
        assert_eq!(client.owner().unwrap().pid, std::process::id());
        let described = client.describe("w", None).unwrap();
        assert_eq!(described.status, Status::Running);
        let unknown = client.cancel("nobody", None, CancelOptions::default());
        assert!(matches!(unknown, Err(Error::NotFound { .. })));
        let response = client
            .cancel("w", None, CancelOptions::reason("r"))
            .unwrap();
        assert_eq!(response.disposition, Disposition::Recorded);
        let status = client.result("w", None).unwrap();
        assert!(matches!(status, Status::Canceled { .. }));
        let late = client.terminate("w", None, TerminateOptions::new("t", "op"));
        assert!(matches!(late, Err(Error::Closed { .. })));
    });
    asked.await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,WX");
    host.shutdown().await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn without_an_owner_an_input_waits_in_the_store() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    start(&host).await;
    let owned = offline::cancel(&world.db, "w", None, CancelOptions::default());
    assert!(matches!(owned, Err(Error::Store(_))), "{owned:?}");
    host.shutdown().await.unwrap();
    assert!(Client::connect(&world.db).unwrap().is_none());
    let cancel = || offline::cancel(&world.db, "w", None, CancelOptions::reason("r")).unwrap();
    assert_eq!(cancel().disposition, Disposition::Recorded);
    assert_eq!(cancel().disposition, Disposition::AlreadyRequested);
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = host.run("w", None);
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
    assert_eq!(shape_of(&run).await, "WES,T,TS,CR,T,TC,WX");
    host.shutdown().await.unwrap();
    assert!(matches!(
        cancel().disposition,
        Disposition::AlreadyClosed(_)
    ));
    let unknown = offline::terminate(&world.db, "nobody", None, TerminateOptions::new("t", "op"));
    assert!(matches!(unknown, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_run_is_terminated_without_an_owner() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    start(&host).await;
    host.shutdown().await.unwrap();
    offline::terminate(&world.db, "w", None, TerminateOptions::new("t", "op")).unwrap();
    let host = world.host(&sleeper()).build().await.unwrap();
    let run = host.run("w", None);
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Terminated { .. }
    ));
    world.advance(&host, 3_600_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,WK");
}

#[tokio::test]
async fn what_is_too_large_is_refused_without_an_owner_too() {
    let world = World::new();
    let host = world.host(&sleeper()).build().await.unwrap();
    start(&host).await;
    host.shutdown().await.unwrap();
    let large = || Payload::json(format!("\"{}\"", "x".repeat(3 << 20)));
    let too_large = |answer: Result<(), Error>| {
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    };
    let signal = Signal {
        name: "s".into(),
        arguments: vec![large()],
        ..Signal::default()
    };
    too_large(offline::signal(&world.db, "w", None, signal));
    let complete = ActivityOp::Complete {
        result: large(),
        identity: "op".into(),
    };
    let first = sandglass::ActivityRef::Id("1".into());
    too_large(offline::activity(&world.db, "w", None, &first, complete).map(drop));
    let options = TerminateOptions {
        details: vec![large()],
        ..TerminateOptions::new("t", "op")
    };
    too_large(offline::terminate(&world.db, "w", None, options));
    let query = QueryOptions {
        arguments: vec![large()],
        ..QueryOptions::new("q")
    };
    let asked = offline::query(&world.db, "w", None, query, None);
    let Err(MessageError::Host(error)) = asked else {
        panic!("{asked:?}");
    };
    too_large(Err(error));
    let host = world.host(&sleeper()).build().await.unwrap();
    assert_eq!(shape_of(&host.run("w", None)).await, "WES,T,TS");
}
