//! What frames every screen: two header lines, the tab bar, one line of keys.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::field;
use super::page::{Span, draw_spans, width_of};
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::pen::columns;
use crate::cockpit::keymap::{Command, Context, Does, Keymap};
use crate::cockpit::state::{Link, Screen, State, Tab};
use crate::cockpit::update::age;
use crate::cockpit::{Key, format};

mod alert;
mod footer;
mod header;
mod tab_bar;

pub use alert::{alert, from_the_left};
pub use footer::{footer, notice};
pub use header::header;
pub use tab_bar::{tab_at, tab_bar};

/// Blank columns between two parts of a header line.
const GAP: u16 = 3;

/// The second line of the list: the filter, and how many need somebody.
pub fn list_title(pen: &mut Pen<'_>, state: &State, now: Timestamp) -> Option<Position> {
    let theme = pen.theme;
    let end = pen.text(1, 0, "Experiments", theme.heading);
    let list = &state.list;
    let mut cursor = None;
    let mut used = end;
    if list.filtering || !list.filter.text().is_empty() {
        let start = pen.text(end + 2, 0, "/ ", theme.key);
        let room = pen.width().saturating_sub(start + 1).min(40);
        let at = field::draw(pen, start, 0, room, &list.filter, theme.text);
        used = start + room.min(columns(list.filter.text()));
        cursor = at.filter(|_| list.filtering);
    } else if pen.width() > 40 {
        let filter = state.keymap.ways(&[(Context::List, Command::Filter, "filter")]);
        used = pen.text(end + 2, 0, &filter, theme.dim);
    }
    if list.experiments.value.is_some() {
        let (needing, active) = list.counts(now);
        let needs = match needing {
            0 if !list.all_known() => (theme.glyphs.text("…"), theme.dim),
            // What was all right is not known to be so now.
            0 if is_stale(state, now) => ("nobody was needed".to_owned(), theme.dim),
            0 => ("nobody is needed".to_owned(), theme.ok),
            1 => ("1 needs you".to_owned(), theme.danger),
            n => (format!("{n} need you"), theme.danger),
        };
        let dot = (format!(" {} ", theme.glyphs.dot()), theme.dim);
        let old = age::list(state).filter(|age| age.is_old(now) && !state.warehouse.is_down());
        let mut spans: Vec<Span> = Vec::new();
        if let Some(age) = old {
            spans.push((format!("stale {}", format::age(age.since, now)), theme.warn));
            spans.push(dot.clone());
        }
        spans.extend([needs, dot, (format!("{active} active"), theme.dim)]);
        right(pen, 0, used, &spans);
    }
    cursor
}

/// The environment at the right end of the second line, where there is no first line to say it.
pub fn environment(pen: &mut Pen<'_>, state: &State) {
    let theme = pen.theme;
    let Some(me) = &state.me else { return };
    let word = me.project.environment.as_str().to_uppercase();
    let short: String = if pen.width() < 40 {
        word.chars().take(4).collect()
    } else {
        word
    };
    let text = format!(" {short}");
    if let Some(x) = pen.width().checked_sub(columns(&text) + 1) {
        pen.text(x, 0, &text, theme.environment(me.project.environment));
    }
}

/// A key as the footer and the help show it.
#[must_use]
pub fn key_text(key: Key) -> String {
    match key.to_string().as_str() {
        "enter" => "⏎".to_owned(),
        "esc" => "Esc".to_owned(),
        text => text.to_owned(),
    }
}

/// What keys do, each key in its own style with a gap before it: `   R restore   X throw away`. What has no way is left
/// out.
#[must_use]
pub fn keyed(theme: &Theme, keymap: &Keymap, does: &[Does<'_>]) -> Vec<Span> {
    let ways = does.iter().filter_map(|(place, command, does)| {
        let way = keymap.way(*place, *command)?;
        Some([(format!("   {way}"), theme.key), (format!(" {does}"), theme.dim)])
    });
    ways.flatten().collect()
}

/// Writes spans that end one column before the right edge, unless they would touch what ends at `used`.
fn right(pen: &mut Pen<'_>, y: u16, used: u16, spans: &[Span]) {
    let width = width_of(spans);
    if width > 0 && used + 2 + width < pen.width() {
        let x = pen.width() - width - 1;
        draw_spans(pen, x, y, spans);
    }
}

/// `stale 42 s, retry in 5 s`. As wide with every number of seconds, so that nothing beside it moves as they pass.
fn stale_text(link: &Link, retry_at: Timestamp, now: Timestamp) -> String {
    let wait = retry_at.duration_since(now).as_secs().max(0);
    let retry = if wait == 0 {
        "being retried".to_owned()
    } else {
        format!("retry in {wait:>2} s")
    };
    match link.last_ok {
        Some(at) => format!("stale {:>6}, {retry}", format::age(at, now)),
        None => format!("not reached, {retry}"),
    }
}

/// Whether what is shown on the screen is older than it should be, so that it is drawn faded.
#[must_use]
pub fn is_stale(state: &State, now: Timestamp) -> bool {
    let aged = [age::results(state), age::list(state)];
    let numbers = match state.screen {
        Screen::Experiments => true,
        Screen::Create | Screen::Objects(_) | Screen::Flag => false,
        Screen::Experiment => state
            .open
            .as_deref()
            .is_some_and(|d| matches!(d.tab, Tab::Analytics | Tab::Insights)),
    };
    state.api.is_down()
        || (numbers && state.warehouse.is_down())
        || aged.into_iter().flatten().any(|age| age.is_old(now))
}
