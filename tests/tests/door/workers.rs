//! What workers tell and are told: bounded, shown, and never lost on the way.

use super::wire::{Answer, Wire, field, fields, start};
use sandglass_tests::{Patience, Server};
use std::time::Duration;

const NAMESPACE: &[u8] = b"default";

/// A poll for activities that names no control queue.
pub(super) fn poll(identity: &str) -> Vec<u8> {
    let queue = field(2, &field(1, b"scenarios"));
    [field(1, NAMESPACE), queue, field(3, identity.as_bytes())].concat()
}

/// A poll of a control queue.
fn listen(identity: &str, queue: &str) -> Vec<u8> {
    let queue = field(3, &field(1, queue.as_bytes()));
    [field(1, NAMESPACE), field(2, identity.as_bytes()), queue].concat()
}

fn cancel(workflow_id: &str) -> Vec<u8> {
    let run = field(1, workflow_id.as_bytes());
    [field(1, NAMESPACE), field(2, &run)].concat()
}

/// A call that must be answered soon.
async fn soon(wire: &Wire, call: &str, message: &[u8]) -> Answer {
    let answered = wire.try_for(Duration::from_secs(15), call, message).await;
    answered.expect(call).unwrap()
}

/// The token of an attempt of a new run that has one.
pub(crate) async fn begun(wire: &Wire, workflow_id: &str, identity: &str) -> Vec<u8> {
    let started = wire
        .call("StartWorkflowExecution", &start("a08", workflow_id))
        .await;
    assert_eq!(started.status, Some(0), "{started:?}");
    token(&soon(wire, "PollActivityTaskQueue", &poll(identity)).await)
}

fn token(attempt: &Answer) -> Vec<u8> {
    let found = fields(&attempt.bytes);
    let token = found.iter().find(|(number, _)| *number == 1);
    token.expect("an attempt").1.to_owned()
}

fn has(answer: &Answer, token: &[u8]) -> bool {
    answer.bytes.windows(token.len()).any(|part| part == token)
}

#[tokio::test]
async fn what_a_worker_calls_itself_has_bounds_also_when_it_shuts_down() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let long = vec![b'x'; 1 << 20];
    let request = [field(1, NAMESPACE), field(6, &long)].concat();
    let refused = wire.call("ShutdownWorker", &request).await;
    let expected = "WorkerInstanceKey exceeds length limit. Length=1048576 Limit=1000";
    assert_eq!((refused.status, &*refused.message), (Some(3), expected));
    let queue = field(2, &field(1, &long[..2000]));
    let request = [field(1, NAMESPACE), queue].concat();
    let refused = wire.call("PollWorkflowTaskQueue", &request).await;
    let expected = "TaskQueue exceeds length limit. Length=2000 Limit=1000";
    assert_eq!((refused.status, &*refused.message), (Some(3), expected));
    server.end().await;
}

/// The first polls of a process name no control queue: it has none yet.
#[tokio::test]
async fn a_worker_that_came_back_under_its_name_is_told_of_cancellations() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let old = wire.clone();
    let before = tokio::spawn(async move {
        let listening = listen("fixed", "control of the dead");
        old.call("PollNexusTaskQueue", &listening).await
    });
    let attempt = begun(&wire, "w", "fixed").await;
    before.abort();
    let new = wire.clone();
    let told = tokio::spawn(async move {
        let listening = listen("fixed", "control of the living");
        soon(&new, "PollNexusTaskQueue", &listening).await
    });
    let asked = wire
        .call("RequestCancelWorkflowExecution", &cancel("w"))
        .await;
    assert_eq!(asked.status, Some(0), "{asked:?}");
    let told = told.await.unwrap();
    assert!(has(&told, &attempt), "{told:?}");
    server.end().await;
}

/// Where processes share a name, only what names its control queue reaches the right one.
#[tokio::test]
async fn polls_that_name_no_control_queue_end_whenever_their_worker_has_another() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let described = [
        field(1, NAMESPACE),
        field(2, &field(1, b"scenarios")),
        vec![3 << 3, 2],
    ]
    .concat();
    for queue in ["one", "two"] {
        let polling = wire.clone();
        let identity = format!("fixed {queue}");
        // Known to listen to another queue, as the process before it did, which is answered at once
        // as it shuts down.
        let gone = [field(1, NAMESPACE), field(6, b"gone")].concat();
        assert_eq!(wire.call("ShutdownWorker", &gone).await.status, Some(0));
        let listening = [listen(&identity, "before"), field(8, b"gone")].concat();
        let before = soon(&wire, "PollNexusTaskQueue", &listening).await;
        assert_eq!(before.bytes.len(), 0);
        let first = poll(&identity);
        let polled =
            tokio::spawn(async move { soon(&polling, "PollActivityTaskQueue", &first).await });
        let patience = Patience::default();
        while !has(
            &wire.call("DescribeTaskQueue", &described).await,
            identity.as_bytes(),
        ) {
            patience.paused("nobody polls").await;
        }
        let listens = wire.clone();
        let listening = listen(&identity, queue);
        let after =
            tokio::spawn(async move { listens.call("PollNexusTaskQueue", &listening).await });
        let ended = polled.await.unwrap();
        assert_eq!((ended.status, ended.bytes.len()), (Some(0), 0));
        after.abort();
    }
    server.end().await;
}

#[tokio::test]
async fn a_cancellation_goes_from_a_poll_that_hung_up_to_the_next() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let attempt = begun(&wire, "w", "worker").await;
    let asked = wire
        .call("RequestCancelWorkflowExecution", &cancel("w"))
        .await;
    assert_eq!(asked.status, Some(0), "{asked:?}");
    let listening = listen("worker", "control");
    let deaf = Wire::deaf(&server.address).await;
    deaf.hang_up_on("PollNexusTaskQueue", &listening).await;
    let told = soon(&wire, "PollNexusTaskQueue", &listening).await;
    assert!(has(&told, &attempt), "{told:?}");
    server.end().await;
}

/// The fields of a list's answer that are of this number.
fn of(answer: &Answer, number: u32) -> Vec<Vec<u8>> {
    assert_eq!(answer.status, Some(0), "{answer:?}");
    let found = fields(&answer.bytes).into_iter();
    let found = found.filter(|(field, _)| *field == number);
    found.map(|(_, bytes)| bytes.to_owned()).collect()
}

/// The sizes of a list's pages, each of at most this many workers (0: as many as the server likes).
async fn pages(wire: &Wire, size: u8) -> Vec<usize> {
    /// Less than what clients take at least, with room for the rest.
    const LARGEST: usize = 3 << 20;
    let (mut token, mut pages) = (Vec::new(), Vec::new());
    loop {
        let request = [field(1, NAMESPACE), vec![2 << 3, size], field(3, &token)].concat();
        let page = wire.call("ListWorkers", &request).await;
        assert!(page.bytes.len() < LARGEST, "{} bytes", page.bytes.len());
        pages.push(of(&page, 3).len());
        match of(&page, 2).pop() {
            Some(next) => token = next,
            None => return pages,
        }
        assert!(pages.len() < 10, "the pages have no end: {pages:?}");
    }
}

/// Workers tell what they like of themselves: few of them may be more than a client takes.
#[tokio::test]
async fn a_page_of_workers_ends_where_they_tell_much() {
    const WORKERS: usize = 400;
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    // 140 of them are 2 MiB, and so a page. Field 6 is the name of the worker's SDK.
    let sdk = field(6, &vec![b'x'; 15_000]);
    for some in (0..WORKERS).collect::<Vec<_>>().chunks(200) {
        let mut beats = field(1, NAMESPACE);
        for number in some {
            let key = field(1, format!("worker-{number:03}").as_bytes());
            beats.extend(field(3, &[key, sdk.clone()].concat()));
        }
        let noted = wire.call("RecordWorkerHeartbeat", &beats).await;
        assert_eq!(noted.status, Some(0), "{noted:?}");
    }
    assert_eq!(pages(&wire, 0).await, [140, 140, 120]);
    server.end().await;
}

#[tokio::test]
async fn workers_are_listed_page_by_page_and_by_their_queue() {
    const WORKERS: usize = 5;
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    let mut beats = field(1, NAMESPACE);
    for number in 0..WORKERS {
        let queue = if number % 2 == 0 {
            "even"
        } else {
            "odd OR even"
        };
        let key = format!("worker-{number}");
        let beat = [field(1, key.as_bytes()), field(4, queue.as_bytes())].concat();
        beats.extend(field(3, &beat));
    }
    let noted = wire.call("RecordWorkerHeartbeat", &beats).await;
    assert_eq!(noted.status, Some(0), "{noted:?}");
    assert_eq!(pages(&wire, 2).await, [2, 2, 1]);
    let by = async |query: &str| {
        let request = [field(1, NAMESPACE), field(4, query.as_bytes())].concat();
        wire.call("ListWorkers", &request).await
    };
    assert_eq!(of(&by("TaskQueue = 'even'").await, 3).len(), 3);
    assert_eq!(of(&by("TaskQueue = \"odd OR even\"").await, 3).len(), 2);
    for more in ["TaskQueue = 'even' OR TaskQueue = 'odd'", "Status = 'x'"] {
        assert_eq!(by(more).await.status, Some(3), "{more}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_task_queue_has_pollers_of_the_kind_that_poll_it() {
    let server = Server::start();
    let wire = Wire::connect(&server.address).await;
    begun(&wire, "w", "poller").await;
    let described = async |kind: Option<u8>| {
        let queue = field(2, &field(1, b"scenarios"));
        let kind = kind.map_or_else(Vec::new, |kind| vec![3 << 3, kind]);
        let request = [field(1, NAMESPACE), queue, kind].concat();
        of(&wire.call("DescribeTaskQueue", &request).await, 1).len()
    };
    // Activities; workflow tasks, said and not said; Nexus.
    let found = [
        described(Some(2)).await,
        described(Some(1)).await,
        described(None).await,
        described(Some(3)).await,
    ];
    assert_eq!(found, [1, 0, 0, 0]);
    server.end().await;
}
