//! How large a run's history is, and what the limits of the host say to that.

use super::Run;
use crate::{HistorySize, Record};

impl Run {
    /// How large the history is by now.
    #[must_use]
    pub fn history_size(&self) -> HistorySize {
        let (events, bytes) = (self.next_event_id.0 - 1, self.history_bytes);
        let reached = |count: u64, limit: usize| usize::try_from(count).is_ok_and(|n| n >= limit);
        HistorySize {
            bytes,
            suggest_continue_as_new: reached(events, self.limits.history_events_suggested)
                || reached(bytes, self.limits.history_bytes_suggested),
        }
    }

    /// What the history has more of than the limits of the host allow, for people.
    #[must_use]
    pub fn history_over_limit(&self) -> Option<String> {
        let limits = &self.limits;
        self.history_beyond(limits.history_events, limits.history_bytes)
    }

    /// What the history has more of than the host warns of.
    #[must_use]
    pub fn history_over_warning(&self) -> Option<String> {
        let limits = &self.limits;
        self.history_beyond(limits.history_events_warning, limits.history_bytes_warning)
    }

    fn history_beyond(&self, events_max: usize, bytes_max: usize) -> Option<String> {
        let events = self.next_event_id.0 - 1;
        if events > events_max as u64 {
            return Some(format!("{events} events, more than {events_max}"));
        }
        let bytes = self.history_bytes;
        (bytes > bytes_max as u64).then(|| format!("{bytes} bytes, more than {bytes_max}"))
    }
}

/// What a record takes of a stored frame.
pub(super) fn stored_bytes(record: &Record) -> u64 {
    let size = postcard::ser_flavors::Size::default();
    let bytes = postcard::serialize_with_flavor(record, size)
        .expect("postcard fails only on sequences of unknown length, which no persisted type has");
    bytes as u64
}
