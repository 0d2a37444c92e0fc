//! Times and lengths of time in both forms. The API's have nanoseconds; the host's are whole
//! milliseconds, and a length is rounded up.

use crate::{proto, status};
use sandglass_engine::{Millis, Timestamp};
use std::time::Duration;
use tonic::Status;

/// The last moment that the API has: the end of the year 9999.
const LAST: u64 = 253_402_300_799_999;

/// The longest length of time that the API has: 10,000 years, in milliseconds.
const LONGEST: u64 = 315_576_000_000_000;

/// A point in time as it goes. What is later than the last one is that: later it could not be read.
pub(crate) fn timestamp(at: Timestamp) -> proto::Timestamp {
    let at = Timestamp(at.0.min(LAST));
    proto::Timestamp {
        seconds: i64::try_from(at.0 / 1000).unwrap_or(i64::MAX),
        nanos: nanos(at.0),
    }
}

/// A length of time as it goes; one that is longer than the longest is that.
pub(crate) fn duration(length: Millis) -> proto::Duration {
    let length = Millis(length.0.min(LONGEST));
    proto::Duration {
        seconds: i64::try_from(length.0 / 1000).unwrap_or(i64::MAX),
        nanos: nanos(length.0),
    }
}

fn nanos(millis: u64) -> i32 {
    i32::try_from(millis % 1000 * 1_000_000).expect("less than a second is less than 10^9")
}

/// A limit on time as it goes: those who read it want zero where there is none.
pub(crate) fn limit(limit: Option<Millis>) -> Option<proto::Duration> {
    Some(duration(limit.unwrap_or_default()))
}

/// A limit on time as it came. Zero is none.
///
/// # Errors
/// It is negative, or no duration at all.
pub(crate) fn optional(
    what: &str,
    length: Option<proto::Duration>,
) -> Result<Option<Duration>, Status> {
    let Some(length) = length else {
        return Ok(None);
    };
    let parts = (u64::try_from(length.seconds), u32::try_from(length.nanos));
    match parts {
        (Ok(0), Ok(0)) => Ok(None),
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => {
            Ok(Some(Duration::new(seconds, nanos)))
        }
        _ => Err(status::invalid(format!("{what} is not a length of time"))),
    }
}

/// Whether a time that came is one: in the years 1 to 9999.
pub(crate) fn is_time(at: &proto::Timestamp) -> bool {
    let seconds = -62_135_596_800..=253_402_300_799;
    seconds.contains(&at.seconds) && (0..1_000_000_000).contains(&at.nanos)
}

/// Whether a length of time that came is one: of 10,000 years at most.
pub(crate) fn is_length(length: &proto::Duration) -> bool {
    let is_one_sign = length.seconds.signum() * i64::from(length.nanos).signum() >= 0;
    let is_short = length.seconds.unsigned_abs() <= 315_576_000_000;
    is_one_sign && is_short && length.nanos.unsigned_abs() < 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked() {
        let of = |seconds, nanos| optional("x", Some(proto::Duration { seconds, nanos }));
        assert_eq!(of(0, 0).ok(), Some(None));
        let half = Some(Duration::from_millis(1500));
        assert_eq!(of(1, 500_000_000).ok(), Some(half));
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, 1_000_000_000)] {
            assert!(of(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
        let back = duration(Millis(1500));
        assert_eq!((back.seconds, back.nanos), (1, 500_000_000));
        assert_eq!(duration(Millis(u64::MAX)).seconds, 315_576_000_000);
        let last = timestamp(Timestamp(u64::MAX));
        assert_eq!((last.seconds, last.nanos), (253_402_300_799, 999_000_000));
    }
}
