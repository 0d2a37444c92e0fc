//! Processes: loads in their own, what they cost, where their files are.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

/// Values of figures by their names.
pub(crate) type Figures = BTreeMap<String, Vec<f64>>;

/// Ends a process where it goes.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// Where the figures, the guest and the stores are.
pub(crate) fn bench_folder() -> Result<PathBuf> {
    let folder = sandglass_tests::repository().join("target/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The component that all loads run.
pub(crate) fn guest() -> Result<Vec<u8>> {
    fs::read(bench_folder()?.join("guest-bench.wasm"))
        .context("build it first: sandglass build tests/guests/bench --out target/bench")
}

/// The figures of one load in a process of its own.
pub(crate) fn child(arguments: &[&str]) -> Result<Figures> {
    figures(Command::new(env::current_exe()?).args(arguments))
}

/// The figures that a program prints: an object of JSON, a number or several for each.
pub(crate) fn figures(program: &mut Command) -> Result<Figures> {
    let output = program.output()?;
    ensure!(
        output.status.success(),
        "{program:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout)?;
    let figures = printed.into_iter().map(|(name, value)| {
        let values = match value {
            Value::Array(_) => serde_json::from_value(value)?,
            number => vec![serde_json::from_value(number)?],
        };
        Ok((name, values))
    });
    figures.collect()
}

/// Syncs of one load, its start and end included, counted at the system call. Tracing slows it
/// down, so nothing else is taken from it.
pub(crate) fn syncs(arguments: &[&str]) -> Result<f64> {
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
pub(crate) fn cpu_time() -> Result<Duration> {
    cpu_time_of("self")
}

/// That of the process with this id.
pub(crate) fn cpu_time_of(process: &str) -> Result<Duration> {
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
