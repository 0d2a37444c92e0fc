//! What a store takes and gives: plain rows, so that every implementation speaks of the same.

use sandglass_engine::{Digest, EventId, Timestamp};
use std::fmt;

/// Names a run within one store. The host chooses it, counting up from 1; newer runs have higher
/// keys. Not shown to users: they know workflow id and run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunKey(pub u64);

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a run is open, or how it closed. Persisted as a number: append variants, never reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RunStatus {
    /// Open. A workflow id has at most one open run.
    Running = 0,
    /// Closed with a result.
    Completed = 1,
    /// Closed with a failure.
    Failed = 2,
    /// Closed after a cancel request.
    Canceled = 3,
    /// Closed by force.
    Terminated = 4,
    /// Closed by its run timeout.
    TimedOut = 5,
    /// Closed by its code, to be continued by another run.
    ContinuedAsNew = 6,
}

impl RunStatus {
    /// The status that a stored number means, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [
            Self::Running,
            Self::Completed,
            Self::Failed,
            Self::Canceled,
            Self::Terminated,
            Self::TimedOut,
            Self::ContinuedAsNew,
        ]
        .into_iter()
        .find(|status| *status as u8 == number)
    }
}

/// Bytes of summaries after which a page of runs ends: each may have megabytes of values.
pub const LIST_BYTES: usize = 4 << 20;

/// Whether no run comes after these, which were listed with this limit.
#[must_use]
pub fn is_last_page<E>(rows: &[Result<RunRow, E>], limit: usize) -> bool {
    let rows_read = rows.iter().flatten();
    let bytes: usize = rows_read.map(|row| row.summary.len()).sum();
    rows.len() < limit && bytes < LIST_BYTES
}

/// One run, as lists and recovery see it without reading its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its name in this store.
    pub key: RunKey,
    /// The id that the user chose. Never changes.
    pub workflow_id: String,
    /// The id of this run of it, unique in the store. Never changes.
    pub run_id: String,
    /// The first run of its chain: its own id, unless it follows another. Never changes.
    pub first_run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// Whether it is open, or how it closed.
    pub status: RunStatus,
    /// The component it is pinned to.
    pub digest: Digest,
    /// When it started.
    pub started_at: Timestamp,
    /// When it closed.
    pub closed_at: Option<Timestamp>,
    /// Whether a cancel request is recorded.
    pub cancel_requested: bool,
    /// An encoded `RunSummary`.
    pub summary: Vec<u8>,
}

impl RunRow {
    /// Whether `self` becomes `other` by another summary and another `cancel_requested`.
    pub(crate) fn is_same_but_for_summary(&self, other: &Self) -> bool {
        let Self {
            key,
            workflow_id,
            run_id,
            first_run_id,
            workflow_type,
            status,
            digest,
            started_at,
            closed_at,
            cancel_requested: _,
            summary: _,
        } = self;
        (key, status, digest, started_at, closed_at)
            == (
                &other.key,
                &other.status,
                &other.digest,
                &other.started_at,
                &other.closed_at,
            )
            && (workflow_id, run_id, first_run_id, workflow_type)
                == (
                    &other.workflow_id,
                    &other.run_id,
                    &other.first_run_id,
                    &other.workflow_type,
                )
    }
}

/// What one commit stores of one run. It is stored whole or not at all.
///
/// Applied in the order of the fields; deleting what is not there is no error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Write {
    /// The run.
    pub key: RunKey,
    /// Its row, inserted or replaced. The first write of a run needs it.
    pub row: Option<RunRow>,
    /// A frame with its number: one more than the run's last, the first is 1.
    pub frame: Option<(u64, Vec<u8>)>,
    /// Pending activities to insert or replace, by scheduled event.
    pub activities_put: Vec<(EventId, Vec<u8>)>,
    /// Activities that are pending no more.
    pub activities_deleted: Vec<EventId>,
    /// Timers to insert or replace, by started event, with the time when they are due.
    pub timers_put: Vec<(EventId, Timestamp)>,
    /// Timers that wait no more.
    pub timers_deleted: Vec<EventId>,
    /// The run closed: delete all its activities and timers, also those put by this write.
    pub clear: bool,
    /// Effects on other runs, to be applied after the commit.
    pub outbox_put: Vec<OutboxRow>,
    /// Effects that this write applies, by source run and source event.
    pub outbox_deleted: Vec<(RunKey, EventId)>,
    /// The first write of the run that follows this one, which this write closes. Both are stored,
    /// or neither is.
    pub successor: Option<Box<Write>>,
    /// The run goes, with all that is stored of it. Refused while it is open, or an effect of it is
    /// not applied. Nothing else of this write is stored then.
    pub delete: bool,
}

impl Write {
    /// A write that stores nothing yet.
    #[must_use]
    pub fn new(key: RunKey) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }
}

/// A pending activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// Its run.
    pub run: RunKey,
    /// Its scheduled event.
    pub scheduled_event_id: EventId,
    /// An encoded `PendingActivity`.
    pub body: Vec<u8>,
}

/// A timer that waits to fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerRow {
    /// Its run.
    pub run: RunKey,
    /// Its started event.
    pub started_event_id: EventId,
    /// When it is due by the wall clock. Times past the year 292 million are kept as that.
    pub due: Timestamp,
}

/// An effect on another run that is recorded but perhaps not yet applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The run that caused it.
    pub source: RunKey,
    /// The event of that run that caused it.
    pub source_event_id: EventId,
    /// What to do, encoded.
    pub body: Vec<u8>,
}

/// A stored component, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentRow {
    /// Its SHA-256 digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was first stored.
    pub added_at: Timestamp,
}

/// What is to be changed of the stored components.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComponentChange {
    /// A component that is stored unless it is there. The digest is taken on trust.
    pub put: Option<(Digest, Vec<u8>)>,
    /// One that is deleted if it is there, whatever needs it.
    pub remove: Option<Digest>,
    /// A text that is kept beside all of them, in place of the one that was: what they are for.
    pub note: Option<String>,
}

/// Which runs to list. The default is all of them; fields that are set must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Runs of this workflow id.
    pub workflow_id: Option<String>,
    /// Runs of the chain that begins with this run.
    pub first_run_id: Option<String>,
    /// Runs of this workflow type.
    pub workflow_type: Option<String>,
    /// Runs of this status.
    pub status: Option<RunStatus>,
    /// Runs with, or without, a recorded request to cancel them.
    pub cancel_requested: Option<bool>,
    /// Runs that started at this time or later.
    pub started_from: Option<Timestamp>,
    /// Runs that started before this time.
    pub started_before: Option<Timestamp>,
}

/// What a checkpoint did with the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Pages in the log when it began.
    pub log_pages: u64,
    /// Those of them that are in the main file now. Fewer if a reader still needs older pages.
    pub moved_pages: u64,
    /// Whether the log file was cut to nothing.
    pub truncated: bool,
}

/// Counters since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commits that reached the disk. Each is one sync of the log, sometimes two: the first after
    /// a checkpoint also syncs the log's new header.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Writes that were refused while their neighbors were stored.
    pub writes_refused: u64,
    /// Commits that failed whole.
    pub commits_failed: u64,
    /// Bytes of frames, activities, summaries and outbox rows in them, before any overhead.
    pub bytes: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Bytes in the log file now. Not a counter: grows with commits, and is used again from the
    /// start after a checkpoint.
    pub log_bytes: u64,
}
