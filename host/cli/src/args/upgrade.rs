//! Arguments of `sandglass workflow upgrade`.

use super::{LimitArgs, PlaceArgs, values::parse_digest};
use clap::Args;
use sandglass_engine::Digest;
use std::path::PathBuf;

/// `sandglass workflow upgrade`.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// The new workflow component
    pub component: PathBuf,
    /// The workflow ids of the runs [default: all open runs]
    pub ids: Vec<String>,
    /// Only runs that have this component now
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    pub from: Option<Digest>,
    /// Do not try first whether the new component fits the history
    #[arg(long, conflicts_with = "dry_run")]
    pub no_trial: bool,
    /// Try, tell, and move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where they are
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What runs of a store file may ask for, as their usual host has it
    #[command(flatten)]
    pub limits: LimitArgs,
}
