//! What do eight hostile guests cost a healthy run on a pool of two threads?
//!
//! A run of sequential activities, on a real store with real syncs: the time of one step is that from
//! one attempt's begin to the next one's. Measured alone and beside the eight, in turn, in one
//! process; what counts is the ratio. Prints a table and fails if the median ratio of the 99th
//! percentiles is above 2.

use anyhow::{Context, Result, bail, ensure};
use sandglass::{CancelOptions, Host, RunHandle, StartOptions, engine::Status};
use std::{
    env, fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Activities of one measurement.
const STEPS: usize = 2000;

/// Pairs of measurements.
const PAIRS: usize = 5;

/// How much slower a healthy run's step may be beside the others.
const RATIO_MAX: f64 = 2.0;

/// What runs beside it unless other types are given: three that loop until their budget is spent, and
/// all as often as they are tried again.
const HOSTILE: [&str; 8] = [
    "spin",
    "spin",
    "spin",
    "memory_bomb",
    "stack_overflow",
    "trap_in_cancel_handler",
    "huge_payload",
    "billion_timers",
];

type Begun = Arc<Mutex<Vec<Instant>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = arguments
        .next()
        .context("usage: neighbors FOLDER [TYPE]..")?;
    let folder = Path::new(&folder);
    let chosen: Vec<String> = arguments.collect();
    let chosen = match chosen.iter().map(String::as_str).collect::<Vec<_>>() {
        none if none.is_empty() => HOSTILE.to_vec(),
        chosen => chosen,
    };
    let store = tempfile::TempDir::new_in(folder)?;
    let begun = Begun::default();
    let host = host(store.path(), folder, &begun).await?;
    for guest in ["bench", "hostile"] {
        let file = folder.join(format!("guest-{guest}.wasm"));
        host.load_component(fs::read(&file)?).await?;
    }
    measure(&host, &begun, "warm-up").await?;
    println!(
        "step of a healthy run, us     p50 alone  beside     p99 alone  beside   ratio of p99"
    );
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        let alone = measure(&host, &begun, &format!("alone-{pair}")).await?;
        let hostile = start_hostile(&host, &chosen, pair).await?;
        let beside = measure(&host, &begun, &format!("beside-{pair}")).await?;
        for run in hostile {
            let asked = Instant::now();
            run.terminate("measured", "bench").await?;
            let took = asked.elapsed();
            ensure!(took < Duration::from_secs(1), "terminate took {took:?}");
        }
        let ratio = beside.1 / alone.1;
        println!(
            "{:>39.0} {:>7.0} {:>13.0} {:>7.0} {ratio:>14.2}",
            alone.0, beside.0, alone.1, beside.1
        );
        ratios.push(ratio);
    }
    host.shutdown().await?;
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[PAIRS / 2], ratios[PAIRS - 1]);
    println!("neighbor_p99_ratio: median {median:.2}, {least:.2} to {most:.2}, {PAIRS} pairs");
    let summary = serde_json::json!({
        "name": "neighbor_p99_ratio", "unit": "times", "median": median, "min": least, "max": most,
        "runs": PAIRS,
    });
    fs::write(folder.join("neighbors.json"), format!("{summary:#}\n"))?;
    if median > RATIO_MAX {
        bail!("neighbor_p99_ratio is {median:.2}, its bound is {RATIO_MAX}");
    }
    Ok(())
}

async fn host(store: &Path, folder: &Path, begun: &Begun) -> Result<Host> {
    let begun = Arc::clone(begun);
    let echo = move |_, value: u64| {
        lock(&begun).push(Instant::now());
        async move { Ok(value) }
    };
    let host = Host::builder()
        .store(store.join("neighbors.db"))
        .compile_cache(folder.join("compiled"))
        .worker_threads(2)
        .activity_json("Echo", echo)
        .build();
    Ok(host.await?)
}

fn lock(begun: &Begun) -> std::sync::MutexGuard<'_, Vec<Instant>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn start_hostile(host: &Host, types: &[&str], pair: usize) -> Result<Vec<RunHandle>> {
    let mut runs = Vec::new();
    for (number, workflow_type) in types.iter().enumerate() {
        let options = StartOptions::new(*workflow_type, format!("hostile-{pair}-{number}"));
        runs.push(host.start(options).await?);
    }
    host.idle().await;
    for (run, workflow_type) in runs.iter().zip(types) {
        if *workflow_type == "trap_in_cancel_handler" {
            run.cancel(CancelOptions::reason("measured")).await?;
        } else {
            run.signal_named("go", vec![]).await?;
        }
    }
    Ok(runs)
}

/// Median and 99th percentile of a step, in microseconds.
async fn measure(host: &Host, begun: &Begun, id: &str) -> Result<(f64, f64)> {
    lock(begun).clear();
    let options = StartOptions::new("sequence", id).json(STEPS.to_string());
    let status = host.start(options).await?.result().await?;
    ensure!(
        matches!(status, Status::Completed { .. }),
        "it ended as {status:?}"
    );
    let begun = lock(begun);
    let steps = begun.windows(2).map(|pair| pair[1] - pair[0]);
    let mut steps: Vec<f64> = steps.map(|step| step.as_secs_f64() * 1e6).collect();
    steps.sort_by(f64::total_cmp);
    let at = |share: f64| steps[((steps.len() - 1) as f64 * share) as usize];
    Ok((at(0.5), at(0.99)))
}
