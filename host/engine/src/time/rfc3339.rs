//! Points in time as RFC 3339 writes them.

use super::{
    Timestamp,
    calendar::{date_of, days_of},
};

pub(super) fn format(time: Timestamp) -> String {
    let (seconds, millis) = (time.0 / 1000, time.0 % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let days = i64::try_from(days).expect("milliseconds have fewer days than bits");
    let (year, month, day) = date_of(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let [year, month, day] = numbers(date, '-')?;
    let end = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !valid {
        return None;
    }
    let date = (i64::from(year), month, day);
    let days = days_of(date.0, date.1, date.2);
    let day = u64::try_from(days).ok().filter(|_| date_of(days) == date)?;
    let [hour, minute, second] = [hour, minute, second].map(u64::from);
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let local = ((day * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millis;
    let utc = match zone {
        "Z" | "z" => Some(local),
        _ => {
            let [hours, minutes] = numbers(zone.get(1..)?, ':')?.map(u64::from);
            let offset = (hours * 60 + minutes) * 60_000;
            match zone.starts_with('+') {
                true => local.checked_sub(offset),
                false => Some(local + offset),
            }
        }
    };
    utc.map(Timestamp)
}

/// The numbers that a text has between separators, if it has just so many.
fn numbers<const COUNT: usize>(text: &str, between: char) -> Option<[u32; COUNT]> {
    let is_number = |part: &&str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split(between).map(|part| Some(part).filter(is_number));
    let parts: Vec<u32> = parts
        .map(|part| part?.parse().ok())
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, format, parse};

    #[test]
    fn what_is_written_can_be_read() {
        for time in [0, 1, 951_782_400_000, 1_709_164_800_123, 4_102_444_799_999] {
            let time = Timestamp(time);
            assert_eq!(parse(&format(time)), Some(time));
        }
        assert_eq!(
            format(Timestamp(951_782_400_000)),
            "2000-02-29T00:00:00.000Z"
        );
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let noon = parse("2026-03-01T12:00:00Z");
        for same in [
            "2026-03-01T13:30:00+01:30",
            "2026-03-01 07:00:00.000-05:00",
            "2026-03-01t12:00:00.0009z",
        ] {
            assert_eq!(parse(same), noon, "{same}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "2026-02-30T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:00:00.xZ",
            "2026-03-00T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "0000-01-01T12:00:00Z",
            "+026-03-01T12:00:00Z",
            "2026-03-01T+1:00:00Z",
            "2026-03-01T12:00:00++1:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
