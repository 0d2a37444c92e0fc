//! A run's open scopes and what is pending in each, for people.

use crate::{
    CancelInfo, OperationId, Run, ScopeId, ScopeKind,
    scopes::{Operation, OperationKind},
};
use serde::{Deserialize, Serialize};

/// One open scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenScopeView {
    /// Its number; 0 is the root.
    pub scope: ScopeId,
    /// The scope that it was opened in. The root's is the root.
    pub parent: ScopeId,
    /// How it takes part in cancellation.
    pub kind: ScopeKind,
    /// Its cancellation; of a shielded one the request.
    pub canceled: Option<CancelInfo>,
    /// What is pending in it, in the order in which it was started.
    pub operations: Vec<OpenOperationView>,
}

/// One thing that a run's code waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOperationView {
    /// Its number.
    pub operation: OperationId,
    /// What it is, in a few words.
    pub what: String,
    /// Whether it was canceled and its end is waited for.
    pub canceled: bool,
    /// Whether it is a child that is canceled without being waited for, and terminated when its
    /// parent ends ([`crate::ChildCall::is_cut_short`]).
    #[serde(default)]
    pub cut_short: bool,
}

impl Run {
    /// The open scopes by number, as of the last workflow task. Empty once the run has ended.
    #[must_use]
    pub fn open_scopes(&self) -> Vec<OpenScopeView> {
        if self.status != crate::Status::Running {
            return Vec::new();
        }
        let view = |(scope, open): (ScopeId, &crate::scopes::Scope)| OpenScopeView {
            scope,
            parent: open.parent,
            kind: open.kind,
            canceled: open.canceled.clone(),
            operations: open
                .operations
                .iter()
                .filter_map(|id| Some(operation(*id, self.scopes.operation(*id)?)))
                .collect(),
        };
        self.scopes.open().map(view).collect()
    }
}

fn operation(id: OperationId, open: &Operation) -> OpenOperationView {
    let what = match &open.kind {
        OperationKind::Activity { .. } | OperationKind::Compensation { .. } => {
            let (activity_type, activity_id) = open.kind.activity();
            format!("activity {activity_type} [{activity_id}]")
        }
        OperationKind::LocalActivity { .. } => {
            let (activity_type, activity_id) = open.kind.activity();
            format!("local activity {activity_type} [{activity_id}]")
        }
        OperationKind::Timer => "timer".into(),
        OperationKind::ScopeTimer(_) => "time limit of the scope".into(),
        OperationKind::Wait(label) if label.is_empty() => "wait".into(),
        OperationKind::Wait(label) => format!("wait for {label}"),
        OperationKind::Child(child) => {
            format!("child {} [{}]", child.workflow_type, child.workflow_id)
        }
        OperationKind::External => "message to another run".into(),
        OperationKind::Compensate => "compensation".into(),
    };
    OpenOperationView {
        operation: id,
        what,
        canceled: open.canceled.is_some(),
        cut_short: matches!(&open.kind, OperationKind::Child(child) if child.cut_short),
    }
}
