//! Rebuilding a run, with or without its guest, from what is committed and what this step recorded.

use super::{Fact, Step};
use crate::{component::Interrupt, error::Error};
use sandglass_engine::{Driver, ReplayError, Run, TaskFailedCause, TaskFailure, replay};
use std::sync::Arc;

impl Step<'_> {
    /// Rebuilds the run without a guest.
    pub(super) fn rebuild(&mut self) -> Result<(), Error> {
        self.instance = None;
        match self.replayed(None)? {
            Ok(run) => {
                self.run = Some(run);
                Ok(())
            }
            // Without a guest nothing can differ from the record but the record itself.
            Err(failure) => Err(self.damaged(failure.to_string())),
        }
    }

    /// Makes a new instance and rebuilds the run with it. The inner error is one of the guest.
    pub(super) fn rebuild_with_guest(&mut self) -> Result<Result<(), TaskFailure>, Error> {
        let found = self.host.components.get(self.host, self.head.row.digest);
        self.component_missing = found.is_err();
        let component = match found {
            Ok(component) => component,
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => {
                let cause = TaskFailedCause::BadBinary;
                return Ok(Err(TaskFailure::new(cause, "BadBinary", error.to_string())));
            }
        };
        let mut instance = component.instantiate();
        self.may_be_interrupted(instance.interrupter());
        let replayed = self.replayed(Some(instance.as_mut()));
        self.cell.lock().interrupt = None;
        match replayed? {
            Ok(run) => {
                self.run = Some(run);
                self.instance = Some(instance);
                Ok(Ok(()))
            }
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// From now on whoever ends the run by force, or the host, can interrupt the replay; if
    /// somebody wanted to before, it is interrupted at once.
    fn may_be_interrupted(&self, interrupt: Interrupt) {
        let mut state = self.cell.lock();
        if state.force || self.host.is_stopping() {
            interrupt();
        }
        state.interrupt = Some(interrupt);
    }

    fn replayed(
        &mut self,
        driver: Option<&mut dyn Driver>,
    ) -> Result<Result<Box<Run>, TaskFailure>, Error> {
        let limits = self.host.config.limits;
        let run = if self.head.next_seq == 1 {
            Run::new(limits).without_events()
        } else {
            self.host.counters.replays.add(1);
            let _phase = crate::crash::phase(crate::crash::Phase::Replay);
            crate::crash::point("replay.before");
            let frames = self.host.frames(self.cell.key, &self.cell.run_id)?;
            Arc::make_mut(&mut self.head).next_seq = frames.len() as u64 + 1;
            match replay(frames, driver) {
                Ok(run) => run.with_limits(limits).without_events(),
                Err(ReplayError::Task(failure)) => return Ok(Err(failure)),
                Err(error) => return Err(self.damaged(error.to_string())),
            }
        };
        self.caught_up(run).map(Ok)
    }

    /// Adds to a run rebuilt from its frames what they do not say: failed attempts of its workflow
    /// task that were not recorded, and what this step has recorded so far.
    fn caught_up(&self, mut run: Box<Run>) -> Result<Box<Run>, Error> {
        let summary = &self.head.summary;
        while run.task_attempt() > 1
            && run.task_attempt() < summary.task_attempt
            && let Some((cause, failure)) = summary.task_failure.clone()
        {
            run.fail_task(self.host.clock.now(), cause, failure);
        }
        run.restore_undelivered(summary.undelivered_tasks);
        for fact in self.facts.iter().cloned() {
            match fact {
                Fact::Inputs(inputs) => {
                    let refused = run.append_all(inputs).into_iter().find_map(Result::err);
                    if let Some(error) = refused {
                        return Err(self.damaged(error.to_string()));
                    }
                }
                Fact::TaskFailed(started_at, cause, failure) => {
                    run.fail_task(started_at, cause, failure);
                }
            }
        }
        Ok(run)
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged {
            run_id: self.cell.run_id.clone(),
            reason,
        }
    }
}
