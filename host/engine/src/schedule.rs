//! Cron schedules: when a run is repeated. In UTC; the engine knows no time zones.

use crate::{
    Millis, Timestamp,
    time::calendar::{date_of, days_of},
};
use croner::{
    Cron,
    errors::CronError,
    time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday},
};
use std::{cmp::Ordering, str::FromStr as _};

const DAY_SECS: i64 = 86_400;

/// The last second of the year 9999, beyond which no schedule is looked at.
const LAST_SECOND: i64 = 253_402_300_799;

/// A schedule in cron's notation: five fields, or six or seven with seconds and a year, `@daily`
/// and its like, or `@every 1h30m`.
#[derive(Debug, Clone)]
pub struct CronSchedule(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Every(u64),
    Cron(Box<Cron>),
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron schedule {text:?}: {reason}")]
pub struct ScheduleError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl CronSchedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// It is not one, names a time zone, or has no time since 1970.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let error = |reason: String| ScheduleError {
            text: text.into(),
            reason,
        };
        let trimmed = text.trim();
        if trimmed.starts_with("CRON_TZ=") || trimmed.starts_with("TZ=") {
            let reason = "schedules are in UTC; write the times in UTC, without a time zone";
            return Err(error(reason.into()));
        }
        if let Some(interval) = trimmed.strip_prefix("@every") {
            return match interval.trim().parse::<Millis>() {
                Ok(Millis(length)) if length % 1000 == 0 => Ok(Self(Kind::Every(length / 1000))),
                _ => Err(error("write an interval as in `@every 1h30m5s`".into())),
            };
        }
        let cron = Cron::from_str(trimmed).map_err(|problem| {
            let reason = problem.to_string();
            error(reason.trim_end_matches('.').to_lowercase())
        })?;
        let schedule = Self(Kind::Cron(Box::new(cron)));
        if schedule.next_after(Timestamp(0), Timestamp(0)).is_none() {
            return Err(error("no such day ever comes".into()));
        }
        Ok(schedule)
    }

    /// Reads a schedule that is to begin now.
    ///
    /// # Errors
    /// As [`Self::parse`], or none of its times is still to come.
    pub fn parse_at(text: &str, now: Timestamp) -> Result<Self, ScheduleError> {
        let schedule = Self::parse(text)?;
        match schedule.next_after(now, now) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError {
                text: text.into(),
                reason: "all of its times are over".into(),
            }),
        }
    }

    /// The first time after `from` that is not before `now`, of a run that began at `from`. `None`:
    /// there is none any more.
    #[must_use]
    pub fn next_after(&self, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            // In step with the start, however long the run took.
            Kind::Every(secs) => {
                let length = secs.saturating_mul(1000);
                let steps = now.since(from).0.div_ceil(length).max(1);
                Some(from + Millis(length.saturating_mul(steps)))
            }
            Kind::Cron(cron) => {
                // Whole seconds: one that has begun is over for a run that began in it.
                let begun = i64::try_from(from.0 / 1000).ok()?;
                let wanted = i64::try_from(now.0.div_ceil(1000)).ok()?;
                let after = Utc(begun.max(wanted.saturating_sub(1)));
                let next = cron.find_next_occurrence(&after, false).ok()?;
                Some(Timestamp(u64::try_from(next.0).ok()?.saturating_mul(1000)))
            }
        }
    }
}

/// Seconds since 1970, as the cron search wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Utc(i64);

impl CronDateTime for Utc {
    fn to_civil(&self) -> CivilDateTime {
        let (days, secs) = (self.0.div_euclid(DAY_SECS), self.0.rem_euclid(DAY_SECS));
        let (year, month, day) = date_of(days);
        let year = i32::try_from(year).unwrap_or(i32::MAX);
        let part = |value: i64| u32::try_from(value).expect("a part of a day is small");
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(year, month, day),
            CivilTime::from_parts_unchecked(
                part(secs / 3600),
                part(secs % 3600 / 60),
                part(secs % 60),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        // 1970-01-01 was a Thursday.
        let days = (self.0.div_euclid(DAY_SECS) + 4).rem_euclid(7);
        Weekday::from_days_from_sunday(u32::try_from(days).expect("a remainder of 7 is small"))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let secs = i64::from(civil.hour()) * 3600
            + i64::from(civil.minute()) * 60
            + i64::from(civil.second());
        Ok(Resolution::Single(Self(
            day_of(civil.date()) * DAY_SECS + secs,
        )))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let sum = self.0.checked_add(seconds)?;
        (sum <= LAST_SECOND).then_some(Self(sum))
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// The day of a date, counted from 1970-01-01.
fn day_of(date: CivilDate) -> i64 {
    days_of(i64::from(date.year()), date.month(), date.day())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// 2026-11-22T19:00:00Z, a Sunday.
    const SUNDAY: u64 = 1_795_374_000;

    fn next(text: &str, from: u64) -> u64 {
        let from = Timestamp(from * 1000);
        let next = CronSchedule::parse(text).unwrap().next_after(from, from);
        next.unwrap().0 / 1000
    }

    #[test]
    fn a_second_has_its_date_and_day_of_the_week() {
        let sunday = Utc(SUNDAY as i64);
        assert_eq!(sunday.to_civil().to_string(), "2026-11-22T19:00:00");
        assert_eq!(sunday.civil_weekday(), Weekday::Sunday);
        assert_eq!(day_of(sunday.to_civil().date()), SUNDAY as i64 / DAY_SECS);
    }

    #[test]
    fn the_next_time_is_after_the_start_and_not_before_now() {
        assert_eq!(next("* * * * *", SUNDAY), SUNDAY + 60);
        assert_eq!(next("30 20 * * *", SUNDAY), SUNDAY + 5400);
        assert_eq!(next("0 0 * * MON", SUNDAY), SUNDAY + 5 * 3600);
        assert_eq!(next("@hourly", SUNDAY), SUNDAY + 3600);
        assert_eq!(next("*/10 * * * * *", SUNDAY), SUNDAY + 10);
        assert_eq!(next("0 0 1 1 *", SUNDAY), SUNDAY + (39 * 24 + 5) * 3600);
        let minutes = CronSchedule::parse("*/5 * * * *").unwrap();
        let from = Timestamp(SUNDAY * 1000);
        let late = minutes.next_after(from, from + Millis::from_secs(301));
        assert_eq!(late, Some(from + Millis::from_secs(600)));
        let in_time = minutes.next_after(from, from + Millis::from_secs(300));
        assert_eq!(in_time, Some(from + Millis::from_secs(300)));
    }

    #[test]
    fn an_interval_keeps_step_with_the_start() {
        assert_eq!(next("@every 90s", SUNDAY + 7), SUNDAY + 97);
        let every = CronSchedule::parse("@every 1h30m").unwrap();
        let from = Timestamp(5);
        let late = every.next_after(from, from + Millis::from_secs(6000));
        assert_eq!(late, Some(from + Millis::from_secs(10_800)));
    }

    #[test]
    fn a_schedule_that_is_over_is_refused_where_it_begins() {
        let over = "0 0 0 1 1 * 2020";
        CronSchedule::parse(over).unwrap();
        let error = CronSchedule::parse_at(over, Timestamp(SUNDAY * 1000));
        assert!(error.unwrap_err().to_string().contains("over"));
        CronSchedule::parse_at(over, Timestamp(1_000)).unwrap();
    }

    #[test]
    fn what_is_no_schedule_is_named() {
        for (text, reason) in [
            ("", "empty"),
            ("* * * *", "field"),
            ("61 * * * *", "out of"),
            ("soon", "pattern"),
            ("@every", "interval"),
            ("@every 0s", "interval"),
            ("@every 5x", "interval"),
            ("CRON_TZ=Europe/Berlin 0 8 * * *", "UTC"),
            ("0 0 30 2 *", "ever"),
        ] {
            let error = CronSchedule::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(
                error.starts_with(&format!("cron schedule {text:?}: ")),
                "{error}"
            );
        }
    }
}
