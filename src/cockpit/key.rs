//! A key press, independent of any terminal library.

use std::fmt;
use std::str::FromStr;

/// Which key, without its modifiers.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
pub enum Code {
    /// A key that types a character; shift is part of the character.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tabulator.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// F1 to F12.
    F(u8),
}

/// Names of the keys that type no character, as bindings write them.
const NAMED: &[(&str, Code)] = &[
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("insert", Code::Insert),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pageup", Code::PageUp),
    ("pagedown", Code::PageDown),
    ("space", Code::Char(' ')),
    // A hyphen separates the modifiers, so it needs a name to be one of the keys.
    ("minus", Code::Char('-')),
];

/// A key with its modifiers. Written `ctrl-c`, `alt-x`, `shift-tab`, `G`, `space`, `f5`.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// With control.
    pub ctrl: bool,
    /// With alt (or meta).
    pub alt: bool,
    /// With shift; never set for a character, which already is the shifted one.
    pub shift: bool,
}

impl Key {
    /// A key without modifiers.
    #[must_use]
    pub const fn plain(code: Code) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
            shift: false,
        }
    }

    /// A character.
    #[must_use]
    pub const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }

    /// A character with control.
    #[must_use]
    pub const fn ctrl(c: char) -> Self {
        Self {
            code: Code::Char(c),
            ctrl: true,
            alt: false,
            shift: false,
        }
    }

    /// The character this key types into a text, if it types one.
    #[must_use]
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }
}

/// A key that cannot be relied on.
#[derive(Debug, Clone, Copy, Eq, PartialEq, thiserror::Error)]
pub enum Unreliable {
    /// Its bytes mean another key.
    #[error("terminals send {0} for it")]
    Means(&'static str),
    /// It has no bytes of its own, or only the beginning of other keys.
    #[error("terminals do not send it")]
    NotSent,
    /// It seldom arrives.
    #[error("many terminals keep it for themselves")]
    Kept,
}

impl Key {
    /// Why terminals cannot be relied on to send this key; none when they can.
    #[must_use]
    pub fn unreliable(self) -> Option<Unreliable> {
        use Unreliable::{Kept, Means, NotSent};
        match (self.code, self.ctrl) {
            (Code::Char('h'), true) => Some(Means("backspace")),
            (Code::Char('i'), true) => Some(Means("tab")),
            (Code::Char('j' | 'm'), true) => Some(Means("enter")),
            (Code::Char('['), true) => Some(Means("esc")),
            (Code::Char('a'..='z' | ' ' | '\\' | ']' | '^' | '_'), true) => None,
            (Code::Char('A'..='Z'), true) => Some(Means("the one with the small letter")),
            (Code::Char(_), true) => Some(NotSent),
            // They begin the sequences of other keys, and answers of the terminal.
            (Code::Char('[' | ']' | 'O' | 'P' | '_' | '^'), false) if self.alt => Some(NotSent),
            (Code::Enter | Code::Esc | Code::Backspace | Code::Tab, true) => Some(NotSent),
            (Code::Enter | Code::Esc | Code::Backspace, false) if self.shift => {
                Some(Means("the one without shift"))
            }
            (Code::Enter | Code::Tab, false) if self.alt => Some(Kept),
            (Code::Esc, false) if self.alt => Some(Means("esc")),
            _ => None,
        }
    }
}

/// Why a text names no key.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error("\"{0}\" is no key; write one like g, G, space, ctrl-r, alt-x, shift-tab, f5, pagedown")]
pub struct NoKey(pub String);

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let no_key = || NoKey(text.to_owned());
        let mut key = Self::plain(Code::Esc);
        let mut rest = text;
        while let Some((modifier, tail)) = rest.split_once('-') {
            let flag = match modifier {
                "ctrl" => &mut key.ctrl,
                "alt" => &mut key.alt,
                "shift" => &mut key.shift,
                _ => return Err(no_key()),
            };
            if std::mem::replace(flag, true) {
                return Err(no_key());
            }
            rest = tail;
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() && c != ' ' => Code::Char(c),
            _ => {
                let function = rest.strip_prefix('f').and_then(|n| n.parse::<u8>().ok());
                match (NAMED.iter().find(|(name, _)| *name == rest), function) {
                    (Some((_, code)), _) => *code,
                    (None, Some(n)) if (1..=12).contains(&n) => Code::F(n),
                    _ => return Err(no_key()),
                }
            }
        };
        if matches!(key.code, Code::Char(_)) && key.shift {
            // Terminals send the shifted character, never shift with the plain one.
            return Err(no_key());
        }
        Ok(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (on, name) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if on {
                f.write_str(name)?;
            }
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(c) => write!(f, "{c}"),
            Code::F(n) => write!(f, "f{n}"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_survives_its_text() {
        let mut codes: Vec<Code> = NAMED.iter().map(|(_, code)| *code).collect();
        codes.extend((1..=12).map(Code::F));
        codes.extend("aZ/?:é☃1".chars().map(Code::Char));
        for code in codes {
            for (ctrl, alt, shift) in [
                (false, false, false),
                (true, false, false),
                (false, true, false),
                (true, true, false),
                (false, false, true),
            ] {
                if shift && matches!(code, Code::Char(_)) {
                    continue;
                }
                let key = Key {
                    code,
                    ctrl,
                    alt,
                    shift,
                };
                assert_eq!(key.to_string().parse(), Ok(key), "{key}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_key() {
        for text in [
            "",
            "ctrl-",
            "ctrl-ctrl-a",
            "meta-a",
            "shift-a",
            "f0",
            "f13",
            "entr",
            "a b",
            "-",
        ] {
            assert_eq!(text.parse::<Key>(), Err(NoKey(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn only_plain_characters_are_typed() {
        assert_eq!(Key::char('é').typed(), Some('é'));
        assert_eq!(Key::ctrl('a').typed(), None);
        assert_eq!(Key::plain(Code::Enter).typed(), None);
    }
}
