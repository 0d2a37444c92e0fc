//! The workflow types `a20` of the scenarios without its bug, and `waits_twice` with a patch: what a run is moved to
//! once they are changed.

use sandglass_guest::prelude::*;

/// Lets its cancellation go on.
#[workflow]
async fn a20() -> Result<(), Failure> {
    sleep(Duration::from_secs(3600)).await
}

/// Waits twice, in runs that have begun with this code for a shorter time.
#[workflow]
async fn waits_twice() -> Result<Vec<String>, Failure> {
    let mut ways = Vec::new();
    for _ in 0..2 {
        let way = if patched("faster") {
            sleep(Duration::from_secs(10)).await?;
            "fast"
        } else {
            sleep(Duration::from_secs(20)).await?;
            "slow"
        };
        ways.push(way.to_owned());
    }
    Ok(ways)
}

sandglass_guest::export! { workflows: [a20, waits_twice] }
