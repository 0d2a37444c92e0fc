//! Commands to workers: what they are told without having asked for it by a heartbeat.
//!
//! A command waits in its queue until a worker takes it, or for as long as somebody could still
//! come back. None is stored: that an activity was asked to stop is, and is told again by the next
//! host.

use super::line::Line;
use crate::{TaskToken, clock::lock, error::Error, host::Host};
use sandglass_engine::{Millis, Timestamp};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};
use tokio::sync::oneshot;

/// How long a command waits for a worker that does not poll.
const KEPT_FOR: Millis = Millis(600_000);

/// Most commands that wait for one worker. Of more than these it is told by its heartbeats.
const KEPT: usize = 1000;

/// How often commands and queues are looked for that nobody will come for.
const LOOKED_AT_EVERY: Millis = Millis(60_000);

/// What a worker is told ([`Host::poll_control`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlCommand {
    /// To stop making this attempt: cancellation was requested, or its result is not wanted any
    /// more.
    CancelActivity(TaskToken),
}

#[derive(Default)]
struct Mailbox {
    line: Line<ControlCommand>,
    waiting: VecDeque<(Timestamp, ControlCommand)>,
}

#[derive(Default)]
struct State {
    mailboxes: HashMap<String, Mailbox>,
    next: u64,
    look_at: Timestamp,
    stopped: bool,
}

/// The control queues of one host.
#[derive(Default)]
pub(super) struct Controls(Mutex<State>);

impl Controls {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Gives a command to whoever waits, or keeps it.
    pub(super) fn push(&self, queue: &str, command: ControlCommand, now: Timestamp) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        state.forget_old(now);
        let mailbox = state.mailboxes.entry(queue.to_owned()).or_default();
        if let Err(command) = mailbox.line.give(command) {
            mailbox.waiting.push_back((now, command));
            if mailbox.waiting.len() > KEPT {
                mailbox.waiting.pop_front();
            }
        }
    }

    /// A command that was given to a poll that has gone goes to the next one.
    fn put_back(&self, queue: &str, command: ControlCommand, now: Timestamp) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        let mailbox = state.mailboxes.entry(queue.to_owned()).or_default();
        if let Err(command) = mailbox.line.give(command) {
            mailbox.waiting.push_front((now, command));
        }
    }

    fn join(
        &self,
        queue: &str,
        now: Timestamp,
    ) -> Option<(u64, oneshot::Receiver<ControlCommand>)> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        state.forget_old(now);
        state.next += 1;
        let number = state.next;
        let mailbox = state.mailboxes.entry(queue.to_owned()).or_default();
        let receiver = mailbox.line.join(number);
        if let Some((at, command)) = mailbox.waiting.pop_front()
            && let Err(command) = mailbox.line.give(command)
        {
            mailbox.waiting.push_front((at, command));
        }
        Some((number, receiver))
    }

    fn leave(&self, queue: &str, number: u64) {
        if let Some(mailbox) = self.lock().mailboxes.get_mut(queue) {
            mailbox.line.leave(number);
        }
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.mailboxes.clear();
    }
}

impl State {
    fn forget_old(&mut self, now: Timestamp) {
        // Where the clock was set back, the next look may be far off.
        if now < self.look_at && self.look_at <= now + LOOKED_AT_EVERY {
            return;
        }
        self.look_at = now + LOOKED_AT_EVERY;
        for mailbox in self.mailboxes.values_mut() {
            let is_old = |at: &Timestamp| now.since(*at) > KEPT_FOR;
            mailbox.waiting.retain(|(at, _)| !is_old(at));
        }
        self.mailboxes
            .retain(|_, mailbox| mailbox.line.len() > 0 || !mailbox.waiting.is_empty());
    }
}

/// A poll's place in line.
struct Place<'a> {
    host: &'a Host,
    queue: &'a str,
    number: u64,
    receiver: oneshot::Receiver<ControlCommand>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let inner = &self.host.inner;
        let controls = &inner.queues.controls;
        controls.leave(self.queue, self.number);
        if let Ok(command) = self.receiver.try_recv() {
            controls.put_back(self.queue, command, inner.clock.now());
        }
    }
}

impl Host {
    /// Waits for something that the workers of a control queue are to be told. Workers name their
    /// control queue when they poll for activities ([`PollOptions`](crate::PollOptions)).
    ///
    /// Each command is given to one poll. One whose poll was dropped goes to the next; nobody's is
    /// kept for ten minutes, and no more than 1,000 of one queue. A worker that no command reaches
    /// learns the same by its heartbeats. For a command that was returned and cannot be passed on
    /// see [`Host::give_back_control`].
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the host stops.
    pub async fn poll_control(&self, control_queue: &str) -> Result<ControlCommand, Error> {
        let inner = &self.inner;
        let joined = inner.queues.controls.join(control_queue, inner.clock.now());
        let (number, receiver) = joined.ok_or(Error::ShutDown)?;
        let mut place = Place {
            host: self,
            queue: control_queue,
            number,
            receiver,
        };
        (&mut place.receiver).await.map_err(|_| Error::ShutDown)
    }
    /// Gives back a command that a poll of this control queue returned and that never reached its
    /// worker, whose connection was gone. The next poll gets it.
    pub fn give_back_control(&self, control_queue: &str, command: ControlCommand) {
        let inner = &self.inner;
        let controls = &inner.queues.controls;
        controls.put_back(control_queue, command, inner.clock.now());
    }
}
