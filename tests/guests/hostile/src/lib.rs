//! Workflows that do what a host must survive.
//!
//! Each but `log_flood` waits for the signal `go` first, so that a test can look at the run before.

use std::hint::black_box;

use sandglass_guest::prelude::*;

async fn go() -> Result<(), Failure> {
    signals::<()>("go").recv().await
}

/// Never returns from its workflow task.
#[workflow]
async fn spin() -> Result<(), Failure> {
    go().await?;
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Takes memory until it gets no more.
#[workflow]
async fn memory_bomb() -> Result<(), Failure> {
    go().await?;
    let mut hoard = Vec::new();
    loop {
        // Big pieces: the host may have to copy the memory each time it grows.
        let mut piece = Vec::<u8>::with_capacity(16 << 20);
        piece.push(black_box(1));
        hoard.push(piece);
    }
}

/// Calls itself without end.
#[workflow]
async fn stack_overflow() -> Result<u64, Failure> {
    // Without anything in linear memory, whose part for the stack would overflow first.
    #[expect(unconditional_recursion, reason = "that is its purpose")]
    fn deeper(depth: u64) -> u64 {
        deeper(depth + 1).wrapping_mul(31) ^ depth
    }
    go().await?;
    Ok(deeper(0))
}

/// Traps by a panic.
#[workflow]
async fn trap() -> Result<(), Failure> {
    go().await?;
    panic!("on purpose");
}

/// Writes as many log lines as it is told to, of 1 KiB each.
#[workflow]
async fn log_flood(lines: u64) -> Result<u64, Failure> {
    let text = "x".repeat(1024);
    for line in 0..lines {
        log::info!("{line} {text}");
    }
    Ok(lines)
}

sandglass_guest::export! { workflows: [spin, memory_bomb, stack_overflow, trap, log_flood] }
