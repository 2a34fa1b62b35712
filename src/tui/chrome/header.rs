//! The first line: project, environment and role, and how healthy the data is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{GAP, stale_text};
use crate::cockpit::format;
use crate::cockpit::ports::Service;
use crate::cockpit::state::{Health, State};
use crate::cockpit::update::live::{COMING_SECONDS, newest_event};
use crate::tui::page::{Span, draw_spans, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;

/// How much of the header gives way to the health of the connections, one after the other.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd)]
enum Told {
    /// Everything.
    All,
    /// A shorter word for the demo.
    ShortDemo,
    /// No role.
    NoRole,
    /// No name of the context.
    NoContext,
    /// The project, its environment, and whether anything may be changed.
    Least,
}

/// Where am I: project, environment, role.
fn place_of_header(state: &State, theme: &Theme, told: Told) -> Vec<Span> {
    let dot = (format!(" {} ", theme.glyphs.dot()), theme.dim);
    let mut spans: Vec<Span> = Vec::new();
    match &state.me {
        Some(me) => {
            spans.push((me.project.key.to_string(), theme.heading));
            let environment = me.project.environment;
            spans.push(dot.clone());
            spans.push((
                environment.as_str().to_uppercase(),
                theme.environment(environment),
            ));
            if told < Told::NoRole {
                spans.push(dot.clone());
                spans.push((me.role.as_str().to_owned(), theme.dim));
            }
            if me.demo && told < Told::Least {
                let text = match told {
                    Told::All => "demo, traffic partly simulated",
                    _ => "simulated",
                };
                spans.push(dot.clone());
                spans.push((text.to_owned(), theme.info));
            }
        }
        None => spans.push((state.settings.api.clone(), theme.dim)),
    }
    if let Some(context) = state.settings.context.as_ref().filter(|_| told < Told::NoContext) {
        spans.push(dot.clone());
        spans.push((format!("@{context}"), theme.dim));
    }
    if state.settings.read_only {
        spans.push(dot);
        spans.push(("read-only".to_owned(), theme.info));
    }
    spans
}

/// The first line: where am I, and how healthy is the data.
pub fn header(pen: &mut Pen<'_>, state: &State, now: Timestamp) {
    let theme = pen.theme;
    let services = [Service::Api, Service::Warehouse];
    let newest = newest_event(state);
    let parts_in = |slots: Slots| -> Vec<Vec<Span>> {
        let links = services.map(|service| link(service, state, theme, (slots, now)));
        let events = newest.map(|at| vec![(events(at, slots, now), theme.dim)]);
        links.into_iter().chain(events).collect()
    };
    let troubled =
        |service: &Service| state.link(*service).is_down() || waits(state, *service, now).is_some();
    let ill = services.iter().filter(|service| troubled(service)).count();
    // Where all of it would not fit beside the shortest name of the place, names and gaps are short, so that the age of
    // the numbers is still said.
    let room_beside = |left: &[Span]| pen.width().saturating_sub(width_of(left) + 1 + GAP);
    let whole = |parts: &[Vec<Span>]| parts.iter().map(|part| width_of(part) + GAP).sum::<u16>();
    // Latencies are not worth the role, unless it says nothing; a service that is lost is worth everything but the
    // environment.
    let most = if state.settings.read_only {
        Told::NoRole
    } else {
        Told::ShortDemo
    };
    let beside = place_of_header(state, theme, most);
    let fit_whole = |slots: &Slots| whole(&parts_in(*slots)).saturating_sub(GAP) < room_beside(&beside);
    let from = Slots::of(pen.width());
    let mut all = Slots::ALL.into_iter().filter(|slots| *slots >= from);
    let slots = all.find(fit_whole).unwrap_or(Slots::Short);
    let parts = parts_in(slots);
    // Those that do not fit are left out: what is wrong is kept before what is well, and the age of the numbers before how
    // fast it was. Each has its place whatever it says.
    let mut first: Vec<usize> = (0..parts.len()).collect();
    first.sort_by_key(|at| match services.get(*at) {
        Some(service) if troubled(service) => 0,
        None => 1,
        Some(_) => 2,
    });
    let fits = |left: &[Span], count: usize| {
        let first = first.iter().take(count);
        let wide: u16 = first.map(|at| width_of(&parts[*at]) + GAP).sum();
        wide.saturating_sub(GAP) < room_beside(left)
    };
    let tellings = [
        Told::All,
        Told::ShortDemo,
        Told::NoRole,
        Told::NoContext,
        Told::Least,
    ];
    let told = |most: Told, count: usize| {
        let mut all = tellings.into_iter().filter(|told| *told <= most);
        all.find(|told| fits(&place_of_header(state, theme, *told), count))
    };
    let fits_alone =
        |told: Told, part: &[Span]| width_of(part) < room_beside(&place_of_header(state, theme, told));
    let told = told(most, parts.len())
        .or_else(|| told(most, services.len()))
        .or_else(|| if ill == 0 { told(most, 1) } else { None })
        .or_else(|| (ill == 0 && parts.iter().any(|part| fits_alone(most, part))).then_some(most))
        .or_else(|| (ill > 0).then(|| told(Told::Least, ill).unwrap_or(Told::Least)))
        .unwrap_or(Told::All);
    let left = place_of_header(state, theme, told);
    let end = draw_spans_to(pen, 1, 0, &left);
    let room = pen.width().saturating_sub(end + GAP);
    let mut kept: Vec<usize> = Vec::new();
    let mut width = 0_u16;
    for at in first {
        let wide = width_of(&parts[at]) + if kept.is_empty() { 0 } else { GAP };
        if width + wide <= room {
            width += wide;
            kept.push(at);
        }
    }
    kept.sort_unstable();
    let mut x = pen.width().saturating_sub(width + 1);
    for part in kept.into_iter().filter_map(|at| parts.get(at)) {
        draw_spans(pen, x, 0, part);
        x += width_of(part) + GAP;
    }
}

/// How much room numbers have. They keep it as they get more or fewer digits: no word of the line moves.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd)]
enum Slots {
    /// `120 ms`, `events 2 s old`, `events until 05:02 UTC`
    Wide,
    /// `0.1 s`, `2 s old`, `until 05:02`
    Narrow,
    /// The same, and `ch` for ClickHouse while it is well.
    Short,
}

impl Slots {
    const ALL: [Self; 3] = [Self::Wide, Self::Narrow, Self::Short];

    /// Of a line of this width.
    fn of(width: u16) -> Self {
        if width < 100 { Self::Narrow } else { Self::Wide }
    }

    /// A latency in its room.
    fn latency(self, took: Option<Duration>) -> String {
        let text = |took: Duration| match (self, took.as_millis()) {
            (Self::Narrow | Self::Short, 100..9_950) => format!("{:.1} s", took.as_secs_f64()),
            (Self::Narrow | Self::Short, 9_950..) => format!("{} s", took.as_secs()),
            _ => format::latency(took),
        };
        let text = took.map(text).unwrap_or_default();
        match self {
            Self::Wide => format!("{text:>6}"),
            Self::Narrow | Self::Short => format!("{text:>5}"),
        }
    }
}

/// Writes spans; the column after them.
fn draw_spans_to(pen: &mut Pen<'_>, x: u16, y: u16, spans: &[Span]) -> u16 {
    draw_spans(pen, x, y, spans);
    x.saturating_add(width_of(spans))
}

/// How old the newest event is: in seconds while they come, then when the last one came, which stays true
/// without a byte being written.
fn events(at: Timestamp, slots: Slots, now: Timestamp) -> String {
    let age = now.duration_since(at).as_secs();
    let time = at.to_zoned(TimeZone::UTC);
    let told = format::age(at, now);
    let text = match (age, slots) {
        (..COMING_SECONDS, Slots::Wide) => format!("events {told} old"),
        (..COMING_SECONDS, _) => format!("{told} old"),
        (COMING_SECONDS..86_400, Slots::Wide) => time.strftime("events until %H:%M UTC").to_string(),
        (COMING_SECONDS..86_400, _) => time.strftime("until %H:%M").to_string(),
        (_, Slots::Wide) => time.strftime("events until %-d %b %H:%M UTC").to_string(),
        (..) => time.strftime("until %-d %b").to_string(),
    };
    match slots {
        Slots::Wide => format!("{text:>22}"),
        Slots::Narrow | Slots::Short => format!("{text:>12}"),
    }
}

/// A service in the header: its latency, how long an answer is waited for, or since when it is lost and
/// when it is tried again.
fn link(service: Service, state: &State, theme: &Theme, (slots, now): (Slots, Timestamp)) -> Vec<Span> {
    let link = state.link(service);
    let name = (format!("{} ", service.as_str()), theme.dim);
    if let Some(waiting) = waits(state, service, now) {
        return vec![name, (format!("waiting {waiting:>2} s"), theme.warn)];
    }
    match &link.health {
        // Where nothing is active nobody asks ClickHouse anything.
        Health::Unknown if idles(service, state) => vec![name, ("idle".to_owned(), theme.dim)],
        Health::Unknown => vec![name, ("connecting".to_owned(), theme.dim)],
        Health::Up => {
            let name = match (service, slots) {
                (Service::Warehouse, Slots::Short) => ("ch ".to_owned(), theme.dim),
                _ => name,
            };
            vec![name, (slots.latency(link.latency), theme.text)]
        }
        Health::Lost { retry_at, .. } => vec![name, (stale_text(link, *retry_at, now), theme.warn)],
        Health::Stopped { .. } => vec![name, ("refused".to_owned(), theme.danger)],
    }
}

/// Whether a service was never asked, although all that is asked at the start was answered.
fn idles(service: Service, state: &State) -> bool {
    service == Service::Warehouse
        && state.list.experiments.value.is_some()
        && state.requests.oldest(service).is_none()
}

/// For how many seconds a service that was not lost has been waited for, once that is worth a word.
fn waits(state: &State, service: Service, now: Timestamp) -> Option<i64> {
    if !matches!(state.link(service).health, Health::Up | Health::Unknown) {
        return None;
    }
    let since = state.requests.oldest(service)?;
    Some(now.duration_since(since).as_secs()).filter(|waited| *waited >= SLOW_SECONDS)
}

/// From when on a wait is worth a word.
const SLOW_SECONDS: i64 = 2;
