//! Points and lengths of time, in whole milliseconds.
//!
//! The engine has no clock: every time it knows was given to it and is recorded.

pub(crate) mod calendar;
mod rfc3339;

use serde::{Deserialize, Serialize};
use std::{ops, str::FromStr, time::Duration};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

/// A length of time in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Millis(pub u64);

impl Millis {
    /// A length of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }
}

impl FromStr for Millis {
    type Err = &'static str;

    /// Reads whole numbers with units: `250ms`, `30s`, `5m`, `2h`, `1d`, or several: `1h30m`.
    /// Nothing is no length.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut rest, mut all) = (text, 0_u64);
        loop {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit());
            let (number, after) = rest.split_at(unit_at.unwrap_or(rest.len()));
            let next_at = after.find(|c: char| c.is_ascii_digit());
            let (unit, next) = after.split_at(next_at.unwrap_or(after.len()));
            let number: u64 = number
                .parse()
                .map_err(|_| "expected a number and a unit, such as 30s")?;
            let millis: u64 = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err("expected one of the units ms, s, m, h, d"),
            };
            let millis = number.checked_mul(millis);
            all = millis
                .and_then(|millis| all.checked_add(millis))
                .ok_or("too long")?;
            rest = next;
            if rest.is_empty() {
                break;
            }
        }
        match all {
            0 => Err("must be longer than nothing"),
            all => Ok(Self(all)),
        }
    }
}

impl Timestamp {
    /// As RFC 3339 writes it, in UTC with milliseconds: `2026-03-01T12:00:00.250Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        rfc3339::format(self)
    }

    /// Reads RFC 3339, whatever its offset. What is below a millisecond is cut off, and a time
    /// before 1970 is none that can be written here.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        rfc3339::parse(text)
    }

    /// The time from `earlier` to this, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl ops::Add<Millis> for Timestamp {
    type Output = Self;

    fn add(self, length: Millis) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl From<Millis> for Duration {
    fn from(length: Millis) -> Self {
        Self::from_millis(length.0)
    }
}

impl From<Duration> for Millis {
    /// Rounds up: a wait may be longer than asked for, never shorter.
    fn from(length: Duration) -> Self {
        let millis = length.as_nanos().div_ceil(1_000_000);
        Self(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}
