//! Lists and histories of what is large: page by page, each within what clients take.

use super::wire::{Answer, Wire, field, fields, start};
use sandglass_tests::Server;

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
