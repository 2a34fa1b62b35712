//! Reading arguments that several commands have, refused in words that say how one is written.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::api::moment::{DAY, MOMENT};

/// A moment, or the beginning of a day in UTC.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let of_day = || {
        let day: Date = text.trim().parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let moment = text.trim().parse().ok().or_else(of_day);
    moment.ok_or_else(|| format!("allowed is {MOMENT}, or {DAY}, for its beginning in UTC"))
}

/// A day.
pub(super) fn day(text: &str) -> Result<Date, String> {
    text.trim().parse().map_err(|_| format!("allowed is {DAY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_days() {
        let of = |text: &str| moment(text).map(|moment| moment.to_string());
        assert_eq!(
            of("2026-11-20T10:00:00+01:00").as_deref(),
            Ok("2026-11-20T09:00:00Z")
        );
        assert_eq!(of(" 2026-11-20 ").as_deref(), Ok("2026-11-20T00:00:00Z"));
        for wrong in ["yesterday", "2026-02-30", "2026-11-20T25:00:00Z", ""] {
            let refused = of(wrong).expect_err(wrong);
            assert!(refused.contains("such as 2026-11-20T10:00:00Z"), "{refused}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(
            day("2024-02-29").map(|day| day.to_string()).as_deref(),
            Ok("2024-02-29")
        );
        for wrong in ["2026-02-30", "today", ""] {
            let refused = day(wrong).expect_err(wrong);
            assert_eq!(refused, "allowed is a day of the calendar, such as 2026-11-20");
        }
    }
}
