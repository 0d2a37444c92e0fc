//! Times and lengths of time as people read them. Everything is in UTC.

use sandglass_engine::{Millis, Timestamp};

/// RFC 3339 with milliseconds: `2026-03-01T12:00:00.250Z`.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339()
}

/// Three units of time at most: `250ms`, `1.500s`, `2m05s`, `3h07m`, `2d04h`.
#[must_use]
pub fn length(length: Millis) -> String {
    let Millis(millis) = length;
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{:03}s", millis % 1000),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A length of time without trailing zeros, for what somebody chose: `1s`, `1.5s`, `10m`.
#[must_use]
pub fn chosen(length: Millis) -> String {
    let Millis(millis) = length;
    for (unit, name) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ] {
        if millis >= unit && millis.is_multiple_of(unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Timestamp(seconds * 1000)), expected);
        }
    }

    #[test]
    fn lengths_are_short() {
        for (millis, expected, plain) in [
            (0, "0ms", "0ms"),
            (999, "999ms", "999ms"),
            (1500, "1.500s", "1.5s"),
            (60_000, "1m00s", "1m"),
            (125_000, "2m05s", "125s"),
            (11_220_000, "3h07m", "187m"),
            (187_200_000, "2d04h", "52h"),
        ] {
            assert_eq!(length(Millis(millis)), expected);
            assert_eq!(chosen(Millis(millis)), plain);
        }
    }
}
