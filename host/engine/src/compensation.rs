//! Compensations: what a run has registered to undo its work, and the running of it (R36).
//!
//! Only bookkeeping, like [`crate::scopes`]; [`crate::task`] sends the activities.

use crate::{
    ActivityCall, ActivityClose, CompensateWhen, CompensationId, EventId, Failure, FailureInfo,
    OperationId, Outcome, ScopeId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The registered compensations of a run and those that are running.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compensations {
    pub entries: BTreeMap<CompensationId, Entry>,
    /// Them by the scope that they are of. Those of a scope that has closed are its parent's.
    by_scope: BTreeMap<ScopeId, BTreeSet<CompensationId>>,
    pub rounds: VecDeque<Round>,
    /// What failed, as text, of all rounds.
    pub failed: Vec<String>,
    /// Whether the failure of one keeps those of its round that are left from running.
    pub stop_on_failure: bool,
    /// Scheduled events of operations that have a compensation.
    pub sent: BTreeMap<OperationId, EventId>,
    /// Idempotency keys of those of them that are local activities.
    pub locals: BTreeMap<OperationId, String>,
    next: u32,
    /// Operations with a compensation that have not ended.
    open: BTreeSet<OperationId>,
    /// How such operations ended. One that is in neither completed before anything would undo it.
    ends: BTreeMap<OperationId, End>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub undoes: Option<OperationId>,
    pub call: ActivityCall,
    pub when: CompensateWhen,
}

/// One running of compensations, newest first.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub purpose: Purpose,
    /// What is left, newest last.
    pub remaining: Vec<(CompensationId, Entry)>,
    pub current: Option<OperationId>,
    /// What failed, as text.
    pub failed: Vec<String>,
}

/// What the end of a round leads to.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// The run closes.
    Close(Outcome),
    /// The guest's `compensate` call resolves.
    Resolve(OperationId),
}

/// How an operation ended, as far as its compensation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its effect exists, or may exist.
    Effective,
    /// It has no effect to undo.
    Void,
}

impl From<&Failure> for End {
    /// Of an attempt after which there is none.
    fn from(failure: &Failure) -> Self {
        match failure.info {
            FailureInfo::Timeout { .. } => Self::Effective,
            _ => Self::Void,
        }
    }
}

impl End {
    /// Of an activity. If nobody knows what one of its attempts has done, no later one's end says
    /// that there is nothing to undo.
    pub(crate) fn of(unsettled: bool, close: &ActivityClose) -> Self {
        match unsettled {
            true => Self::Effective,
            false => Self::from(close),
        }
    }
}

impl From<&ActivityClose> for End {
    fn from(close: &ActivityClose) -> Self {
        match close {
            // An attempt that timed out may have had its effect.
            ActivityClose::Completed(_) | ActivityClose::TimedOut { .. } => Self::Effective,
            ActivityClose::Failed { .. } | ActivityClose::Canceled { .. } => Self::Void,
        }
    }
}

impl Compensations {
    /// Registers an entry of a scope that is open; `open` tells whether what it undoes has yet to
    /// end.
    pub(crate) fn push(&mut self, scope: ScopeId, entry: Entry, open: bool) -> CompensationId {
        self.next += 1;
        self.open.extend(entry.undoes.filter(|_| open));
        let id = CompensationId(self.next);
        self.entries.insert(id, entry);
        self.by_scope.entry(scope).or_default().insert(id);
        id
    }

    /// The entries of a scope that closes are the other one's from now on.
    pub(crate) fn hand_over(&mut self, closed: ScopeId, to: ScopeId) {
        let Some(mut fewer) = self.by_scope.remove(&closed) else {
            return;
        };
        let theirs = self.by_scope.entry(to).or_default();
        if theirs.len() < fewer.len() {
            std::mem::swap(theirs, &mut fewer);
        }
        theirs.append(&mut fewer);
    }

    /// All that are registered or wait to be run.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        let running = self.rounds.iter().flat_map(|round| &round.remaining);
        self.entries.values().chain(running.map(|(_, entry)| entry))
    }

    /// Whether the compensation was ever registered.
    pub(crate) fn knows(&self, id: CompensationId) -> bool {
        (1..=self.next).contains(&id.0)
    }

    /// Notes how an operation ended, if something would undo it.
    pub(crate) fn settle(&mut self, operation: OperationId, end: End) {
        if self.open.remove(&operation) {
            self.ends.insert(operation, end);
        }
    }

    /// Whether something would undo an operation that has not ended.
    pub(crate) fn is_open(&self, operation: OperationId) -> bool {
        self.open.contains(&operation)
    }

    /// Whether something that is to run, or runs, would undo an operation that has not ended.
    pub(crate) fn awaits(&self, operation: OperationId) -> bool {
        let mut undone = self.rounds.iter().flat_map(|round| &round.remaining);
        self.is_open(operation) && undone.any(|(_, entry)| entry.undoes == Some(operation))
    }

    /// Notes that an operation was sent, if something would undo it.
    pub(crate) fn note_sent(&mut self, operation: OperationId, event_id: EventId) {
        if self.open.contains(&operation) {
            self.sent.insert(operation, event_id);
        }
    }

    /// Whether everything that the first round undoes has ended (the settle barrier).
    pub(crate) fn round_settled(&self) -> bool {
        self.rounds.front().is_some_and(|round| {
            let mut undone = round.remaining.iter().filter_map(|(_, entry)| entry.undoes);
            !undone.any(|operation| self.open.contains(&operation))
        })
    }

    /// Begins a round with the entries of the scopes that `takes` accepts.
    pub(crate) fn begin_round(&mut self, purpose: Purpose, takes: impl Fn(&ScopeId) -> bool) {
        let of_them = self.by_scope.extract_if(.., |scope, _| takes(scope));
        let ids: BTreeSet<_> = of_them.flat_map(|(_, ids)| ids).collect();
        let entries = ids.into_iter();
        let mut taken: Vec<_> = entries
            .filter_map(|id| self.entries.remove_entry(&id))
            .collect();
        if crate::broken("R36") {
            taken.reverse();
        }
        self.rounds.push_back(Round {
            purpose,
            remaining: taken,
            current: None,
            failed: Vec::new(),
        });
    }

    /// Takes the newest remaining entry of the first round that has something to undo.
    pub(crate) fn next_entry(&mut self) -> Option<Entry> {
        let round = self.rounds.front_mut()?;
        while let Some((_, entry)) = round.remaining.pop() {
            let end = entry.undoes.and_then(|operation| self.ends.get(&operation));
            if entry.when == CompensateWhen::Always || end != Some(&End::Void) {
                return Some(entry);
            }
        }
        None
    }
}
