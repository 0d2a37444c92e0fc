//! What `sandglass server` is to serve: the configuration file, and what the command line says in
//! its place.

use crate::{
    args::{ServerArgs, parse_digest},
    exit::{OrStop, Stop, usage},
    limits,
};
use anyhow::Context;
use sandglass_engine::Limits;
use sandglass_server::{ApiKey, Role, TlsSettings};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// The port of Temporal's servers, which clients try by themselves.
const PORT: u16 = 7233;

/// The port of the HTTP API.
const HTTP_PORT: u16 = 8233;

/// The task queue of a component that is given none.
const TASK_QUEUE: &str = "default";

/// The configuration file. Paths in it are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    /// The store file.
    store: Option<PathBuf>,
    /// Where to listen.
    listen: Option<SocketAddr>,
    /// Where to listen for HTTP.
    http_listen: Option<SocketAddr>,
    /// Whether other machines may reach it.
    allow_anyone: bool,
    /// Whether API keys may go over the network as plain text.
    allow_plaintext: bool,
    /// Workflow components.
    component: Vec<Component>,
    /// Activity components that the server runs.
    activities: Vec<PathBuf>,
    /// Whether to begin with the limits of a Temporal server.
    temporal_limits: bool,
    /// Limits by their names.
    limits: BTreeMap<String, usize>,
    /// Who may do what; nobody is asked if there are none.
    api_key: Vec<Key>,
    /// What TLS needs.
    tls: Option<TlsFiles>,
}

/// Files in PEM.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TlsFiles {
    /// The server's certificate, then those that lead to its root.
    certificate: PathBuf,
    /// Its private key.
    key: PathBuf,
    /// Those that clients' certificates must come from.
    client_authority: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Key {
    name: String,
    /// The digest of the key, in hexadecimal digits: the key itself is not to stand in a file.
    sha256: String,
    role: KeyRole,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeyRole {
    Read,
    Write,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Component {
    file: PathBuf,
    #[serde(default = "task_queue")]
    task_queue: String,
}

fn task_queue() -> String {
    TASK_QUEUE.into()
}

/// What is to be served.
pub(super) struct Settings {
    pub(super) store: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) http_listen: SocketAddr,
    pub(super) allow_anyone: bool,
    pub(super) allow_plaintext: bool,
    /// Workflow components, each with its task queue.
    pub(super) components: Vec<(PathBuf, String)>,
    pub(super) activities: Vec<PathBuf>,
    pub(super) limits: Limits,
    pub(super) keys: Vec<ApiKey>,
    pub(super) tls: Option<TlsSettings>,
}

/// Reads and checks what is to be served.
///
/// # Errors
/// With exit code 2, naming the file and the key, or the argument.
pub(super) fn settings(args: &ServerArgs) -> Result<Settings, Stop> {
    let file = match &args.config {
        Some(path) => read(path)?,
        None => File::default(),
    };
    let folder = args.config.as_deref().and_then(Path::parent);
    let place = |path: PathBuf| folder.map_or(path.clone(), |folder| folder.join(path));
    let mut components: Vec<(PathBuf, String)> = file
        .component
        .into_iter()
        .map(|component| (place(component.file), component.task_queue))
        .collect();
    components.extend(named(args)?);
    let mut activities: Vec<PathBuf> = file.activities.into_iter().map(place).collect();
    activities.extend(args.activities.iter().cloned());
    let mut limits = limits::effective(&args.limits);
    if file.temporal_limits && !args.limits.temporal_limits {
        limits = Limits::temporal();
    }
    for (name, value) in &file.limits {
        let set = limits.set(name, *value);
        let place = args.config.as_deref().unwrap_or(Path::new(""));
        set.with_context(|| format!("{}: limits.{name}", place.display()))
            .or_usage()?;
    }
    // Once more, so that the command line goes before the file.
    for (name, value) in &args.limits.limit {
        limits.set(name, *value).or_usage()?;
    }
    let keys = file.api_key.into_iter().map(|key| {
        let place = args.config.as_deref().unwrap_or(Path::new(""));
        let digest = parse_digest(&key.sha256).map_err(anyhow::Error::msg);
        let digest = digest.with_context(|| {
            let name = &key.name;
            format!("{}: api-key {name:?}: sha256", place.display())
        });
        Ok(ApiKey {
            sha256: digest.or_usage()?.0,
            name: key.name,
            role: match key.role {
                KeyRole::Read => Role::Read,
                KeyRole::Write => Role::Write,
            },
        })
    });
    let keys = keys.collect::<Result<Vec<_>, Stop>>()?;
    let tls = file.tls.map(|files| tls(files, place)).transpose()?;
    let stored = args.store.clone();
    let listen = args.listen.or(file.listen);
    let listen = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let http_listen = args.http_listen.or(file.http_listen);
    Ok(Settings {
        store: stored
            .or_else(|| file.store.map(place))
            .unwrap_or_else(|| "sandglass.db".into()),
        http_listen: http_listen.unwrap_or_else(|| beside(listen)),
        listen,
        allow_anyone: args.allow_anyone || file.allow_anyone,
        allow_plaintext: args.allow_plaintext || file.allow_plaintext,
        components,
        activities,
        limits,
        keys,
        tls,
    })
}

/// Reads what TLS needs.
fn tls(files: TlsFiles, place: impl Fn(PathBuf) -> PathBuf) -> Result<TlsSettings, Stop> {
    let read = |path: PathBuf| {
        let path = place(path);
        fs::read(&path)
            .with_context(|| format!("cannot read {}", path.display()))
            .or_usage()
    };
    Ok(TlsSettings {
        certificates: read(files.certificate)?,
        key: read(files.key)?,
        client_authorities: files.client_authority.map(read).transpose()?,
    })
}

/// Where to listen for HTTP if nothing says where.
fn beside(listen: SocketAddr) -> SocketAddr {
    let port = match listen.port() {
        0 => 0,
        _ => HTTP_PORT,
    };
    SocketAddr::new(listen.ip(), port)
}

/// The components of the command line.
fn named(args: &ServerArgs) -> Result<Vec<(PathBuf, String)>, Stop> {
    let queues: Vec<String> = match args.task_queue.as_slice() {
        [] => vec![task_queue(); args.component.len()],
        [one] => vec![one.clone(); args.component.len()],
        several if several.len() == args.component.len() => several.to_vec(),
        several => {
            return Err(usage!(
                "--task-queue is given {} times and --component {} times: give one queue for each \
                 component, or one for all",
                several.len(),
                args.component.len()
            ));
        }
    };
    Ok(args.component.iter().cloned().zip(queues).collect())
}

fn read(path: &Path) -> Result<File, Stop> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_usage()?;
    parse(&text)
        .with_context(|| path.display().to_string())
        .or_usage()
}

fn parse(text: &str) -> anyhow::Result<File> {
    toml::from_str(text).map_err(|error| {
        // Its own text spans lines and draws the place.
        let line = error
            .span()
            .map(|span| 1 + text[..span.start].matches('\n').count());
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        anyhow::anyhow!("{place}{}", error.message())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_file_says_all_that_the_command_line_can() {
        let text = r#"
            store = "orders.db"
            listen = "127.0.0.1:0"
            activities = ["a.wasm"]
            [limits]
            history-events = 7
            [[component]]
            file = "orders.wasm"
            task-queue = "orders"
            [[component]]
            file = "other.wasm"
            [[api-key]]
            name = "ci"
            sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            role = "read"
        "#;
        let file = parse(text).unwrap();
        assert_eq!(file.store, Some("orders.db".into()));
        assert_eq!(file.component[0].task_queue, "orders");
        assert_eq!(file.component[1].task_queue, "default");
        assert_eq!(file.limits["history-events"], 7);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, reason) in [
            (
                "store = 1",
                "line 1: invalid type: integer `1`, expected path string",
            ),
            ("\nstor = 'x'", "line 2: unknown field `stor`"),
            ("[[component]]\nfil = 'x'", "line 2: unknown field `fil`"),
            ("[[api-key]]\nrole = 'all'", "line 2: unknown variant `all`"),
            ("listen = 'here'", "line 1: invalid socket address syntax"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
