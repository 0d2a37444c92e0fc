//! Histories read piece by piece. A client asks page by page: how far its last page has come is
//! kept, so that the next one need not begin at the first event. Only so many read at the same
//! time, and take turns, so that one history of a million events keeps nobody waiting for long.

use super::events::Projection;
use crate::{
    door::Door,
    proto::history::HistoryEvent,
    remembered::{Limits, Remembered},
    status,
};
use prost::Message as _;
use sandglass::{Error, HistoryReader, RunHandle};
use sandglass_engine::{EventId, HistoryEvent as Event, Millis};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tonic::Status;

/// Most events of one page.
const PAGE_EVENTS: usize = 1000;

/// Bytes of events after which a page ends. Clients take messages of 4 MiB at least.
const PAGE_BYTES: usize = 2 << 20;

/// Most events that are kept for the pages before one, and the memory that they may take. Whoever
/// goes back further has the history read from its first event again.
const OLDER_EVENTS: usize = 10 * PAGE_EVENTS;
const OLDER_BYTES: usize = 4 << 20;

/// Those that read at the same time.
const AT_ONCE: usize = 2;

/// Events that one reads before it is another's turn.
const TURN: usize = 1000;

/// How many are kept that may go on, and for how long.
const KEPT: usize = 16;
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Events that closed runs, which are asked for again and again.
const CLOSES: Limits = Limits {
    lifetime: Millis(600_000),
    entries: 10_000,
    bytes: 8 << 20,
};

/// What is being read of the histories of a namespace.
pub(crate) struct Histories {
    turns: Arc<Semaphore>,
    kept: Mutex<VecDeque<Kept>>,
    closes: Mutex<Remembered<HistoryEvent>>,
}

/// How far a page has come.
struct Kept {
    run_id: String,
    /// The last event that the client has.
    at: EventId,
    next: Next,
    since: Instant,
}

enum Next {
    Newer(Box<Reading>),
    /// Events before it, the oldest first.
    Older(VecDeque<HistoryEvent>),
}

impl Default for Histories {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            kept: Mutex::default(),
            closes: Mutex::new(Remembered::new(CLOSES)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Histories {
    fn take(&self, run_id: &str, at: EventId, is_newer: bool) -> Option<Next> {
        let mut kept = lock(&self.kept);
        let place = kept.iter().position(|kept| {
            let same = kept.run_id == run_id && kept.at == at;
            same && matches!(kept.next, Next::Newer(_)) == is_newer
        })?;
        kept.remove(place).map(|kept| kept.next)
    }

    fn keep(&self, run_id: &str, at: EventId, next: Next) {
        let mut kept = lock(&self.kept);
        let since = Instant::now();
        kept.retain(|kept| since - kept.since < KEPT_FOR);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept {
            run_id: run_id.into(),
            at,
            next,
            since,
        });
    }
}

/// A history that is being read.
struct Reading {
    reader: HistoryReader,
    projection: Projection,
    /// What was read and is not taken yet.
    ready: VecDeque<Event>,
}

impl Reading {
    fn new(door: &Door, run: &RunHandle) -> Result<Self, Error> {
        Ok(Self {
            reader: run.read_history()?,
            projection: Projection::new(&door.namespace),
            ready: VecDeque::new(),
        })
    }

    /// The next event, if there is one.
    fn next(&mut self) -> Result<Option<Event>, Error> {
        if self.ready.is_empty() {
            self.ready.extend(self.reader.next_events()?);
        }
        Ok(self.ready.pop_front())
    }
}

/// What is made of a history, event by event.
trait Work: Send + 'static {
    /// Takes the next event; none: there are no more. Returns whether that was enough.
    fn take(&mut self, reading: &mut Reading, event: Option<Event>) -> bool;
}

/// Reads on until there is enough.
async fn read<W: Work>(
    door: &Door,
    mut reading: Box<Reading>,
    mut work: W,
) -> Result<(Box<Reading>, W), Status> {
    loop {
        let turn = Arc::clone(&door.histories.turns).acquire_owned().await;
        let turn = turn.expect("nobody closes it");
        let took = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            for _ in 0..TURN {
                let event = reading.next()?;
                if work.take(&mut reading, event) {
                    return Ok((reading, work, true));
                }
            }
            Ok((reading, work, false))
        });
        let took: Result<_, Error> = match took.await {
            Ok(took) => took,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let is_enough;
        (reading, work, is_enough) = took.map_err(status::of)?;
        if is_enough {
            return Ok((reading, work));
        }
    }
}

/// How many events a client wants in a page.
fn limit(wanted: i32) -> usize {
    match usize::try_from(wanted) {
        Ok(0) | Err(_) => PAGE_EVENTS,
        Ok(wanted) => wanted.min(PAGE_EVENTS),
    }
}

/// A page of events, and whether there are no more.
pub(super) type Page = (Vec<HistoryEvent>, bool);

fn id(event: &HistoryEvent) -> EventId {
    EventId(u64::try_from(event.event_id).unwrap_or_default())
}

/// The events after one.
struct Newer {
    after: EventId,
    limit: usize,
    page: Vec<HistoryEvent>,
    bytes: usize,
    is_whole: bool,
}

impl Work for Newer {
    fn take(&mut self, reading: &mut Reading, event: Option<Event>) -> bool {
        let Some(event) = event else {
            self.is_whole = true;
            return true;
        };
        if event.event_id <= self.after {
            reading.projection.pass(&event);
            return false;
        }
        if self.page.len() == self.limit {
            reading.ready.push_front(event);
            return true;
        }
        // It may not fit, and is then asked for again: what it ends is forgotten when it is told.
        reading.projection.begin(&event);
        let told = reading.projection.event(event.clone());
        self.bytes += told.encoded_len();
        if !self.page.is_empty() && self.bytes > PAGE_BYTES {
            reading.ready.push_front(event);
            return true;
        }
        reading.projection.pass(&event);
        self.page.push(told);
        false
    }
}

/// A page of the events after one; `is_followed` if the client will ask on where it ends, also if
/// there are no more so far.
pub(super) async fn newer(
    door: &Door,
    run: &RunHandle,
    run_id: &str,
    after: EventId,
    wanted: i32,
    is_followed: bool,
) -> Result<Page, Status> {
    let reading = match door.histories.take(run_id, after, true) {
        Some(Next::Newer(reading)) => reading,
        _ => Box::new(Reading::new(door, run).map_err(status::of)?),
    };
    let work = Newer {
        after,
        limit: limit(wanted),
        page: Vec::new(),
        bytes: 0,
        is_whole: false,
    };
    let (reading, work) = read(door, reading, work).await?;
    let at = work.page.last().map_or(after, id);
    // Nobody asks for what comes after the last page.
    if !work.is_whole || is_followed {
        door.histories.keep(run_id, at, Next::Newer(reading));
    }
    Ok((work.page, work.is_whole))
}

/// The memory that an event takes, about: as a message it is larger than its bytes.
fn held(event: &HistoryEvent) -> usize {
    size_of::<HistoryEvent>() + event.encoded_len()
}

/// The events before one, as many as are kept.
struct Older {
    before: EventId,
    found: VecDeque<HistoryEvent>,
    bytes: usize,
}

impl Work for Older {
    fn take(&mut self, reading: &mut Reading, event: Option<Event>) -> bool {
        let Some(event) = event.filter(|event| event.event_id < self.before) else {
            return true;
        };
        let event = reading.projection.next(event);
        self.bytes += held(&event);
        self.found.push_back(event);
        while self.found.len() > 1 && (self.found.len() > OLDER_EVENTS || self.bytes > OLDER_BYTES)
        {
            let oldest = self.found.pop_front();
            self.bytes -= oldest.as_ref().map_or(0, held);
        }
        false
    }
}

pub(super) async fn older(
    door: &Door,
    run: &RunHandle,
    run_id: &str,
    before: EventId,
    wanted: i32,
) -> Result<Page, Status> {
    let mut found = match door.histories.take(run_id, before, false) {
        Some(Next::Older(found)) => found,
        _ => {
            let reading = Box::new(Reading::new(door, run).map_err(status::of)?);
            let work = Older {
                before,
                found: VecDeque::new(),
                bytes: 0,
            };
            read(door, reading, work).await?.1.found
        }
    };
    let limit = limit(wanted);
    let (mut page, mut bytes) = (Vec::new(), 0);
    while page.len() < limit
        && let Some(event) = found.pop_back_if(|event| {
            bytes += event.encoded_len();
            page.is_empty() || bytes <= PAGE_BYTES
        })
    {
        page.push(event);
    }
    let is_whole = page.last().is_none_or(|oldest| oldest.event_id <= 1);
    if let Some(oldest) = page.last().filter(|_| !found.is_empty()) {
        let at = id(oldest);
        door.histories.keep(run_id, at, Next::Older(found));
    }
    Ok((page, is_whole))
}

/// What all events make together.
struct Fold<T, F>(T, F);

impl<T, F> Work for Fold<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut T, Event) + Send + 'static,
{
    fn take(&mut self, _: &mut Reading, event: Option<Event>) -> bool {
        let Some(event) = event else {
            return true;
        };
        (self.1)(&mut self.0, event);
        false
    }
}

/// Reads a history to its end, and gives what was made of it.
pub(crate) async fn fold<T: Send + 'static>(
    door: &Door,
    run: &RunHandle,
    first: T,
    see: impl FnMut(&mut T, Event) + Send + 'static,
) -> Result<T, Status> {
    let reading = Box::new(Reading::new(door, run).map_err(status::of)?);
    let (_, Fold(made, _)) = read(door, reading, Fold(first, see)).await?;
    Ok(made)
}

/// The last event.
struct Last(Option<Event>);

impl Work for Last {
    fn take(&mut self, reading: &mut Reading, event: Option<Event>) -> bool {
        let Some(event) = event else {
            return true;
        };
        reading.projection.pass(&event);
        self.0 = Some(event);
        false
    }
}

/// The event that closed a run, which is closed.
pub(super) async fn close_event(
    door: &Door,
    run: &RunHandle,
    run_id: &str,
) -> Result<Option<HistoryEvent>, Status> {
    let now = door.host.now();
    if let Some(known) = lock(&door.histories.closes).get(now, run_id) {
        return Ok(Some(known.clone()));
    }
    let reading = Box::new(Reading::new(door, run).map_err(status::of)?);
    let (reading, Last(last)) = read(door, reading, Last(None)).await?;
    let last = last.map(|last| reading.projection.event(last));
    if let Some(last) = &last {
        let mut closes = lock(&door.histories.closes);
        closes.insert(now, run_id, last.clone(), last.encoded_len());
    }
    Ok(last)
}
