//! Arguments of `sandglass server`.

use super::LimitArgs;
use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

/// What a configuration file may say, as an example.
const CONFIGURATION: &str = r#"A configuration file says the same, and more. Its paths begin at its
folder:

  store = "orders.db"
  [[component]]
  file = "orders.wasm"
  task-queue = "orders"
  namespace = "shop"                # [default: default]
  [namespaces.shop]                 # with a store, ids, queues and workers of its own
  store = "shop.db"                 # [default: beside the first, orders-shop.db]
  limits = { history-events = 50000 }
  [namespaces.default]
  absent = true                     # it is there unless this is said
  [tls]                             # of both ports, in PEM
  certificate = "server.pem"
  key = "server.key"
  client-authority = "clients.pem"  # clients need a certificate that comes from these
  [[api-key]]
  name = "ci"                       # for logs
  key-file = "ci.key"               # or key-env, a variable, or sha256, the key's digest
  roles = { shop = "write" }        # or role, in each namespace that is not named
  [[client-certificate]]
  name = "deploy"
  subject = "deploy.example"        # its common name; or alternative-name, or sha256
  role = "admin"

Roles: read looks at runs, workers and components, and queries; write also starts, ends (by force
too), resets and talks to runs, and works on their activities; admin also pushes and removes
components. With no key and no certificate named everybody may do everything."#;

/// `sandglass server`.
#[derive(Debug, Default, Args)]
#[command(after_long_help = CONFIGURATION)]
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
