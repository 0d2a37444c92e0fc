//! How fast, and at what cost, are durable activities?
//!
//! Without arguments it measures everything, in processes of their own, prints a table and writes
//! `target/bench/summary.json`. `bench measure IN_FLIGHT RUNS` is one such process.
//!
//! The workload: runs of ten sequential activities, a small number in and out, by a native worker through
//! the embedding API, with a real file and real syncs. CPU is that of the whole process, client included.

use anyhow::{Context, Result, bail, ensure};
use sandglass::{Host, StartOptions};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Activities of one run.
const ACTIVITIES: usize = 10;

/// Measurements of each figure.
const REPEATS: usize = 5;

/// Runs in flight, and runs in all.
const LOADS: [(usize, usize); 2] = [(1, 200), (64, 1920)];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => measure_all(),
        ["measure", in_flight, runs] => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            let figures = runtime.block_on(measure(in_flight.parse()?, runs.parse()?))?;
            println!("{figures}");
            Ok(())
        }
        _ => bail!("usage: bench [measure IN_FLIGHT RUNS]"),
    }
}

/// One load on a fresh store.
async fn measure(in_flight: usize, runs: usize) -> Result<Value> {
    let folder = bench_folder()?;
    let store = tempfile::TempDir::new_in(&folder)?;
    let component = fs::read(folder.join("guest-bench.wasm"))
        .context("build it first: sandglass build tests/guests/bench --out target/bench")?;
    let host = Host::builder()
        .store(store.path().join("bench.db"))
        .compile_cache(folder.join("compiled"))
        .activity_json("Echo", |_, value: u64| async move { Ok(value) })
        .build()
        .await?;
    host.load_component(component).await?;
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
    Ok(json!({
        "activities_per_s": activities / wall.as_secs_f64(),
        "cpu_us_per_activity": cpu.as_secs_f64() * 1e6 / activities,
        "commits_per_activity": commits as f64 / activities,
    }))
}

async fn client(host: Host, next: Arc<AtomicUsize>, runs: usize) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= runs {
            return Ok(());
        }
        let options =
            StartOptions::new("sequence", format!("bench-{number}")).json(ACTIVITIES.to_string());
        let status = host.start(options).await?.result().await?;
        let sandglass::engine::Status::Completed { result } = status else {
            bail!("a run ended as {status:?}");
        };
        ensure!(
            result.data == ACTIVITIES.to_string().as_bytes(),
            "a run returned a wrong value"
        );
    }
}

/// Processor time of this process so far.
fn cpu_time() -> Result<Duration> {
    // In clock ticks of 10 ms: the loads take long enough for that.
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat
        .rsplit(')')
        .next()
        .context("/proc/self/stat has a name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn bench_folder() -> Result<PathBuf> {
    let folder = sandglass_tests::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn measure_all() -> Result<()> {
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (in_flight, runs) in LOADS {
        for _ in 0..REPEATS {
            let one: BTreeMap<String, f64> = serde_json::from_value(child(in_flight, runs)?)?;
            for (name, value) in one {
                figures
                    .entry(format!("w2_{name}_{in_flight}"))
                    .or_default()
                    .push(value);
            }
            let syncs = syncs(in_flight, runs)?;
            figures
                .entry(format!("w2_syncs_per_activity_{in_flight}"))
                .or_default()
                .push(syncs / (runs * ACTIVITIES) as f64);
        }
    }
    // The names that later figures are compared under are those of the full load.
    for name in ["activities_per_s", "cpu_us_per_activity"] {
        let full = figures[&format!("w2_{name}_64")].clone();
        figures.insert(format!("w2_{name}"), full);
    }
    let summary: Vec<Value> = figures
        .iter()
        .map(|(name, values)| entry(name, values))
        .collect();
    print_table(&summary)?;
    let path = bench_folder()?.join("summary.json");
    fs::write(&path, serde_json::to_string_pretty(&summary)?)?;
    println!("written to {}", path.display());
    Ok(())
}

fn child(in_flight: usize, runs: usize) -> Result<Value> {
    let output = Command::new(env::current_exe()?)
        .args(["measure", &in_flight.to_string(), &runs.to_string()])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Syncs of one load, counted at the system call. Tracing slows it down, so nothing else is taken from it.
fn syncs(in_flight: usize, runs: usize) -> Result<f64> {
    let counts = bench_folder()?.join("strace.txt");
    let output = Command::new("strace")
        .args([
            "--follow-forks",
            "--summary-only",
            "--trace=fsync,fdatasync",
            "--output",
        ])
        .arg(&counts)
        .arg(env::current_exe()?)
        .args(["measure", &in_flight.to_string(), &runs.to_string()])
        .output()
        .context("strace counts the syncs; apt-get install strace")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let calls = fs::read_to_string(&counts)?
        .lines()
        .filter(|line| line.ends_with("sync"))
        .filter_map(|line| line.split_whitespace().nth(3)?.parse::<f64>().ok())
        .sum();
    Ok(calls)
}

fn entry(name: &str, values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let unit = match name {
        name if name.contains("_per_s") => "1/s",
        name if name.contains("cpu_us") => "us",
        name if name.contains("commits") => "commits",
        _ => "syncs",
    };
    json!({
        "name": name,
        "unit": unit,
        "median": sorted[sorted.len() / 2],
        "min": sorted[0],
        "max": sorted[sorted.len() - 1],
        "runs": sorted.len(),
    })
}

fn print_table(summary: &[Value]) -> Result<()> {
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output()?;
    let cores = std::thread::available_parallelism()?;
    println!(
        "commit {}, {cores} cores, load {}",
        String::from_utf8_lossy(&commit.stdout).trim(),
        fs::read_to_string("/proc/loadavg")?.trim()
    );
    println!(
        "{:<32} {:>10} {:>10} {:>10}  unit",
        "figure", "median", "min", "max"
    );
    for entry in summary {
        let number = |key: &str| entry[key].as_f64().unwrap_or_default();
        println!(
            "{:<32} {:>10.3} {:>10.3} {:>10.3}  {}",
            entry["name"].as_str().unwrap_or_default(),
            number("median"),
            number("min"),
            number("max"),
            entry["unit"].as_str().unwrap_or_default()
        );
    }
    Ok(())
}
