//! `sandglass server`: a host for Temporal's clients, until it is told to stop.

mod config;
mod who;

use crate::{
    args::{OutputForm, ServerArgs},
    component,
    exit::{Exit, OrStop, Outcome, Stop, usage},
    output,
    run::stop,
    workflow::stored,
};
use config::{House, Settings};
use sandglass::Host;
use sandglass_sandbox::Grants;
use sandglass_server::{Server, TlsSettings};
use serde_json::json;
use std::{collections::BTreeMap, future::Future, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// How long the host may take to stop in order.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Open files below which many workers find no place.
const OPEN_FILES: u64 = 10_000;

/// How long calls that are being answered may take to end.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Serves until SIGTERM, SIGHUP or Ctrl-C.
///
/// # Errors
/// With exit code 2 if something named on the command line or in the configuration is wrong, with 6
/// if the host cannot go on.
pub fn server(args: &ServerArgs, form: OutputForm) -> Outcome {
    let settings = config::settings(args)?;
    check_address(&settings)?;
    for house in settings.namespaces.values() {
        stored::check_place(&house.store)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .or_host()?;
    let outcome = runtime.block_on(serve(settings, form));
    // What does not stop must not keep the process; the next host finds it as after a crash.
    runtime.shutdown_background();
    outcome
}

/// Takes all the open files that this process may have: each connection is one. How many of them
/// each of the two ports may have; a quarter is left for stores, components and activities.
fn connections() -> usize {
    let files = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => files,
        Err(error) => {
            output::note(&format!(
                "warning: the limit of open files is as it was: {error}"
            ));
            rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(OPEN_FILES, |(soft, _)| soft)
        }
    };
    let connections = usize::try_from(files / 8 * 3).unwrap_or(usize::MAX);
    if files < OPEN_FILES {
        output::note(&format!(
            "warning: this process may have {files} open files, and each connection is one: each \
             port takes {connections} at a time; raise the hard limit (ulimit -Hn) to {OPEN_FILES} \
             for thousands of workers"
        ));
    }
    connections
}

/// Without asking anybody who they are the server is for this machine only.
fn check_address(settings: &Settings) -> Result<(), Stop> {
    let is_agreed = match settings.keys.is_empty() {
        true => settings.allow_anyone,
        false => settings.allow_plaintext,
    };
    if is_agreed {
        return Ok(());
    }
    let knows = |tls: &TlsSettings| tls.client_authorities.is_some() || !settings.keys.is_empty();
    if settings.tls.as_ref().is_some_and(knows) {
        return Ok(());
    }
    let listened = [settings.listen, settings.http_listen];
    let open = listened.iter().find(|address| !address.ip().is_loopback());
    let Some(address) = open else {
        return Ok(());
    };
    if !settings.keys.is_empty() {
        return Err(usage!(
            "{address} can be reached from other machines, and API keys would go there as plain \
             text: set up TLS, or say --allow-plaintext if something in front of the server does it"
        ));
    }
    Err(usage!(
        "{address} can be reached from other machines, and the server asks nobody who they are: \
         listen on 127.0.0.1, set API keys, or say --allow-anyone"
    ))
}

/// Opens the store of a namespace.
async fn open(house: &House) -> Result<Host, Stop> {
    let mut builder = Host::builder().store(&house.store).limits(house.limits);
    if let Some(folder) = component::cache_folder() {
        builder = builder.compile_cache(folder);
    }
    for path in &house.activities {
        builder = builder.activity_component(component::read(path)?, Grants::default());
    }
    builder.build().await.map_err(stop)
}

async fn serve(settings: Settings, form: OutputForm) -> Outcome {
    let stopped = stop_signal()?;
    let mut hosts = BTreeMap::new();
    let mut served = Ok(());
    for (name, house) in &settings.namespaces {
        match open(house).await {
            Ok(host) => drop(hosts.insert(name.clone(), host)),
            Err(stop) => {
                served = Err(stop);
                break;
            }
        }
    }
    if served.is_ok() {
        served = answer(&hosts, settings, form, stopped).await;
    }
    close(hosts).await;
    served.map(|()| Exit::Completed)
}

/// Stops the hosts in order, as far as that can be done in time.
async fn close(hosts: BTreeMap<String, Host>) {
    let closing = hosts
        .into_values()
        .map(|host| tokio::spawn(host.shutdown()));
    let until = tokio::time::Instant::now() + STOP_MAX;
    for closed in closing.collect::<Vec<_>>() {
        let in_order = match tokio::time::timeout_at(until, closed).await {
            Ok(Ok(closed)) => closed.map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the host did not stop within {STOP_MAX:?}")),
        };
        if let Err(error) = in_order {
            output::note(&format!(
                "warning: the store was not closed in order: {error}"
            ));
        }
    }
}

/// Loads what new runs of each namespace begin with.
async fn load(server: &Server, houses: &BTreeMap<String, House>) -> Result<(), Stop> {
    for (namespace, house) in houses {
        for (path, task_queue) in &house.components {
            let bytes = component::read(path)?;
            let (digest, types) = server
                .load_component(namespace, task_queue, bytes)
                .await
                .map_err(stop)
                .map_err(|stop| Stop {
                    error: stop.error.context(path.display().to_string()),
                    ..stop
                })?;
            output::note(&format!(
                "namespace {namespace}, task queue {task_queue}: {} ({}, component {digest})",
                types.join(", "),
                path.display()
            ));
        }
    }
    Ok(())
}

/// Listens, and answers until it is told to stop.
async fn answer(
    hosts: &BTreeMap<String, Host>,
    settings: Settings,
    form: OutputForm,
    stopped: impl Future<Output = ()>,
) -> Result<(), Stop> {
    let listened = sandglass_server::Settings {
        address: settings.listen,
        http: settings.http_listen,
        keys: settings.keys,
        certificates: settings.certificates,
        tls: settings.tls,
        connections: connections(),
    };
    let server = Server::bind(hosts.clone(), listened).await.or_host()?;
    load(&server, &settings.namespaces).await?;
    let (address, http) = (server.address(), server.http_address());
    match form {
        OutputForm::Text => {
            output::note(&format!("listening on {address}, for HTTP on {http}"));
        }
        // One line, so that a program that starts the server can wait for it.
        OutputForm::Json => output::print(&format!(
            "{}\n",
            json!({ "listening": address, "http": http })
        ))?,
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    let running = server.run(async move {
        stopped.await;
        output::note("stopping: calls that are being answered are finished");
        // Nobody listens if serving has ended by itself.
        let _gone = tell.send(());
    });
    let drained = async {
        // Dropped without a word if serving ends by itself; that is then the answer.
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        served = running => served.or_host(),
        () = drained => {
            output::note("warning: some calls did not end and were given up");
            Ok(())
        }
    }
}

/// Resolves when somebody asks this process to end.
fn stop_signal() -> Result<impl Future<Output = ()>, Stop> {
    let mut interrupt = signal(SignalKind::interrupt()).or_host()?;
    let mut terminate = signal(SignalKind::terminate()).or_host()?;
    let mut hang_up = signal(SignalKind::hangup()).or_host()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandglass_server::{ApiKey, Roles};

    /// Both ports are for this machine only unless whoever asks is known, and not overheard.
    #[test]
    fn what_others_can_reach_asks_who_they_are() {
        let key = ApiKey {
            name: "k".into(),
            sha256: [0; 32],
            roles: Roles::default(),
        };
        let tls = |asks: bool| TlsSettings {
            certificates: Vec::new(),
            key: Vec::new(),
            client_authorities: asks.then(Vec::new),
        };
        let (here, there) = ("127.0.0.1:1", "0.0.0.0:1");
        for (listen, http, keys, tls, plain, is_allowed) in [
            (here, here, vec![], None, false, true),
            (there, here, vec![], None, false, false),
            (here, there, vec![], None, false, false),
            (here, there, vec![key.clone()], None, false, false),
            (here, there, vec![], Some(tls(false)), false, false),
            (here, there, vec![key.clone()], None, true, true),
            (there, there, vec![], None, true, false),
            (
                there,
                there,
                vec![key.clone()],
                Some(tls(false)),
                false,
                true,
            ),
            (there, there, vec![], Some(tls(true)), false, true),
        ] {
            let address = |text: &str| text.parse().expect("an address");
            let settings = Settings {
                listen: address(listen),
                http_listen: address(http),
                allow_anyone: false,
                allow_plaintext: plain,
                namespaces: BTreeMap::new(),
                certificates: Vec::new(),
                tls,
                keys,
            };
            let case = format!("{listen} {http} {} keys", settings.keys.len());
            assert_eq!(check_address(&settings).is_ok(), is_allowed, "{case}");
        }
    }
}
