//! `sandglass workflow signal` and `query`.

use super::{HeaderArgs, InputArgs, TargetArgs, values::parse_duration};
use clap::{Args, ValueEnum};
use std::time::Duration;

/// `sandglass workflow signal`.
#[derive(Debug, Args)]
pub struct SignalArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// The name of the signal
    #[arg(long, visible_alias = "type", value_name = "NAME")]
    pub name: String,
    /// Its arguments
    #[command(flatten)]
    pub input: InputArgs,
    /// Its headers
    #[command(flatten)]
    pub headers: HeaderArgs,
}

/// `sandglass workflow query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// The name of the query
    #[arg(long, visible_alias = "type", value_name = "NAME")]
    pub name: String,
    /// Its arguments
    #[command(flatten)]
    pub input: InputArgs,
    /// Its headers
    #[command(flatten)]
    pub headers: HeaderArgs,
    /// Do not ask a run that stands like this
    #[arg(long, value_enum, value_name = "CONDITION")]
    pub reject_condition: Option<RejectCondition>,
    /// How long to wait for the answer
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub timeout: Duration,
}

/// Runs that a query is not put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RejectCondition {
    /// It has ended.
    #[value(alias = "not_open")]
    NotOpen,
    /// It has ended otherwise than by returning a value.
    #[value(alias = "not_completed_cleanly")]
    NotCompletedCleanly,
}
