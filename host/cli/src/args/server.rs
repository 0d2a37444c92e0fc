//! Arguments of `sandglass server`.

use super::LimitArgs;
use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

/// `sandglass server`.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// A configuration file in TOML; what the command line says goes before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The store file [default: sandglass.db]
    #[arg(long, visible_alias = "db", env = "SANDGLASS_DB", value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7233]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where to listen for HTTP; port 0 takes a free one [default: the same address, port 8233]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http_listen: Option<SocketAddr>,
    /// A workflow component; may be repeated
    #[arg(short, long, value_name = "COMPONENT")]
    pub component: Vec<PathBuf>,
    /// The task queue of the component: one for each of them, or one for all [default: default]
    #[arg(short = 'q', long, value_name = "QUEUE", requires = "component")]
    pub task_queue: Vec<String>,
    /// An activity component that this process runs, without access to files or addresses; may be
    /// repeated
    #[arg(short, long, value_name = "COMPONENT")]
    pub activities: Vec<PathBuf>,
    /// Listen on an address that other machines can reach, although nobody is asked who they are
    #[arg(long)]
    pub allow_anyone: bool,
    /// Let API keys go over the network as plain text, because something in front of the server
    /// does TLS
    #[arg(long)]
    pub allow_plaintext: bool,
    /// What runs may ask for
    #[command(flatten)]
    pub limits: LimitArgs,
}
