//! Task queues: activities that wait for a worker outside of this process, and workers that wait
//! for an activity.
//!
//! A task and a poll meet here as soon as both are there and the queue's rate allows it: one task
//! wakes one poll. Nothing of this is stored; what waits is offered again by the next host.

mod backlog;
mod control;
mod line;
mod poll;
mod queue;
mod rate;

pub use control::ControlCommand;

use crate::{
    TaskToken,
    activity::Ticket,
    clock::lock,
    host::{Host, Inner},
    timers::{Alarm, Kind},
};
use control::Controls;
use queue::Queue;
use sandglass_engine::{EventId, Millis, Payload, RetryPolicy, Timestamp};
use sandglass_store::RunKey;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::oneshot;

/// Where places begin. Those of what the last host handed out are smaller.
const FIRST_PLACE: u64 = 1 << 40;

/// Queues that are kept before those are looked for that nobody uses any more.
const QUEUES: usize = 64;

/// How a worker polls for activities ([`Host::poll_activity`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PollOptions {
    /// The task queue that it serves.
    pub task_queue: String,
    /// Who it is. Shown in histories.
    pub identity: String,
    /// Where it is told of cancellations, if it listens ([`Host::poll_control`]).
    pub control_queue: Option<String>,
    /// How many activities per second the queue is to hand out to all its workers together. The
    /// newest poll that says something counts, and [`Host::set_task_queue_rate`] more than any.
    pub max_tasks_per_second: Option<f64>,
}

impl PollOptions {
    /// A poll of a queue.
    #[must_use]
    pub fn new(task_queue: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            task_queue: task_queue.into(),
            identity: identity.into(),
            ..Self::default()
        }
    }
}

/// One attempt of an activity, for the worker that is to make it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityTask {
    /// Names the attempt, and with it the run, in whatever is reported of it.
    pub token: TaskToken,
    /// The workflow type of its run.
    pub workflow_type: String,
    /// The activity type.
    pub activity_type: String,
    /// The activity id, unique among the run's pending ones.
    pub activity_id: String,
    /// The task queue that it waited in.
    pub task_queue: String,
    /// Arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// As [`ActivityInfo::idempotency_key`](crate::ActivityInfo::idempotency_key).
    pub idempotency_key: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When the activity was scheduled.
    pub scheduled_at: Timestamp,
    /// Since when this attempt could be begun.
    pub attempt_scheduled_at: Timestamp,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Limit for all attempts and waits together, from [`ActivityTask::scheduled_at`].
    pub schedule_to_close: Option<Millis>,
    /// Limit for this attempt, from [`ActivityTask::started_at`].
    pub start_to_close: Option<Millis>,
    /// Longest silence between heartbeats.
    pub heartbeat_timeout: Option<Millis>,
    /// When it is tried again if it fails.
    pub retry: RetryPolicy,
    /// Details of the newest heartbeat of an earlier attempt.
    pub heartbeat_details: Vec<Payload>,
}

/// A task queue as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskQueueDescription {
    /// Its name.
    pub name: String,
    /// Activities that wait in it.
    pub backlog: usize,
    /// Since when the one waits that has waited longest.
    pub oldest: Option<Timestamp>,
    /// The limit on hand-outs per second, if there is one. With 0 it gives nothing.
    pub max_tasks_per_second: Option<f64>,
    /// Who has polled it in the last five minutes, by identity.
    pub pollers: Vec<PollerDescription>,
}

/// Somebody who polls a task queue.
#[derive(Debug, Clone, PartialEq)]
pub struct PollerDescription {
    /// Who it is.
    pub identity: String,
    /// When a poll of it last came or went.
    pub last_access: Timestamp,
    /// The rate that it asked for.
    pub max_tasks_per_second: Option<f64>,
    /// Its polls that wait.
    pub waiting: usize,
}

/// An activity that waits, or was just given to a poll.
pub(crate) struct Handout {
    ticket: Ticket,
    /// Its place among all that came.
    place: u64,
    /// When it came.
    since: Timestamp,
}

#[derive(Default)]
struct State {
    queues: HashMap<Arc<str>, Queue>,
    /// Where each activity waits that does.
    places: HashMap<(RunKey, EventId), (Arc<str>, u64)>,
    /// Queues at which those are forgotten that nobody uses.
    forget_at: usize,
    stopped: bool,
}

/// The task queues of one host.
#[derive(Default)]
pub(crate) struct Queues {
    state: Mutex<State>,
    next: AtomicU64,
    controls: Controls,
}

impl Queues {
    /// A number that counts up: places of tasks and polls, and names of queues.
    fn place(&self) -> u64 {
        FIRST_PLACE + self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// An activity waits for a worker. One that does already keeps its place.
    pub(crate) fn offer(&self, host: &Inner, ticket: Ticket) {
        let (place, since) = (self.place(), host.clock.now());
        let handout = Handout {
            ticket,
            place,
            since,
        };
        self.add(host, handout, false);
    }

    /// An activity that was taken and not begun waits again, where it was.
    fn put_back(&self, host: &Inner, handout: Handout) {
        self.add(host, handout, true);
    }

    fn add(&self, host: &Inner, handout: Handout, back: bool) {
        let mut state = lock(&self.state);
        let key = (handout.ticket.cell.key, handout.ticket.event_id);
        if state.stopped || state.places.contains_key(&key) {
            return;
        }
        let now = host.clock.now();
        let name = self.queue(&mut state, &handout.ticket.task_queue, now);
        let place = handout.place;
        state.places.insert(key, (Arc::clone(&name), place));
        if let Some(queue) = state.queues.get_mut(&name) {
            match back {
                true => queue.backlog.put_back(key.0, place, handout),
                false => queue.backlog.put(key.0, place, handout),
            }
        }
        state.serve(host, &name);
    }

    /// The name of a queue that is there from now on.
    fn queue(&self, state: &mut State, name: &str, now: Timestamp) -> Arc<str> {
        if let Some((name, _)) = state.queues.get_key_value(name) {
            return Arc::clone(name);
        }
        if state.queues.len() >= state.forget_at.max(QUEUES) {
            state.queues.retain(|_, queue| !queue.is_idle(now));
            state.forget_at = 2 * state.queues.len();
        }
        let name: Arc<str> = name.into();
        let queue = Queue::new(self.place());
        state.queues.insert(Arc::clone(&name), queue);
        name
    }

    /// An activity waits no longer: it has ended.
    pub(crate) fn forget(&self, run: RunKey, event_id: EventId) {
        let mut state = lock(&self.state);
        if let Some((name, place)) = state.places.remove(&(run, event_id))
            && let Some(queue) = state.queues.get_mut(&name)
        {
            queue.backlog.remove(run, place);
        }
    }

    /// Takes out what waits of an activity type: it has a worker here now.
    pub(crate) fn take_type(&self, activity_type: &str) -> Vec<Ticket> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let mut taken = Vec::new();
        for queue in state.queues.values_mut() {
            let is_it = |handout: &Handout| handout.ticket.activity_type == activity_type;
            let waiting = queue.backlog.iter().filter(|(.., handout)| is_it(handout));
            let own: Vec<_> = waiting.map(|(run, place, _)| (run, place)).collect();
            let handouts = own
                .into_iter()
                .filter_map(|(run, place)| queue.backlog.remove(run, place));
            taken.extend(handouts);
        }
        // In the order in which they came.
        taken.sort_unstable_by_key(|handout| handout.place);
        for Handout { ticket, .. } in &taken {
            state.places.remove(&(ticket.cell.key, ticket.event_id));
        }
        taken.into_iter().map(|handout| handout.ticket).collect()
    }

    /// What waits in queues that nobody has polled lately, and since when.
    pub(crate) fn unserved(&self, now: Timestamp) -> Vec<(Ticket, Timestamp)> {
        let state = lock(&self.state);
        let forlorn = state.queues.values().filter(|queue| !queue.is_served(now));
        let mut waiting: Vec<_> = forlorn
            .flat_map(|queue| queue.backlog.iter())
            .map(|(.., handout)| (handout.place, handout.ticket.clone(), handout.since))
            .collect();
        waiting.sort_unstable_by_key(|(place, ..)| *place);
        let all = waiting.into_iter();
        all.map(|(_, ticket, since)| (ticket, since)).collect()
    }

    /// A poll waits. `None`: the host has stopped.
    fn join(
        &self,
        host: &Inner,
        number: u64,
        poll: &PollOptions,
    ) -> Option<oneshot::Receiver<Handout>> {
        let now = host.clock.now();
        let mut state = lock(&self.state);
        if state.stopped {
            return None;
        }
        let name = self.queue(&mut state, &poll.task_queue, now);
        let receiver = state.queues.get_mut(&name)?.join(number, poll, now);
        state.serve(host, &name);
        Some(receiver)
    }

    /// A poll waits no longer.
    fn left(&self, host: &Inner, number: u64, poll: &PollOptions) {
        let mut state = lock(&self.state);
        if let Some(queue) = state.queues.get_mut(poll.task_queue.as_str()) {
            queue.left(number, &poll.identity, host.clock.now());
        }
    }

    /// It is time for the queue of this number to give something again.
    pub(crate) fn due(&self, host: &Inner, number: u64) {
        let mut state = lock(&self.state);
        let mut queues = state.queues.iter_mut();
        let Some((name, queue)) = queues.find(|(_, queue)| queue.number == number) else {
            return;
        };
        queue.alarm = None;
        let name = Arc::clone(name);
        state.serve(host, &name);
    }

    /// Tells the workers of a control queue something.
    pub(crate) fn push(&self, host: &Inner, control_queue: &str, command: ControlCommand) {
        self.controls.push(control_queue, command, host.clock.now());
    }

    /// Hands out nothing any more; whoever waits is told.
    pub(crate) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopped = true;
        state.queues.clear();
        state.places.clear();
        drop(state);
        self.controls.stop();
    }
}

impl State {
    /// Hands out of a queue what it may give now.
    fn serve(&mut self, host: &Inner, name: &Arc<str>) {
        let Some(queue) = self.queues.get_mut(name) else {
            return;
        };
        let (given, again) = queue.serve(host.clock.now());
        let alarm = |due| Alarm {
            due,
            run: RunKey(0),
            event: EventId(queue.number),
            kind: Kind::QueueRate,
        };
        if queue.alarm != again {
            if let Some(due) = queue.alarm {
                host.timers.disarm(alarm(due));
            }
            if let Some(due) = again {
                host.timers.arm(alarm(due));
            }
            queue.alarm = again;
        }
        for key in given {
            self.places.remove(&key);
        }
    }
}

impl Host {
    /// Sets how many activities per second a task queue hands out to all its workers together:
    /// evenly, by the host's clock, and at most a tenth of a second's worth at once. 0 holds all
    /// back; `None` leaves it to what workers ask for. Not stored.
    pub fn set_task_queue_rate(&self, task_queue: &str, max_tasks_per_second: Option<f64>) {
        let inner = &self.inner;
        let mut state = lock(&inner.queues.state);
        let now = inner.clock.now();
        let name = inner.queues.queue(&mut state, task_queue, now);
        if let Some(queue) = state.queues.get_mut(&name) {
            queue.set_rate(max_tasks_per_second);
        }
        state.serve(inner, &name);
    }

    /// How a task queue stands. One that nobody has used is empty.
    #[must_use]
    pub fn describe_task_queue(&self, task_queue: &str) -> TaskQueueDescription {
        let now = self.inner.clock.now();
        match lock(&self.inner.queues.state).queues.get(task_queue) {
            Some(queue) => queue.describe(task_queue, now),
            None => Queue::new(0).describe(task_queue, now),
        }
    }

    /// The task queues that are polled, or in which an activity waits, by name.
    #[must_use]
    pub fn task_queues(&self) -> Vec<TaskQueueDescription> {
        let now = self.inner.clock.now();
        let mut state = lock(&self.inner.queues.state);
        let used = state
            .queues
            .iter_mut()
            .filter_map(|(name, queue)| (!queue.is_idle(now)).then(|| queue.describe(name, now)));
        let mut described: Vec<_> = used.collect();
        described.sort_by(|a, b| a.name.cmp(&b.name));
        described
    }
}
