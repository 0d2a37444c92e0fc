//! Workflows whose commands depend on all that might differ between two processes: the order of a
//! `HashMap`, the time, random numbers, the bits of NaNs, rounding, addresses and the size of memory.
//!
//! The test host serves the activity `Echo`, which returns its argument. With the feature `changed`
//! the timer of `steps` is another one.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;

use sandglass_guest::prelude::*;

/// Returns its argument.
#[activity(name = "Echo", retry(maximum_attempts = 1))]
async fn echo(value: Vec<String>) -> Result<Vec<String>, Failure>;

/// In each round: observes, tells an activity what it saw, sleeps as long as that says, and waits
/// for the signal `next`. Returns what it saw last.
#[workflow]
async fn observe(rounds: u64) -> Result<Vec<String>, Failure> {
    let mut seen = Vec::new();
    for round in 0..rounds {
        seen = echo(look(round)).await?;
        let digest = seen.iter().flat_map(|line| line.bytes());
        let digest = digest.fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        sleep(Duration::from_millis(1 + digest % 1000)).await?;
        signals::<()>("next").recv().await?;
    }
    Ok(seen)
}

fn look(round: u64) -> Vec<String> {
    let words: HashMap<String, u64> = (0..40).map(|n| (format!("{round}-{n}"), n)).collect();
    let set: HashSet<u64> = (0..40).map(|n| n * round).collect();
    let keep: Vec<Box<[u8]>> = (1..20)
        .map(|n| vec![0; n * 100].into_boxed_slice())
        .collect();
    let addresses: Vec<usize> = keep.iter().map(|part| part.as_ptr().addr()).collect();
    let seen = vec![
        format!("words {:?}", words.into_values().collect::<Vec<_>>()),
        format!("set {:?}", set.into_iter().collect::<Vec<_>>()),
        format!("hash {}", RandomState::new().hash_one(round)),
        format!("now {:?}", now()),
        format!("random {} {}", random::number(), random::uuid()),
        format!("floats {:x?}", floats(round)),
        format!("addresses {addresses:x?}"),
        format!("memory {}", memory()),
    ];
    #[cfg(target_os = "wasi")]
    let seen = [seen, system().to_vec()].concat();
    seen
}

/// What the standard library tells of the machine, in builds in which it can.
#[cfg(target_os = "wasi")]
fn system() -> [String; 5] {
    use std::{env, fs, time::Instant, time::SystemTime};
    println!("printed {:?}", now());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let begun = Instant::now();
    let spun: u64 = (0..100_000).map(black_box).sum();
    [
        format!("system time {since:?}"),
        format!("took {:?} for {spun}", begun.elapsed()),
        format!("environment {:?}", env::vars().collect::<Vec<_>>()),
        format!("arguments {:?}", env::args().collect::<Vec<_>>()),
        format!(
            "host name {:?}",
            fs::read_to_string("/etc/hostname").is_ok()
        ),
    ]
}

/// Does what no workflow must.
#[workflow]
async fn misbehave(how: String) -> Result<(), Failure> {
    match how.as_str() {
        "nap" => std::thread::sleep(Duration::from_millis(1)),
        _ => std::process::exit(3),
    }
    Ok(())
}

/// NaNs made in different ways, one with a payload, and sums that round.
fn floats(round: u64) -> Vec<u64> {
    let zero = black_box(0.0_f64);
    let infinite = black_box(f64::INFINITY);
    let payload = black_box(f64::from_bits(0x7ff0_0000_0000_1234 + round));
    let single = black_box(0.0_f32) / black_box(0.0_f32);
    let sum = (1..1000).fold(black_box(0.1_f64), |sum, n| {
        (sum + 1.0 / f64::from(n)).sin()
    });
    let doubles = [
        zero / black_box(0.0),
        infinite - black_box(f64::INFINITY),
        infinite * zero,
        (-black_box(1.0_f64)).sqrt(),
        payload + 1.0,
        -payload * zero,
        f64::from(single),
        sum,
    ];
    let bits = doubles.into_iter().map(f64::to_bits);
    bits.chain([u64::from(single.to_bits())]).collect()
}

/// Pages of linear memory.
fn memory() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size(0);
    #[cfg(not(target_arch = "wasm32"))]
    0
}

/// A short timer, then waits for the signal `end` and returns what it brought.
#[workflow]
async fn steps() -> Result<String, Failure> {
    let millis = if cfg!(feature = "changed") { 30 } else { 20 };
    #[cfg(target_os = "wasi")]
    println!("first line\nsecond line");
    sleep(Duration::from_millis(millis)).await?;
    let ended = signals::<String>("end").recv().await;
    #[cfg(target_os = "wasi")]
    eprint!("last line");
    ended
}

sandglass_guest::export! { workflows: [observe, steps, misbehave] }
