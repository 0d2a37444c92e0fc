//! What `sandglass server` is to serve: the configuration file, and what the command line says in
//! its place.

use crate::{
    args::ServerArgs,
    exit::{OrStop, Stop, usage},
    limits,
};
use anyhow::Context;
use sandglass_engine::Limits;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// The port of Temporal's servers, which clients try by themselves.
const PORT: u16 = 7233;

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
    /// Whether other machines may reach it.
    allow_anyone: bool,
    /// Workflow components.
    component: Vec<Component>,
    /// Activity components that the server runs.
    activities: Vec<PathBuf>,
    /// Whether to begin with the limits of a Temporal server.
    temporal_limits: bool,
    /// Limits by their names.
    limits: BTreeMap<String, usize>,
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
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) store: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) allow_anyone: bool,
    /// Workflow components, each with its task queue.
    pub(super) components: Vec<(PathBuf, String)>,
    pub(super) activities: Vec<PathBuf>,
    pub(super) limits: Limits,
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
    let stored = args.store.clone();
    Ok(Settings {
        store: stored
            .or_else(|| file.store.map(place))
            .unwrap_or_else(|| "sandglass.db".into()),
        listen: args
            .listen
            .or(file.listen)
            .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))),
        allow_anyone: args.allow_anyone || file.allow_anyone,
        components,
        activities,
        limits,
    })
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
            ("listen = 'here'", "line 1: invalid socket address syntax"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
