//! What `sandglass server` is to serve: the configuration file, and what the command line says in
//! its place.

use super::who::{Certificate, Key, Place, TlsFiles};
use crate::{
    args::ServerArgs,
    exit::{OrStop, Stop, usage},
    limits,
};
use anyhow::Context;
use sandglass_engine::Limits;
use sandglass_server::{ApiKey, ClientCertificate, TlsSettings};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
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

/// The namespace that is there unless it is said that it is not.
const NAMESPACE: &str = "default";

/// Longest name of a namespace: it is a part of paths, and of a file's name.
const NAMESPACE_BYTES: usize = 100;

/// The configuration file. Paths in it are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    /// The store file of the default namespace.
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
    /// Activity components that the server runs, for the default namespace.
    activities: Vec<PathBuf>,
    /// Whether to begin with the limits of a Temporal server.
    temporal_limits: bool,
    /// Limits by their names.
    limits: BTreeMap<String, usize>,
    /// Further namespaces, and what is particular to the default one.
    namespaces: BTreeMap<String, Namespace>,
    /// Who may do what; nobody is asked if there are none, of this kind and the next.
    api_key: Vec<Key>,
    client_certificate: Vec<Certificate>,
    /// What TLS needs.
    tls: Option<TlsFiles>,
}

/// A namespace.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Namespace {
    /// Whether there is to be none of this name; for the default one.
    absent: bool,
    /// Its store file.
    store: Option<PathBuf>,
    /// Activity components that the server runs for it.
    activities: Vec<PathBuf>,
    /// Limits by their names, where they are not those of the server.
    limits: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Component {
    file: PathBuf,
    #[serde(default = "task_queue")]
    task_queue: String,
    #[serde(default = "namespace")]
    namespace: String,
}

fn namespace() -> String {
    NAMESPACE.into()
}

fn task_queue() -> String {
    TASK_QUEUE.into()
}

/// What is to be served.
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) http_listen: SocketAddr,
    pub(super) allow_anyone: bool,
    pub(super) allow_plaintext: bool,
    /// By their names.
    pub(super) namespaces: BTreeMap<String, House>,
    pub(super) keys: Vec<ApiKey>,
    pub(super) certificates: Vec<ClientCertificate>,
    pub(super) tls: Option<TlsSettings>,
}

/// What is to be served in one namespace.
pub(super) struct House {
    pub(super) store: PathBuf,
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
    served(args, file)
}

fn served(args: &ServerArgs, mut file: File) -> Result<Settings, Stop> {
    let path = args.config.as_deref().unwrap_or(Path::new(""));
    file.namespaces.entry(namespace()).or_default();
    file.namespaces.retain(|_, own| !own.absent);
    let names: BTreeSet<String> = file.namespaces.keys().cloned().collect();
    let place = Place {
        file: path,
        namespaces: &names,
    };
    let tls = file.tls.take().map(|files| place.tls(files)).transpose()?;
    let keys = place.keys(std::mem::take(&mut file.api_key))?;
    let certificates = std::mem::take(&mut file.client_certificate);
    let certificates = place.certificates(certificates, tls.as_ref())?;
    let listen = args.listen.or(file.listen);
    let listen = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let http_listen = args.http_listen.or(file.http_listen);
    Ok(Settings {
        http_listen: http_listen.unwrap_or_else(|| beside(listen)),
        listen,
        allow_anyone: args.allow_anyone || file.allow_anyone,
        allow_plaintext: args.allow_plaintext || file.allow_plaintext,
        namespaces: namespaces(args, file, &place)?,
        keys,
        certificates,
        tls,
    })
}

/// What is served where.
fn namespaces(
    args: &ServerArgs,
    file: File,
    place: &Place<'_>,
) -> Result<BTreeMap<String, House>, Stop> {
    let own = file.namespaces.get(NAMESPACE);
    let own = own.and_then(|own| own.store.as_deref());
    let stored = own.or(file.store.as_deref()).map(|path| place.path(path));
    let main = args.store.clone().or(stored);
    let main = main.unwrap_or_else(|| "sandglass.db".into());
    let mut common = limits::effective(&args.limits);
    if file.temporal_limits && !args.limits.temporal_limits {
        common = Limits::temporal();
    }
    set(&mut common, &file.limits, place, "limits")?;
    let mut houses = BTreeMap::new();
    let has_activities = !(file.activities.is_empty() && args.activities.is_empty());
    if has_activities && !file.namespaces.contains_key(NAMESPACE) {
        return Err(usage!("activities: there is no namespace {NAMESPACE:?}"));
    }
    for (name, own) in file.namespaces {
        check_name(&name, place)?;
        let mut limits = common;
        set(
            &mut limits,
            &own.limits,
            place,
            &format!("namespaces.{name}.limits"),
        )?;
        // Once more, so that the command line goes before the file.
        for (name, value) in &args.limits.limit {
            limits.set(name, *value).or_usage()?;
        }
        let mut activities = own.activities;
        if name == NAMESPACE {
            activities.extend(file.activities.iter().cloned());
        }
        let mut activities: Vec<PathBuf> = activities.iter().map(|path| place.path(path)).collect();
        if name == NAMESPACE {
            activities.extend(args.activities.iter().cloned());
        }
        let given = args.store.as_ref().filter(|_| name == NAMESPACE);
        let own = own.store.filter(|_| given.is_none());
        let house = House {
            store: own.map_or_else(|| beside_store(&main, &name), |path| place.path(&path)),
            components: Vec::new(),
            activities,
            limits,
        };
        houses.insert(name, house);
    }
    let components = file.component.into_iter();
    let components = components.map(|known| {
        let file = place.path(&known.file);
        (known.namespace, file, known.task_queue)
    });
    let named = named(args)?.into_iter();
    let named = named.map(|(file, queue)| (namespace(), file, queue));
    for (namespace, path, queue) in components.chain(named) {
        let Some(house) = houses.get_mut(&namespace) else {
            let path = path.display();
            return Err(usage!(
                "component {path}: there is no namespace {namespace:?}"
            ));
        };
        house.components.push((path, queue));
    }
    check_stores(&houses)?;
    Ok(houses)
}

/// The store of a namespace that is given none: beside that of the default one.
fn beside_store(main: &Path, namespace: &str) -> PathBuf {
    if namespace == NAMESPACE {
        return main.to_owned();
    }
    let stem = main.file_stem().unwrap_or_default().to_string_lossy();
    main.with_file_name(format!("{stem}-{namespace}.db"))
}

/// Names are parts of paths, and of files' names.
fn check_name(name: &str, place: &Place<'_>) -> Result<(), Stop> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && name.len() <= NAMESPACE_BYTES && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(usage!(
        "{}: namespaces: {name:?} is no name: up to {NAMESPACE_BYTES} letters, digits, '.', '_' \
         and '-', the first a letter or a digit",
        place.file.display()
    ))
}

/// Two hosts cannot have one store.
fn check_stores(houses: &BTreeMap<String, House>) -> Result<(), Stop> {
    let mut seen = BTreeMap::new();
    for (name, house) in houses {
        if let Some(other) = seen.insert(&house.store, name) {
            let store = house.store.display();
            return Err(usage!(
                "namespaces {other:?} and {name:?} have the same store {store}"
            ));
        }
    }
    if houses.is_empty() {
        return Err(usage!("there is no namespace to be served"));
    }
    Ok(())
}

fn set(
    limits: &mut Limits,
    given: &BTreeMap<String, usize>,
    place: &Place<'_>,
    key: &str,
) -> Result<(), Stop> {
    for (name, value) in given {
        let set = limits.set(name, *value);
        set.with_context(|| format!("{}: {key}: {name}", place.file.display()))
            .or_usage()?;
    }
    Ok(())
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
            [[api-key]]
            name = "deploy"
            key-env = "KEY"
            roles = { orders = "admin", default = "write" }
            [[client-certificate]]
            name = "worker"
            subject = "worker-1"
            role = "write"
            [namespaces.orders]
            store = "elsewhere.db"
            limits = { history-events = 8 }
        "#;
        let file = parse(text).unwrap();
        assert_eq!(file.store, Some("orders.db".into()));
        assert_eq!(file.component[0].task_queue, "orders");
        assert_eq!(file.component[1].task_queue, "default");
        assert_eq!(file.limits["history-events"], 7);
        assert_eq!(file.namespaces["orders"].limits["history-events"], 8);
    }

    #[test]
    fn the_example_of_the_help_is_a_configuration() {
        let command = <ServerArgs as clap::Args>::augment_args(clap::Command::new("server"));
        let help = command.get_after_long_help().unwrap().to_string();
        let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
        let example: Vec<&str> = lines.collect();
        let file = parse(&example.join("\n")).unwrap();
        assert_eq!(file.store, Some("orders.db".into()));
        assert_eq!(file.component[0].namespace, "shop");
        assert_eq!(file.namespaces["shop"].limits["history-events"], 50_000);
        assert!(file.namespaces["default"].absent);
        assert!(file.tls.is_some());
        assert_eq!((file.api_key.len(), file.client_certificate.len()), (1, 1));
    }

    #[test]
    fn temporals_ports_are_listened_on_unless_others_are_said() {
        for (said, listen, http) in [
            ("", "127.0.0.1:7233", "127.0.0.1:8233"),
            ("listen = '127.0.0.2:9'", "127.0.0.2:9", "127.0.0.2:8233"),
            ("listen = '127.0.0.1:0'", "127.0.0.1:0", "127.0.0.1:0"),
            ("http-listen = '[::1]:9'", "127.0.0.1:7233", "[::1]:9"),
        ] {
            let settings = served(&ServerArgs::default(), parse(said).unwrap());
            let settings = settings.unwrap_or_else(|stop| panic!("{said}: {stop}"));
            let found = (
                settings.listen.to_string(),
                settings.http_listen.to_string(),
            );
            assert_eq!(found, (listen.to_owned(), http.to_owned()), "{said}");
        }
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

    /// Whatever a file says, it is served or refused in one line, and no text of a key is told.
    #[test]
    fn random_files_are_refused_in_one_line() {
        let seed = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos();
        println!("seed {seed}");
        let mut state = u64::from(seed) << 1 | 1;
        let mut below = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let args = ServerArgs::default();
        let (mut parsed, mut refused, mut whole) = (0, 0, 0);
        for round in 0..5_000 {
            // With one that is none, what follows it is never looked at.
            let digest = match round % 2 {
                0 => DIGEST,
                _ => SECRET,
            };
            let text = WHOLE.replace("DIGEST", digest);
            let mut lines: Vec<String> = text.lines().map(Into::into).collect();
            for _ in 0..=below(3) {
                let line = below(lines.len());
                let length = lines[line].len();
                let part = PARTS[below(PARTS.len())];
                match below(4) {
                    0 => drop(lines.remove(line)),
                    1 => lines[line].truncate(below(length + 1)),
                    2 => lines[line].insert_str(below(length + 1), part),
                    _ => lines.swap(line, 0),
                }
            }
            match parse(&lines.join("\n")) {
                Err(error) => {
                    let error = error.to_string();
                    assert!(!error.contains('\n'), "{error}");
                    assert!(!error.contains(digest), "{error}");
                    refused += 1;
                }
                Ok(file) => {
                    parsed += 1;
                    match served(&args, file) {
                        Ok(_) => whole += 1,
                        Err(stop) => assert!(!stop.to_string().contains(digest), "{lines:?}"),
                    }
                }
            }
        }
        // Some of each, or it looks at nothing.
        assert!(
            refused > 100 && parsed > 100 && whole > 100,
            "{parsed} parsed, of which {whole} are served; {refused} not"
        );
    }

    const WHOLE: &str = "store = \"a.db\"\n[namespaces.orders]\nlimits = { history-events = 7 }\n\
                         [[component]]\nfile = \"a.wasm\"\nnamespace = \"orders\"\n[[api-key]]\n\
                         name = \"x\"\nsha256 = \"DIGEST\"\nroles = { orders = \"read\" }\n";

    const SECRET: &str = "SECRET";

    const DIGEST: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    const PARTS: [&str; 20] = [
        "store", "absent", "limits", "api-key", "role", "read", "[", "]]", "=", "\n", "\"", "'",
        "{", "}", "7", "-1", ".", "\u{1}", "default", "true",
    ];
}
