//! A workflow that also imports `evil:clock/now`, which is not in the contract.
//!
//! The component is a valid one: a host must refuse it for what it asks for, when it is loaded.

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, unsafe_code, reason = "generated")]
#[allow(clippy::all, clippy::restriction, reason = "generated")]
mod evil;

use sandglass_guest::prelude::*;

/// Returns a time that no replay could repeat.
#[workflow]
async fn wall_clock() -> Result<u64, Failure> {
    Ok(evil::evil::clock::now::read())
}

sandglass_guest::export! { workflows: [wall_clock] }
