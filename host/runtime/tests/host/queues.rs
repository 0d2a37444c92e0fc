//! Activities of remote workers: who is handed what, when, and what survives.

use super::support::*;
use sandglass::{ActivityTask, Error, Host, PollOptions, RunHandle, StartOptions, engine::*};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::task::JoinHandle;

/// Schedules this many activities, and ends when all have.
fn fan_out(count: u64, call: ActivityCall) -> Arc<Script> {
    script(move || {
        let (call, mut left) = (call.clone(), count);
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                for _ in 0..count {
                    calls.activity(ScopeId::ROOT, call.clone());
                }
            }
            GuestEvent::ActivityResolved(_, Ok(_)) if left > 1 => left -= 1,
            other => calls.end_with(other),
        }
    })
}

pub(super) fn one(call: ActivityCall) -> Arc<Script> {
    fan_out(1, call)
}

/// A call with short limits, of which a silent attempt is noticed first.
pub(super) fn heartbeating() -> ActivityCall {
    ActivityCall {
        heartbeat: Some(Millis(2_000)),
        start_to_close: Some(Millis(60_000)),
        ..call("Far")
    }
}

pub(super) fn polling() -> PollOptions {
    PollOptions::new("default", "worker")
}

async fn poll(host: &Host) -> ActivityTask {
    host.poll_activity(polling()).await.unwrap()
}

/// A poll that waits in a task of its own.
fn waiting(host: &Host, options: PollOptions) -> JoinHandle<Result<ActivityTask, Error>> {
    let host = host.clone();
    tokio::spawn(async move { host.poll_activity(options).await })
}

/// Waits until this many polls of the queue `default` wait.
async fn until_waiting(host: &Host, count: usize) {
    let polls = || host.describe_task_queue("default").pollers;
    while polls().iter().map(|poller| poller.waiting).sum::<usize>() != count {
        tokio::task::yield_now().await;
    }
}

pub(super) async fn complete(host: &Host, task: &ActivityTask) {
    let attempt = host.activity(&task.token);
    attempt
        .complete(Payload::json("7"), "worker")
        .await
        .unwrap();
}

pub(super) async fn start_named(host: &Host, workflow_id: &str) -> RunHandle {
    let started = host.start(StartOptions::new("main", workflow_id)).await;
    let run = started.unwrap();
    host.idle().await;
    run
}

#[tokio::test]
async fn a_poll_gets_an_activity_with_all_that_a_worker_needs() {
    let world = World::new();
    let call = ActivityCall {
        arguments: vec![Payload::json("1"), Payload::json("2")],
        header: vec![("h".into(), Payload::null())],
        schedule_to_close: Some(Millis(9_000)),
        heartbeat: Some(Millis(1_000)),
        start_to_close: Some(Millis(5_000)),
        ..call("Far")
    };
    let host = world.host(&one(call)).build().await.unwrap();
    let early = waiting(&host, polling());
    until_waiting(&host, 1).await;
    let run = start(&host).await;
    let task = early.await.unwrap().unwrap();
    let now = host.now();
    assert_eq!(task.token.workflow_id, "w");
    assert_eq!(Some(task.token.run_id.as_str()), run.run_id());
    assert_eq!(task.token.scheduled_event_id, EventId(5));
    assert_eq!(
        (&*task.workflow_type, &*task.activity_type),
        ("main", "Far")
    );
    assert_eq!((&*task.activity_id, task.attempt), ("1", 1));
    assert_eq!(task.arguments, [Payload::json("1"), Payload::json("2")]);
    assert_eq!(task.header, [("h".into(), Payload::null())]);
    assert_eq!((task.scheduled_at, task.started_at), (now, now));
    assert_eq!(task.schedule_to_close, Some(Millis(9_000)));
    assert_eq!(task.start_to_close, Some(Millis(5_000)));
    assert_eq!(task.heartbeat_timeout, Some(Millis(1_000)));
    assert_eq!(task.retry, RetryPolicy::default());
    assert_eq!(task.idempotency_key, format!("{}/5", task.token.run_id));
    let shown = run.describe().await.unwrap().activities.remove(0);
    assert_eq!(shown.worker.as_deref(), Some("worker"));
    assert_eq!(shown.state, PendingState::Started);
    complete(&host, &task).await;
    assert_eq!(json_result(&run).await, "7");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");
    assert_eq!(host.describe_task_queue("default").backlog, 0);
}

#[tokio::test]
async fn an_attempt_of_a_remote_worker_survives_a_kill_of_the_host() {
    let world = World::new();
    let call = ActivityCall {
        start_to_close: Some(Millis(60_000)),
        ..call("Far")
    };
    let script = one(call);
    let host = world.host(&script).build().await.unwrap();
    start(&host).await;
    let task = poll(&host).await;
    drop(host);
    for _ in 0..4 {
        // Not once does it count as the host's, nor is it made again.
        let host = world.host(&script).build().await.unwrap();
        host.idle().await;
        assert_eq!(host.describe_task_queue("default").backlog, 0);
        let shown = host.run("w", None).describe().await.unwrap().activities;
        assert_eq!((shown[0].attempt, shown[0].elsewhere), (1, true));
        drop(host);
    }
    let host = world.host(&script).build().await.unwrap();
    complete(&host, &task).await;
    let run = host.run("w", None);
    assert_eq!(json_result(&run).await, "7");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");
}

#[tokio::test]
async fn a_worker_that_vanished_loses_its_attempt_by_the_limit_on_its_silence_alone() {
    let world = World::new();
    let script = one(heartbeating());
    let host = world.host(&script).build().await.unwrap();
    start(&host).await;
    let first = poll(&host).await;
    world.advance(&host, 1_500).await;
    let attempt = host.activity(&first.token);
    attempt.heartbeat(vec![Payload::json("1")]).await.unwrap();
    drop(host);
    // The host was away for longer than the limit. Its worker may have called all the time.
    world.clock.advance(std::time::Duration::from_secs(10));
    let host = world.host(&script).build().await.unwrap();
    world.advance(&host, 1_900).await;
    let shown = host.run("w", None).describe().await.unwrap().activities;
    assert_eq!(
        shown[0].attempt, 1,
        "it is heard of since the host is there"
    );
    world.advance(&host, 100).await;
    world.advance(&host, 1_000).await;
    let second = poll(&host).await;
    assert_eq!(
        (second.attempt, &second.heartbeat_details),
        (2, &vec![Payload::json("1")])
    );
    let late = host
        .activity(&first.token)
        .complete(Payload::null(), "w")
        .await;
    assert!(
        matches!(late, Err(Error::ActivityNotFound { .. })),
        "{late:?}"
    );
    complete(&host, &second).await;
    assert_eq!(json_result(&host.run("w", None)).await, "7");
}

#[tokio::test]
async fn the_limit_on_an_attempt_runs_on_while_the_host_is_away() {
    let world = World::new();
    let retry = Some(RetryPolicy {
        maximum_attempts: 1,
        ..RetryPolicy::default()
    });
    let script = one(ActivityCall {
        retry,
        start_to_close: Some(Millis(60_000)),
        ..call("Far")
    });
    let host = world.host(&script).build().await.unwrap();
    start(&host).await;
    poll(&host).await;
    drop(host);
    world.clock.advance(std::time::Duration::from_secs(60));
    let host = world.host(&script).build().await.unwrap();
    let run = host.run("w", None);
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,ATO,T,WF");
}

#[tokio::test]
async fn an_activity_that_nobody_polls_for_stays_and_ends_by_its_schedule_to_start() {
    let world = World::new();
    let call = ActivityCall {
        schedule_to_start: Some(Millis(5_000)),
        ..call("Far")
    };
    let host = world.host(&one(call)).build().await.unwrap();
    let run = start(&host).await;
    let other = waiting(&host, PollOptions::new("other", "worker"));
    assert_eq!(host.unserved()[0].task_queue, "default");
    assert_eq!(host.describe_task_queue("default").backlog, 1);
    let shown = run.describe().await.unwrap().activities.remove(0);
    assert_eq!(shown.state, PendingState::Scheduled);
    world.advance(&host, 5_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,AS,ATO,T,WF");
    assert_eq!(host.describe_task_queue("default").backlog, 0);
    assert!(!other.is_finished());
}

#[tokio::test]
async fn a_worker_in_this_process_goes_before_those_elsewhere() {
    let world = World::new();
    let host = world.host(&one(call("Far"))).build().await.unwrap();
    start(&host).await;
    assert_eq!(host.describe_task_queue("default").backlog, 1);
    host.register_activity("Far", |_, _| async { Ok(Payload::json("1")) });
    assert_eq!(json_result(&host.run("w", None)).await, "1");
    let never = waiting(&host, polling());
    until_waiting(&host, 1).await;
    let run = start_named(&host, "w2").await;
    assert_eq!(json_result(&run).await, "1");
    assert!(!never.is_finished());
}

#[tokio::test]
async fn a_task_goes_from_a_poll_that_is_dropped_to_the_next() {
    let world = World::new();
    let script = one(call("Far"));
    let host = world.host(&script).build().await.unwrap();
    // Dropped while it waits.
    let gone = waiting(&host, polling());
    until_waiting(&host, 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    until_waiting(&host, 0).await;
    let mut unread = Box::pin(host.poll_activity(polling()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(unread.as_mut().poll(&mut cx).is_pending());
    let run = start(&host).await;
    // Dropped when it was given the task and has not looked.
    assert_eq!(host.describe_task_queue("default").backlog, 0);
    drop(unread);
    assert_eq!(host.describe_task_queue("default").backlog, 1);
    let task = poll(&host).await;
    assert_eq!(task.attempt, 1);
    complete(&host, &task).await;
    assert_eq!(json_result(&run).await, "7");
}

#[tokio::test]
async fn an_attempt_whose_begin_is_being_stored_goes_to_the_next_poll() {
    let world = World::new();
    let (faults, script) = (Faults::default(), one(call("Far")));
    let builder = faults.host(world.host(&script), &world.db);
    let host = builder.build().await.unwrap();
    let run = start(&host).await;
    faults.push(Fault::Wait);
    let mut first = Box::pin(host.poll_activity(polling()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    faults.gate().wait_for(1);
    let begun = run.describe().await.unwrap().activities.remove(0);
    assert_eq!(begun.state, PendingState::Started);
    drop(first);
    faults.gate().open();
    let task = poll(&host).await;
    assert_eq!(task.attempt, 1);
    complete(&host, &task).await;
    assert_eq!(json_result(&run).await, "7");
    assert_eq!(host.stats().attempts, 1);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_stored_is_not_handed_out() {
    let world = World::new();
    let (faults, script) = (Faults::default(), one(call("Far")));
    let builder = faults.host(world.host(&script), &world.db);
    let host = builder.build().await.unwrap();
    let run = start(&host).await;
    faults.push(Fault::Commit);
    let refused = host.poll_activity(polling()).await;
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    let again = waiting(&host, polling());
    until_waiting(&host, 1).await;
    world.advance(&host, 1_000).await;
    let task = again.await.unwrap().unwrap();
    assert_eq!(task.attempt, 1);
    complete(&host, &task).await;
    assert_eq!(json_result(&run).await, "7");
}

#[tokio::test]
async fn a_task_that_a_worker_never_got_is_given_back() {
    let world = World::new();
    let host = world.host(&fan_out(2, call("Far"))).build().await.unwrap();
    start(&host).await;
    let task = poll(&host).await;
    host.give_back(&task.token).unwrap();
    let twice = host.give_back(&task.token);
    assert!(
        matches!(twice, Err(Error::ActivityNotFound { .. })),
        "{twice:?}"
    );
    let again = poll(&host).await;
    let which = |task: &ActivityTask| (task.token.scheduled_event_id, task.attempt);
    assert_eq!(which(&again), which(&task), "before others of its run");
    // Whoever got it after all, too late, has nothing to report.
    let stray = host.activity(&task.token);
    let stray = stray.complete(Payload::null(), "far").await;
    assert!(
        matches!(stray, Err(Error::ActivityNotFound { .. })),
        "{stray:?}"
    );
    complete(&host, &again).await;
    let late = host.give_back(&again.token);
    assert!(
        matches!(late, Err(Error::ActivityNotFound { .. })),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_run_with_many_activities_does_not_starve_another() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| {
            if let GuestEvent::Initialize { .. } = event {
                let many = calls.task.start().workflow_id == "many";
                let count = if many { 1_000 } else { 2 };
                for _ in 0..count {
                    calls.activity(ScopeId::ROOT, call("Far"));
                }
            }
        }
    });
    let host = world.host(&script).build().await.unwrap();
    start_named(&host, "many").await;
    assert_eq!(poll(&host).await.token.workflow_id, "many");
    start_named(&host, "few").await;
    start_named(&host, "other").await;
    let mut order = Vec::new();
    for _ in 0..7 {
        let task = poll(&host).await;
        order.push((task.token.workflow_id, task.activity_id));
    }
    let turn = |id: &str, activity: &str| (id.to_owned(), activity.to_owned());
    let expected = [
        turn("many", "2"),
        turn("few", "1"),
        turn("other", "1"),
        turn("many", "3"),
        turn("few", "2"),
        turn("other", "2"),
        turn("many", "4"),
    ];
    assert_eq!(order, expected);
}

/// A future that counts how often it is polled.
struct Counted<F> {
    future: Pin<Box<F>>,
    polls: Arc<AtomicUsize>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.future.as_mut().poll(cx)
    }
}

/// Kilobytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let mut words = line.unwrap().split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_idle_polls_cost_little_and_one_task_wakes_one_of_them() {
    const POLLS: usize = 10_000;
    let world = World::new();
    let host = world.host(&fan_out(3, call("Far"))).build().await.unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let before = resident();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..POLLS {
        let (host, polls) = (host.clone(), Arc::clone(&polls));
        let options = PollOptions {
            control_queue: Some(format!("control-{n}")),
            ..PollOptions::new("default", format!("worker-{n}"))
        };
        let future = Box::pin(async move { host.poll_activity(options).await });
        tasks.spawn(Counted { future, polls });
    }
    until_waiting(&host, POLLS).await;
    let bytes = (resident() - before) * 1024 / POLLS as u64;
    println!("{bytes} bytes for each idle poll");
    assert!(bytes < 16_384, "{bytes} bytes for each idle poll");
    assert_eq!(polls.load(Ordering::Relaxed), POLLS);
    start(&host).await;
    for _ in 0..3 {
        let task = tasks.join_next().await.unwrap().unwrap().unwrap();
        complete(&host, &task).await;
    }
    // Each of the three was woken with the task and when its begin was stored.
    assert!(polls.load(Ordering::Relaxed) <= POLLS + 3 * 2);
    assert_eq!(host.describe_task_queue("default").pollers.len(), POLLS);
    world.advance(&host, 300_001).await;
    let shown = host.describe_task_queue("default").pollers.len();
    assert_eq!(shown, POLLS - 3, "those that wait, and none that went away");
}

#[tokio::test]
async fn a_queue_gives_no_faster_than_its_rate() {
    let world = World::new();
    let host = world.host(&fan_out(40, call("Far"))).build().await.unwrap();
    let asking = PollOptions {
        max_tasks_per_second: Some(4.0),
        ..polling()
    };
    start(&host).await;
    let mut polls = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (host, asking) = (host.clone(), asking.clone());
        polls.spawn(async move { host.poll_activity(asking).await });
    }
    until_waiting(&host, 39).await;
    let given = || 40 - host.describe_task_queue("default").backlog;
    assert_eq!(given(), 1);
    for second in 1..4 {
        for _ in 0..4 {
            world.advance(&host, 250).await;
        }
        assert_eq!(given(), 1 + 4 * second);
    }
    // What the owner sets counts more: nothing, and then no limit but his.
    host.set_task_queue_rate("default", Some(0.0));
    world.advance(&host, 60_000).await;
    let held = host.describe_task_queue("default");
    assert_eq!((held.backlog, held.max_tasks_per_second), (27, Some(0.0)));
    assert_eq!(held.oldest, Some(Timestamp(1_700_000_000_000)));
    host.set_task_queue_rate("default", Some(1000.0));
    assert_eq!(given(), 40);
    while let Some(answer) = polls.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn polls_end_with_the_host() {
    let world = World::new();
    let host = world.host(&one(call("Far"))).build().await.unwrap();
    let poll = waiting(&host, polling());
    let other = host.clone();
    let control = tokio::spawn(async move { other.poll_control("c").await });
    until_waiting(&host, 1).await;
    host.clone().shutdown().await.unwrap();
    assert!(matches!(poll.await.unwrap(), Err(Error::ShutDown)));
    assert!(matches!(control.await.unwrap(), Err(Error::ShutDown)));
    let late = host.poll_activity(polling()).await;
    assert!(matches!(late, Err(Error::ShutDown)), "{late:?}");
    let late = host.poll_control("c").await;
    assert!(matches!(late, Err(Error::ShutDown)), "{late:?}");
}

#[tokio::test]
async fn a_paused_activity_is_handed_out_when_it_is_let_go() {
    let world = World::new();
    let host = world.host(&one(call("Far"))).build().await.unwrap();
    let run = start(&host).await;
    run.activity("1")
        .pause(OperatorRequest::default())
        .await
        .unwrap();
    let poll = waiting(&host, polling());
    until_waiting(&host, 1).await;
    host.idle().await;
    assert!(!poll.is_finished());
    run.activity("1").unpause().await.unwrap();
    let task = poll.await.unwrap().unwrap();
    complete(&host, &task).await;
    assert_eq!(json_result(&run).await, "7");
}
