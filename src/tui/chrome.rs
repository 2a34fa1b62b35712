//! What frames every screen: two header lines, the tab bar, one line of keys.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ratatui::layout::Position;
use ratatui::style::Modifier;

use super::field;
use super::glyphs::Glyphs;
use super::page::{Span, draw_spans, width_of};
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::pen::{broken, columns, fit, wrap};
use crate::cockpit::edit::Draft;
use crate::cockpit::keymap::{COMMANDS, Command};
use crate::cockpit::ports::Service;
use crate::cockpit::state::analytics::Panel;
use crate::cockpit::state::editor::Input;
use crate::cockpit::state::export::Exporting;
use crate::cockpit::state::preferences::Mistake;
use crate::cockpit::state::{ExperimentDetail, Health, Level, Link, Overlay, Screen, State, Tab};
use crate::cockpit::update::live::{COMING_SECONDS, newest_event};
use crate::cockpit::update::{age, contexts, guard, updating};
use crate::cockpit::{Key, format};

/// Blank columns between two parts of a header line.
const GAP: u16 = 3;

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

/// What stands above the content because a person has to know it, line by line: what is wrong with a connection, then
/// that unsaved changes are not on disk, then what is wrong with the files. With each line, whether nothing goes on before a person does something.
#[must_use]
pub fn alert(state: &State, glyphs: Glyphs, width: u16, now: Timestamp) -> Vec<(String, bool)> {
    let mistakes = mistakes(&state.preferences.mistakes, glyphs, width);
    let mistakes = mistakes.into_iter().map(|line| (line, false));
    let not_on_disk = state.not_on_disk.iter().flat_map(|why| {
        let room = width.saturating_sub(2);
        let lines = wrap(&broken(why, room), room, 2, glyphs);
        lines.into_iter().map(|line| (line, true))
    });
    // Why, and what to do about it, may be longer than a line.
    let connection = connection(state, now).into_iter().flat_map(|(text, stopped)| {
        let room = width.saturating_sub(2);
        let lines = wrap(&broken(&text, room), room, 2, glyphs);
        lines.into_iter().map(move |line| (line, stopped))
    });
    connection.chain(not_on_disk).chain(mistakes).collect()
}

/// What of the files cannot be used: how much, who lists it, and the first of it. Its path gives way to the reason.
fn mistakes(mistakes: &[Mistake], glyphs: Glyphs, width: u16) -> Vec<String> {
    let Some(Mistake { file, what }) = mistakes.first() else {
        return Vec::new();
    };
    let count = u64::try_from(mistakes.len()).unwrap_or(u64::MAX);
    let count = format::counted(count, "mistake", "mistakes");
    let mut lines = vec![format!(
        "{count} in your files: `splitdeck config check` lists them · Esc: seen"
    )];
    let room = width.saturating_sub(2);
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let left = room.saturating_sub(columns(what) + 2).max(columns(name) + 2);
    let text = format!("{}, {what}", from_the_left(file, left, glyphs));
    lines.extend(wrap(&broken(&text, room), room, 2, glyphs));
    lines
}

/// The end of a path in at most `width` columns.
#[must_use]
pub fn from_the_left(path: &str, width: u16, glyphs: Glyphs) -> String {
    if columns(path) <= width {
        return path.to_owned();
    }
    let mut from = path;
    while columns(from) + columns(glyphs.ellipsis()) > width {
        let mut rest = from.chars();
        if rest.next().is_none() {
            break;
        }
        from = rest.as_str();
    }
    // Names are shown whole.
    let from = from.find(['/', '\\']).map_or(from, |at| &from[at..]);
    format!("{}{from}", glyphs.ellipsis())
}

fn connection(state: &State, now: Timestamp) -> Option<(String, bool)> {
    [Service::Api, Service::Warehouse]
        .into_iter()
        .find_map(|service| {
            let link = state.link(service);
            match &link.health {
                // What is refused may say itself what ctrl-r does about it.
                Health::Stopped { message } if message.contains("ctrl-r") => Some((message.clone(), true)),
                Health::Stopped { message } => Some((format!("{message} (ctrl-r tries again)"), true)),
                // First what a narrow line must not lose.
                Health::Lost {
                    message, retry_at, ..
                } => Some((format!("{}: {message}", stale_text(link, *retry_at, now)), false)),
                Health::Up | Health::Unknown => None,
            }
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
            0 if !list.all_known() => (theme.glyphs.text("…"), theme.dim),
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

/// How much of the second line of an experiment finds room.
enum TabBar {
    /// Everything.
    Long,
    /// Short names for the tabs that are not open.
    Brief,
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
            format!(
                " {}  v{}",
                theme.times.lasting(since, now),
                experiment.resource_version
            ),
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
    width: &TabBar,
) -> Vec<(Option<Tab>, Span)> {
    let short = !matches!(width, TabBar::Long);
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
        } else if matches!(width, TabBar::Brief) {
            format!("{number} {}{star}", brief(tab))
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

/// A short name of a tab.
fn brief(tab: Tab) -> &'static str {
    match tab {
        Tab::Setup => "Set",
        Tab::Variants => "Var",
        Tab::Rules => "Rule",
        Tab::Overrides => "Ovr",
        Tab::Analytics => "Anly",
        Tab::Insights => "Ins",
    }
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
    for (plan, gap) in [(TabBar::Long, GAP), (TabBar::Brief, 1)] {
        let spans = tab_spans(theme, detail, draft, &plan);
        if used + gap + width_of(&plain(&spans)) < width {
            return (plan, spans);
        }
    }
    let short = tab_spans(theme, detail, draft, &TabBar::Short);
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
        TabBar::Long | TabBar::Brief | TabBar::Short => {
            draw_spans(pen, 1, 0, &left);
            draw_spans(pen, width - room - 1, 0, &tabs);
        }
        TabBar::Shorter => {
            let spans =
                with_word(theme, &left, width - room - 3).unwrap_or_else(|| with_mark(theme, detail, &left));
            draw_spans(&mut pen.part(0, 0, width - room - 2, 1), 1, 0, &spans);
            draw_spans(pen, width - room - 1, 0, &tabs);
        }
        TabBar::Open => {
            let open = (
                format!("{} {}", detail.tab.index() + 1, detail.tab.title()),
                theme.accent,
            );
            let name = with_mark(theme, detail, &left);
            let gap = ("  ".to_owned(), theme.dim);
            let spans: Vec<Span> = [open, gap].into_iter().chain(name).collect();
            draw_spans(pen, 1, 0, &spans);
        }
    }
}

/// The name, as long as there is room, and the status behind it; none where too little would be left of the name.
fn with_word(theme: &Theme, about: &[Span], room: u16) -> Option<Vec<Span>> {
    /// A name is told from others by so much of it.
    const LEAST: u16 = 20;
    let [(name, heading), status, ..] = about else {
        return None;
    };
    let left = room.checked_sub(width_of(std::slice::from_ref(status)))?;
    if left < columns(name).min(LEAST) {
        return None;
    }
    let name = fit(&theme.glyphs.text(name), left, theme.glyphs).into_owned();
    Some(vec![(name, *heading), status.clone()])
}

/// The name behind the glyph of the status, where there is no room for its word.
fn with_mark(theme: &Theme, detail: &ExperimentDetail, about: &[Span]) -> Vec<Span> {
    let mark = detail.config().map(|experiment| {
        let auto = experiment.is_auto_paused();
        let mark = theme.glyphs.status(experiment.status, auto);
        (format!("{mark} "), theme.status(experiment.status, auto))
    });
    mark.into_iter().chain(about.first().cloned()).collect()
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

/// The most lines of a notice.
const NOTICE_LINES: u16 = 3;

/// What just happened, line by line: what it says last is often what to do. Where there are few rows it has one.
#[must_use]
pub fn notice(state: &State, theme: &Theme, (width, height): (u16, u16)) -> Vec<Span> {
    let Some(notice) = &state.notice else {
        return Vec::new();
    };
    let style = match notice.level {
        Level::Ok => theme.ok,
        Level::Info => theme.info,
        Level::Warn => theme.warn,
    };
    let text = theme.glyphs.text(&notice.text);
    if columns(&text) < width || height < 15 {
        return vec![(text, style)];
    }
    let room = width.saturating_sub(2);
    let lines = wrap(&broken(&text, room), room, NOTICE_LINES, theme.glyphs);
    lines.into_iter().map(|line| (line, style)).collect()
}

/// The last line: the keys that work here, as many as fit. What just happened stands in its place: see [`notice`].
pub fn footer(pen: &mut Pen<'_>, state: &State, place: &str, now: Timestamp) {
    let theme = pen.theme;
    if state.notice.is_some() {
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
    } else if let Some(export) = &state.export {
        right_part.push((exporting(export, now), theme.info));
    } else if let panel = place_of_panel(state, theme)
        && !panel.is_empty()
    {
        right_part.extend(panel);
    } else if !place.is_empty() {
        right_part.push((place.to_owned(), theme.dim));
    }
    let mut keep = width_of(&right_part);
    if keep == 0 && state.detail().is_some_and(|detail| detail.tab == Tab::Analytics) {
        let of = Panel::ALL.len();
        // The place is kept where there is room for it, so that no key moves; elsewhere it is told where keys leave room.
        let word = |count: usize| format!("{count:>2} of {of} updating");
        keep = if pen.width() >= 100 { columns(&word(of)) } else { 0 };
        let count = updating::count(state, now);
        if count > 0 {
            right_part.push((word(count), theme.dim));
        }
    }
    let reserved = match keep {
        0 => 0,
        width => width + GAP,
    };
    let room = pen.width().saturating_sub(reserved + 1);
    let (mut ways_out, others): (Vec<_>, Vec<_>) = hints(state)
        .into_iter()
        .partition(|(command, ..)| WAYS_OUT.contains(command));
    let wide =
        |(_, keys, label): &(Command, String, &str)| columns(&theme.glyphs.text(keys)) + 1 + columns(label);
    // The way to everything else is kept before other keys; but for the first of them, in a very narrow line.
    let kept =
        |ways_out: &[(Command, String, &str)]| ways_out.iter().map(|hint| wide(hint) + GAP).sum::<u16>();
    let first = others.first().map_or(0, wide);
    while !ways_out.is_empty() && 1 + first + kept(&ways_out) > room {
        ways_out.remove(0);
    }
    let kept = kept(&ways_out);
    let for_others = room.saturating_sub(kept);
    let mut end = 1;
    let fitting = others.iter().take_while(|hint| {
        // A shorter one may still fit, but holes in the order confuse more than they help.
        end += wide(hint) + GAP;
        end <= for_others + GAP
    });
    let mut x = 1;
    for hint in fitting.chain(&ways_out) {
        if x + wide(hint) > room {
            break;
        }
        let (_, keys, label) = hint;
        x = pen.text(x, 0, &theme.glyphs.text(keys), theme.key);
        x = pen.text(x + 1, 0, label, theme.dim) + GAP;
    }
    right(pen, 0, x.saturating_sub(GAP), &right_part);
}

/// How far an export is. As wide with the first row as with the last one, where it is known how many there are.
fn exporting(export: &Exporting, now: Timestamp) -> String {
    let what = export.what;
    let Some(total) = export.total else {
        let rows = format::counted(export.rows, "row", "rows");
        return format!("exporting {what}, {rows}");
    };
    let total = format::count(total);
    let rows = format!("{:>width$}", format::count(export.rows), width = total.len());
    let left = export.left(now).map_or_else(String::new, |left| {
        let left = SignedDuration::try_from(left).unwrap_or_default();
        format!(", {} left", format::span(left))
    });
    format!("exporting {what}, {rows} of {total}{left}")
}

/// What the footer ends with wherever it works: from there everything else is found.
const WAYS_OUT: [Command; 2] = [Command::Palette, Command::Help];

/// Keys and labels for the footer, the most important first. What is refused anyway is left out.
fn hints(state: &State) -> Vec<(Command, String, &'static str)> {
    let contexts = contexts(state);
    let mut entries: Vec<_> = COMMANDS
        .iter()
        .filter(|entry| entry.priority > 0 && guard::applies(state, entry.command))
        .filter(|entry| !guard::always_refused(state, entry.command))
        .filter_map(|entry| {
            let key = state.keymap.keys(&contexts, entry.command).next()?;
            let label = hint_label(state, entry.command).unwrap_or(entry.label);
            Some((entry.priority, entry.command, key_text(key), label))
        })
        .collect();
    entries.sort_by_key(|(priority, ..)| *priority);
    let hints = entries.into_iter();
    hints
        .map(|(_, command, key, label)| (command, key, label))
        .collect()
}

/// What a command is called where it does something else than its usual; none elsewhere.
fn hint_label(state: &State, command: Command) -> Option<&'static str> {
    match command {
        Command::Zoom => state.detail()?.zoomed().then_some("all panels"),
        Command::Back => match state.overlays.last() {
            Some(Overlay::Import(panel)) if panel.run.is_some() => Some("stop after the chunk"),
            _ => None,
        },
        Command::Save if state.screen == Screen::Create => Some("create"),
        // On its last step nothing is edited.
        Command::Edit if state.screen == Screen::Create => {
            let create = state.create.as_ref()?;
            create.wizard.sheet().is_none().then_some("create")
        }
        Command::Save => state.detail()?.deleted.then_some("make a new one of it"),
        // What was begun is not lost.
        Command::Create => state.create.is_some().then_some("new, go on"),
        // In a text of several lines it is a line break.
        Command::Accept => {
            let editing = state.editor()?.editing.as_ref()?;
            matches!(editing.input, Input::Area(_)).then_some("new line")
        }
        _ => None,
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
