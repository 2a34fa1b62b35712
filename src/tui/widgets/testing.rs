//! For the tests of widgets: draw into a buffer, read it as text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Pen;
use crate::tui::theme::Theme;

/// What `paint` draws into an area of this size, in the default theme.
pub fn draw(width: u16, height: u16, paint: impl FnOnce(&mut Pen<'_>)) -> Buffer {
    let theme = Theme::built_in("default").expect("built in");
    let area = Rect::new(0, 0, width, height);
    let mut buf = Buffer::empty(area);
    paint(&mut Pen::new(&theme, area, &mut buf));
    buf
}

/// The buffer's text, a line for each row, without the blanks at their ends.
pub fn lines(buf: &Buffer) -> Vec<String> {
    (0..buf.area.height)
        .map(|y| {
            let row: String = (0..buf.area.width)
                .map(|x| buf.cell((x, y)).expect("inside").symbol())
                .collect();
            row.trim_end().to_owned()
        })
        .collect()
}
