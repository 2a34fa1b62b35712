//! The whole screen: a pure function of state, theme and time.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::theme::Theme;
use super::widgets::Pen;
use super::{chrome, experiments, overlays, tabs};
use crate::cockpit::state::{ExperimentDetail, Laid, Screen, State, Tab};

/// Draws everything; what could be shown of the scrolled part, for the core to know.
pub fn view(frame: &mut Frame<'_>, state: &State, theme: &Theme, now: Timestamp) -> Laid {
    let area = frame.area();
    frame.buffer_mut().set_style(area, theme.base());
    let alert = chrome::alert(state);
    let parts = split(area, alert.is_some());
    let faded = theme.faded();
    let data_theme = if chrome::is_stale(state) { &faded } else { theme };
    let mut cursor = None;
    let place;
    let mut laid;
    match (state.screen, state.open.as_deref()) {
        (Screen::Experiment, Some(detail)) => {
            laid = match tabs::analytics::Page::of(state, now) {
                // It fades what is stale itself, and not what it says about that.
                Some(page) if detail.tab == Tab::Analytics && detail.config().is_some() => {
                    let (laid, at) = tabs::analytics::draw(&page, theme, parts.content, frame.buffer_mut());
                    cursor = at;
                    laid
                }
                _ => tab(frame, parts.content, state, detail, data_theme, now, &mut cursor),
            };
            place = tabs::place(detail);
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            chrome::tab_bar(&mut pen, detail, now);
        }
        _ => {
            let mut pen = Pen::new(data_theme, parts.content, frame.buffer_mut());
            laid = experiments::draw(&mut pen, state, now);
            place = experiments::place(state);
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            cursor = chrome::list_title(&mut pen, state, now);
        }
    }
    chrome::header(&mut Pen::new(theme, parts.header, frame.buffer_mut()), state, now);
    chrome::footer(
        &mut Pen::new(theme, parts.footer, frame.buffer_mut()),
        state,
        &place,
    );
    if let Some((text, stopped)) = alert {
        let style = if stopped { theme.danger } else { theme.warn };
        let mut pen = Pen::new(theme, parts.alert, frame.buffer_mut());
        pen.text(1, 0, &theme.glyphs.text(&text), style);
    }
    if !state.overlays.is_empty() {
        let within = Rect {
            y: parts.content.y,
            height: parts.content.height,
            ..area
        };
        (laid, cursor) = overlays::draw(frame, within, state, theme, now);
    }
    if let Some(at) = cursor {
        frame.set_cursor_position(at);
    }
    laid
}

/// One tab of an experiment, or why there is nothing to show yet.
fn tab(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &State,
    detail: &ExperimentDetail,
    theme: &Theme,
    now: Timestamp,
    cursor: &mut Option<Position>,
) -> Laid {
    let Some(experiment) = detail.config() else {
        let mut pen = Pen::new(theme, area, frame.buffer_mut());
        return tabs::unknown(&mut pen, detail);
    };
    let overview = state.list.overview(experiment.id);
    let mut pen = Pen::new(theme, area, frame.buffer_mut());
    match detail.tab {
        Tab::Setup => tabs::setup::draw(&mut pen, experiment, overview, detail.row(), now),
        Tab::Variants => tabs::variants::draw(&mut pen, experiment, detail.row()),
        Tab::Rules => tabs::rules::draw(&mut pen, experiment, detail.row()),
        Tab::Overrides => tabs::overrides::draw(&mut pen, experiment, &detail.overrides, now, cursor),
        Tab::Insights | Tab::Analytics => tabs::insights::draw(&mut pen, experiment, detail, now),
    }
}

/// The parts of the screen. What does not fit is left out, the content last.
struct Parts {
    header: Rect,
    title: Rect,
    /// What is wrong with a connection; blank otherwise.
    alert: Rect,
    content: Rect,
    footer: Rect,
}

fn split(area: Rect, alert: bool) -> Parts {
    let title = u16::from(area.height >= 3);
    let footer = u16::from(area.height >= 5);
    let header = u16::from(area.height >= 6);
    // A blank line sets the content off where there is room for it.
    let gap = u16::from(area.height >= if alert { 8 } else { 20 });
    let row = |y: u16, height: u16| Rect {
        y: area.y + y,
        height,
        ..area
    };
    let top = header + title + gap;
    Parts {
        header: row(0, header),
        title: row(header, title),
        alert: row(header + title, gap),
        content: row(top, area.height - top - footer),
        footer: row(area.height - footer, footer),
    }
}
