//! A page of lines to read: headings, labelled values, sentences; scrolled as a whole.

use std::ops::Range;

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::heading::Heading;
use super::widgets::pen::{broken, columns, padded, wrap};
use crate::cockpit::state::Laid;

/// Columns of the labels of values.
const LABEL: u16 = 16;
/// The least columns of a text behind something else.
const LEAST_TEXT: u16 = 8;
/// The most lines of one value or sentence.
const MOST_LINES: u16 = 2000;

/// A piece of a line in one style.
pub type Span = (String, Style);

enum Line {
    Heading { title: String, detail: String },
    Spans(Vec<Span>),
}

/// A field of a sheet, by row and column.
pub type FieldAt = (usize, usize);

/// What drawing tells beside what is seen.
#[derive(Debug, Default)]
pub struct Drawn {
    /// Where the cursor of a text is.
    pub cursor: Option<Position>,
    /// Where on the screen the fields of a sheet stand, for the mouse.
    pub fields: Vec<(Rect, FieldAt)>,
}

/// Lines for a given width.
pub struct Page<'t> {
    /// The theme.
    pub theme: &'t Theme,
    width: u16,
    lines: Vec<Line>,
    /// Which fields stand in which line, and in which of its columns.
    fields: Vec<(usize, Range<u16>, FieldAt)>,
}

impl<'t> Page<'t> {
    /// An empty page for this width.
    pub fn new(theme: &'t Theme, width: u16) -> Self {
        Self {
            theme,
            width,
            lines: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A heading, set off from what is above it.
    pub fn heading(&mut self, title: &str, detail: &str) {
        if !self.lines.is_empty() {
            self.blank();
        }
        self.lines.push(Line::Heading {
            title: title.to_owned(),
            detail: if detail.is_empty() {
                String::new()
            } else {
                format!("{} {detail}", self.theme.glyphs.dot())
            },
        });
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.lines.push(Line::Spans(Vec::new()));
    }

    /// One line as it is, one column from the edge; cut where it is too long.
    pub fn line(&mut self, spans: Vec<Span>) {
        self.lines.push(Line::Spans(spans));
    }

    /// Pieces of a line, broken at the width where they are longer; further lines stand a little to the right.
    pub fn flowing(&mut self, spans: &[Span]) {
        const FURTHER: u16 = 4;
        let room = self.width.saturating_sub(2).max(LEAST_TEXT);
        let mut line: Vec<Span> = Vec::new();
        let mut used = 0;
        for (text, style) in spans {
            // Blanks belong to the word before them: they vanish where the line ends.
            for piece in broken_keeping(text, room - FURTHER) {
                let word = columns(piece.trim_end());
                if used > 0 && used + word > room {
                    self.lines.push(Line::Spans(std::mem::take(&mut line)));
                    line.push((" ".repeat(usize::from(FURTHER)), *style));
                    used = FURTHER;
                }
                used += columns(piece);
                line.push((piece.to_owned(), *style));
            }
        }
        self.lines.push(Line::Spans(line));
    }

    /// Sentences, broken at the width.
    pub fn text(&mut self, text: &str, style: Style) {
        self.hanging(&[], text, style);
    }

    /// A labelled value. Values of several lines keep their line breaks and hang below each other.
    pub fn field(&mut self, label: &str, value: &str) {
        self.field_in(label, value, self.theme.text);
    }

    /// A labelled value that is not there, said more quietly.
    pub fn missing(&mut self, label: &str, why: &str) {
        self.field_in(label, why, self.theme.dim);
    }

    /// A labelled value in a style of its own.
    pub fn field_in(&mut self, label: &str, value: &str, style: Style) {
        let indent = if self.width < 40 {
            LABEL.min(self.width / 3)
        } else {
            LABEL
        };
        if columns(label) >= indent {
            // Too long for its column: a line of its own.
            self.line(vec![(label.to_owned(), self.theme.dim)]);
            let blanks = " ".repeat(usize::from(indent));
            self.hanging(&[(blanks, self.theme.dim)], value, style);
            return;
        }
        self.hanging(&[(padded(label, indent), self.theme.dim)], value, style);
    }

    /// A text behind some spans; its further lines stand below its first.
    pub fn hanging(&mut self, before: &[Span], text: &str, style: Style) {
        let glyphs = self.theme.glyphs;
        let mut before = before;
        let mut indent = width_of(before);
        if indent > 4 && self.width < indent.saturating_add(2 + LEAST_TEXT) {
            // What stands before it leaves no room: the text begins on a line of its own.
            self.line(before.to_vec());
            (before, indent) = (&[], 4);
        }
        let blanks = [(" ".repeat(4), style)];
        let before = if before.is_empty() && indent > 0 {
            &blanks
        } else {
            before
        };
        let room = self.width.saturating_sub(indent + 2).max(LEAST_TEXT);
        let mut lines: Vec<String> = Vec::new();
        for paragraph in text.split('\n') {
            let wrapped = wrap(&broken(paragraph, room), room, MOST_LINES, glyphs);
            if wrapped.is_empty() {
                lines.push(String::new());
            }
            lines.extend(wrapped);
        }
        for (at, line) in lines.into_iter().enumerate() {
            let mut spans = if at == 0 {
                before.to_vec()
            } else {
                vec![(" ".repeat(usize::from(indent)), style)]
            };
            spans.push((line, style));
            self.lines.push(Line::Spans(spans));
        }
    }

    /// Says that a field stands in these lines and columns.
    pub fn field_at(&mut self, lines: Range<usize>, columns: Range<u16>, at: FieldAt) {
        self.fields.extend(lines.map(|line| (line, columns.clone(), at)));
    }

    /// Where the fields stand when the lines from `offset` on are drawn there.
    fn places(&self, area: Rect, offset: usize) -> impl Iterator<Item = (Rect, FieldAt)> + '_ {
        self.fields.iter().filter_map(move |(line, columns, at)| {
            let y = u16::try_from(line.checked_sub(offset)?).ok()?;
            let from = columns.start.min(area.width);
            let place = Rect {
                x: area.x + from,
                y: area.y.checked_add(y)?,
                width: columns.end.min(area.width) - from,
                height: 1,
            };
            (y < area.height).then_some((place, *at))
        })
    }

    /// Draws the lines from `offset` on, and tells where the fields stand.
    pub fn draw_fields(&self, pen: &mut Pen<'_>, offset: usize, drawn: &mut Drawn) -> Laid {
        let laid = self.draw(pen, offset);
        drawn
            .fields
            .extend(self.places(pen.area(), offset.min(laid.last)));
        laid
    }

    /// Puts another page below this one.
    pub fn append(&mut self, other: Page<'_>) {
        if !self.lines.is_empty() && !other.lines.is_empty() {
            self.blank();
        }
        self.append_close(other);
    }

    /// Puts another page right below this one.
    pub fn append_close(&mut self, other: Page<'_>) {
        let above = self.lines.len();
        let fields = other.fields.into_iter();
        self.fields
            .extend(fields.map(|(line, columns, at)| (line + above, columns, at)));
        self.lines.extend(other.lines);
    }

    /// Draws the lines from `offset` on; where there are more, the last row's edge says so.
    pub fn draw(&self, pen: &mut Pen<'_>, offset: usize) -> Laid {
        let rows = usize::from(pen.height());
        let last = self.lines.len().saturating_sub(rows);
        let offset = offset.min(last);
        let width = pen.width();
        for (y, line) in (0_u16..).zip(self.lines.iter().skip(offset).take(rows)) {
            match line {
                Line::Heading { title, detail } => {
                    let heading = Heading {
                        title,
                        detail,
                        ..Heading::default()
                    };
                    heading.draw(&mut pen.part(0, y, width.min(self.width), 1));
                }
                Line::Spans(spans) => draw_spans(pen, 1, y, spans),
            }
        }
        if rows > 0 && width > 2 {
            let [above, below] = pen.glyphs().more();
            if offset > 0 {
                pen.glyph(width - 1, 0, above, pen.theme.accent);
            }
            if offset < last {
                pen.glyph(width - 1, pen.height() - 1, below, pen.theme.accent);
            }
        }
        Laid { rows, last }
    }
}

/// Two pages: side by side where there is room, else one below the other.
pub fn draw_two(
    left: Page<'_>,
    right: Page<'_>,
    pen: &mut Pen<'_>,
    offset: usize,
    drawn: &mut Drawn,
) -> Laid {
    let (theme, width, height) = (left.theme, pen.width(), pen.height());
    if side_by_side(width) {
        let (one, two) = columns_of(width);
        let a = left.draw_fields(&mut pen.part(0, 0, one, height), offset, drawn);
        let b = right.draw_fields(&mut pen.part(width - two, 0, two, height), offset, drawn);
        return Laid {
            rows: a.rows,
            last: a.last.max(b.last),
        };
    }
    let mut page = Page::new(theme, width);
    page.append(left);
    page.append(right);
    page.draw_fields(pen, offset, drawn)
}

/// Whether a width has room for two columns.
#[must_use]
pub fn side_by_side(width: u16) -> bool {
    width >= 120
}

/// The widths of the two columns; the whole width for both where they stand one below the other.
#[must_use]
pub fn columns_of(width: u16) -> (u16, u16) {
    if side_by_side(width) {
        let one = (width - 2) / 2;
        (one, width - 2 - one)
    } else {
        (width, width)
    }
}

/// Writes spans one after the other; the column after them.
pub fn draw_spans(pen: &mut Pen<'_>, x: u16, y: u16, spans: &[Span]) {
    let glyphs = pen.glyphs();
    let mut x = x;
    for (text, style) in spans {
        if x >= pen.width() {
            break;
        }
        x = pen.text(x, y, &glyphs.text(text), *style);
    }
}

/// A text in words with the blanks behind them; words of more than `width` columns in pieces.
fn broken_keeping(text: &str, width: u16) -> Vec<&str> {
    let mut pieces = Vec::new();
    for word in text.split_inclusive(' ') {
        let mut from = 0;
        let mut used = 0;
        for (at, c) in word.char_indices() {
            let next = if c == ' ' { 0 } else { width_of_char(c) };
            if used + next > width && at > from {
                pieces.push(&word[from..at]);
                (from, used) = (at, 0);
            }
            used += next;
        }
        pieces.push(&word[from..]);
    }
    pieces
}

fn width_of_char(c: char) -> u16 {
    columns(c.encode_utf8(&mut [0; 4]))
}

/// Columns that spans take.
#[must_use]
pub fn width_of(spans: &[Span]) -> u16 {
    spans
        .iter()
        .fold(0_u16, |sum, (text, _)| sum.saturating_add(columns(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::buffer::Buffer;

    fn drawn(page: &Page<'_>, width: u16, height: u16, offset: usize) -> (Vec<String>, Laid) {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        let area = buf.area;
        let laid = page.draw(&mut Pen::new(page.theme, area, &mut buf), offset);
        let lines = (0..height)
            .map(|y| {
                let row: String = (0..width).map(|x| buf[(x, y)].symbol()).collect();
                row.trim_end().to_owned()
            })
            .collect();
        (lines, laid)
    }

    #[test]
    fn values_hang_below_each_other_and_the_page_scrolls() {
        let theme = Theme::built_in("default").expect("built in");
        let mut page = Page::new(&theme, 30);
        page.heading("Details", "");
        page.field("hypothesis", "one two three four");
        page.missing("links", "none");
        let (lines, laid) = drawn(&page, 30, 5, 0);
        assert_eq!(
            lines,
            [
                " Details ─────────────────────",
                " hypothesis",
                "           one two three four",
                " links     none",
                "",
            ]
        );
        assert_eq!(laid, Laid { rows: 5, last: 0 });
        let (lines, laid) = drawn(&page, 30, 2, 9);
        assert_eq!(lines[1], " links     none");
        assert_eq!(laid, Laid { rows: 2, last: 2 });
        assert!(lines[0].ends_with('↑'), "{lines:?}");
    }

    #[test]
    fn pieces_of_a_line_flow_and_nothing_of_them_is_cut() {
        let theme = Theme::built_in("default").expect("built in");
        let mut page = Page::new(&theme, 30);
        page.flowing(&[
            ("u-1 country=TH plan=pro → ".to_owned(), theme.heading),
            ("◆ control".to_owned(), theme.text),
            ("   drawn by its slot".to_owned(), theme.dim),
        ]);
        page.flowing(&[
            ("0123456789".repeat(6), theme.text),
            (" end".to_owned(), theme.dim),
        ]);
        let (lines, _) = drawn(&page, 30, 6, 0);
        assert_eq!(
            lines,
            [
                " u-1 country=TH plan=pro → ◆",
                "     control   drawn by its",
                "     slot",
                " 012345678901234567890123",
                "     456789012345678901234567",
                "     890123456789 end",
            ]
        );
    }

    #[test]
    fn a_value_without_blanks_is_shown_whole() {
        let theme = Theme::built_in("default").expect("built in");
        let mut page = Page::new(&theme, 30);
        let value = r#"{"variant":"control","share":0.5,"slots":[0,21474837]}"#;
        page.field("cohorts", &format!("nothing → {value}"));
        let (lines, laid) = drawn(&page, 30, 9, 0);
        let shown: String = lines.iter().map(|line| line.trim()).collect();
        assert_eq!(shown, format!("cohorts   nothing →{value}"));
        assert_eq!(laid.last, 0);
    }
}
