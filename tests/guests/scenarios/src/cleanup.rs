//! Workflows that do something about their cancellation.

use sandglass_guest::prelude::*;

use crate::activities::cleanup;

const HOUR: Duration = Duration::from_secs(3600);

/// Does not let itself be canceled.
#[workflow]
pub(crate) async fn a04() -> Result<String, Failure> {
    scope::shielded(async { sleep(Duration::from_secs(2)).await }).await?;
    Ok("ok".to_owned())
}

/// Notices the cancellation after the shield.
#[workflow]
pub(crate) async fn a04_then_sleep() -> Result<String, Failure> {
    scope::shielded(async { sleep(Duration::from_secs(2)).await }).await?;
    sleep(Duration::from_secs(1)).await?;
    Ok("ok".to_owned())
}

/// Cleans up, then lets the cancellation go on.
#[workflow]
pub(crate) async fn a05() -> Result<(), Failure> {
    let result = sleep(HOUR).await;
    if result.as_ref().is_err_and(Failure::is_cancellation) {
        scope::detached(async { cleanup().await }).await?;
    }
    result
}

/// Cleans up and succeeds.
#[workflow]
pub(crate) async fn a06() -> Result<String, Failure> {
    match sleep(HOUR).await {
        Err(failure) if failure.is_cancellation() => {
            scope::detached(async { cleanup().await }).await?;
            Ok("cleaned".to_owned())
        }
        Err(failure) => Err(failure),
        Ok(()) => Ok("slept".to_owned()),
    }
}

/// Sleeps again when it is canceled.
#[workflow]
pub(crate) async fn a17() -> Result<(), Failure> {
    let result = sleep(HOUR).await;
    if result.is_err() {
        scope::detached(async { sleep(HOUR).await }).await?;
    }
    result
}

/// Has a bug in what it does about its cancellation. The guest `scenarios-fixed` has it without.
#[workflow]
pub(crate) async fn a20() -> Result<(), Failure> {
    let result = sleep(HOUR).await;
    assert!(result.is_ok(), "the cancel handler has a bug");
    result
}
