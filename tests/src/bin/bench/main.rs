//! How fast, and at what cost, are durable runs?
//! Without arguments it measures everything, each load in a process of its own, adds what
//! `benches/micro.rs` measured before it, prints a table and writes `target/bench/summary.json`. It
//! ends with an error that names each bound that was missed; what is aimed at beside them is told.
//! The loads are workloads W1 to W6: a real file with real syncs, a native worker and the client in
//! the same process through the embedding API. CPU is that of the whole process. `remote.rs` has
//! the same through servers, `peers.rs` beside other systems.

mod all;
mod bounds;
mod cancel;
mod crowded;
mod epoch;
mod guests;
mod lateness;
mod load;
mod memory;
mod peers;
mod recovery;
mod remote;
mod summary;
mod system;

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use std::{env, fs, path::Path};
use summary::Summary;
use system::{bench_folder, guest};

/// That of the program `sandglass`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: bench [remote [python|typescript] | peers NAME.. | load IN_FLIGHT RUNS \
    | lone RUNS | interleaved RUNS | parallel ACTIVITIES | cancel RUNS | cancel-at-once RUNS \
    | memory KIND RUNS | alarms RUNS | recovery ACTIVITIES | crowded CLOSED OPEN | epoch \
    | disk SYNCS | guest FILE TYPE | component WAT WASM]";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => all::measure(),
        ["remote"] => {
            let mut summary = Summary::default();
            remote::compare(&mut summary)?;
            summary.conclude()
        }
        // Of its text form: what one of the peers runs.
        ["component", from, to] => Ok(fs::write(to, wat::parse_file(from)?)?),
        ["peers", ref names @ ..] if !names.is_empty() => peers::compare(names),
        _ => {
            println!("{}", figures(&words)?);
            Ok(())
        }
    }
}

/// Those of one load in this process.
fn figures(words: &[&str]) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match *words {
            ["load", in_flight, runs] => load::sequences(in_flight.parse()?, runs.parse()?).await,
            ["lone", runs] => load::lone(runs.parse()?, false).await,
            ["interleaved", runs] => load::lone(runs.parse()?, true).await,
            ["parallel", activities] => load::parallel(activities.parse()?).await,
            ["cancel", runs] => cancel::alone(runs.parse()?).await,
            ["cancel-at-once", runs] => cancel::at_once(runs.parse()?).await,
            ["memory", kind, runs] => {
                ensure!(["cached", "evicted"].contains(&kind), "what is {kind}?");
                memory::open_runs(kind == "cached", runs.parse()?).await
            }
            ["alarms", runs] => lateness::alarms(runs.parse()?).await,
            ["recovery", activities] => recovery::measure(activities.parse()?),
            ["recovery-host", life, store, activities] => {
                recovery::host(life, Path::new(store), activities.parse()?).await
            }
            ["crowded", closed, open] => crowded::compare(closed.parse()?, open.parse()?).await,
            ["epoch"] => epoch::overhead(),
            ["disk", syncs] => load::disk(syncs.parse()?),
            ["guest", file, workflow_type] => guests::figures(Path::new(file), workflow_type),
            ["remote", sdk] => remote::alone(sdk),
            _ => bail!(USAGE),
        }
    })
}
