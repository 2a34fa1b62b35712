//! Buckets are those of the time zone, on the days when the clocks change above all.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit, ZonedRound};
use serde_json::json;
use splitdeck::api::results::{Interval, ResultsQuery};

use super::world::{Event, World, experiment};

/// Time zones with a day on which their clocks change; some lack midnight that day, one moves by half an hour, some
/// are off the whole hour all year.
const ZONES: [(&str, &str); 10] = [
    ("UTC", "2026-03-29"),
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("America/Santiago", "2026-09-06"),
    ("Africa/Cairo", "2026-04-24"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Asia/Kathmandu", "2026-06-01"),
    ("America/St_Johns", "2026-03-08"),
    ("Pacific/Apia", "2026-12-31"),
];

/// When the bucket of `at` begins, by the calendar.
fn begin(interval: Interval, at: Timestamp, zone: &TimeZone) -> Timestamp {
    let local = at.to_zoned(zone.clone());
    let day = local.start_of_day().expect("a day");
    match interval {
        Interval::Minute => {
            let round = ZonedRound::new()
                .smallest(Unit::Minute)
                .mode(jiff::RoundMode::Trunc);
            local.round(round).expect("a minute").timestamp()
        }
        Interval::Hour => {
            // The hours that a clock shows; the one that is shown twice is two.
            let since = i64::from(local.minute()) * 60 + i64::from(local.second());
            Timestamp::from_second(at.as_second() - since).expect("an hour")
        }
        Interval::Day => day.timestamp(),
        Interval::Week => {
            let since_monday = i64::from(local.weekday().to_monday_zero_offset());
            let monday = local.date().checked_sub(since_monday.days()).expect("a day");
            monday.to_zoned(zone.clone()).expect("a day").timestamp()
        }
    }
}

#[tokio::test]
async fn buckets_begin_where_the_calendar_says() {
    for (name, day) in ZONES {
        let world = World::new().await;
        let experiment = experiment(json!({}));
        let zone = TimeZone::get(name).expect("a time zone");
        let day: jiff::civil::Date = day.parse().expect("a day");
        let from = day
            .yesterday()
            .expect("a day")
            .to_zoned(zone.clone())
            .expect("a day");
        // An event every seven minutes over three days and a bit.
        let times: Vec<Timestamp> = (0_i64..640)
            .map(|n| from.timestamp() + (n * 7).minutes())
            .collect();
        let events: Vec<Event> = times
            .iter()
            .map(|at| Event::new("view", "p", at.as_millisecond()).exposed(&experiment, "treatment"))
            .collect();
        world.insert(&events).await;
        for interval in [Interval::Hour, Interval::Day, Interval::Week] {
            if (name, interval) == ("Australia/Lord_Howe", Interval::Hour) {
                continue; // Below: hours that begin at half past are a matter of taste there.
            }
            let query = ResultsQuery {
                interval: Some(interval),
                time_zone: name.into(),
                ..ResultsQuery::default()
            };
            let results = world.results(&experiment, &query).await;
            let got: Vec<(Timestamp, u64)> = results
                .series
                .points
                .iter()
                .map(|p| (p.at, p.counts[1]))
                .collect();
            let mut expected: Vec<(Timestamp, u64)> = Vec::new();
            for at in &times {
                let at = begin(interval, *at, &zone);
                match expected.last_mut() {
                    Some((last, count)) if *last == at => *count += 1,
                    _ => expected.push((at, 1)),
                }
            }
            assert_eq!(got, expected, "{name} {day} {interval:?}");
        }
    }
}

#[tokio::test]
async fn no_event_is_lost_where_hours_are_cut_in_half() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    let from: Timestamp = "2026-04-04T10:07:00Z".parse().expect("an instant");
    let events: Vec<Event> = (0_i64..200)
        .map(|n| {
            let at = from + (n * 7).minutes();
            Event::new("view", "p", at.as_millisecond()).exposed(&experiment, "control")
        })
        .collect();
    world.insert(&events).await;
    let query = ResultsQuery {
        interval: Some(Interval::Hour),
        time_zone: "Australia/Lord_Howe".into(),
        ..ResultsQuery::default()
    };
    let results = world.results(&experiment, &query).await;
    let total: u64 = results.series.points.iter().map(|p| p.counts[0]).sum();
    assert_eq!(total, 200);
    assert!(
        results.series.points.iter().all(|p| p.counts[0] > 0),
        "no invented gaps"
    );
}

#[tokio::test]
async fn gaps_are_zeros_and_the_interval_follows_the_data() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant").as_millisecond();
    world
        .insert(&[
            Event::new("view", "p", at("2026-01-15T10:01:30Z")).exposed(&experiment, "control"),
            Event::new("view", "p", at("2026-01-15T10:04:00Z")).exposed(&experiment, "treatment"),
        ])
        .await;
    let results = world.results(&experiment, &ResultsQuery::default()).await;
    assert_eq!(results.series.interval, Interval::Minute);
    let counts: Vec<Vec<u64>> = results.series.points.iter().map(|p| p.counts.clone()).collect();
    assert_eq!(counts, [[1, 0], [0, 0], [0, 0], [0, 1]]);
    assert_eq!(
        results.series.points[0].at.as_millisecond(),
        at("2026-01-15T10:01:00Z")
    );

    // A month by minutes would be 43,200 buckets.
    world
        .insert(&[Event::new("view", "p", at("2026-02-15T10:04:00Z")).exposed(&experiment, "control")])
        .await;
    let query = ResultsQuery {
        interval: Some(Interval::Minute),
        ..ResultsQuery::default()
    };
    let results = world.results(&experiment, &query).await;
    assert_eq!(results.series.interval, Interval::Hour);
    assert_eq!(results.query.interval, Some(Interval::Minute));
    assert_eq!(results.series.points.len(), 31 * 24 + 1);
}
