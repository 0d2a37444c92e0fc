//! Points in time as RFC 3339 writes them.

use super::Timestamp;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

pub(super) fn format(time: Timestamp) -> String {
    let (seconds, millis) = (time.0 / 1000, time.0 % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last of its year and months have a
/// regular pattern: 153 days in every five.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let era = days / 146_097; // 400 years
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The reverse of [`civil`]; `None` before 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    let of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era).checked_sub(DAYS_TO_1970)
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
    let day = days(year, month, day).filter(|days| civil(*days) == (year, month, day))?;
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let local = ((day * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millis;
    let utc = match zone {
        "Z" | "z" => Some(local),
        _ => {
            let [hours, minutes] = numbers(zone.get(1..)?, ':')?;
            let offset = (hours * 60 + minutes) * 60_000;
            match zone.starts_with('+') {
                true => local.checked_sub(offset),
                false => Some(local + offset),
            }
        }
    };
    utc.filter(|_| valid).map(Timestamp)
}

/// The numbers that a text has between separators, if it has just so many.
fn numbers<const COUNT: usize>(text: &str, between: char) -> Option<[u64; COUNT]> {
    let parts: Vec<u64> = text
        .split(between)
        .map(|part| part.parse().ok().filter(|number| *number < 10_000))
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
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
