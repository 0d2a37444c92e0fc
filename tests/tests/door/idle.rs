//! Ten thousand polls that wait: what they cost, and who is woken.

use super::{
    wire::{Wire, field, start},
    workers::poll,
};
use sandglass_tests::{Patience, Server};
use std::{fs, time::Duration};
use tokio::task::JoinSet;

const POLLS: usize = 10_000;
const CONNECTIONS: usize = 20;

/// The bytes of memory that a process has, and the ticks of a hundredth of a second that it has
/// computed.
pub(super) fn usage(pid: u32) -> (usize, u64) {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let status = read("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: usize = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let stat = read("stat");
    // The name in parentheses may have spaces.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |place: usize| fields[place].parse::<u64>().unwrap();
    (kib << 10, ticks(11) + ticks(12))
}

/// Sees that calls that wait take little, and that nothing is computed for so many seconds.
pub(super) async fn small_and_quiet(pid: u32, before: usize, calls: usize, seconds: usize) {
    let (after, mut last) = usage(pid);
    let each = after.saturating_sub(before) / calls;
    // What beginning them left to do is soon done; nothing comes after it. To wake all of them
    // takes more than two hundredths of a second, which is what all else may take.
    let mut ticks: Vec<u64> = Vec::new();
    let is_quiet = |ticks: &[u64]| {
        let quiet = ticks.iter().rev().take(seconds).filter(|of| **of <= 2);
        quiet.count() == seconds
    };
    while !is_quiet(&ticks) && ticks.len() < seconds + 10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (_, now) = usage(pid);
        ticks.push(now - last);
        last = now;
    }
    println!("{each} bytes for each of {calls} idle calls, ticks in each second: {ticks:?}");
    assert!(each < 16 << 10, "an idle call takes {each} bytes");
    assert!(
        is_quiet(&ticks),
        "no {seconds} seconds without work: {ticks:?}"
    );
}

#[tokio::test]
async fn ten_thousand_idle_polls_are_small_and_one_task_wakes_one() {
    let server = Server::start();
    let pid = server.process.id();
    let mut wires = Vec::new();
    for number in 0..CONNECTIONS {
        let wire = Wire::connect(&server.address).await;
        wire.serves(&format!("warm-{number}")).await;
        wires.push(wire);
    }
    let (before, _) = usage(pid);
    let mut polls = JoinSet::new();
    for number in 0..POLLS {
        let wire = wires[number % CONNECTIONS].clone();
        polls.spawn(async move {
            let request = poll(&format!("worker-{}", number % 100));
            wire.call("PollActivityTaskQueue", &request).await
        });
    }
    // Of its pollers of activities.
    let kind = vec![3 << 3, 2];
    let queue = [
        field(1, b"default"),
        field(2, &field(1, b"scenarios")),
        kind,
    ]
    .concat();
    let waiting = || async {
        let described = wires[0].call("DescribeTaskQueue", &queue).await;
        assert_eq!(described.status, Some(0), "{described:?}");
        let found = described
            .bytes
            .windows(7)
            .filter(|bytes| *bytes == b"worker-");
        found.count()
    };
    let patience = Patience::default();
    while waiting().await < 100 {
        patience.paused("not all polls wait").await;
    }
    // The last ones are read by now too.
    for wire in &wires {
        assert_eq!(wire.call("GetSystemInfo", b"").await.status, Some(0));
    }
    small_and_quiet(pid, before, POLLS, 6).await;
    let started = wires[1]
        .call("StartWorkflowExecution", &start("a10", "one"))
        .await;
    assert_eq!(started.status, Some(0));
    let woken = polls.join_next().await.unwrap().unwrap();
    assert!(!woken.bytes.is_empty(), "{woken:?}");
    for number in 0..5 {
        wires[2].serves(&format!("beside-{number}")).await;
    }
    assert_eq!(polls.len(), POLLS - 1, "others were answered too");
    assert!(polls.try_join_next().is_none(), "another one was answered");
    server.end().await;
    while let Some(answer) = polls.join_next().await {
        assert_eq!(
            answer.unwrap().status,
            Some(0),
            "a poll is told when the server stops"
        );
    }
}
