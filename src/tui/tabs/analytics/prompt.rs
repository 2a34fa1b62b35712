//! The line that is being typed, with what may be typed or what was wrong with it.

use ratatui::layout::Position;

use super::Page;
use crate::tui::field;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::wrap;

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

/// Draws it; where the cursor stands.
pub fn draw(page: &Page<'_>, pen: &mut Pen<'_>) -> Option<Position> {
    let theme = pen.theme;
    let glyphs = pen.glyphs();
    let prompt = page.analytics.prompt.as_ref()?;
    let label = pen.text(1, 0, prompt.kind.label(), theme.accent) + 1;
    pen.text(label, 0, glyphs.cursor_bar(), theme.accent);
    let cursor = field::draw(pen, label + 1, 0, u16::MAX, &prompt.field, theme.text);

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
    cursor
}
