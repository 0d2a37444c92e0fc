//! Comparing a replayed command with the recorded one, at a cursor.

use super::Task;
use crate::{
    Command, EventId, Nondeterminism, Outcome, ScopeKind, TaskFailure, frame::Issued,
    run::PendingTask,
};
use std::fmt::Write;

/// Longest text in which a command is shown when only its details differ.
const DETAIL_CHARS_MAX: usize = 300;

/// What was recorded of a task that is run again.
#[derive(Debug)]
pub(super) struct Recorded {
    commands: Vec<Issued>,
    cursor: usize,
}

impl Recorded {
    pub(super) fn new(commands: Vec<Issued>) -> Self {
        Self {
            commands,
            cursor: 0,
        }
    }

    /// Counts the next command as made.
    pub(super) fn take(&mut self) -> Option<Command> {
        let next = self.commands.get(self.cursor)?.command.clone();
        self.cursor += 1;
        Some(next)
    }

    pub(super) fn next(&self) -> Option<&Issued> {
        self.commands.get(self.cursor)
    }
}

impl Task {
    /// In replay, checks that a command is the one recorded at this place.
    pub(super) fn check_recorded(&mut self, command: &Command) -> Result<(), TaskFailure> {
        let here = self.deliveries.saturating_sub(1);
        let Some(recorded) = &mut self.recorded else {
            return Ok(());
        };
        match recorded.commands.get(recorded.cursor) {
            Some(next)
                if next.delivery == here && (next.command == *command || crate::broken("R37")) =>
            {
                recorded.cursor += 1;
                Ok(())
            }
            Some(next) if next.delivery == here => {
                let (recorded, attempted) = differing(&next.command, command);
                Err(self.differs(recorded, attempted))
            }
            _ => Err(self.differs(
                "no further command in this activation".into(),
                show(command),
            )),
        }
    }

    /// In replay, checks that the activation that has ended issued all that was recorded of it.
    pub(super) fn check_none_left_here(&mut self) -> Result<(), TaskFailure> {
        self.skip_deprecated(None);
        match self.recorded.as_ref().and_then(Recorded::next) {
            Some(next) if next.delivery < self.deliveries => Err(self.differs(
                show(&next.command),
                "no further command in this activation".into(),
            )),
            _ => Ok(()),
        }
    }

    /// In replay, checks that the task that has ended issued all that was recorded of it.
    pub(super) fn check_none_left(&self) -> Result<(), TaskFailure> {
        match self.recorded.as_ref().and_then(Recorded::next) {
            Some(next) => Err(self.differs(
                show(&next.command),
                "no further command in this task".into(),
            )),
            None => Ok(()),
        }
    }

    fn differs(&self, recorded: String, attempted: String) -> TaskFailure {
        TaskFailure::nondeterminism(Nondeterminism {
            event_id: self.current_event_id(),
            recorded,
            attempted,
        })
    }

    /// The event that the next command of this task becomes.
    fn current_event_id(&self) -> EventId {
        let scheduled = match self.run.task {
            PendingTask::Scheduled(_) => 0,
            _ => 1,
        };
        // Started and completed events of the task stand before its commands.
        EventId(self.run.next_event_id().0 + scheduled + 2 + self.planned_count())
    }
}

/// Shows both commands, in more detail if they would look the same.
fn differing(recorded: &Command, attempted: &Command) -> (String, String) {
    let (short, other) = (show(recorded), show(attempted));
    if short != other {
        return (short, other);
    }
    (
        clip(format!("{recorded:?}")),
        clip(format!("{attempted:?}")),
    )
}

fn clip(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(DETAIL_CHARS_MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// A command in a few words, without payloads.
fn show(command: &Command) -> String {
    if let Some(text) = super::messages::show(command) {
        return text;
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match command {
        Command::ScheduleActivity { scope, call } => {
            write!(
                text,
                "schedule activity {} in scope {scope}",
                call.activity_type
            )
        }
        Command::ScheduleLocalActivity { scope, call, .. } => {
            let name = &call.activity_type;
            write!(text, "schedule local activity {name} in scope {scope}")
        }
        Command::StartTimer { scope, duration } => {
            write!(text, "start timer of {} ms in scope {scope}", duration.0)
        }
        Command::OpenWait { scope, label } => write!(text, "open wait {label:?} in scope {scope}"),
        Command::CloseWait { wait } => write!(text, "close wait {wait}"),
        Command::OpenScope { parent, kind } => {
            write!(text, "open {} scope in scope {parent}", show_kind(*kind))
        }
        Command::CancelScope { scope, reason } => write!(text, "cancel scope {scope}: {reason:?}"),
        Command::CloseScope { scope } => write!(text, "close scope {scope}"),
        Command::CancelOperation { operation } => write!(text, "cancel operation {operation}"),
        Command::PushCompensation { call, .. } => {
            write!(text, "register compensation {}", call.activity_type)
        }
        Command::SetCompensationArguments { compensation, .. } => {
            write!(text, "set arguments of compensation {compensation}")
        }
        Command::StartChild { scope, call } => {
            write!(text, "start child {} in scope {scope}", call.workflow_type)
        }
        Command::SignalExternal {
            scope,
            target,
            name,
            ..
        } => {
            let id = &target.workflow_id;
            write!(text, "signal {name:?} to {id:?} in scope {scope}")
        }
        Command::CancelExternal { scope, target, .. } => {
            write!(text, "cancel {:?} in scope {scope}", target.workflow_id)
        }
        Command::Compensate { scope } => write!(text, "compensate scope {scope}"),
        Command::StopCompensatingOnFailure { stop } => {
            write!(text, "stop compensating on failure: {stop}")
        }
        Command::Complete { outcome } => match outcome {
            Outcome::Completed(_) => write!(text, "complete with a value"),
            Outcome::Failed(failure) => write!(text, "complete with failure {failure}"),
            Outcome::ContinueAsNew(_) => write!(text, "continue as new"),
        },
        // Those were shown before.
        _ => Ok(()),
    };
    text
}

fn show_kind(kind: ScopeKind) -> String {
    match kind {
        ScopeKind::Cancellable => "cancellable".into(),
        ScopeKind::Shielded => "shielded".into(),
        ScopeKind::Detached => "detached".into(),
        ScopeKind::Timeout(limit) => format!("timeout ({} ms)", limit.0),
    }
}
