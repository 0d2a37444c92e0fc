//! Random numbers of a workflow, from a generator of its own that the host seeds.
//!
//! A replay draws the same numbers, as long as the code asks in the same order. Not for secrets.

use crate::{host, runtime};

/// The most that the host gives in one call.
const CHUNK: usize = 64 * 1024;

/// Fills `buffer` with random bytes.
///
/// # Panics
///
/// Outside a workflow, as all functions here.
pub fn fill(buffer: &mut [u8]) {
    runtime::assert_active("random");
    for chunk in buffer.chunks_mut(CHUNK) {
        let len = u32::try_from(chunk.len()).expect("a chunk is 64 KiB at most");
        chunk.copy_from_slice(&host::info::random_bytes(len));
    }
}

/// Returns a number, each equally likely.
pub fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Returns a number below `end`, each equally likely.
///
/// # Panics
///
/// If `end` is 0.
pub fn below(end: u64) -> u64 {
    assert!(end > 0, "there is no number below 0");
    // Numbers at or above the greatest multiple of `end` would make the small ones more likely.
    let rest = (u64::MAX % end + 1) % end;
    loop {
        let number = number();
        if number <= u64::MAX - rest {
            return number % end;
        }
    }
}

/// Returns a version 4 UUID in its usual form.
pub fn uuid() -> String {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    let bits = u128::from_be_bytes(bytes);
    // Version 4 and the variant of RFC 9562.
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}
