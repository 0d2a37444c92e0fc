//! The workflows that the benchmarks run.

use sandglass_guest::prelude::*;

/// Returns its argument.
#[activity(name = "Echo")]
async fn echo(value: u64) -> Result<u64, Failure>;

/// Activities one after another, a small number in and out of each; returns the last.
#[workflow]
async fn sequence(count: u64) -> Result<u64, Failure> {
    let mut last = 0;
    for value in 1..=count {
        last = echo(value).await?;
    }
    Ok(last)
}

/// Waits for longer than anybody measures.
#[workflow]
async fn sleeper() -> Result<(), Failure> {
    sleep(Duration::from_secs(1_000_000)).await
}

sandglass_guest::export! { workflows: [sequence, sleeper] }
