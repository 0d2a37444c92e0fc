//! `sandglass component ...`, and which server is meant.

use super::values::parse_digest;
use crate::{
    exit::{OrStop as _, Stop},
    served::Served,
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use sandglass_engine::Digest;
use sandglass_server::{ClientSettings, ClientTls};
use std::{fs, net::IpAddr, path::PathBuf};

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
    /// The address of the server
    #[arg(
        long,
        default_value = "127.0.0.1:7233",
        env = "SANDGLASS_ADDRESS",
        value_name = "HOST:PORT"
    )]
    pub address: String,
    /// How it is asked
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Under which heading `--help` has them.
const SERVER: &str = "At a server";

/// How a server is asked: the options of Temporal's command line, by its names.
#[derive(Debug, Clone, Args)]
pub struct ReachArgs {
    /// The namespace of the server
    #[arg(
        short,
        long,
        help_heading = SERVER,
        default_value = "default",
        env = "SANDGLASS_NAMESPACE",
        value_name = "NAME"
    )]
    pub namespace: String,
    /// The API key, if the server asks for one
    #[arg(
        long,
        help_heading = SERVER,
        env = "SANDGLASS_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub api_key: Option<String>,
    /// Speak TLS [default: with another --tls option, and with an API key to another machine]
    #[arg(
        long,
        help_heading = SERVER,
        env = "SANDGLASS_TLS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub tls: Option<bool>,
    /// A file with the authorities that the server's certificate may come from [default: those that
    /// this machine trusts]
    #[arg(long, help_heading = SERVER, env = "SANDGLASS_TLS_CA_PATH", value_name = "FILE")]
    pub tls_ca_path: Option<PathBuf>,
    /// A file with the certificate to show
    #[arg(
        long,
        help_heading = SERVER,
        env = "SANDGLASS_TLS_CERT_PATH",
        requires = "tls_key_path",
        value_name = "FILE"
    )]
    pub tls_cert_path: Option<PathBuf>,
    /// A file with its private key
    #[arg(
        long,
        help_heading = SERVER,
        env = "SANDGLASS_TLS_KEY_PATH",
        requires = "tls_cert_path",
        value_name = "FILE"
    )]
    pub tls_key_path: Option<PathBuf>,
    /// The name that the server's certificate is for [default: that of the address]
    #[arg(long, help_heading = SERVER, env = "SANDGLASS_TLS_SERVER_NAME", value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// Take any certificate for the server's: then anybody may be it
    #[arg(long, help_heading = SERVER, env = "SANDGLASS_TLS_DISABLE_HOST_VERIFICATION")]
    pub tls_disable_host_verification: bool,
}

impl ServedArgs {
    /// That server.
    ///
    /// # Errors
    /// As [`ReachArgs::server`].
    pub fn server(&self) -> Result<Served, Stop> {
        self.reach.server(&self.address)
    }
}

impl ReachArgs {
    /// The server at an address.
    ///
    /// # Errors
    /// With exit code 2 if the options make no sense, or a file cannot be read.
    pub fn server(&self, address: &str) -> Result<Served, Stop> {
        let read = |path: &PathBuf| {
            fs::read(path)
                .with_context(|| format!("cannot read {}", path.display()))
                .or_usage()
        };
        let tls = ClientTls {
            authorities: self.tls_ca_path.as_ref().map(read).transpose()?,
            identity: match (&self.tls_cert_path, &self.tls_key_path) {
                (Some(own), Some(key)) => Some((read(own)?, read(key)?)),
                _ => None,
            },
            server_name: self.tls_server_name.clone(),
            trusts_anybody: self.tls_disable_host_verification,
        };
        Served::at(ClientSettings {
            address: address.into(),
            namespace: self.namespace.clone(),
            api_key: self.api_key.clone().filter(|key| !key.is_empty()),
            tls: self.has_tls(address).then_some(tls),
        })
    }

    fn has_tls(&self, address: &str) -> bool {
        let said = self.tls_ca_path.is_some()
            || self.tls_cert_path.is_some()
            || self.tls_server_name.is_some()
            || self.tls_disable_host_verification;
        let has_key = self.api_key.as_ref().is_some_and(|key| !key.is_empty());
        // A key does not go over the network as it is unless somebody says so.
        self.tls
            .unwrap_or(said || (has_key && !is_this_machine(address)))
    }
}

fn is_this_machine(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `sandglass component push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The component file
    pub component: PathBuf,
    /// A task queue in which new runs of its types begin with it; may be repeated
    #[arg(short, long, default_value = "default", value_name = "QUEUE")]
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
