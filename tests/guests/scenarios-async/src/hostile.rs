//! Workflows that do what a host must survive. Each waits for the signal `go` first, so that a test
//! can look at the run before.

use crate::run::{HOUR, ROOT, Returned, SECOND};
use futures_util::future::poll_immediate;
use sandglass_guest_bindings::{
    async_workflow::sandglass::workflow::async_waits,
    workflow::sandglass::workflow::cancellation::ScopeKind,
};
use std::hint::black_box;
use wit_bindgen::{spawn_local, yield_async};

/// Lets its other tasks go on, and the host, and is never done.
#[inline(never)]
async fn turn_for_ever() {
    loop {
        yield_async().await;
    }
}

/// Never returns from its turn.
#[inline(never)]
fn loop_for_ever() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until it gets no more.
#[inline(never)]
fn hoard() {
    let mut pieces = Vec::new();
    loop {
        let mut piece = Vec::<u8>::with_capacity(16 << 20);
        piece.push(black_box(1));
        pieces.push(piece);
    }
}

/// Waits for one timer again and again, all at once.
#[inline(never)]
async fn crowd() -> Returned {
    let Some(timer) = ROOT.timer(HOUR).number() else {
        return Ok(None);
    };
    let mut waits = Vec::new();
    loop {
        let mut wait = Box::pin(async_waits::wait(timer));
        if poll_immediate(wait.as_mut()).await.is_some() {
            return Ok(None);
        }
        waits.push(wait);
    }
}

/// Begins to wait for one timer and gives it up, again and again.
async fn dither(times: u64) -> Returned {
    let Some(timer) = ROOT.timer(HOUR).number() else {
        return Ok(None);
    };
    for _ in 0..times {
        // The future is dropped at once.
        if poll_immediate(Box::pin(async_waits::wait(timer)))
            .await
            .is_some()
        {
            break;
        }
    }
    Ok(Some(times.to_string()))
}

/// Does one of these things.
pub(crate) async fn run(kind: &str) -> Returned {
    ROOT.signal("go").await?;
    match kind {
        "loops" => loop_for_ever(),
        "turns" => turn_for_ever().await,
        "turns-beside" => {
            spawn_local(turn_for_ever());
            ROOT.sleep(HOUR).await?;
        }
        "hoards" => hoard(),
        "recurses" => {
            black_box(deeper(0));
        }
        "crowds" => return crowd().await,
        "dithers" => return dither(200_000).await,
        // Cancellation does not reach it, and it never ends.
        "deaf" => loop {
            ROOT.open(ScopeKind::Shielded).sleep(HOUR).await?;
        },
        "loops-after" => spawn_local(async { loop_for_ever() }),
        "turns-after" => spawn_local(turn_for_ever()),
        "waits-after" => spawn_local(async {
            let slept = ROOT.sleep(SECOND).await;
            ROOT.timer(SECOND);
            drop(slept);
        }),
        _ => {}
    }
    Ok(Some("\"returned\"".to_owned()))
}

/// Calls itself without end.
#[expect(unconditional_recursion, reason = "that is its purpose")]
fn deeper(depth: u64) -> u64 {
    deeper(depth + 1).wrapping_mul(31) ^ depth
}
