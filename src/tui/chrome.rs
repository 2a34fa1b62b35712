//! What frames every screen: two header lines, the tab bar, one line of keys.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Position;
use ratatui::style::Modifier;

use super::field;
use super::page::{Span, draw_spans, width_of};
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::pen::columns;
use crate::cockpit::edit::Draft;
use crate::cockpit::keymap::COMMANDS;
use crate::cockpit::ports::Service;
use crate::cockpit::state::{ExperimentDetail, Health, Level, Link, Screen, State, Tab};
use crate::cockpit::update::live::{COMING_SECONDS, newest_event};
use crate::cockpit::update::{contexts, guard};
use crate::cockpit::{Key, format};

/// Blank columns between two parts of a header line.
const GAP: u16 = 3;

/// The first line: where am I, and how healthy is the data.
pub fn header(pen: &mut Pen<'_>, state: &State, now: Timestamp) {
    let theme = pen.theme;
    let dot = (format!(" {} ", theme.glyphs.dot()), theme.dim);
    let mut left: Vec<Span> = Vec::new();
    match &state.me {
        Some(me) => {
            left.push((me.project.key.to_string(), theme.heading));
            let environment = me.project.environment;
            left.push(dot.clone());
            left.push((
                environment.as_str().to_uppercase(),
                theme.environment(environment),
            ));
            left.push(dot.clone());
            left.push((me.role.as_str().to_owned(), theme.dim));
            if me.demo {
                left.push(dot.clone());
                left.push(("demo, traffic partly simulated".to_owned(), theme.info));
            }
        }
        None => left.push((state.settings.api.clone(), theme.dim)),
    }
    if let Some(context) = &state.settings.context {
        left.push(dot.clone());
        left.push((format!("@{context}"), theme.dim));
    }
    if state.settings.read_only {
        left.push(dot);
        left.push(("read-only".to_owned(), theme.info));
    }
    draw_spans(pen, 1, 0, &left);
    let used = width_of(&left).saturating_add(1);
    // The most important parts first; those that do not fit are left out.
    let mut parts: Vec<Vec<Span>> = vec![
        link(Service::Api, state, theme, now),
        link(Service::Warehouse, state, theme, now),
    ];
    if let Some(at) = newest_event(state) {
        parts.push(vec![(events(at, now), theme.dim)]);
    }
    let room = pen.width().saturating_sub(used + GAP);
    let mut kept: Vec<Vec<Span>> = Vec::new();
    let mut width = 0_u16;
    for part in parts {
        let wide = width_of(&part) + if kept.is_empty() { 0 } else { GAP };
        if width + wide <= room {
            width += wide;
            kept.push(part);
        }
    }
    let mut x = pen.width().saturating_sub(width + 1);
    for part in kept {
        draw_spans(pen, x, 0, &part);
        x += width_of(&part) + GAP;
    }
}

/// How old the newest event is: in seconds while they come, then when the last one came, which stays true
/// without a byte being written.
fn events(at: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(at).as_secs();
    let time = at.to_zoned(TimeZone::UTC);
    match age {
        ..COMING_SECONDS => format!("events {} old", format::age(at, now)),
        COMING_SECONDS..86_400 => time.strftime("events until %H:%M:%S UTC").to_string(),
        _ => time.strftime("events until %-d %b %H:%M UTC").to_string(),
    }
}

/// A service in the header: its latency, how long an answer is waited for, or since when it is lost and
/// when it is tried again.
fn link(service: Service, state: &State, theme: &Theme, now: Timestamp) -> Vec<Span> {
    let link = state.link(service);
    let name = (format!("{} ", service.as_str()), theme.dim);
    let oldest = state.requests.oldest(service);
    let waiting = oldest.map_or(0, |since| now.duration_since(since).as_secs());
    match &link.health {
        Health::Up | Health::Unknown if waiting >= SLOW_SECONDS => {
            vec![name, (format!("waiting {waiting} s"), theme.warn)]
        }
        Health::Unknown => vec![name, ("connecting".to_owned(), theme.dim)],
        Health::Up => {
            let took = link.latency.map(format::latency).unwrap_or_default();
            vec![name, (took, theme.text)]
        }
        Health::Lost { retry_at, .. } => vec![name, (stale_text(link, *retry_at, now), theme.warn)],
        Health::Stopped { .. } => vec![name, ("refused".to_owned(), theme.danger)],
    }
}

/// From when on a wait is worth a word.
const SLOW_SECONDS: i64 = 2;

/// What is wrong with a connection, for a line of its own; none while both are fine.
#[must_use]
pub fn alert(state: &State) -> Option<(String, bool)> {
    [Service::Api, Service::Warehouse]
        .into_iter()
        .find_map(|service| match &state.link(service).health {
            Health::Stopped { message } => Some((format!("{message} (ctrl-r tries again)"), true)),
            Health::Lost { message, .. } => Some((message.clone(), false)),
            Health::Up | Health::Unknown => None,
        })
}

/// `stale 42 s, retry in 5 s`
fn stale_text(link: &Link, retry_at: Timestamp, now: Timestamp) -> String {
    let wait = retry_at.duration_since(now).as_secs().max(0);
    let retry = if wait == 0 {
        "retrying".to_owned()
    } else {
        format!("retry in {wait} s")
    };
    match link.last_ok {
        Some(at) => format!("stale {}, {retry}", format::age(at, now)),
        None => format!("not reached, {retry}"),
    }
}

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
        used = pen.text(end + 2, 0, "/ filter", theme.dim);
    }
    if list.experiments.value.is_some() {
        let (needing, active) = list.counts(now);
        let needs = match needing {
            0 => ("nobody is needed".to_owned(), theme.ok),
            1 => ("1 needs you".to_owned(), theme.danger),
            n => (format!("{n} need you"), theme.danger),
        };
        let dot = (format!(" {} ", theme.glyphs.dot()), theme.dim);
        right(
            pen,
            0,
            used,
            &[needs, dot, (format!("{active} active"), theme.dim)],
        );
    }
    cursor
}

/// How much of the second line of an experiment finds room.
enum TabBar {
    /// Everything.
    Long,
    /// Numbers for the tabs that are not open.
    Short,
    /// The same with the name alone in front.
    Shorter,
    /// The open tab and the name.
    Open,
}

/// What stands in the second line of an experiment in front of the tabs.
fn about(theme: &Theme, detail: &ExperimentDetail, now: Timestamp) -> Vec<Span> {
    let mut left: Vec<Span> = vec![(detail.name.clone(), theme.heading)];
    if let Some(experiment) = detail.config() {
        let auto = experiment.is_auto_paused();
        let style = theme.status(experiment.status, auto);
        let word = format::status(experiment.status, auto);
        let mark = theme.glyphs.status(experiment.status, auto);
        left.push((format!("  {mark} {word}"), style));
        let since = experiment.status_changed_at.unwrap_or(experiment.created_at);
        left.push((
            format!(" {}  v{}", format::since(since, now), experiment.resource_version),
            theme.dim,
        ));
    }
    left
}

/// The tabs, one span a tab with the gap before it in a span of its own.
fn tab_spans(
    theme: &Theme,
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    short: bool,
) -> Vec<(Option<Tab>, Span)> {
    let mut spans = Vec::new();
    for tab in Tab::ALL {
        let open = tab == detail.tab;
        let number = tab.index() + 1;
        let gap = if tab == Tab::ALL[0] {
            ""
        } else if short {
            " "
        } else {
            "  "
        };
        spans.push((None, (gap.to_owned(), theme.dim)));
        let star = if draft.is_some_and(|draft| draft.touches(tab)) {
            "*"
        } else {
            ""
        };
        let text = if open || !short {
            format!("{number} {}{star}", tab.title())
        } else {
            format!("{number}{star}")
        };
        let style = if open {
            theme.accent.add_modifier(Modifier::UNDERLINED)
        } else {
            theme.dim
        };
        spans.push((Some(tab), (text, style)));
    }
    spans
}

fn plain(spans: &[(Option<Tab>, Span)]) -> Vec<Span> {
    spans.iter().map(|(_, span)| span.clone()).collect()
}

/// What fits into a width, and the tabs that do.
fn tab_plan(
    theme: &Theme,
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    left: &[Span],
    width: u16,
) -> (TabBar, Vec<(Option<Tab>, Span)>) {
    let used = width_of(left) + 1;
    let long = tab_spans(theme, detail, draft, false);
    if used + GAP + width_of(&plain(&long)) < width {
        return (TabBar::Long, long);
    }
    let short = tab_spans(theme, detail, draft, true);
    let room = width_of(&plain(&short));
    if used + 1 + room < width {
        (TabBar::Short, short)
    } else if room + 12 < width {
        (TabBar::Shorter, short)
    } else {
        (TabBar::Open, Vec::new())
    }
}

/// The tab whose name or number stands in a column of the second line.
#[must_use]
pub fn tab_at(
    theme: &Theme,
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    width: u16,
    column: u16,
    now: Timestamp,
) -> Option<Tab> {
    let (_, tabs) = tab_plan(theme, detail, draft, &about(theme, detail, now), width);
    let mut x = width.checked_sub(width_of(&plain(&tabs)) + 1)?;
    for (tab, span) in &tabs {
        let end = x + width_of(std::slice::from_ref(span));
        if (x..end).contains(&column) {
            return *tab;
        }
        x = end;
    }
    None
}

/// The second line of an experiment: its status, and the tabs.
pub fn tab_bar(pen: &mut Pen<'_>, detail: &ExperimentDetail, draft: Option<&Draft>, now: Timestamp) {
    let theme = pen.theme;
    let left = about(theme, detail, now);
    let width = pen.width();
    let (plan, tabs) = tab_plan(theme, detail, draft, &left, width);
    let tabs = plain(&tabs);
    let room = width_of(&tabs);
    match plan {
        TabBar::Long | TabBar::Short => {
            draw_spans(pen, 1, 0, &left);
            draw_spans(pen, width - room - 1, 0, &tabs);
        }
        TabBar::Shorter => {
            draw_spans(&mut pen.part(0, 0, width - room - 2, 1), 1, 0, &left[..1]);
            draw_spans(pen, width - room - 1, 0, &tabs);
        }
        TabBar::Open => {
            let open = (
                format!("{} {}", detail.tab.index() + 1, detail.tab.title()),
                theme.accent,
            );
            draw_spans(pen, 1, 0, &[open, ("  ".to_owned(), theme.dim), left[0].clone()]);
        }
    }
}

/// Which experiment of which project, where the lines that say so are given to a panel.
fn place_of_panel(state: &State, theme: &Theme) -> Vec<Span> {
    let Some(detail) = state.detail().filter(|detail| detail.zoomed()) else {
        return Vec::new();
    };
    let mut spans = vec![(detail.name.clone(), theme.heading)];
    if let Some(me) = &state.me {
        let environment = me.project.environment;
        let dot = (format!(" {} ", theme.glyphs.dot()), theme.dim);
        spans.extend([
            dot.clone(),
            (me.project.key.to_string(), theme.dim),
            dot,
            (
                environment.as_str().to_uppercase(),
                theme.environment(environment),
            ),
        ]);
    }
    spans
}

/// The last line: what just happened, or the keys that work here, as many as fit.
pub fn footer(pen: &mut Pen<'_>, state: &State, place: &str) {
    let theme = pen.theme;
    if let Some(notice) = &state.notice {
        let style = match notice.level {
            Level::Ok => theme.ok,
            Level::Info => theme.info,
            Level::Warn => theme.warn,
        };
        pen.text(1, 0, &theme.glyphs.text(&notice.text), style);
        return;
    }
    let mut right_part: Vec<Span> = Vec::new();
    if state.hold.on {
        let text = match state.hold.waiting() {
            0 => "held".to_owned(),
            n => format!(
                "held, {}",
                format::counted(u64::from(n), "update waits", "updates wait")
            ),
        };
        right_part.push((text, theme.warn));
    } else if let panel = place_of_panel(state, theme)
        && !panel.is_empty()
    {
        right_part.extend(panel);
    } else if !place.is_empty() {
        right_part.push((place.to_owned(), theme.dim));
    }
    let reserved = match width_of(&right_part) {
        0 => 0,
        width => width + GAP,
    };
    let room = pen.width().saturating_sub(reserved + 1);
    let mut x = 1;
    for (keys, label) in hints(state) {
        let keys = theme.glyphs.text(&keys);
        let width = columns(&keys) + 1 + columns(label);
        if x + width > room {
            // A shorter one may still fit, but holes in the order confuse more than they help.
            break;
        }
        x = pen.text(x, 0, &keys, theme.key);
        x = pen.text(x + 1, 0, label, theme.dim) + GAP;
    }
    right(pen, 0, x.saturating_sub(GAP), &right_part);
}

/// Keys and labels for the footer, the most important first.
fn hints(state: &State) -> Vec<(String, &'static str)> {
    let contexts = contexts(state);
    let mut entries: Vec<_> = COMMANDS
        .iter()
        .filter(|entry| entry.priority > 0 && guard::applies(state, entry.command))
        .filter_map(|entry| {
            let key = state.keymap.keys(&contexts, entry.command).next()?;
            Some((entry.priority, key_text(key), entry.label))
        })
        .collect();
    entries.sort_by_key(|(priority, ..)| *priority);
    entries.into_iter().map(|(_, key, label)| (key, label)).collect()
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

/// Writes spans that end one column before the right edge, unless they would touch what ends at `used`.
fn right(pen: &mut Pen<'_>, y: u16, used: u16, spans: &[Span]) {
    let width = width_of(spans);
    if width > 0 && used + 2 + width < pen.width() {
        let x = pen.width() - width - 1;
        draw_spans(pen, x, y, spans);
    }
}

/// Whether what is shown on the screen is older than it should be, so that it is drawn faded.
#[must_use]
pub fn is_stale(state: &State) -> bool {
    let numbers = match state.screen {
        Screen::Experiments => true,
        Screen::Create | Screen::Objects(_) | Screen::Flag => false,
        Screen::Experiment => state
            .open
            .as_deref()
            .is_some_and(|d| matches!(d.tab, Tab::Analytics | Tab::Insights)),
    };
    state.api.is_down() || (numbers && state.warehouse.is_down())
}
