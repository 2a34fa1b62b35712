//! `splitdeck results`: what an experiment shows so far.

use jiff::civil::Date;

use crate::api::banners::{banners, group, p_tight};
use crate::api::results::{
    ArmResult, Breakdown, INCONCLUSIVE, Interval, MultiVariant, Results, ResultsQuery, Series,
};
use crate::cockpit::evidence;
use crate::cockpit::format::prob_best;
use crate::domain::AssignmentMode;

use super::CliError;
use super::arguments::day;
use super::output::{Align, Table, plain, print, print_json};
use super::remote::{Remote, Session};

/// The most values of a breakdown, and the latest buckets of a series, that are written for people.
const MOST_ROWS: usize = 10;

/// Arguments of `splitdeck results`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key or UUID of the experiment
    key: String,
    /// First day that counts, such as 2026-01-31; all time where it is missing
    #[arg(long, value_name = "DAY", value_parser = day)]
    start: Option<Date>,
    /// Last day that counts
    #[arg(long, value_name = "DAY", value_parser = day)]
    end: Option<Date>,
    /// Width of the time series' buckets; chosen by the length of the data where it is missing
    #[arg(long, value_name = "minute|hour|day|week", value_parser = interval)]
    interval: Option<Interval>,
    /// Property of the segments, such as country or properties.plan
    #[arg(long, value_name = "KEY", default_value = "country")]
    segment: String,
    /// Property to break events down by
    #[arg(long, value_name = "KEY", default_value = "category")]
    property: String,
    /// Time zone of days and buckets, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Count subjects of more than one variant for the first one instead of leaving them out
    #[arg(long)]
    first_seen: bool,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON at full precision
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Interval, String> {
    Interval::ALL
        .into_iter()
        .find(|interval| interval.as_str() == text)
        .ok_or_else(|| "allowed are minute, hour, day, week".to_owned())
}

/// Runs `splitdeck results`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    let query = ResultsQuery {
        start: args.start,
        end: args.end,
        interval: args.interval,
        time_zone: args.time_zone,
        segment_key: args.segment,
        property_key: args.property,
        multi_variant: if args.first_seen {
            MultiVariant::FirstSeen
        } else {
            MultiVariant::Exclude
        },
    };
    args.remote.run(session, async |client| {
        let results = client.results(&args.key, &query).await?;
        if args.json {
            print_json(&results)
        } else {
            print(&text(&results))
        }
    })
}

/// The results as a person reads them.
fn text(results: &Results) -> String {
    let mut sections = vec![head(results)];
    let banners = banners(results.auto_paused, Some(results));
    sections.extend(banners.into_iter().map(|banner| format!("{}\n", banner.text)));
    sections.push(arms(results));
    sections.push(conclusion(results));
    sections.push(exposures(results));
    let notes = notes(results);
    if !notes.is_empty() {
        sections.push(notes);
    }
    if !results.series.points.is_empty() {
        sections.push(series(results));
    }
    if !results.tracked.is_empty() {
        sections.push(tracked(results));
    }
    for (title, breakdown) in [("SEGMENT", &results.segments), ("PROPERTY", &results.properties)] {
        if !breakdown.rows.is_empty() {
            sections.push(values(results, title, breakdown));
        }
    }
    sections.join("\n")
}

fn head(results: &Results) -> String {
    let mut head = Table::pairs();
    head.pair("experiment", &results.key);
    head.pair("status", results.status.as_str());
    head.pair(
        "metric",
        &match (&results.metric, &results.secondary) {
            (None, _) => "none: set a primary metric to see conversions".to_owned(),
            (Some(metric), None) => metric.to_string(),
            (Some(metric), Some(first)) => format!("{first} → {metric}"),
        },
    );
    head.pair(
        "prior",
        &format!("Beta({}, {})", results.prior.a, results.prior.b),
    );
    let day = |day: Option<Date>, open: &str| day.map_or(open.to_owned(), |day| day.to_string());
    if results.query.start.is_some() || results.query.end.is_some() {
        let (start, end) = (
            day(results.query.start, "the beginning"),
            day(results.query.end, "now"),
        );
        head.pair("days", &format!("{start} to {end}, {}", results.query.time_zone));
    }
    head.pair(
        "data as of",
        &match results.data_as_of {
            Some(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            None => "no exposures yet: attach the attribution of an assignment to your events".to_owned(),
        },
    );
    head.text()
}

fn label(arm: &ArmResult) -> String {
    if arm.is_control {
        format!("{} (control)", arm.variant)
    } else {
        arm.variant.clone()
    }
}

fn arms(results: &Results) -> String {
    let unit = match results.assignment_mode {
        AssignmentMode::Profile => "SUBJECTS",
        AssignmentMode::Session => "SESSIONS",
        AssignmentMode::Event => "EVENTS",
    };
    let mut columns = vec![("VARIANT", Align::Left), (unit, Align::Right)];
    if results.secondary.is_some() {
        columns.push(("STARTED", Align::Right));
    }
    if results.metric.is_some() {
        columns.extend(
            [
                "CONVERTED",
                "RATE",
                "95 % INTERVAL",
                "P(BEST)",
                "LOSS",
                "UPLIFT",
                "95 % INTERVAL",
                "ALWAYS VALID DIFFERENCE",
            ]
            .map(|name| (name, Align::Right)),
        );
    }
    let control_has_subjects = results.arms.iter().any(|arm| arm.is_control && arm.n > 0);
    let mut table = Table::new(&columns);
    for arm in &results.arms {
        let mut cells = vec![label(arm), group(arm.subjects)];
        cells.extend(arm.starters.map(group));
        if results.metric.is_some() {
            cells.push(group(arm.conversions));
            cells.extend(inferred(arm, control_has_subjects));
        }
        table.row(cells);
    }
    table.text()
}

/// The cells of what is inferred; a dash where there is nothing to say.
fn inferred(arm: &ArmResult, control_has_subjects: bool) -> [String; 7] {
    let dash = || "–".to_owned();
    let percent = |fraction: f64| format!("{:.2} %", 100.0 * fraction);
    let range = |low: f64, high: f64| format!("{:.2} – {:.2} %", 100.0 * low, 100.0 * high);
    // Differences of rates, beside changes relative to a rate.
    let points = |low: f64, high: f64| format!("{:+.2} – {:+.2} points", 100.0 * low, 100.0 * high);
    let of = |cell: Option<String>| cell.unwrap_or_else(dash);
    // Without subjects there is nothing but the prior, which is no result.
    let posterior = arm.posterior.filter(|_| arm.n > 0);
    let uplift = posterior.and_then(|p| p.uplift).filter(|_| control_has_subjects);
    [
        of(arm.rate.map(percent)),
        of(posterior.map(|p| range(p.ci_low, p.ci_high))),
        of(posterior.map(|p| prob_best(p.prob_best))),
        of(posterior.map(|p| format!("{:.4} points", 100.0 * p.expected_loss))),
        of(uplift.map(|u| format!("{:+.1} %", 100.0 * u.median))),
        of(uplift.map(|u| format!("{:+.1} – {:+.1} %", 100.0 * u.low, 100.0 * u.high))),
        of(posterior
            .and_then(|p| p.always_valid)
            .map(|i| points(i.low, i.high))),
    ]
}

fn conclusion(results: &Results) -> String {
    let mut lines = Table::pairs();
    if results.metric.is_some() {
        lines.pair("winner", &results.winner);
        if results.winner != INCONCLUSIVE {
            lines.row([
                "",
                "P(best) is not a stopping rule: who looks often enough sees a winner by chance. The always valid \
                 difference holds at every look.",
            ]);
        }
    }
    let srm = &results.srm;
    let words = match (&srm.test, &srm.why_not) {
        (Some(test), _) => format!(
            "{} (chi-square {:.2}, df {}), always valid {} (E {})",
            p_tight(test.p),
            test.chi_square,
            test.df,
            p_tight(test.always_valid_p),
            evidence(test.e_value)
        ),
        (None, why) => format!("not tested: {}", why.as_deref().unwrap_or("no reason is given")),
    };
    lines.pair("split", &words);
    for leak in &srm.leaks {
        lines.row([
            "",
            &format!(
                "{} in {}, which has no share of the traffic",
                group(leak.subjects),
                leak.variant
            ),
        ]);
    }
    lines.text()
}

/// An E-value: it runs from nearly 0 to beyond all measure.
fn evidence(e: f64) -> String {
    if (0.01..1e6).contains(&e) {
        format!("{e:.2}")
    } else {
        format!("{e:.1e}")
    }
}

fn exposures(results: &Results) -> String {
    let distribution = evidence::distribution(results);
    let expected = match distribution.is_as_configured {
        true => "CONFIGURED",
        false => "EXPECTED",
    };
    let mut table = Table::new(&[
        ("EXPOSURES", Align::Left),
        (expected, Align::Right),
        ("OBSERVED", Align::Right),
        ("EVENTS", Align::Right),
        ("PROFILES", Align::Right),
        ("SESSIONS", Align::Right),
        ("DEVICES", Align::Right),
    ]);
    for (arm, (share, observed)) in results.arms.iter().zip(distribution.arms) {
        table.row([
            label(arm),
            format!("{share:.2} %"),
            observed.map_or("–".to_owned(), |pct| format!("{pct:.2} %")),
            group(arm.exposures.events),
            group(arm.exposures.profiles),
            group(arm.exposures.sessions),
            group(arm.exposures.devices),
        ]);
    }
    table.text()
}

/// Who is not, or not simply, in the arms.
fn notes(results: &Results) -> String {
    let mut notes = String::new();
    let mut note = |many: u64, one: &str, several: &str| match many {
        0 => {}
        1 => notes.push_str(&format!("1 subject {one}\n")),
        _ => notes.push_str(&format!("{} subjects {several}\n", group(many))),
    };
    let many = results.multi_variant_subjects;
    match results.query.multi_variant {
        MultiVariant::Exclude => note(
            many,
            "saw two variants or more and is left out",
            "saw two variants or more and are left out",
        ),
        MultiVariant::FirstSeen => note(
            many,
            "saw two variants or more and is counted for the first",
            "saw two variants or more and are counted for the first",
        ),
    }
    note(
        results.forced_subjects,
        "was forced into its variant by an override or a rule; the split is tested without it",
        "were forced into their variant by an override or a rule; the split is tested without them",
    );
    let outside = "took no part: unallocated, or while the experiment was not active";
    note(results.outside_subjects, outside, outside);
    for unknown in &results.unknown_variants {
        let name = plain(&unknown.variant);
        let saw = format!("saw {name}, which is no variant of this experiment");
        note(unknown.subjects, &saw, &saw);
    }
    notes
}

/// A column for each arm behind the first.
fn per_arm<'a>(results: &'a Results, first: &'a str) -> Vec<(&'a str, Align)> {
    let arms = results
        .arms
        .iter()
        .map(|arm| (arm.variant.as_str(), Align::Right));
    std::iter::once((first, Align::Left)).chain(arms).collect()
}

fn series(results: &Results) -> String {
    let Series { interval, points } = &results.series;
    let title = format!("EVENTS PER {}", interval.as_str().to_uppercase());
    let mut table = Table::new(&per_arm(results, &title));
    let zone = jiff::tz::TimeZone::get(&results.query.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    // A client whose clock is ahead dates its events after now.
    let begun = points.partition_point(|point| point.at <= results.computed_at);
    let (points, ahead) = points.split_at(begun);
    let ahead: u64 = ahead.iter().flat_map(|point| &point.counts).sum();
    let earlier = points.len().saturating_sub(MOST_ROWS);
    for point in &points[earlier..] {
        let at = point.at.to_zoned(zone.clone());
        let at = match interval {
            Interval::Minute | Interval::Hour => at.strftime("%Y-%m-%d %H:%M"),
            Interval::Day | Interval::Week => at.strftime("%Y-%m-%d"),
        };
        let counts = point.counts.iter().copied().map(group);
        table.row(std::iter::once(at.to_string()).chain(counts));
    }
    let mut text = table.text();
    if earlier > 0 {
        text.push_str(&format!("{} earlier; --json has all\n", group(earlier as u64)));
    }
    if ahead > 0 {
        let events = if ahead == 1 { "event is" } else { "events are" };
        text.push_str(&format!(
            "{} {events} dated after now, by clocks that are ahead; --json has all\n",
            group(ahead)
        ));
    }
    if results.query.interval.is_some_and(|asked| asked != *interval) {
        text.push_str(&format!(
            "by the {} because what was asked for would be too many buckets\n",
            interval.as_str()
        ));
    }
    text
}

fn tracked(results: &Results) -> String {
    let mut table = Table::new(&per_arm(results, "TRACKED, EVENTS / SUBJECTS"));
    for tracked in &results.tracked {
        table.row(
            std::iter::once(tracked.metric.to_string()).chain(pairs(&tracked.events, &tracked.subjects)),
        );
    }
    table.text()
}

fn pairs<'a>(events: &'a [u64], subjects: &'a [u64]) -> impl Iterator<Item = String> + 'a {
    events
        .iter()
        .zip(subjects)
        .map(|(events, subjects)| format!("{} / {}", group(*events), group(*subjects)))
}

fn values(results: &Results, title: &str, breakdown: &Breakdown) -> String {
    let title = format!("{title} {}, EVENTS / SUBJECTS", breakdown.key);
    let mut table = Table::new(&per_arm(results, &title));
    for row in breakdown.rows.iter().take(MOST_ROWS) {
        let value = match row.value.as_deref() {
            None => "(missing)",
            Some("") => "(empty)",
            Some(value) => value,
        };
        table.row(std::iter::once(value.to_owned()).chain(pairs(&row.events, &row.subjects)));
    }
    let more = breakdown.rows.len().saturating_sub(MOST_ROWS) as u64 + breakdown.more;
    let mut text = table.text();
    if more > 0 {
        text.push_str(&format!("{} more values\n", group(more)));
    }
    if results.multi_variant_subjects > 0 {
        let counted = match results.query.multi_variant {
            MultiVariant::Exclude => "In EVENTS, not in SUBJECTS",
            MultiVariant::FirstSeen => "In EVENTS of each of their variants, in SUBJECTS of the first",
        };
        let who = group(results.multi_variant_subjects);
        text.push_str(&format!("{counted}: {who} of several variants\n"));
    }
    text
}
