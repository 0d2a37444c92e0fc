//! Replays every run of a store in this process and prints the commands, as its guest issued them.
//!
//! `replay STORE MEMORY_MIB TICK_MS CACHE_BYTES COMPILED`. Two processes that differ in the numbers,
//! in their environment or in their build must print the same, which the test `determinism`
//! compares. COMPILED is the folder where compiled components are kept.
//!
//! Each run is replayed against its record; then it is run a second time with nothing to compare
//! with, given only its inputs; then a host goes on with it to its end.

use anyhow::{Context, Result, ensure};
use sandglass::store::{ListFilter, Reader, RunStatus, SqliteStore};
use sandglass::{Host, ManualClock};
use sandglass_engine::{
    Attempts, Command, Frame, Issued, Limits, Payload, Record, Run, Status, Timestamp, decode,
    drive, replay,
};
use sandglass_sandbox::{Sandbox, SandboxConfig, WorkflowComponent};
use std::{env, path::Path, sync::Arc, time::Duration};

/// Later than anything in the store.
const NOW: Timestamp = Timestamp(9_000_000_000_000);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [store, memory, tick, cache, compiled] = &arguments[..] else {
        anyhow::bail!("usage: replay STORE MEMORY_MIB TICK_MS CACHE_BYTES COMPILED");
    };
    let store = Path::new(store);
    let memory_bytes_max = memory.parse::<usize>()? << 20;
    let epoch_tick = Duration::from_millis(tick.parse()?);
    let config = SandboxConfig {
        cache_dir: Some(compiled.into()),
        memory_bytes_max,
        epoch_tick,
        ..SandboxConfig::default()
    };
    let open = in_the_sandbox(store, config)?;
    let clock = Arc::new(ManualClock::new(NOW));
    let host = Host::builder()
        .store(store)
        .clock(clock.clone())
        .identity("replay")
        .memory_bytes_max(memory_bytes_max)
        .epoch_tick(epoch_tick)
        .compile_cache(compiled)
        .instance_cache_bytes(cache.parse()?)
        .activity("Echo", |_, arguments: Vec<Payload>| async move {
            Ok(arguments.into_iter().next().unwrap_or_else(Payload::null))
        })
        .build()
        .await?;
    for workflow_id in open {
        let run = host.run(&workflow_id, None);
        while run.describe().await?.status == Status::Running {
            host.idle().await;
            let now = run.describe().await?;
            if now.status != Status::Running || now.task.is_some() || !now.activities.is_empty() {
                // Whatever is on its way arrives before the next stimulus, at the same time of the
                // clock in every process.
                tokio::task::yield_now().await;
            } else if now.timers.is_empty() {
                run.signal_named("next", vec![]).await?;
            } else {
                clock.advance(Duration::from_secs(10));
            }
        }
    }
    host.shutdown().await?;
    let reader = SqliteStore::open_read_only(store)?;
    for row in reader.list(&ListFilter::default(), 100, None)? {
        let row = row?;
        println!("ended {} as {:?}", row.workflow_id, row.status);
        print_tasks(&frames(&reader, row.key)?);
    }
    Ok(())
}

/// Replays and runs again all that is stored. Returns the ids of the open runs.
fn in_the_sandbox(store: &Path, config: SandboxConfig) -> Result<Vec<String>> {
    let sandbox = Sandbox::new(config)?;
    let reader = SqliteStore::open_read_only(store)?;
    let mut open = Vec::new();
    for row in reader.list(&ListFilter::default(), 100, None)? {
        let row = row?;
        let bytes = reader.component(row.digest)?;
        let component = sandbox.load_workflow(&bytes.context("a run's component is stored")?)?;
        let recorded = frames(&reader, row.key)?;
        let mut instance = component.instantiate(Arc::new(|_, _, _| ()));
        replay(recorded.clone(), Some(&mut instance))?;
        println!("again {}", row.workflow_id);
        run_again(&component, recorded)?;
        if row.status == RunStatus::Running {
            open.push(row.workflow_id);
        }
    }
    Ok(open)
}

fn frames(reader: &impl Reader, key: sandglass::store::RunKey) -> Result<Vec<Frame>> {
    let rows = reader.frames(key)?;
    rows.iter().map(|row| Ok(decode(row)?)).collect()
}

/// Gives an instance the recorded inputs, without saying what it did then, and prints what it does.
fn run_again(component: &WorkflowComponent, recorded: Vec<Frame>) -> Result<()> {
    let mut instance = component.instantiate(Arc::new(|_, _, _| ()));
    let mut run = Run::new(Limits::default());
    for record in recorded.into_iter().flat_map(|frame| frame.records) {
        match record {
            Record::Input { at, input } => run.append(at, input)?,
            Record::Inputs(inputs) => {
                run.append_all(inputs)
                    .into_iter()
                    .collect::<Result<(), _>>()?;
            }
            Record::Task(record) => {
                let Some((digest, _)) = record.outcome.completed() else {
                    anyhow::bail!("no task of these runs has failed");
                };
                let (task, driven) = drive(run.begin(record.started_at, digest), &mut instance);
                driven?;
                run = task.finish_with(|_| Attempts::Running)?;
                let output = run.take_frame().context("a task adds to the history")?;
                ensure!(!output.frame.records.is_empty());
                print_tasks(&[output.frame]);
            }
        }
    }
    Ok(())
}

fn print_tasks(frames: &[Frame]) {
    for record in frames.iter().flat_map(|frame| &frame.records) {
        if let Record::Task(task) = record {
            match task.outcome.completed() {
                Some((_, commands)) => commands.iter().for_each(print),
                None => println!("  {:?}", task.outcome),
            }
        }
    }
}

fn print(Issued { delivery, command }: &Issued) {
    if let Command::ScheduleActivity { call, .. } = command {
        for argument in &call.arguments {
            println!("    {}", String::from_utf8_lossy(&argument.data));
        }
    }
    println!("  {delivery} {command:?}");
}
