//! The children of a run that have not ended, as its history tells of them.

use crate::{failure::event_id, history::close_policy, proto::workflow::PendingChildExecutionInfo};
use sandglass_engine::{EventAttributes as E, EventId, HistoryEvent};
use std::collections::BTreeMap;

/// Those that were initiated and have not ended, in the order in which they were.
pub(super) type Open = BTreeMap<EventId, PendingChildExecutionInfo>;

/// Takes the next event.
pub(super) fn see(open: &mut Open, event: HistoryEvent) {
    match event.attributes {
        E::StartChildWorkflowExecutionInitiated {
            workflow_id, call, ..
        } => {
            let child = PendingChildExecutionInfo {
                workflow_id,
                // Until it has started there is none.
                run_id: String::new(),
                workflow_type_name: call.workflow_type,
                initiated_id: event_id(event.event_id),
                parent_close_policy: close_policy(call.parent_close_policy).into(),
            };
            open.insert(event.event_id, child);
        }
        E::ChildWorkflowExecutionStarted {
            initiated_event_id,
            run_id,
            ..
        } => {
            if let Some(child) = open.get_mut(&initiated_event_id) {
                child.run_id = run_id;
            }
        }
        E::StartChildWorkflowExecutionFailed {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionCompleted {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionFailed {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionCanceled {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionTimedOut {
            initiated_event_id, ..
        }
        | E::ChildWorkflowExecutionTerminated {
            initiated_event_id, ..
        } => drop(open.remove(&initiated_event_id)),
        _ => {}
    }
}
