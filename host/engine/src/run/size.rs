//! How large a run's history is, and what the limits of the host say to that.

use super::Run;
use crate::{Fields, HistorySize, Record, compensation::Entry};

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

    /// What the run keeps beside its history more of than the limits of the host allow, for people.
    #[must_use]
    pub fn state_over_limit(&self) -> Option<String> {
        let bytes_max = self.limits.run_state_bytes;
        // All that is counted came with the history.
        if self.history_bytes <= bytes_max as u64 {
            return None;
        }
        let bytes = self.state_bytes();
        (bytes > bytes_max).then(|| format!("{bytes} bytes, more than {bytes_max}"))
    }

    /// Bytes of payloads and texts that it keeps beside its history.
    fn state_bytes(&self) -> usize {
        let undone = self.compensations.all().map(entry_bytes);
        let locals = self.locals.values().map(|local| local.call.payload_bytes());
        let pending = self.activities.values().map(|open| open.activity_id.len());
        let children = self
            .children
            .values()
            .map(|child| child.workflow_id.len() + child.workflow_type.len());
        let requests = self.signal_requests.iter().chain(&self.operator_requests);
        let names = requests
            .chain(self.updates.keys())
            .chain(self.patches.keys())
            .map(String::len);
        let fields = fields_bytes(&self.memo) + fields_bytes(&self.search_attributes);
        let parts = undone.chain(locals).chain(pending);
        fields + parts.chain(children).chain(names).sum::<usize>()
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

fn fields_bytes(fields: &Fields) -> usize {
    let fields = fields.iter();
    fields.map(|(name, value)| name.len() + value.size()).sum()
}

fn entry_bytes(entry: &Entry) -> usize {
    entry.call.activity_type.len() + entry.call.payload_bytes()
}

/// What records take of a stored frame.
pub(crate) fn stored_bytes(records: &[Record]) -> u64 {
    let bytes = |record| {
        let size = postcard::ser_flavors::Size::default();
        postcard::serialize_with_flavor(record, size)
            .expect("postcard fails only on sequences of unknown length, which no type here has")
    };
    records.iter().map(bytes).sum::<usize>() as u64
}
