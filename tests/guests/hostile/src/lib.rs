//! Workflows that do what a host must survive.
//!
//! Each but `log_flood` waits first, so that a test can look at the run before: for the signal `go`
//! or, `trap_in_cancel_handler`, to be canceled.

use std::hint::black_box;

use sandglass_guest::prelude::*;
use sandglass_guest_bindings::workflow::sandglass::workflow as host;
use sandglass_guest_bindings::workflow::sandglass::workflow::types::{
    ActivityCall as RawCall, CancellationType as RawCancellation, Payload,
};

const HOUR_MS: u64 = 3_600_000;

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
    hoard();
    Ok(())
}

#[inline(never)]
fn hoard() {
    let mut pieces = Vec::new();
    loop {
        // Big pieces: the host may have to copy the memory each time it grows.
        let mut piece = Vec::<u8>::with_capacity(16 << 20);
        piece.push(black_box(1));
        pieces.push(piece);
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

/// Sleeps; traps when it is canceled.
#[workflow]
async fn trap_in_cancel_handler() -> Result<(), Failure> {
    let canceled = sleep(Duration::from_millis(HOUR_MS)).await;
    clean_up(&canceled.map_or_else(|failure| failure.to_string(), |()| "not canceled".into()));
    Ok(())
}

#[inline(never)]
fn clean_up(why: &str) {
    panic!("cannot clean up after {why}");
}

/// Passes an activity a hundred megabytes.
#[workflow]
async fn huge_payload() -> Result<(), Failure> {
    go().await?;
    pass_bytes(100_000_000);
    Ok(())
}

/// Returns a hundred megabytes.
#[workflow]
async fn huge_result() -> Result<String, Failure> {
    go().await?;
    // As JSON it is twice in memory.
    Ok("x".repeat(60_000_000))
}

/// Starts a billion timers.
#[workflow]
async fn billion_timers() -> Result<(), Failure> {
    go().await?;
    start_timers(1_000_000_000);
    Ok(())
}

/// At each signal `go`, asks for so much of one thing: in one workflow task.
#[workflow]
async fn use_up(what: String, amount: u64) -> Result<(), Failure> {
    loop {
        go().await?;
        match what.as_str() {
            "waits" => open_waits(amount),
            "scopes" => open_scopes(amount),
            "timers" => start_timers(amount),
            "activities" => (0..amount).for_each(|_| pass_bytes(0)),
            "payload" => pass_bytes(amount),
            other => panic!("what is {other}?"),
        }
    }
}

#[inline(never)]
fn open_waits(amount: u64) {
    for _ in 0..amount {
        black_box(host::waits::open_wait(0, "").is_ok());
    }
}

#[inline(never)]
fn open_scopes(amount: u64) {
    for _ in 0..amount {
        host::cancellation::open_scope(0, host::cancellation::ScopeKind::Cancellable);
    }
}

#[inline(never)]
fn start_timers(amount: u64) {
    for _ in 0..amount {
        black_box(host::timers::start_timer(0, HOUR_MS).is_ok());
    }
}

/// Schedules an activity with one argument of so many bytes.
#[inline(never)]
fn pass_bytes(amount: u64) {
    let data = vec![b'x'; usize::try_from(amount).unwrap_or(usize::MAX)];
    let metadata = Vec::new();
    let call = RawCall {
        activity_type: "Nobody".to_owned(),
        activity_id: None,
        task_queue: None,
        arguments: vec![Payload { metadata, data }],
        header: Vec::new(),
        schedule_to_close: Some(HOUR_MS),
        schedule_to_start: None,
        start_to_close: None,
        heartbeat: None,
        retry: None,
        cancellation: RawCancellation::Abandon,
        wait_timeout: None,
    };
    black_box(host::activities::schedule_activity(0, &call).is_ok());
}

/// Awaits an activity and returns the type of its failure.
#[workflow]
async fn failure_of(activity_type: String) -> Result<String, Failure> {
    let options = ActivityOptions::new()
        .start_to_close(Duration::from_secs(60))
        .retry(RetryPolicy::never());
    let activity = ActivityCall::<u64>::new(activity_type).with(options);
    match activity.start().await {
        Ok(value) => Ok(format!("no failure: {value}")),
        Err(failure) => Ok(failure.to_string()),
    }
}

/// Answers queries, and refuses updates, by doing what must not be done there.
#[workflow]
async fn asked() -> Result<(), Failure> {
    query("start_timer", |()| {
        Ok(host::timers::start_timer(0, HOUR_MS).is_ok())
    });
    query("open_scope", |()| {
        Ok(host::cancellation::open_scope(
            0,
            host::cancellation::ScopeKind::Detached,
        ))
    });
    query("random", |()| Ok(random::number()));
    query("patch", |()| Ok(patched("never asked about before")));
    query("memo", |()| {
        sandglass_guest::attributes::set_memo("a", &1)?;
        Ok(())
    });
    query("complete", |()| {
        let (metadata, data) = (Vec::new(), Vec::new());
        let outcome = host::execution::Outcome::Completed(Payload { metadata, data });
        host::execution::complete(&outcome);
        Ok(())
    });
    query("spin", |()| Ok(turn_for_ever()));
    query("trap", |()| -> Result<(), Failure> { panic!("on purpose") });
    query("fine", |()| Ok("fine"));
    update("start_timer", |()| async { Ok(()) }).validated(|()| {
        black_box(host::timers::start_timer(0, HOUR_MS).is_ok());
        Ok(())
    });
    update("spin", |()| async { Ok(()) }).validated(|()| {
        turn_for_ever();
        Ok(())
    });
    update("fine", |()| async { Ok("fine") });
    go().await
}

#[inline(never)]
fn turn_for_ever() -> u64 {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
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

/// Computes for ever and looks at nothing. Under the name that the scenarios call it by.
#[activity(name = "Deaf", start_to_close = "10m")]
async fn loops() -> Result<u32, Failure> {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Computes until it is told to stop, and never heartbeats.
#[activity(name = "Stubborn", start_to_close = "10m")]
async fn looks() -> Result<u32, Failure> {
    while matches!(activity::cancel_state(), activity::AttemptState::Active) {
        black_box(());
    }
    Err(Failure::canceled("told"))
}

sandglass_guest::export! {
    workflows: [
        spin, memory_bomb, stack_overflow, trap, trap_in_cancel_handler, huge_payload, huge_result,
        billion_timers, use_up, failure_of, log_flood, asked,
    ],
    activities: [loops, looks],
}
