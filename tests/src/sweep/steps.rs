//! The swept workflow, one commit at a time: on a manual clock, with workflow tasks held back and
//! attempts that wait, so that a test can do something after each event of a history.

use super::{ACTIVITIES, Ending, Gate, Ledger};
use crate::compiled;
use sandglass::{
    ActivityDescription, CancelOptions, Host, ManualClock, RunDescription, RunHandle, StartOptions,
};
use sandglass_engine::{
    EventAttributes, EventId, HistoryEvent, Payload, Signal, Status, Timestamp,
};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// After which commits the host is dropped as in a crash.
///
/// Every other one: an attempt that was in flight at three unclean stops counts as failed, and
/// some are in flight for three commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashAfter {
    /// None.
    Nothing,
    /// The second, the fourth and so on.
    EvenCommits,
    /// The first, the third and so on.
    OddCommits,
}

/// What a run came to.
#[derive(Debug)]
pub struct Stepped {
    /// Its whole history.
    pub events: Vec<HistoryEvent>,
    /// How it ended.
    pub status: Status,
    /// The lengths that its committed history had.
    pub lengths: Vec<u64>,
    /// How often its host was dropped.
    pub crashes: usize,
}

/// One run of the swept workflow.
struct Stage {
    folder: TempDir,
    component: Arc<Vec<u8>>,
    clock: Arc<ManualClock>,
    ledger: Arc<Ledger>,
    gate: Arc<Gate>,
    host: Option<Host>,
}

/// Runs it to its end; canceled as soon as the history has this many events.
///
/// # Errors
/// What is wrong with the effects of its activities.
///
/// # Panics
/// If it does not come to an end.
pub async fn run(
    component: &Arc<Vec<u8>>,
    cancel_after: Option<u64>,
    crash_after: CrashAfter,
) -> Result<Stepped, String> {
    let mut stage = Stage {
        folder: TempDir::new().expect("a temporary folder can be made"),
        component: Arc::clone(component),
        clock: Arc::new(ManualClock::new(Timestamp(1_000_000))),
        ledger: Arc::new(Ledger::new(Path::new("/"))),
        gate: Arc::default(),
        host: None,
    };
    stage.ledger = Arc::new(Ledger::new(stage.folder.path()));
    stage.open().await;
    let mut run = stage.start().await;
    let (mut lengths, mut crashes) = (Vec::new(), 0);
    for step in 1.. {
        assert!(
            step < 1000,
            "the run goes on for ever: {:?}",
            run.describe().await
        );
        let crash = match crash_after {
            CrashAfter::Nothing => false,
            CrashAfter::EvenCommits => step % 2 == 0,
            CrashAfter::OddCommits => step % 2 == 1,
        };
        if crash {
            run = stage.crash(&run).await;
            crashes += 1;
        }
        let found = run.describe().await.expect("the run is known");
        lengths.push(found.history_length);
        if found.status != Status::Running {
            break;
        }
        stage.step(&run, &found, cancel_after).await;
    }
    let events = run.history().await.expect("the history is intact");
    let run_id = run.run_id().expect("the handle is of one run");
    stage.ledger.check(run_id, &events)?;
    let status = run.result().await.expect("the run has ended");
    stage.gate.clear();
    let host = stage.host.take().expect("a stage has a host");
    host.shutdown().await.expect("the host stops in order");
    Ok(Stepped {
        events,
        status,
        lengths,
        crashes,
    })
}

impl Stage {
    fn host(&self) -> &Host {
        self.host.as_ref().expect("a stage has a host")
    }

    /// Opens a host, with workflow tasks held back.
    async fn open(&mut self) {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let mut builder = Host::builder()
            .store(self.folder.path().join("store.db"))
            .compile_cache(compiled())
            .clock(clock)
            .identity("stage")
            .worker_threads(1)
            .start_paused();
        for name in ACTIVITIES {
            let (gate, ledger) = (Arc::clone(&self.gate), Arc::clone(&self.ledger));
            builder = builder.activity(name, move |context, arguments| {
                let (gate, ledger) = (Arc::clone(&gate), Arc::clone(&ledger));
                async move {
                    match gate.wait(&context).await {
                        Some(_) => ledger.attempt(&context, &arguments),
                        None => std::future::pending().await,
                    }
                }
            });
        }
        let host = builder.build().await.expect("the store is intact");
        host.idle().await;
        self.host = Some(host);
    }

    async fn start(&self) -> RunHandle {
        let loaded = self.host().load_component(self.component.to_vec()).await;
        loaded.expect("the swept workflow is a component");
        let mut options = StartOptions::new("saga", "sweep").json("1");
        options.request_id = Some("start".into());
        self.host().start(options).await.expect("nothing else runs")
    }

    /// Drops the host as a crash would, and opens another.
    async fn crash(&mut self, run: &RunHandle) -> RunHandle {
        self.gate.clear();
        // Attempts of the old host that have yet to begin must not be found by the new one.
        self.gate = Arc::default();
        drop(self.host.take());
        self.open().await;
        self.host().run(run.workflow_id(), run.run_id())
    }

    /// Does what comes next: one commit.
    async fn step(&self, run: &RunHandle, found: &RunDescription, cancel_after: Option<u64>) {
        let due = cancel_after.is_some_and(|events| found.history_length >= events);
        if due && found.cancel.is_none() {
            let options = CancelOptions {
                reason: "r1".into(),
                identity: "op".into(),
                request_id: Some("cancel".into()),
                ..CancelOptions::default()
            };
            run.cancel(options).await.expect("the run is open");
        } else if found.task.is_some() {
            self.host().resume_workflow_tasks();
            self.host().idle().await;
            self.host().pause_workflow_tasks();
        } else if let Some(activity) = found.activities.first() {
            self.attempt(run, activity).await;
        } else if let Some((_, due)) = found.timers.iter().min_by_key(|(_, due)| *due) {
            self.clock.set(*due);
            self.host().idle().await;
        } else {
            approve(run).await;
        }
    }

    /// Lets an activity's attempt end, or its next one begin.
    async fn attempt(&self, run: &RunHandle, activity: &ActivityDescription) {
        if let Some(next) = activity
            .next_attempt_at
            .filter(|at| *at > self.host().now())
        {
            self.clock.set(next);
            self.host().idle().await;
            return;
        }
        let run_id = run.run_id().expect("the handle is of one run");
        self.gate.begun(run_id, activity.scheduled_event_id).await;
        self.gate
            .end(run_id, activity.scheduled_event_id, Ending::Go);
        let same = |now: &ActivityDescription| {
            (now.scheduled_event_id, now.attempt) == (activity.scheduled_event_id, activity.attempt)
        };
        while run
            .describe()
            .await
            .expect("the run is known")
            .activities
            .iter()
            .any(same)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.host().idle().await;
    }
}

/// Sends the approval that the run waits for.
async fn approve(run: &RunHandle) {
    let events = run.history().await.expect("the history is intact");
    let signal = next_approval(&events);
    run.signal(signal).await.expect("the run is open");
}

/// The next approval of a run with this history. Sent again it is the same request.
#[must_use]
pub fn next_approval(events: &[HistoryEvent]) -> Signal {
    let is_signal = |event: &&HistoryEvent| {
        matches!(
            event.attributes,
            EventAttributes::WorkflowExecutionSignaled(_)
        )
    };
    let number = events.iter().filter(is_signal).count() + 1;
    Signal {
        name: "approve".into(),
        arguments: vec![Payload::null()],
        request_id: format!("approve-{number}"),
        ..Signal::default()
    }
}

/// Whether the run waits for nothing but an approval: its last workflow task asked for nothing.
#[must_use]
pub fn waits_for_approval(events: &[HistoryEvent]) -> bool {
    let last = events.last().map(|event| &event.attributes);
    matches!(last, Some(EventAttributes::WorkflowTaskCompleted { .. }))
}

/// The committed length at which a cancellation after this event is recorded: events of one commit
/// become visible together.
#[must_use]
pub fn placed(lengths: &[u64], event: EventId) -> Option<u64> {
    lengths.iter().copied().find(|length| *length >= event.0)
}
