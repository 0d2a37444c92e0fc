//! `sandglass server`: a host for Temporal's clients, until it is told to stop.

mod config;

use crate::{
    args::{OutputForm, ServerArgs},
    component,
    exit::{Exit, OrStop, Outcome, Stop, usage},
    output,
    run::stop,
    workflow::stored,
};
use config::Settings;
use sandglass::Host;
use sandglass_sandbox::Grants;
use sandglass_server::{Server, TlsSettings};
use serde_json::json;
use std::{future::Future, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// How long the host may take to stop in order.
const STOP_MAX: Duration = Duration::from_secs(15);

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
    stored::check_place(&settings.store)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .or_host()?;
    let outcome = runtime.block_on(serve(settings, form));
    // What does not stop must not keep the process; the next host finds it as after a crash.
    runtime.shutdown_background();
    outcome
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
    // The HTTP API has no TLS of its own.
    let knows = |tls: &TlsSettings| tls.client_authorities.is_some();
    let tls = settings.tls.as_ref();
    let is_safe = tls.is_some_and(|tls| knows(tls) || !settings.keys.is_empty());
    let grpc = (settings.listen, is_safe);
    let mut listened = [grpc, (settings.http_listen, false)].into_iter();
    let open = listened.find(|(address, is_safe)| !address.ip().is_loopback() && !is_safe);
    let Some((address, _)) = open else {
        return Ok(());
    };
    if !settings.keys.is_empty() {
        return Err(usage!(
            "{address} can be reached from other machines, and API keys would go there as plain \
             text: set up TLS (gRPC only), or say --allow-plaintext if something in front of the \
             server does it"
        ));
    }
    Err(usage!(
        "{address} can be reached from other machines, and the server asks nobody who they are: \
         listen on 127.0.0.1, set API keys, or say --allow-anyone"
    ))
}

async fn serve(settings: Settings, form: OutputForm) -> Outcome {
    let stopped = stop_signal()?;
    let mut builder = Host::builder()
        .store(&settings.store)
        .limits(settings.limits);
    if let Some(folder) = component::cache_folder() {
        builder = builder.compile_cache(folder);
    }
    for path in &settings.activities {
        builder = builder.activity_component(component::read(path)?, Grants::default());
    }
    let host = builder.build().await.map_err(stop)?;
    let served = answer(&host, &settings, form, stopped).await;
    let closed = tokio::time::timeout(STOP_MAX, tokio::spawn(host.shutdown())).await;
    let in_order = match closed {
        Ok(Ok(closed)) => closed.map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the host did not stop within {STOP_MAX:?}")),
    };
    if let Err(error) = in_order {
        output::note(&format!(
            "warning: the store was not closed in order: {error}"
        ));
    }
    served.map(|()| Exit::Completed)
}

/// Listens, and answers until it is told to stop.
async fn answer(
    host: &Host,
    settings: &Settings,
    form: OutputForm,
    stopped: impl Future<Output = ()>,
) -> Result<(), Stop> {
    let (keys, tls) = (settings.keys.clone(), settings.tls.clone());
    let server = Server::bind(host.clone(), settings.listen, keys, tls).await;
    let mut server = server.or_host()?;
    let http = server.listen_http(settings.http_listen).await.or_host()?;
    for (path, task_queue) in &settings.components {
        let bytes = component::read(path)?;
        let (digest, types) = server
            .load_component(task_queue, bytes)
            .await
            .map_err(stop)
            .map_err(|stop| Stop {
                error: stop.error.context(path.display().to_string()),
                ..stop
            })?;
        output::note(&format!(
            "task queue {task_queue}: {} ({}, component {digest})",
            types.join(", "),
            path.display()
        ));
    }
    let address = server.address();
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
