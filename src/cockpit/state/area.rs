//! Text fields of several lines.

use unicode_width::UnicodeWidthChar as _;

use crate::cockpit::{Code, Key};

/// The most characters a text takes; longer pastes are cut.
pub const MAX_AREA_CHARS: usize = 100_000;

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

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.lines.iter().map(|line| line.iter().collect())
    }

    /// Row and column of the cursor, the column as it is seen.
    #[must_use]
    pub fn cursor(&self) -> (usize, usize) {
        let line = self.line();
        let seen = line
            .iter()
            .take(self.column)
            .map(|c| c.width().unwrap_or(0))
            .sum();
        (self.row, seen)
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

    fn up(&mut self, by: isize) {
        let last = self.lines.len().saturating_sub(1);
        self.row = self.row.saturating_add_signed(by).min(last);
        self.column = self.column.min(self.line().len());
    }

    /// Takes a key. True when it was one for a text field, whether or not it changed anything.
    pub fn key(&mut self, key: Key) -> bool {
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
            (Code::Up, false, false) => self.up(-1),
            (Code::Down, false, false) => self.up(1),
            (Code::PageUp, ..) => self.up(-10),
            (Code::PageDown, ..) => self.up(10),
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

    #[test]
    fn lines_are_typed_joined_and_cut() {
        let mut area = TextArea::new("{\"a\": 1}");
        assert!(area.key(Key::plain(Code::Enter)));
        for c in "é日".chars() {
            area.key(Key::char(c));
        }
        assert_eq!(area.text(), "{\"a\": 1}\né日");
        assert_eq!(area.cursor(), (1, 3), "a wide character counts twice");
        area.key(Key::plain(Code::Home));
        area.key(Key::plain(Code::Backspace));
        assert_eq!(area.text(), "{\"a\": 1}é日");
        area.key(Key::ctrl('u'));
        assert_eq!(area.text(), "é日");
        area.key(Key::ctrl('k'));
        assert_eq!(area.text(), "");
        // They leave it; a tab within a text is pasted, as blanks.
        assert!(!area.key(Key::plain(Code::Tab)));
        assert!(!area.key(Key::plain(Code::Esc)));
    }

    #[test]
    fn a_paste_keeps_its_lines_and_the_limit() {
        let mut area = TextArea::new("");
        area.paste("a\r\n\tb\x1b[31m\rc");
        assert_eq!(area.text(), "a\n  b[31m\nc");
        area.key(Key::plain(Code::Up));
        area.key(Key::plain(Code::End));
        area.key(Key::ctrl('w'));
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

    proptest! {
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
                area.key(key);
                prop_assert_eq!(area.length, area.text().chars().count());
            }
        }
    }
}
