//! `sandglass workflow ...`: what is in a store, and requests to its runs.
//!
//! Reading opens the file read-only, whoever owns it. Requests go to its owner, or are written here
//! if it has none. With the address of a server both go there, as they go to an owner.

mod activity;
mod describe;
mod list;
mod message;
mod operate;
mod place;
mod request;
mod show;
mod signal_start;
mod start;
pub mod stored;
mod update;
mod upgrade;

use crate::{
    args::{ActivityCommand, OutputForm, WorkflowCommand},
    exit::Outcome,
};

/// Runs one of the commands.
///
/// # Errors
/// With exit code 2 if the store or the run does not exist, 6 if the store cannot be read.
pub fn workflow(command: &WorkflowCommand, form: OutputForm) -> Outcome {
    match command {
        WorkflowCommand::Start(args) => start::start(args, form),
        WorkflowCommand::Execute(args) => start::execute(args, form),
        WorkflowCommand::Result(args) => request::result(args, form),
        WorkflowCommand::Count(args) => list::count(args, form),
        WorkflowCommand::List(args) => list::list(args, form),
        WorkflowCommand::Describe(args) => describe::describe(args, form),
        WorkflowCommand::Show(args) => show::show(args, form),
        WorkflowCommand::Cancel(args) => request::cancel(args, form),
        WorkflowCommand::Terminate(args) => request::terminate(args, form),
        WorkflowCommand::Delete(args) => operate::delete(args, form),
        WorkflowCommand::Signal(args) => request::signal(args, form),
        WorkflowCommand::SignalWithStart(args) => signal_start::signal_with_start(args, form),
        WorkflowCommand::Query(args) => message::query(args, form),
        WorkflowCommand::Upgrade(args) => upgrade::upgrade(args, form),
        WorkflowCommand::Update(args) => update::update(args, form),
        WorkflowCommand::Pause(args) => operate::pause(args, form),
        WorkflowCommand::Reset(args) => operate::reset(args, form),
        WorkflowCommand::Unpause(args) => operate::unpause(args, form),
    }
}

/// Runs one of the commands about a single activity.
///
/// # Errors
/// With exit code 1 if the activity is not pending or not as it must be, otherwise as [`workflow`].
pub fn activity(command: &ActivityCommand, form: OutputForm) -> Outcome {
    activity::activity(command, form)
}
