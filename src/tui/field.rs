//! Drawing one-line text fields.

use ratatui::layout::Position;
use ratatui::style::Style;
use unicode_width::UnicodeWidthChar as _;

use super::widgets::Pen;
use crate::cockpit::state::text::TextField;

/// Draws a field in `width` columns from `x` on, scrolled so that its cursor is in view; where the cursor
/// stands on the screen.
pub fn draw(
    pen: &mut Pen<'_>,
    x: u16,
    y: u16,
    width: u16,
    field: &TextField,
    style: Style,
) -> Option<Position> {
    let width = width.min(pen.width().saturating_sub(x));
    if width == 0 || y >= pen.height() {
        return None;
    }
    let (scroll, cursor) = field.view(usize::from(width));
    let mut skipped = 0;
    let mut shown = String::new();
    let mut used = 0;
    for c in field.text().chars() {
        let wide = c.width().unwrap_or(0);
        if skipped < scroll {
            skipped += wide;
        } else if used + wide <= usize::from(width) {
            used += wide;
            shown.push(c);
        } else {
            break;
        }
    }
    pen.text(x, y, &shown, style);
    let area = pen.area();
    let cursor = u16::try_from(cursor).unwrap_or(u16::MAX).min(width - 1);
    Some(Position::new(area.x + x + cursor, area.y + y))
}
