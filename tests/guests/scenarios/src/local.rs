//! Workflows with local activities.

use sandglass_guest::prelude::*;
use sandglass_guest::{LocalActivityCall, local_activity};

use crate::activities::step_a;

/// It never heartbeats and ends when it is told to stop.
fn deaf(kind: CancellationType) -> LocalActivityCall<u32> {
    let call = local_activity("Deaf").cancellation(kind);
    call.retry(RetryPolicy::never())
        .start_to_close(Duration::from_secs(30))
}

/// A local activity whose cancellation is not waited for.
#[workflow]
pub(crate) async fn a22() -> Result<u32, Failure> {
    deaf(CancellationType::TryCancel).start().await
}

/// A local activity that is waited for; it returns a value when it is told to stop.
#[workflow]
pub(crate) async fn a22_wait() -> Result<u32, Failure> {
    deaf(CancellationType::WaitCancellationCompleted)
        .start()
        .await
}

/// Two local activities at a time, one that is typed after them, and a timer.
#[workflow]
pub(crate) async fn local_in_turn() -> Result<u32, Failure> {
    let first = local_activity::<u32>("Echo").argument(&3).start();
    let second = local_activity::<u32>("Echo").argument(&4).start();
    let (first, second) = (first.await?, second.await?);
    step_a::call().local().start().await?;
    sleep(Duration::from_secs(1)).await?;
    Ok(first * 10 + second)
}
