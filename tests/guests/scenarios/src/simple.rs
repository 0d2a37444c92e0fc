//! Workflows that await one thing.

use sandglass_guest::prelude::*;

use crate::activities::{begun_soon, deaf, resume, stubborn, swallow, work};

const HOUR: Duration = Duration::from_secs(3600);

/// A timer, uncaught. For A01 to A03.
#[workflow]
pub(crate) async fn a01() -> Result<(), Failure> {
    log::info!("main was entered");
    sleep(HOUR).await
}

/// Catches the cancellation at its first await and returns 5.
#[workflow]
pub(crate) async fn a02_caught() -> Result<u32, Failure> {
    match sleep(HOUR).await {
        Err(failure) if failure.is_cancellation() => Ok(5),
        Err(failure) => Err(failure),
        Ok(()) => Ok(0),
    }
}

/// An activity that fails with the cancellation. For A08, A11 and A12.
#[workflow]
pub(crate) async fn a08() -> Result<u32, Failure> {
    let result = work().await;
    if let Err(failure) = &result {
        let details = failure.details::<Option<String>>()?;
        log::info!(
            "activity failure: {}, caused by a cancellation: {}, details: {details:?}",
            failure
                .activity()
                .is_some_and(|activity| activity.activity_type == "Work"),
            failure
                .cause()
                .is_some_and(|cause| cause.links().len() == 1 && cause.is_cancellation()),
        );
    }
    result
}

/// An activity that returns a value on cancellation.
#[workflow]
pub(crate) async fn a09() -> Result<u32, Failure> {
    swallow().await
}

/// An activity that is abandoned.
#[workflow]
pub(crate) async fn a10() -> Result<u32, Failure> {
    deaf().await
}

/// An activity whose end is waited for only so long.
#[workflow]
pub(crate) async fn r23() -> Result<(), Failure> {
    let result = stubborn().await;
    if let Err(failure) = &result {
        let settled = failure.cancellation().map(|canceled| canceled.settled);
        log::info!("settled: {settled:?}");
    }
    result
}

/// Waits for the signal `go`, then never returns from its workflow task.
#[workflow]
pub(crate) async fn a18() -> Result<(), Failure> {
    signals::<()>("go").recv().await?;
    log::info!("it spins");
    let mut turns = 0_u64;
    loop {
        // Opaque, or the compiler would be free to drop the loop's body.
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// An activity that a worker must begin in time.
#[workflow]
pub(crate) async fn soon() -> Result<u32, Failure> {
    begun_soon().await
}

/// An activity whose second attempt goes on where the first stopped.
#[workflow]
pub(crate) async fn a27() -> Result<u32, Failure> {
    resume().await
}
