//! Does again what a record says reached a run, in the same order and at the same times.
//!
//! Workflow tasks are held back and begin where the record has one; attempts of activities wait
//! until it has their end, and report what it says.

use super::store;
use crate::sweep::{Ending, Gate};
use crate::{PATIENCE, compiled};
use sandglass::{
    CancelOptions, ForceOptions, Host, ManualClock, RunHandle, UpdateOptions, UpdateStage,
};
use sandglass_engine::{
    ActivityClose, Digest, Escalation, EventAttributes, EventId, Frame, HistoryEvent, Input,
    OperatorTarget, Record, Status, TaskFailedCause, TaskOutcome, TaskRecord, Timestamp, Trigger,
    Update, history,
};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// With attempts in flight the clock is moved in steps of this, with a heartbeat at each.
const STEP_MS: u64 = 1000;

/// A jump of the clock over this many steps is one jump: a timer of an hour.
const STEPS_MAX: u64 = 60;

struct Player {
    host: Host,
    run: RunHandle,
    clock: Arc<ManualClock>,
    gate: Arc<Gate>,
    /// Activities that the record ends without an attempt: nobody served them.
    unserved: BTreeSet<EventId>,
}

/// Continues after the first `prefix` frames and returns what the history came to.
pub(super) async fn play(
    frames: &[Frame],
    prefix: usize,
    components: &HashMap<Digest, Vec<u8>>,
) -> Vec<HistoryEvent> {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("store.db");
    store::make(&path, &frames[..prefix], components);
    let player = Player::open(&path, frames, prefix).await;
    for record in frames[prefix..].iter().flat_map(|frame| &frame.records) {
        match record {
            Record::Task(task) => player.task(task).await,
            record => {
                for (at, input) in record.inputs() {
                    player.input(at, input).await;
                }
            }
        }
    }
    let events = player.events().await;
    player.gate.clear();
    drop(player);
    events
}

/// What is known of the activities of a whole record.
fn activities(frames: &[Frame]) -> (BTreeSet<String>, BTreeSet<EventId>) {
    let (mut types, mut unserved) = (BTreeSet::new(), BTreeSet::new());
    for event in history(frames.to_vec()).expect("the frames are those of a run") {
        match event.attributes {
            EventAttributes::ActivityTaskScheduled { call, .. } => {
                types.insert(call.activity_type);
            }
            EventAttributes::ActivityTaskCanceled {
                scheduled_event_id,
                started_event_id: EventId(0),
                ..
            } => {
                unserved.insert(scheduled_event_id);
            }
            _ => {}
        }
    }
    (types, unserved)
}

impl Player {
    async fn open(path: &Path, frames: &[Frame], prefix: usize) -> Self {
        let before = history(frames[..prefix].to_vec()).expect("the frames are those of a run");
        let now = before.last().map_or(Timestamp(0), |event| event.event_time);
        let clock = Arc::new(ManualClock::new(now));
        let (types, unserved) = activities(frames);
        let gate = Arc::new(Gate::default());
        let shared: Arc<ManualClock> = Arc::clone(&clock);
        let mut builder = Host::builder()
            .store(path)
            .compile_cache(compiled())
            .clock(shared)
            .identity("test")
            .worker_threads(1)
            .start_paused();
        if unserved.is_empty() {
            for name in types {
                let gate = Arc::clone(&gate);
                builder = builder.activity(name, move |context, _| {
                    let gate = Arc::clone(&gate);
                    async move {
                        match gate.wait(&context).await {
                            Some(Ending::Report(result)) => result,
                            Some(Ending::Cancel(details)) => Err(context.canceled(details)),
                            Some(Ending::Go) | None => std::future::pending().await,
                        }
                    }
                });
            }
        }
        let host = builder.build().await.expect("the store was just made");
        let Some(EventAttributes::WorkflowExecutionStarted(start)) =
            before.first().map(|event| &event.attributes)
        else {
            panic!("the first frame has the start");
        };
        let run = host.run(&start.workflow_id, Some(&start.run_id));
        host.idle().await;
        Self {
            host,
            run,
            clock,
            gate,
            unserved,
        }
    }

    async fn events(&self) -> Vec<HistoryEvent> {
        self.run.history().await.expect("the history is intact")
    }

    async fn is_open(&self) -> bool {
        let found = self.run.describe().await.expect("the run is known");
        found.status == Status::Running
    }

    /// Moves the clock to a time of the record, and lets happen what is due on the way.
    async fn advance(&self, to: Timestamp) {
        let left = to.since(self.host.now()).0;
        let step = if left / STEP_MS > STEPS_MAX {
            left
        } else {
            STEP_MS
        };
        while self.host.now() < to {
            let found = self.run.describe().await.expect("the run is known");
            let begun = found
                .activities
                .iter()
                .filter(|activity| activity.started_at.is_some());
            for activity in begun {
                self.gate
                    .begun(&found.run_id, activity.scheduled_event_id)
                    .await;
            }
            self.gate.beat();
            let next = (self.host.now().0 + step).min(to.0);
            self.clock.set(Timestamp(next));
            self.host.idle().await;
        }
    }

    async fn input(&self, at: Timestamp, input: &Input) {
        self.advance(at).await;
        match input {
            Input::Started(_) => {}
            Input::Signaled(signal) => {
                let sent = self.run.signal(signal.clone()).await;
                sent.expect("the run is open");
            }
            Input::CancelRequested(request) => {
                let options = CancelOptions {
                    reason: request.reason.clone(),
                    identity: request.identity.clone(),
                    request_id: Some(request.request_id.clone()),
                    deadline: request.deadline.map(|due| due.since(at).into()),
                    escalation: request.escalation,
                };
                self.run.cancel(options).await.expect("the run is known");
            }
            Input::UpdateRequested(update) => self.update(update).await,
            Input::ActivityClosed {
                scheduled_event_id,
                close,
                ..
            } => self.close(*scheduled_event_id, close).await,
            // They are due at this time at the latest.
            Input::TimerFired { .. } | Input::TimedOut => {
                self.host.idle().await;
            }
            Input::Terminated {
                reason, identity, ..
            } => {
                self.host.idle().await;
                // The deadline of its cancellation may have done it just now.
                if self.is_open().await {
                    let ended = self.run.terminate(reason, identity).await;
                    ended.expect("the run is open");
                }
            }
            Input::Forced(request) if request.trigger == Trigger::Deadline => {
                self.host.idle().await;
            }
            Input::Forced(request) => {
                let options = ForceOptions {
                    reason: request.reason.clone(),
                    identity: request.identity.clone(),
                    request_id: Some(request.request_id.clone()),
                    kill: request.rung == Escalation::Kill,
                };
                self.run.force(options).await.expect("the run is known");
            }
            Input::Paused(_) | Input::Unpaused(_) | Input::OperatorCanceled { .. } => {
                self.operate(input).await;
            }
            Input::FirstTaskDue
            | Input::ChildStarted { .. }
            | Input::ChildStartFailed { .. }
            | Input::ChildClosed { .. }
            | Input::ExternalResolved { .. }
            | Input::Superseded(_)
            | Input::Reset(_) => panic!("{input:?} is not of a run alone"),
        }
    }

    /// Does what an operator did.
    async fn operate(&self, input: &Input) {
        match input {
            Input::Paused(request) => {
                let paused = self.run.pause(request.clone()).await;
                paused.expect("the run goes on");
            }
            Input::Unpaused(request) => {
                let unpaused = self.run.unpause(request.clone()).await;
                unpaused.expect("the run is paused");
            }
            Input::OperatorCanceled {
                target: OperatorTarget::Scope(scope),
                request,
            } => {
                let canceled = self.run.cancel_scope(*scope, request.clone()).await;
                canceled.expect("the scope is open");
            }
            Input::OperatorCanceled {
                target: OperatorTarget::Activity(id),
                request,
            } => {
                let found = self.run.describe().await.expect("the run is known");
                let mut pending = found.activities.iter();
                let activity = pending.find(|one| one.scheduled_event_id == *id);
                let activity_id = &activity.expect("it is pending").activity_id;
                let canceled = self.run.activity(activity_id).cancel(request.clone()).await;
                canceled.expect("it is pending");
            }
            _ => panic!("{input:?} is not what operators do"),
        }
    }

    /// Asks for an update, and waits until it is recorded.
    async fn update(&self, update: &Update) {
        let options = UpdateOptions {
            name: update.name.clone(),
            arguments: update.arguments.clone(),
            update_id: Some(update.id.clone()),
            identity: update.identity.clone(),
            wait_for: UpdateStage::Admitted,
            ..UpdateOptions::default()
        };
        let before = self.updates().await;
        let admitted = self.run.update(options).await;
        admitted.expect("the run is open");
        let begun = Instant::now();
        while self.updates().await == before {
            assert!(begun.elapsed() < PATIENCE, "the update was not recorded");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.host.idle().await;
    }

    async fn updates(&self) -> u32 {
        let found = self.run.describe().await.expect("the run is known");
        found.updates.total
    }

    async fn is_pending(&self, id: EventId) -> bool {
        let found = self.run.describe().await.expect("the run is known");
        found
            .activities
            .iter()
            .any(|activity| activity.scheduled_event_id == id)
    }

    /// Lets an activity end as it did.
    async fn close(&self, id: EventId, close: &ActivityClose) {
        // The engine ends by itself what nobody had begun.
        if self.unserved.contains(&id) {
            return;
        }
        let ending = match close {
            ActivityClose::Completed(result) => Ending::Report(Ok(result.clone())),
            ActivityClose::Failed { failure, .. } => Ending::Report(Err(failure.clone())),
            ActivityClose::Canceled { details, .. } => Ending::Cancel(details.clone()),
            ActivityClose::TimedOut { .. } => panic!("no history of the tests has a time-out"),
        };
        let run_id = self.run.run_id().expect("the handle is of one run");
        self.gate.begun(run_id, id).await;
        let begun = Instant::now();
        while self.is_pending(id).await {
            assert!(
                begun.elapsed() < PATIENCE,
                "the end of activity {id} was not recorded"
            );
            // One that was given up meanwhile does not count: then the next one is told.
            self.gate.end(run_id, id, ending.clone());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.host.idle().await;
    }

    /// Runs the workflow task that the record has here, if the run wants one.
    async fn task(&self, task: &TaskRecord) {
        self.advance(task.started_at).await;
        match &task.outcome {
            // It was interrupted by what comes next; until then it may go on for ever.
            TaskOutcome::Failed {
                cause: TaskFailedCause::ForceCloseCommand,
                ..
            } => return,
            TaskOutcome::Failed { .. } => {}
            TaskOutcome::Completed { digest, .. }
            | TaskOutcome::CompletedWithLocal { digest, .. } => self.pin(*digest).await,
        }
        self.host.resume_workflow_tasks();
        self.host.idle().await;
        self.host.pause_workflow_tasks();
    }

    /// Moves the run to the component that it had from here on.
    async fn pin(&self, digest: Digest) {
        let found = self.run.describe().await.expect("the run is known");
        if found.digest != digest && self.is_open().await {
            let moved = self.host.upgrade(&self.run, digest, false).await;
            moved.expect("the component is in the store");
        }
    }
}
