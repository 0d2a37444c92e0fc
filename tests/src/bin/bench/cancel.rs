//! How long a request to cancel takes: to an attempt that is told of it, and to the end of a run that
//! cleans up first. One at a time, and a thousand at once; in syncs of this disk, which are measured
//! between the requests.

use crate::{bench_folder, guest, load};
use anyhow::{Context as _, Result, ensure};
use sandglass::{CancelOptions, Host, RunHandle, StartOptions, engine::Status};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs::OpenOptions,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};

/// What the request may take beside two syncs, in microseconds.
const BESIDE_SYNCS_US: f64 = 2000.0;
/// What it is to take beside one sync at most.
const BESIDE_A_SYNC_US: f64 = 5000.0;

/// A host whose activity `Wait` says when it has begun, and notes when it was told to stop.
struct Stand {
    store: TempDir,
    host: Host,
    begun: mpsc::UnboundedReceiver<()>,
    told: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Stand {
    async fn new() -> Result<Self> {
        let store = TempDir::new_in(bench_folder()?)?;
        let (begin, begun) = mpsc::unbounded_channel();
        let told: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let note = Arc::clone(&told);
        let host = Host::builder()
            .store(store.path().join("bench.db"))
            .compile_cache(bench_folder()?.join("compiled"))
            .activity_json("Echo", |_, value: u64| async move { Ok(value) })
            .activity("Wait", move |context, _| {
                let (begin, note) = (begin.clone(), Arc::clone(&note));
                async move {
                    // The bench may have failed: then nobody listens.
                    let _gone = begin.send(());
                    context.cancelled().await;
                    let now = Instant::now();
                    let id = context.info().workflow_id.clone();
                    let mut note = note.lock().unwrap_or_else(PoisonError::into_inner);
                    note.insert(id, now);
                    Err(context.canceled(Vec::new()))
                }
            })
            .build()
            .await?;
        host.load_component(guest()?).await?;
        Ok(Self {
            store,
            host,
            begun,
            told,
        })
    }

    /// Starts a run and waits until it can be canceled.
    async fn start(&mut self, workflow_type: &str, id: &str) -> Result<RunHandle> {
        let run = self
            .host
            .start(StartOptions::new(workflow_type, id))
            .await?;
        match workflow_type {
            "waiter" => self.begun.recv().await.context("an attempt begins")?,
            _ => self.host.idle().await,
        }
        Ok(run)
    }

    /// When an attempt was told, in microseconds after another time.
    fn told_after(&self, id: &str, begun: Instant) -> Result<f64> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.get(id).context("the attempt was told")?;
        Ok(micros(*told - begun))
    }
}

fn micros(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Cancels a run and waits for its end. When the request was made.
async fn cancel(run: RunHandle) -> Result<(String, Instant, f64)> {
    let begun = Instant::now();
    run.cancel(CancelOptions::reason("bench")).await?;
    let status = run.result().await?;
    ensure!(
        matches!(status, Status::Canceled { .. }),
        "a canceled run ended as {status:?}"
    );
    Ok((run.workflow_id().to_owned(), begun, micros(begun.elapsed())))
}

/// One after another, with a sync of the same disk after each.
pub(crate) async fn alone(runs: usize) -> Result<Value> {
    let mut stand = Stand::new().await?;
    let mut other = OpenOptions::new()
        .create(true)
        .append(true)
        .open(stand.store.path().join("other"))?;
    let (mut pushes, mut closes, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..=runs {
        let run = stand.start("waiter", &format!("wait-{number}")).await?;
        let (id, begun, _) = cancel(run).await?;
        let push = stand.told_after(&id, begun)?;
        let run = stand.start("cleaner", &format!("clean-{number}")).await?;
        let (_, _, close) = cancel(run).await?;
        let sync = load::sync_once(&mut other)?;
        // The first of each kind warms up.
        if number > 0 {
            pushes.push(push);
            closes.push(close);
            syncs.push(sync);
        }
    }
    stand.host.shutdown().await?;
    let sync = part(&mut syncs, 0.5);
    let push = part(&mut pushes, 0.99);
    Ok(json!({
        "cancel_push_syncs_p50": part(&mut pushes, 0.5) / sync,
        "cancel_push_syncs_p99": push / sync,
        "cancel_push_bound_p99": push / (2.0 * sync + BESIDE_SYNCS_US),
        "cancel_push_aim_p99": push / (sync + BESIDE_A_SYNC_US),
        "cancel_close_syncs_p50": part(&mut closes, 0.5) / sync,
        "cancel_close_syncs_p99": part(&mut closes, 0.99) / sync,
    }))
}

/// So many at once, with as many attempts to be told, and then with as many to clean up.
pub(crate) async fn at_once(runs: usize) -> Result<Value> {
    let mut stand = Stand::new().await?;
    let mut other = OpenOptions::new()
        .create(true)
        .append(true)
        .open(stand.store.path().join("other"))?;
    let mut syncs = Vec::new();
    for _ in 0..100 {
        syncs.push(load::sync_once(&mut other)?);
    }
    let sync = part(&mut syncs, 0.5);
    let mut figures = json!({});
    for (workflow_type, figure) in [("waiter", "w6_push"), ("cleaner", "w6_cancel")] {
        let mut open = Vec::new();
        for number in 0..runs {
            let id = format!("{workflow_type}-{number}");
            open.push(stand.start(workflow_type, &id).await?);
        }
        let begun = Instant::now();
        let mut ends: JoinSet<_> = open.into_iter().map(cancel).collect();
        let mut latencies = Vec::new();
        while let Some(end) = ends.join_next().await {
            let (id, asked, close) = end??;
            latencies.push(match workflow_type {
                "waiter" => stand.told_after(&id, asked)?,
                _ => close,
            });
        }
        let whole = begun.elapsed().as_secs_f64() * 1e3;
        figures[format!("{figure}_{runs}_ms")] = json!(whole);
        figures[format!("{figure}_{runs}_syncs_p50")] = json!(part(&mut latencies, 0.5) / sync);
        figures[format!("{figure}_{runs}_syncs_p99")] = json!(part(&mut latencies, 0.99) / sync);
    }
    stand.host.shutdown().await?;
    Ok(figures)
}

/// The value that this part of all is not above.
pub(crate) fn part(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * part).ceil() as usize;
    values[place.clamp(1, values.len()) - 1]
}
