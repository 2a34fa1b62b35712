//! Drawing into a buffer and reading it.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use splitdeck::tui::theme::Theme;

/// What `paint` draws on a screen of this size.
pub fn screen(theme: &Theme, width: u16, height: u16, paint: impl FnOnce(Rect, &mut Buffer)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| {
            let area = frame.area();
            frame.buffer_mut().set_style(area, theme.base());
            paint(area, frame.buffer_mut());
        })
        .expect("drawn");
    terminal.backend().buffer().clone()
}

/// The text, one line a row, without the blanks at their ends.
pub fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut row = String::new();
        let mut skip = 0;
        for x in 0..buf.area.width {
            // The cell after a wide character is covered by it.
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buf[(x, y)].symbol();
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            row.push_str(symbol);
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

/// Draws into `area` of a larger sheet and fails when anything outside of it was touched.
pub fn stays_inside(area: Rect, paint: impl FnOnce(Rect, &mut Buffer)) {
    let sheet = Rect::new(
        0,
        0,
        area.right().saturating_add(3).min(240),
        area.bottom().saturating_add(3).min(170),
    );
    let mut before = Buffer::empty(sheet);
    before.set_style(
        sheet,
        Style::new().fg(Color::Indexed(201)).bg(Color::Indexed(202)),
    );
    for cell in &mut before.content {
        cell.set_symbol("~");
    }
    let mut after = before.clone();
    paint(area, &mut after);
    for y in 0..sheet.height {
        for x in 0..sheet.width {
            let inside = area.contains((x, y).into());
            assert!(
                inside || before[(x, y)] == after[(x, y)],
                "{area:?}: the cell at {x}, {y} outside was drawn: {:?}",
                after[(x, y)]
            );
        }
    }
}
