//! The Gregorian calendar: dates and days, counted from 1970-01-01.
//!
//! Years are counted from March, so that the leap day is the last of its year and months have a
//! regular pattern: 153 days in every five. Eras of 400 years are alike.

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

const DAYS_OF_ERA: i64 = 146_097;

/// Year, month and day of a day.
pub(crate) fn date_of(days: i64) -> (i64, u32, u32) {
    let days = days + DAYS_TO_1970;
    let (era, of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    let small = |value: i64| u32::try_from(value).expect("a month or day is small");
    (year + era * 400, small(month), small(day))
}

/// The day of a date. Of one that no calendar has it is another date's.
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * DAYS_OF_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::{date_of, days_of};

    #[test]
    fn dates_and_days_agree_over_a_thousand_years() {
        let mut before = date_of(-1001);
        for days in -1000..365_243 {
            let date = date_of(days);
            assert!(date > before, "{date:?} follows {before:?}");
            assert_eq!(days_of(date.0, date.1, date.2), days, "{date:?}");
            before = date;
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
        // What is none is found out by going there and back.
        for (year, month, day) in [(2026, 2, 30), (2026, 3, 0), (2026, 1, 0), (1900, 2, 29)] {
            assert_ne!(date_of(days_of(year, month, day)), (year, month, day));
        }
    }
}
