//! Any program, one commit at a time: on a manual clock, with workflow tasks held back and attempts
//! that wait, so that a test can cancel it before each event and drop its host after each commit.
//!
//! Children and whatever else a run starts are on the same stage: what comes next is looked for in
//! the run itself first, then in the others.

use super::{Ending, Gate, lenient::Lenient};
use crate::{PATIENCE, compiled};
use sandglass::{
    ActivityContext, ActivityDescription, CancelOptions, Host, ManualClock, RunDescription,
    RunHandle, StartOptions,
    store::{ListFilter, Reader as _, RunKey, SqliteStore},
};
use sandglass_engine::{EventId, Failure, Frame, Payload, Signal, Status, Timestamp, decode};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The workflow id of the run that is canceled.
pub const MAIN: &str = "main";

/// Workflow tasks that have to fail in a row before the run counts as stuck.
const FAILURES_MAX: u32 = 4;

/// What the attempts of an activity come to.
pub type Answer =
    Arc<dyn Fn(&ActivityContext, &[Payload]) -> Result<Payload, Failure> + Send + Sync>;

/// What is played.
#[derive(Clone)]
pub struct Play<'a> {
    /// The component.
    pub component: &'a Arc<Vec<u8>>,
    /// The workflow type.
    pub workflow_type: &'a str,
    /// Its arguments, as JSON texts.
    pub arguments: &'a [&'a str],
    /// Signals, name and argument, sent one after another when nothing else is to come.
    pub signals: &'a [(&'a str, &'a str)],
    /// The activity types that are served.
    pub activities: &'a [&'a str],
    /// Those that never end once they are told to stop.
    pub stubborn: &'a [&'a str],
    /// What their attempts come to.
    pub answer: Answer,
    /// All attempts that are pending end at once, in any order.
    pub together: bool,
    /// Canceled as soon as the history has this many events.
    pub cancel_after: Option<u64>,
    /// The host is dropped as in a crash after each commit that the stage sees.
    pub crash: bool,
}

/// One run that took part.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its workflow id.
    pub workflow_id: String,
    /// How it stands.
    pub status: Status,
    /// Its frames.
    pub frames: Vec<Frame>,
}

/// What a play came to.
#[derive(Debug)]
pub struct Played {
    /// The run, and whatever it started.
    pub parts: Vec<Part>,
    /// The lengths that its committed history had.
    pub lengths: Vec<u64>,
    /// How often its host was dropped after it had committed something.
    pub crashes: usize,
    /// Nothing came any more although it was open: it waited for what never comes, or its workflow
    /// tasks failed again and again. Then it was terminated.
    pub stuck: bool,
}

struct Stage<'a> {
    play: &'a Play<'a>,
    folder: TempDir,
    clock: Arc<ManualClock>,
    gate: Arc<Gate>,
    host: Option<Host>,
}

/// Plays it to the end of all runs.
///
/// # Panics
/// If it goes on for ever.
pub async fn play(play: &Play<'_>) -> Played {
    let mut stage = Stage {
        play,
        folder: TempDir::new().expect("a temporary folder can be made"),
        clock: Arc::new(ManualClock::new(Timestamp(1_000_000))),
        gate: Arc::default(),
        host: None,
    };
    stage.open().await;
    stage.start().await;
    let (mut lengths, mut crashes, mut stuck) = (Vec::new(), 0, false);
    for step in 1.. {
        assert!(
            step < 2000,
            "it goes on for ever: {:?}",
            stage.open_runs().await
        );
        if play.crash {
            crashes += usize::from(stage.crash().await);
        }
        let open = stage.open_runs().await;
        let main = stage.main().describe().await.expect("the run is known");
        if lengths.last() != Some(&main.history_length) {
            lengths.push(main.history_length);
        }
        if open.is_empty() {
            break;
        }
        if stage.step(&main, &open).await {
            continue;
        }
        stuck |= main.status == Status::Running;
        for run in &open {
            let handle = stage.host().run(&run.workflow_id, Some(&run.run_id));
            let ended = handle.terminate("nothing comes any more", "stage").await;
            ended.expect("the run is open");
        }
        stage.host().idle().await;
    }
    Played {
        parts: stage.end().await,
        lengths,
        crashes,
        stuck,
    }
}

impl Stage<'_> {
    fn host(&self) -> &Host {
        self.host.as_ref().expect("a stage has a host")
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn main(&self) -> RunHandle {
        self.host().run(MAIN, None)
    }

    /// Opens a host, with workflow tasks held back.
    async fn open(&mut self) {
        let (clock, store): (Arc<ManualClock>, _) = (Arc::clone(&self.clock), self.store());
        let mut builder = Host::builder()
            .store_with(move || Lenient::open(&store))
            .compile_cache(compiled())
            .clock(clock)
            .identity("stage")
            .worker_threads(1)
            .start_paused();
        for name in self.play.activities {
            let (gate, answer) = (Arc::clone(&self.gate), Arc::clone(&self.play.answer));
            builder = builder.activity(*name, move |context, arguments| {
                let (gate, answer) = (Arc::clone(&gate), Arc::clone(&answer));
                async move {
                    // A local one is a part of its workflow task, and ends with it.
                    if context.info().scheduled_event_id == EventId(0) {
                        return answer(&context, &arguments);
                    }
                    match gate.wait(&context).await {
                        Some(_) => answer(&context, &arguments),
                        None => std::future::pending().await,
                    }
                }
            });
        }
        let host = builder.build().await.expect("the store is intact");
        let loaded = host.load_component(self.play.component.to_vec()).await;
        loaded.expect("the program is a component");
        host.idle().await;
        self.host = Some(host);
    }

    async fn start(&self) {
        let mut options = StartOptions::new(self.play.workflow_type, MAIN);
        options.request_id = Some("start".into());
        for argument in self.play.arguments {
            options = options.json(*argument);
        }
        self.host().start(options).await.expect("nothing else runs");
        self.host().idle().await;
    }

    /// Drops the host as a crash would, and opens another. Whether the first one had committed
    /// anything of a run.
    async fn crash(&mut self) -> bool {
        let committed = self.host().stats().frames > 0;
        self.gate.clear();
        // Attempts of the old host that have yet to begin must not be found by the new one.
        self.gate = Arc::default();
        drop(self.host.take());
        self.open().await;
        committed
    }

    /// The open runs, the one that is canceled first.
    async fn open_runs(&self) -> Vec<RunDescription> {
        let all = self.host().list(&ListFilter::default(), 100, None).await;
        let mut open = Vec::new();
        for (_, run) in all.expect("the store can be read") {
            let run = self.host().run(&run.workflow_id, Some(&run.run_id));
            let found = run.describe().await.expect("a listed run is known");
            if found.status == Status::Running {
                open.push(found);
            }
        }
        open.sort_by_key(|run| (run.workflow_id != MAIN, run.workflow_id.clone()));
        open
    }

    /// Does what comes next, if anything does.
    async fn step(&self, main: &RunDescription, open: &[RunDescription]) -> bool {
        let now = self.host().now();
        let reached = |events| main.history_length >= events;
        let is_open = main.status == Status::Running;
        if is_open && main.cancel.is_none() && self.play.cancel_after.is_some_and(reached) {
            let options = CancelOptions {
                reason: "r1".into(),
                identity: "op".into(),
                request_id: Some("cancel".into()),
                ..CancelOptions::default()
            };
            self.main().cancel(options).await.expect("the run is open");
            self.host().idle().await;
            return true;
        }
        // One that fails again and again is left alone: after a restart it is tried at once.
        let tasks = open.iter().filter_map(|run| run.task.as_ref());
        let tasks: Vec<_> = tasks.filter(|task| task.attempt <= FAILURES_MAX).collect();
        if tasks
            .iter()
            .any(|task| task.next_attempt_at.is_none_or(|at| at <= now))
        {
            self.host().resume_workflow_tasks();
            self.host().idle().await;
            self.host().pause_workflow_tasks();
            return true;
        }
        if self.attempts(open).await {
            return true;
        }
        let retries = tasks.iter().filter_map(|task| task.next_attempt_at);
        let timers = open
            .iter()
            .flat_map(|run| run.timers.iter().map(|(_, due)| *due));
        if let Some(due) = retries.chain(timers).min() {
            self.clock.set(due.max(now));
            self.host().idle().await;
            return true;
        }
        is_open && main.task.is_none() && self.signal().await
    }

    /// Lets an attempt end, or the next one begin, if there is any that would.
    async fn attempts(&self, open: &[RunDescription]) -> bool {
        let would = |activity: &&ActivityDescription| {
            let name = activity.activity_type.as_str();
            let deaf = activity.cancel_requested.is_some() && self.play.stubborn.contains(&name);
            self.play.activities.contains(&name) && !deaf
        };
        let pending = open.iter().flat_map(|run| {
            let activities = run.activities.iter().filter(would);
            activities.map(move |activity| (run, activity))
        });
        let mut pending: Vec<_> = pending.collect();
        if !self.play.together {
            pending.truncate(1);
        }
        for (run, activity) in &pending {
            if let Some(next) = activity
                .next_attempt_at
                .filter(|at| *at > self.host().now())
            {
                self.clock.set(next);
                self.host().idle().await;
                return true;
            }
            let id = activity.scheduled_event_id;
            self.gate.begun(&run.run_id, id).await;
            self.gate.end(&run.run_id, id, Ending::Go);
        }
        for (run, activity) in &pending {
            self.ended(run, activity).await;
        }
        self.host().idle().await;
        !pending.is_empty()
    }

    /// Waits until an attempt is over.
    async fn ended(&self, run: &RunDescription, activity: &ActivityDescription) {
        let same = |now: &ActivityDescription| {
            (now.scheduled_event_id, now.attempt) == (activity.scheduled_event_id, activity.attempt)
        };
        let handle = self.host().run(&run.workflow_id, Some(&run.run_id));
        let begun = Instant::now();
        loop {
            let found = handle.describe().await.expect("the run is known");
            if !found.activities.iter().any(same) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "its end is not recorded: {activity:?}"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends the next signal, if one is left.
    async fn signal(&self) -> bool {
        let events = self.main().history().await.expect("the history is intact");
        let is_signal = |name: &str| name == "WorkflowExecutionSignaled";
        let types = events.iter().map(|event| event.attributes.event_type());
        let number = types.filter(|name| is_signal(name)).count();
        let Some((name, argument)) = self.play.signals.get(number) else {
            return false;
        };
        let signal = Signal {
            name: (*name).into(),
            arguments: vec![match *argument {
                "null" => Payload::null(),
                json => Payload::json(json),
            }],
            request_id: format!("signal-{number}"),
            ..Signal::default()
        };
        self.main().signal(signal).await.expect("the run is open");
        true
    }

    /// Stops the host and reads what all runs have left.
    async fn end(mut self) -> Vec<Part> {
        let listed = self.host().list(&ListFilter::default(), 100, None).await;
        let mut listed = listed.expect("the store can be read");
        listed.sort_by_key(|(key, run)| (run.workflow_id != MAIN, run.workflow_id.clone(), *key));
        self.gate.clear();
        let host = self.host.take().expect("a stage has a host");
        host.shutdown().await.expect("the host stops in order");
        let reader = SqliteStore::open_read_only(&self.store()).expect("the store is intact");
        let frames = |key: RunKey| {
            let frames = reader.frames(key).expect("the frames are intact");
            let frames = frames.iter().map(|bytes| decode::<Frame>(bytes));
            frames
                .collect::<Result<_, _>>()
                .expect("the frames are intact")
        };
        let part = |(key, run): (RunKey, sandglass::RunListing)| Part {
            workflow_id: run.workflow_id,
            status: run.status,
            frames: frames(key),
        };
        listed.into_iter().map(part).collect()
    }
}
