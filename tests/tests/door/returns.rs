//! The command line while a server is started again.

use super::wire::{Wire, field, start};
use sandglass_tests::{Patience, Server, sandglass};
use std::{
    fs,
    process::{Child, Output, Stdio},
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

/// Whether a process has a connection.
fn is_connected(pid: u32) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.any(|link| link.to_string_lossy().starts_with("socket:"))
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
    let patience = Patience::default();
    while !is_connected(waiting.id()) {
        patience.paused("nobody waits for the result").await;
    }
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
