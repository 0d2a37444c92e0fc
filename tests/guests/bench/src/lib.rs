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

/// So many activities at once; returns how many there were.
#[workflow]
async fn parallel(count: u64) -> Result<u64, Failure> {
    let all: Vec<_> = (0..count).map(|value| spawn(echo(value))).collect();
    let mut ended = 0;
    for activity in all {
        activity.await??;
        ended += 1;
    }
    Ok(ended)
}

/// Sleeps until a time, in milliseconds since 1970.
#[workflow]
async fn alarm(due: u64) -> Result<(), Failure> {
    sleep(Duration::from_millis(due.saturating_sub(now().as_millis()))).await
}

/// Waits for longer than anybody measures.
#[workflow]
async fn sleeper() -> Result<(), Failure> {
    sleep(Duration::from_secs(1_000_000)).await
}

/// Works until it is told to stop.
#[activity(name = "Wait")]
async fn wait() -> Result<(), Failure>;

/// Waits for an activity that ends when it is told to.
#[workflow]
async fn waiter() -> Result<(), Failure> {
    wait().await
}

/// Sleeps; when it is canceled, cleans up with one activity.
#[workflow]
async fn cleaner() -> Result<(), Failure> {
    let slept = sleep(Duration::from_secs(1_000_000)).await;
    if slept.is_err() {
        scope::detached(async { echo(1).await }).await?;
    }
    slept
}

sandglass_guest::export! { workflows: [sequence, parallel, alarm, sleeper, waiter, cleaner] }
