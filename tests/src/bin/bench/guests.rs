//! What a component costs whose language brings a runtime with it: to compile, to load, to begin a
//! run, to keep one. Times but that of compiling are processor time.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use sandglass_engine::{Digest, Input, Limits, Run, Start, Timestamp, drive};
use sandglass_sandbox::{Instance, Sandbox, SandboxConfig, WorkflowComponent};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Measurements of which the median is taken.
const LOADS: usize = 15;
/// Runs that are begun, and then kept.
const RUNS: usize = 300;
/// How long a compiled component is new.
const NEW: Duration = Duration::from_secs(3);

/// Figures of one component, with runs of one of its types, without arguments, that sleep.
pub(crate) fn figures(file: &Path, workflow_type: &str) -> Result<Value> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    let folder = TempDir::new()?;
    let config = SandboxConfig {
        cache_dir: Some(folder.path().join("compiled")),
        ..SandboxConfig::default()
    };
    let load = |stored: Option<Digest>| -> Result<(Duration, Arc<WorkflowComponent>)> {
        // Another engine, as another process has.
        let sandbox = Sandbox::new(config.clone())?;
        let begun = computed();
        let component = match stored {
            Some(digest) => sandbox.load_cached(digest).context("it is cached")?,
            None => sandbox.load_workflow(&bytes)?,
        };
        Ok((computed() - begun, component))
    };
    // Compiled by several threads at once.
    let begun = Instant::now();
    let digest = load(None)?.1.digest();
    let cold = begun.elapsed();
    // The checksum of a file that is so new is compared at each load: after this, no more.
    thread::sleep(NEW);
    load(None)?;
    let (mut from_file, mut from_store) = (Vec::new(), Vec::new());
    for _ in 0..LOADS {
        from_file.push(load(None)?.0);
        from_store.push(load(Some(digest))?.0);
    }
    // One after another: the memory of one is there for the next.
    let (mut first, mut turns) = (Vec::new(), Vec::new());
    for _ in 0..LOADS {
        let (_, component) = load(None)?;
        let at = computed();
        begin(&component, workflow_type)?;
        first.push(computed() - at);
    }
    let (_, component) = load(None)?;
    for _ in 0..RUNS {
        let at = computed();
        begin(&component, workflow_type)?;
        turns.push(computed() - at);
    }
    let mut begun = Vec::new();
    let mut kept = Vec::new();
    let mut before = 0;
    for number in 0..=RUNS {
        if number == 1 {
            before = private()?;
        }
        let at = computed();
        kept.push(begin(&component, workflow_type)?);
        begun.push(computed() - at);
    }
    let each = private()?.saturating_sub(before) as f64 / RUNS as f64;
    Ok(json!({
        "component_kb": bytes.len() as f64 / 1e3,
        "compile_ms": millis(cold),
        "load_file_cached_ms": millis(median(&mut from_file)),
        "load_stored_cached_ms": millis(median(&mut from_store)),
        "first_run_ms": millis(median(&mut first)),
        "further_run_ms": millis(median(&mut turns)),
        "further_run_kept_ms": millis(median(&mut begun)),
        "kb_per_cached_run": each / 1e3,
    }))
}

/// Begins a run in a new instance: its first workflow task.
fn begin(component: &WorkflowComponent, workflow_type: &str) -> Result<(Instance, Box<Run>)> {
    let mut instance = component.instantiate(Arc::new(|_, _, _| ()));
    let mut run = Run::new(Limits::default());
    let now = Timestamp(1_700_000_000_000);
    let start = Start {
        workflow_type: workflow_type.into(),
        ..Start::default()
    };
    run.append(now, Input::Started(Box::new(start)))?;
    let (task, driven) = drive(run.begin(now, Digest::default()), &mut instance);
    driven?;
    Ok((instance, task.finish()?))
}

fn median(all: &mut [Duration]) -> Duration {
    all.sort();
    all[all.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Memory that this process has to itself: what instances share is there once.
fn private() -> Result<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("the kernel tells it in kB")?.parse()?;
    Ok(kib * 1024)
}

/// Processor time of this thread: what else the machine does is not counted.
pub(crate) fn computed() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
