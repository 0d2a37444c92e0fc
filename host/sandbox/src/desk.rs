//! What has come for a run and was not taken by its code yet, and what the code has left to be
//! answered without it: of workflows whose code waits where it needs something.
//!
//! A fiber holds the whole store while it rests, so that all of this lies beside the store.

mod calls;

use sandglass_engine::{Failure, GuestEvent, OperationId, Payload, ScopeId, Signal, Task, Update};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

/// Most bytes of the answers to queries: they lie in the host's memory, and a guest may give ever
/// more of them within one task.
const ANSWERS_BYTES_MAX: usize = 4 << 20;

/// What an entry of these maps takes beside its text and its payload.
const ENTRY_BYTES: usize = 256;

/// About what the host keeps for each wait of code that waits for many things at once.
const WAIT_BYTES: usize = 1 << 10;

/// How an operation has ended.
pub(crate) type Outcome = Result<Option<Payload>, Failure>;

/// The desk of one run.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Papers>>);

/// What lies on it.
#[derive(Default)]
pub(crate) struct Papers {
    /// Operations that were started and whose outcome was not taken.
    pub(crate) open: BTreeSet<OperationId>,
    /// Those of them that have ended, in the order in which they did.
    pub(crate) ended: Vec<(OperationId, Outcome)>,
    /// The runs of children that were started.
    pub(crate) started: BTreeMap<OperationId, String>,
    pub(crate) signals: BTreeMap<String, VecDeque<Signal>>,
    pub(crate) updates: VecDeque<Update>,
    /// Names of updates that are handled.
    pub(crate) handled: BTreeSet<String>,
    /// What queries are answered.
    answers: BTreeMap<String, Payload>,
    answers_bytes: usize,
    /// Bytes of values that are passed in a call while the code rests in it.
    pub(crate) values_bytes: usize,
    /// The scope that calls of typed imports belong to.
    pub(crate) scope: ScopeId,
    /// The task that the code is to go on with, and how long that may take.
    pub(crate) go_on: Option<(Box<Task>, Option<Duration>)>,
    /// The task of code that rests.
    pub(crate) rests: Option<Box<Task>>,
    /// About how many bytes of memory the guest holds.
    pub(crate) resident_bytes: usize,
    /// Who waits for an operation, of code that waits for many things at once, by the place that
    /// each has in the order of asking.
    waiting_for: BTreeMap<(OperationId, u64), Waker>,
    /// Who waits for anything else.
    waiting: BTreeMap<u64, Waker>,
    /// How many have asked.
    asked: u64,
    /// What the code has given up.
    pub(crate) given_up: Vec<GivenUp>,
}

/// What the code does not wait for any more. The host's future is dropped then, and has no store at
/// hand.
#[derive(Clone, Copy)]
pub(crate) enum GivenUp {
    /// A wait in a scope, to be closed.
    Wait(OperationId),
    /// An activity of a typed import, to be canceled.
    Activity(OperationId),
}

impl Desk {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation was started.
    pub(crate) fn opened(&self, operation: OperationId) {
        self.lock().open.insert(operation);
    }

    /// Puts an event here. The first one that starts the run is not for here.
    pub(crate) fn put(&self, event: GuestEvent) {
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
        // In the order in which they have asked, so that it is the same in each replay.
        let waiting = mem::take(&mut papers.waiting);
        drop(papers);
        waiting.into_values().for_each(Waker::wake);
    }

    /// The next place among those who wait for an operation, or for any event.
    pub(crate) fn place(&self, operation: Option<OperationId>) -> Place {
        let mut papers = self.lock();
        papers.asked += 1;
        Place {
            desk: self.clone(),
            operation,
            number: papers.asked,
        }
    }

    /// The answer to a query.
    pub(crate) fn answer(&self, name: &str) -> Result<Payload, Failure> {
        let papers = self.lock();
        papers.answers.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = papers.answers.keys().map(String::as_str).collect();
            let message = format!("there is no query {name:?}; answered are {known:?}");
            Failure::application("UnknownQuery", message)
        })
    }

    /// Whether updates of a name are handled.
    pub(crate) fn handles(&self, name: &str) -> Result<(), Failure> {
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
    pub(crate) fn resident_bytes(&self) -> usize {
        let papers = self.lock();
        let waits = papers.waiting.len() + papers.waiting_for.len();
        papers.resident_bytes + papers.answers_bytes + papers.values_bytes + waits * WAIT_BYTES
    }
}

/// A place among those who wait. Whoever gives it up is not kept.
pub(crate) struct Place {
    desk: Desk,
    operation: Option<OperationId>,
    number: u64,
}

impl Place {
    /// Waits until the operation has ended, or for the next event.
    pub(crate) fn wait(&self, waker: Waker) {
        let mut papers = self.desk.lock();
        match self.operation {
            Some(operation) => papers.waiting_for.insert((operation, self.number), waker),
            None => papers.waiting.insert(self.number, waker),
        };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut papers = self.desk.lock();
        match self.operation {
            Some(operation) => papers.waiting_for.remove(&(operation, self.number)),
            None => papers.waiting.remove(&self.number),
        };
    }
}

impl Papers {
    fn end(&mut self, operation: OperationId, outcome: Outcome) {
        if self.open.contains(&operation) {
            self.ended.push((operation, outcome));
        }
        let places = (operation, 0)..=(operation, u64::MAX);
        let waiting = self.waiting_for.extract_if(places, |_, _| true);
        waiting.for_each(|(_, waker)| waker.wake());
    }

    /// Takes the outcome of an operation, if it has ended.
    pub(crate) fn take(&mut self, operation: OperationId) -> Option<Outcome> {
        let place = self
            .ended
            .iter()
            .position(|(ended, _)| *ended == operation)?;
        self.open.remove(&operation);
        self.started.remove(&operation);
        Some(self.ended.remove(place).1)
    }

    /// The first of these operations that has ended.
    pub(crate) fn first(&self, of: &BTreeSet<OperationId>) -> Option<OperationId> {
        let mut ended = self.ended.iter().map(|(ended, _)| *ended);
        ended.find(|ended| of.contains(ended))
    }

    /// Says what queries of a name are answered from now on.
    ///
    /// # Errors
    /// The answers are too large together.
    pub(crate) fn keep_answer(&mut self, name: String, answer: Payload) -> Result<(), String> {
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
    pub(crate) fn signal(&mut self, name: &str) -> Option<Signal> {
        self.signals.get_mut(name)?.pop_front()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::task::Wake;

    /// Notes that it was woken.
    struct Noted(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Wake for Noted {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn whoever_waits_is_woken_in_turn_and_is_not_kept_once_it_gives_up() {
        let (desk, woken) = (Desk::default(), Arc::default());
        let wait = |operation: Option<u64>, name| {
            let place = desk.place(operation.map(OperationId));
            place.wait(Arc::new(Noted(name, Arc::clone(&woken))).into());
            place
        };
        let waits = [
            wait(Some(2), "other"),
            wait(None, "any"),
            wait(Some(1), "first"),
            wait(Some(1), "given up"),
            wait(None, "given up, too"),
            wait(Some(1), "second"),
        ];
        assert_eq!(desk.resident_bytes(), 6 * WAIT_BYTES);
        let mut waits = Vec::from(waits);
        waits.drain(3..5);
        assert_eq!(desk.resident_bytes(), 4 * WAIT_BYTES);
        desk.put(GuestEvent::TimerFired(OperationId(1), Ok(())));
        assert_eq!(*woken.lock().unwrap(), ["first", "second", "any"]);
        drop(waits);
        assert_eq!(desk.resident_bytes(), 0);
    }
}
