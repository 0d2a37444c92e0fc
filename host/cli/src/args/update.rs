//! `sandglass workflow update ...`.

use super::{ChainArgs, HeaderArgs, InputArgs, TargetArgs, values::parse_duration};
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

/// `sandglass workflow update ...`.
#[derive(Debug, Subcommand)]
pub enum UpdateCommand {
    /// Ask a run to do something, and wait for its answer
    Execute(AskedUpdateArgs),
    /// Ask a run to do something, and wait until its code has taken it
    Start(StartUpdateArgs),
    /// Wait for the answer to what was asked before
    Result(OneUpdateArgs),
    /// Show how far it has come, what was asked before
    Describe(OneUpdateArgs),
}

/// `sandglass workflow update execute`.
#[derive(Debug, Args)]
pub struct AskedUpdateArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// The chain of runs
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The name of the update
    #[arg(long, visible_alias = "type", value_name = "NAME")]
    pub name: String,
    /// Its arguments
    #[command(flatten)]
    pub input: InputArgs,
    /// Its headers
    #[command(flatten)]
    pub headers: HeaderArgs,
    /// The id of the update: asked again, it is the same one [default: random]
    #[arg(long, value_name = "ID")]
    pub update_id: Option<String>,
    /// How long to wait; the update goes on afterwards
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub timeout: Duration,
}

/// `sandglass workflow update start`.
#[derive(Debug, Args)]
pub struct StartUpdateArgs {
    /// What is asked for
    #[command(flatten)]
    pub asked: AskedUpdateArgs,
    /// How far it must have come
    #[arg(long, value_enum, default_value_t, value_name = "STAGE")]
    pub wait_for_stage: Stage,
}

/// `sandglass workflow update result` and `describe`.
#[derive(Debug, Args)]
pub struct OneUpdateArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// The id of the update
    #[arg(long, value_name = "ID")]
    pub update_id: String,
    /// How long to wait
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub timeout: Duration,
}

/// How far an update has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Stage {
    /// The host has it.
    Admitted,
    /// The run's code has it, and it is on disk.
    #[default]
    Accepted,
}
