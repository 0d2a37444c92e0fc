//! The command line while a server is started again.

use super::wire::{Wire, field, start};
use sandglass_tests::{Patience, Server, sandglass};
use std::{
    collections::HashSet,
    fs,
    process::{Child, Output, Stdio},
    time::Duration,
};

fn command(server: &Server, arguments: &[&str]) -> Child {
    let mut command = sandglass();
    command.args(arguments);
    command.args(["--output", "json", "--address", &server.address]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

async fn ended(child: Child) -> Output {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    output.await.unwrap().unwrap()
}

/// The connections of a process to a server, as the kernel numbers them.
fn connections(pid: u32, server: &Server) -> HashSet<String> {
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let of_server = table.lines().skip(1).filter_map(|line| {
        let row: Vec<&str> = line.split_whitespace().collect();
        // Established, and the other end is the server's.
        let is_there = row[2].ends_with(&format!(":{port:04X}")) && row[3] == "01";
        is_there.then(|| format!("socket:[{}]", row[9]))
    });
    let of_server: HashSet<String> = of_server.collect();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let links = links.map(|link| link.to_string_lossy().into_owned());
    links.filter(|link| of_server.contains(link)).collect()
}

/// Waits until a command waits for its answer: it first asks for the run, on a connection of its
/// own, which is gone in a moment.
pub(super) async fn waits(child: &Child, server: &Server) {
    let patience = Patience::default();
    let mut before = HashSet::new();
    loop {
        let now = connections(child.id(), server);
        if now.intersection(&before).next().is_some() {
            return;
        }
        before = now;
        patience.paused("nobody waits for the result").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn commands_outlive_a_server_that_is_started_again() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let started = wire
        .call("StartWorkflowExecution", &start("a01", "waited-for"))
        .await;
    assert_eq!(started.status, Some(0), "{started:?}");
    let waiting = command(
        &server,
        &["workflow", "result", "--workflow-id", "waited-for"],
    );
    waits(&waiting, &server).await;
    let server = server.kill_and_restart();
    let wire = Wire::connect(&server.address).await;
    let terminate = [field(1, b"default"), field(2, &field(1, b"waited-for"))].concat();
    let ended_by = wire.call("TerminateWorkflowExecution", &terminate).await;
    assert_eq!(ended_by.status, Some(0), "{ended_by:?}");
    let output = ended(waiting).await;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(said["status"], "terminated", "{output:?}");
    server.end().await;
}
