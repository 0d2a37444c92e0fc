//! Are requests as fast in a store of many runs as in one of few? Both are filled with copies of
//! two real runs, one open and one closed, and asked in turns. The small store has as many runs as
//! a page of a list, so that both answer with as much.

use crate::{bench_folder, load};
use anyhow::{Context as _, Result, ensure};
use sandglass::{
    Host, StartOptions,
    engine::{Frame, Input, Record, decode, encode},
    store::{ListFilter, Reader, RunKey, RunRow, RunStatus, SqliteStore, Store, TimerRow, Write},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, time::Instant};
use tempfile::TempDir;

/// Runs of the small store; half of them are open, and a page of a list has half as many.
const PAGE: usize = 100;
/// Values of each figure, and requests of each kind of which one of them is the median.
const ROUNDS: usize = 5;
const REQUESTS: usize = 100;
/// Writes of one commit while a store is filled.
const WRITES: usize = 20_000;

/// A run as it is stored.
struct Model {
    row: RunRow,
    frames: Vec<Vec<u8>>,
    timers: Vec<TimerRow>,
}

/// All that is asked of a store, in this order, each so and so many times.
const KINDS: [&str; 5] = [
    "list",
    "list_open",
    "describe_open",
    "describe_closed",
    "start",
];

/// Latencies in a store with so many runs, as ratios to those in one with few.
pub(crate) async fn compare(closed: usize, open: usize) -> Result<Value> {
    let dir = TempDir::new_in(bench_folder()?)?;
    let models = models(&dir.path().join("models.db")).await?;
    let (few, many) = (dir.path().join("few.db"), dir.path().join("many.db"));
    fill(&few, &models, PAGE / 2, PAGE / 2)?;
    fill(&many, &models, closed, open)?;
    let few = load::host(&few, 1 << 30).await?;
    let begun = Instant::now();
    let many = load::host(&many, 1 << 30).await?;
    let opened = begun.elapsed().as_secs_f64() * 1e3;
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    // Starts come last: lists are to find the open runs among the closed ones.
    for kind in KINDS {
        for round in 0..ROUNDS {
            let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
            // Each asks for another run, all over the store.
            for number in round * REQUESTS..(round + 1) * REQUESTS {
                of_few.push(request(&few, kind, number, (PAGE / 2, PAGE / 2)).await?);
                of_many.push(request(&many, kind, number, (closed, open)).await?);
            }
            let (few, many) = (load::middle(of_few), load::middle(of_many));
            let mut add = |name: String, value| figures.entry(name).or_default().push(value);
            add(format!("crowded_{kind}_us"), many);
            add(format!("crowded_{kind}_ratio"), many / few);
        }
    }
    few.shutdown().await?;
    many.shutdown().await?;
    figures.insert("crowded_store_open_ms".into(), vec![opened]);
    Ok(json!(figures))
}

/// The time of one request, in microseconds, to a store of so many closed and open runs.
async fn request(
    host: &Host,
    kind: &str,
    number: usize,
    (closed, open): (usize, usize),
) -> Result<f64> {
    let spread = number.wrapping_mul(7919);
    let begun = Instant::now();
    match kind {
        "start" => {
            let options = StartOptions::new("sleeper", format!("new-{number}"));
            host.start(options).await?;
        }
        "describe_open" => {
            let run = host.run(format!("open-{}", spread % open), None);
            run.describe().await?;
        }
        "describe_closed" => {
            let run = host.run(format!("closed-{}", spread % closed), None);
            run.describe().await?;
        }
        list => {
            let filter = ListFilter {
                status: (list == "list_open").then_some(RunStatus::Running),
                ..ListFilter::default()
            };
            let found = host.list(&filter, PAGE / 2, None).await?;
            ensure!(found.len() == PAGE / 2, "a page has {} runs", found.len());
        }
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6)
}

/// One closed and one open run, made by a host.
async fn models(file: &Path) -> Result<[Model; 2]> {
    let host = load::host(file, 1 << 30).await?;
    load::one(&host, "sequence", "closed", 1).await?;
    host.start(StartOptions::new("sleeper", "open")).await?;
    host.idle().await;
    host.shutdown().await?;
    let reader = SqliteStore::open_read_only(file)?;
    let model = |id| -> Result<Model> {
        let row = reader.find(id, None)?.context("it was run above")?;
        let (frames, timers) = (reader.frames(row.key)?, reader.timers(row.key)?);
        Ok(Model {
            row,
            frames,
            timers,
        })
    };
    Ok([model("closed")?, model("open")?])
}

/// Makes a store of so many runs, the open ones evenly among the closed ones.
fn fill(file: &Path, [is_closed, is_open]: &[Model; 2], closed: usize, open: usize) -> Result<()> {
    let mut store = SqliteStore::open(file)?;
    let (mut writes, all) = (Vec::new(), closed + open);
    for number in 0..all {
        let before = number * open / all;
        let key = RunKey(number as u64 + 1);
        if (number + 1) * open / all > before {
            copy(is_open, key, format!("open-{before}"), &mut writes)?;
        } else {
            let id = format!("closed-{}", number - before);
            copy(is_closed, key, id, &mut writes)?;
        }
        if writes.len() >= WRITES || number + 1 == all {
            for stored in store.commit(&writes)? {
                stored?;
            }
            store.checkpoint()?;
            writes.clear();
        }
    }
    Ok(())
}

/// The writes of a run like this one, with ids of its own.
fn copy(model: &Model, key: RunKey, workflow_id: String, writes: &mut Vec<Write>) -> Result<()> {
    // Like random ones they are not in the order in which they are made.
    let mixed = key.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let run_id = format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xFFFF,
        key.0
    );
    for (index, bytes) in model.frames.iter().enumerate() {
        let mut write = Write::new(key);
        let mut bytes = bytes.clone();
        if index == 0 {
            bytes = with_ids(&bytes, &workflow_id, &run_id)?;
            write.row = Some(RunRow {
                key,
                workflow_id: workflow_id.clone(),
                run_id: run_id.clone(),
                first_run_id: run_id.clone(),
                ..model.row.clone()
            });
            let timers = model.timers.iter();
            write.timers_put = timers.map(|row| (row.started_event_id, row.due)).collect();
        }
        write.frame = Some((index as u64 + 1, bytes));
        writes.push(write);
    }
    Ok(())
}

/// A run's first frame, with these ids in its start.
fn with_ids(bytes: &[u8], workflow_id: &str, run_id: &str) -> Result<Vec<u8>> {
    let mut frame: Frame = decode(bytes)?;
    let started = frame.records.iter_mut().find_map(|record| match record {
        Record::Input {
            input: Input::Started(start),
            ..
        } => Some(start),
        _ => None,
    });
    let start = started.context("a run begins with its start")?;
    start.workflow_id = workflow_id.into();
    start.run_id = run_id.into();
    Ok(encode(&frame))
}
