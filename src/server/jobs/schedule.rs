//! When a job is due: a cron expression in a time zone.
//!
//! Where the clocks change, a fixed time is due once a day: one that is skipped is due when the gap ends, one
//! that comes twice the first time.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    expression: String,
    zone: TimeZone,
    zone_name: String,
}

/// A schedule that cannot be used.
#[derive(Debug, thiserror::Error, Eq, PartialEq)]
pub enum ScheduleError {
    /// It is no cron expression.
    #[error(
        "schedule {expression:?}: {why}; allowed is a cron expression: minute, hour, day of the month, month, day of \
         the week, such as \"0 2 * * *\""
    )]
    Expression {
        /// What was given.
        expression: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such time zone.
    #[error("time_zone {0:?}: allowed is the IANA name of a time zone, such as \"Europe/Berlin\"")]
    TimeZone(String),
}

impl Schedule {
    /// Reads an expression of five fields (six with seconds first) and the IANA name of a time zone.
    ///
    /// # Errors
    /// See [`ScheduleError`]; an expression that never comes true (`0 0 30 2 *`) is one.
    pub fn new(expression: &str, zone_name: &str) -> Result<Self, ScheduleError> {
        let zone = TimeZone::get(zone_name).map_err(|_| ScheduleError::TimeZone(zone_name.to_owned()))?;
        let refused = |why: String| ScheduleError::Expression {
            expression: expression.to_owned(),
            why,
        };
        let cron = CronParser::builder()
            .year(Year::Disallowed)
            .build()
            .parse(expression);
        let schedule = Self {
            cron: cron.map_err(|error| refused(error.to_string()))?,
            expression: expression.trim().to_owned(),
            zone_name: zone.iana_name().unwrap_or(zone_name).to_owned(),
            zone,
        };
        match schedule.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(refused("it never comes true".to_owned())),
        }
    }

    /// The first time it is due after `now`; none when it never is again.
    #[must_use]
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&now, false).ok()?;
        Some(next.timestamp())
    }

    /// The last time it was due, `now` included; none when it never was.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone.clone());
        let last = self.cron.find_previous_occurrence(&now, true).ok()?;
        Some(last.timestamp())
    }

    /// Name of the time zone, as the time zone database spells it.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }
}

impl fmt::Display for Schedule {
    /// The expression.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn berlin(expression: &str) -> Schedule {
        Schedule::new(expression, "europe/berlin").expect("a schedule")
    }

    #[test]
    fn a_night_is_a_night_in_its_time_zone() {
        let utc = Schedule::new("0 2 * * *", "UTC").expect("a schedule");
        assert_eq!(
            utc.after(at("2026-11-20T01:59:59Z")),
            Some(at("2026-11-20T02:00:00Z"))
        );
        assert_eq!(
            utc.after(at("2026-11-20T02:00:00Z")),
            Some(at("2026-11-21T02:00:00Z"))
        );
        assert_eq!(
            utc.last(at("2026-11-20T02:00:00Z")),
            Some(at("2026-11-20T02:00:00Z"))
        );
        assert_eq!(
            utc.last(at("2026-11-20T01:59:59Z")),
            Some(at("2026-11-19T02:00:00Z"))
        );
        let local = berlin(" 0 2 * * * ");
        assert_eq!(
            local.after(at("2026-11-20T00:00:00Z")),
            Some(at("2026-11-20T01:00:00Z"))
        );
        assert_eq!(
            local.after(at("2026-07-01T00:30:00Z")),
            Some(at("2026-07-02T00:00:00Z"))
        );
        assert_eq!(
            (local.zone_name(), local.to_string().as_str()),
            ("Europe/Berlin", "0 2 * * *")
        );
    }

    #[test]
    fn when_the_clocks_change_it_is_due_once_a_day() {
        let schedule = berlin("30 2 * * *");
        // 2026-03-29 has no 02:30: the clocks go from 02:00 to 03:00.
        assert_eq!(
            schedule.after(at("2026-03-28T12:00:00Z")),
            Some(at("2026-03-29T01:00:00Z"))
        );
        assert_eq!(
            schedule.after(at("2026-03-29T01:00:00Z")),
            Some(at("2026-03-30T00:30:00Z"))
        );
        assert_eq!(
            schedule.last(at("2026-03-29T12:00:00Z")),
            Some(at("2026-03-29T01:00:00Z"))
        );
        // 2026-10-25 has it twice, an hour apart.
        assert_eq!(
            schedule.after(at("2026-10-24T12:00:00Z")),
            Some(at("2026-10-25T00:30:00Z"))
        );
        assert_eq!(
            schedule.after(at("2026-10-25T00:30:00Z")),
            Some(at("2026-10-26T01:30:00Z"))
        );
        assert_eq!(
            schedule.last(at("2026-10-25T12:00:00Z")),
            Some(at("2026-10-25T00:30:00Z"))
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for expression in [
            "",
            "0 2 * *",
            "60 2 * * *",
            "0 25 * * *",
            "nightly",
            "0 0 30 2 *",
            "0 2 * * * * *",
        ] {
            let error = Schedule::new(expression, "UTC").expect_err("refused");
            assert!(matches!(error, ScheduleError::Expression { .. }), "{error}");
            assert!(error.to_string().contains("0 2 * * *"), "{error}");
        }
        let error = Schedule::new("0 2 * * *", "Berlin").expect_err("refused");
        assert_eq!(error, ScheduleError::TimeZone("Berlin".to_owned()));
    }

    proptest! {
        #[test]
        fn there_and_back_are_the_same_times(
            minute in 0..60_u8, hour in 0..24_u8, start in 1_750_000_000_i64..1_850_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]),
        ) {
            let schedule = Schedule::new(&format!("{minute} {hour} * * *"), zone).expect("a schedule");
            let start = Timestamp::from_second(start).expect("an instant");
            let next = schedule.after(start).expect("due");
            prop_assert!(next > start);
            prop_assert!(next.duration_since(start).as_hours() <= 25, "{start} {next}");
            prop_assert_eq!(schedule.last(next), Some(next));
            let before = Timestamp::from_second(next.as_second() - 1).expect("an instant");
            prop_assert_eq!(schedule.after(before), Some(next));
            // Nothing in between was missed.
            let last = schedule.last(before).expect("was due");
            prop_assert!(last <= start, "{} lies between {} and {}", last, start, next);
        }
    }
}
