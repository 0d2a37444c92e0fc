//! What has come for a run and was not taken by its code yet, and what the code has left to be
//! answered without it.
//!
//! The fiber holds the whole store while it rests, so that all of this lies beside the store.

use sandglass_engine::{Failure, GuestEvent, OperationId, Payload, ScopeId, Signal, Task, Update};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Most bytes of the answers to queries: they lie in the host's memory, and a guest may give ever
/// more of them within one task.
const ANSWERS_BYTES_MAX: usize = 4 << 20;

/// What an entry of these maps takes beside its text and its payload.
const ENTRY_BYTES: usize = 256;

/// How an operation has ended.
pub(super) type Outcome = Result<Option<Payload>, Failure>;

/// The desk of one run.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Papers>>);

/// What lies on it.
#[derive(Default)]
pub(super) struct Papers {
    /// Operations that were started and whose outcome was not taken.
    pub(super) open: BTreeSet<OperationId>,
    /// Those of them that have ended, in the order in which they did.
    pub(super) ended: Vec<(OperationId, Outcome)>,
    /// The runs of children that were started.
    pub(super) started: BTreeMap<OperationId, String>,
    pub(super) signals: BTreeMap<String, VecDeque<Signal>>,
    pub(super) updates: VecDeque<Update>,
    /// Names of updates that are handled.
    pub(super) handled: BTreeSet<String>,
    /// What queries are answered.
    answers: BTreeMap<String, Payload>,
    answers_bytes: usize,
    /// Bytes of values that are passed in a call while the code rests in it.
    pub(super) values_bytes: usize,
    /// The scope that calls of typed imports belong to.
    pub(super) scope: ScopeId,
    /// The task that the code is to go on with, and how long that may take.
    pub(super) go_on: Option<(Box<Task>, Option<Duration>)>,
    /// The task of code that rests.
    pub(super) rests: Option<Box<Task>>,
    /// About how many bytes of memory the guest holds.
    pub(super) resident_bytes: usize,
}

impl Desk {
    pub(super) fn lock(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation was started.
    pub(crate) fn opened(&self, operation: OperationId) {
        self.lock().open.insert(operation);
    }

    /// Puts an event here. The first one that starts the run is not for here.
    pub(super) fn put(&self, event: GuestEvent) {
        let mut papers = self.lock();
        match event {
            GuestEvent::SignalReceived(signal) => {
                let queue = papers.signals.entry(signal.name.clone()).or_default();
                queue.push_back(signal);
            }
            GuestEvent::ActivityResolved(operation, outcome)
            | GuestEvent::ChildResolved(operation, outcome) => {
                papers.end(operation, outcome.map(Some));
            }
            GuestEvent::TimerFired(operation, outcome)
            | GuestEvent::ExternalResolved(operation, outcome)
            | GuestEvent::Compensated(operation, outcome) => {
                papers.end(operation, outcome.map(|()| None));
            }
            GuestEvent::WaitCanceled(operation, failure) => papers.end(operation, Err(failure)),
            GuestEvent::ChildStarted(operation, run_id) => {
                papers.started.insert(operation, run_id);
            }
            GuestEvent::UpdateRequested(update) => papers.updates.push_back(update),
            // The code asks how its scopes stand.
            GuestEvent::CancelRequested(_)
            | GuestEvent::ScopeCanceled(..)
            | GuestEvent::Initialize { .. } => {}
        }
    }

    /// The answer to a query.
    pub(super) fn answer(&self, name: &str) -> Result<Payload, Failure> {
        let papers = self.lock();
        papers.answers.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = papers.answers.keys().map(String::as_str).collect();
            let message = format!("there is no query {name:?}; answered are {known:?}");
            Failure::application("UnknownQuery", message)
        })
    }

    /// Whether updates of a name are handled.
    pub(super) fn handles(&self, name: &str) -> Result<(), Failure> {
        let papers = self.lock();
        if papers.handled.contains(name) {
            return Ok(());
        }
        let message = format!(
            "there is no update {name:?}; handled are {:?}",
            papers.handled
        );
        Err(Failure::application("UnknownUpdate", message))
    }

    /// About how many bytes of memory the guest holds.
    pub(super) fn resident_bytes(&self) -> usize {
        let papers = self.lock();
        papers.resident_bytes + papers.answers_bytes + papers.values_bytes
    }
}

impl Papers {
    fn end(&mut self, operation: OperationId, outcome: Outcome) {
        self.ended.push((operation, outcome));
    }

    /// Takes the outcome of an operation, if it has ended.
    pub(super) fn take(&mut self, operation: OperationId) -> Option<Outcome> {
        let place = self
            .ended
            .iter()
            .position(|(ended, _)| *ended == operation)?;
        self.open.remove(&operation);
        self.started.remove(&operation);
        Some(self.ended.remove(place).1)
    }

    /// The first of these operations that has ended.
    pub(super) fn first(&self, of: &BTreeSet<OperationId>) -> Option<OperationId> {
        let mut ended = self.ended.iter().map(|(ended, _)| *ended);
        ended.find(|ended| of.contains(ended))
    }

    /// Says what queries of a name are answered from now on.
    ///
    /// # Errors
    /// The answers are too large together.
    pub(super) fn keep_answer(&mut self, name: String, answer: Payload) -> Result<(), String> {
        let size = |(name, answer): (&String, &Payload)| {
            ENTRY_BYTES * (1 + answer.metadata.len()) + name.len() + answer.size()
        };
        let before = self.answers.get_key_value(&name).map_or(0, size);
        let bytes = self.answers_bytes - before + size((&name, &answer));
        if bytes > ANSWERS_BYTES_MAX {
            return Err(format!(
                "the answers to queries have {bytes} bytes and may have {ANSWERS_BYTES_MAX}: say \
                 less, or under fewer names"
            ));
        }
        self.answers.insert(name, answer);
        self.answers_bytes = bytes;
        Ok(())
    }

    /// Takes the oldest signal of a name.
    pub(super) fn signal(&mut self, name: &str) -> Option<Signal> {
        self.signals.get_mut(name)?.pop_front()
    }
}
