//! The first line: project, environment and role, and how healthy the data is.

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
    // The most important parts first; those that do not fit are left out.
    let mut parts: Vec<Vec<Span>> = services.map(|service| link(service, state, theme, now)).to_vec();
    let troubled =
        |service: &Service| state.link(*service).is_down() || waits(state, *service, now).is_some();
    let ill = services.iter().filter(|service| troubled(service)).count();
    if ill > 0 {
        // What is wrong before what is well.
        parts.sort_by_key(|part| part.last().is_none_or(|(_, style)| *style == theme.text));
    }
    if let Some(at) = newest_event(state) {
        parts.push(vec![(events(at, now), theme.dim)]);
    }
    let room_beside = |left: &[Span]| pen.width().saturating_sub(width_of(left) + 1 + GAP);
    let fits = |left: &[Span], count: usize| {
        let wide: u16 = parts.iter().take(count).map(|part| width_of(part) + GAP).sum();
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
    // Latencies are not worth the role, unless it says nothing; a service that is lost is worth everything but the
    // environment.
    let most = if state.settings.read_only {
        Told::NoRole
    } else {
        Told::ShortDemo
    };
    let told = told(most, services.len())
        .or_else(|| if ill == 0 { told(most, 1) } else { None })
        .or_else(|| (ill > 0).then(|| told(Told::Least, ill).unwrap_or(Told::Least)))
        .unwrap_or(Told::All);
    let left = place_of_header(state, theme, told);
    let end = draw_spans_to(pen, 1, 0, &left);
    let room = pen.width().saturating_sub(end + GAP);
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

/// Writes spans; the column after them.
fn draw_spans_to(pen: &mut Pen<'_>, x: u16, y: u16, spans: &[Span]) -> u16 {
    draw_spans(pen, x, y, spans);
    x.saturating_add(width_of(spans))
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
    if let Some(waiting) = waits(state, service, now) {
        return vec![name, (format!("waiting {waiting} s"), theme.warn)];
    }
    match &link.health {
        Health::Unknown => vec![name, ("connecting".to_owned(), theme.dim)],
        Health::Up => {
            let took = link.latency.map(format::latency).unwrap_or_default();
            vec![name, (took, theme.text)]
        }
        Health::Lost { retry_at, .. } => vec![name, (stale_text(link, *retry_at, now), theme.warn)],
        Health::Stopped { .. } => vec![name, ("refused".to_owned(), theme.danger)],
    }
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
