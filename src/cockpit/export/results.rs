//! The results of an experiment: a row for each arm, the tables beside it, and all of it as JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::Shape;
use super::file_name;
use super::rows::{line, safe};
use super::tables::files;
use crate::api::results::{Breakdown, Results};
use crate::cockpit::effect::File;

/// Events by value of a property.
const BREAKDOWN: &[&str] = &["key", "value", "variant", "events", "subjects"];

/// Counts over time.
const SERIES: Shape = Shape {
    what: "series",
    list: "series",
    columns: &["event", "at", "variant", "count"],
};

/// Tracked events.
const TRACKED: Shape = Shape {
    what: "tracked",
    list: "tracked",
    columns: &["event", "filters", "variant", "events", "subjects"],
};

/// The results as files: the table of the arms and each table beside it as CSV with full precision, everything as one
/// JSON file. A table without rows is left out.
///
/// # Errors
/// When something cannot be written as JSON.
pub fn results(results: &Results, now: Timestamp) -> Result<Vec<File>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("The results cannot be written as a file: {error}");
    let name = file_name(&results.key, "results", now);
    let json = serde_json::to_string_pretty(results).map_err(|error| failed(&error))?;
    let mut all = vec![
        File {
            name: format!("{name}.csv"),
            content: arms(results),
        },
        File {
            name: format!("{name}.json"),
            content: json + "\n",
        },
    ];
    let tables = [
        broken_down(results, "segments", &results.segments, now)?,
        broken_down(results, "properties", &results.properties, now)?,
        series(results, now)?,
        tracked(results, now)?,
    ];
    all.extend(tables.into_iter().flatten());
    Ok(all)
}

/// The CSV file of a table; none where it has no rows.
fn table<T: Serialize>(
    results: &Results,
    shape: Shape,
    rows: Vec<T>,
    now: Timestamp,
) -> Result<Option<File>, String> {
    if rows.is_empty() {
        return Ok(None);
    }
    // The JSON of the results has it already.
    Ok(files(&results.key, shape, rows, now)?.into_iter().next())
}

/// For each arm its variant and its number of a list that is in the order of the arms.
fn by_arm<'r>(results: &'r Results, counts: &'r [u64]) -> impl Iterator<Item = (&'r str, u64)> {
    results
        .arms
        .iter()
        .map(|arm| arm.variant.as_str())
        .zip(counts.iter().copied())
}

fn broken_down(
    results: &Results,
    what: &'static str,
    breakdown: &Breakdown,
    now: Timestamp,
) -> Result<Option<File>, String> {
    #[derive(Serialize)]
    struct Row<'r> {
        key: &'r str,
        value: Option<&'r str>,
        variant: &'r str,
        events: u64,
        subjects: u64,
    }
    let shape = Shape {
        what,
        list: what,
        columns: BREAKDOWN,
    };
    let rows = breakdown.rows.iter().flat_map(|row| {
        by_arm(results, &row.events)
            .zip(&row.subjects)
            .map(|((variant, events), subjects)| Row {
                key: &breakdown.key,
                value: row.value.as_deref(),
                variant,
                events,
                subjects: *subjects,
            })
    });
    table(results, shape, rows.collect(), now)
}

fn series(results: &Results, now: Timestamp) -> Result<Option<File>, String> {
    #[derive(Serialize)]
    struct Row<'r> {
        /// The tracked event; none for the exposures.
        event: Option<&'r str>,
        at: Timestamp,
        variant: &'r str,
        count: u64,
    }
    let exposures = std::iter::once((None, &results.series));
    let tracked = results
        .tracked
        .iter()
        .map(|tracked| (Some(tracked.metric.event.as_str()), &tracked.series));
    let rows = exposures.chain(tracked).flat_map(|(event, series)| {
        series.points.iter().flat_map(move |point| {
            by_arm(results, &point.counts).map(move |(variant, count)| Row {
                event,
                at: point.at,
                variant,
                count,
            })
        })
    });
    table(results, SERIES, rows.collect(), now)
}

fn tracked(results: &Results, now: Timestamp) -> Result<Option<File>, String> {
    #[derive(Serialize)]
    struct Row<'r, F> {
        event: &'r str,
        filters: &'r F,
        variant: &'r str,
        events: u64,
        subjects: u64,
    }
    let rows = results.tracked.iter().flat_map(|tracked| {
        by_arm(results, &tracked.events)
            .zip(&tracked.subjects)
            .map(|((variant, events), subjects)| Row {
                event: tracked.metric.event.as_str(),
                filters: &tracked.metric.filters,
                variant,
                events,
                subjects: *subjects,
            })
    });
    table(results, TRACKED, rows.collect(), now)
}

/// The results table: a row for each arm, names of columns as on the wire, fractions (not percent) at full
/// precision, nothing where there is no value.
fn arms(results: &Results) -> String {
    fn text(value: Option<f64>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let titles = [
        "variant",
        "name",
        "isControl",
        "subjects",
        "starters",
        "n",
        "conversions",
        "rate",
        "ciLow",
        "ciHigh",
        "probBest",
        "expectedLoss",
        "upliftMean",
        "upliftMedian",
        "upliftLow",
        "upliftHigh",
        "difference",
        "alwaysValidLow",
        "alwaysValidHigh",
        "configuredPct",
        "observedPct",
        "exposureEvents",
        "exposureProfiles",
        "exposureSessions",
        "exposureDevices",
    ];
    let mut csv = line(titles.map(str::to_owned));
    for arm in &results.arms {
        let posterior = arm.posterior.as_ref();
        let uplift = posterior.and_then(|p| p.uplift);
        let always = posterior.and_then(|p| p.always_valid);
        csv.push_str(&line([
            safe(&arm.variant),
            safe(&arm.name),
            arm.is_control.to_string(),
            arm.subjects.to_string(),
            arm.starters.map(|n| n.to_string()).unwrap_or_default(),
            arm.n.to_string(),
            arm.conversions.to_string(),
            text(arm.rate),
            text(posterior.map(|p| p.ci_low)),
            text(posterior.map(|p| p.ci_high)),
            text(posterior.map(|p| p.prob_best)),
            text(posterior.map(|p| p.expected_loss)),
            text(uplift.and_then(|u| u.mean)),
            text(uplift.map(|u| u.median)),
            text(uplift.map(|u| u.low)),
            text(uplift.map(|u| u.high)),
            text(always.map(|d| d.difference)),
            text(always.map(|d| d.low)),
            text(always.map(|d| d.high)),
            arm.configured_pct.to_string(),
            text(arm.observed_pct),
            arm.exposures.events.to_string(),
            arm.exposures.profiles.to_string(),
            arm.exposures.sessions.to_string(),
            arm.exposures.devices.to_string(),
        ]));
    }
    csv
}
