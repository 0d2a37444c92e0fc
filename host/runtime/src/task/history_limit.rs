//! What a step sees to beside the engine's rules: that a history does not grow for ever, and that
//! whoever continues a run is there.

use super::{Fact, Step};
use sandglass_engine::{FrameOutput, Input, Status, TaskFailedCause, TaskFailure};

impl Step<'_> {
    /// Terminates a run whose history or state has passed the host's limits, and warns of a large
    /// history.
    pub(super) fn end_if_too_long(&mut self) {
        let Some(run) = &mut self.run else { return };
        if run.status() != &Status::Running {
            return;
        }
        if let Some(over) = run.history_over_warning() {
            let mut state = self.cell.lock();
            if !std::mem::replace(&mut state.history_warned, true) {
                tracing::warn!("the history has {over}; the run should continue as new");
            }
        }
        let history = run.history_over_limit();
        let history = history
            .map(|over| format!("the history has {over}; let the code continue as new in time"));
        let state = || {
            let over = run.state_over_limit()?;
            Some(format!("what the run keeps beside its history has {over}"))
        };
        let Some(reason) = history.or_else(state) else {
            return;
        };
        tracing::error!(reason, "the run is terminated");
        let input = Input::Terminated {
            request_id: String::new(),
            reason,
            identity: self.host.config.identity.clone(),
            details: Vec::new(),
        };
        let at = self.host.clock.now();
        if run.append(at, input.clone()).is_ok() {
            self.facts.push(Fact::Inputs(vec![(at, input)]));
        }
    }

    /// Why the run that is to follow cannot run: its component does not have the type.
    pub(super) fn unknown_successor(&self, output: Option<&FrameOutput>) -> Option<TaskFailure> {
        let start = &output?.changes.successor.as_ref()?.start;
        let component = self
            .host
            .components
            .get(self.host, self.head.row.digest)
            .ok()?;
        let wanted = &start.workflow_type;
        if component.workflow_types().contains(wanted) {
            return None;
        }
        let cause = TaskFailedCause::BadContinueAsNewAttributes;
        let message = format!("continue as new: the component has no workflow type {wanted:?}");
        Some(TaskFailure::new(
            cause,
            "BadContinueAsNewAttributes",
            message,
        ))
    }
}
