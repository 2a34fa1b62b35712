//! The framed panels: posterior densities, distribution, exposures over time, flow.

use jiff::Timestamp;
use ratatui::style::Style;

use super::View;
use super::results::metrics;
use crate::api::results::{self, Interval, SeriesPoint};
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::analytics::Panel;
use crate::cockpit::{evidence, format};
use crate::stats::posterior::{Arm, Posterior, plot_range};
use crate::tui::widgets::Pen;
use crate::tui::widgets::bars::{Bar, Bars};
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::frame::Frame;
use crate::tui::widgets::pen::{columns, fit_middle};
use crate::tui::widgets::posterior::{Curve, Posteriors, steady};
use crate::tui::widgets::series::{Line, Series};

/// What is missing where there are no exposures, and what to do about it.
pub fn no_exposures_text(view: &View<'_>) -> (&'static str, String) {
    let query = &view.page.analytics.query;
    if query.start.is_some() || query.end.is_some() {
        let others = (Context::Analytics, Command::FilterResults, "chooses others");
        let hint = view.page.keymap.sentence("", &[others]);
        return ("No exposures on these days.", hint);
    }
    let how = (Context::Experiment, Command::Attach, "shows how");
    let hint = "Attach the attribution to your events";
    let hint = format!("{}.", view.page.keymap.after(hint, ": ", &[how]));
    ("No exposures yet.", hint)
}

/// Says that nothing has come in.
fn draw_no_exposures(view: &View<'_>, pen: &mut Pen<'_>) {
    let (text, hint) = no_exposures_text(view);
    empty(pen, text, &hint);
}

/// Whether nothing has come in at all.
pub fn no_exposures(view: &View<'_>) -> bool {
    view.results
        .arms
        .iter()
        .all(|arm| arm.subjects == 0 && arm.exposures.events == 0)
}

pub fn posterior(view: &View<'_>, pen: &mut Pen<'_>) {
    let results = view.results;
    let frame = Frame {
        title: "posterior",
        right: "rate, %",
        focused: view.focused(Panel::Posterior),
    };
    let mut inside = frame.draw(pen);
    if results.metric.is_none() {
        draw_no_metric(view, &mut inside, "to see which arm converts better");
        return;
    }
    let counts: Vec<Arm> = results
        .arms
        .iter()
        .map(|arm| Arm {
            conversions: arm.conversions.min(arm.n),
            n: arm.n,
        })
        .collect();
    if counts.iter().all(|arm| arm.n == 0) {
        draw_no_exposures(view, &mut inside);
        return;
    }
    let curves = results
        .arms
        .iter()
        .zip(&counts)
        .enumerate()
        .filter_map(|(index, (arm, counts))| {
            let inferred = arm.posterior?;
            Some(Curve {
                mark: view.mark(index),
                name: &arm.variant,
                posterior: Posterior::new(*counts, results.prior).ok()?,
                interval: (inferred.ci_low, inferred.ci_high),
            })
        });
    let curves: Vec<Curve<'_>> = curves.collect();
    match plot_range(&counts, results.prior) {
        Ok(range) if !curves.is_empty() => {
            let range = steady(range);
            let posteriors = Posteriors { curves, range };
            posteriors.draw(&mut inside);
            let ticks = posteriors.ticks(inside.width());
            Frame::ticks(pen, &ticks);
        }
        Ok(_) => {
            empty(&mut inside, "No posterior.", "The counts cannot be compared.");
        }
        Err(error) => {
            empty(&mut inside, "No posterior.", &error.to_string());
        }
    }
}

/// With `all`, also the counts that the sample ratio test compares.
pub fn distribution(view: &View<'_>, pen: &mut Pen<'_>, all: bool) {
    let theme = view.theme;
    let results = view.results;
    let frame = Frame {
        title: "distribution",
        right: if all {
            "% of subjects, points, subjects in the test"
        } else {
            "% of subjects, points"
        },
        focused: view.focused(Panel::Distribution),
    };
    let mut inside = frame.draw(pen);
    if no_exposures(view) {
        draw_no_exposures(view, &mut inside);
        return;
    }
    let mut bars = Bars {
        bars: Vec::new(),
        max: 0.0,
        number_min: if all { vec![5, 5, 11] } else { vec![5, 5] },
    };
    let tested = |text: Option<String>| text.filter(|_| all).map(|text| (text, theme.dim));
    let distribution = evidence::distribution(results);
    let label = match distribution.is_as_configured {
        true => "configured",
        false => "expected",
    };
    for (index, arm) in results.arms.iter().enumerate() {
        let expected = results.srm.expected.get(index).map(|n| format::rounded(*n));
        let seen = results.srm.observed.get(index).map(|n| format::count(*n));
        let (share, seen_share) = distribution.arms.get(index).copied().unwrap_or_default();
        bars.max = bars.max.max(share).max(seen_share.unwrap_or(0.0));
        bars.bars.push(Bar {
            mark: Some(view.mark(index)),
            group: arm.variant.clone(),
            label: label.to_owned(),
            value: share,
            style: theme.configured,
            numbers: [(format::share(share), theme.text)]
                .into_iter()
                .chain(all.then(|| (String::new(), theme.dim)))
                .chain(tested(expected))
                .collect(),
        });
        let none = || (theme.glyphs.none().to_owned(), theme.dim);
        let observed = seen_share.map_or_else(none, |pct| (format::share(pct), theme.text));
        let delta = seen_share.map_or_else(none, |pct| (format::share_delta(pct - share), theme.dim));
        bars.bars.push(Bar {
            mark: None,
            group: String::new(),
            label: "observed".to_owned(),
            value: seen_share.unwrap_or(0.0),
            style: theme.observed,
            numbers: [observed, delta].into_iter().chain(tested(seen)).collect(),
        });
    }
    bars.draw(&mut inside);
}

pub fn flow(view: &View<'_>, pen: &mut Pen<'_>) {
    let theme = view.theme;
    let results = view.results;
    let right = results
        .metric
        .as_ref()
        .map(|metric| metrics(view, metric))
        .unwrap_or_default();
    let frame = Frame {
        title: "flow",
        right: &right,
        focused: view.focused(Panel::Flow),
    };
    let mut inside = frame.draw(pen);
    if results.metric.is_none() {
        draw_no_metric(view, &mut inside, "to see how many of the exposed convert");
        return;
    }
    if no_exposures(view) {
        draw_no_exposures(view, &mut inside);
        return;
    }
    let mut bars = Bars {
        bars: Vec::new(),
        max: 0.0,
        number_min: vec![9, 8],
    };
    for (index, arm) in results.arms.iter().enumerate() {
        let mark = view.mark(index);
        let mut step = |mark, label: &str, count: u64, share: Option<f64>| {
            bars.max = bars.max.max(count as f64);
            let mut numbers = vec![(format::count(count), theme.text)];
            numbers.extend(share.map(|share| (format::rate(share), theme.dim)));
            bars.bars.push(Bar {
                mark,
                group: String::new(),
                label: label.to_owned(),
                value: count as f64,
                style: view.mark(index).1,
                numbers,
            });
        };
        step(Some(mark), "exposed", arm.subjects, None);
        if let Some(starters) = arm.starters {
            let share = (arm.subjects > 0).then(|| starters as f64 / arm.subjects as f64);
            step(None, "started", starters, share);
        }
        step(None, "converted", arm.conversions, arm.rate);
    }
    bars.draw(&mut inside);
}

/// Bars of the flow: two or three for each arm.
pub fn flow_rows(view: &View<'_>) -> u16 {
    let steps = if view.results.arms.iter().any(|arm| arm.starters.is_some()) {
        3
    } else {
        2
    };
    view.arms().saturating_mul(steps)
}

pub fn series(view: &View<'_>, pen: &mut Pen<'_>, zoomed: bool) {
    let results = view.results;
    let interval = results.series.interval;
    let title = format!("exposures per {}", interval.as_str());
    let zone = results.query.time_zone.as_str();
    let all = &results.series.points;
    let points = whole(&results.series, results.computed_at);
    let right = if points.len() < all.len() {
        format!("full {}s, {zone}", interval.as_str())
    } else {
        zone.to_owned()
    };
    let frame = Frame {
        title: &title,
        right: &right,
        focused: view.focused(Panel::Series),
    };
    let mut inside = frame.draw(pen);
    let Some(last) = points.last() else {
        draw_no_exposures(view, &mut inside);
        return;
    };
    let series = Series {
        lines: (0..results.arms.len())
            .map(|arm| Line {
                mark: view.mark(arm),
                values: points
                    .iter()
                    .map(|point| point.counts.get(arm).copied().unwrap_or(0))
                    .collect(),
            })
            .collect(),
    };
    // Which line is whose, in words too: in the edge, or in a row of its own where there is room for it.
    let legend = u16::from(zoomed || inside.height() >= ROOM_FOR_LEGEND);
    if legend > 0 {
        let mut x = 0;
        for (text, style) in names(view, (1, 4), inside.width()).unwrap_or_default() {
            x = inside.text(x, 0, text.trim(), style) + 3;
        }
    }
    let (width, height) = (inside.width(), inside.height());
    series.draw(&mut inside.part(0, legend, width, height.saturating_sub(legend)));
    let ticks = series.ticks(inside.width(), inside.glyphs(), |index| {
        let at = points.get(index).map_or(last.at, |point| point.at);
        format::tick(at, interval, &view.zone)
    });
    Frame::ticks(pen, &ticks);
    if legend == 0 {
        legend_in_edge(view, pen, columns(&title), columns(&right));
    }
}

/// The arms of a chart in the upper edge of its frame, between its title and what stands at the right; not where
/// they would not all find room.
fn legend_in_edge(view: &View<'_>, pen: &mut Pen<'_>, title: u16, right: u16) {
    let start = title + 5;
    let room = pen.width().saturating_sub(start + right + 7);
    if pen.height() < 3 {
        return;
    }
    let mut x = start;
    for (text, style) in names(view, (0, 8), room).unwrap_or_default() {
        x = pen.text(x, 0, &text, style);
    }
}

/// Glyph and key of each arm, a blank around them, `apart` columns between two, in `room` columns: long keys are
/// shortened alike, to no less than `least` columns. None where there is no room for those.
fn names(view: &View<'_>, (apart, least): (u16, u16), room: u16) -> Option<Vec<(String, Style)>> {
    let arms = &view.results.arms;
    // The glyph, and a blank before, between and behind.
    let beside: u16 = (0..arms.len()).map(|at| columns(view.mark(at).0) + 3).sum();
    let gaps = apart * view.arms().saturating_sub(1);
    let room = room.checked_sub(beside + gaps)?;
    let wide: Vec<u16> = arms.iter().map(|arm| columns(&arm.variant)).collect();
    let used = |most: u16| {
        let each = wide.iter().map(|wide| (*wide).min(most));
        each.fold(0, u16::saturating_add)
    };
    let widest = wide.iter().copied().max()?;
    let most = (least.min(widest)..=widest)
        .rev()
        .find(|most| used(*most) <= room)?;
    let texts = arms.iter().enumerate().map(|(at, arm)| {
        let (glyph, style) = view.mark(at);
        let name = fit_middle(&arm.variant, most, view.theme.glyphs);
        (format!(" {glyph} {name} "), style)
    });
    Some(texts.collect())
}

/// Rows of a chart from which on one of them names the lines.
const ROOM_FOR_LEGEND: u16 = 8;

/// What stands where there is nothing to convert to, and why one would want it.
fn draw_no_metric(view: &View<'_>, pen: &mut Pen<'_>, why: &str) {
    let setup = (view.page.keymap).brackets(&[(Context::Experiment, Command::TabSetup)]);
    let hint = format!("Choose one in Setup{setup} {why}.");
    empty(pen, "No primary metric.", &hint);
}

/// The buckets that were over at `now`: one that was not would end every live chart in a fall. The only one stays.
pub fn whole(series: &results::Series, now: Timestamp) -> &[SeriesPoint] {
    let all = series.points.as_slice();
    match all {
        [whole @ .., last] if !whole.is_empty() && still_open(last.at, series.interval, now) => whole,
        all => all,
    }
}

/// Whether a bucket that begins at `from` was not over at `now`.
fn still_open(from: Timestamp, interval: Interval, now: Timestamp) -> bool {
    let hours = match interval {
        Interval::Minute => return now.duration_since(from).as_secs() < 60,
        Interval::Hour => 1,
        // A day of a change of the clocks is an hour longer or shorter, which only dims it an hour too
        // long or too short.
        Interval::Day => 24,
        Interval::Week => 24 * 7,
    };
    now.duration_since(from).as_hours() < hours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_is_not_over_is_left_out_unless_it_is_the_only_one() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a moment");
        let series = |starts: &[&str]| results::Series {
            interval: Interval::Minute,
            points: starts
                .iter()
                .map(|start| SeriesPoint {
                    at: at(start),
                    counts: vec![1],
                })
                .collect(),
        };
        let two = series(&["2026-11-20T05:01:00Z", "2026-11-20T05:02:00Z"]);
        assert_eq!(whole(&two, at("2026-11-20T05:02:59Z")), &two.points[..1]);
        assert_eq!(whole(&two, at("2026-11-20T05:03:00Z")), &two.points[..]);
        let one = series(&["2026-11-20T05:02:00Z"]);
        assert_eq!(whole(&one, at("2026-11-20T05:02:59Z")), &one.points[..]);
        assert_eq!(whole(&series(&[]), at("2026-11-20T05:02:59Z")), &[]);
    }
}
