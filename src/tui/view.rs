//! The whole screen: a pure function of state, theme and time.

use jiff::Timestamp;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};
use ratatui::widgets::Clear;
use ratatui::{Frame, Terminal};

use super::glyphs::Tone;
use super::page::{Drawn, FieldAt, draw_spans};
use super::sheet::{self, View};
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::banner::Banner;
use super::{chrome, create, experiments, objects, overlays, tabs};
use crate::api::banners::AUTO_PAUSED;
use crate::cockpit::action::Target;
use crate::cockpit::edit::Sheet;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::lifecycle;
use crate::cockpit::state::{ExperimentDetail, Laid, Screen, State, Tab};
use crate::cockpit::update::{contexts, contexts_under};
use crate::domain::Experiment;

/// Draws everything; what could be shown of the scrolled part, for the core to know.
pub fn view(frame: &mut Frame<'_>, state: &State, theme: &Theme, now: Timestamp) -> Laid {
    paint(frame, state, theme, now).0
}

/// Draws everything; with what was told beside it.
fn paint(frame: &mut Frame<'_>, state: &State, theme: &Theme, now: Timestamp) -> (Laid, Drawn) {
    let theme = &timed(state, theme);
    let area = frame.area();
    frame.buffer_mut().set_style(area, theme.base());
    let alert = chrome::alert(state, theme.glyphs, area.width, now);
    let parts = split(area, alert.len(), is_zoomed(state));
    let faded = theme.faded();
    let data_theme = if chrome::is_stale(state, now) {
        &faded
    } else {
        theme
    };
    let mut drawn = Drawn::default();
    let place;
    let mut laid;
    match (state.screen, state.open.as_deref()) {
        (Screen::Experiment, Some(detail)) => {
            laid = match tabs::analytics::Page::of(state, now) {
                // It fades what is stale itself, and not what it says about that.
                Some(page) if detail.tab == Tab::Analytics && detail.config().is_some() => {
                    let mut content = parts.content;
                    let above = deleted(&mut Pen::new(theme, content, frame.buffer_mut()), state);
                    content.y += above;
                    content.height -= above;
                    let (laid, at) = tabs::analytics::draw(&page, theme, content, frame.buffer_mut());
                    drawn.cursor = at;
                    laid
                }
                _ => tab(frame, parts.content, state, detail, data_theme, now, &mut drawn),
            };
            place = sheet::unsaved(state).unwrap_or_else(|| tabs::place(detail));
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            let draft = detail.id().and_then(|id| state.drafts.get(&id));
            chrome::tab_bar(&mut pen, &state.keymap, detail, draft, now);
        }
        (Screen::Create, _) => {
            let mut pen = Pen::new(theme, parts.content, frame.buffer_mut());
            let above = banners(&mut pen, state, now);
            let (width, height) = (pen.width(), pen.height());
            let mut inside = pen.part(0, above, width, height - above);
            laid = create::draw(&mut inside, state, now, &mut drawn);
            place = String::new();
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            create::title(&mut pen, state);
        }
        (Screen::Objects(kind), _) => {
            let mut pen = Pen::new(data_theme, parts.content, frame.buffer_mut());
            laid = objects::draw(&mut pen, state, kind, now);
            place = objects::place(state, kind);
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            drawn.cursor = objects::title(&mut pen, state, kind);
        }
        (Screen::Flag, _) => {
            let mut pen = Pen::new(data_theme, parts.content, frame.buffer_mut());
            laid = objects::flag::draw(&mut pen, state, now, &mut drawn.cursor);
            place = objects::flag::place(state);
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            objects::flag_title(&mut pen, state);
        }
        _ => {
            let mut pen = Pen::new(data_theme, parts.content, frame.buffer_mut());
            laid = experiments::draw(&mut pen, state, now);
            place = experiments::place(state);
            let mut pen = Pen::new(theme, parts.title, frame.buffer_mut());
            drawn.cursor = chrome::list_title(&mut pen, state, now);
        }
    }
    if parts.header.height == 0 {
        chrome::environment(&mut Pen::new(theme, parts.title, frame.buffer_mut()), state);
    }
    chrome::header(&mut Pen::new(theme, parts.header, frame.buffer_mut()), state, now);
    chrome::footer(
        &mut Pen::new(theme, parts.footer, frame.buffer_mut()),
        state,
        &place,
        now,
    );
    let mut pen = Pen::new(theme, parts.alert, frame.buffer_mut());
    for (y, (text, stopped)) in (0..).zip(&alert) {
        let style = if *stopped { theme.danger } else { theme.warn };
        pen.text(1, y, &theme.glyphs.text(text), style);
    }
    if !state.overlays.is_empty() {
        let within = Rect {
            y: parts.content.y,
            height: parts.content.height,
            ..area
        };
        (laid, drawn.cursor) = overlays::draw(frame, within, state, theme, now);
    }
    notice(frame, parts.footer, state, theme);
    if let Some(at) = drawn.cursor {
        frame.set_cursor_position(at);
    }
    (laid, drawn)
}

/// What just happened, in the place of the keys; its further lines over what is above them.
fn notice(frame: &mut Frame<'_>, footer: Rect, state: &State, theme: &Theme) {
    let area = frame.area();
    let lines = chrome::notice(state, theme, (area.width, area.height));
    let rows = u16::try_from(lines.len()).unwrap_or(1);
    if rows == 0 || footer.height == 0 {
        return;
    }
    let place = Rect {
        y: footer.bottom().saturating_sub(rows),
        height: rows,
        ..footer
    };
    frame.render_widget(Clear, place);
    let buf = frame.buffer_mut();
    buf.set_style(place, theme.base());
    let mut pen = Pen::new(theme, place, buf);
    for (y, (text, style)) in (0..).zip(lines) {
        pen.text(1, y, &text, style);
    }
}

/// The theme with moments written as they are wanted.
fn timed(state: &State, theme: &Theme) -> Theme {
    Theme {
        times: state.times,
        ..theme.clone()
    }
}

/// The whole screen of a size, in memory.
#[must_use]
pub fn buffer(state: &State, theme: &Theme, (width, height): (u16, u16), now: Timestamp) -> Buffer {
    let Ok(mut screen) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = screen.draw(|frame| {
        view(frame, state, theme, now);
    });
    screen.backend().buffer().clone()
}

/// What stands at a column and a row of the screen (both from 0), for the mouse.
///
/// The screen is drawn once more, with a mark for the selected row: so every list has its rows, wherever it
/// stands, without saying so. Nothing where no row is selected, and outside the columns of the one that is.
#[must_use]
pub fn target(
    state: &State,
    theme: &Theme,
    (width, height): (u16, u16),
    (column, row): (u16, u16),
    now: Timestamp,
) -> Option<Target> {
    /// A colour that no theme has: they name their grounds in steps of more than one.
    const MARK: Color = Color::Rgb(1, 0, 1);
    let area = Rect::new(0, 0, width, height);
    if state.overlays.is_empty()
        && let (Screen::Experiment, Some(detail)) = (state.screen, state.open.as_deref())
        && !is_zoomed(state)
        && row == split(area, 0, false).title.y
    {
        let draft = detail.id().and_then(|id| state.drafts.get(&id));
        let names = (&timed(state, theme), &state.keymap);
        return chrome::tab_at(names, detail, draft, width, column, now).map(Target::Tab);
    }
    if state.overlays.is_empty() && state.sheet().is_some() {
        let mut drawn = Drawn::default();
        let Ok(mut screen) = Terminal::new(TestBackend::new(width, height));
        let Ok(_) = screen.draw(|frame| drawn = paint(frame, state, theme, now).1);
        let here = |(place, _): &&(Rect, FieldAt)| place.contains(Position::new(column, row));
        let field = drawn.fields.iter().find(here);
        return field.map(|(_, (row, column))| Target::Field(*row, *column));
    }
    let takes_rows = [Context::Rows, Context::Palette];
    if !contexts(state).iter().any(|context| takes_rows.contains(context)) {
        return None;
    }
    let marked = Theme {
        selection: Style::new().bg(MARK),
        ..theme.clone()
    };
    let buffer = buffer(state, &marked, (width, height), now);
    let is_marked = |y: u16| buffer.cell((column, y)).is_some_and(|cell| cell.bg == MARK);
    let mut rows = (0..height).filter(|y| is_marked(*y));
    let (selected, other) = (rows.next()?, rows.next());
    // More than one line of it: lines are no rows there.
    if other.is_some() || row >= height {
        return None;
    }
    Some(Target::Row(
        isize::try_from(row).ok()? - isize::try_from(selected).ok()?,
    ))
}

/// One tab of an experiment, or why there is nothing to show yet.
fn tab(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &State,
    detail: &ExperimentDetail,
    theme: &Theme,
    now: Timestamp,
    drawn: &mut Drawn,
) -> Laid {
    let Some(experiment) = detail.config() else {
        let mut pen = Pen::new(theme, area, frame.buffer_mut());
        return tabs::unknown(&mut pen, &state.keymap, detail);
    };
    let mut whole = Pen::new(theme, area, frame.buffer_mut());
    let above = standing(&mut whole, state, experiment);
    let (width, height) = (whole.width(), whole.height());
    let mut pen = whole.part(0, above, width, height - above);
    if let Some(view) = View::of(state, now) {
        let above = banners(&mut pen, state, now);
        let (width, height) = (pen.width(), pen.height());
        let mut inside = pen.part(0, above, width, height - above);
        return match view.sheet {
            Sheet::Variants => tabs::variants::draw(&mut inside, &view, drawn),
            Sheet::Rules => tabs::rules::draw(&mut inside, &view, drawn),
            _ => sheet::draw(&mut inside, &view, drawn),
        };
    }
    match detail.tab {
        Tab::Overrides => {
            let imports = detail.overrides.imports.value.as_deref().unwrap_or_default();
            let (width, height) = (pen.width(), pen.height());
            let used = tabs::overrides::unfinished(&mut pen, &state.keymap, imports);
            let mut body = pen.part(0, used, width, height - used);
            let seen = (&detail.overrides, &state.keymap);
            tabs::overrides::draw(&mut body, experiment, seen, now, &mut drawn.cursor)
        }
        _ => tabs::insights::draw(&mut pen, (experiment, detail), &state.keymap, now),
    }
}

/// That it is no more, or that the guard has paused it, which every tab says; the rows it takes. Analytics has the pause
/// among its other banners.
fn standing(pen: &mut Pen<'_>, state: &State, experiment: &Experiment) -> u16 {
    let used = deleted(pen, state);
    if used > 0 {
        return used;
    }
    if !experiment.is_auto_paused() || pen.height() < 6 {
        return 0;
    }
    let here = [
        Context::Experiment,
        Context::Rows,
        Context::Global,
        Context::Always,
    ];
    let key = state.keymap.keys(&here, Command::Resume).next();
    let key = key.map(|key| key.word());
    let banner = Banner {
        tone: Tone::Danger,
        text: AUTO_PAUSED,
        key: key.as_deref().map(|key| (key, "resume")),
    };
    let width = pen.width();
    banner.draw(&mut pen.part(0, 0, width, 1));
    1
}

/// That it is no more, which Analytics says above its own banners; the rows it takes.
fn deleted(pen: &mut Pen<'_>, state: &State) -> u16 {
    if let Some(detail) = state.detail().filter(|detail| detail.deleted)
        && pen.height() >= 6
    {
        let here = contexts_under(state, &[]);
        let key = state.keymap.keys(&here, Command::Save).next();
        let key = key.map(|key| key.word());
        let banner = Banner {
            tone: Tone::Danger,
            text: lifecycle::gone_banner(detail.config()),
            key: key.as_deref().map(|key| (key, "make a new one of it")),
        };
        let width = pen.width();
        banner.draw(&mut pen.part(0, 0, width, 1));
        return 1;
    }
    0
}

/// What is to be known before anything is edited; the rows it takes.
fn banners(pen: &mut Pen<'_>, state: &State, now: Timestamp) -> u16 {
    let theme = pen.theme;
    let lines = sheet::banners(state, theme, now);
    let room = pen.height() / 3;
    let mut used = 0;
    for line in lines.iter().take(usize::from(room)) {
        draw_spans(pen, 1, used, line);
        used += 1;
    }
    used
}

/// The parts of the screen. What does not fit is left out, the content last.
struct Parts {
    header: Rect,
    title: Rect,
    /// What is wrong with a connection or with the files; blank otherwise.
    alert: Rect,
    content: Rect,
    footer: Rect,
}

/// Whether one panel has the whole screen, but for the last line.
fn is_zoomed(state: &State) -> bool {
    state.detail().is_some_and(ExperimentDetail::zoomed)
}

fn split(area: Rect, alert: usize, zoomed: bool) -> Parts {
    let title = u16::from(area.height >= 3 && !zoomed);
    let footer = u16::from(area.height >= 5);
    let header = u16::from(area.height >= 6 && !zoomed);
    // A blank line sets the content off where there is room for it.
    let gap = match (u16::try_from(alert).unwrap_or(1), zoomed) {
        (0, true) => 0,
        (0, false) => u16::from(area.height >= 20),
        (lines, _) if area.height >= 20 => lines,
        _ => u16::from(area.height >= 8),
    };
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
