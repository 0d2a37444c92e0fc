//! The traps into which a server for Temporal's clients can step: that each is avoided.
//!
//! `tests/clients/traps.py` sends what shows it, `traps.txt` has what must come back; what can only
//! be seen in another way names the test that sees it.

use super::wire::{self, Wire};
use sandglass_tests::{Patience, Server, repository, script};
use std::{collections::BTreeMap, fs, time::Duration};

/// A line of `traps.txt`, or a test in a file of `tests/tests`.
enum Proof {
    Line,
    Test(&'static str, &'static str),
}
use Proof::{Line, Test};

/// Each trap: its number, what goes wrong there, and what proves that it does not here.
const TRAPS: [(u32, &str, &[Proof]); 21] = [
    (1, "what clients compress with gzip is refused", &[Line]),
    (2, "no system info, so no connection", &[Line]),
    (
        3,
        "a poll of the history that ends without a token",
        &[Line],
    ),
    (4, "a length of time that is absent and not zero", &[Line]),
    (
        5,
        "a part of an answer that Go follows and that is not there",
        &[
            Line,
            Test(
                "clients/command.rs",
                "it_ends_activities_and_sees_the_service",
            ),
        ],
    ),
    (6, "a request that is sent again happens again", &[Line]),
    (
        7,
        "a code that is worth another try, or is not, and says the contrary",
        &[
            Line,
            Test("door/faults.rs", "what_is_no_message_is_refused_for_good"),
            Test(
                "door/kills.rs",
                "runs_and_workers_outlive_a_server_that_is_killed",
            ),
        ],
    ),
    (
        8,
        "the token of an earlier attempt ends a later one",
        &[Line],
    ),
    (
        9,
        "an attempt that was answered to nobody is lost",
        &[
            Line,
            Test(
                "door/traps.rs",
                "an_attempt_goes_from_a_poll_that_hung_up_to_the_next",
            ),
        ],
    ),
    (
        10,
        "a cancellation that waits for a heartbeat",
        &[
            Line,
            Test(
                "clients.rs",
                "a_python_worker_makes_heartbeats_ends_loses_and_hands_on_attempts",
            ),
        ],
    ),
    (11, "canceled without having been asked to", &[Line]),
    (12, "attempts that nobody can see", &[Line]),
    (13, "too much, which is retried for ever", &[Line]),
    (14, "errors without their typed details", &[Line]),
    (15, "payloads that lose their metadata", &[Line]),
    (
        16,
        "failures that lose their causes, or have too many to be read",
        &[Line],
    ),
    (17, "filters that are ignored", &[Line]),
    (18, "eager starts that were not promised", &[Line]),
    (19, "closed runs that cannot be asked", &[Line]),
    (
        20,
        "workers of workflows that nobody tells why they get none",
        &[
            Line,
            Test(
                "clients.rs",
                "a_worker_of_workflows_ends_and_says_what_to_do_instead",
            ),
        ],
    ),
    (
        21,
        "keys that are not looked at, or go over the network as they are",
        &[
            Test("clients.rs", "api_keys_open_what_their_roles_may"),
            Test(
                "clients.rs",
                "the_server_refuses_addresses_that_others_can_reach",
            ),
        ],
    ),
];

#[test]
fn each_trap_is_avoided() {
    let clients = repository().join("tests/clients");
    let text = fs::read_to_string(clients.join("traps.txt")).unwrap();
    let expected: BTreeMap<&str, &str> = text
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    for (place, (number, what, proofs)) in TRAPS.iter().enumerate() {
        assert_eq!(*number as usize, place + 1, "{what}");
        assert!(!proofs.is_empty(), "nothing proves {number}, {what}");
        for proof in *proofs {
            match proof {
                Line => assert!(expected.contains_key(&*format!("trap {number}")), "{what}"),
                Test(file, name) => {
                    let text = fs::read_to_string(repository().join("tests/tests").join(file));
                    let has = text.unwrap().contains(&format!("fn {name}("));
                    assert!(has, "trap {number}, {what}: there is no {name} in {file}");
                }
            }
        }
    }
    let server = Server::start();
    let found = script("traps.py", &server);
    server.stop();
    for line in &found {
        let (trap, seen) = line.split_once(": ").unwrap();
        let number: usize = trap.rsplit(' ').next().unwrap().parse().unwrap();
        let what = TRAPS[number - 1].1;
        assert_eq!(Some(&seen), expected.get(trap), "{trap}, {what}");
    }
    assert_eq!(found.len(), expected.len());
}

/// A poll that hangs up when its attempt was stored and its answer is not sent yet: the next one
/// gets the same attempt.
#[tokio::test]
async fn an_attempt_goes_from_a_poll_that_hung_up_to_the_next() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let poll = |identity: &str| {
        let queue = wire::field(1, b"scenarios");
        let namespace = wire::field(1, b"default");
        [
            namespace,
            wire::field(2, &queue),
            wire::field(3, identity.as_bytes()),
        ]
        .concat()
    };
    let deaf = Wire::deaf(&server.address).await;
    let request = poll("hangs-up");
    let hung_up = tokio::spawn(async move { deaf.call("PollActivityTaskQueue", &request).await });
    let started = wire
        .call("StartWorkflowExecution", &wire::start("a10", "w"))
        .await;
    assert_eq!(started.status, Some(0), "{started:?}");
    let describe = [
        wire::field(1, b"default"),
        wire::field(2, &wire::field(1, b"w")),
    ]
    .concat();
    let patience = Patience::default();
    loop {
        let described = wire.call("DescribeWorkflowExecution", &describe).await;
        if described.bytes.windows(8).any(|bytes| bytes == b"hangs-up") {
            break;
        }
        patience.paused("nobody has the attempt").await;
    }
    hung_up.abort();
    let next = poll("comes-next");
    let answered = wire
        .try_for(Duration::from_secs(15), "PollActivityTaskQueue", &next)
        .await;
    let answer = answered.expect("the attempt was lost").unwrap();
    assert!(!answer.bytes.is_empty(), "{answer:?}");
    server.end().await;
}
