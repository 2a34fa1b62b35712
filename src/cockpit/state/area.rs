//! Text fields of several lines.

use unicode_width::UnicodeWidthChar as _;

use crate::cockpit::{Code, Key};

/// The most characters a text takes; longer pastes are cut.
pub const MAX_AREA_CHARS: usize = 100_000;

/// The widest box of a text, without its border: as wide as dialogs are.
pub const WIDEST: u16 = 76;
/// Columns that the border of the box takes.
const BORDER: u16 = 4;

/// Columns of a row of the text on a screen of this width. The last one of the box is kept for the cursor behind it.
#[must_use]
pub fn columns(screen: u16) -> usize {
    usize::from(screen.saturating_sub(BORDER).min(WIDEST).saturating_sub(1)).max(1)
}

/// A row as it is seen: a line, or a piece of one that is longer than the box is wide.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Piece {
    /// The line.
    line: usize,
    /// Its first character.
    from: usize,
    /// The one after its last.
    to: usize,
}

/// A text of several lines with a cursor.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct TextArea {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Characters of the whole text, line breaks among them: counted along, for a paste comes in many pieces.
    length: usize,
}

impl TextArea {
    /// A field that holds `text`, the cursor at its end.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut lines: Vec<Vec<char>> = text.split('\n').map(|line| line.chars().collect()).collect();
        if lines.is_empty() {
            lines.push(Vec::new());
        }
        let row = lines.len() - 1;
        let column = lines[row].len();
        let length = text.chars().count();
        Self {
            lines,
            row,
            column,
            length,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| line.iter().collect()).collect();
        lines.join("\n")
    }

    /// The rows in so many columns: long lines are broken behind blanks, and words where they are longer than a row.
    #[must_use]
    pub fn rows(&self, columns: usize) -> Vec<Piece> {
        let mut rows = Vec::new();
        for (line, chars) in self.lines.iter().enumerate() {
            let (mut from, mut used, mut blank) = (0, 0, None);
            for (at, c) in chars.iter().enumerate() {
                let wide = c.width().unwrap_or(0);
                // Blanks hang over the edge: they are not seen there.
                // What stands behind the last blank may be too long with it, too.
                while used + wide > columns && at > from && *c != ' ' {
                    let to = blank.unwrap_or(at);
                    rows.push(Piece { line, from, to });
                    from = to;
                    used = chars[from..at].iter().map(|c| c.width().unwrap_or(0)).sum();
                    blank = None;
                }
                used += wide;
                if *c == ' ' {
                    blank = Some(at + 1);
                }
            }
            let to = chars.len();
            rows.push(Piece { line, from, to });
        }
        rows
    }

    /// What stands in a row.
    #[must_use]
    pub fn seen(&self, row: Piece) -> String {
        let line = self.lines.get(row.line).map_or(&[][..], Vec::as_slice);
        line.get(row.from..row.to).unwrap_or_default().iter().collect()
    }

    /// Row and column of the cursor as they are seen, among these rows.
    #[must_use]
    pub fn cursor(&self, rows: &[Piece]) -> (usize, usize) {
        let here = |row: &Piece| (row.line, row.from) <= (self.row, self.column);
        let at = rows.iter().rposition(here).unwrap_or(0);
        let from = rows.get(at).map_or(0, |row| row.from);
        let before = self.line().get(from..self.column).unwrap_or_default();
        (at, before.iter().map(|c| c.width().unwrap_or(0)).sum())
    }

    /// The cursor goes rows up or down as they are seen in so many columns, and stays in its column where it can.
    fn go(&mut self, by: isize, columns: usize) {
        let rows = self.rows(columns);
        let (at, x) = self.cursor(&rows);
        let to = at.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        let Some(row) = rows.get(to) else { return };
        // Behind its last character a row that goes on is the next one.
        let goes_on = rows.get(to + 1).is_some_and(|next| next.line == row.line);
        let last = if goes_on { row.to.saturating_sub(1) } else { row.to };
        let (mut column, mut used) = (row.from, 0);
        while column < last {
            used += self.lines[row.line][column].width().unwrap_or(0);
            if used > x {
                break;
            }
            column += 1;
        }
        (self.row, self.column) = (row.line, column);
    }

    fn line(&self) -> &[char] {
        self.lines.get(self.row).map_or(&[], Vec::as_slice)
    }

    fn insert(&mut self, c: char) {
        self.put(std::iter::once(c));
    }

    /// Puts characters at the cursor, as far as there is room; false where they were cut. What lies behind the
    /// cursor is moved once, not for each of them.
    fn put(&mut self, text: impl Iterator<Item = char>) -> bool {
        if self.lines.is_empty() {
            self.lines.push(Vec::new());
        }
        let behind = self.lines[self.row].split_off(self.column);
        let mut added = Vec::new();
        let mut line = std::mem::take(&mut self.lines[self.row]);
        let mut whole = true;
        for c in text {
            if self.length >= MAX_AREA_CHARS {
                whole = false;
                break;
            }
            self.length += 1;
            if c == '\n' {
                added.push(std::mem::take(&mut line));
            } else {
                line.push(c);
            }
        }
        let row = self.row;
        self.row += added.len();
        self.column = line.len();
        line.extend(behind);
        added.push(line);
        self.lines.splice(row..=row, added);
        whole
    }

    fn backspace(&mut self) {
        if self.column > 0 {
            self.column -= 1;
            self.lines[self.row].remove(self.column);
            self.length -= 1;
        } else if self.row > 0 {
            self.length -= 1;
            let line = self.lines.remove(self.row);
            self.row -= 1;
            self.column = self.lines[self.row].len();
            self.lines[self.row].extend(line);
        }
    }

    fn delete(&mut self) {
        if self.column < self.line().len() {
            self.lines[self.row].remove(self.column);
            self.length -= 1;
        } else if self.row + 1 < self.lines.len() {
            self.length -= 1;
            let line = self.lines.remove(self.row + 1);
            self.lines[self.row].extend(line);
        }
    }

    fn word_back(&self) -> usize {
        let line = self.line();
        let mut at = self.column;
        while at > 0 && line[at - 1].is_whitespace() {
            at -= 1;
        }
        while at > 0 && !line[at - 1].is_whitespace() {
            at -= 1;
        }
        at
    }

    /// Takes a key, in a box with rows of so many columns. True when it was one for a text field, whether or not it
    /// changed anything.
    pub fn key(&mut self, key: Key, columns: usize) -> bool {
        match (key.code, key.ctrl, key.alt) {
            (Code::Char(c), false, false) => {
                if !c.is_control() {
                    self.insert(c);
                }
            }
            (Code::Enter, false, false) => self.insert('\n'),
            (Code::Backspace, false, false) => self.backspace(),
            (Code::Backspace, ..) | (Code::Char('w'), true, false) => {
                let to = self.word_back();
                if to == self.column {
                    self.backspace();
                } else {
                    let at = self.column;
                    self.lines[self.row].drain(to..at);
                    self.length -= at - to;
                    self.column = to;
                }
            }
            (Code::Delete, ..) => self.delete(),
            (Code::Left, false, false) => {
                if self.column > 0 {
                    self.column -= 1;
                } else if self.row > 0 {
                    self.row -= 1;
                    self.column = self.line().len();
                }
            }
            (Code::Right, false, false) => {
                if self.column < self.line().len() {
                    self.column += 1;
                } else if self.row + 1 < self.lines.len() {
                    self.row += 1;
                    self.column = 0;
                }
            }
            (Code::Left, ..) | (Code::Char('b'), false, true) => self.column = self.word_back(),
            (Code::Right, ..) | (Code::Char('f'), false, true) => {
                let line = self.line();
                let mut at = self.column;
                while at < line.len() && line[at].is_whitespace() {
                    at += 1;
                }
                while at < line.len() && !line[at].is_whitespace() {
                    at += 1;
                }
                self.column = at;
            }
            (Code::Up, false, false) => self.go(-1, columns),
            (Code::Down, false, false) => self.go(1, columns),
            (Code::PageUp, ..) => self.go(-10, columns),
            (Code::PageDown, ..) => self.go(10, columns),
            (Code::Home, ..) | (Code::Char('a'), true, false) => self.column = 0,
            (Code::End, ..) | (Code::Char('e'), true, false) => self.column = self.line().len(),
            (Code::Char('u'), true, false) => {
                let at = self.column;
                if at > 0 {
                    self.lines[self.row].drain(..at);
                    self.length -= at;
                    self.column = 0;
                }
            }
            (Code::Char('k'), true, false) => {
                if self.column < self.line().len() {
                    let at = self.column;
                    self.length -= self.line().len() - at;
                    self.lines[self.row].truncate(at);
                } else {
                    self.delete();
                }
            }
            _ => return false,
        }
        true
    }

    /// Takes pasted text, or a piece of it: tabs become blanks, other control characters but line breaks are left
    /// out. False when there was no room for all of it.
    pub fn paste(&mut self, text: &str) -> bool {
        let mut before = ' ';
        let clean = text.chars().flat_map(|c| {
            // A line break of two characters is one.
            let second = c == '\n' && before == '\r';
            before = c;
            let (kept, times) = match c {
                '\t' => (' ', 2),
                '\n' | '\r' => ('\n', usize::from(!second)),
                c => (c, usize::from(!c.is_control())),
            };
            std::iter::repeat_n(kept, times)
        });
        self.put(clean)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nothing is broken in it.
    const WIDE: usize = 80;

    #[test]
    fn lines_are_typed_joined_and_cut() {
        let mut area = TextArea::new("{\"a\": 1}");
        assert!(area.key(Key::plain(Code::Enter), WIDE));
        for c in "é日".chars() {
            area.key(Key::char(c), WIDE);
        }
        assert_eq!(area.text(), "{\"a\": 1}\né日");
        assert_eq!(
            area.cursor(&area.rows(WIDE)),
            (1, 3),
            "a wide character counts twice"
        );
        area.key(Key::plain(Code::Home), WIDE);
        area.key(Key::plain(Code::Backspace), WIDE);
        assert_eq!(area.text(), "{\"a\": 1}é日");
        area.key(Key::ctrl('u'), WIDE);
        assert_eq!(area.text(), "é日");
        area.key(Key::ctrl('k'), WIDE);
        assert_eq!(area.text(), "");
        // They leave it; a tab within a text is pasted, as blanks.
        assert!(!area.key(Key::plain(Code::Tab), WIDE));
        assert!(!area.key(Key::plain(Code::Esc), WIDE));
    }

    #[test]
    fn a_paste_keeps_its_lines_and_the_limit() {
        let mut area = TextArea::new("");
        area.paste("a\r\n\tb\x1b[31m\rc");
        assert_eq!(area.text(), "a\n  b[31m\nc");
        area.key(Key::plain(Code::Up), WIDE);
        area.key(Key::plain(Code::End), WIDE);
        area.key(Key::ctrl('w'), WIDE);
        assert_eq!(area.text(), "a\n  \nc");
        assert!(!area.paste(&"x\n".repeat(MAX_AREA_CHARS)));
        assert_eq!(area.text().chars().count(), MAX_AREA_CHARS);
        assert!(!area.paste("more"), "later pieces are left out");
        assert!(area.paste("\x07"), "and what is nothing is not missed");
        assert_eq!(area.text().chars().count(), MAX_AREA_CHARS);
        assert!(
            area.text().ends_with("c"),
            "what was behind the cursor stays there"
        );
    }

    #[test]
    fn long_lines_are_broken_at_blanks_and_the_cursor_goes_by_what_is_seen() {
        let mut area = TextArea::new("one two three\nabcdefghijk 日本語");
        let seen = |area: &TextArea| -> Vec<String> {
            let rows = area.rows(8);
            rows.into_iter().map(|row| area.seen(row)).collect()
        };
        assert_eq!(seen(&area), ["one two ", "three", "abcdefgh", "ijk ", "日本語"]);
        assert_eq!(area.cursor(&area.rows(8)), (4, 6));
        let mut at = Vec::new();
        for key in [Code::Up, Code::Up, Code::Up, Code::Up, Code::Up, Code::Down] {
            area.key(Key::plain(key), 8);
            at.push(area.cursor(&area.rows(8)));
        }
        assert_eq!(at, [(3, 3), (2, 3), (1, 3), (0, 3), (0, 3), (1, 3)]);
        area.key(Key::plain(Code::End), 8);
        area.key(Key::char('!'), 8);
        assert_eq!(seen(&area)[1], "three!");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_where_a_line_is_broken(text in "[a-c日 \n]{0,40}", columns in 1..9_usize, keys in proptest::collection::vec(0..5_usize, 0..12)) {
            let mut area = TextArea::new(&text);
            for key in keys {
                let key = [Code::Up, Code::Down, Code::Left, Code::Home, Code::PageUp][key];
                area.key(Key::plain(key), columns);
            }
            let rows = area.rows(columns);
            let (row, _) = area.cursor(&rows);
            prop_assert!(row < rows.len());
            let mut all = String::new();
            for (at, piece) in rows.iter().enumerate() {
                if at > 0 && piece.from == 0 {
                    all.push('\n');
                }
                let seen = area.seen(*piece);
                let wide: usize = seen.trim_end().chars().map(|c| c.width().unwrap_or(0)).sum();
                // A character that is wider than a row has one alone.
                prop_assert!(wide <= columns.max(2), "{seen:?}");
                all.push_str(&seen);
            }
            prop_assert_eq!(all, text);
        }

        #[test]
        fn the_length_is_counted_along(start in "[a\n]{0,6}", keys in proptest::collection::vec(0..10_usize, 0..40)) {
            let mut area = TextArea::new(&start);
            for key in keys {
                let key = match key {
                    0 => Key::char('x'),
                    1 => Key::plain(Code::Enter),
                    2 => Key::plain(Code::Backspace),
                    3 => Key::plain(Code::Delete),
                    4 => Key::ctrl('w'),
                    5 => Key::ctrl('u'),
                    6 => Key::ctrl('k'),
                    7 => Key::plain(Code::Left),
                    8 => Key::plain(Code::Up),
                    _ => {
                        area.paste("b\r\nc d");
                        continue;
                    }
                };
                area.key(key, WIDE);
                prop_assert_eq!(area.length, area.text().chars().count());
            }
        }
    }
}
