//! Bytes from the terminal → keys, pastes, focus.
//!
//! A parser of our own, because the one of the terminal library waits for ever for the end of a paste,
//! and spins when the line is gone. This one is pure: it is fed bytes, and told when none came for a
//! while.

mod sequences;

use self::sequences::{Parsed, parse};
use crate::cockpit::{Code, Key};

/// What the terminal told.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Input {
    /// A key.
    Key(Key),
    /// A bracketed paste.
    Paste {
        /// The text; bytes that are no UTF-8 are replaced.
        text: String,
        /// Whether it was cut: longer than [`MAX_PASTE`], or its end never came. While `more` follows: its end is
        /// overdue, and a person should know.
        truncated: bool,
        /// Whether more of the same paste follows: a long one comes in pieces, and so does one that pauses.
        more: bool,
    },
    /// The window gained or lost the focus.
    Focus(bool),
    /// The left button was pressed in this column and row, from 0.
    Click(u16, u16),
    /// The wheel was turned up, or down.
    Wheel(bool),
}

/// The most bytes of a paste that are kept: a million ids of 60 characters. What is longer comes from a file.
pub const MAX_PASTE: usize = 64 << 20;
/// From this many bytes on a paste is handed on in pieces.
pub const PIECE: usize = 64 << 10;

/// So many characters in one read were typed by nobody: a paste of a terminal that does not bracket it.
const BURST: usize = 256;

const PASTE_END: &[u8] = b"\x1b[201~";

/// What the parser is in the middle of: how long to wait before [`Parser::idle`] is told.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Waiting {
    /// Nothing.
    No,
    /// An escape sequence, or the Esc key: a few milliseconds tell.
    Escape,
    /// A paste without its end: after a second what is there is handed on.
    Paste,
    /// The rest of a paste whose end is overdue: it is text as long as it comes, and given up after a long silence.
    Rest,
    /// A paste that the terminal does not bracket: its end is a short silence.
    Burst,
}

/// Bytes in, input out.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    /// What was pasted so far, while in a paste.
    paste: Option<Paste>,
    /// What came so far of a paste that is not bracketed.
    burst: Option<Paste>,
    /// Bytes of a paste that are kept, instead of [`MAX_PASTE`].
    limit: Option<usize>,
}

#[derive(Debug)]
struct Paste {
    bytes: Vec<u8>,
    /// Bytes that were handed on in pieces.
    gone: usize,
    truncated: bool,
    limit: usize,
    /// Whether it has paused: a lone Esc or ctrl-c is a person then.
    stalled: bool,
    /// Whether nothing came since what was there was handed on.
    silent: bool,
}

impl Parser {
    /// Takes bytes as they came, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Input>) {
        if let Some(paste) = &mut self.paste {
            paste.silent = false;
            // Typed: leaving works in every state. Terminals leave control characters out of pastes.
            if paste.stalled && bytes == b"\x03" {
                self.give_paste_up(out);
            }
        }
        let between = self.paste.is_none() && self.buffer.is_empty();
        let plain = bytes
            .iter()
            .position(|byte| !is_plain(*byte))
            .unwrap_or(bytes.len());
        if between && plain >= BURST && self.burst.is_none() {
            self.burst = Some(self.new_paste());
        }
        let mut bytes = bytes;
        if let Some(burst) = &mut self.burst {
            burst.keep(&bytes[..plain]);
            out.extend(burst.piece());
            bytes = &bytes[plain..];
            if bytes.is_empty() {
                return;
            }
            // A key of another kind: the paste was over.
            self.end_burst(out);
        }
        self.buffer.extend_from_slice(bytes);
        self.advance(out);
    }

    /// Nothing came for the time that [`Parser::waiting`] stands for: what is there is all there is.
    pub fn idle(&mut self, out: &mut Vec<Input>) {
        self.end_burst(out);
        if self.paste.is_some() {
            self.idle_in_paste(out);
            return;
        }
        if self.buffer.is_empty() {
            return;
        }
        // A lone Esc is the key; an Esc with something unfinished behind it was the key, then typing.
        if self.buffer[0] == 0x1b {
            self.buffer.remove(0);
            out.push(Input::Key(Key::plain(Code::Esc)));
        } else {
            // The beginning of a character whose rest never came.
            self.buffer.remove(0);
        }
        self.advance(out);
        if self.waiting() == Waiting::Escape {
            self.idle(out);
        }
    }

    /// What the parser is in the middle of.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        if self.burst.is_some() {
            Waiting::Burst
        } else if let Some(paste) = &self.paste {
            if paste.silent {
                Waiting::Rest
            } else {
                Waiting::Paste
            }
        } else if self.buffer.is_empty() {
            Waiting::No
        } else {
            Waiting::Escape
        }
    }

    /// Nothing came for a while in the middle of a paste. A line with losses pauses for longer than a second: what
    /// is there is handed on, and what comes is still text, never keys, until the end or a long silence.
    fn idle_in_paste(&mut self, out: &mut Vec<Input>) {
        let Some(paste) = &mut self.paste else { return };
        let lone_escape = paste.stalled && paste.bytes.is_empty() && self.buffer == b"\x1b";
        if paste.silent || lone_escape {
            self.give_paste_up(out);
            return;
        }
        // The beginning of the end may be there already.
        let keep = (1..PASTE_END.len())
            .rev()
            .find(|len| self.buffer.ends_with(&PASTE_END[..*len]))
            .unwrap_or(0);
        let rest = self.buffer.split_off(self.buffer.len() - keep);
        paste.keep(&std::mem::replace(&mut self.buffer, rest));
        paste.silent = true;
        let first = !std::mem::replace(&mut paste.stalled, true);
        let text = paste.whole_characters();
        if first || !text.is_empty() {
            out.push(Input::Paste {
                text,
                truncated: true,
                more: true,
            });
        }
    }

    /// The end of the paste is not waited for any longer.
    fn give_paste_up(&mut self, out: &mut Vec<Input>) {
        self.buffer.clear();
        if let Some(paste) = self.paste.take() {
            out.push(paste.into_input(true));
        }
    }

    fn new_paste(&self) -> Paste {
        Paste {
            bytes: Vec::new(),
            gone: 0,
            truncated: false,
            limit: self.limit.unwrap_or(MAX_PASTE),
            stalled: false,
            silent: false,
        }
    }

    fn end_burst(&mut self, out: &mut Vec<Input>) {
        if let Some(burst) = self.burst.take() {
            out.push(burst.into_input(false));
        }
    }

    fn advance(&mut self, out: &mut Vec<Input>) {
        let mut at = 0;
        loop {
            if let Some(paste) = &mut self.paste {
                let rest = &self.buffer[at..];
                if let Some(end) = find(rest, PASTE_END) {
                    paste.keep(&rest[..end]);
                    at += end + PASTE_END.len();
                    if let Some(paste) = self.paste.take() {
                        out.push(paste.into_input(false));
                    }
                    continue;
                }
                // The end may be cut in two: its beginning stays in the buffer.
                let keep = rest.len().min(PASTE_END.len() - 1);
                paste.keep(&rest[..rest.len() - keep]);
                out.extend(paste.piece());
                at = self.buffer.len() - keep;
                break;
            }
            if at == self.buffer.len() {
                break;
            }
            match parse(&self.buffer[at..]) {
                Parsed::Done(len, input) => {
                    at += len;
                    out.extend(input);
                }
                Parsed::PasteBegins(len) => {
                    at += len;
                    self.paste = Some(self.new_paste());
                }
                Parsed::Incomplete => break,
            }
        }
        self.buffer.drain(..at);
    }
}

impl Paste {
    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit - self.gone - self.bytes.len();
        if bytes.len() > room {
            self.truncated = true;
        }
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What can be handed on before the end, where that is much.
    fn piece(&mut self) -> Option<Input> {
        if self.bytes.len() < PIECE {
            return None;
        }
        Some(Input::Paste {
            text: self.whole_characters(),
            truncated: false,
            more: true,
        })
    }

    /// Hands on what is there, but for a character of which bytes are missing.
    fn whole_characters(&mut self) -> String {
        let begun = self.bytes.iter().rev().take(3).position(|byte| *byte >= 0xc0);
        let missing = begun.filter(|at| {
            let lead = self.bytes[self.bytes.len() - 1 - at];
            let length = match lead {
                0xf0.. => 4,
                0xe0.. => 3,
                _ => 2,
            };
            at + 1 < length
        });
        let rest = self
            .bytes
            .split_off(self.bytes.len() - missing.map_or(0, |at| at + 1));
        let bytes = std::mem::replace(&mut self.bytes, rest);
        self.gone += bytes.len();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn into_input(self, cut: bool) -> Input {
        Input::Paste {
            text: String::from_utf8_lossy(&self.bytes).into_owned(),
            truncated: self.truncated || cut,
            more: false,
        }
    }
}

/// What a paste that is not bracketed consists of: no control characters but line breaks and tabs.
fn is_plain(byte: u8) -> bool {
    !matches!(byte, 0..=0x1f | 0x7f) || matches!(byte, b'\r' | b'\n' | b'\t')
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sequences::{MAX_SEQUENCE, PASTE_BEGIN};
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Input> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(bytes, &mut out);
        while parser.waiting() != Waiting::No {
            parser.idle(&mut out);
        }
        out
    }

    fn keys(bytes: &[u8]) -> String {
        let texts: Vec<String> = all(bytes)
            .iter()
            .map(|input| match input {
                Input::Key(key) => key.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        texts.join(" ")
    }

    #[test]
    fn reads_the_keys_of_common_terminals() {
        for (bytes, expected) in [
            (&b"aZ/ "[..], "a Z / space"),
            ("é☃😀".as_bytes(), "é ☃ 😀"),
            (b"\x03\x1a\x0c\x12", "ctrl-c ctrl-z ctrl-l ctrl-r"),
            (b"\r\n\t\x7f\x08", "enter enter tab backspace backspace"),
            (b"\x1b[A\x1bOB\x1b[1;5C\x1b[1;2D", "up down ctrl-right shift-left"),
            (
                b"\x1b[H\x1bOF\x1b[1~\x1b[4~\x1b[7~\x1b[8~",
                "home end home end home end",
            ),
            (b"\x1b[5~\x1b[6~\x1b[3~\x1b[2~", "pageup pagedown delete insert"),
            (b"\x1b[Z\x1b[1;6Z", "shift-tab ctrl-shift-tab"),
            (b"\x1bOP\x1b[15~\x1b[17~\x1b[24~\x1b[[A", "f1 f5 f6 f12 f1"),
            (b"\x1bx\x1b\x7f\x1b\r", "alt-x alt-backspace alt-enter"),
            (b"\x1bOM\x1b[99;5u\x1b[97u\x1b[27u", "enter ctrl-c a esc"),
            (b"\x1b", "esc"),
            (b"\x1b\x1b", "esc esc"),
            (b"\x1b\x1b[A", "esc up"),
            (b"\x1b[", "esc ["),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn reads_focus_and_leaves_out_answers_and_the_unknown() {
        assert_eq!(all(b"\x1b[I\x1b[O"), [Input::Focus(true), Input::Focus(false)]);
        assert_eq!(
            keys(b"a\x1b]11;rgb:0000/0000/0000\x07b\x1b]52;c;eA==\x1b\\c"),
            "a b c"
        );
        assert_eq!(keys(b"a\x1b[?62;4c\x1b[999~\x1b[<0;1;1mb\xff\xc3c"), "a b c");
    }

    #[test]
    fn reads_clicks_and_the_wheel() {
        assert_eq!(
            all(b"\x1b[<0;12;3M\x1b[<0;12;3m\x1b[<64;1;1M\x1b[<65;1;1M\x1b[<2;1;1M\x1b[<0;0;1M"),
            [Input::Click(11, 2), Input::Wheel(true), Input::Wheel(false)]
        );
    }

    /// What can be bound arrives, and what does not arrive cannot be bound.
    #[test]
    fn the_keys_that_can_be_relied_on_are_those_that_arrive() {
        for c in ' '..='~' {
            let mut key = Key::ctrl(c);
            let byte = match c {
                ' ' => Some(0),
                'a'..='z' | '['..='_' => Some(c as u8 & 0x1f),
                _ => None,
            };
            let arrives = byte.is_some_and(|byte| all(&[byte]) == [Input::Key(key)]);
            assert_eq!(key.unreliable().is_none(), arrives, "{key}");
            key.ctrl = false;
            key.alt = true;
            let arrives = all(&[0x1b, c as u8]) == [Input::Key(key)];
            assert_eq!(key.unreliable().is_none(), arrives, "{key}");
            key.alt = false;
            assert_eq!(key.unreliable(), None, "{key}");
        }
        for name in [
            "up",
            "home",
            "pagedown",
            "f1",
            "f12",
            "delete",
            "shift-tab",
            "alt-backspace",
        ] {
            let key: Key = name.parse().expect("a key");
            assert_eq!(key.unreliable(), None, "{key}");
        }
        for name in [
            "ctrl-enter",
            "ctrl-tab",
            "shift-enter",
            "alt-esc",
            "shift-backspace",
        ] {
            let key: Key = name.parse().expect("a key");
            assert!(key.unreliable().is_some(), "{key}");
        }
    }

    #[test]
    fn an_escape_is_the_key_only_when_nothing_follows() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b"\x1b", &mut out);
        assert_eq!(out, []);
        assert_eq!(parser.waiting(), Waiting::Escape);
        parser.feed(b"[A", &mut out);
        assert_eq!(out, [Input::Key(Key::plain(Code::Up))]);
        assert_eq!(parser.waiting(), Waiting::No);
    }

    #[test]
    fn a_paste_is_text_whatever_is_in_it() {
        let pasted = |text: &str, truncated| Input::Paste {
            text: text.to_owned(),
            truncated,
            more: false,
        };
        assert_eq!(
            all(b"\x1b[200~a\x1b[A\x03\nb\x1b[201~c"),
            [pasted("a\x1b[A\x03\nb", false), Input::Key(Key::char('c'))]
        );
        // Too long: the rest is left out, and what follows is read.
        let mut long = PASTE_BEGIN.to_vec();
        long.extend(std::iter::repeat_n(b'x', 5_005));
        long.extend_from_slice(b"\x1b[201~q");
        let mut parser = Parser {
            limit: Some(5_000),
            ..Parser::default()
        };
        let mut read = Vec::new();
        parser.feed(&long, &mut read);
        assert_eq!(
            read,
            [pasted(&"x".repeat(5_000), true), Input::Key(Key::char('q'))]
        );
    }

    #[test]
    fn the_rest_of_a_paste_that_pauses_is_text_and_its_end_is_given_up_after_a_long_silence() {
        let paste = |text: &str, truncated, more| Input::Paste {
            text: text.to_owned(),
            truncated,
            more,
        };
        let stalled = |rest: &[u8]| {
            let mut parser = Parser::default();
            let mut out = Vec::new();
            parser.feed(b"\x1b[200~checkout\n\xc3", &mut out);
            assert_eq!(parser.waiting(), Waiting::Paste);
            parser.idle(&mut out);
            assert_eq!(parser.waiting(), Waiting::Rest);
            assert_eq!(out, [paste("checkout\n", true, true)], "whole characters");
            out.clear();
            parser.feed(rest, &mut out);
            (parser, out)
        };
        let q = Input::Key(Key::char('q'));
        // The line was only slow.
        let (parser, out) = stalled(b"\xa9 cookie\rquit \x03of this\r\x1b[201~q");
        assert_eq!(
            out,
            [paste("é cookie\rquit \x03of this\r", false, false), q.clone()]
        );
        assert_eq!(parser.waiting(), Waiting::No);
        // It pauses once more, in the middle of its end.
        let (mut parser, mut out) = stalled(b"\xa9quit\x1b[20");
        parser.idle(&mut out);
        parser.feed(b"1~q", &mut out);
        assert_eq!(
            out,
            [paste("équit", true, true), paste("", false, false), q.clone()]
        );
        // The end never comes.
        let (mut parser, mut out) = stalled(b"\xa9q");
        parser.idle(&mut out);
        parser.idle(&mut out);
        parser.feed(b"q", &mut out);
        assert_eq!(out, [paste("éq", true, true), paste("", true, false), q.clone()]);
        // A person does not wait for that: ctrl-c is obeyed at once, and Esc ends the paste.
        let (_, out) = stalled(b"\x03");
        assert_eq!(out[1..], [Input::Key(Key::ctrl('c'))]);
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b"\x1b[200~abc", &mut out);
        parser.idle(&mut out);
        parser.feed(b"\x1b", &mut out);
        parser.idle(&mut out);
        parser.feed(b"q", &mut out);
        assert_eq!(out, [paste("abc", true, true), paste("", true, false), q]);
    }

    #[test]
    fn a_paste_that_is_not_bracketed_is_text_as_well() {
        let text = "u-1\r".repeat(3_000);
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for part in text.as_bytes().chunks(1_000) {
            parser.feed(part, &mut out);
            assert_eq!(parser.waiting(), Waiting::Burst);
        }
        assert_eq!(out, []);
        parser.idle(&mut out);
        let pasted = Input::Paste {
            text: text.clone(),
            truncated: false,
            more: false,
        };
        assert_eq!(out, std::slice::from_ref(&pasted));
        // A key that types nothing ends it as well; typing is never taken for one.
        out.clear();
        parser.feed(text.as_bytes(), &mut out);
        parser.feed(b"\x03", &mut out);
        assert_eq!(out, [pasted, Input::Key(Key::ctrl('c'))]);
        assert_eq!(all(b"typed ahead").len(), 11);
    }

    #[test]
    fn a_long_paste_comes_in_pieces_of_whole_characters() {
        let text = "aé☃😀\n".repeat(40_000);
        let mut bytes = PASTE_BEGIN.to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(PASTE_END);
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for part in bytes.chunks(4_093) {
            parser.feed(part, &mut out);
        }
        assert!(out.len() > 5, "{}", out.len());
        let mut joined = String::new();
        for (at, input) in out.iter().enumerate() {
            let Input::Paste {
                text,
                truncated,
                more,
            } = input
            else {
                panic!("{input:?}");
            };
            assert!(!truncated);
            assert_eq!(*more, at + 1 < out.len());
            assert!(text.len() <= PIECE + 8_192);
            joined.push_str(text);
        }
        assert_eq!(joined, text);
    }

    #[test]
    fn memory_is_bounded_in_a_sequence_that_never_ends() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for start in [&b"\x1b["[..], b"\x1b]"] {
            parser.feed(start, &mut out);
            for _ in 0..10_000 {
                parser.feed(b"00000000", &mut out);
                assert!(parser.buffer.len() <= 64 * MAX_SEQUENCE + 16);
            }
            while parser.waiting() != Waiting::No {
                parser.idle(&mut out);
            }
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_cut(
            pieces in proptest::collection::vec(prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..4),
                Just(b"\x1b[200~x\x1b[201~".to_vec()),
                Just(b"\x1b[1;5A".to_vec()),
                Just("é😀".as_bytes().to_vec()),
            ], 0..12),
            cuts in proptest::collection::vec(1_usize..5, 0..40),
        ) {
            let bytes: Vec<u8> = pieces.concat();
            let mut parser = Parser::default();
            let mut out = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                parser.feed(head, &mut out);
                rest = tail;
            }
            parser.feed(rest, &mut out);
            for _ in 0..bytes.len() + 1 {
                parser.idle(&mut out);
            }
            prop_assert_eq!(parser.waiting(), Waiting::No);
            prop_assert_eq!(out, all(&bytes));
        }
    }
}
