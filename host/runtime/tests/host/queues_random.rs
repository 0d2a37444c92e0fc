//! Random runs, polls, reports and crashes: each attempt is handed out once, and none is lost.

use super::support::*;
use sandglass::{ActivityTask, Error, Host, PollOptions, StartOptions, TaskToken, engine::*};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
    time::timeout,
};

/// Runs with as many activities as their argument says, each tried until it succeeds.
fn fan_outs() -> Arc<Script> {
    script(|| {
        let mut left = 0;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } => {
                left = std::str::from_utf8(&arguments[0].data)
                    .unwrap()
                    .parse()
                    .unwrap();
                for _ in 0..left {
                    let call = ActivityCall {
                        start_to_close: Some(Millis(60_000)),
                        ..call("Far")
                    };
                    calls.activity(ScopeId::ROOT, call);
                }
            }
            GuestEvent::ActivityResolved(_, Ok(_)) if left > 1 => left -= 1,
            other => calls.end_with(other),
        }
    })
}

struct Random(u64);

impl Random {
    /// From `SANDGLASS_SEED`, or drawn.
    fn seeded() -> Self {
        let given = std::env::var("SANDGLASS_SEED").ok();
        let given = given.and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        println!("SANDGLASS_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

type Answer = Result<ActivityTask, Error>;

/// A host, its workers, and what they were given.
struct Field {
    world: World,
    script: Arc<Script>,
    host: Option<Host>,
    runs: Vec<String>,
    polls: JoinSet<()>,
    aborts: Vec<tokio::task::AbortHandle>,
    answers: (
        mpsc::UnboundedSender<Answer>,
        mpsc::UnboundedReceiver<Answer>,
    ),
    /// What has reached a worker.
    given: HashSet<TaskToken>,
    /// Attempts that a worker is at.
    working: Vec<TaskToken>,
}

impl Field {
    async fn new() -> Self {
        let (world, script) = (World::new(), fan_outs());
        let host = world.host(&script).build().await.unwrap();
        Self {
            world,
            script,
            host: Some(host),
            runs: Vec::new(),
            polls: JoinSet::new(),
            aborts: Vec::new(),
            answers: mpsc::unbounded_channel(),
            given: HashSet::new(),
            working: Vec::new(),
        }
    }

    fn host(&self) -> Host {
        self.host.clone().unwrap()
    }

    async fn start(&mut self, activities: usize) {
        let id = format!("w{}", self.runs.len());
        let options = StartOptions::new("main", &id).json(activities.to_string());
        self.host().start(options).await.unwrap();
        self.runs.push(id);
    }

    fn poll(&mut self) {
        let (host, answers) = (self.host(), self.answers.0.clone());
        let poll = async move {
            let answer = host
                .poll_activity(PollOptions::new("default", "worker"))
                .await;
            // The field lives as long as its polls.
            let _open = answers.send(answer);
        };
        self.aborts.push(self.polls.spawn(poll));
    }

    /// Takes what polls have answered.
    fn look(&mut self) {
        while let Ok(answer) = self.answers.1.try_recv() {
            let token = answer.unwrap().token;
            assert!(
                self.given.insert(token.clone()),
                "handed out twice: {token}"
            );
            self.working.push(token);
        }
        self.aborts.retain(|poll| !poll.is_finished());
    }

    /// Nobody polls any more. What waits is in the queue, and what is begun is with a worker.
    async fn stop_polling(&mut self) {
        self.polls.shutdown().await;
        self.look();
        let host = self.host();
        host.idle().await;
        let mut waiting = 0;
        for workflow_id in &self.runs {
            let run = host.run(workflow_id, None).describe().await.unwrap();
            for activity in run.activities {
                let is_its = |token: &&TaskToken| {
                    let at = (token.scheduled_event_id, token.attempt);
                    token.run_id == run.run_id
                        && at == (activity.scheduled_event_id, activity.attempt)
                };
                match activity.next_attempt_at {
                    Some(due) => waiting += usize::from(due <= host.now()),
                    None => assert!(
                        self.working.iter().any(|token| is_its(&token)),
                        "begun, and no worker has it: {activity:?}"
                    ),
                }
            }
        }
        let backlog = host.describe_task_queue("default").backlog;
        assert_eq!(waiting, backlog, "what waits can be polled for");
    }

    /// The host is killed, and with it the connections of those that poll.
    async fn crash(&mut self) {
        self.stop_polling().await;
        self.host = None;
        self.host = Some(self.world.host(&self.script).build().await.unwrap());
    }

    async fn open_runs(&self) -> usize {
        let host = self.host();
        let mut open = 0;
        for workflow_id in &self.runs {
            let run = host.run(workflow_id, None).describe().await.unwrap();
            open += usize::from(run.status == Status::Running);
        }
        open
    }

    fn some_work(&mut self, random: &mut Random) -> Option<TaskToken> {
        let count = self.working.len();
        (count > 0).then(|| self.working.swap_remove(random.below(count)))
    }

    async fn step(&mut self, random: &mut Random) {
        let host = self.host();
        match random.below(20) {
            0 => self.start(1 + random.below(6)).await,
            1..7 => self.poll(),
            7..10 if !self.aborts.is_empty() => {
                let poll = random.below(self.aborts.len());
                self.aborts.swap_remove(poll).abort();
            }
            10..15 => {
                if let Some(token) = self.some_work(random) {
                    let attempt = host.activity(&token);
                    accepted(attempt.complete(Payload::null(), "worker").await);
                }
            }
            15 => {
                if let Some(token) = self.some_work(random) {
                    let failure = Failure::application("E", "no");
                    accepted(host.activity(&token).fail(failure, "worker").await);
                }
            }
            16 => {
                if let Some(token) = self.some_work(random)
                    && host.give_back(&token).is_ok()
                {
                    self.given.remove(&token);
                    // The poll that it was given to has not looked yet.
                    if random.below(4) > 0 {
                        self.aborts.drain(..).for_each(|poll| poll.abort());
                    }
                }
            }
            17 => self.world.advance(&host, 1_000).await,
            18 if random.below(4) == 0 => {
                drop(host);
                self.crash().await;
            }
            _ => host.idle().await,
        }
        for _ in 0..random.below(3) {
            yield_now().await;
        }
        self.look();
    }

    /// All that waits is handed out, one after the other: the workflow ids, in that order.
    async fn drain(&mut self) -> Vec<String> {
        let host = self.host();
        let mut order = Vec::new();
        while host.describe_task_queue("default").backlog > 0 {
            let poll = host.poll_activity(PollOptions::new("default", "worker"));
            let token = poll.await.unwrap().token;
            assert!(
                self.given.insert(token.clone()),
                "handed out twice: {token}"
            );
            order.push(token.workflow_id.clone());
            self.working.push(token);
        }
        order
    }
}

/// An attempt may have passed its limit on time meanwhile.
fn accepted(reported: Result<(), Error>) {
    let late = matches!(reported, Err(Error::ActivityNotFound { .. }));
    assert!(late || reported.is_ok(), "{reported:?}");
}

/// Between two turns of a run each other one that goes on waiting has exactly one.
fn assert_fair(order: &[String]) {
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (at, run) in order.iter().enumerate() {
        if let Some(before) = last.insert(run, at) {
            let between = &order[before + 1..at];
            for other in order[at..].iter().filter(|other| *other != run) {
                let turns = between.iter().filter(|one| *one == other).count();
                assert_eq!(turns, 1, "{other} between {before} and {at} of {order:?}");
            }
        }
    }
}

#[tokio::test]
async fn each_attempt_is_handed_out_once_and_none_is_lost() {
    let mut random = Random::seeded();
    let mut field = Field::new().await;
    for _ in 0..1_500 {
        field.step(&mut random).await;
    }
    // No worker does anything any more: what they are at passes its limit on time.
    field.stop_polling().await;
    let host = field.host();
    let early = field.given.len();
    field.working.clear();
    for _ in 0..30 {
        field.world.advance(&host, 61_000).await;
    }
    assert_fair(&field.drain().await);
    for _ in 0..1_000 {
        for token in std::mem::take(&mut field.working) {
            accepted(
                host.activity(&token)
                    .complete(Payload::null(), "worker")
                    .await,
            );
        }
        field.world.advance(&host, 10_000).await;
        field.drain().await;
        if field.working.is_empty() && field.open_runs().await == 0 {
            break;
        }
    }
    for workflow_id in &field.runs {
        let status = host.run(workflow_id, None).result().await.unwrap();
        assert!(
            matches!(status, Status::Completed { .. }),
            "{workflow_id}: {status:?}"
        );
    }
    println!(
        "{} runs, {early} attempts, then {}",
        field.runs.len(),
        field.given.len() - early
    );
}

/// Polls and reports until the host stops. A poll is given up after some time.
async fn work(host: Host, given: Arc<Mutex<HashSet<TaskToken>>>, mut random: Random) {
    loop {
        let poll = host.poll_activity(PollOptions::new("default", "worker"));
        let patience = Duration::from_micros(random.below(2_000) as u64);
        match timeout(patience, poll).await {
            Ok(Ok(task)) => {
                let fresh = given.lock().unwrap().insert(task.token.clone());
                assert!(fresh, "handed out twice: {}", task.token);
                let attempt = host.activity(&task.token);
                attempt.complete(Payload::null(), "worker").await.unwrap();
            }
            Ok(Err(Error::ShutDown)) => return,
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn polls_that_come_and_go_on_many_threads_lose_nothing() {
    const RUNS: usize = 20;
    const ACTIVITIES: usize = 30;
    let mut random = Random::seeded();
    let mut field = Field::new().await;
    let host = field.host();
    let given = Arc::new(Mutex::new(HashSet::new()));
    let mut workers = JoinSet::new();
    for _ in 0..24 {
        let random = Random(random.0.wrapping_add(random.below(1 << 20) as u64));
        workers.spawn(work(host.clone(), Arc::clone(&given), random));
    }
    for _ in 0..RUNS {
        field.start(ACTIVITIES).await;
    }
    for workflow_id in &field.runs {
        let status = host.run(workflow_id, None).result().await.unwrap();
        assert!(matches!(status, Status::Completed { .. }), "{status:?}");
    }
    host.clone().shutdown().await.unwrap();
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    assert_eq!(given.lock().unwrap().len(), RUNS * ACTIVITIES);
}
