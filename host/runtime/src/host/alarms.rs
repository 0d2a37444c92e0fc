//! What happens when something is due, and sleeping on the host's clock.

use super::Inner;
use crate::{
    activity,
    cell::{Mail, Posted, RunCell},
    clock::lock,
    keep, recovery,
    task::hosting,
    timers::{Alarm, Kind},
};
use sandglass_engine::{
    CancelRequest, Escalation, EventId, ForceRequest, Input, Millis, Timestamp, Trigger,
};
use sandglass_store::RunKey;
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

impl Inner {
    /// Waits in real time, on the host's own runtime: the caller's may have no timers.
    pub(crate) async fn wait_real(&self, how_long: Duration) {
        let waiting = self.tokio.spawn(tokio::time::sleep(how_long));
        // It ends early only with the host.
        let _over = waiting.await;
    }

    /// Lets an activity wait on the host's clock.
    pub(crate) async fn sleep(&self, how_long: Duration) {
        let due = self.clock.now() + Millis::from(how_long);
        self.sleep_until(due, true).await;
    }

    /// Waits on the host's clock.
    pub(crate) async fn wait_until(&self, due: Timestamp) {
        self.sleep_until(due, false).await;
    }

    async fn sleep_until(&self, due: Timestamp, activity: bool) {
        let event = EventId(self.next_sleep.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        lock(&self.sleeps).insert(event, (sender, activity));
        let alarm = Alarm {
            due,
            run: RunKey(0),
            event,
            kind: Kind::Sleep,
        };
        let sleep = Sleep { host: self, alarm };
        self.timers.arm(alarm);
        // The sender is dropped unused only with the host.
        let _woken = receiver.await;
        drop(sleep);
    }

    /// Passes on alarms that are due, all of one run at once.
    pub(crate) fn fire(self: &Arc<Self>, alarms: Vec<Alarm>) {
        let _phase = crate::crash::phase(crate::crash::Phase::Timers);
        crate::crash::point("timer.before");
        let mut timers: Vec<(Arc<RunCell>, Vec<Mail>)> = Vec::new();
        let mut places: HashMap<RunKey, usize> = HashMap::new();
        for alarm in alarms {
            if alarm.kind == Kind::Sleep {
                if let Some((sleeper, _)) = lock(&self.sleeps).remove(&alarm.event) {
                    // It may have stopped sleeping meanwhile.
                    let _gone = sleeper.send(());
                }
                continue;
            }
            if alarm.kind == Kind::QueueRate {
                self.queues.due(self, alarm.event.0);
                continue;
            }
            let Some(cell) = self.open_run(alarm.run) else {
                continue;
            };
            if alarm.kind != Kind::Timer {
                self.fire_one(&cell, alarm);
                continue;
            }
            let place = *places.entry(alarm.run).or_insert_with(|| {
                timers.push((Arc::clone(&cell), Vec::new()));
                timers.len() - 1
            });
            let input = match alarm.event {
                EventId(0) => Input::FirstTaskDue,
                EventId(1) => Input::TimedOut,
                event_id => grace_passed(&cell, event_id).unwrap_or(Input::TimerFired {
                    started_event_id: event_id,
                }),
            };
            timers[place]
                .1
                .push(Mail::input(self.clock.now(), input, None));
        }
        for (cell, mails) in timers {
            let queue = cell.lock().post(mails) == Posted::Queue;
            if queue {
                self.enqueue(cell);
            }
        }
        crate::crash::point("timer.after");
    }

    fn fire_one(self: &Arc<Self>, cell: &Arc<RunCell>, alarm: Alarm) {
        match alarm.kind {
            Kind::ActivityDeadline => activity::deadline_passed(self, cell, alarm.event),
            Kind::ActivityRetry | Kind::HeartbeatFlush => activity::woken(self, cell, alarm.event),
            Kind::TaskRetry => {
                let mut state = cell.lock();
                if state.retry_at == Some(alarm.due) {
                    state.retry_at = None;
                    if state.wake() == Posted::Queue {
                        self.enqueue(Arc::clone(cell));
                    }
                }
            }
            Kind::KeptGrace => {
                let mails = keep::grace_passed(cell, self.clock.now());
                if !mails.is_empty() {
                    self.post_all(cell, mails);
                }
            }
            Kind::TaskOver => hosting::look(self, cell),
            Kind::StoreRetry => recovery::after_store_failure(self, cell),
            Kind::Timer | Kind::Sleep | Kind::QueueRate => {}
        }
    }
}

/// Takes the alarm back if the sleeper goes away.
struct Sleep<'a> {
    host: &'a Inner,
    alarm: Alarm,
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.host.timers.disarm(self.alarm);
        lock(&self.host.sleeps).remove(&self.alarm.event);
    }
}

/// What follows when the deadline of a request to cancel passes (R30); nothing if the timer is
/// another one.
fn grace_passed(cell: &RunCell, event_id: EventId) -> Option<Input> {
    let state = cell.lock();
    let summary = &state.head.summary;
    let (_, rung) = summary.grace.filter(|(id, _)| *id == event_id)?;
    let (request, _) = summary.cancel.as_ref()?;
    Some(ended_by_deadline(request, rung))
}

/// What ends a run that has not ended by the deadline of this request.
pub(crate) fn ended_by_deadline(request: &CancelRequest, rung: Escalation) -> Input {
    let reason = format!(
        "not ended by the deadline of its cancellation: {}",
        request.reason
    );
    let reason = reason.trim_end_matches([' ', ':']).to_owned();
    let identity = request.identity.clone();
    match rung {
        Escalation::Terminate => Input::Terminated {
            reason,
            identity,
            details: Vec::new(),
            request_id: request.request_id.clone(),
        },
        rung => Input::Forced(ForceRequest {
            rung,
            trigger: Trigger::Deadline,
            reason,
            identity,
            request_id: request.request_id.clone(),
        }),
    }
}
