//! The activities that the test host serves.

use sandglass_guest::prelude::*;

/// Heartbeats every 200 ms. On cancellation it fails with it, with the details `d`.
#[activity(name = "Work", heartbeat = "2s", retry(maximum_attempts = 1))]
pub(crate) async fn work() -> Result<u32, Failure>;

/// Heartbeats every 200 ms. On cancellation it returns 7.
#[activity(name = "Swallow", heartbeat = "2s", retry(maximum_attempts = 1))]
pub(crate) async fn swallow() -> Result<u32, Failure>;

/// Runs 5 s without looking at anything.
#[activity(name = "Deaf", cancellation = "abandon", retry(maximum_attempts = 1))]
pub(crate) async fn deaf() -> Result<u32, Failure>;

/// Never ends, whatever it is told. A cancellation waits for it for a second.
#[activity(name = "Stubborn", wait_timeout = "1s", retry(maximum_attempts = 1))]
pub(crate) async fn stubborn() -> Result<(), Failure>;

/// Cleans up, at once.
#[activity(name = "Cleanup", retry(maximum_attempts = 1))]
pub(crate) async fn cleanup() -> Result<(), Failure>;

/// Attempt 1 heartbeats with 3 and then hangs; attempt 2 returns the details it was given.
#[activity(name = "Resume", heartbeat = "2s", retry(maximum_attempts = 2))]
pub(crate) async fn resume() -> Result<u32, Failure>;

/// A worker must begin it within two seconds.
#[activity(name = "Soon", schedule_to_start = "2s", retry(maximum_attempts = 1))]
pub(crate) async fn begun_soon() -> Result<u32, Failure>;

/// A step of the saga that is done at once.
#[activity(name = "A", retry(maximum_attempts = 1))]
pub(crate) async fn step_a() -> Result<(), Failure>;

/// A step of the saga that is done at once.
#[activity(name = "B", retry(maximum_attempts = 1))]
pub(crate) async fn step_b() -> Result<(), Failure>;

/// Heartbeats every 200 ms; what it does on cancellation is the test's choice.
#[activity(name = "C", heartbeat = "2s", retry(maximum_attempts = 1))]
pub(crate) async fn step_c() -> Result<(), Failure>;

/// Undoes `A`.
#[activity(name = "a", retry(maximum_attempts = 1))]
pub(crate) async fn undo_a() -> Result<(), Failure>;

/// Undoes `B`.
#[activity(name = "b", retry(maximum_attempts = 1))]
pub(crate) async fn undo_b() -> Result<(), Failure>;

/// Undoes `C`.
#[activity(name = "c", retry(maximum_attempts = 1))]
pub(crate) async fn undo_c() -> Result<(), Failure>;
