//! The host that the crash sweep kills: `sweep-host FOLDER COMPONENT COMPILED TYPE COUNT [evict]`.
//!
//! It takes up, or begins, the one run of the store in FOLDER, of the workflow type `saga`, `near`
//! or `observe`, gives it the signals that it waits for, and ends when the run has ended. Whatever
//! it asks for it asks again after a crash, under the same request id. On stdout it says how often
//! each crash point was reached.

use anyhow::{Context as _, Result, bail};
use sandglass::{Host, StartOptions, crash, remote::Client};
use sandglass_engine::{EventId, HistoryEvent, Payload, Signal};
use sandglass_tests::sweep::{ACTIVITIES, Ledger, steps};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [
        folder,
        component,
        compiled,
        workflow_type,
        count,
        words @ ..,
    ] = &arguments[..]
    else {
        bail!("usage: sweep-host FOLDER COMPONENT COMPILED TYPE COUNT [evict]");
    };
    let options = StartOptions::new(workflow_type, "sweep").json(count.as_str());
    let component = fs::read(component).context("read the component")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let folder = Path::new(folder);
    let evict = words.iter().any(|word| word == "evict");
    runtime.block_on(run(folder, component, compiled.into(), options, evict))?;
    println!("{}", serde_json::to_string(&crash::counts())?);
    Ok(())
}

async fn run(
    folder: &Path,
    component: Vec<u8>,
    compiled: PathBuf,
    mut options: StartOptions,
    evict: bool,
) -> Result<()> {
    let ledger = Arc::new(Ledger::new(folder));
    let store = folder.join("store.db");
    let mut builder = Host::builder()
        .store(&store)
        .compile_cache(compiled)
        .identity("sweep")
        .worker_threads(2);
    if evict {
        builder = builder.instance_cache_bytes(0);
    }
    for name in ACTIVITIES {
        let ledger = Arc::clone(&ledger);
        builder = builder.activity(name, move |context, arguments| {
            let ledger = Arc::clone(&ledger);
            async move { ledger.attempt(&context, &arguments) }
        });
    }
    // What `observe` tells, by which its history depends on all that it saw.
    builder = builder.activity("Echo", |_, mut arguments| async move {
        Ok(arguments.pop().unwrap_or_else(Payload::null))
    });
    let host = builder.build().await?;
    host.load_component(component).await?;
    options.request_id = Some("start".into());
    let workflow_type = options.workflow_type.clone();
    let run = host.start(options).await?;
    ledger.acknowledge("start");
    let mut last = EventId(0);
    loop {
        let more = run.history_after(last).await?;
        let Some(newest) = more.last() else { break };
        last = newest.event_id;
        if let Some(signal) = wanted(&workflow_type, &run.history().await?) {
            send(&store, &ledger, signal).await?;
        }
    }
    host.shutdown().await?;
    Ok(())
}

/// The signal that a run waits for, by its history.
fn wanted(workflow_type: &str, events: &[HistoryEvent]) -> Option<Signal> {
    let count = |name| {
        let of_it = |event: &&HistoryEvent| event.attributes.event_type() == name;
        events.iter().filter(of_it).count()
    };
    match workflow_type {
        "saga" => steps::waits_for_approval(events).then(|| steps::next_approval(events)),
        "observe" => {
            let sent = count("WorkflowExecutionSignaled");
            // It sleeps once in each round.
            (count("TimerStarted") > sent).then(|| Signal {
                name: "next".into(),
                request_id: format!("next-{}", sent + 1),
                ..Signal::default()
            })
        }
        _ => None,
    }
}

/// Sends a signal as another process would: through the socket of the store's owner.
async fn send(store: &Path, ledger: &Ledger, signal: Signal) -> Result<()> {
    let (store, request) = (store.to_owned(), signal.request_id.clone());
    let sent = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&store)?.context("this process owns the store")?;
        Ok::<_, anyhow::Error>(client.signal("sweep", None, signal)?)
    });
    sent.await??;
    ledger.acknowledge(&request);
    Ok(())
}
