//! What a cancellation does: one activity is told to stop, one is never started, cleanup still runs.

use sandglass_guest::prelude::*;

/// Works until it is told to stop, and says so in its result. It could also return the failure.
#[activity(start_to_close = "10m", heartbeat = "5s")]
async fn to_be_canceled() -> Result<String, Failure> {
    let mut beats = 0u64;
    while activity::heartbeat(&beats).is_ok() {
        std::thread::sleep(Duration::from_millis(100));
        beats += 1;
    }
    Ok("I am canceled".to_owned())
}

/// Is never started: by then the run is canceled.
#[activity(start_to_close = "10s")]
async fn to_be_skipped() -> Result<(), Failure> {
    Ok(())
}

/// Puts things back in order.
#[activity(start_to_close = "10s")]
async fn cleanup() -> Result<(), Failure> {
    log::info!("cleaned up");
    Ok(())
}

/// Runs the first two activities, and `cleanup` if it was canceled on the way.
#[workflow]
async fn cancellation() -> Result<(), Failure> {
    let outcome = main_part().await;
    if scope::cancel_info().is_some() {
        // In the canceled scope no activity can start any more; a detached one has no tie to it.
        scope::detached(async { cleanup().await }).await?;
    }
    // The failure is a cancellation, so the run ends canceled. `Ok(())` would end it completed.
    outcome
}

async fn main_part() -> Result<(), Failure> {
    let said = to_be_canceled().await?;
    log::info!("the first activity says: {said}");
    to_be_skipped().await
}

sandglass_guest::export! {
    workflows: [cancellation],
    activities: [to_be_canceled, to_be_skipped, cleanup],
}
