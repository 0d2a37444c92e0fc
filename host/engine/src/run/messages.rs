//! Looking at a run, and which updates it takes.

use super::Run;
use crate::{Digest, InputError, Task, UpdateCounts};

impl Run {
    /// Begins to look at the run: a task in which the guest can ask and not command, and which
    /// leaves nothing behind. [`Task::into_run`] ends it.
    #[must_use]
    pub fn look(self: Box<Self>) -> Box<Task> {
        let at = self.clock;
        Task::new(self, at, Digest::default(), None, Vec::new(), true)
    }

    /// Whether its first workflow task has completed.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.first_task_done
    }

    /// How many updates it has had.
    #[must_use]
    pub fn update_counts(&self) -> UpdateCounts {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let in_flight = self.updates.values().filter(|update| !update.answered);
        UpdateCounts {
            total: count(self.updates.len()),
            in_flight: count(in_flight.count()),
        }
    }

    pub(super) fn takes_update(&self) -> Result<(), InputError> {
        let (limits, counts) = (&self.limits, self.update_counts());
        if counts.in_flight as usize >= limits.updates_in_flight {
            return Err(InputError::TooManyUpdatesInFlight(limits.updates_in_flight));
        }
        if counts.total as usize >= limits.updates_per_run {
            return Err(InputError::TooManyUpdates(limits.updates_per_run));
        }
        Ok(())
    }
}
