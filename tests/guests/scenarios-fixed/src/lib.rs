//! The workflow type `a20` of the scenarios without its bug: what a run is moved to once it is fixed.

use sandglass_guest::prelude::*;

/// Lets its cancellation go on.
#[workflow]
async fn a20() -> Result<(), Failure> {
    sleep(Duration::from_secs(3600)).await
}

sandglass_guest::export! { workflows: [a20] }
