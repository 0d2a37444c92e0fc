//! What an open run costs in memory, with its instance and without.

use crate::{bench_folder, load::host};
use anyhow::{Context, Result};
use sandglass::{Host, StartOptions};
use serde_json::{Value, json};
use std::{ffi::c_int, fs};
use tempfile::TempDir;

#[expect(
    unsafe_code,
    reason = "the standard library has no name for this function of the C library it links"
)]
unsafe extern "C" {
    /// Gives free memory back to the system.
    safe fn malloc_trim(pad: usize) -> c_int;
}

/// Bytes for each of `runs` runs that sleep: what the process has more with them than before.
pub(crate) async fn open_runs(cached: bool, runs: usize) -> Result<Value> {
    let store = TempDir::new_in(bench_folder()?)?;
    // Larger than needed, or none.
    let cache_bytes = if cached { 16 << 30 } else { 0 };
    let host = host(&store.path().join("bench.db"), cache_bytes).await?;
    start(&host, "warm", 200).await?;
    let before = resident()?;
    start(&host, "run", runs).await?;
    let after = resident()?;
    host.shutdown().await?;
    let kind = if cached { "cached" } else { "evicted" };
    let each = after.saturating_sub(before) as f64 / runs as f64;
    Ok(json!({ format!("w4_bytes_per_run_{kind}"): each }))
}

async fn start(host: &Host, name: &str, runs: usize) -> Result<()> {
    let starts = (0..runs).map(|number| {
        let (host, id) = (host.clone(), format!("{name}-{number}"));
        tokio::spawn(async move { host.start(StartOptions::new("sleeper", id)).await.map(drop) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await??;
    }
    host.idle().await;
    Ok(())
}

/// Memory of this process, with what is free given back.
fn resident() -> Result<u64> {
    malloc_trim(0);
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages
        .split(' ')
        .nth(1)
        .context("statm has a second field")?
        .parse()?;
    Ok(pages * 4096)
}
