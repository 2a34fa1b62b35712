//! The line that is being typed, with what may be typed or what was wrong with it.

use super::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, wrap};

/// Rows of the line and of its hint.
pub fn height(page: &Page<'_>, width: u16) -> u16 {
    let lines = hint(page).map_or(0, |hint| {
        wrap(
            hint,
            width.saturating_sub(2),
            2,
            crate::tui::glyphs::Glyphs::Braille,
        )
        .len()
    });
    1 + u16::try_from(lines).unwrap_or(u16::MAX)
}

fn hint<'a>(page: &'a Page<'_>) -> Option<&'a str> {
    let prompt = page.analytics.prompt.as_ref()?;
    Some(prompt.problem.as_deref().unwrap_or_else(|| prompt.kind.hint()))
}

/// Draws it; the cursor is a reversed cell.
pub fn draw(page: &Page<'_>, pen: &mut Pen<'_>) {
    let theme = pen.theme;
    let glyphs = pen.glyphs();
    let Some(prompt) = &page.analytics.prompt else {
        return;
    };
    let label = pen.text(1, 0, prompt.kind.label(), theme.accent) + 1;
    pen.text(label, 0, glyphs.cursor_bar(), theme.accent);
    let start = label + 1;
    let room = usize::from(pen.width().saturating_sub(start + 1));
    let (skip, cursor) = prompt.field.view(room);
    let shown: String = skip_columns(prompt.field.text(), skip);
    pen.text(start, 0, &shown, theme.text);
    let at = start.saturating_add(u16::try_from(cursor).unwrap_or(u16::MAX));
    let under = under_cursor(&shown, cursor);
    pen.text(at, 0, &under, theme.selection);

    let style = if prompt.problem.is_some() {
        theme.danger
    } else {
        theme.dim
    };
    let hint = hint(page).unwrap_or_default();
    let (width, rows) = (pen.width().saturating_sub(2), pen.height().saturating_sub(1));
    for (y, line) in (1..).zip(wrap(hint, width, rows, glyphs)) {
        pen.text(1, y, &glyphs.text(&line), style);
    }
}

/// The text without its first columns.
fn skip_columns(text: &str, mut skip: usize) -> String {
    let mut chars = text.chars();
    while skip > 0 {
        let Some(c) = chars.next() else { break };
        skip = skip.saturating_sub(usize::from(columns(c.encode_utf8(&mut [0; 4]))));
    }
    chars.collect()
}

/// The character at a column, or a blank after the end.
fn under_cursor(text: &str, column: usize) -> String {
    let mut at = 0;
    for c in text.chars() {
        if at >= column {
            return c.to_string();
        }
        at += usize::from(columns(c.encode_utf8(&mut [0; 4])));
    }
    " ".to_owned()
}
