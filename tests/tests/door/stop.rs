//! A server that is asked to end while calls are at work: they are answered, whoever comes meanwhile
//! is told, and then it ends in order.

use super::{
    returns::waits,
    wire::{Begun, Wire, field, framed, start},
    workers::poll,
};
use sandglass_tests::{Patience, Server, sandglass};
use std::{
    fs::{self, File},
    process::{Command, ExitStatus, Stdio},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const UNAVAILABLE: Option<u32> = Some(14);
const STOPPING: &str = "the server is stopping";

/// The status and the body of an answer on a connection of its own; nothing if there is none.
async fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    Some((status, text))
}

/// A server whose log is kept.
fn logged() -> Server {
    let dir = TempDir::new().unwrap();
    let log = File::create(dir.path().join("log")).unwrap();
    let config = sandglass_tests::with_scenarios(&["scenarios"], &dir);
    let config = format!("store = \"store.db\"\n{config}");
    fs::write(dir.path().join("sandglass.toml"), config).unwrap();
    let mut program = sandglass();
    program.stderr(Stdio::from(log));
    Server::spawn_by(program, dir, "127.0.0.1:0")
}

fn terminate(server: &Server) {
    let pid = server.process.id().to_string();
    let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(asked.success());
}

async fn ended(server: &mut Server) -> ExitStatus {
    let patience = Patience::default();
    loop {
        if let Some(status) = server.process.try_wait().unwrap() {
            return status;
        }
        patience.paused("the server does not end").await;
    }
}

/// The two parts of a start of which the second is long in coming. The server has seen the first.
async fn slow_start(wire: &Wire, workflow_id: &str) -> (Begun, Vec<u8>) {
    let message = framed(&start("a01", workflow_id));
    let (part, rest) = message.split_at(message.len() / 2);
    let begun = wire.begin("StartWorkflowExecution", part).await;
    // What comes after it on the same connection is answered before.
    for _ in 0..20 {
        assert_eq!(wire.call("GetSystemInfo", b"").await.status, Some(0));
    }
    (begun, rest.to_vec())
}

#[tokio::test]
async fn what_is_at_work_is_answered_and_others_are_told() {
    let mut server = logged();
    let wire = Wire::connect(&server.address).await;
    let queue = field(2, &field(1, b"scenarios"));
    let (polling, poll) = (wire.clone(), poll("worker"));
    let polled = tokio::spawn(async move { polling.call("PollActivityTaskQueue", &poll).await });
    // Its pollers of activities.
    let described = [field(1, b"default"), queue, vec![3 << 3, 2]].concat();
    let patience = Patience::default();
    loop {
        let answer = wire.call("DescribeTaskQueue", &described).await;
        if answer.bytes.windows(6).any(|bytes| bytes == b"worker") {
            break;
        }
        patience.paused("nobody polls").await;
    }
    // One that waits over HTTP, for the end of a run.
    wire.serves("open").await;
    let history = "/api/v1/namespaces/default/workflows/open/history?waitNewEvent=true\
                   &historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT";
    let http = server.http.clone();
    let waited = tokio::spawn(async move { get(&http, history).await });
    let (slow, rest) = slow_start(&wire, "slow").await;
    assert_eq!(get(&server.http, "/readyz").await.unwrap().0, 200);

    terminate(&server);
    let patience = Patience::default();
    loop {
        let (ready, text) = get(&server.http, "/readyz")
            .await
            .expect("it still listens");
        if ready == 503 {
            assert!(text.contains(STOPPING), "{text}");
            break;
        }
        patience.paused("it is still ready").await;
    }
    // What waited is told that there is nothing.
    let polled = polled.await.unwrap();
    assert_eq!(
        (polled.status, polled.bytes.len()),
        (Some(0), 0),
        "{polled:?}"
    );
    let (status, text) = waited.await.unwrap().expect("an answer");
    assert!(status == 200 && text.contains("nextPageToken"), "{text}");
    // It lives; it begins nothing, on old connections and on new ones.
    assert_eq!(get(&server.http, "/healthz").await.unwrap().0, 200);
    let (status, text) = get(&server.http, "/api/v1/namespaces").await.unwrap();
    assert!(status == 503 && text.contains(STOPPING), "{text}");
    for wire in [wire.clone(), Wire::connect(&server.address).await] {
        let refused = wire.call("GetSystemInfo", b"").await;
        let found = (refused.status, refused.message.as_str());
        assert_eq!(found, (UNAVAILABLE, STOPPING));
        let health = wire.raw("/grpc.health.v1.Health/Check", &[], framed(b""), true);
        // NOT_SERVING
        assert_eq!(health.await.unwrap().bytes, [1 << 3, 2]);
    }
    assert!(
        server.process.try_wait().unwrap().is_none(),
        "it waits for nobody"
    );
    let started = slow.finish(&rest).await;
    assert_eq!(started.status, Some(0), "{started:?}");
    assert!(ended(&mut server).await.success());
    let log = fs::read_to_string(server.dir.path().join("log")).unwrap();
    assert!(
        log.contains("stopping") && !log.contains("did not end"),
        "{log}"
    );
    // What was answered is there.
    let dir = std::mem::replace(&mut server.dir, TempDir::new().unwrap());
    let server = Server::spawn(dir, "127.0.0.1:0");
    let wire = Wire::connect(&server.address).await;
    let run = [field(1, b"default"), field(2, &field(1, b"slow"))].concat();
    let described = wire.call("DescribeWorkflowExecution", &run).await;
    assert_eq!(described.status, Some(0), "{described:?}");
    server.end().await;
}

/// What does not come to an end is given up, and said.
#[tokio::test]
async fn who_never_ends_keeps_no_server_from_ending() {
    let mut server = logged();
    let wire = Wire::connect(&server.address).await;
    let (_never, _rest) = slow_start(&wire, "never").await;
    terminate(&server);
    assert!(ended(&mut server).await.success());
    let log = fs::read_to_string(server.dir.path().join("log")).unwrap();
    assert!(
        log.contains("some calls did not end and were given up"),
        "{log}"
    );
}

/// The command waits for a server that is started again, also where the old one still listens.
#[tokio::test]
async fn a_command_outlives_a_server_that_stops() {
    let mut server = logged();
    let wire = Wire::connect(&server.address).await;
    let (slow, rest) = slow_start(&wire, "slow").await;
    terminate(&server);
    let patience = Patience::default();
    while Wire::connect(&server.address)
        .await
        .call("GetSystemInfo", b"")
        .await
        .status
        == Some(0)
    {
        patience.paused("it begins new calls").await;
    }
    let mut command = sandglass();
    command.args(["workflow", "count", "--address", &server.address]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let counting = command.spawn().unwrap();
    assert_eq!(slow.finish(&rest).await.status, Some(0));
    assert!(ended(&mut server).await.success());
    let dir = std::mem::replace(&mut server.dir, TempDir::new().unwrap());
    let server = Server::spawn(dir, &server.address.clone());
    let counted = tokio::task::spawn_blocking(|| counting.wait_with_output());
    let counted = counted.await.unwrap().unwrap();
    assert_eq!(counted.stdout, b"1\n", "{counted:?}");
    server.end().await;
}

/// Whoever waits for an update keeps no server from ending, and is answered by the next one.
#[tokio::test]
async fn who_waits_for_an_update_outlives_a_server_that_stops() {
    let mut server = logged();
    let wire = Wire::connect(&server.address).await;
    let started = wire
        .call("StartWorkflowExecution", &start("holder", "w"))
        .await;
    assert_eq!(started.status, Some(0), "{started:?}");
    let run = field(2, &field(1, b"w"));
    let update = [field(1, &field(1, b"u")), field(2, &field(2, b"upd"))].concat();
    // Accepted.
    let asked = [run.clone(), field(4, &[1 << 3, 2]), field(5, &update)].concat();
    let asked = [field(1, b"default"), asked].concat();
    let accepted = wire.call("UpdateWorkflowExecution", &asked).await;
    assert_eq!(accepted.status, Some(0), "{accepted:?}");
    let waiting = ["result", "execute"].map(|verb| {
        let mut command = sandglass();
        command.args(["workflow", "update", verb, "--workflow-id", "w"]);
        command.args(["--update-id", "u", "--timeout", "50s"]);
        command.args((verb == "execute").then_some("--name=upd"));
        command.args(["--output", "json", "--address", &server.address]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for command in &waiting {
        waits(command, &server).await;
    }
    terminate(&server);
    assert!(ended(&mut server).await.success());
    let log = fs::read_to_string(server.dir.path().join("log")).unwrap();
    assert!(!log.contains("warning"), "{log}");
    let dir = std::mem::replace(&mut server.dir, TempDir::new().unwrap());
    let server = Server::spawn(dir, &server.address.clone());
    for command in &waiting {
        waits(command, &server).await;
    }
    // The update ends with its run.
    let wire = Wire::connect(&server.address).await;
    let canceled = [field(1, b"default"), run].concat();
    let canceled = wire.call("RequestCancelWorkflowExecution", &canceled).await;
    assert_eq!(canceled.status, Some(0), "{canceled:?}");
    for command in waiting {
        let answered = tokio::task::spawn_blocking(|| command.wait_with_output());
        let answered = answered.await.unwrap().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&answered.stdout).unwrap();
        assert_eq!(said["stage"], "completed", "{answered:?}");
        assert_eq!(answered.status.code(), Some(1), "{answered:?}");
    }
    server.end().await;
}
