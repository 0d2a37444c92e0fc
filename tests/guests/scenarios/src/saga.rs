//! A workflow with compensations and no code for cancellation.

use sandglass_guest::prelude::*;

use crate::activities::{step_a, step_b, step_c, undo_a, undo_b, undo_c, work};

/// Three steps, each with what undoes it.
#[workflow]
pub(crate) async fn a21() -> Result<(), Failure> {
    step_a().compensated_by(undo_a::call()).await?;
    step_b().compensated_by(undo_b::call()).await?;
    step_c().compensated_by(undo_c::call()).await
}

/// The same, and then a timer: a cancellation that the last step does not accept shows there.
#[workflow]
pub(crate) async fn a21_then_sleep() -> Result<(), Failure> {
    step_a().compensated_by(undo_a::call()).await?;
    step_b().compensated_by(undo_b::call()).await?;
    step_c().compensated_by(undo_c::call()).await?;
    sleep(Duration::from_secs(1)).await
}

/// Two steps, of which the first is undone slowly, and then a timer. Queries tell what it is at.
#[workflow]
pub(crate) async fn undone_slowly() -> Result<u32, Failure> {
    query("at", |()| Ok("the timer"));
    step_a().compensated_by(work::call()).await?;
    step_b().compensated_by(undo_b::call()).await?;
    sleep(Duration::from_secs(3600)).await?;
    Ok(1)
}
