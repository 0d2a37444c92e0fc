//! A small generator of numbers (SplitMix64), so that a failing sample can be drawn again.

use std::time::{SystemTime, UNIX_EPOCH};

/// Draws what a sample consists of.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From `SANDGLASS_SEED`, or from the clock; prints the seed.
    #[must_use]
    pub fn seeded() -> Self {
        let seed = std::env::var("SANDGLASS_SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(now.unwrap_or_default().subsec_nanos())
        });
        println!("SANDGLASS_SEED={seed}");
        Self(seed)
    }

    /// A number below `limit`.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let below = (z ^ (z >> 31)) % limit as u64;
        usize::try_from(below).expect("it is below a usize")
    }

    /// At most `count` of `all`, in their order.
    pub fn sample<T>(&mut self, mut all: Vec<T>, count: usize) -> Vec<T> {
        while all.len() > count {
            all.remove(self.below(all.len()));
        }
        all
    }
}
