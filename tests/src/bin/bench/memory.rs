//! What an open run costs in memory, with its instance and without.

use crate::{bench_folder, load::host};
use anyhow::{Context, Result};
use sandglass::{Host, StartOptions};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

#[expect(
    unsafe_code,
    reason = "the crate of this program's allocator has no safe name for its function"
)]
unsafe extern "C" {
    /// Gives free memory of the allocator back to the system.
    safe fn mi_collect(force: bool);
}

/// Runs that are started at the same time: each holds memory of its own until it sleeps.
const STARTS: usize = 1000;

/// Bytes for each of `runs` runs that sleep: what the process has more with them than before.
pub(crate) async fn open_runs(cached: bool, runs: usize) -> Result<Value> {
    let store = TempDir::new_in(bench_folder()?)?;
    // Larger than needed, or none.
    let cache_bytes = if cached { 16 << 30 } else { 0 };
    let host = host(&store.path().join("bench.db"), cache_bytes).await?;
    start(&host, "warm", STARTS).await?;
    let before = resident()?;
    start(&host, "run", runs).await?;
    let after = resident()?;
    host.shutdown().await?;
    let kind = if cached { "cached" } else { "evicted" };
    let each = after.saturating_sub(before) as f64 / runs as f64;
    Ok(json!({ format!("w4_bytes_per_run_{kind}"): each }))
}

async fn start(host: &Host, name: &str, runs: usize) -> Result<()> {
    for first in (0..runs).step_by(STARTS) {
        let starts = (first..runs.min(first + STARTS)).map(|number| {
            let (host, id) = (host.clone(), format!("{name}-{number}"));
            let options = StartOptions::new("sleeper", id);
            tokio::spawn(async move { host.start(options).await.map(drop) })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await??;
        }
        host.idle().await;
    }
    Ok(())
}

/// Memory of this process, with what is free given back.
fn resident() -> Result<u64> {
    mi_collect(true);
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages
        .split(' ')
        .nth(1)
        .context("statm has a second field")?
        .parse()?;
    Ok(pages * 4096)
}
