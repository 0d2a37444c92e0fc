//! How fast, and at what cost, are durable runs?
//! Without arguments it measures everything, each load in a process of its own, adds what
//! `benches/micro.rs` measured before it, prints a table and writes `target/bench/summary.json`. It
//! ends with an error that names each bound that was missed.
//! The loads are those of workloads W1 and W2: a real file with real syncs, a native worker and the
//! client in the same process through the embedding API. CPU is that of the whole process. `remote.rs`
//! has the same through servers.

mod cancel;
mod guests;
mod load;
mod memory;
mod remote;
mod summary;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use summary::Summary;

/// That of the program `sandglass`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measurements of each figure.
const REPEATS: usize = 5;

/// Runs in flight, and runs in all, of ten activities each.
const LOADS: [(usize, usize); 3] = [(1, 200), (8, 800), (64, 1920)];

/// Runs of one activity, one after another.
const LONE: usize = 200;

/// Runs that are canceled one after another, and all at once.
const CANCELED: (usize, usize) = (200, 1000);

/// Runs that are open at once when memory is measured.
const OPEN: usize = 4000;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
    };
    let figures = match words[..] {
        [] => return measure_all(),
        ["remote"] => {
            let mut summary = Summary::default();
            remote::compare(&mut summary)?;
            return conclude(&summary);
        }
        ["load", in_flight, runs] => {
            let load = load::sequences(in_flight.parse()?, runs.parse()?);
            runtime()?.block_on(load)?
        }
        ["lone", runs] => runtime()?.block_on(load::lone(runs.parse()?, false))?,
        ["interleaved", runs] => runtime()?.block_on(load::lone(runs.parse()?, true))?,
        ["cancel", runs] => runtime()?.block_on(cancel::alone(runs.parse()?))?,
        ["cancel-at-once", runs] => runtime()?.block_on(cancel::at_once(runs.parse()?))?,
        ["guest", file, workflow_type] => guests::figures(Path::new(file), workflow_type)?,
        ["memory", kind, runs] => {
            ensure!(["cached", "evicted"].contains(&kind), "what is {kind}?");
            runtime()?.block_on(memory::open_runs(kind == "cached", runs.parse()?))?
        }
        _ => {
            bail!(
                "usage: bench [remote | load IN_FLIGHT RUNS | lone RUNS | cancel RUNS | memory KIND RUNS | guest FILE TYPE]"
            )
        }
    };
    println!("{figures}");
    Ok(())
}

fn measure_all() -> Result<()> {
    let mut summary = Summary::default();
    summary.add_criterion()?;
    for _ in 0..REPEATS {
        for (in_flight, runs) in LOADS {
            let (in_flight, runs) = (in_flight.to_string(), runs.to_string());
            for (name, value) in child(&["load", &in_flight, &runs])? {
                match name.as_str() {
                    "disk_bytes_per_activity" if in_flight != "64" => {}
                    "disk_bytes_per_activity" => summary.add(&name, value),
                    name => summary.add(&format!("w2_{name}_{in_flight}"), value),
                }
            }
        }
        for (name, value) in child(&["interleaved", &LONE.to_string()])? {
            summary.add(&name, value);
        }
        let (alone, at_once) = CANCELED;
        for load in [
            ["cancel", &alone.to_string()],
            ["cancel-at-once", &at_once.to_string()],
        ] {
            for (name, value) in child(&load)? {
                summary.add(&name, value);
            }
        }
        for kind in ["cached", "evicted"] {
            for (name, value) in child(&["memory", kind, &OPEN.to_string()])? {
                summary.add(&name, value);
            }
        }
        for (in_flight, runs) in LOADS {
            let syncs = syncs(&["load", &in_flight.to_string(), &runs.to_string()])?;
            let each = syncs / (runs * load::ACTIVITIES) as f64;
            summary.add(&format!("w2_syncs_per_activity_{in_flight}"), each);
        }
        summary.add(
            "w1_syncs",
            syncs(&["lone", &LONE.to_string()])? / LONE as f64,
        );
    }
    remote::compare(&mut summary)?;
    // The names that later figures are compared under are those of the full load.
    for name in ["w2_activities_per_s", "w2_cpu_us_per_activity"] {
        summary.copy(&format!("{name}_64"), name);
    }
    let path = bench_folder()?.join("summary.json");
    fs::write(&path, serde_json::to_string_pretty(&summary.to_json())?)?;
    println!("written to {}", path.display());
    ensure!(summary.is_whole(), "a figure with a bound was not measured");
    conclude(&summary)
}

/// Prints the figures, and fails if one of them misses its bound.
fn conclude(summary: &Summary) -> Result<()> {
    summary.print()?;
    let missed = summary.missed();
    ensure!(missed.is_empty(), "bounds missed: {}", missed.join("; "));
    Ok(())
}

/// Where the figures, the guest and the stores are.
fn bench_folder() -> Result<PathBuf> {
    let folder = sandglass_tests::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The component that all loads run.
fn guest() -> Result<Vec<u8>> {
    fs::read(bench_folder()?.join("guest-bench.wasm"))
        .context("build it first: sandglass build tests/guests/bench --out target/bench")
}

/// One load in a process of its own.
fn child(arguments: &[&str]) -> Result<BTreeMap<String, f64>> {
    let output = Command::new(env::current_exe()?).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures: Value = serde_json::from_slice(&output.stdout)?;
    Ok(serde_json::from_value(figures)?)
}

/// Syncs of one load, its start and end included, counted at the system call. Tracing slows it
/// down, so nothing else is taken from it.
fn syncs(arguments: &[&str]) -> Result<f64> {
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
        .args(arguments)
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

/// Processor time of this process so far.
fn cpu_time() -> Result<Duration> {
    cpu_time_of("self")
}

/// That of the process with this id.
fn cpu_time_of(process: &str) -> Result<Duration> {
    // In clock ticks of 10 ms: the loads take long enough for that.
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat
        .rsplit(')')
        .next()
        .context("/proc/self/stat has a name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
