//! `sandglass component ...`, and which server is meant.

use super::values::parse_digest;
use clap::{Args, Subcommand};
use sandglass_engine::Digest;
use std::path::PathBuf;

/// `sandglass component ...`.
#[derive(Debug, Subcommand)]
pub enum ComponentCommand {
    /// Keep a workflow component in the server's store, and begin new runs with it at once
    Push(PushArgs),
    /// List the components of the server's store, and what new runs begin with each
    List(ListComponentsArgs),
    /// Show what a component of the server's store contains
    Inspect(InspectComponentArgs),
    /// Begin no new runs with a component, and delete it
    Remove(RemoveArgs),
}

/// Which server.
#[derive(Debug, Clone, Args)]
pub struct ServedArgs {
    /// The HTTP address of the server
    #[arg(
        long,
        default_value = "127.0.0.1:8233",
        env = "SANDGLASS_ADDRESS",
        value_name = "HOST:PORT"
    )]
    pub address: String,
    /// Its key
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Who asks.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The API key, if the server asks for one
    #[arg(
        long,
        env = "SANDGLASS_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub api_key: Option<String>,
}

/// `sandglass component push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component file
    pub component: PathBuf,
    /// A task queue in which new runs of its types begin with it; may be repeated
    #[arg(short = 'q', long, default_value = "default", value_name = "QUEUE")]
    pub task_queue: Vec<String>,
    /// The server
    #[command(flatten)]
    pub server: ServedArgs,
}

/// `sandglass component list`.
#[derive(Debug, Args)]
pub struct ListComponentsArgs {
    /// The server
    #[command(flatten)]
    pub server: ServedArgs,
}

/// `sandglass component inspect`.
#[derive(Debug, Args)]
pub struct InspectComponentArgs {
    /// The component's digest
    #[arg(value_parser = parse_digest)]
    pub digest: Digest,
    /// The server
    #[command(flatten)]
    pub server: ServedArgs,
}

/// `sandglass component remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The component's digest
    #[arg(value_parser = parse_digest)]
    pub digest: Digest,
    /// If open runs go on with it, keep it for them: only nothing new begins with it
    #[arg(long)]
    pub keep_runs: bool,
    /// The server
    #[command(flatten)]
    pub server: ServedArgs,
}
