//! The second line of an experiment: its name and status, and the tabs.

use jiff::Timestamp;
use ratatui::style::Modifier;

use super::GAP;
use crate::cockpit::Key;
use crate::cockpit::edit::Draft;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::{ExperimentDetail, Tab};
use crate::tui::page::{Span, draw_spans, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, fit};

/// How much of the second line of an experiment finds room.
enum TabBar {
    /// Everything.
    Long,
    /// Short names for the tabs that are not open.
    Brief,
    /// Keys for the tabs that are not open.
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
    (theme, keymap): (&Theme, &Keymap),
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    width: &TabBar,
) -> Vec<(Option<Tab>, Span)> {
    let short = !matches!(width, TabBar::Long);
    let mut spans: Vec<(Option<Tab>, Span)> = Vec::new();
    // The mark of what is unsaved stands in the gap behind its tab: nothing moves as it comes and goes.
    let mut marked = None;
    for tab in Tab::ALL {
        let open = tab == detail.tab;
        let key = keymap.key_at(Context::Experiment, command(tab)).map(Key::word);
        let gap = if tab == Tab::ALL[0] {
            ""
        } else if short {
            " "
        } else {
            "  "
        };
        let star = if marked.is_some() && !gap.is_empty() {
            "*"
        } else {
            ""
        };
        spans.push((marked, (star.to_owned(), theme.dirty)));
        spans.push((None, (gap[star.len()..].to_owned(), theme.dim)));
        marked = draft.is_some_and(|draft| draft.touches(tab)).then_some(tab);
        let name = if open || !short { tab.title() } else { brief(tab) };
        let text = match key {
            Some(key) if open || !matches!(width, TabBar::Short) => format!("{key} {name}"),
            Some(key) => key,
            None => name.to_owned(),
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

/// What opens a tab.
fn command(tab: Tab) -> Command {
    match tab {
        Tab::Setup => Command::TabSetup,
        Tab::Variants => Command::TabVariants,
        Tab::Rules => Command::TabRules,
        Tab::Overrides => Command::TabOverrides,
        Tab::Analytics => Command::TabAnalytics,
        Tab::Insights => Command::TabInsights,
    }
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
    names: (&Theme, &Keymap),
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    left: &[Span],
    width: u16,
) -> (TabBar, Vec<(Option<Tab>, Span)>) {
    let used = width_of(left) + 1;
    for (plan, gap) in [(TabBar::Long, GAP), (TabBar::Brief, 1)] {
        let spans = tab_spans(names, detail, draft, &plan);
        if used + gap + width_of(&plain(&spans)) < width {
            return (plan, spans);
        }
    }
    let short = tab_spans(names, detail, draft, &TabBar::Short);
    let room = width_of(&plain(&short));
    if used + 1 + room < width {
        (TabBar::Short, short)
    } else if room + 12 < width {
        (TabBar::Shorter, short)
    } else {
        (TabBar::Open, Vec::new())
    }
}

/// The tab whose name or key stands in a column of the second line.
#[must_use]
pub fn tab_at(
    (theme, keymap): (&Theme, &Keymap),
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    width: u16,
    column: u16,
    now: Timestamp,
) -> Option<Tab> {
    let (_, tabs) = tab_plan((theme, keymap), detail, draft, &about(theme, detail, now), width);
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
pub fn tab_bar(
    pen: &mut Pen<'_>,
    keymap: &Keymap,
    detail: &ExperimentDetail,
    draft: Option<&Draft>,
    now: Timestamp,
) {
    let theme = pen.theme;
    let left = about(theme, detail, now);
    let width = pen.width();
    let (plan, tabs) = tab_plan((theme, keymap), detail, draft, &left, width);
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
            let key = keymap.key_at(Context::Experiment, command(detail.tab));
            let key = key.map_or_else(String::new, |key| format!("{} ", key.word()));
            let open = (format!("{key}{}", detail.tab.title()), theme.accent);
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
