//! The scopes and operations of a run, as its guest has made them.
//!
//! Only bookkeeping: which scope is under which, which operation is where and in which state.
//! What cancellation does with them is [`crate::task`]'s.

use crate::{
    CancelInfo, CancellationType, ChildCancellation, EventId, OperationId, ScopeId, ScopeKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// The scope tree and the unresolved operations.
///
/// What is closed and resolved is forgotten: a number below `next` that is not there is known to
/// have ended.
#[derive(Debug, Clone)]
pub(crate) struct Scopes {
    scopes: BTreeMap<ScopeId, Scope>,
    operations: BTreeMap<OperationId, Operation>,
    next_scope: u32,
    next_operation: u64,
    pub waits: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub parent: ScopeId,
    pub kind: ScopeKind,
    /// Its cancellation; for a shielded scope only the request.
    pub canceled: Option<CancelInfo>,
    pub children: BTreeSet<ScopeId>,
    pub operations: BTreeSet<OperationId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// `None` for what the host itself runs: no scope's cancellation reaches it.
    pub scope: Option<ScopeId>,
    pub kind: OperationKind,
    pub state: OperationState,
    /// Its first cancellation.
    pub canceled: Option<CancelInfo>,
    /// It was canceled before it could have an effect.
    pub void: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OperationKind {
    Activity {
        activity_type: String,
        activity_id: String,
        cancellation: CancellationType,
    },
    /// Work that the host does inside of a workflow task.
    LocalActivity {
        activity_type: String,
        activity_id: String,
    },
    Timer,
    /// The timer of a timeout scope. The guest never hears of it.
    ScopeTimer(ScopeId),
    /// A wait that is no command, by its label.
    Wait(String),
    Child(Child),
    /// A signal or request to cancel that goes to another run.
    External,
    Compensate,
    /// An activity that the host runs as a compensation.
    Compensation {
        activity_type: String,
        activity_id: String,
    },
}

/// A child workflow, as far as its parent's code is told of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Child {
    pub workflow_id: String,
    pub workflow_type: String,
    /// Empty before its start was delivered.
    pub run_id: String,
    pub cancellation: ChildCancellation,
    /// As [`crate::ChildCall::is_cut_short`].
    pub cut_short: bool,
}

impl OperationKind {
    /// Type and id of the activity that it is; empty if it is none.
    pub(crate) fn activity(&self) -> (String, String) {
        match self {
            Self::Activity {
                activity_type,
                activity_id,
                ..
            }
            | Self::LocalActivity {
                activity_type,
                activity_id,
            }
            | Self::Compensation {
                activity_type,
                activity_id,
            } => (activity_type.clone(), activity_id.clone()),
            _ => (String::new(), String::new()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationState {
    /// Its command belongs to the current task; the index is its place among the planned events.
    Unsent(usize),
    /// Its command is recorded as this event.
    Sent(EventId),
    /// It has no command.
    Local,
    /// Its resolution is in the queue.
    Queued,
}

impl Default for Scopes {
    fn default() -> Self {
        let root = Scope::new(ScopeId::ROOT, ScopeKind::Cancellable);
        Self {
            scopes: BTreeMap::from([(ScopeId::ROOT, root)]),
            operations: BTreeMap::new(),
            next_scope: 1,
            next_operation: 1,
            waits: 0,
        }
    }
}

impl Scope {
    fn new(parent: ScopeId, kind: ScopeKind) -> Self {
        Self {
            parent,
            kind,
            canceled: None,
            children: BTreeSet::new(),
            operations: BTreeSet::new(),
        }
    }

    /// Whether new commands are refused: a shielded scope works on when its cancellation is
    /// requested.
    pub(crate) fn refuses(&self) -> Option<&CancelInfo> {
        match self.kind {
            ScopeKind::Shielded => None,
            _ => self.canceled.as_ref(),
        }
    }
}

impl Scopes {
    pub(crate) fn scope(&self, id: ScopeId) -> Option<&Scope> {
        self.scopes.get(&id)
    }

    pub(crate) fn scope_mut(&mut self, id: ScopeId) -> Option<&mut Scope> {
        self.scopes.get_mut(&id)
    }

    pub(crate) fn operation(&self, id: OperationId) -> Option<&Operation> {
        self.operations.get(&id)
    }

    pub(crate) fn operation_mut(&mut self, id: OperationId) -> Option<&mut Operation> {
        self.operations.get_mut(&id)
    }

    /// The open scopes, by number.
    pub(crate) fn open(&self) -> impl Iterator<Item = (ScopeId, &Scope)> {
        self.scopes.iter().map(|(id, scope)| (*id, scope))
    }

    /// Whether the scope was ever opened.
    pub(crate) fn knows_scope(&self, id: ScopeId) -> bool {
        id.0 < self.next_scope
    }

    /// Whether the operation was ever started.
    pub(crate) fn knows_operation(&self, id: OperationId) -> bool {
        (1..self.next_operation).contains(&id.0)
    }

    /// How much of the limit on scopes and waits is used.
    pub(crate) fn scopes_and_waits(&self) -> usize {
        self.scopes.len() + self.waits
    }

    /// The number that the next operation gets.
    pub(crate) fn next_operation(&self) -> OperationId {
        OperationId(self.next_operation)
    }

    pub(crate) fn open_scope(&mut self, parent: ScopeId, kind: ScopeKind) -> ScopeId {
        let id = ScopeId(self.next_scope);
        self.next_scope += 1;
        self.scopes.insert(id, Scope::new(parent, kind));
        self.move_scope(id, self.open_or_root(parent));
        id
    }

    /// The scope, or the root if it is closed: a closed scope is forgotten, and its late children
    /// have nobody who would close them but the guest.
    pub(crate) fn open_or_root(&self, id: ScopeId) -> ScopeId {
        match self.scopes.contains_key(&id) {
            true => id,
            false => ScopeId::ROOT,
        }
    }

    /// Gives an open scope another parent, which is open.
    pub(crate) fn move_scope(&mut self, id: ScopeId, parent: ScopeId) {
        if let Some(scope) = self.scopes.get_mut(&id) {
            scope.parent = parent;
        }
        if let Some(parent) = self.scopes.get_mut(&parent) {
            parent.children.insert(id);
        }
    }

    pub(crate) fn add_operation(
        &mut self,
        scope: Option<ScopeId>,
        kind: OperationKind,
        state: OperationState,
    ) -> OperationId {
        let id = self.next_operation();
        self.next_operation += 1;
        if matches!(kind, OperationKind::Wait(_)) {
            self.waits += 1;
        }
        if let Some(scope) = scope.and_then(|scope| self.scopes.get_mut(&scope)) {
            scope.operations.insert(id);
        }
        self.operations.insert(
            id,
            Operation {
                scope,
                kind,
                state,
                canceled: None,
                void: false,
            },
        );
        id
    }

    /// Forgets an operation that is resolved.
    pub(crate) fn resolve(&mut self, id: OperationId) -> Option<Operation> {
        let operation = self.operations.remove(&id)?;
        if matches!(operation.kind, OperationKind::Wait(_)) {
            self.waits -= 1;
        }
        if let Some(scope) = operation
            .scope
            .and_then(|scope| self.scopes.get_mut(&scope))
        {
            scope.operations.remove(&id);
        }
        Some(operation)
    }

    /// Forgets a scope that is closed. Its remaining operations stay until they resolve.
    pub(crate) fn remove_scope(&mut self, id: ScopeId) -> Option<Scope> {
        let scope = self.scopes.remove(&id)?;
        if let Some(parent) = self.scopes.get_mut(&scope.parent) {
            parent.children.remove(&id);
        }
        Some(scope)
    }

    /// The scope and all below it that are open, outermost first, detached ones included.
    pub(crate) fn subtree(&self, id: ScopeId) -> BTreeSet<ScopeId> {
        let mut found = BTreeSet::new();
        let mut rest = vec![id];
        while let Some(id) = rest.pop() {
            found.insert(id);
            if let Some(scope) = self.scopes.get(&id) {
                rest.extend(scope.children.iter().copied());
            }
        }
        found
    }
}
