//! Events over time, and the buckets they fall into.
//!
//! ClickHouse finds the bucket of a row, in the time zone. Minutes and hours are named by their first
//! second; days and weeks by their *date*, and the instant at which that date begins is looked up here:
//! where the clocks skip midnight, `toStartOfDay` names a moment of the day before.

use std::collections::BTreeSet;

use clickhouse::Row;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{EventCount, Scope, Window, inside};
use crate::api::results::{Interval, Series, SeriesPoint};
use crate::warehouse::sql::Args;
use crate::warehouse::{Warehouse, WarehouseError};

/// The most buckets of a series. A finer interval than that is replaced by the next one, which the answer
/// says.
pub(in crate::warehouse) const MAX_POINTS: i64 = 2_000;
/// The most buckets when the interval is chosen here.
const AUTO_POINTS: i64 = 200;

/// Events of one variant in one bucket.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Row, Deserialize)]
pub(in crate::warehouse) struct Bucketed {
    /// The code of the variant.
    pub variant: u8,
    /// The bucket: seconds since 1970 of a minute or an hour, days since 1970 of a day or of a week's Monday.
    pub bucket: i64,
    /// Distinct events.
    pub events: u64,
}

/// The interval of a series that spans `first` to `last` (milliseconds since 1970): the one asked for, or
/// the finest with at most 200 buckets; never one with more than [`MAX_POINTS`].
pub(in crate::warehouse) fn choose_interval(asked: Option<Interval>, first: i64, last: i64) -> Interval {
    let span = last.saturating_sub(first) / 1_000;
    let points = |interval: Interval| {
        span / match interval {
            Interval::Minute => 60,
            Interval::Hour => 3_600,
            Interval::Day => 86_400,
            Interval::Week => 604_800,
        }
    };
    let (from, most) = match asked {
        Some(asked) => (asked, MAX_POINTS),
        None => (Interval::Minute, AUTO_POINTS),
    };
    Interval::ALL
        .into_iter()
        .skip_while(|interval| *interval != from)
        .find(|interval| points(*interval) < most)
        .unwrap_or(Interval::Week)
}

/// The bucket of a row.
pub(super) fn bucket(interval: Interval, window: &Window, args: &mut Args) -> String {
    let zone = args.text(&window.zone_name);
    match interval {
        Interval::Minute => format!("toInt64(toUnixTimestamp(toStartOfMinute(ts, {zone})))"),
        Interval::Hour => format!("toInt64(toUnixTimestamp(toStartOfHour(ts, {zone})))"),
        Interval::Day => format!("toInt64(toInt32(toDate(ts, {zone})))"),
        Interval::Week => format!("toInt64(toInt32(toMonday(ts, {zone})))"),
    }
}

/// Counts the exposure events of every arm over time.
///
/// An event that was sent again with another time is in the earliest bucket alone.
pub(in crate::warehouse) async fn series(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    interval: Interval,
    count: EventCount,
) -> Result<Vec<Bucketed>, WarehouseError> {
    let mut args = Args::default();
    let bucket = bucket(interval, &scope.window, &mut args);
    let (code, inside, rows) = (scope.code(&mut args), inside(), scope.rows(&mut args));
    let arms = scope.arms();
    let sql = match count {
        EventCount::Rows => format!(
            "SELECT {code} AS variant, {bucket} AS bucket, count() AS events
            {rows} AND {inside} AND variant < {arms}
            GROUP BY variant, bucket"
        ),
        EventCount::Distinct => format!(
            "SELECT variant, bucket, count() AS events
            FROM (
                SELECT {code} AS variant, min({bucket}) AS bucket {rows} AND {inside} AND variant < {arms}
                GROUP BY variant, event_id
            )
            GROUP BY variant, bucket"
        ),
    };
    warehouse.select("counting events over time", &sql, &args).await
}

/// The buckets of one or more series, without gaps.
#[derive(Debug, Clone, Eq, PartialEq)]
pub(in crate::warehouse) struct Buckets {
    interval: Interval,
    /// Each bucket as ClickHouse names it, and when it begins; ascending.
    all: Vec<(i64, Timestamp)>,
}

impl Buckets {
    /// From the earliest of `found` to the latest. What was found is always among them.
    pub(in crate::warehouse) fn new(
        interval: Interval,
        zone: &TimeZone,
        found: impl IntoIterator<Item = i64>,
    ) -> Self {
        let found: BTreeSet<i64> = found.into_iter().collect();
        let step = match interval {
            Interval::Minute => 60,
            Interval::Hour => 3_600,
            Interval::Day => 1,
            Interval::Week => 7,
        };
        let mut all = Vec::new();
        let mut names = found.iter().copied().peekable();
        let mut next = names.peek().copied();
        while let Some(name) = next {
            all.push((name, begins(interval, zone, name)));
            while names.next_if(|found| *found <= name).is_some() {}
            // Where the clocks were moved by half an hour, hours go on from there.
            next = names.peek().map(|found| (*found).min(name + step));
        }
        Self { interval, all }
    }

    /// The series of these counts; `arms` is the number of arms.
    pub(in crate::warehouse) fn series<'a>(
        &self,
        arms: usize,
        rows: impl IntoIterator<Item = &'a Bucketed>,
    ) -> Series {
        let mut points: Vec<SeriesPoint> = self
            .all
            .iter()
            .map(|(_, at)| SeriesPoint {
                at: *at,
                counts: vec![0; arms],
            })
            .collect();
        for row in rows {
            let point = self.all.binary_search_by_key(&row.bucket, |(name, _)| *name);
            if let Ok(at) = point
                && let Some(count) = points[at].counts.get_mut(usize::from(row.variant))
            {
                *count += row.events;
            }
        }
        Series {
            interval: self.interval,
            points,
        }
    }
}

/// When a bucket begins.
fn begins(interval: Interval, zone: &TimeZone, name: i64) -> Timestamp {
    match interval {
        Interval::Minute | Interval::Hour => Timestamp::from_second(name).unwrap_or(Timestamp::MAX),
        Interval::Day | Interval::Week => Timestamp::from_second(name.saturating_mul(86_400))
            .map(|midnight| TimeZone::UTC.to_datetime(midnight).date())
            .and_then(|day: Date| day.to_zoned(zone.clone()))
            .map_or(Timestamp::MAX, |start| start.timestamp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> i64 {
        let day: Date = text.parse().expect("a day");
        i64::from((day - Date::constant(1970, 1, 1)).get_days())
    }

    fn starts(interval: Interval, zone: &str, found: &[i64]) -> Vec<String> {
        let zone = TimeZone::get(zone).expect("a time zone");
        let buckets = Buckets::new(interval, &zone, found.iter().copied());
        buckets.all.iter().map(|(_, at)| at.to_string()).collect()
    }

    #[test]
    fn gaps_are_filled() {
        assert_eq!(
            starts(Interval::Hour, "UTC", &[7_200, 0]),
            [
                "1970-01-01T00:00:00Z",
                "1970-01-01T01:00:00Z",
                "1970-01-01T02:00:00Z"
            ]
        );
        assert_eq!(starts(Interval::Minute, "UTC", &[]), Vec::<String>::new());
    }

    #[test]
    fn days_follow_the_clocks() {
        // Berlin leaves summer time in the night to 2026-10-25: a day of 25 hours.
        assert_eq!(
            starts(
                Interval::Day,
                "Europe/Berlin",
                &[day("2026-10-24"), day("2026-10-26")]
            ),
            [
                "2026-10-23T22:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z"
            ]
        );
        assert_eq!(
            starts(Interval::Day, "America/Santiago", &[day("2026-09-06")]),
            ["2026-09-06T04:00:00Z"],
            "midnight is skipped"
        );
        assert_eq!(
            starts(
                Interval::Week,
                "Asia/Kathmandu",
                &[day("2026-11-02"), day("2026-11-16")]
            ),
            [
                "2026-11-01T18:15:00Z",
                "2026-11-08T18:15:00Z",
                "2026-11-15T18:15:00Z"
            ]
        );
    }

    #[test]
    fn hours_go_on_from_where_the_clocks_moved_by_half_an_hour() {
        let hour = 3_600;
        assert_eq!(
            starts(
                Interval::Hour,
                "Australia/Lord_Howe",
                &[0, hour, hour + 1_800, 3 * hour + 1_800]
            )
            .len(),
            5
        );
    }

    #[test]
    fn counts_land_in_their_bucket_and_arm() {
        let rows = [
            Bucketed {
                variant: 1,
                bucket: 120,
                events: 3,
            },
            Bucketed {
                variant: 0,
                bucket: 0,
                events: 2,
            },
        ];
        let buckets = Buckets::new(Interval::Minute, &TimeZone::UTC, rows.iter().map(|r| r.bucket));
        let counts: Vec<Vec<u64>> = buckets
            .series(2, &rows)
            .points
            .into_iter()
            .map(|p| p.counts)
            .collect();
        assert_eq!(counts, [[2, 0], [0, 0], [0, 3]]);
    }

    #[test]
    fn the_interval_fits_the_span() {
        let hours = |h: i64| h * 3_600_000;
        for (asked, span, chosen) in [
            (None, 0, Interval::Minute),
            (None, hours(3), Interval::Minute),
            (None, hours(4), Interval::Hour),
            (None, hours(24 * 8), Interval::Hour),
            (None, hours(24 * 9), Interval::Day),
            (None, hours(24 * 400), Interval::Week),
            (None, hours(24 * 40_000), Interval::Week),
            (Some(Interval::Minute), hours(24), Interval::Minute),
            (Some(Interval::Minute), hours(24 * 30), Interval::Hour),
            (Some(Interval::Minute), hours(24 * 90), Interval::Day),
            (Some(Interval::Week), 0, Interval::Week),
        ] {
            assert_eq!(
                choose_interval(asked, 1_000, 1_000 + span),
                chosen,
                "{asked:?} {span}"
            );
        }
    }
}
