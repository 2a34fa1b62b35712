//! The lower part of a dialog: fields, choices, boxes to tick, buttons.

use jiff::Timestamp;
use ratatui::layout::Position;
use ratatui::style::Style;

use super::Canvas;
use crate::cockpit::ports::Slot;
use crate::cockpit::state::State;
use crate::cockpit::state::text::TextField;
use crate::tui::field;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, fit_middle, wrap};

/// Columns of the labels.
const LABEL: u16 = 12;

/// One row.
pub enum Row<'a, F> {
    /// Nothing.
    Blank,
    /// A line of text.
    Note(String, Style),
    /// A text field, with a word at its right end.
    Text(F, &'a str, &'a TextField, &'a str),
    /// A choice among several: the label, what is chosen.
    Choice(F, &'a str, String),
    /// A box to tick, with a word at its right end.
    Tick(F, String, bool, &'a str),
    /// The two buttons: what changes nothing, what does it.
    Buttons(&'a str, &'a str),
}

/// The lines that a note may take: what is said is read whole, but it does not push everything else away.
const NOTE_LINES: u16 = 5;

/// The rows of a note that is as wide as the dialog; one without words still keeps its row.
pub fn note<'a, F>(canvas: &Canvas<'_, '_>, widest: u16, text: &str, style: Style) -> Vec<Row<'a, F>> {
    if text.is_empty() {
        return vec![Row::Blank];
    }
    let width = canvas.inside_width(widest);
    let lines = wrap(text, width, NOTE_LINES, canvas.theme.glyphs);
    lines.into_iter().map(|line| Row::Note(line, style)).collect()
}

/// What is said while a change is on its way, and for how long it has been once that is long.
pub fn sending(state: &State, slot: Slot, now: Timestamp) -> String {
    /// An answer that takes longer is a long one.
    const LONG: i64 = 3;
    let since = state.requests.pending(slot).map(|pending| pending.since);
    match since.map(|since| now.duration_since(since).as_secs()) {
        Some(seconds) if seconds >= LONG => format!("Sending … the server has not answered for {seconds} s"),
        _ => "Sending …".to_owned(),
    }
}

/// Rows of a dialog, with what has the focus.
pub struct Form<'a, F> {
    /// The rows.
    pub rows: Vec<Row<'a, F>>,
    /// What has the focus.
    pub focus: F,
    /// The buttons: what changes nothing, what does it.
    pub buttons: [F; 2],
    /// Whether it takes keys already.
    pub armed: bool,
}

impl<F: Copy + PartialEq> Form<'_, F> {
    /// Draws the rows; those around the focus where there is no room for all. Where the cursor is.
    pub fn draw(&self, pen: &mut Pen<'_>) -> Option<Position> {
        let room = usize::from(pen.height());
        let focused = self.rows.iter().position(|row| self.has_focus(row)).unwrap_or(0);
        let first = focused
            .saturating_sub(room / 2)
            .min(self.rows.len().saturating_sub(room));
        let mut cursor = None;
        for (y, row) in (0_u16..).zip(self.rows.iter().skip(first).take(room)) {
            if let Some(at) = self.row(pen, y, row) {
                cursor = Some(at);
            }
        }
        cursor
    }

    fn has_focus(&self, row: &Row<'_, F>) -> bool {
        match row {
            Row::Text(field, ..) | Row::Choice(field, ..) | Row::Tick(field, ..) => *field == self.focus,
            Row::Buttons(..) => self.buttons.contains(&self.focus),
            Row::Blank | Row::Note(..) => false,
        }
    }

    fn row(&self, pen: &mut Pen<'_>, y: u16, row: &Row<'_, F>) -> Option<Position> {
        let theme = pen.theme;
        let focused = self.has_focus(row);
        let label_style = if focused { theme.accent } else { theme.dim };
        let width = pen.width();
        let label_width = LABEL.min(width / 3);
        match row {
            Row::Blank => None,
            Row::Note(text, style) => {
                pen.text(0, y, &theme.glyphs.text(text), *style);
                None
            }
            Row::Text(_, label, text, word) => {
                pen.text_within(0, y, label, label_width, label_style);
                let word_width = columns(word);
                let with_word = width > label_width + word_width + 14;
                let right = if with_word { word_width + 1 } else { 0 };
                if with_word {
                    word_at_end(pen, y, word);
                }
                let bar = pen.text(label_width, y, theme.glyphs.cursor_bar(), label_style);
                let room = width.saturating_sub(bar + right);
                let at = field::draw(pen, bar, y, room, text, theme.text);
                at.filter(|_| focused)
            }
            Row::Choice(_, label, chosen) => {
                pen.text_within(0, y, label, label_width, label_style);
                let style = if focused { theme.selection } else { theme.text };
                choice(pen, label_width, y, chosen, style);
                None
            }
            Row::Tick(_, text, on, word) => {
                let style = if focused { theme.selection } else { theme.text };
                let line = format!("{} {text}", theme.glyphs.checkbox(*on));
                let end = pen.text(0, y, &theme.glyphs.text(&line), style);
                if end + columns(word) < width {
                    word_at_end(pen, y, word);
                }
                None
            }
            Row::Buttons(keep, act) => {
                self.buttons(pen, y, keep, act);
                None
            }
        }
    }

    fn buttons(&self, pen: &mut Pen<'_>, y: u16, keep: &str, act: &str) {
        let focus = (self.focus == self.buttons[0], self.focus == self.buttons[1]);
        buttons(pen, y, (keep, act), focus, self.armed);
    }
}

/// What is chosen among several, between its marks. Keys often differ in their ends: a long one loses its middle.
pub fn choice(pen: &mut Pen<'_>, x: u16, y: u16, chosen: &str, style: Style) {
    let glyphs = pen.glyphs();
    let chosen = glyphs.text(chosen);
    let room = pen.width().saturating_sub(x + 4);
    let chosen = fit_middle(&chosen, room, glyphs);
    let text = if glyphs.is_ascii() {
        format!("< {chosen} >")
    } else {
        format!("‹ {chosen} ›")
    };
    pen.text(x, y, &text, style);
}

/// What is said of a row at its right end.
fn word_at_end(pen: &mut Pen<'_>, y: u16, word: &str) {
    let (at, dim) = (pen.width().saturating_sub(columns(word)), pen.theme.dim);
    pen.text(at, y, word, dim);
}

/// Two buttons at the right end: what changes nothing, what does it; and which of them has the focus.
pub fn buttons(
    pen: &mut Pen<'_>,
    y: u16,
    (keep, act): (&str, &str),
    (keep_focused, act_focused): (bool, bool),
    armed: bool,
) {
    let theme = pen.theme;
    let (open, close) = if theme.glyphs.is_ascii() {
        ("<", ">")
    } else {
        ("‹", "›")
    };
    let text = |label: &str, focused: bool| {
        if focused {
            format!("{open} {label} {close}")
        } else {
            format!("  {label}  ")
        }
    };
    let style = |focused: bool| match (armed, focused) {
        (false, _) => theme.dim,
        (true, true) => theme.selection,
        (true, false) => theme.text,
    };
    let keep = text(keep, keep_focused);
    let act = text(act, act_focused);
    let width = pen.width();
    let act_at = width.saturating_sub(columns(&act));
    let keep_at = act_at.saturating_sub(columns(&keep) + 2);
    if columns(&keep) + columns(&act) + 2 > width {
        // Only the one that has the focus fits.
        let (label, focused) = if act_focused {
            (&act, true)
        } else {
            (&keep, keep_focused)
        };
        pen.text(0, y, label, style(focused));
        return;
    }
    pen.text(keep_at, y, &keep, style(keep_focused));
    pen.text(act_at, y, &act, style(act_focused));
}
