//! The days that were asked for, as instants.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::api::results::ResultsQuery;
use crate::domain::FieldError;
use crate::warehouse::sql::Args;

/// A stretch of time, and the time zone that days and buckets are taken in.
///
/// Events outside of it are not there at all: a subject's first exposure is its first one inside.
#[derive(Debug, Clone)]
pub(in crate::warehouse) struct Window {
    /// The first millisecond since 1970 that counts.
    from: Option<i64>,
    /// The first one after it that no longer does.
    until: Option<i64>,
    /// The time zone.
    pub zone: TimeZone,
    /// Its IANA name, spelled as the time zone database does.
    pub zone_name: String,
}

impl Window {
    /// The window of a query.
    ///
    /// # Errors
    /// Names `timeZone`, `start` or `end`.
    pub(in crate::warehouse) fn new(query: &ResultsQuery) -> Result<Self, FieldError> {
        let zone = TimeZone::get(&query.time_zone).map_err(|_| {
            FieldError::new(
                "timeZone",
                &query.time_zone,
                "the IANA name of a time zone, such as Europe/Berlin",
            )
        })?;
        let zone_name = zone.iana_name().unwrap_or("UTC").to_owned();
        if let (Some(start), Some(end)) = (query.start, query.end)
            && start > end
        {
            return Err(FieldError::new("end", end, format!("{start} (start) or later")));
        }
        let from = query
            .start
            .map(|day| start_of_day(day, &zone, "start"))
            .transpose()?;
        let until = match query.end {
            None => None,
            Some(end) => {
                let after = end.tomorrow().map_err(|_| out_of_range("end", end))?;
                Some(start_of_day(after, &zone, "end")?)
            }
        };
        Ok(Self {
            from,
            until,
            zone,
            zone_name,
        })
    }

    /// All time, in UTC.
    pub(in crate::warehouse) fn all() -> Self {
        Self {
            from: None,
            until: None,
            zone: TimeZone::UTC,
            zone_name: "UTC".to_owned(),
        }
    }

    /// ` AND ts >= … AND ts < …`, empty for all time.
    ///
    /// The bounds are compared with `ts` itself, so that partitions and the primary key are pruned.
    pub(super) fn condition(&self, args: &mut Args) -> String {
        let mut condition = String::new();
        for (sign, bound) in [(">=", self.from), ("<", self.until)] {
            if let Some(millis) = bound {
                let millis = args.int(millis);
                condition.push_str(&format!(
                    " AND ts {sign} fromUnixTimestamp64Milli({millis}, 'UTC')"
                ));
            }
        }
        condition
    }
}

/// The first millisecond of a day. Where the clocks skip midnight that is the first moment after the gap.
fn start_of_day(day: Date, zone: &TimeZone, field: &str) -> Result<i64, FieldError> {
    let start = day.to_zoned(zone.clone()).map_err(|_| out_of_range(field, day))?;
    Ok(start.timestamp().as_millisecond())
}

fn out_of_range(field: &str, day: Date) -> FieldError {
    FieldError::new(field, day, "a day from -9998-01-01 to 9998-12-31")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str, zone: &str) -> Result<Window, FieldError> {
        let day = |text: &str| (!text.is_empty()).then(|| text.parse().expect("a day"));
        Window::new(&ResultsQuery {
            start: day(start),
            end: day(end),
            time_zone: zone.to_owned(),
            ..ResultsQuery::default()
        })
    }

    fn millis(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>()
            .expect("an instant")
            .as_millisecond()
    }

    #[test]
    fn both_days_are_whole_in_their_time_zone() {
        let window = window("2026-03-29", "2026-03-29", "europe/berlin").expect("a window");
        // The day on which summer time begins has 23 hours.
        assert_eq!(window.from, Some(millis("2026-03-28T23:00:00Z")));
        assert_eq!(window.until, Some(millis("2026-03-29T22:00:00Z")));
        assert_eq!(window.zone_name, "Europe/Berlin");
    }

    #[test]
    fn a_day_without_midnight_begins_after_the_gap() {
        // Santiago goes from 24:00 to 01:00 on 2026-09-06.
        let window = window("2026-09-06", "", "America/Santiago").expect("a window");
        assert_eq!(window.from, Some(millis("2026-09-06T04:00:00Z")));
        assert_eq!(window.until, None);
    }

    #[test]
    fn refusals_name_their_field() {
        for (start, end, zone, field) in [
            ("", "", "Berlin", "timeZone"),
            ("", "", "", "timeZone"),
            ("", "", "UTC'); DROP TABLE events; --", "timeZone"),
            ("2026-01-02", "2026-01-01", "UTC", "end"),
            ("", "9999-12-31", "UTC", "end"),
        ] {
            let refusal = window(start, end, zone).expect_err("refused");
            assert_eq!(refusal.field, field, "{refusal}");
        }
    }

    #[test]
    fn all_time_has_no_condition() {
        let mut args = Args::default();
        assert_eq!(Window::all().condition(&mut args), "");
        assert_eq!(args, Args::default());
    }
}
