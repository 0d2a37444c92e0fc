//! Workflows that are continued by other runs. Each is given which run of its chain it is.

use sandglass_guest::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Continues at once; the second run sleeps.
#[workflow]
pub(crate) async fn a19(run: u32) -> Result<(), Failure> {
    if run == 1 {
        return ContinueAsNew::new().argument(&2).now().await;
    }
    log::info!("follows {:?}", info::chain().continued_from.is_some());
    sleep(HOUR).await
}

/// Sleeps and continues when it is canceled; the second run does not catch the cancellation.
#[workflow]
pub(crate) async fn a26(run: u32) -> Result<(), Failure> {
    let slept = sleep(HOUR).await;
    if run == 1 && slept.is_err() {
        return ContinueAsNew::new().argument(&2).now().await;
    }
    slept
}

/// The same, but keeps the request to itself.
#[workflow]
pub(crate) async fn a26_drop(run: u32) -> Result<(), Failure> {
    let slept = sleep(HOUR).await;
    if run == 1 && slept.is_err() {
        let next = ContinueAsNew::new().argument(&2);
        return next.drop_cancel().now().await;
    }
    slept
}

/// Fails the first time, then returns which attempt it is and why the one before failed.
#[workflow]
pub(crate) async fn retried() -> Result<(u32, String), Failure> {
    let chain = info::chain();
    match chain.last_failure {
        None => Err(Failure::application("Broken", "not yet")),
        Some(failure) => Ok((chain.attempt, failure.to_string())),
    }
}
