//! The command line: every argument with its help text.

mod component;
mod input;
mod messages;
mod operators;
mod place;
mod server;
mod start;
mod update;
mod upgrade;
mod values;

use crate::language::Language;
use clap::{Args, Parser, Subcommand, ValueEnum};
use sandglass_engine::{CancelState, Escalation};
use std::{path::PathBuf, time::Duration};
use values::{parse_duration, parse_grant, parse_host, parse_limit};

pub use component::{
    ComponentCommand, InspectComponentArgs, ListComponentsArgs, PushArgs, ReachArgs, RemoveArgs,
    ServedArgs,
};
pub use input::{DetailArgs, HeaderArgs, InputArgs, ResultArgs, SignalInputArgs};
pub use messages::{QueryArgs, RejectCondition, SignalArgs};
pub use operators::{
    ActivityCommand, CancelActivityArgs, CompleteArgs, FailArgs, HeartbeatArgs, OneActivityArgs,
    PauseArgs, ReasonArgs, ResetActivityArgs, ResetArgs, ResetType,
};
pub use place::PlaceArgs;
pub use server::ServerArgs;
pub use start::{Conflict, Reuse, SignalWithStartArgs, StartArgs, StartWorkflowArgs};
pub use update::{AskedUpdateArgs, OneUpdateArgs, Stage, StartUpdateArgs, UpdateCommand};
pub use upgrade::UpgradeArgs;
pub use values::DirGrant;
pub(crate) use values::parse_digest;

/// Durable workflows as WebAssembly components.
///
/// Exit codes: 0 completed, 1 failed, 2 usage or bad input, 3 canceled, 4 terminated, 5 timed out,
/// 6 the host could not go on (the run stays open).
#[derive(Debug, Parser)]
#[command(name = "sandglass", version)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// What stdout shows: text for people, or one JSON document
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM"
    )]
    pub output: OutputForm,
    /// How log lines on stderr look; SANDGLASS_LOG says which appear [default: warn,guest=info]
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub log_format: LogForm,
}

/// What stdout shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputForm {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogForm {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile a crate to workflow and activity components
    Build(BuildArgs),
    /// Make a crate with a workflow and an activity, ready to build
    New(NewArgs),
    /// Show what a component contains and whether it would be loaded
    Inspect(InspectArgs),
    /// Run a workflow to its end, or take up the open run of that id
    Run(RunArgs),
    /// Serve Temporal's clients, command line and activity workers until SIGTERM or Ctrl-C
    Server(ServerArgs),
    /// Manage the workflow components of a running server
    #[command(subcommand)]
    Component(ComponentCommand),
    /// Show the limits of a host, what Temporal's are, and what happens when one is passed
    Limits(LimitsArgs),
    /// Start runs at a server; look at runs, ask them something, hold, stop, repeat or upgrade them
    #[command(subcommand, visible_alias = "wf")]
    Workflow(WorkflowCommand),
    /// Report how pending activities ended, cancel, pause or reset them
    #[command(subcommand)]
    Activity(ActivityCommand),
}

/// `sandglass build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Folder of the crate, or of a project in another language (with its pyproject.toml,
    /// package.json, go.mod or sandglass.toml), or that file
    #[arg(default_value = ".", value_name = "CRATE")]
    pub krate: PathBuf,
    /// Folder for NAME.wasm and NAME-activities.wasm
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
    /// Build only one of the two
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Option<Part>,
    /// Compile workflows for wasm32-wasip1: then std::time, env and println! work in them, and what
    /// they show is the same in each replay. Flags of the crate's own are taken from
    /// [target.wasm32-wasip1] of its cargo settings
    #[arg(long)]
    pub wasi: bool,
    /// Cargo features of the crate, separated by commas
    #[arg(long, value_name = "FEATURES")]
    pub features: Option<String>,
    /// Where cargo puts its files [default: `sandglass` in the crate's own target folder]
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,
}

/// One of the two components that a crate can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// NAME.wasm
    Workflows,
    /// NAME-activities.wasm
    Activities,
}

/// `sandglass new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Folder to make; its last part names the crate or package
    pub name: PathBuf,
    /// The language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub lang: Language,
    /// The language's guest SDK: its folder, or for Rust a git URL of the repository that holds it
    #[arg(long, value_name = "PATH|URL")]
    pub sdk: Option<String>,
}

/// `sandglass inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The component file
    pub component: PathBuf,
}

/// `sandglass run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workflow component
    pub component: PathBuf,
    /// The workflow type; may be left out if the component has only one
    #[arg(long = "type", value_name = "T")]
    pub workflow_type: Option<String>,
    /// Its arguments
    #[command(flatten)]
    pub input: InputArgs,
    /// The workflow id [default: the type with a random suffix]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// The store file
    #[command(flatten)]
    pub db: DbArgs,
    /// An activity component; may be repeated
    #[arg(short, long, value_name = "COMPONENT")]
    pub activities: Vec<PathBuf>,
    /// A folder that activities may use, and under which name; `:ro` for reading only
    #[arg(long, value_name = "HOST::GUEST[:ro]", value_parser = parse_grant)]
    pub dir: Vec<DirGrant>,
    /// An address that activities may connect to
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_host)]
    pub allow_host: Vec<String>,
    /// Take up the open run with this component in place of the one it has
    #[arg(long)]
    pub upgrade: bool,
    /// With --upgrade: do not try first whether the new component fits the history
    #[arg(long, requires = "upgrade")]
    pub no_trial: bool,
    /// If the newest run of this id has closed, start another one
    #[arg(long)]
    pub rerun: bool,
    /// How a new run is started
    #[command(flatten)]
    pub start: StartArgs,
    /// What runs may ask for
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// `sandglass limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// What runs may ask for
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What the runs of a host may ask for.
#[derive(Debug, Clone, Default, Args)]
pub struct LimitArgs {
    /// Set a limit, such as pending-activities=500 or payload-bytes=1MiB; `sandglass limits` lists
    /// them
    #[arg(
        long,
        env = "SANDGLASS_LIMITS",
        value_delimiter = ',',
        value_name = "NAME=VALUE",
        value_parser = parse_limit
    )]
    pub limit: Vec<(String, usize)>,
    /// Begin with the limits of a Temporal server in place of the defaults
    #[arg(long)]
    pub temporal_limits: bool,
}

/// Which store file.
#[derive(Debug, Clone, Args)]
pub struct DbArgs {
    /// The store file
    #[arg(
        long,
        default_value = "sandglass.db",
        env = "SANDGLASS_DB",
        value_name = "FILE"
    )]
    pub db: PathBuf,
}

/// `sandglass workflow ...`.
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Start a run at a server
    Start(StartWorkflowArgs),
    /// Start a run at a server, and wait until it has ended
    Execute(StartWorkflowArgs),
    /// Wait until a run has ended, and show how; the exit code is that of the run
    Result(TargetArgs),
    /// Count runs
    Count(CountArgs),
    /// List runs, newest first
    List(ListArgs),
    /// Show the state of a run and what it waits for
    Describe(TargetArgs),
    /// Show the history of a run, one line for each event
    Show(ShowArgs),
    /// Ask a run to stop: its code may clean up first (like SIGTERM)
    Cancel(CancelArgs),
    /// Stop a run at once, without entering its code (like SIGKILL): for what is stuck
    Terminate(TerminateArgs),
    /// Delete a run and its history; one that is open is terminated first
    Delete(TargetArgs),
    /// Send a message to a run
    Signal(SignalArgs),
    /// Send a message to the open run of an id, or start a run with it; needs a host
    SignalWithStart(SignalWithStartArgs),
    /// Ask a run a question; nothing in it changes
    Query(QueryArgs),
    /// Ask a run to do something, and hear what became of that
    #[command(subcommand)]
    Update(UpdateCommand),
    /// Hold a run: its code is not entered until it is unpaused; cancel and terminate still work
    Pause(PauseArgs),
    /// Let a paused run go on
    Unpause(PauseArgs),
    /// Make a new run of the beginning of a run's history, and end that run if it is open
    Reset(ResetArgs),
    /// Let open runs go on with a new component, each after a trial replay of its history
    Upgrade(UpgradeArgs),
}

/// Which run.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// The workflow id
    #[arg(required_unless_present = "workflow_id")]
    id: Option<String>,
    /// The workflow id, as Temporal's command spells it
    #[arg(short = 'w', long, value_name = "ID", conflicts_with = "id")]
    workflow_id: Option<String>,
    /// The run id [default: the newest run of the id]
    #[arg(short, long, value_name = "ID")]
    pub run_id: Option<String>,
    /// Where it is
    #[command(flatten)]
    pub place: PlaceArgs,
}

impl TargetArgs {
    /// That run there.
    #[must_use]
    pub fn of(id: &str, run_id: Option<String>, place: PlaceArgs) -> Self {
        Self {
            id: Some(id.into()),
            workflow_id: None,
            run_id,
            place,
        }
    }

    /// The workflow id.
    #[must_use]
    pub fn id(&self) -> &str {
        let given = self.id.as_deref().or(self.workflow_id.as_deref());
        given.expect("one of the two is required")
    }
}

/// Which chain of runs, for requests that go to its current run.
#[derive(Debug, Clone, Args)]
pub struct ChainArgs {
    /// The first run of the chain whose current run is meant: the request fails if another chain's
    /// is open. The run id is not looked at then
    #[arg(long, value_name = "ID")]
    pub first_execution_run_id: Option<String>,
}

/// `sandglass workflow list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Where it is
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only runs with this status
    #[arg(long, value_enum)]
    pub status: Option<StatusFilter>,
    /// Only runs that were asked to end, and for which that has come so far
    #[arg(long, value_enum, value_name = "STATE")]
    pub cancel_state: Option<CancelStateFilter>,
    /// Only runs of this workflow id
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Only runs that this filter holds for, as `temporal workflow list` has it:
    /// "WorkflowType = 'order' AND (ExecutionStatus = 'Running' OR CloseTime > '2026-11-01')"
    #[arg(short, long, value_name = "FILTER")]
    pub query: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub limit: usize,
    /// How many to ask for at a time [default: as many as are asked for, but no more than 1,000]
    #[arg(long, value_name = "COUNT")]
    pub page_size: Option<usize>,
}

/// `sandglass workflow count`.
#[derive(Debug, Args)]
pub struct CountArgs {
    /// Where they are
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only runs with this status
    #[arg(long, value_enum)]
    pub status: Option<StatusFilter>,
    /// Only runs of this workflow id
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Only runs that this filter holds for, as in `workflow list`
    #[arg(short, long, value_name = "FILTER")]
    pub query: Option<String>,
}

/// Statuses by which a list can be narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFilter {
    /// Open.
    Running,
    /// Open, and asked to end.
    Canceling,
    /// Returned a value.
    Completed,
    /// Returned a failure.
    Failed,
    /// Ended by cancellation.
    Canceled,
    /// Stopped from outside.
    Terminated,
    /// Exceeded its limit on time.
    TimedOut,
    /// Continued by another run.
    ContinuedAsNew,
}

/// How far a request to cancel a run has come, by which a list can be narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CancelStateFilter {
    /// Recorded; the run's code has not been told.
    Requested,
    /// The run's code was told.
    Delivered,
    /// Closed without the run's code.
    ForceRequested,
    /// The same, and running activities were stopped at once.
    KillRequested,
}

impl From<CancelStateFilter> for CancelState {
    fn from(filter: CancelStateFilter) -> Self {
        match filter {
            CancelStateFilter::Requested => Self::Requested,
            CancelStateFilter::Delivered => Self::Delivered,
            CancelStateFilter::ForceRequested => Self::ForceRequested,
            CancelStateFilter::KillRequested => Self::KillRequested,
        }
    }
}

/// `sandglass workflow show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// Go on with what happens, until the run has ended; not with --output json
    #[arg(short, long)]
    pub follow: bool,
    /// The newest event first
    #[arg(long, conflicts_with = "follow")]
    pub reverse: bool,
    /// All that an event says, below its line; --output json has all in any case
    #[arg(long)]
    pub detailed: bool,
}

/// `sandglass workflow cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// The chain of runs
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Why; the workflow's code can read it
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Close the run as canceled at once, without entering its code and without compensation
    #[arg(long)]
    pub force: bool,
    /// As --force, and stop running activities at once
    #[arg(long, conflicts_with = "force")]
    pub kill: bool,
    /// Cancel only this scope, which `workflow describe` shows, and what is in it
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = [
            "force", "kill", "grace", "wait", "fail_if_closed", "first_execution_run_id"
        ]
    )]
    pub scope: Option<u32>,
    /// How long the run may take to end, such as 30s; its code can read the deadline
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_duration,
        conflicts_with_all = ["force", "kill"]
    )]
    pub grace: Option<Duration>,
    /// What happens if it has not ended then
    #[arg(long, value_enum, requires = "grace")]
    pub then: Option<Then>,
    /// Exit with code 1 if the run had closed already
    #[arg(long)]
    pub fail_if_closed: bool,
    /// Wait until the run has closed, and those that follow it, and exit with the exit code of the
    /// last one
    #[arg(long)]
    pub wait: bool,
}

/// What follows when a canceled run has not ended in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Then {
    /// Close it as canceled, without its code.
    Force,
    /// The same, and stop running activities at once.
    Kill,
    /// Terminate it.
    Terminate,
    /// Close it as failed.
    Fail,
}

impl From<Then> for Escalation {
    fn from(then: Then) -> Self {
        match then {
            Then::Force => Self::Force,
            Then::Kill => Self::Kill,
            Then::Terminate => Self::Terminate,
            Then::Fail => Self::Fail,
        }
    }
}

/// `sandglass workflow terminate`.
#[derive(Debug, Args)]
pub struct TerminateArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// The chain of runs
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Why
    #[arg(long, default_value = "")]
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
