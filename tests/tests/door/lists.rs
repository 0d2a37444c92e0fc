//! Lists and histories of what is large: page by page, each within what clients take.

use super::{
    wire::{Answer, Wire, field, fields, start},
    workers::begun,
};
use sandglass_tests::Server;

/// The run of a workflow id.
fn run(workflow_id: &str) -> Vec<u8> {
    field(2, &field(1, workflow_id.as_bytes()))
}

/// All pages of a history, each with as many events as are asked for.
async fn pages(wire: &Wire, call: &str, workflow_id: &str, size: u8) -> Vec<Vec<Vec<u8>>> {
    let (mut token, mut pages) = (Vec::new(), Vec::new());
    loop {
        let request = [
            field(1, b"default"),
            run(workflow_id),
            vec![3 << 3, size],
            field(4, &token),
        ]
        .concat();
        let page = wire.call(call, &request).await;
        let history = of(&page, 1).concat();
        let events = fields(&history)
            .into_iter()
            .map(|(_, event)| event.to_vec());
        pages.push(events.collect());
        match of(&page, 3).pop() {
            Some(next) => token = next.to_owned(),
            None => return pages,
        }
        assert!(pages.len() < 1000, "the pages have no end");
    }
}

/// The fields of an answer that are of this number.
fn of(answer: &Answer, number: u32) -> Vec<&[u8]> {
    assert_eq!(answer.status, Some(0), "{answer:?}");
    let found = fields(&answer.bytes).into_iter();
    let found = found.filter(|(field, _)| *field == number);
    found.map(|(_, bytes)| bytes).collect()
}

#[tokio::test]
async fn a_page_of_runs_ends_where_their_memos_are_large() {
    const RUNS: usize = 5;
    /// Less than what clients take at least, with room for the rest.
    const LARGEST: usize = 3 << 20;
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    // Two of them are less than a page, three are more.
    let payload = field(2, &vec![b'x'; 900 << 10]);
    let entry = [field(1, b"large"), field(2, &payload)].concat();
    let memo = field(14, &field(1, &entry));
    for number in 0..RUNS {
        let request = [start("a01", &format!("run-{number}")), memo.clone()].concat();
        let started = wire.call("StartWorkflowExecution", &request).await;
        assert_eq!(started.status, Some(0), "{started:?}");
    }
    let (mut token, mut pages) = (Vec::new(), Vec::new());
    loop {
        let request = [field(1, b"default"), field(3, &token)].concat();
        let page = wire.call("ListWorkflowExecutions", &request).await;
        assert!(page.bytes.len() < LARGEST, "{} bytes", page.bytes.len());
        pages.push(of(&page, 1).len());
        match of(&page, 2).pop() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
        assert!(pages.len() < 10, "the pages have no end: {pages:?}");
    }
    assert_eq!(pages, [2, 2, 1]);
    let count = wire
        .call("CountWorkflowExecutions", &field(1, b"default"))
        .await;
    // Field 1, the number.
    assert_eq!(count.bytes, [8, RUNS as u8]);
    server.end().await;
}

/// How far a page has come is kept for the next one, and is nobody else's.
#[tokio::test]
async fn pages_of_a_history_are_the_same_whatever_their_size() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let started = wire
        .call("StartWorkflowExecution", &start("holder", "w"))
        .await;
    assert_eq!(started.status, Some(0), "{started:?}");
    let signal = async |number: usize| {
        let kind = [field(1, b"encoding"), field(2, b"json/plain")].concat();
        let data = field(2, format!("\"{number}\"").as_bytes());
        let value = field(1, &[field(1, &kind), data].concat());
        let name = field(3, b"note");
        let request = [field(1, b"default"), run("w"), name, field(4, &value)].concat();
        let sent = wire.call("SignalWorkflowExecution", &request).await;
        assert_eq!(sent.status, Some(0), "{sent:?}");
        // So that each has a workflow task of its own: its code has to be asked.
        let query = field(3, &field(1, b"notes"));
        let request = [field(1, b"default"), run("w"), query].concat();
        wire.call("QueryWorkflow", &request).await
    };
    let forth = "GetWorkflowExecutionHistory";
    let back = "GetWorkflowExecutionHistoryReverse";
    for round in 0..3 {
        for number in 0..5 {
            let answered = signal(round * 5 + number).await;
            assert_eq!(answered.status, Some(0), "{answered:?}");
        }
        let whole = pages(&wire, forth, "w", 0).await.concat();
        assert!(whole.len() > 10 * (round + 1), "{} events", whole.len());
        for size in [1, 3, 100] {
            let found = pages(&wire, forth, "w", size).await;
            assert!(found.iter().all(|page| page.len() <= size.into()));
            assert_eq!(found.concat(), whole, "pages of {size}");
            let mut found = pages(&wire, back, "w", size).await;
            assert!(found.iter().all(|page| page.len() <= size.into()));
            found.reverse();
            found.iter_mut().for_each(|page| page.reverse());
            assert_eq!(found.concat(), whole, "pages of {size}, backwards");
        }
        // Two who read the same, in turn.
        let (one, two) = tokio::join!(pages(&wire, forth, "w", 2), pages(&wire, forth, "w", 2));
        assert_eq!(one.concat(), whole);
        assert_eq!(two.concat(), whole);
    }
    server.end().await;
}

/// Payloads of this many bytes.
fn payloads(length: usize) -> Vec<u8> {
    field(1, &field(2, &vec![b'x'; length]))
}

/// The end of an attempt names the worker that an event before it tells of.
#[tokio::test]
async fn an_event_that_does_not_fit_is_the_same_in_the_next_page() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let attempt = begun(&wire, "w", "one worker").await;
    // Together they are more than a page.
    let note = [field(3, b"note"), field(4, &payloads(1_100_000))].concat();
    let request = [field(1, b"default"), run("w"), note].concat();
    let sent = wire.call("SignalWorkflowExecution", &request).await;
    assert_eq!(sent.status, Some(0), "{sent:?}");
    let result = field(2, &payloads(1_500_000));
    let request = [field(1, &attempt), result, field(4, b"default")].concat();
    let told = wire.call("RespondActivityTaskCompleted", &request).await;
    assert_eq!(told.status, Some(0), "{told:?}");
    let call = "GetWorkflowExecutionHistory";
    let by_bytes = pages(&wire, call, "w", 0).await;
    let names = |event: &&Vec<u8>| event.windows(10).any(|part| part == b"one worker");
    // The attempt's start is in the first page, and its end begins the second.
    assert!(by_bytes[0].last().iter().any(names), "{}", by_bytes.len());
    assert!(by_bytes[1].first().iter().any(names), "{}", by_bytes.len());
    let one_by_one = pages(&wire, call, "w", 1).await;
    assert!(by_bytes.concat() == one_by_one.concat());
    let mut back = pages(&wire, "GetWorkflowExecutionHistoryReverse", "w", 0).await;
    assert!(back.len() > 1, "all of it in one page");
    back.reverse();
    back.iter_mut().for_each(|page| page.reverse());
    assert!(back.concat() == by_bytes.concat());
    server.end().await;
}
