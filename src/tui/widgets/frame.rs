//! A frame for charts: a title in the upper edge, ticks of an axis in the lower one.

use super::Pen;
use super::pen::columns;

/// A frame.
#[derive(Debug, Clone, Default)]
pub struct Frame<'a> {
    /// What the chart shows.
    pub title: &'a str,
    /// At the right end of the upper edge, quieter.
    pub right: &'a str,
    /// Whether the panel has the focus.
    pub focused: bool,
}

/// A mark on the axis in the lower edge.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Tick {
    /// Column from the left of the frame's inside at which the text is centred.
    pub at: u16,
    /// The text.
    pub text: String,
}

/// Columns that a frame takes from the width of what is in it.
pub const SIDES: u16 = 4;
/// Rows that a frame takes from the height of what is in it.
pub const EDGES: u16 = 2;

impl Frame<'_> {
    /// Draws the frame; a pen for its inside, one column clear of each side.
    ///
    /// Where there is no room for a frame the title stands alone above the inside.
    pub fn draw<'p>(&self, pen: &'p mut Pen<'_>) -> Pen<'p> {
        let theme = pen.theme;
        let (width, height) = (pen.width(), pen.height());
        let title = if self.focused { theme.accent } else { theme.heading };
        if width < 12 || height < 3 {
            pen.text(0, 0, self.title, title);
            return pen.part(0, 1, width, height.saturating_sub(1));
        }
        let edge = if self.focused { theme.accent } else { theme.rule };
        let glyphs = pen.glyphs();
        let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners();
        for y in [0, height - 1] {
            pen.repeat(1, y, width - 2, glyphs.rule(), edge);
        }
        for y in 1..height - 1 {
            pen.glyph(0, y, glyphs.vertical(), edge);
            pen.glyph(width - 1, y, glyphs.vertical(), edge);
        }
        pen.glyph(0, 0, top_left, edge);
        pen.glyph(width - 1, 0, top_right, edge);
        pen.glyph(0, height - 1, bottom_left, edge);
        pen.glyph(width - 1, height - 1, bottom_right, edge);

        pen.glyph(1, 0, " ", edge);
        let end = pen.text_within(2, 0, self.title, width - 4, title);
        pen.glyph(end, 0, " ", edge);
        let right = columns(self.right);
        if right > 0 && end.saturating_add(right).saturating_add(6) < width {
            let x = width - right - 3;
            pen.glyph(x - 1, 0, " ", edge);
            let end = pen.text(x, 0, self.right, theme.dim);
            pen.glyph(end, 0, " ", edge);
        }
        pen.part(2, 1, width - SIDES, height - EDGES)
    }

    /// Writes ticks into the lower edge, from the left; one that would touch another or the edge is left
    /// out. Without a frame there is no edge and nothing is drawn.
    pub fn ticks(pen: &mut Pen<'_>, ticks: &[Tick]) {
        let theme = pen.theme;
        let (width, height) = (pen.width(), pen.height());
        if width < 12 || height < 3 {
            return;
        }
        let mut free = 1;
        for tick in ticks {
            let length = columns(&tick.text);
            // A blank on each side sets the text apart from the edge.
            let Some(start) = tick.at.saturating_add(2).checked_sub(length / 2 + 1) else {
                continue;
            };
            // Not moved to make room: a tick that stands elsewhere is a lie.
            let end = start.saturating_add(length).saturating_add(2);
            if start < free || end >= width {
                continue;
            }
            pen.glyph(start, height - 1, " ", theme.rule);
            pen.text(start + 1, height - 1, &tick.text, theme.dim);
            pen.glyph(end - 1, height - 1, " ", theme.rule);
            free = end + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::testing::{draw, lines};

    #[test]
    fn the_title_stands_in_the_upper_edge_and_ticks_in_the_lower_one() {
        let frame = Frame {
            title: "posterior",
            right: "%",
            focused: false,
        };
        let buf = draw(30, 3, |pen| {
            frame
                .draw(pen)
                .text(0, 0, "inside", ratatui::style::Style::default());
            let tick = |at, text: &str| Tick {
                at,
                text: text.into(),
            };
            Frame::ticks(
                pen,
                &[
                    tick(0, "lost"),
                    tick(3, "17.5"),
                    tick(5, "lost"),
                    tick(11, "18.5"),
                    tick(25, "lost"),
                ],
            );
        });
        let expected = [
            "╭ posterior ───────────── % ─╮",
            "│ inside                     │",
            "╰─ 17.5 ── 18.5 ─────────────╯",
        ];
        assert_eq!(lines(&buf), expected);
    }

    #[test]
    fn without_room_the_title_stands_alone() {
        let frame = Frame {
            title: "posterior",
            ..Frame::default()
        };
        let buf = draw(8, 2, |pen| {
            frame
                .draw(pen)
                .text(0, 0, "inside", ratatui::style::Style::default());
        });
        assert_eq!(lines(&buf), ["posteri…", "inside"]);
    }
}
