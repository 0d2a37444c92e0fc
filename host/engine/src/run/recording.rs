//! What a run has recorded and not yet given away.

use super::{Run, size};
use crate::{
    Changes, EventAttributes, EventId, Frame, FrameOutput, HistoryEvent, Record, Timestamp,
};

/// What is kept of what is recorded, until it is taken as a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The records, and the events that they give.
    Events,
    /// The records alone.
    Records,
    /// Nothing: it was recorded before.
    Nothing,
}

/// What was recorded since the last frame.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    keep: Keep,
    records: Vec<Record>,
    events: Vec<HistoryEvent>,
    last_event_time: Option<Timestamp>,
    pub(super) changes: Changes,
    first_event_id: EventId,
}

impl Recording {
    pub(super) fn new(keep: Keep, first_event_id: EventId) -> Self {
        Self {
            keep,
            records: Vec::new(),
            events: Vec::new(),
            last_event_time: None,
            changes: Changes::default(),
            first_event_id,
        }
    }
}

impl Run {
    /// From now on [`FrameOutput::events`] stays empty: who wants them projects the frames.
    #[must_use]
    pub fn without_events(mut self: Box<Self>) -> Box<Self> {
        self.recording.keep = Keep::Records;
        self
    }

    /// Until [`Self::end_replay`] nothing that is recorded is kept: it is on disk.
    pub(crate) fn begin_replay_of_frames(&mut self) {
        self.recording.keep = Keep::Nothing;
    }

    /// A frame was recorded again, which takes so many bytes.
    pub(crate) fn frame_replayed(&mut self, bytes: u64) {
        self.history_bytes += bytes;
        self.recording = Recording::new(self.recording.keep, self.next_event_id);
    }

    /// What is recorded from now on is new.
    pub(crate) fn end_replay_of_frames(&mut self) {
        self.recording.keep = Keep::Events;
    }

    /// Whether what is recorded will be taken as a frame.
    pub(crate) fn keeps_records(&self) -> bool {
        self.recording.keep != Keep::Nothing
    }

    pub(crate) fn emit(&mut self, at: Timestamp, attributes: EventAttributes) -> EventId {
        self.emit_with(at, || attributes)
    }

    /// As [`Self::emit`], for attributes that cost something to make: they are made if somebody
    /// wants to see them.
    pub(crate) fn emit_with(
        &mut self,
        at: Timestamp,
        attributes: impl FnOnce() -> EventAttributes,
    ) -> EventId {
        let event_id = self.next_event_id;
        self.next_event_id = EventId(event_id.0 + 1);
        self.recording.last_event_time = Some(at);
        if self.recording.keep == Keep::Events {
            self.recording.events.push(HistoryEvent {
                event_id,
                event_time: at,
                attributes: attributes(),
            });
        }
        event_id
    }

    pub(crate) fn push_record(&mut self, record: Record) {
        if self.keeps_records() {
            self.recording.records.push(record);
        }
    }

    pub(crate) fn changes(&mut self) -> &mut Changes {
        &mut self.recording.changes
    }

    /// Takes all that was recorded since the last call, to be committed together.
    pub fn take_frame(&mut self) -> Option<FrameOutput> {
        if self.recording.records.is_empty() {
            return None;
        }
        let fresh = Recording::new(self.recording.keep, self.next_event_id);
        let recorded = std::mem::replace(&mut self.recording, fresh);
        self.history_bytes += size::stored_bytes(&recorded.records);
        let frame = Frame {
            first_event_id: recorded.first_event_id,
            next_event_id: self.next_event_id,
            records: recorded.records,
        };
        Some(FrameOutput {
            frame,
            changes: recorded.changes,
            events: recorded.events,
            last_event_time: recorded.last_event_time,
        })
    }
}
