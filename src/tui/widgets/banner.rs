//! Banners: what must be said above everything else.

use super::Pen;
use super::pen::{columns, wrap};
use crate::tui::glyphs::{Glyphs, Tone};

/// One banner.
#[derive(Debug, Clone)]
pub struct Banner<'a> {
    /// How loud it is.
    pub tone: Tone,
    /// What it says, in full sentences.
    pub text: &'a str,
    /// The key that leads on, and what it does; none where nothing can be done here.
    pub key: Option<(&'a str, &'a str)>,
}

impl Banner<'_> {
    /// The rows it takes, at most `limit`.
    #[must_use]
    pub fn height(&self, width: u16, limit: u16, glyphs: Glyphs) -> u16 {
        let lines = wrap(self.text, self.text_width(width), limit, glyphs).len();
        u16::try_from(lines).unwrap_or(u16::MAX)
    }

    /// Draws it: glyph and first words in the banner's colour, the key at the right end of the first row.
    ///
    /// The first words reach to the first dash or full stop, so that what happened stands out and the
    /// explanation stays readable on any background.
    pub fn draw(&self, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        let glyphs = pen.glyphs();
        let style = theme.tone(self.tone);
        let width = pen.width();
        let text_width = self.text_width(width);
        let mut loud = self.loud_chars();
        pen.text(0, 0, glyphs.tone(self.tone), style);
        for (y, line) in (0_u16..).zip(wrap(self.text, text_width, pen.height(), glyphs)) {
            let line = glyphs.text(&line);
            let split = line.char_indices().nth(loud).map_or(line.len(), |(at, _)| at);
            // The blank at which the line was broken counts too.
            loud = loud.saturating_sub(line.chars().count() + 1);
            let end = pen.text(2, y, &line[..split], style);
            pen.text(end, y, &line[split..], theme.text);
        }
        if let Some((key, what)) = self.key
            && text_width + 2 < width
        {
            let start = width - columns(key) - columns(what) - 2;
            let end = pen.text(start, 0, key, theme.key);
            pen.text(end + 1, 0, what, theme.dim);
        }
    }

    fn text_width(&self, width: u16) -> u16 {
        let key = self.key.map_or(0, |(key, what)| {
            columns(key).saturating_add(columns(what)).saturating_add(4)
        });
        let text = width.saturating_sub(2);
        // A hint that would take half of the row is left out: the footer has it too.
        if key > text / 2 { text } else { text - key }
    }
    /// How many characters stand out.
    fn loud_chars(&self) -> usize {
        let text = self.text;
        let end = match self.tone {
            Tone::Danger => None,
            _ => [" — ", ". "].iter().filter_map(|mark| text.find(mark)).min(),
        };
        text[..end.unwrap_or(text.len())].chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::testing::{draw, lines};

    const SRM: Banner<'_> = Banner {
        tone: Tone::Warn,
        text: "Mismatch detected — actual split differs. Check for bugs.",
        key: Some(("r", "resume")),
    };

    #[test]
    fn wraps_and_keeps_the_key_at_the_right() {
        let buf = draw(46, 2, |pen| SRM.draw(pen));
        let expected = [
            "▲ Mismatch detected — actual split   r resume",
            "  differs. Check for bugs.",
        ];
        assert_eq!(lines(&buf), expected);
        assert_eq!(SRM.height(46, 9, Glyphs::Braille), 2);
        let buf = draw(46, 1, |pen| SRM.draw(pen));
        assert_eq!(lines(&buf), ["▲ Mismatch detected — actual split…  r resume"]);
        let buf = draw(10, 1, |pen| SRM.draw(pen));
        assert_eq!(lines(&buf), ["▲ Mismatc…"]);
    }

    #[test]
    fn what_happened_stands_out_and_the_explanation_does_not() {
        let buf = draw(70, 1, |pen| SRM.draw(pen));
        let bold = |x: u16| {
            let cell = buf.cell((x, 0)).expect("inside");
            cell.modifier.contains(ratatui::style::Modifier::BOLD)
        };
        assert!(bold(0) && bold(2) && bold(18) && !bold(20) && !bold(40));
    }
}
