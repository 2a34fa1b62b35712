//! Insights: the results in words, as they were saved with the experiment.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::insights::Insight;
use crate::api::results::MultiVariant;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::experiment::is_whole;
use crate::cockpit::state::{ExperimentDetail, Laid};
use crate::cockpit::times::Times;
use crate::domain::Experiment;
use crate::tui::page::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::{empty, retried};

/// Longer lines are hard to read.
const MEASURE: u16 = 96;

/// Draws the tab.
pub fn draw(
    pen: &mut Pen<'_>,
    (experiment, detail): (&Experiment, &ExperimentDetail),
    keymap: &Keymap,
    now: Timestamp,
) -> Laid {
    let theme = pen.theme;
    let (width, height) = (pen.width(), pen.height());
    let saved = match &detail.insight.value {
        Some(Some(insight)) => Some(insight),
        _ => None,
    };
    if detail.results.value.is_none() && saved.is_none() {
        let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
        match &detail.results.failure {
            Some(failure) => {
                empty(
                    &mut inside,
                    &format!("Cannot load the results: {}", failure.message),
                    &retried(keymap, failure),
                );
            }
            None => {
                inside.text(0, 0, &theme.glyphs.text("Asking for the results …"), theme.dim);
            }
        }
        return Laid::default();
    }
    let mut page = Page::new(theme, width.min(MEASURE));
    match saved {
        Some(insight) => of_saved(&mut page, keymap, (experiment, detail), insight, now),
        None => of_now(&mut page, keymap, (experiment, detail), now),
    }
    page.draw(pen, detail.row())
}

/// When it was written; a date is always told, and how long ago that is unless dates alone are wanted.
fn of(at: Timestamp, times: Times, now: Timestamp) -> String {
    let date = format!("of {} UTC", format::moment(at, &TimeZone::UTC));
    match times {
        Times::Ages => format!("{date}, {}", times.ago_steady(at, now)),
        Times::Dates => date,
    }
}

fn of_saved(
    page: &mut Page<'_>,
    keymap: &Keymap,
    (experiment, detail): (&Experiment, &ExperimentDetail),
    insight: &Insight,
    now: Timestamp,
) {
    let theme = page.theme;
    let age = format!(
        "{}, saved by {}",
        of(insight.generated_at, theme.times, now),
        insight.actor
    );
    page.heading("Summary", &age);
    let not_live = "Written by rules from the numbers, not by a language model. It does not follow the data";
    let anew = (Context::Insights, Command::Regenerate, "writes it anew");
    page.text(&format!("{}.", keymap.after(not_live, ": ", &[anew])), theme.dim);
    let changed = changes(experiment, detail, insight);
    match unknown(detail) {
        Some(why) => page.text(&why, theme.warn),
        None if changed.is_empty() => page.text("Nothing has changed since.", theme.ok),
        None => {}
    }
    for line in changed {
        page.text(&line, theme.stale);
    }
    for paragraph in &insight.paragraphs {
        page.heading(&paragraph.title, "");
        page.text(&paragraph.text, theme.text);
    }
}

/// Why it is not known whether the data changed since it was saved; none when it is.
fn unknown(detail: &ExperimentDetail) -> Option<String> {
    if detail.decisive().is_some() {
        return None;
    }
    let why = match (&detail.results_of, &detail.results.failure) {
        (_, Some(failure)) => format!("the results cannot be loaded: {}", failure.message),
        (Some((query, _)), None) if !is_whole(query) => {
            let days = query.start.is_some() || query.end.is_some();
            let counted = query.multi_variant != MultiVariant::default();
            let which = match (days, counted) {
                (true, false) => "only some days are shown",
                (false, _) => "subjects in more than one variant are counted another way",
                (true, true) => {
                    "only some days are shown, and subjects in more than one variant are counted another way"
                }
            };
            format!("{which}, by the filters of the Analytics tab.")
        }
        (Some(_), None) => "the results of the newest configuration are not there yet.".to_owned(),
        (None, None) => "there are no results yet.".to_owned(),
    };
    Some(format!("Whether the data changed since is not known: {why}"))
}

/// What is known to have changed since it was saved: the configuration, and the data.
fn changes(experiment: &Experiment, detail: &ExperimentDetail, insight: &Insight) -> Vec<String> {
    let mut lines = Vec::new();
    if !insight.changed_since.is_empty() {
        lines.push(format!(
            "Since then the configuration changed (v{} to v{}): {}.",
            insight.resource_version,
            experiment.resource_version,
            insight.changed_since.join(", ")
        ));
    } else if experiment.resource_version > insight.resource_version {
        lines.push(format!(
            "Since then the configuration changed (v{} to v{}).",
            insight.resource_version, experiment.resource_version
        ));
    }
    if let Some(results) = detail.decisive() {
        let subjects: u64 = results.arms.iter().map(|arm| arm.subjects).sum();
        let conversions: u64 = results.arms.iter().map(|arm| arm.conversions).sum();
        let more = |then: u64, is: u64, one: &str, many: &str| {
            let (word, n) = match is.cmp(&then) {
                std::cmp::Ordering::Greater => ("more", is - then),
                std::cmp::Ordering::Less => ("fewer", then - is),
                std::cmp::Ordering::Equal => return None,
            };
            let noun = if n == 1 { one } else { many };
            Some(format!("{} {word} {noun}", format::count(n)))
        };
        let data: Vec<String> = [
            more(insight.subjects, subjects, "subject", "subjects"),
            more(insight.conversions, conversions, "conversion", "conversions"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !data.is_empty() {
            lines.push(format!("Since then the data changed: {}.", data.join(", ")));
        }
    }
    lines
}

fn of_now(
    page: &mut Page<'_>,
    keymap: &Keymap,
    (experiment, detail): (&Experiment, &ExperimentDetail),
    now: Timestamp,
) {
    let theme = page.theme;
    let Some(results) = &detail.results.value else {
        return;
    };
    let age = of(results.computed_at, theme.times, now);
    page.heading("Summary", &age);
    page.text(
        "Written by rules from the numbers of Analytics, not by a language model. It follows the data by itself.",
        theme.dim,
    );
    match (&detail.insight.value, &detail.insight.failure) {
        (None, Some(failure)) => {
            page.text(
                &format!("Whether one was saved is not known: {}", failure.message),
                theme.warn,
            );
        }
        (Some(None), _) => {
            let saves = (
                Context::Insights,
                Command::Regenerate,
                "saves one with the experiment",
            );
            let text = keymap.after("None was saved yet", ": ", &[saves]);
            page.text(&format!("{text}."), theme.dim);
        }
        _ => {}
    }
    if results.query != crate::api::results::ResultsQuery::default() {
        page.text("The filters of the Analytics tab apply.", theme.info);
    }
    let version = detail.results_of.as_ref().map(|(_, version)| *version);
    if version.is_some_and(|version| version != experiment.resource_version) {
        page.text(
            "The configuration changed since; a new summary is on its way.",
            theme.stale,
        );
    }
    for paragraph in &detail.summary {
        page.heading(paragraph.title, "");
        page.text(&paragraph.text, theme.text);
    }
}
