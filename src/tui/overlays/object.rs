//! The dialog that is asked before an object is made, changed or ended.

use jiff::Timestamp;
use ratatui::layout::Position;
use ratatui::style::Style;

use super::{Canvas, WIDEST};
use crate::cockpit::state::form::{Focus, Form, Input, Purpose};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::form::words;
use crate::tui::field;
use crate::tui::page::{Page, Span, draw_spans};
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, wrap};

/// Columns of the labels.
const LABEL: u16 = 12;

/// A row of the lower part.
enum Row {
    Note(String, Style),
    Line(usize),
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
    let mut lower = Vec::new();
    if !page.is_empty() {
        lower.push(Row::Note(String::new(), theme.dim));
    }
    for (at, line) in form.lines.iter().enumerate() {
        lower.push(Row::Line(at));
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
        (_, true) => lower.push(Row::Note("Sending …".to_owned(), theme.dim)),
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
            let text = if theme.glyphs.is_ascii() {
                format!("< {chosen} >")
            } else {
                format!("‹ {chosen} ›")
            };
            pen.text(label_width, y, &theme.glyphs.text(&text), style);
        }
        Input::Tick(on) => {
            let style = if focused { theme.selection } else { theme.text };
            let text = format!("{} {}", theme.glyphs.checkbox(*on), line.label);
            pen.text(label_width, y, &text, style);
        }
        Input::Ticks { options, at } => {
            pen.text_within(0, y, line.label, label_width, label_style);
            if options.is_empty() {
                pen.text(label_width, y, "none to choose", theme.dim);
                return None;
            }
            // The one under the cursor first, where there is no room for all.
            let texts: Vec<Span> = options
                .iter()
                .enumerate()
                .map(|(n, option)| {
                    let style = if focused && n == *at {
                        theme.selection
                    } else {
                        theme.text
                    };
                    let mark = theme.glyphs.checkbox(option.on);
                    (format!("{mark} {}", option.name), style)
                })
                .collect();
            let width_to: u16 = texts[..=*at].iter().map(|(text, _)| columns(text) + 2).sum();
            let room = pen.width().saturating_sub(label_width);
            let first = if width_to > room { *at } else { 0 };
            let mut spans = Vec::new();
            for span in texts.into_iter().skip(first) {
                spans.push(span);
                spans.push(("  ".to_owned(), theme.text));
            }
            draw_spans(pen, label_width, y, &spans);
        }
    }
    None
}
