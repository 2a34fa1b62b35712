//! The dialog that is asked before an object is made, changed or ended.

use std::ops::Range;

use jiff::Timestamp;
use ratatui::layout::Position;
use ratatui::style::Style;

use super::form::sending;
use super::{Canvas, WIDEST};
use crate::cockpit::ports::Slot;
use crate::cockpit::state::form::{Focus, Form, Input, Purpose, Ticked};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::form::words;
use crate::tui::field;
use crate::tui::page::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, fit_middle, wrap};

/// Columns of the labels.
const LABEL: u16 = 12;

/// The most rows of what can be ticked; of more those around the cursor are shown.
const TICK_ROWS: usize = 4;

/// A row of the lower part.
enum Row {
    Note(String, Style),
    Line(usize),
    /// Some of what can be ticked in a line.
    Ticks(usize, TickRow),
    Key,
    Buttons,
}

/// Draws the dialog.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    form: &Form,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let mut page = Page::new(theme, width);
    let saves = matches!(form.purpose, Purpose::SaveFlag(_));
    for line in words::effects(state, form) {
        page.text(&line, if saves { theme.dirty } else { theme.text });
    }
    if let Purpose::SaveFlag(draft) = &form.purpose {
        let lines = words::consequences_of(state, draft);
        if !lines.is_empty() {
            page.blank();
        }
        for line in lines {
            page.hanging(&[("! ".to_owned(), theme.warn)], &line, theme.warn);
        }
    }
    let mut lower = Vec::new();
    if !page.is_empty() {
        lower.push(Row::Note(String::new(), theme.dim));
    }
    for (at, line) in form.lines.iter().enumerate() {
        match &line.input {
            Input::Ticks { options, at: cursor } if !options.is_empty() => {
                let room = width.saturating_sub(LABEL.min(width / 3));
                lower.extend(tick_rows(options, *cursor, room).map(|some| Row::Ticks(at, some)));
            }
            _ => lower.push(Row::Line(at)),
        }
        if let Some(problem) = &line.problem {
            let room = width.saturating_sub(LABEL).max(8);
            for text in wrap(problem, room, 3, theme.glyphs) {
                lower.push(Row::Note(
                    format!("{:LABEL$}{text}", "", LABEL = usize::from(LABEL)),
                    theme.danger,
                ));
            }
        }
    }
    if let Some((name, _)) = &form.key {
        let text = format!("This project is protected: type {name} to go on.");
        for text in wrap(&text, width, 3, theme.glyphs) {
            lower.push(Row::Note(text, theme.warn));
        }
        lower.push(Row::Key);
    }
    match (&form.error, form.sending) {
        (_, true) => lower.push(Row::Note(sending(state, Slot::Change, now), theme.dim)),
        (Some(error), false) => {
            for text in wrap(error, width, 4, theme.glyphs) {
                lower.push(Row::Note(text, theme.danger));
            }
        }
        (None, false) => lower.push(Row::Note(String::new(), theme.dim)),
    }
    lower.push(Row::Buttons);
    let (title, keep, act) = words::titles(&form.purpose);
    let armed = now >= form.armed_at();
    canvas.dialog((&title, ""), (&page, form.scroll), lower.len(), |pen| {
        lower_part(pen, form, &lower, (keep, act), armed)
    })
}

/// The rows around the focus, where there is no room for all.
fn lower_part(
    pen: &mut Pen<'_>,
    form: &Form,
    all: &[Row],
    buttons: (&str, &str),
    armed: bool,
) -> Option<Position> {
    let room = usize::from(pen.height());
    let has_focus = |row: &Row| match row {
        Row::Line(at) => form.focus == Focus::Line(*at),
        Row::Ticks(at, row) => {
            let cursor = match &form.lines[*at].input {
                Input::Ticks { at, .. } => *at,
                _ => 0,
            };
            form.focus == Focus::Line(*at) && row.some.contains(&cursor)
        }
        Row::Key => form.focus == Focus::Key,
        Row::Buttons => matches!(form.focus, Focus::Cancel | Focus::Confirm),
        Row::Note(..) => false,
    };
    let focused = all.iter().position(has_focus).unwrap_or(0);
    let first = focused
        .saturating_sub(room / 2)
        .min(all.len().saturating_sub(room));
    let mut cursor = None;
    for (y, row) in (0_u16..).zip(all.iter().skip(first).take(room)) {
        let at = match row {
            Row::Note(text, style) => {
                pen.text(0, y, &pen.glyphs().text(text), *style);
                None
            }
            Row::Line(at) => line(pen, y, form, *at),
            Row::Ticks(at, row) => {
                ticks(pen, y, form, *at, row);
                None
            }
            Row::Key => {
                let (_, typed) = form.key.as_ref()?;
                text_line(pen, y, "Key", typed, "required", form.focus == Focus::Key)
            }
            Row::Buttons => {
                super::form::buttons(
                    pen,
                    y,
                    buttons,
                    (form.focus == Focus::Cancel, form.focus == Focus::Confirm),
                    armed,
                );
                None
            }
        };
        cursor = at.or(cursor);
    }
    cursor
}

fn text_line(
    pen: &mut Pen<'_>,
    y: u16,
    label: &str,
    text: &crate::cockpit::state::text::TextField,
    word: &str,
    focused: bool,
) -> Option<Position> {
    let theme = pen.theme;
    let style = if focused { theme.accent } else { theme.dim };
    let width = pen.width();
    let label_width = LABEL.min(width / 3);
    pen.text_within(0, y, label, label_width, style);
    let word_width = columns(word);
    let with_word = word_width > 0 && width > label_width + word_width + 18;
    let right = if with_word { word_width + 1 } else { 0 };
    if with_word {
        pen.text(width - word_width, y, word, theme.dim);
    }
    let bar = pen.text(label_width, y, theme.glyphs.cursor_bar(), style);
    let room = width.saturating_sub(bar + right);
    field::draw(pen, bar, y, room, text, theme.text).filter(|_| focused)
}

fn line(pen: &mut Pen<'_>, y: u16, form: &Form, at: usize) -> Option<Position> {
    let line = &form.lines[at];
    let theme = pen.theme;
    let focused = form.focus == Focus::Line(at);
    let label_style = if focused { theme.accent } else { theme.dim };
    let label_width = LABEL.min(pen.width() / 3);
    match &line.input {
        Input::Text(text) => return text_line(pen, y, line.label, text, line.word, focused),
        Input::Choice { options, at } => {
            pen.text_within(0, y, line.label, label_width, label_style);
            let style = if focused { theme.selection } else { theme.text };
            let chosen = options.get(*at).map_or("none", String::as_str);
            super::form::choice(pen, label_width, y, chosen, style);
        }
        Input::Tick(on) => {
            let style = if focused { theme.selection } else { theme.text };
            let text = format!("{} {}", theme.glyphs.checkbox(*on), line.label);
            pen.text(label_width, y, &text, style);
        }
        // They have rows of their own.
        Input::Ticks { .. } => {
            pen.text_within(0, y, line.label, label_width, label_style);
            pen.text(label_width, y, "none to choose", theme.dim);
        }
    }
    None
}

/// Some of what can be ticked, side by side.
struct TickRow {
    /// Which options.
    some: Range<usize>,
    /// Whether the label stands beside them.
    first: bool,
    /// How many options are not shown, said behind them.
    more: usize,
}

/// Columns of an option: its box, its name, the blanks behind it.
fn wide(option: &Ticked) -> u16 {
    columns(&option.name).saturating_add(6)
}

/// What can be ticked in rows of `room` columns: those with the cursor and around it, and behind the last one how many
/// are not shown.
fn tick_rows(options: &[Ticked], cursor: usize, room: u16) -> impl Iterator<Item = TickRow> {
    let mut rows: Vec<Range<usize>> = Vec::new();
    let mut used = 0;
    for (at, option) in options.iter().enumerate() {
        match rows.last_mut() {
            // The blanks behind the last one may lie outside.
            Some(row) if used + wide(option) <= room + 2 => row.end = at + 1,
            _ => {
                rows.push(at..at + 1);
                used = 0;
            }
        }
        used = used.saturating_add(wide(option));
    }
    let focused = rows.iter().position(|row| row.contains(&cursor)).unwrap_or(0);
    let first = focused
        .saturating_sub(TICK_ROWS - 1)
        .min(rows.len().saturating_sub(TICK_ROWS));
    let shown: Vec<Range<usize>> = rows.into_iter().skip(first).take(TICK_ROWS).collect();
    let hidden = options.len() - shown.iter().map(ExactSizeIterator::len).sum::<usize>();
    let last = shown.len().saturating_sub(1);
    shown.into_iter().enumerate().map(move |(at, some)| TickRow {
        some,
        first: at == 0,
        more: if at == last { hidden } else { 0 },
    })
}

/// Some of what can be ticked.
fn ticks(pen: &mut Pen<'_>, y: u16, form: &Form, at: usize, row: &TickRow) {
    let line = &form.lines[at];
    let Input::Ticks { options, at: cursor } = &line.input else {
        return;
    };
    let theme = pen.theme;
    let focused = form.focus == Focus::Line(at);
    let label_width = LABEL.min(pen.width() / 3);
    if row.first {
        let style = if focused { theme.accent } else { theme.dim };
        pen.text_within(0, y, line.label, label_width, style);
    }
    let more = match row.more {
        0 => String::new(),
        more => format!("+{more} more"),
    };
    let behind = if more.is_empty() { 0 } else { columns(&more) + 2 };
    let mut x = label_width;
    for n in row.some.clone() {
        let option = &options[n];
        let style = if focused && n == *cursor {
            theme.selection
        } else {
            theme.text
        };
        let room = pen.width().saturating_sub(x + behind);
        let mark = theme.glyphs.checkbox(option.on);
        let text = theme.glyphs.text(&format!("{mark} {}", option.name));
        x = pen.text(x, y, &fit_middle(&text, room, theme.glyphs), style) + 2;
    }
    pen.text(x, y, &more, theme.dim);
}
