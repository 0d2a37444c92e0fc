//! Workflows that await several things, or in scopes.

use sandglass_guest::prelude::*;

use crate::activities::work;

const HOUR: Duration = Duration::from_secs(3600);

fn try_cancel() -> ActivityOptions {
    ActivityOptions::new().cancellation(CancellationType::TryCancel)
}

/// Activities and timers in turns, in one scope; all are awaited.
#[workflow]
pub(crate) async fn a07() -> Result<(), Failure> {
    scope::cancellable(async {
        let first = work::call().with(try_cancel()).start();
        let timer = sleep(HOUR);
        let second = work::call().with(try_cancel()).start();
        let last = sleep(HOUR);
        first.await?;
        timer.await?;
        second.await?;
        last.await
    })
    .await
}

/// Says whether something was canceled.
fn raised<T>(result: &Result<T, Failure>) -> bool {
    result.as_ref().is_err_and(Failure::is_cancellation)
}

/// An activity in a scope with a timeout of a second.
#[workflow]
pub(crate) async fn a23() -> Result<String, Failure> {
    let limited = scope::with_timeout(Duration::from_secs(1), async { work().await });
    match limited.await {
        Ok(_) => Ok("done".to_owned()),
        Err(failure) if failure.is_timeout() => Ok("timed out".to_owned()),
        Err(failure) => Err(failure),
    }
}

/// Two activities that are not awaited, and a condition that never becomes true.
#[workflow]
pub(crate) async fn a24() -> Result<(), Failure> {
    let first = work::call().with(try_cancel()).start();
    let second = work::call().with(try_cancel()).start();
    let condition = wait_until(|| false).await;
    log::info!("condition raised: {}", raised(&condition));
    log::info!("a1 raised: {}", raised(&first.await));
    log::info!("a2 raised: {}", raised(&second.await));
    condition
}
