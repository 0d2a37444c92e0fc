//! The workflow of Temporal's page on cancellation, whose activities are the page's own.

use std::collections::BTreeMap;

use sandglass_guest::prelude::*;

/// Named as the page names them: `arg1` and `arg2`.
type ComposeArgsInput = BTreeMap<String, String>;

#[activity(
    name = "cancellable_activity",
    start_to_close = "5m",
    heartbeat = "30s"
)]
async fn cancellable_activity(input: ComposeArgsInput) -> Result<(), Failure>;

#[activity(name = "run_activity")]
async fn run_activity(input: ComposeArgsInput) -> Result<String, Failure>;

/// Cancels an activity after three seconds, and tells how that ended.
#[workflow(name = "GreetingWorkflow")]
pub(crate) async fn greeting(input: ComposeArgsInput) -> Result<(String, String), Failure> {
    let greeting = run_activity(input.clone()).await?;
    let handle = cancellable_activity::call(input).start();
    sleep(Duration::from_secs(3)).await?;
    handle.cancel();
    let ended = match handle.await {
        Ok(()) => "completed",
        Err(failure) if failure.is_cancellation() => "canceled",
        Err(failure) => return Err(failure),
    };
    Ok((greeting, ended.to_owned()))
}
