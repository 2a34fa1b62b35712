//! The summary that is written by rules: the same numbers always give the same words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api;
use crate::api::banners::{group, p_text};
use crate::api::results::{ArmResult, INCONCLUSIVE, Interval, MultiVariant, Results, SeriesPoint};
use crate::domain::{AssignmentMode, Experiment, Status};

/// One paragraph of the summary.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Paragraph {
    /// What it is about.
    pub title: &'static str,
    /// Its sentences.
    pub text: String,
}

impl From<Paragraph> for api::insights::Paragraph {
    fn from(Paragraph { title, text }: Paragraph) -> Self {
        Self {
            title: title.to_owned(),
            text,
        }
    }
}

/// Writes the summary of an experiment from its results.
#[must_use]
pub fn summary(experiment: &Experiment, results: &Results, now: Timestamp) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph {
        title: "In short",
        text: in_short(experiment, results),
    }];
    let mut add = |title, text: String| {
        if !text.is_empty() {
            paragraphs.push(Paragraph { title, text });
        }
    };
    if !experiment.hypothesis.trim().is_empty() {
        add("Hypothesis", experiment.hypothesis.trim().to_owned());
    }
    add("Result", result(results));
    add("Traffic", traffic(experiment, results, now));
    add("Split", split(results));
    add("Tracked events", tracked(results));
    add("Take care", cautions(results));
    add("Next", next(experiment, results));
    paragraphs
}

fn unit(mode: AssignmentMode) -> &'static str {
    match mode {
        AssignmentMode::Profile => "subjects",
        AssignmentMode::Session => "sessions",
        AssignmentMode::Event => "events",
    }
}

fn subjects(results: &Results) -> u64 {
    results.arms.iter().map(|arm| arm.subjects).sum()
}

fn winner(results: &Results) -> Option<&ArmResult> {
    results
        .arms
        .iter()
        .find(|arm| results.winner != INCONCLUSIVE && arm.variant == results.winner)
}

/// What the floor counts: of two steps those who took the first.
fn counted(results: &Results) -> String {
    let unit = unit(results.assignment_mode);
    match results.arms.iter().any(|arm| arm.starters.is_some()) {
        true => format!("{unit} with the first of two steps"),
        false => unit.to_owned(),
    }
}

fn in_short(experiment: &Experiment, results: &Results) -> String {
    if subjects(results) == 0 {
        return match experiment.status {
            Status::Draft => {
                "This is a draft: it has not been activated, and nothing was counted.".to_owned()
            }
            _ => "No exposures yet, so there is nothing to say about the variants.".to_owned(),
        };
    }
    if experiment.is_auto_paused() {
        return "The guard paused this experiment, because the observed split differs from the configured \
                one. Do not act on the rates below before the cause is found."
            .to_owned();
    }
    if results.srm.alarm {
        return "The observed split differs from the configured one: the arms are not comparable, whatever \
                their rates say. Find the cause first."
            .to_owned();
    }
    if results.metric.is_none() {
        return "There is no primary metric: exposures are counted, conversions are not.".to_owned();
    }
    if results.power.gathering {
        return format!(
            "Too early to tell: {} {} so far, about {} more are needed to see a lift of 20 % on a baseline \
             of 5 %.",
            group(results.power.events),
            counted(results),
            group(results.power.needed)
        );
    }
    match winner(results) {
        Some(arm) => {
            let prob = arm.posterior.map_or(0.0, |p| p.prob_best);
            let lift = arm.posterior.and_then(|p| p.uplift);
            let lift = lift.map_or_else(String::new, |u| {
                format!(
                    ", its uplift over control is {} (95 % between {} and {})",
                    signed(u.median),
                    signed(u.low),
                    signed(u.high)
                )
            });
            // Rounded up to certainty it would claim too much, and the last digits of a quadrature would make it
            // change from one look to the next.
            let prob = if prob > 0.9995 {
                "over 99.9 %".to_owned()
            } else {
                percent(prob, 1)
            };
            format!("{} is the best with probability {prob}{lift}.", arm.variant)
        }
        None => "No winner: no arm is the best with a probability of 95 % or more.".to_owned(),
    }
}

fn result(results: &Results) -> String {
    let Some(metric) = &results.metric else {
        return String::new();
    };
    let sentences: Vec<String> = results
        .arms
        .iter()
        .filter_map(|arm| {
            let rate = arm.rate?;
            let interval = arm.posterior.map_or_else(String::new, |p| {
                format!(
                    " (95 % between {} and {})",
                    percent(p.ci_low, 2),
                    percent(p.ci_high, 2)
                )
            });
            Some(format!(
                "{}: {} of {} converted, {}{interval}.",
                arm.variant,
                group(arm.conversions),
                group(arm.n),
                percent(rate, 2)
            ))
        })
        .collect();
    if sentences.is_empty() {
        return String::new();
    }
    let steps = results
        .secondary
        .as_ref()
        .map_or_else(String::new, |first| format!(" after {}", first.event));
    format!("Conversion is {}{steps}. {}", metric.event, sentences.join(" "))
}

fn traffic(experiment: &Experiment, results: &Results, now: Timestamp) -> String {
    let total = subjects(results);
    if total == 0 {
        return String::new();
    }
    let mut text = format!(
        "{} {} are in the results",
        group(total),
        unit(results.assignment_mode)
    );
    if let Some(from) = experiment.activated_at {
        let minutes = now.duration_since(from).as_mins().max(0);
        let since = match minutes {
            0 => "less than a minute".to_owned(),
            1 => "1 minute".to_owned(),
            2..120 => format!("{minutes} minutes"),
            120..2_880 => format!("{} hours", minutes / 60),
            _ => format!("{} days", minutes / 1_440),
        };
        text.push_str(&format!(", {since} after it was activated"));
    }
    text.push('.');
    text.push_str(&lately(results, now));
    text
}

/// How the last full bucket of the exposures compares with those before it, or since when there is none; nothing
/// where another end was asked for than now.
fn lately(results: &Results, now: Timestamp) -> String {
    let interval = results.series.interval;
    let count = |point: &SeriesPoint| point.counts.iter().sum::<u64>();
    // A client's clock may be ahead: what has not begun yet says nothing.
    let begun = |point: &&SeriesPoint| point.at <= now;
    let points: Vec<&SeriesPoint> = results.series.points.iter().filter(begun).collect();
    let Some(newest) = points.iter().rposition(|point| count(point) > 0) else {
        return String::new();
    };
    if results.query.end.is_some() {
        return String::new();
    }
    let zone = TimeZone::get(&results.query.time_zone).unwrap_or(TimeZone::UTC);
    let at = points[newest].at;
    // Days are those of the calendar: two a year have another length.
    let days = || {
        let date = |at: Timestamp| at.to_zoned(zone.clone()).date();
        date(now)
            .since(date(at))
            .map_or(0, |span| i64::from(span.get_days()))
    };
    let begun_since = match interval {
        Interval::Minute => now.duration_since(at).as_secs() / 60,
        Interval::Hour => now.duration_since(at).as_secs() / 3_600,
        Interval::Day => days(),
        Interval::Week => days() / 7,
    };
    let silent = begun_since - 1;
    if silent >= 1 {
        let at = match interval {
            Interval::Minute | Interval::Hour => at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC"),
            Interval::Day | Interval::Week => at.to_zoned(zone).strftime("%Y-%m-%d"),
        };
        let name = interval.as_str();
        return match silent {
            1 => format!(" The last full {name} had none; the newest are of {at}."),
            _ => format!(
                " The last {} full {name}s had none; the newest are of {at}.",
                group(silent.unsigned_abs())
            ),
        };
    }
    // The newest bucket may still fill.
    let full = if begun_since >= 1 {
        Some(newest)
    } else {
        newest.checked_sub(1)
    };
    let Some(full) = full.filter(|at| *at >= 2) else {
        return String::new();
    };
    let mean = points[..full].iter().map(|point| count(point)).sum::<u64>() / full as u64;
    let last = count(points[full]);
    if mean == 0 {
        return String::new();
    }
    let word = match last.abs_diff(mean) * 100 / mean {
        0..5 => "about as many as".to_owned(),
        pct if last < mean => format!("{pct} % fewer than"),
        pct => format!("{pct} % more than"),
    };
    format!(
        " The last full {} had {} exposures, {word} the mean of those before it ({}).",
        interval.as_str(),
        group(last),
        group(mean)
    )
}

fn split(results: &Results) -> String {
    let Some(test) = &results.srm.test else {
        let why = results.srm.why_not.as_deref();
        return why.map_or_else(String::new, |why| format!("The split is not tested: {why}."));
    };
    if results.srm.alarm {
        let worst = results
            .arms
            .iter()
            .zip(results.srm.observed.iter().zip(&results.srm.expected))
            .map(|(arm, (observed, expected))| (arm, *observed as f64 - expected))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let short = worst.map_or_else(String::new, |(arm, missing)| {
            format!(
                " {} is short by about {} of what its share would give.",
                arm.variant,
                group(missing.abs().round() as u64)
            )
        });
        format!(
            "The test of the split fails ({}, always valid {}).{short}",
            p_text(test.p),
            p_text(test.always_valid_p)
        )
    } else {
        format!("The observed split fits the configured one ({}).", p_text(test.p))
    }
}

fn tracked(results: &Results) -> String {
    let control = results.arms.iter().position(|arm| arm.is_control);
    let sentences: Vec<String> = results
        .tracked
        .iter()
        .map(|tracked| {
            let total: u64 = tracked.events.iter().sum();
            if total == 0 {
                return format!("{} did not happen.", tracked.metric);
            }
            let share = |at: usize| {
                let of = results.arms.get(at)?.subjects;
                let by = *tracked.subjects.get(at)?;
                (of > 0).then(|| by as f64 / of as f64)
            };
            let parts: Vec<String> = results
                .arms
                .iter()
                .enumerate()
                .filter_map(|(at, arm)| {
                    let mine = share(at)?;
                    let versus = control
                        .filter(|c| *c != at)
                        .and_then(share)
                        .filter(|base| *base > 0.0)
                        .map_or_else(String::new, |base| format!(", {}", signed(mine / base - 1.0)));
                    Some(format!("{} {}{versus}", arm.variant, percent(mine, 2)))
                })
                .collect();
            format!(
                "{}: {} events; subjects with it: {}.",
                tracked.metric,
                group(total),
                parts.join("; ")
            )
        })
        .collect();
    sentences.join(" ")
}

fn cautions(results: &Results) -> String {
    let mut sentences = Vec::new();
    if results.multi_variant_subjects > 0 {
        sentences.push(format!(
            "{} {} saw more than one variant and are {}.",
            group(results.multi_variant_subjects),
            unit(results.assignment_mode),
            match results.query.multi_variant {
                MultiVariant::Exclude => "left out",
                MultiVariant::FirstSeen => "counted for the first",
            }
        ));
    }
    if results.forced_subjects > 0 {
        sentences.push(format!(
            "{} put into {} arm by an override or a rule, not at random.",
            if results.forced_subjects == 1 {
                "1 was".to_owned()
            } else {
                format!("{} were", group(results.forced_subjects))
            },
            if results.forced_subjects == 1 {
                "the"
            } else {
                "their"
            },
        ));
    }
    if results.outside_subjects > 0 {
        sentences.push(format!(
            "{} only saw the default variant and are in no arm.",
            group(results.outside_subjects)
        ));
    }
    for unknown in &results.unknown_variants {
        sentences.push(format!(
            "{} carry the variant \"{}\", which the experiment does not have.",
            group(unknown.subjects),
            unknown.variant
        ));
    }
    for leak in &results.srm.leaks {
        sentences.push(format!(
            "{} were seen in {}, which has no traffic.",
            group(leak.subjects),
            leak.variant
        ));
    }
    if results.metric.is_some() && subjects(results) > 0 {
        sentences.push(
            "P(best) is no stopping rule: whoever looks every night and stops at 95 % finds a winner in \
             almost half of all experiments without any difference. The always-valid interval in Analytics \
             may be looked at any time."
                .to_owned(),
        );
    }
    sentences.join(" ")
}

fn next(experiment: &Experiment, results: &Results) -> String {
    let text = match experiment.status {
        Status::Draft => "Activate it when the code asks for the variant and attaches the attribution.",
        _ if experiment.is_auto_paused() => {
            "Find what skews the split (which arm is short, what changed just before), mend it, then resume \
             with a reason."
        }
        Status::Active | Status::Paused if results.srm.alarm => {
            "Pause it, and look which arm is short and what changed just before the split went wrong."
        }
        Status::Active if subjects(results) == 0 => {
            "Check that the code asks for a variant and attaches the attribution to its events."
        }
        Status::Active if results.metric.is_none() => "Choose a primary metric.",
        Status::Active if results.power.gathering => "Wait: there is too little data.",
        Status::Active => match winner(results) {
            Some(arm) if arm.is_control => "Nothing beats the control: complete it, or try something bolder.",
            Some(_) => {
                "Look at the always-valid interval and the segments; if they agree, complete it with the winner."
            }
            None => "Keep it running to the planned sample, then decide.",
        },
        Status::Paused => "Resume or complete it.",
        Status::Completed | Status::Ended | Status::Archived => "Nothing: it is over.",
    };
    text.to_owned()
}

fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$} %", share * 100.0)
}

fn signed(relative: f64) -> String {
    let percent = relative * 100.0;
    // Rounded to nothing it has no sign.
    let percent = if percent.abs() < 0.05 { 0.0 } else { percent };
    format!("{percent:+.1} %").replace("+0.0", "0.0")
}
