//! Workloads W1 (runs of one activity, one after another), W2 (runs of ten, many in flight) and W3 (a
//! thousand activities at once from one run).

use crate::{bench_folder, guest, system::cpu_time};
use anyhow::{Result, bail, ensure};
use sandglass::{Host, StartOptions};
use serde_json::{Value, json};
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};
use tempfile::TempDir;

/// Activities of one run of W2.
pub(crate) const ACTIVITIES: usize = 10;

/// A host on a fresh store, with the guest and the worker.
pub(crate) async fn host(store: &Path, cache_bytes: usize) -> Result<Host> {
    let host = Host::builder()
        .store(store)
        .instance_cache_bytes(cache_bytes)
        .compile_cache(bench_folder()?.join("compiled"))
        .activity_json("Echo", |_, value: u64| async move { Ok(value) })
        .build()
        .await?;
    host.load_component(guest()?).await?;
    Ok(host)
}

/// W2 on a fresh store.
pub(crate) async fn sequences(in_flight: usize, runs: usize) -> Result<Value> {
    let store = TempDir::new_in(bench_folder()?)?;
    let file = store.path().join("bench.db");
    let host = host(&file, 1 << 30).await?;
    let (commits, cpu, begun) = (host.stats().commits, cpu_time()?, Instant::now());
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..in_flight)
        .map(|_| tokio::spawn(client(host.clone(), Arc::clone(&next), runs)))
        .collect();
    for client in clients {
        client.await??;
    }
    let (wall, cpu) = (begun.elapsed(), cpu_time()? - cpu);
    let commits = host.stats().commits - commits;
    host.shutdown().await?;
    let activities = (runs * ACTIVITIES) as f64;
    let cores = thread::available_parallelism()?.get() as f64;
    Ok(json!({
        "activities_per_s": activities / wall.as_secs_f64(),
        "cores_busy": cpu.as_secs_f64() / wall.as_secs_f64() / cores,
        "cpu_us_per_activity": cpu.as_secs_f64() * 1e6 / activities,
        "commits_per_activity": commits as f64 / activities,
        "disk_bytes_per_activity": packed(&file)? as f64 / activities,
    }))
}

async fn client(host: Host, next: Arc<AtomicUsize>, runs: usize) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= runs {
            return Ok(());
        }
        one(&host, "sequence", &format!("bench-{number}"), ACTIVITIES).await?;
    }
}

/// One run from the client's call to its result.
pub(crate) async fn one(
    host: &Host,
    workflow_type: &str,
    id: &str,
    activities: usize,
) -> Result<()> {
    let options = StartOptions::new(workflow_type, id).json(activities.to_string());
    let status = host.start(options).await?.result().await?;
    let sandglass::engine::Status::Completed { result } = status else {
        bail!("a run ended as {status:?}");
    };
    ensure!(
        result.data == activities.to_string().as_bytes(),
        "a run returned a wrong value"
    );
    Ok(())
}

/// The size of a store's file without its log and without free pages: run rows, indexes and the
/// component of some 100 KB included.
fn packed(file: &Path) -> Result<u64> {
    let store = rusqlite::Connection::open(file)?;
    store.execute_batch(
        "PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    Ok(file.metadata()?.len())
}

/// W1, one run after another, each followed by a 4 KiB write with a sync to the same disk if
/// `interleaved`.
pub(crate) async fn lone(runs: usize, interleaved: bool) -> Result<Value> {
    let store = TempDir::new_in(bench_folder()?)?;
    let host = host(&store.path().join("bench.db"), 1 << 30).await?;
    let mut other = OpenOptions::new()
        .create(true)
        .append(true)
        .open(store.path().join("other"))?;
    one(&host, "sequence", "warm", 1).await?;
    let commits = host.stats().commits;
    let (mut latencies, mut syncs) = (Vec::new(), Vec::new());
    for number in 0..runs {
        let begun = Instant::now();
        one(&host, "sequence", &format!("bench-{number}"), 1).await?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        if interleaved {
            syncs.push(sync_once(&mut other)?);
        }
    }
    let commits = host.stats().commits - commits;
    host.shutdown().await?;
    let mut figures = json!({ "w1_commits": commits as f64 / runs as f64 });
    if interleaved {
        let (latency, sync) = (middle(latencies), middle(syncs));
        figures["w1_latency_us"] = json!(latency);
        figures["w1_latency_syncs"] = json!(latency / sync);
        figures["w1_latency_aim"] = json!(latency / (2.5 * sync + 300.0));
        figures["disk_sync_us"] = json!(sync);
    }
    Ok(figures)
}

/// W3: one run after another, each with so many activities at once.
pub(crate) async fn parallel(activities: usize) -> Result<Value> {
    let store = TempDir::new_in(bench_folder()?)?;
    let host = host(&store.path().join("bench.db"), 1 << 30).await?;
    one(&host, "parallel", "warm", activities).await?;
    let mut rates = Vec::new();
    for number in 0..10 {
        let begun = Instant::now();
        one(&host, "parallel", &format!("bench-{number}"), activities).await?;
        rates.push(activities as f64 / begun.elapsed().as_secs_f64());
    }
    host.shutdown().await?;
    Ok(json!({ "w3_activities_per_s": middle(rates) }))
}

/// What the disk can do beside nothing else: one write of 4 KiB with a sync after another.
pub(crate) fn disk(syncs: usize) -> Result<Value> {
    let folder = TempDir::new_in(bench_folder()?)?;
    let mut file = File::create(folder.path().join("other"))?;
    sync_once(&mut file)?;
    let begun = Instant::now();
    for _ in 0..syncs {
        sync_once(&mut file)?;
    }
    Ok(json!({ "disk_syncs_per_s": syncs as f64 / begun.elapsed().as_secs_f64() }))
}

/// Writes 4 KiB and syncs them; how long that took, in microseconds.
pub(crate) fn sync_once(file: &mut File) -> Result<f64> {
    let begun = Instant::now();
    file.write_all(&[7; 4096])?;
    file.sync_data()?;
    Ok(begun.elapsed().as_secs_f64() * 1e6)
}

/// The median.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
