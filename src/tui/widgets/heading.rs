//! The heading of a section: one line with a thin rule.

use ratatui::style::Style;

use super::Pen;
use super::pen::columns;

/// A heading.
#[derive(Debug, Clone, Default)]
pub struct Heading<'a> {
    /// What the section is.
    pub title: &'a str,
    /// Beside the title, quieter.
    pub detail: &'a str,
    /// At the right end, quieter; left out where there is no room.
    pub right: &'a str,
    /// Whether the section has the focus.
    pub focused: bool,
}

impl Heading<'_> {
    /// Draws it in the first row; the column up to which it reaches without the rule.
    pub fn draw(&self, pen: &mut Pen<'_>) -> u16 {
        let theme = pen.theme;
        let end = self.draw_title(pen, 0);
        let right = columns(self.right);
        let width = pen.width();
        let rule_end = if right > 0 && end.saturating_add(right).saturating_add(4) < width {
            pen.text(width - right - 1, 0, self.right, theme.dim);
            width - right - 2
        } else {
            width
        };
        let rule = pen.glyphs().rule();
        if end + 1 < rule_end {
            pen.repeat(end + 1, 0, rule_end - end - 1, rule, self.rule_style(pen));
        }
        end
    }

    /// Draws title and detail in row `y`, without a rule; the column after them.
    pub fn draw_title(&self, pen: &mut Pen<'_>, y: u16) -> u16 {
        let theme = pen.theme;
        let style = if self.focused { theme.accent } else { theme.heading };
        let mut end = pen.text(1, y, self.title, style);
        if !self.detail.is_empty() {
            end = pen.text(end + 1, y, self.detail, theme.dim);
        }
        end
    }

    /// The style of the rule, which shows the focus too.
    #[must_use]
    pub fn rule_style(&self, pen: &Pen<'_>) -> Style {
        if self.focused {
            pen.theme.accent
        } else {
            pen.theme.rule
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::testing::{draw, lines};

    #[test]
    fn the_rule_fills_what_is_left() {
        let heading = Heading {
            title: "Results",
            detail: "· purchase",
            right: "winner ◆ control",
            focused: false,
        };
        let buf = draw(50, 1, |pen| {
            heading.draw(pen);
        });
        assert_eq!(lines(&buf), [" Results · purchase ──────────── winner ◆ control"]);
        let buf = draw(24, 1, |pen| {
            heading.draw(pen);
        });
        assert_eq!(lines(&buf), [" Results · purchase ────"]);
        let buf = draw(6, 1, |pen| {
            heading.draw(pen);
        });
        assert_eq!(lines(&buf), [" Resu…"]);
    }
}
