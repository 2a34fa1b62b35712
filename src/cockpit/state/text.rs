//! One-line text fields.

use tui_input::{Input, InputRequest};

use crate::cockpit::{Code, Key};

/// A one-line text field with a cursor and a limit.
#[derive(Debug, Clone, Default)]
pub struct TextField {
    input: Input,
}

/// The most characters a field takes; longer pastes are cut.
pub const MAX_FIELD_CHARS: usize = 2_000;

impl TextField {
    /// A field that holds `text`, the cursor at its end.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            input: Input::new(text.to_owned()),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Whether there is only white space in it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text().trim().is_empty()
    }

    /// Empties the field.
    pub fn clear(&mut self) {
        self.input.reset();
    }

    /// The first column to show and the cursor's column in it, for a field `width` columns wide.
    #[must_use]
    pub fn view(&self, width: usize) -> (usize, usize) {
        let scroll = self.input.visual_scroll(width.saturating_sub(1));
        (scroll, self.input.visual_cursor().saturating_sub(scroll))
    }

    /// Takes a key. True when it was one for a text field, whether or not it changed anything.
    pub fn key(&mut self, key: Key) -> bool {
        let request = match (key.code, key.ctrl, key.alt) {
            (Code::Char(c), false, false) => {
                if self.text().chars().count() >= MAX_FIELD_CHARS || c.is_control() {
                    return true;
                }
                InputRequest::InsertChar(c)
            }
            (Code::Backspace, false, false) => InputRequest::DeletePrevChar,
            (Code::Backspace, ..) | (Code::Char('w'), true, false) => InputRequest::DeletePrevWord,
            (Code::Delete, ..) => InputRequest::DeleteNextChar,
            (Code::Left, false, false) => InputRequest::GoToPrevChar,
            (Code::Right, false, false) => InputRequest::GoToNextChar,
            (Code::Left, ..) | (Code::Char('b'), false, true) => InputRequest::GoToPrevWord,
            (Code::Right, ..) | (Code::Char('f'), false, true) => InputRequest::GoToNextWord,
            (Code::Home, ..) | (Code::Char('a'), true, false) => InputRequest::GoToStart,
            (Code::End, ..) | (Code::Char('e'), true, false) => InputRequest::GoToEnd,
            (Code::Char('u'), true, false) => InputRequest::DeleteLine,
            (Code::Char('k'), true, false) => InputRequest::DeleteTillEnd,
            _ => return false,
        };
        self.input.handle(request);
        true
    }

    /// Takes pasted text: line breaks become blanks, other control characters are left out.
    /// False when there was no room for all of it.
    pub fn paste(&mut self, text: &str) -> bool {
        let room = MAX_FIELD_CHARS.saturating_sub(self.text().chars().count());
        let clean = text.trim_end_matches(['\r', '\n']).replace("\r\n", " ");
        for c in clean.chars().take(room) {
            match c {
                '\r' | '\n' | '\t' => {
                    self.input.handle(InputRequest::InsertChar(' '));
                }
                c if c.is_control() => {}
                c => {
                    self.input.handle(InputRequest::InsertChar(c));
                }
            }
        }
        clean.chars().nth(room).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_moves_and_deletes() {
        let mut field = TextField::default();
        for c in "fixed bundle".chars() {
            assert!(field.key(Key::char(c)));
        }
        assert!(field.key(Key::ctrl('w')));
        assert_eq!(field.text(), "fixed ");
        assert!(field.key(Key::ctrl('a')));
        assert!(field.key(Key::char('é')));
        assert_eq!(field.text(), "éfixed ");
        assert!(!field.key(Key::plain(Code::Enter)));
        assert!(!field.key(Key::plain(Code::Up)));
        assert!(field.key(Key::ctrl('u')));
        assert!(field.is_blank());
    }

    #[test]
    fn a_paste_becomes_one_clean_line_within_the_limit() {
        let mut field = TextField::new("a ");
        assert!(field.paste("b\r\nc\x1b[31m\td\n"));
        assert_eq!(field.text(), "a b c[31m d");
        assert!(!field.paste(&"x".repeat(3 * MAX_FIELD_CHARS)));
        assert_eq!(field.text().chars().count(), MAX_FIELD_CHARS);
        assert!(field.key(Key::char('y')));
        assert_eq!(field.text().chars().count(), MAX_FIELD_CHARS);
    }

    #[test]
    fn the_cursor_stays_in_view() {
        let field = TextField::new(&"é".repeat(50));
        let (scroll, cursor) = field.view(10);
        assert!(cursor < 10, "{cursor}");
        assert!(scroll >= 40, "{scroll}");
    }
}
