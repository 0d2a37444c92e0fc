//! Ending a run by force while its guest computes, without waiting for the guest.
//!
//! A guest that is interrupted ends when its thread next runs, and a thread beside the pool has
//! the lowest priority: on a machine that is busy that may take seconds. So whoever ends a run by
//! force takes it from that thread, if the thread holds nothing that is not on disk. Another
//! thread ends the run, and the first finds out when its guest has ended, and leaves.

use super::{Hosted, Step, activations::Activations};
use crate::{
    cell::{CellState, Phase, Posted, RunCell},
    host::Inner,
    writer::EarlySlot,
};
use sandglass_engine::{TaskFailedCause, TaskFailure, Timestamp, drive};
use std::sync::Arc;

/// A guest that computes.
pub(crate) struct Computing {
    /// When its workflow task began.
    started_at: Timestamp,
    /// What was recorded before its task, if it is with the writer.
    slot: Option<Arc<EarlySlot>>,
    /// Its thread holds something that nobody else has.
    holds: bool,
}

impl Computing {
    /// Whether all that was recorded before the task is on disk.
    fn is_stored(&self) -> bool {
        !self.holds && self.slot.as_ref().is_none_or(|slot| slot.is_committed())
    }
}

impl CellState {
    /// Takes the run from the thread whose guest computes, if it is to be ended by force and that
    /// thread is not needed for it.
    pub(crate) fn take_over(&mut self) -> Posted {
        let is_due = |computing: &mut Computing| self.force && computing.is_stored();
        match self.computing.take_if(is_due) {
            Some(computing) => {
                self.taken_over = Some(computing.started_at);
                self.step = None;
                self.interrupt = None;
                self.phase = Phase::Queued;
                Posted::Queue
            }
            None => Posted::Waiting,
        }
    }
}

/// What was recorded before a workflow task is on disk now.
pub(crate) fn look(host: &Inner, cell: &Arc<RunCell>) {
    let posted = cell.lock().take_over();
    if posted == Posted::Queue {
        host.enqueue(Arc::clone(cell));
    }
}

/// Why a workflow task failed whose run is ended by force.
pub(super) fn given_up() -> TaskFailure {
    let cause = TaskFailedCause::ForceCloseCommand;
    TaskFailure::new(cause, "ForceCloseCommand", "ended by force")
}

impl Step<'_> {
    /// Leaves a run that was taken over.
    pub(super) fn leave(self) {
        self.host.writer.end(self.token, None);
        self.host.left_step();
    }

    /// Lets the guest compute. `None`: the run was taken over meanwhile.
    pub(super) fn compute(&mut self, hosted: Hosted) -> Option<(Hosted, Result<(), TaskFailure>)> {
        let Hosted {
            task,
            mut instance,
            started_at,
            until,
        } = hosted;
        let mut state = self.cell.lock();
        if state.force {
            // Whoever set it did not find that the guest computes, and does not come again.
            state.interrupt = None;
            drop(state);
            let hosted = Hosted {
                task,
                instance,
                started_at,
                until,
            };
            return Some((hosted, Err(given_up())));
        }
        state.computing = Some(Computing {
            started_at,
            slot: self.slot.clone(),
            holds: !self.acks.is_empty() || !self.settled.is_empty() || self.row_changed,
        });
        drop(state);
        let mut guest = Activations::new(self.host, instance.as_mut(), until);
        let (task, driven) = drive(task, &mut guest);
        let mut state = self.cell.lock();
        if state.step != Some(self.token) {
            self.is_taken_over = true;
            return None;
        }
        state.computing = None;
        state.interrupt = None;
        drop(state);
        Some((
            Hosted {
                task,
                instance,
                started_at,
                until,
            },
            driven,
        ))
    }
}
