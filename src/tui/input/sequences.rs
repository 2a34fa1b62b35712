//! The bytes of keys, clicks, focus: what one sequence means.

use super::Input;
use crate::cockpit::{Code, Key};

/// The most bytes of an escape sequence; what is longer is none.
pub(super) const MAX_SEQUENCE: usize = 256;

pub(super) const PASTE_BEGIN: &[u8] = b"\x1b[200~";

/// What the beginning of the buffer is.
pub(super) enum Parsed {
    /// An input of so many bytes; none for sequences that mean nothing here.
    Done(usize, Option<Input>),
    /// The beginning of something.
    Incomplete,
    /// A paste begins after so many bytes.
    PasteBegins(usize),
}

/// Reads one input from the beginning of `bytes`, which is not empty.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    match bytes[0] {
        0x1b => escape(bytes),
        b'\r' | b'\n' => key(1, Key::plain(Code::Enter)),
        b'\t' => key(1, Key::plain(Code::Tab)),
        0x08 | 0x7f => key(1, Key::plain(Code::Backspace)),
        0x00 => key(1, Key::ctrl(' ')),
        c @ 0x01..=0x1a => key(1, Key::ctrl(char::from(c - 1 + b'a'))),
        c @ 0x1c..=0x1f => key(1, Key::ctrl(char::from(c + 0x40))),
        _ => match character(bytes) {
            Some(Some((c, len))) => key(len, Key::char(c)),
            Some(None) => Parsed::Incomplete,
            // No UTF-8: the byte is left out.
            None => Parsed::Done(1, None),
        },
    }
}

fn key(len: usize, key: Key) -> Parsed {
    Parsed::Done(len, Some(Input::Key(key)))
}

/// The first character and its length; inner `None` while bytes of it are missing, outer `None` when
/// there is none.
fn character(bytes: &[u8]) -> Option<Option<(char, usize)>> {
    let len = match bytes[0] {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let there = &bytes[..len.min(bytes.len())];
    match std::str::from_utf8(there) {
        Ok(text) => text.chars().next().map(|c| Some((c, len))),
        // Cut off, and so far a valid beginning.
        Err(error) if error.error_len().is_none() => Some(None),
        Err(_) => None,
    }
}

fn escape(bytes: &[u8]) -> Parsed {
    let Some(second) = bytes.get(1) else {
        return Parsed::Incomplete;
    };
    match second {
        b'[' => csi(bytes),
        b'O' => match bytes.get(2) {
            None => Parsed::Incomplete,
            // Enter of the keypad.
            Some(b'M') => key(3, Key::plain(Code::Enter)),
            Some(last) => Parsed::Done(3, named(*last, 1).map(Input::Key)),
        },
        // Answers of the terminal to questions that we never ask, or that others asked.
        b']' | b'P' | b'_' | b'^' => string(bytes),
        0x1b => key(1, Key::plain(Code::Esc)),
        _ => match parse(&bytes[1..]) {
            Parsed::Done(len, Some(Input::Key(mut key))) => {
                key.alt = true;
                Parsed::Done(len + 1, Some(Input::Key(key)))
            }
            Parsed::Incomplete => Parsed::Incomplete,
            _ => Parsed::Done(1, Some(Input::Key(Key::plain(Code::Esc)))),
        },
    }
}

/// A control string, up to BEL or ST: left out.
fn string(bytes: &[u8]) -> Parsed {
    for (at, byte) in bytes.iter().enumerate().skip(2) {
        match byte {
            0x07 => return Parsed::Done(at + 1, None),
            0x1b => match bytes.get(at + 1) {
                Some(b'\\') => return Parsed::Done(at + 2, None),
                Some(_) => return Parsed::Done(at, None),
                None => return Parsed::Incomplete,
            },
            _ => {}
        }
    }
    if bytes.len() > 64 * MAX_SEQUENCE {
        return Parsed::Done(bytes.len(), None);
    }
    Parsed::Incomplete
}

/// `ESC [ parameters final`
fn csi(bytes: &[u8]) -> Parsed {
    if bytes.starts_with(PASTE_BEGIN) {
        return Parsed::PasteBegins(PASTE_BEGIN.len());
    }
    // The Linux console's F1 to F5.
    if bytes.get(2) == Some(&b'[') {
        return match bytes.get(3) {
            None => Parsed::Incomplete,
            Some(c @ b'A'..=b'E') => key(4, Key::plain(Code::F(c - b'A' + 1))),
            Some(_) => Parsed::Done(4, None),
        };
    }
    let Some(end) = bytes
        .iter()
        .enumerate()
        .skip(2)
        .find(|(_, byte)| !(0x20..=0x3f).contains(*byte))
        .map(|(at, _)| at)
    else {
        if bytes.len() > MAX_SEQUENCE {
            return Parsed::Done(bytes.len(), None);
        }
        return Parsed::Incomplete;
    };
    let last = bytes[end];
    if !(0x40..=0x7e).contains(&last) {
        // Broken off: what comes next is something of its own.
        return Parsed::Done(end, None);
    }
    let parameters = std::str::from_utf8(&bytes[2..end]).unwrap_or_default();
    if let Some(mouse) = parameters.strip_prefix('<') {
        return Parsed::Done(end + 1, (last == b'M').then(|| pressed(mouse)).flatten());
    }
    let mut numbers = parameters
        .split(';')
        .map(|text| text.split(':').next().unwrap_or_default().parse::<u32>().ok());
    let first = numbers.next().flatten();
    let modifiers = numbers.next().flatten().unwrap_or(1);
    let input = match last {
        b'I' => Some(Input::Focus(true)),
        b'O' => Some(Input::Focus(false)),
        b'~' => first
            .and_then(tilde)
            .map(|code| Input::Key(modified(code, modifiers))),
        b'u' => first
            .and_then(unicode)
            .map(|code| Input::Key(modified(code, modifiers))),
        other => named(other, modifiers).map(Input::Key),
    };
    Parsed::Done(end + 1, input)
}

/// `button;column;row` of a button that was pressed; from 1.
fn pressed(parameters: &str) -> Option<Input> {
    let mut numbers = parameters.split(';').map(|n| n.parse::<u16>().ok());
    let mut next = || numbers.next().flatten();
    let (button, column, row) = (next()?, next()?, next()?);
    match button {
        0 => Some(Input::Click(column.checked_sub(1)?, row.checked_sub(1)?)),
        64 => Some(Input::Wheel(true)),
        65 => Some(Input::Wheel(false)),
        _ => None,
    }
}

/// Keys that are told by the last byte.
fn named(last: u8, modifiers: u32) -> Option<Key> {
    let code = match last {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        b'P' => Code::F(1),
        b'Q' => Code::F(2),
        b'R' => Code::F(3),
        b'S' => Code::F(4),
        b'Z' => {
            let mut key = modified(Code::Tab, modifiers);
            key.shift = true;
            return Some(key);
        }
        _ => return None,
    };
    Some(modified(code, modifiers))
}

/// Keys that are told by a number before `~`.
fn tilde(number: u32) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        2 => Code::Insert,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        11..=15 => Code::F(u8::try_from(number - 10).ok()?),
        17..=21 => Code::F(u8::try_from(number - 11).ok()?),
        23 | 24 => Code::F(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// Keys that are told by their character's number before `u`.
fn unicode(number: u32) -> Option<Code> {
    Some(match number {
        9 => Code::Tab,
        13 => Code::Enter,
        27 => Code::Esc,
        8 | 127 => Code::Backspace,
        _ => Code::Char(char::from_u32(number).filter(|c| !c.is_control())?),
    })
}

fn modified(code: Code, modifiers: u32) -> Key {
    let bits = modifiers.saturating_sub(1);
    let character = matches!(code, Code::Char(_));
    Key {
        code,
        shift: bits & 1 != 0 && !character,
        alt: bits & 2 != 0,
        ctrl: bits & 4 != 0,
    }
}
