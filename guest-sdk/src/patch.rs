//! Patches: changes of a workflow's code while runs of the old code are open.

use crate::{host::info, runtime};

/// Tells whether to go the way of a patch.
///
/// A run that goes through here for the first time in new code is answered yes, which is recorded.
/// A run whose history shows that it came by before there was a patch is answered no, to the end.
///
/// ```
/// # use sandglass_guest::prelude::*;
/// # #[activity(start_to_close = "10s")]
/// # async fn charge(order: String) -> Result<(), Failure>;
/// # #[activity(start_to_close = "10s")]
/// # async fn check(order: String) -> Result<(), Failure>;
/// #[workflow]
/// async fn order(id: String) -> Result<(), Failure> {
///     if patched("check-first") {
///         check(id.clone()).await?;
///     }
///     charge(id).await
/// }
/// # fn main() {}
/// ```
///
/// Once no run of the old way is open, [`deprecate_patch`] takes its place; once no run is open
/// that recorded the patch itself, both can go.
///
/// In a canceled run it works as ever.
///
/// # Panics
///
/// Outside a workflow.
pub fn patched(id: &str) -> bool {
    runtime::assert_active("patched");
    info::patched(id)
}

/// Says that every open run goes the way of a patch. See [`patched`].
///
/// It is recorded as well, but a replay agrees with code that has left it out.
///
/// # Panics
///
/// Outside a workflow.
pub fn deprecate_patch(id: &str) {
    runtime::assert_active("deprecate_patch");
    info::deprecate_patch(id);
}
