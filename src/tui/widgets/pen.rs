//! A pen that writes into one area of a buffer and never beyond it.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::cockpit::width;
use crate::tui::glyphs::Glyphs;
use crate::tui::theme::Theme;

/// Writes into one area. Positions are columns and rows from its top left corner; what lies outside is
/// not drawn.
pub struct Pen<'a> {
    /// The theme.
    pub theme: &'a Theme,
    area: Rect,
    buf: &'a mut Buffer,
}

impl<'a> Pen<'a> {
    /// A pen for the part of `area` that lies in the buffer.
    pub fn new(theme: &'a Theme, area: Rect, buf: &'a mut Buffer) -> Self {
        let area = area.intersection(buf.area);
        Self { theme, area, buf }
    }

    /// A pen for a part of this area.
    pub fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Pen<'_> {
        let x = self.area.x.saturating_add(x.min(self.area.width));
        let y = self.area.y.saturating_add(y.min(self.area.height));
        let area = Rect::new(x, y, width, height).intersection(self.area);
        Pen {
            theme: self.theme,
            area,
            buf: self.buf,
        }
    }

    /// The glyphs of the theme.
    #[must_use]
    pub fn glyphs(&self) -> Glyphs {
        self.theme.glyphs
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.area.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// Where the area lies in the buffer.
    #[must_use]
    pub fn area(&self) -> Rect {
        self.area
    }

    /// Whether nothing can be drawn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Writes text from column `x`, cut at the edge; the column after it.
    pub fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.text_within(x, y, text, u16::MAX, style)
    }

    /// Writes text in at most `width` columns, with an ellipsis where it was cut; the column after it.
    pub fn text_within(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        if y >= self.area.height || x >= self.area.width {
            return x;
        }
        let room = width.min(self.area.width - x);
        #[cfg(test)]
        counting::count_text();
        let certain = self.written(text);
        let shown = fit(&certain, room, self.glyphs());
        let (end, _) =
            self.buf
                .set_stringn(self.area.x + x, self.area.y + y, &shown, usize::from(room), style);
        end - self.area.x
    }

    /// The text as it goes to the terminal: as wide there as it was measured, and where the font has ASCII alone, in
    /// that. Names and ids come from people, whatever font is here.
    fn written<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let certain = width::certain(text);
        if self.glyphs().is_ascii() && !certain.is_ascii() {
            return Cow::Owned(self.glyphs().text(&certain));
        }
        certain
    }

    /// Writes text that ends before column `end`; the column where it begins.
    ///
    /// A number that does not fit is not drawn at all but for an ellipsis: half a number is a lie.
    pub fn text_before(&mut self, end: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        let end = end.min(self.area.width);
        let text = &*self.written(text);
        let wanted = columns(text);
        let text = if wanted > width || wanted > end {
            self.glyphs().ellipsis()
        } else {
            text
        };
        let start = end.saturating_sub(columns(text));
        self.text(start, y, text, style);
        start
    }

    /// Fills `width` columns from `x` with one glyph.
    pub fn repeat(&mut self, x: u16, y: u16, width: u16, glyph: &str, style: Style) {
        for column in x..x.saturating_add(width).min(self.area.width) {
            self.glyph(column, y, glyph, style);
        }
    }

    /// One glyph, one cell wide.
    pub fn glyph(&mut self, x: u16, y: u16, glyph: &str, style: Style) {
        if x < self.area.width
            && y < self.area.height
            && let Some(cell) = self.buf.cell_mut((self.area.x + x, self.area.y + y))
        {
            cell.set_symbol(glyph).set_style(style);
        }
    }

    /// One character, one cell wide.
    pub fn char(&mut self, x: u16, y: u16, glyph: char, style: Style) {
        let mut utf8 = [0; 4];
        self.glyph(x, y, glyph.encode_utf8(&mut utf8), style);
    }

    /// Empties the whole area.
    pub fn clear(&mut self, style: Style) {
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buf.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// Restyles a whole row, whatever was written there.
    pub fn restyle_row(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            let row = Rect::new(self.area.x, self.area.y + y, self.area.width, 1);
            self.buf.set_style(row, style);
        }
    }
}

/// Columns that a text takes, at most `u16::MAX`.
#[must_use]
pub fn columns(text: &str) -> u16 {
    #[cfg(test)]
    counting::count_text();
    width::columns(text)
}

/// The text in at most `width` columns, with an ellipsis where it was cut.
#[must_use]
pub fn fit(text: &str, width: u16, glyphs: Glyphs) -> Cow<'_, str> {
    let width = usize::from(width);
    // As it is drawn: a family of emoji is its members.
    let text = width::certain(text);
    if text.width() <= width {
        return text;
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let mut used = 0;
    let mut cut = String::new();
    for c in text.chars() {
        let next = c.width().unwrap_or(0);
        if used + next > width - 1 {
            break;
        }
        used += next;
        cut.push(c);
    }
    cut.push_str(glyphs.ellipsis());
    Cow::Owned(cut)
}

/// The text with as many blanks behind it as make `width` columns.
#[must_use]
pub fn padded(text: &str, width: u16) -> String {
    let blanks = usize::from(width.saturating_sub(columns(text)));
    format!("{text}{}", " ".repeat(blanks))
}

/// The text in at most `width` columns, with an ellipsis in its middle where it was cut: both of its ends are read.
#[must_use]
pub fn fit_middle(text: &str, width: u16, glyphs: Glyphs) -> Cow<'_, str> {
    let ellipsis = columns(glyphs.ellipsis());
    if columns(text) <= width || width < ellipsis + 4 {
        return fit(text, width, glyphs);
    }
    let room = width - ellipsis;
    let within = |room: u16| {
        let mut used = 0;
        move |c: &char| {
            used += c.width().unwrap_or(0);
            used <= usize::from(room)
        }
    };
    let begin: String = text.chars().take_while(within(room - room / 3)).collect();
    let mut end: Vec<char> = text.chars().rev().take_while(within(room / 3)).collect();
    // What joins onto a character that was cut off stands for nothing.
    while end.last().is_some_and(|c| c.width().unwrap_or(0) == 0) {
        end.pop();
    }
    end.reverse();
    Cow::Owned(begin + glyphs.ellipsis() + &end.into_iter().collect::<String>())
}

/// The text in lines of at most `width` columns, broken at blanks; a longer word is cut.
///
/// At most `lines` lines; the last one ends in an ellipsis where there would be more.
#[must_use]
pub fn wrap(text: &str, width: u16, lines: u16, glyphs: Glyphs) -> Vec<String> {
    if width == 0 || lines == 0 {
        return Vec::new();
    }
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = words(text).peekable();
    while let Some(word) = words.peek() {
        let joined = columns(&line).saturating_add(u16::from(!line.is_empty()));
        if line.is_empty() || joined.saturating_add(columns(word)) <= width {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            words.next();
            continue;
        }
        if out.len() + 1 == usize::from(lines) {
            // The last line takes the rest, so that it is cut where it ends.
            for word in words.by_ref() {
                line.push(' ');
                line.push_str(&word);
            }
            break;
        }
        out.push(fit(&line, width, glyphs).into_owned());
        line.clear();
    }
    if !line.is_empty() {
        out.push(fit(&line, width, glyphs).into_owned());
    }
    out
}

/// The words of a text, in which a number and the `%` behind it are one.
fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut words = text.split_whitespace().peekable();
    std::iter::from_fn(move || {
        let word = words.next()?;
        let is_number = word.ends_with(|last: char| last.is_ascii_digit());
        let percent = words.next_if(|next| is_number && next.starts_with('%'));
        Some(match percent {
            Some(percent) => Cow::Owned(format!("{word} {percent}")),
            None => Cow::Borrowed(word),
        })
    })
}

/// The text with its words that are wider than `width` in pieces, so that nothing of them is cut by [`wrap`].
#[must_use]
pub fn broken(text: &str, width: u16) -> Cow<'_, str> {
    let width = usize::from(width);
    if width == 0 || text.split_whitespace().all(|word| word.width() <= width) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let mut used = 0;
        for c in word.chars() {
            let next = c.width().unwrap_or(0);
            if used + next > width && used > 0 {
                out.push(' ');
                used = 0;
            }
            used += next;
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Counts texts, for the tests that a frame costs as much as what it shows.
#[cfg(test)]
pub mod counting {
    use std::cell::Cell;

    thread_local! {
        static TEXTS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_text() {
        TEXTS.with(|texts| texts.set(texts.get() + 1));
    }

    /// How many texts `work` measures and writes.
    pub fn texts<T>(work: impl FnOnce() -> T) -> (usize, T) {
        let before = TEXTS.with(Cell::get);
        let done = work();
        (TEXTS.with(Cell::get) - before, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cockpit::width::certain;

    fn theme() -> Theme {
        Theme::built_in("default").expect("built in")
    }

    fn row(buf: &Buffer, y: u16) -> String {
        (0..buf.area.width)
            .map(|x| buf.cell((x, y)).expect("inside").symbol())
            .collect()
    }

    #[test]
    fn a_text_that_is_cut_in_its_middle_keeps_both_ends() {
        let long = "a-treatment-with-a-key-of-forty-letters1";
        assert_eq!(fit_middle(long, 12, Glyphs::Braille), "a-treatm…rs1");
        assert_eq!(fit_middle(long, 40, Glyphs::Braille), long);
        assert_eq!(fit_middle("日本語のキー", 9, Glyphs::Braille), "日本語…ー");
        assert_eq!(fit_middle("abcdef", 3, Glyphs::Braille), "ab…");
        for width in 0..42 {
            for glyphs in [Glyphs::Braille, Glyphs::Ascii] {
                assert!(columns(&fit_middle(long, width, glyphs)) <= width);
            }
        }
    }

    #[test]
    fn text_is_cut_with_an_ellipsis_and_numbers_are_not_halved() {
        let theme = theme();
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
        let mut pen = Pen::new(&theme, Rect::new(1, 0, 8, 2), &mut buf);
        assert_eq!(pen.text(2, 0, "treatment", Style::default()), 8);
        assert_eq!(pen.text_before(8, 1, "1,234", 8, Style::default()), 3);
        assert_eq!(pen.text_before(3, 1, "1,234", 8, Style::default()), 2);
        assert_eq!(row(&buf, 0), "   treat…   ");
        assert_eq!(row(&buf, 1), "   …1,234   ");
    }

    #[test]
    fn wide_characters_are_not_cut_in_half() {
        assert_eq!(fit("日本語", 6, Glyphs::Braille), "日本語");
        assert_eq!(fit("日本語", 5, Glyphs::Braille), "日本…");
        assert_eq!(fit("日本語", 4, Glyphs::Braille), "日…");
        assert_eq!(fit("日本語", 0, Glyphs::Braille), "");
        assert_eq!(fit("abc", 2, Glyphs::Ascii), "a~");
    }

    #[test]
    fn sequences_of_uncertain_width_are_written_in_parts_that_have_one() {
        for (given, shown) in [
            ("plain, é日本", "plain, é日本"),
            ("🇩🇪 and 🇫🇷", "DE and FR"),
            ("👨‍👩‍👧!", "👨👩👧!"),
            ("❤️ 1️⃣ 👍🏽", "❤ 1 👍"),
            ("🏴\u{e0067}\u{e0062}\u{e007f}", "🏴"),
            // What turns the rest of a line around.
            ("a\u{202e}txt.exe\u{2066}b\u{200f}", "atxt.exeb"),
        ] {
            assert_eq!(certain(given), shown);
            let theme = theme();
            let mut buf = Buffer::empty(Rect::new(0, 0, 30, 1));
            let end = Pen::new(&theme, buf.area, &mut buf).text(0, 0, given, Style::default());
            assert_eq!(end, columns(given), "{given}");
            for cell in &buf.content {
                // A cell holds one character, of which every terminal knows how wide it is.
                assert_eq!(cell.symbol().chars().count(), 1, "{given}: {:?}", cell.symbol());
            }
        }
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let theme = theme();
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 2));
        let mut pen = Pen::new(&theme, Rect::new(2, 1, 50, 50), &mut buf);
        assert_eq!((pen.width(), pen.height()), (2, 1));
        pen.text(0, 5, "below", Style::default());
        pen.text(9, 0, "right", Style::default());
        pen.repeat(0, 0, 99, "-", Style::default());
        pen.part(1, 0, 9, 9).text(0, 0, "xyz", Style::default());
        pen.restyle_row(7, Style::default());
        assert_eq!(row(&buf, 0), "    ");
        assert_eq!(row(&buf, 1), "  -…");
    }

    #[test]
    fn lines_break_at_blanks_and_the_last_one_says_that_there_is_more() {
        let text = "one two three four";
        assert_eq!(wrap(text, 9, 9, Glyphs::Braille), ["one two", "three", "four"]);
        assert_eq!(wrap(text, 9, 2, Glyphs::Braille), ["one two", "three fo…"]);
        assert_eq!(wrap(text, 3, 9, Glyphs::Braille), ["one", "two", "th…", "fo…"]);
        assert_eq!(wrap(text, 99, 1, Glyphs::Braille), [text]);
        assert_eq!(wrap("", 9, 9, Glyphs::Braille), [""; 0]);
        // A percentage is not torn apart.
        assert_eq!(
            wrap("from 9.73 % to 10.4 %.", 9, 9, Glyphs::Braille),
            ["from", "9.73 % to", "10.4 %."]
        );
        assert_eq!(wrap("up % of", 4, 9, Glyphs::Braille), ["up %", "of"]);
        assert_eq!(wrap(text, 0, 9, Glyphs::Braille), [""; 0]);
    }
}
