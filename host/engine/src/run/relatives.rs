//! The runs that a run has to do with: its children, its parent, and those it speaks to.

use super::{Run, Status};
use crate::{
    ChildClose, Effect, EventAttributes, EventId, ExternalFailedCause, Input, OperationId, Origin,
    ParentClosePolicy, RunRef, StartChildFailedCause, Target, Timestamp,
};

/// A child workflow that was initiated and whose end is not recorded.
#[derive(Debug, Clone)]
pub(crate) struct OpenChild {
    pub operation: OperationId,
    pub workflow_id: String,
    pub workflow_type: String,
    pub policy: ParentClosePolicy,
    /// Its run and its started event, once it was started.
    pub started: Option<(String, EventId)>,
}

/// A signal or request to cancel that is on its way to another run.
#[derive(Debug, Clone)]
pub(crate) struct OpenExternal {
    pub target: Target,
    pub kind: ExternalKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExternalKind {
    /// A signal that an operation waits for.
    Signal(OperationId),
    /// A request to cancel that an operation waits for.
    Cancel(OperationId),
    /// The request that cancels a child.
    CancelChild(OperationId),
}

impl ExternalKind {
    pub(crate) fn is_signal(self) -> bool {
        matches!(self, Self::Signal(_))
    }
}

impl Run {
    /// This run, as others are told of it.
    pub(crate) fn reference(&self) -> RunRef {
        self.start().map_or_else(RunRef::default, |start| RunRef {
            workflow_id: start.workflow_id.clone(),
            run_id: start.run_id.clone(),
        })
    }

    pub(crate) fn origin(&self, initiated_event_id: EventId) -> Origin {
        let mut run = self.reference();
        // What a run did before a reset keeps the name under which it was done.
        if let Some(run_id) = self.run_id_at(initiated_event_id) {
            run.run_id = run_id;
        }
        Origin {
            run,
            initiated_event_id,
        }
    }

    pub(crate) fn push_effect(&mut self, event_id: EventId, effect: Effect) {
        self.recording.changes.effects.push((event_id, effect));
    }

    /// What the close of this run does to its parent and to its children.
    ///
    /// The close's own event names what the parent is told; the ids after it, which no event will
    /// ever have, name what becomes of each child.
    pub(super) fn tell_relatives(&mut self) {
        let mut event_id = EventId(self.next_event_id.0.saturating_sub(1));
        let parent = self.start().and_then(|start| start.parent.clone());
        // The parent is told of the end of the chain, under the run that it knows (R27).
        let last = self.successor.is_none();
        if let (true, Some(parent), Some(close)) = (last, parent, self.close_for_parent()) {
            let run_id = self.start().map(|start| start.first_run_id().to_owned());
            let run_id = run_id.unwrap_or_default();
            let effect = Effect::ChildClosed {
                parent,
                run_id,
                close,
            };
            self.push_effect(event_id, effect);
        }
        for (initiated_event_id, child) in std::mem::take(&mut self.children) {
            event_id = EventId(event_id.0 + 1);
            if child.policy == ParentClosePolicy::Abandon {
                continue;
            }
            let effect = Effect::ParentClosed {
                parent: self.origin(initiated_event_id),
                workflow_id: child.workflow_id,
                policy: child.policy,
            };
            self.push_effect(event_id, effect);
        }
    }

    /// A child that has ended needs no request to cancel any more (R24). If its end is quicker here
    /// than the news that the request has reached it, the request is resolved first: the history
    /// shows cause before effect.
    pub(super) fn resolves_before(&self, input: &Input) -> Option<Input> {
        let Input::ChildClosed {
            initiated_event_id, ..
        } = input
        else {
            return None;
        };
        let child = self.children.get(initiated_event_id)?;
        let request = ExternalKind::CancelChild(child.operation);
        let mut externals = self.externals.iter();
        let (&initiated_event_id, _) = externals.find(|(_, open)| open.kind == request)?;
        Some(Input::ExternalResolved {
            initiated_event_id,
            outcome: Ok(()),
        })
    }

    pub(super) fn record_child_started(
        &mut self,
        at: Timestamp,
        initiated_event_id: EventId,
        run_id: &str,
    ) {
        let child = &self.children[&initiated_event_id];
        let attributes = EventAttributes::ChildWorkflowExecutionStarted {
            initiated_event_id,
            workflow_id: child.workflow_id.clone(),
            run_id: run_id.to_owned(),
            workflow_type: child.workflow_type.clone(),
        };
        let event_id = self.emit(at, attributes);
        if let Some(child) = self.children.get_mut(&initiated_event_id) {
            child.started = Some((run_id.to_owned(), event_id));
        }
    }

    pub(super) fn record_child_start_failed(
        &mut self,
        at: Timestamp,
        initiated_event_id: EventId,
        cause: StartChildFailedCause,
    ) {
        let child = &self.children[&initiated_event_id];
        let attributes = EventAttributes::StartChildWorkflowExecutionFailed {
            initiated_event_id,
            workflow_id: child.workflow_id.clone(),
            workflow_type: child.workflow_type.clone(),
            cause,
        };
        self.emit(at, attributes);
    }

    /// Returns the child's started event.
    pub(super) fn record_child_closed(
        &mut self,
        at: Timestamp,
        initiated_event_id: EventId,
        close: &ChildClose,
    ) -> EventId {
        let child = &self.children[&initiated_event_id];
        let (run_id, started_event_id) = child.started.clone().unwrap_or_default();
        let workflow_id = child.workflow_id.clone();
        let attributes = match close.clone() {
            ChildClose::Completed(result) => EventAttributes::ChildWorkflowExecutionCompleted {
                initiated_event_id,
                started_event_id,
                workflow_id,
                run_id,
                result,
            },
            ChildClose::Failed {
                failure,
                retry_state,
            } => EventAttributes::ChildWorkflowExecutionFailed {
                initiated_event_id,
                started_event_id,
                workflow_id,
                run_id,
                failure,
                retry_state,
            },
            ChildClose::Canceled { details } => EventAttributes::ChildWorkflowExecutionCanceled {
                initiated_event_id,
                started_event_id,
                workflow_id,
                run_id,
                details,
            },
            ChildClose::TimedOut { retry_state } => {
                EventAttributes::ChildWorkflowExecutionTimedOut {
                    initiated_event_id,
                    started_event_id,
                    workflow_id,
                    run_id,
                    retry_state,
                }
            }
            ChildClose::Terminated { .. } => EventAttributes::ChildWorkflowExecutionTerminated {
                initiated_event_id,
                started_event_id,
                workflow_id,
                run_id,
            },
        };
        self.emit(at, attributes);
        started_event_id
    }

    pub(super) fn record_external(
        &mut self,
        at: Timestamp,
        initiated_event_id: EventId,
        outcome: Result<(), ExternalFailedCause>,
    ) {
        let external = &self.externals[&initiated_event_id];
        let target = external.target.clone();
        let attributes = match (external.kind.is_signal(), outcome) {
            (true, Ok(())) => EventAttributes::ExternalWorkflowExecutionSignaled {
                initiated_event_id,
                target,
            },
            (true, Err(cause)) => EventAttributes::SignalExternalWorkflowExecutionFailed {
                initiated_event_id,
                target,
                cause,
            },
            (false, Ok(())) => EventAttributes::ExternalWorkflowExecutionCancelRequested {
                initiated_event_id,
                target,
            },
            (false, Err(cause)) => EventAttributes::RequestCancelExternalWorkflowExecutionFailed {
                initiated_event_id,
                target,
                cause,
            },
        };
        self.emit(at, attributes);
    }
}

impl Run {
    /// What a parent is told; nothing of a run that has not ended.
    fn close_for_parent(&self) -> Option<ChildClose> {
        let retry_state = self.retry_state;
        Some(match self.status.clone() {
            Status::Running | Status::ContinuedAsNew { .. } => return None,
            Status::Completed { result } => ChildClose::Completed(result),
            Status::Failed { failure } => ChildClose::Failed {
                failure,
                retry_state,
            },
            Status::Canceled { details } => ChildClose::Canceled { details },
            Status::TimedOut => ChildClose::TimedOut { retry_state },
            Status::Terminated { identity, .. } => ChildClose::Terminated { identity },
        })
    }
}
