//! One task queue: what waits, who waits, how fast it may go, and who has polled lately.

use super::{
    Handout, PollOptions, PollerDescription, TaskQueueDescription,
    backlog::Backlog,
    line::Line,
    rate::{Admission, Rate},
};
use sandglass_engine::{EventId, Millis, Timestamp};
use sandglass_store::RunKey;
use std::collections::HashMap;

/// How long a poller is shown after its last poll.
pub(super) const SHOWN_FOR: Millis = Millis(300_000);

/// Pollers that are kept before those are looked for that have been away for long.
const POLLERS: usize = 16;

/// One task queue.
pub(super) struct Queue {
    /// What its alarm goes by.
    pub(super) number: u64,
    pub(super) backlog: Backlog<Handout>,
    line: Line<Handout>,
    rate: Rate,
    /// The rate that was set by the host's owner, which counts more than what pollers ask for.
    set: Option<f64>,
    asked: Option<f64>,
    /// When it is looked at again because of its rate.
    pub(super) alarm: Option<Timestamp>,
    pollers: HashMap<String, Poller>,
    /// Pollers at which those are forgotten that have been away for long.
    forget_at: usize,
}

/// Somebody who polls.
struct Poller {
    last_access: Timestamp,
    asked: Option<f64>,
    /// Polls that wait.
    waiting: usize,
}

impl Queue {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            backlog: Backlog::default(),
            line: Line::default(),
            rate: Rate::default(),
            set: None,
            asked: None,
            alarm: None,
            pollers: HashMap::new(),
            forget_at: POLLERS,
        }
    }

    /// A poll begins, or goes on, to wait.
    pub(super) fn join(
        &mut self,
        number: u64,
        poll: &PollOptions,
        now: Timestamp,
    ) -> tokio::sync::oneshot::Receiver<Handout> {
        if self.pollers.len() >= self.forget_at {
            self.forget_absent(now);
            self.forget_at = POLLERS.max(2 * self.pollers.len());
        }
        let asked = poll.max_tasks_per_second;
        match self.pollers.get_mut(&poll.identity) {
            Some(poller) => {
                poller.last_access = now;
                poller.asked = asked;
                poller.waiting += 1;
            }
            None => {
                let poller = Poller {
                    last_access: now,
                    asked,
                    waiting: 1,
                };
                self.pollers.insert(poll.identity.clone(), poller);
            }
        }
        if asked.is_some() {
            self.asked = asked;
            self.rate.set(self.set.or(asked));
        }
        self.line.join(number)
    }

    /// A poll waits no longer, because it was given something or has gone.
    pub(super) fn left(&mut self, number: u64, identity: &str, now: Timestamp) {
        self.line.leave(number);
        if let Some(poller) = self.pollers.get_mut(identity) {
            poller.waiting = poller.waiting.saturating_sub(1);
            poller.last_access = now;
        }
    }

    /// Sets the rate, or leaves it to what pollers ask for.
    pub(super) fn set_rate(&mut self, rate: Option<f64>) {
        self.set = rate;
        self.rate.set(rate.or(self.asked));
    }

    /// Hands out what it may now. Returns what was handed out, and when to look again if it is the
    /// rate that holds something back.
    pub(super) fn serve(&mut self, now: Timestamp) -> (Vec<(RunKey, EventId)>, Option<Timestamp>) {
        let mut given = Vec::new();
        while self.line.len() > 0 && self.backlog.len() > 0 {
            match self.rate.admits(now) {
                Admission::Now => {}
                Admission::At(at) => return (given, Some(at)),
                Admission::Never => break,
            }
            let Some((run, place, handout)) = self.backlog.take() else {
                break;
            };
            let event_id = handout.ticket.event_id;
            match self.line.give(handout) {
                Ok(()) => {
                    self.rate.spend(now);
                    given.push((run, event_id));
                }
                Err(handout) => self.backlog.put_back(run, place, handout),
            }
        }
        (given, None)
    }

    /// Whether somebody serves it: a poll waits, or one did lately.
    pub(super) fn is_served(&self, now: Timestamp) -> bool {
        self.pollers.values().any(|poller| poller.is_shown(now))
    }

    /// Whether it may be forgotten.
    pub(super) fn is_idle(&mut self, now: Timestamp) -> bool {
        self.forget_absent(now);
        let empty = self.backlog.len() == 0 && self.line.len() == 0;
        empty && self.pollers.is_empty() && self.set.is_none()
    }

    fn forget_absent(&mut self, now: Timestamp) {
        self.pollers.retain(|_, poller| poller.is_shown(now));
    }

    pub(super) fn describe(&self, name: &str, now: Timestamp) -> TaskQueueDescription {
        let shown = self.pollers.iter();
        let mut pollers: Vec<_> = shown
            .filter(|(_, poller)| poller.is_shown(now))
            .map(|(identity, poller)| PollerDescription {
                identity: identity.clone(),
                last_access: poller.last_access,
                max_tasks_per_second: poller.asked,
                waiting: poller.waiting,
            })
            .collect();
        pollers.sort_by(|a, b| a.identity.cmp(&b.identity));
        TaskQueueDescription {
            name: name.to_owned(),
            backlog: self.backlog.len(),
            oldest: self.backlog.oldest().map(|handout| handout.since).min(),
            max_tasks_per_second: self.set.or(self.asked),
            pollers,
        }
    }
}

impl Poller {
    fn is_shown(&self, now: Timestamp) -> bool {
        self.waiting > 0 || now.since(self.last_access) <= SHOWN_FOR
    }
}
