//! What the host does with the local activities of a [`World`].

use super::{Scripted, World};
use sandglass_engine::*;

impl World {
    /// As the host does. What an activity did that was to stop when its host died nobody knows.
    pub(super) fn obey(&mut self, order: LocalOrder) -> Option<LocalResolution> {
        match order {
            LocalOrder::Begin(local)
                if local.pending.cancel_requested.is_some()
                    && !self.locals.contains_key(&local.operation) =>
            {
                return Some(LocalResolution {
                    operation: local.operation,
                    attempt: local.pending.attempt,
                    at: self.now,
                    outcome: LocalOutcome::Unsettled,
                    unsettled: local.pending.unsettled,
                });
            }
            LocalOrder::Begin(local) => {
                self.locals.entry(local.operation).or_insert(*local);
            }
            LocalOrder::Cancel {
                operation,
                reason,
                waits,
                ..
            } => {
                let local = self.locals.get_mut(&operation).unwrap();
                if local.pending.started.is_none() {
                    let attempt = local.last_attempt();
                    let (outcome, unsettled) = (local.stopped(), local.pending.unsettled);
                    self.locals.remove(&operation);
                    return Some(LocalResolution {
                        operation,
                        attempt,
                        at: self.now,
                        outcome,
                        unsettled,
                    });
                }
                let name = local.pending.call.activity_type.clone();
                self.told.push((name, reason.clone()));
                local.pending.cancel_requested = Some(reason);
                if !waits {
                    self.locals.remove(&operation);
                }
            }
            LocalOrder::Abandon(operation) | LocalOrder::Drop(operation) => {
                self.locals.remove(&operation);
            }
        }
        None
    }

    /// Whether a workflow task waits for local activities.
    pub(crate) fn is_hosting(&self) -> bool {
        self.hosting.is_some()
    }

    /// Ends the task that waits, as after 80 % of its time or for a request to cancel.
    pub(crate) fn end_task(&mut self) {
        let task = self.hosting.take().expect("a task waits");
        self.finish(task, Ok(()));
    }

    /// A local activity reports; what that means is told to the task that waits for it.
    pub(crate) fn local(&mut self, name: &str, report: Report) {
        self.local_ends(name, |local, at| {
            local.report(at, report, Millis::from_secs(10))
        });
    }

    /// An attempt of a local activity takes too long.
    pub(crate) fn local_times_out(&mut self, name: &str) {
        self.local_ends(name, |local, at| {
            local.time_out(at, TimeoutKind::StartToClose, Millis::from_secs(10))
        });
    }

    fn local_ends(
        &mut self,
        name: &str,
        ends: impl FnOnce(&mut LocalActivity, Timestamp) -> LocalVerdict,
    ) {
        let found = self.locals.values_mut().rev();
        let mut found = found.filter(|local| local.pending.call.activity_type == name);
        let local = found
            .next()
            .unwrap_or_else(|| panic!("{name} does not run"));
        let at = self.now;
        let outcome = match ends(local, at) {
            LocalVerdict::Ended(outcome) => outcome,
            LocalVerdict::Retry { at } => {
                self.now = self.now.max(at);
                local.pending.start(self.now, "host");
                return;
            }
        };
        let (operation, attempt) = (local.operation, local.last_attempt());
        let unsettled = local.pending.unsettled;
        self.resolve(LocalResolution {
            operation,
            attempt,
            at,
            outcome,
            unsettled,
        });
    }

    pub(crate) fn resolve(&mut self, resolution: LocalResolution) {
        self.locals.remove(&resolution.operation);
        let mut task = self.hosting.take().expect("a task waits");
        task.resolve_local(resolution);
        self.drive(task);
    }

    /// The host stops as in a crash: what is not committed never was.
    pub(crate) fn crash(&mut self) {
        self.hosting = None;
        self.locals.clear();
        self.guest = Scripted((self.make)());
        let mut guest = Scripted((self.make)());
        self.run = Some(self.replayed(Some(&mut guest)).unwrap());
        self.guest = guest;
    }
}
