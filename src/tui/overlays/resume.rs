//! The evidence about a split, by itself and before an automatic pause is lifted: on one screen what was seen, since
//! when, what was changed before, and how it stands now.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::history;
use crate::api::results::{Results, Srm, SrmWatch};
use crate::cockpit::evidence::{changes_before, crossed_at, shares};
use crate::cockpit::format;
use crate::cockpit::state::State;
use crate::cockpit::state::overlay::{StepDialog, TestNow};
use crate::cockpit::times::Times;
use crate::cockpit::update::age;
use crate::domain::{AuditEntry, Experiment};
use crate::tui::glyphs::{Glyphs, arm_slots};
use crate::tui::page::{Page, Span};
use crate::tui::widgets::pen::{columns, fit_middle};

/// Columns of the labels.
const LABEL: usize = 11;
/// Columns of a full bar, at most and at least.
const LONGEST_BAR: usize = 20;
const SHORTEST_BAR: usize = 6;
/// Columns of a variant's key, at least, where it has as many.
const LEAST_KEY: u16 = 14;
/// How many changes before the mismatch are shown.
const CHANGES: usize = 3;

/// How much is said.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Length {
    /// All of it.
    Whole,
    /// What the decision hangs on, in one line each: for a screen that would not show the whole at once.
    Short,
}

/// What the evidence is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'e> {
    /// The experiment, as it is decided upon or looked at.
    pub experiment: &'e Experiment,
    /// Whether it is looked at to lift an automatic pause.
    pub resumes: bool,
}

/// `auto-paused 2026-11-18 02:00:00, 2 d 3 h ago`
pub fn paused_text(dialog: &StepDialog, times: Times, now: Timestamp) -> String {
    match dialog.experiment.status_changed_at {
        Some(at) => match times {
            Times::Ages => format!("auto-paused {}, {}", moment(at), times.ago(at, now)),
            Times::Dates => format!("auto-paused {} UTC", moment(at)),
        },
        None => "auto-paused".to_owned(),
    }
}

/// Writes the evidence.
pub fn evidence(
    page: &mut Page<'_>,
    state: &State,
    about: About<'_>,
    (test, length): (TestNow, Length),
    now: Timestamp,
) {
    let theme = page.theme;
    let short = length == Length::Short;
    let experiment = about.experiment;
    newest(page, state, experiment, length);
    let detail = state.open.as_deref();
    // Never those of a filter: what is decided upon is all of it.
    let results = detail.and_then(|d| d.decisive());
    let from = experiment.srm_checked_from;
    let crossed = results.and_then(|results| crossed_at(experiment, results, from));
    let tested = detail.and_then(|d| d.tested());
    let failure = detail.and_then(|d| d.guarded.failure.as_ref().or(d.results.failure.as_ref()));
    match (results, tested, failure) {
        (Some(results), Some(srm), _) => {
            split(page, experiment, results, srm);
            test_line(page, srm, crossed, length);
        }
        (_, _, Some(failure)) => line(page, "Split", &failure.message, theme.warn),
        _ => line(page, "Split", "Asking ClickHouse for the numbers …", theme.dim),
    }
    // Where nothing went wrong there is nothing before it.
    let sound = !about.resumes && test == TestNow::Passes && crossed.is_none();
    if !sound {
        changes(page, state, experiment, (crossed, length), now);
    }
    let (text, style) = match (test, about.resumes) {
        (TestNow::Passes, true) => ("the test passes now", theme.ok),
        (TestNow::Passes, false) => ("no mismatch: the test passes", theme.ok),
        (TestNow::Fails, true) => ("still failing", theme.danger),
        (TestNow::Fails, false) => ("the split is off: the test fails", theme.danger),
        (TestNow::Unknown, _) => ("cannot be told: there are no results to test", theme.warn),
        (TestNow::Pending, _) => ("being tested …", theme.dim),
    };
    let until = results.and_then(|results| results.data_as_of);
    let until = until.map_or_else(String::new, |at| format!(", of events until {}", moment(at)));
    let stale = age::evidence(state).filter(|age| age::is_stale(state, age, now));
    match stale {
        None => line(page, "Now", &format!("{text}{until}"), style),
        Some(_) => line(page, "Now", &format!("stale: {text}{until}"), theme.warn),
    }
    if sound {
        return;
    }
    let bias = match (crossed, from) {
        (Some(at), _) if short => format!("stays in the data from {}", moment(at)),
        // What failed before it was resumed knowingly was never taken out.
        (Some(at), Some(from)) => format!(
            "stays in the data from {}, and so does what failed before it was resumed {}",
            moment(at),
            moment(from)
        ),
        (Some(at), None) => format!(
            "stays in the data from {}; results before that are unaffected",
            moment(at)
        ),
        (None, _) => "stays in the data from when the split went wrong".to_owned(),
    };
    line(page, "Bias", &bias, theme.text);
    if let Some(watch) = tested.and_then(|srm| srm.watch).filter(|_| !short) {
        line(page, "Guard", &looks(&watch, theme.times, now), theme.text);
    }
    // What is known to be wrong does not pause it again the next night.
    match (from, test) {
        (Some(from), _) if !about.resumes => {
            let text = format!("only subjects first seen since {}", moment(from));
            line(page, "Tested", &text, theme.text);
        }
        (None, _) if !about.resumes => {}
        (Some(from), _) if short => {
            let text = format!("since {}; the override moves that to now", moment(from));
            line(page, "Tested", &text, theme.text);
        }
        (Some(from), _) => {
            let text = format!(
                "all of this is of subjects first seen since {}; the override moves that to now",
                moment(from)
            );
            line(page, "Tested", &text, theme.text);
        }
        (None, TestNow::Fails | TestNow::Unknown) => {
            let text = "after the override, only subjects first seen from then on";
            line(page, "Tested", text, theme.text);
        }
        (None, TestNow::Passes | TestNow::Pending) => {}
    }
}

/// `looked 42 times since 2026-11-17 14:00, the last time 2 h ago`
fn looks(watch: &SrmWatch, times: Times, now: Timestamp) -> String {
    format!(
        "looked {} since {}, last {}",
        format::counted(watch.looks, "time", "times"),
        moment(watch.first_look_at),
        times.ago(watch.last_look_at, now)
    )
}

fn split(page: &mut Page<'_>, experiment: &Experiment, results: &Results, srm: &Srm) {
    let theme = page.theme;
    let glyphs = theme.glyphs;
    let slots = arm_slots(experiment.variants.iter().map(|v| v.is_control));
    let key = results
        .arms
        .iter()
        .map(|arm| columns(&arm.variant))
        .max()
        .unwrap_or(0);
    // Both bars, their words and numbers beside the name; a bar of a few cells says nothing. The numbers stand whatever
    // the name is: it gives way to them, and where there is room it is whole.
    let beside = |key: u16| usize::from(key) + LABEL + 41;
    let room = usize::from(page.width()).saturating_sub(beside(0) + 2 * SHORTEST_BAR);
    let key = key
        .min(u16::try_from(room).unwrap_or(u16::MAX))
        .max(LEAST_KEY.min(key));
    let fixed = beside(key);
    let bars = (usize::from(page.width()).saturating_sub(fixed) / 2).min(LONGEST_BAR);
    let bars = if bars < SHORTEST_BAR { 0 } else { bars };
    let narrow = usize::from(page.width()) < fixed;
    for (at, (arm, (configured, observed))) in results.arms.iter().zip(shares(results, srm)).enumerate() {
        let label = if at == 0 { "Split" } else { "" };
        let slot = slots.get(at).copied().unwrap_or(at);
        let variant = fit_middle(&arm.variant, key, glyphs);
        let blanks = usize::from(key.saturating_sub(columns(&variant)));
        let name = format!("{} {variant}{}  ", glyphs.arm(slot), " ".repeat(blanks));
        let mut spans: Vec<Span> = vec![(format!("{label:<LABEL$}"), theme.dim), (name, theme.arm(slot))];
        let (configured_text, observed_text) =
            (format::share(configured * 100.0), format::share(observed * 100.0));
        if narrow {
            spans.push((configured_text, theme.configured));
            spans.push((format!(" {} ", glyphs.arrow()), theme.dim));
            spans.push((format!("{observed_text} %"), theme.observed));
        } else {
            let mut add = |word: &str, share: f64, text: &str, style| {
                spans.push((format!("{word} "), theme.dim));
                spans.push((bar(glyphs, share, bars), style));
                spans.push((format!(" {text:>5}"), theme.text));
            };
            add("configured", configured, &configured_text, theme.configured);
            add("   observed", observed, &observed_text, theme.observed);
        }
        page.line(spans);
    }
}

/// What was changed since the dialog opened: what is decided upon is not that any more.
fn newest(page: &mut Page<'_>, state: &State, experiment: &Experiment, length: Length) {
    let theme = page.theme;
    let seen = experiment.resource_version;
    let open = state.open.as_deref().filter(|d| d.id() == Some(experiment.id));
    let entries = open.and_then(|detail| detail.history.entries.value.as_deref());
    let newer: Vec<&AuditEntry> = entries
        .unwrap_or_default()
        .iter()
        .filter(|entry| entry.resource_version > seen)
        .collect();
    let shown = if length == Length::Short { 1 } else { CHANGES };
    for (at, entry) in newer.iter().take(shown).enumerate() {
        let label = if at == 0 { "Changed" } else { "" };
        let more = match newer.len() - shown.min(newer.len()) {
            n if n > 0 && at + 1 == shown => format!(", and {n} before"),
            _ => String::new(),
        };
        line(page, label, &(entry_text(entry) + &more), theme.warn);
    }
    let live = state.list.experiment(experiment.id);
    let known = newer
        .iter()
        .map(|entry| entry.resource_version)
        .max()
        .unwrap_or(seen);
    if let Some(live) = live.filter(|live| live.resource_version > known) {
        let text = format!(
            "v{seen} {} v{}, now {}",
            theme.glyphs.arrow(),
            live.resource_version,
            live.status
        );
        line(page, "Changed", &text, theme.warn);
    }
}

/// `2026-11-17 01:42 changed rules (by deploy-bot, v16)`
fn entry_text(entry: &AuditEntry) -> String {
    format!(
        "{} {} (by {}, v{})",
        moment(entry.at),
        history::what(entry),
        entry.actor,
        entry.resource_version
    )
}

fn test_line(page: &mut Page<'_>, srm: &Srm, crossed: Option<Timestamp>, length: Length) {
    let theme = page.theme;
    let text = match &srm.test {
        Some(test) => {
            let mut text = format!(
                "chi-square {} · always valid {}",
                format::p_text(test.p),
                format::p_text(test.always_valid_p)
            );
            // Where little is said, the bias begins at the same moment.
            if let Some(at) = crossed.filter(|_| length == Length::Whole) {
                text.push_str(&format!(" · first crossed {} (by exposures)", moment(at)));
            }
            text
        }
        None => srm.why_not.clone().unwrap_or_else(|| "cannot be made".to_owned()),
    };
    line(page, "Test", &text, theme.text);
}

/// What was changed before it went wrong: the newest entries before that moment, and in any case before the pause that
/// followed.
fn changes(
    page: &mut Page<'_>,
    state: &State,
    experiment: &Experiment,
    (crossed, length): (Option<Timestamp>, Length),
    now: Timestamp,
) {
    let theme = page.theme;
    let history = state.open.as_deref().map(|d| &d.history.entries);
    let Some(entries) = history.and_then(|h| h.value.as_ref()) else {
        match history.and_then(|h| h.failure.as_ref()) {
            Some(failure) => line(page, "Before it", &failure.message, theme.warn),
            None => line(page, "Before it", "Asking for the history …", theme.dim),
        }
        return;
    };
    let results = state.open.as_deref().and_then(|d| d.decisive());
    let before: Vec<String> = changes_before(experiment, entries, results, crossed, now)
        .take(if length == Length::Short { 1 } else { CHANGES })
        .map(entry_text)
        .collect();
    if before.is_empty() {
        line(page, "Before it", "nothing was changed", theme.dim);
    }
    for (at, text) in before.iter().enumerate() {
        let label = if at == 0 { "Before it" } else { "" };
        line(page, label, text, theme.text);
    }
}

fn line(page: &mut Page<'_>, label: &str, text: &str, style: ratatui::style::Style) {
    let label = (format!("{label:<LABEL$}"), page.theme.dim);
    page.hanging(&[label], text, style);
}

fn bar(glyphs: Glyphs, share: f64, columns: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a bar of a few columns"
    )]
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    (0..columns)
        .map(|column| glyphs.across(eighths.saturating_sub(column * 8).min(8)))
        .collect()
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}
