//! What a configuration file says, in a server that runs by it alone.

use super::wire::{Wire, field, fields, start};
use sandglass_tests::{Patience, cache, component, sandglass, with_scenarios};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A start in a namespace with a header of this many bytes.
fn with_header(namespace: &str, workflow_id: &str, bytes: usize) -> Vec<u8> {
    let payload = field(2, &vec![b'x'; bytes]);
    let entry = [field(1, b"large"), field(2, &payload)].concat();
    let request = start("a10", workflow_id);
    // The last field of a number counts.
    let namespace = field(1, namespace.as_bytes());
    [request, namespace, field(16, &field(1, &entry))].concat()
}

#[tokio::test]
async fn a_file_alone_says_what_is_served() {
    let dir = TempDir::new().unwrap();
    let activities = component("tests/guests/hostile", "guest-hostile-activities.wasm");
    fs::write(dir.path().join("activities.wasm"), activities).unwrap();
    let scenarios = with_scenarios(&["scenarios"], &dir);
    let of_shop = format!("{scenarios}namespace = \"shop\"\n");
    let config = format!(
        "store = \"store.db\"\nlisten = \"127.0.0.1:0\"\nhttp-listen = \"127.0.0.1:0\"\n\
         activities = [\"activities.wasm\"]\ntemporal-limits = true\n\
         [limits]\npayload-bytes = 1000\n{scenarios}{of_shop}\
         [namespaces.shop]\nlimits = {{ payload-bytes = 5000 }}\n\
         [namespaces.gone]\nabsent = true\n"
    );
    let file = dir.path().join("sandglass.toml");
    fs::write(&file, config).unwrap();
    let mut process = sandglass()
        .args(["server", "--output", "json", "--config"])
        .arg(file)
        .env("XDG_CACHE_HOME", cache())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let wire = Wire::connect(said["listening"].as_str().unwrap()).await;
    let mut started = Vec::new();
    for (namespace, bytes) in [
        ("default", 900),
        ("default", 3000),
        ("shop", 3000),
        ("shop", 6000),
        ("gone", 1),
    ] {
        let request = with_header(namespace, &format!("w-{bytes}"), bytes);
        let answer = wire.call("StartWorkflowExecution", &request).await;
        started.push(answer.status);
    }
    assert_eq!(started, [Some(0), Some(3), Some(0), Some(3), Some(5)]);
    // Its activity is begun by the server itself: no worker polls.
    let patience = Patience::default();
    loop {
        let run = field(2, &field(1, b"w-900"));
        let request = [field(1, b"default"), run].concat();
        let described = wire.call("DescribeWorkflowExecution", &request).await;
        let pending = fields(&described.bytes);
        let mut pending = pending.iter().filter(|(number, _)| *number == 3);
        // PENDING_ACTIVITY_STATE_STARTED
        if pending.any(|(_, activity)| activity.windows(2).any(|state| state == [3 << 3, 2])) {
            break;
        }
        patience.paused("the activity is not begun").await;
    }
    let pid = process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let ended = tokio::task::spawn_blocking(move || process.wait().unwrap());
    assert!(ended.await.unwrap().success());
    assert!(dir.path().join("store-shop.db").exists());
    assert!(!dir.path().join("store-gone.db").exists());
}
