//! Calls that wait for something of a run or for a worker's commands: what each costs while nothing
//! happens, and who is answered when something does.

use super::{
    idle::{small_and_quiet, usage},
    wire::{Answer, Wire, field, fields, start},
};
use sandglass_tests::{Patience, Server};
use tokio::task::JoinSet;

/// They are answered after 20 s, and it must be quiet for some seconds before.
const CALLS: usize = 10_000;
const CONNECTIONS: usize = 10;
const QUIET_SECONDS: usize = 4;

fn namespace() -> Vec<u8> {
    field(1, b"default")
}

fn run(workflow_id: &str) -> Vec<u8> {
    field(1, workflow_id.as_bytes())
}

/// A field of a number below 128.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// A server with a run that waits, and connections to it that have been used.
async fn with_a_run() -> (Server, Vec<Wire>) {
    let server = Server::start();
    let mut wires = Vec::new();
    for number in 0..CONNECTIONS {
        let wire = Wire::connect(&server.address).await;
        wire.serves(&format!("warm-{number}")).await;
        wires.push(wire);
    }
    let started = wires[0]
        .call("StartWorkflowExecution", &start("holder", "one"))
        .await;
    assert_eq!(started.status, Some(0), "{started:?}");
    // Its code is entered: what it is told from now on it can take.
    let patience = Patience::default();
    let query = [
        namespace(),
        field(2, &run("one")),
        field(3, &field(1, b"notes")),
    ]
    .concat();
    while wires[0].call("QueryWorkflow", &query).await.status != Some(0) {
        patience.paused("the run is not asked").await;
    }
    (server, wires)
}

/// Makes a call again and again at the same time, and sees that it takes little while it waits.
async fn waiting(
    server: &Server,
    wires: &[Wire],
    call: &'static str,
    request: &[u8],
) -> JoinSet<Answer> {
    let pid = server.process.id();
    let (before, _) = usage(pid);
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let (wire, request) = (wires[number % CONNECTIONS].clone(), request.to_vec());
        calls.spawn(async move { wire.call(call, &request).await });
    }
    // The last ones are read by then.
    for wire in wires {
        for _ in 0..3 {
            assert_eq!(wire.call("GetSystemInfo", b"").await.status, Some(0));
        }
    }
    small_and_quiet(pid, before, CALLS, QUIET_SECONDS).await;
    assert!(calls.try_join_next().is_none(), "one was answered");
    calls
}

async fn all(mut calls: JoinSet<Answer>) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, Some(0), "{answer:?}");
        answers.push(answer);
    }
    answers
}

/// A signal to the run `one`.
async fn note(wire: &Wire, text: &str) {
    let payload = [
        field(
            1,
            &[field(1, b"encoding"), field(2, b"json/plain")].concat(),
        ),
        field(2, format!("\"{text}\"").as_bytes()),
    ];
    let signal = [
        namespace(),
        field(2, &run("one")),
        field(3, b"note"),
        field(4, &field(1, &payload.concat())),
    ];
    let answer = wire.call("SignalWorkflowExecution", &signal.concat()).await;
    assert_eq!(answer.status, Some(0), "{answer:?}");
}

fn history(token: &[u8], close_only: bool) -> Vec<u8> {
    let filter = if close_only { number(6, 2) } else { Vec::new() };
    let token = if token.is_empty() {
        Vec::new()
    } else {
        field(4, token)
    };
    [
        namespace(),
        field(2, &run("one")),
        token,
        number(5, 1),
        filter,
    ]
    .concat()
}

fn events(answer: &Answer) -> usize {
    let found = fields(&answer.bytes);
    let history = found.iter().find(|(number, _)| *number == 1);
    history.map_or(0, |(_, history)| fields(history).len())
}

#[tokio::test]
async fn who_waits_for_the_next_event_of_a_run_costs_little_and_hears_of_it() {
    let (server, wires) = with_a_run().await;
    let first = wires[0]
        .call("GetWorkflowExecutionHistory", &history(b"", false))
        .await;
    let token = fields(&first.bytes)
        .into_iter()
        .find(|(number, _)| *number == 3);
    let token = token.expect("there is more to come").1.to_owned();
    let request = history(&token, false);
    let calls = waiting(&server, &wires, "GetWorkflowExecutionHistory", &request).await;
    note(&wires[0], "x").await;
    assert!(all(calls).await.iter().all(|answer| events(answer) > 0));
    server.end().await;
}

#[tokio::test]
async fn who_waits_for_the_end_of_a_run_costs_little_and_hears_of_it() {
    let (server, wires) = with_a_run().await;
    let request = history(b"", true);
    let calls = waiting(&server, &wires, "GetWorkflowExecutionHistory", &request).await;
    note(&wires[0], "end").await;
    assert!(all(calls).await.iter().all(|answer| events(answer) == 1));
    server.end().await;
}

#[tokio::test]
async fn who_waits_for_an_update_costs_little_and_hears_of_its_end() {
    let (server, wires) = with_a_run().await;
    let meta = field(1, &field(1, b"u"));
    let input = field(2, &field(2, b"upd"));
    let update = [
        namespace(),
        field(2, &run("one")),
        // Accepted.
        field(4, &number(1, 2)),
        field(5, &[meta, input].concat()),
    ];
    let answer = wires[0]
        .call("UpdateWorkflowExecution", &update.concat())
        .await;
    assert_eq!(answer.status, Some(0), "{answer:?}");
    let which = [field(1, &run("one")), field(2, b"u")].concat();
    // Completed.
    let request = [namespace(), field(2, &which), field(4, &number(1, 3))].concat();
    let calls = waiting(&server, &wires, "PollWorkflowExecutionUpdate", &request).await;
    // It ends with the run.
    note(&wires[0], "end").await;
    let outcomes = all(calls).await;
    let has_outcome =
        |answer: &Answer| fields(&answer.bytes).iter().any(|(number, _)| *number == 1);
    assert!(outcomes.iter().all(has_outcome), "{:?}", outcomes[0]);
    server.end().await;
}

#[tokio::test]
async fn control_queues_cost_little() {
    let (server, wires) = with_a_run().await;
    let request = [
        namespace(),
        field(2, b"worker"),
        field(3, &field(1, b"control of a worker")),
    ]
    .concat();
    let calls = waiting(&server, &wires, "PollNexusTaskQueue", &request).await;
    // They are told when the server stops.
    server.end().await;
    assert!(
        all(calls)
            .await
            .iter()
            .all(|answer| answer.bytes.is_empty())
    );
}
