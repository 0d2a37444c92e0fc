//! W5: a run with a long history, whose host is killed: how long until a new one has replayed it and
//! begins the next activity? From the start of the process, the opening of the store included.

use crate::{bench_folder, guest, system::Running};
use anyhow::{Context as _, Result, ensure};
use sandglass::{Host, StartOptions};
use serde_json::{Value, json};
use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

/// What a host prints when it has come as far as is asked.
const REACHED: &str = "reached";

/// Two hosts one after the other, each in a process of its own that is killed.
pub(crate) fn measure(activities: u64) -> Result<Value> {
    let dir = TempDir::new_in(bench_folder()?)?;
    let store = dir.path().join("bench.db");
    reach("first", &store, activities)?;
    let begun = Instant::now();
    reach("second", &store, activities)?;
    Ok(json!({ "w5_recovery_ms": begun.elapsed().as_secs_f64() * 1e3 }))
}

/// Runs a host until it says that it is there, and kills it.
fn reach(life: &str, store: &Path, activities: u64) -> Result<()> {
    let mut process = Command::new(env::current_exe()?)
        .args(["recovery-host", life])
        .arg(store)
        .arg(activities.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().context("its output is piped")?;
    let _killed = Running(process);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line.trim() == REACHED, "the {life} host said {line:?}");
    Ok(())
}

/// The first host never answers the activity at the end of the history; the second does, once more,
/// and comes to the next one only when the whole history is replayed.
pub(crate) async fn host(life: &str, store: &Path, activities: u64) -> Result<Value> {
    let is_first = life == "first";
    let last = if is_first { activities } else { activities + 1 };
    let host = Host::builder()
        .store(store)
        .compile_cache(bench_folder()?.join("compiled"))
        .activity_json("Echo", move |_, value: u64| async move {
            if value == last {
                println!("{REACHED}");
                std::future::pending::<()>().await;
            }
            Ok(value)
        })
        .build()
        .await?;
    host.load_component(guest()?).await?;
    if is_first {
        let all = (activities + 10).to_string();
        host.start(StartOptions::new("sequence", "long").json(all))
            .await?;
    }
    // Until it is killed.
    std::future::pending().await
}
