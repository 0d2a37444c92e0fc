//! W4's second part: how late are runs whose timers are due in the same second?

use crate::{bench_folder, cancel::part, load::host};
use anyhow::{Context as _, Result, ensure};
use sandglass::{Host, StartOptions, engine::Status};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};

/// From the first start to the first timer that is due.
const LEAD: Duration = Duration::from_secs(10);

/// Starts so many runs, all of which are asleep before the first is due, and takes how long after
/// its timer was due each one's end was told to a client. The timers are spread over one second.
pub(crate) async fn alarms(runs: usize) -> Result<Value> {
    let store = TempDir::new_in(bench_folder()?)?;
    let host = host(&store.path().join("bench.db"), 1 << 30).await?;
    let first = now()? + LEAD;
    let mut ends = JoinSet::new();
    let (started, mut starts) = mpsc::unbounded_channel();
    for number in 0..runs {
        let due = first + Duration::from_secs(1) * u32::try_from(number)? / u32::try_from(runs)?;
        ends.spawn(alarm(host.clone(), number, due, started.clone()));
    }
    for _ in 0..runs {
        starts.recv().await.context("each run starts")?;
    }
    host.idle().await;
    ensure!(now()? < first, "not all runs were asleep in time");
    let mut lateness = Vec::new();
    while let Some(late) = ends.join_next().await {
        lateness.push(late??);
    }
    host.shutdown().await?;
    Ok(json!({
        "w4_lateness_p50_ms": part(&mut lateness, 0.5),
        "w4_lateness_p99_ms": part(&mut lateness, 0.99),
    }))
}

/// One run that sleeps until `due`; how many milliseconds later a client hears of its end.
async fn alarm(
    host: Host,
    number: usize,
    due: Duration,
    started: mpsc::UnboundedSender<()>,
) -> Result<f64> {
    // Whole milliseconds, as timers have them.
    let due = u64::try_from(due.as_millis())?;
    let options = StartOptions::new("alarm", format!("alarm-{number}")).json(due.to_string());
    let run = host.start(options).await?;
    started.send(()).context("somebody counts the starts")?;
    let status = run.result().await?;
    let late = now()?.as_secs_f64() * 1e3 - due as f64;
    ensure!(
        matches!(status, Status::Completed { .. }),
        "a run ended as {status:?}"
    );
    ensure!(late >= 0.0, "a run ended before its timer was due");
    Ok(late)
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
