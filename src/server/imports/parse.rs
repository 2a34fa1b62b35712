//! The body of an import, read as it comes: ids, one a line or with commas between them.
//!
//! | in the body | what it is |
//! |---|---|
//! | a line end (`\n` or `\r\n`), a comma | the end of an id |
//! | blanks around an id, empty lines, `""` | nothing |
//! | `"a,b"` | the id `a,b`; `""` inside stands for one `"` |
//! | a byte order mark around an id, as where a file was put behind another one | nothing |
//! | an id of more than 512 characters, with a control or an invisible character, that is not UTF-8, or with something beside its quotes | refused, with its line |

use sha2::{Digest as _, Sha256};

use crate::api::imports::Malformed;
use crate::domain::rule::{MAX_SUBJECT_ID_LENGTH, bare_id, id_refusal};

use super::ids::Ids;

/// The most refused ids that are told.
pub const MAX_TOLD: usize = 100;

/// The most characters of a refused id that are repeated.
const MAX_GIVEN: usize = 40;

/// The most bytes of one id that are kept: more is refused anyway.
const MAX_KEPT: usize = 4 * MAX_SUBJECT_ID_LENGTH + 64;

/// How many ids are kept from each end of the body.
const ENDS: usize = 3;

/// How much an import may hold.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Limits {
    /// Ids, malformed and repeated ones included.
    pub ids: u64,
    /// Bytes of the body.
    pub bytes: u64,
}

impl Default for Limits {
    /// 5,000,000 ids, 512 MiB.
    fn default() -> Self {
        Self {
            ids: 5_000_000,
            bytes: 512 << 20,
        }
    }
}

/// A body that cannot be taken.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// It is too long.
    #[error("the body is larger than {0} bytes; import the ids in several parts")]
    Bytes(u64),
    /// It has too many ids.
    #[error("the body has more than {0} ids; import them in several parts")]
    Ids(u64),
    /// It is not in UTF-8 from its first bytes on.
    #[error("the body is UTF-16; save the list as UTF-8 and send it again")]
    Utf16,
}

/// What was in a body.
#[derive(Debug)]
pub struct Body {
    /// The different sound ids, sorted by their bytes.
    pub ids: Ids,
    /// Ids, malformed ones included.
    pub received: u64,
    /// Sound ids that were there before.
    pub duplicates: u64,
    /// Refused ids.
    pub malformed: u64,
    /// The first hundred of them.
    pub malformed_lines: Vec<Malformed>,
    /// The first three sound ids.
    pub first: Vec<String>,
    /// The last three sound ids.
    pub last: Vec<String>,
    /// SHA-256 of all bytes, in hexadecimal.
    pub sha256: String,
}

/// Reads a body in pieces of any size.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    hash: Sha256,
    bytes: u64,
    line: u64,
    /// The id that is being read, its quotes included.
    token: Vec<u8>,
    /// Where it began.
    token_line: u64,
    /// Whether it was longer than what is kept of it.
    cut: bool,
    quotes: Quotes,
    /// How much of a byte order mark was there, until something else is.
    mark: Option<usize>,
    /// The first two bytes.
    start: Vec<u8>,
    body: Body,
}

const MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// Where in an id the parser is.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Quotes {
    /// Nothing but blanks so far.
    Before,
    /// In an id without quotes.
    None,
    /// Between quotes.
    Inside,
    /// After a quote that ends the id, unless another one follows.
    After,
}

impl Parser {
    /// A parser that has read nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            hash: Sha256::new(),
            bytes: 0,
            line: 1,
            token: Vec::new(),
            token_line: 1,
            cut: false,
            quotes: Quotes::Before,
            mark: Some(0),
            start: Vec::with_capacity(2),
            body: Body {
                ids: Ids::default(),
                received: 0,
                duplicates: 0,
                malformed: 0,
                malformed_lines: Vec::new(),
                first: Vec::new(),
                last: Vec::new(),
                sha256: String::new(),
            },
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// See [`BodyError`]; nothing more can be read then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        // Two bytes are enough to know, and they may come one by one.
        let missing = 2_usize.saturating_sub(self.start.len());
        self.start.extend(piece.iter().take(missing));
        if matches!(*self.start, [0xff, 0xfe] | [0xfe, 0xff]) {
            return Err(BodyError::Utf16);
        }
        self.bytes += piece.len() as u64;
        if self.bytes > self.limits.bytes {
            return Err(BodyError::Bytes(self.limits.bytes));
        }
        self.hash.update(piece);
        let mut rest = piece;
        while let (Some(seen), Some((byte, after))) = (self.mark, rest.split_first()) {
            if MARK.get(seen) == Some(byte) {
                self.mark = Some(seen + 1);
                rest = after;
            } else {
                self.end_mark()?;
            }
        }
        while let Some((&byte, after)) = rest.split_first() {
            // What is not the end of an id is taken at once.
            let plain = match self.quotes {
                Quotes::None => rest.iter().position(|b| matches!(b, b'\n' | b',')),
                Quotes::Inside => rest.iter().position(|b| matches!(b, b'\n' | b'"')),
                Quotes::Before | Quotes::After => Some(0),
            };
            match plain {
                Some(0) => {
                    rest = after;
                    self.byte(byte)?;
                }
                plain => {
                    let (some, more) = rest.split_at(plain.unwrap_or(rest.len()));
                    self.keep(some);
                    rest = more;
                }
            }
        }
        Ok(())
    }

    /// What began like a byte order mark and is none belongs to the first id.
    fn end_mark(&mut self) -> Result<(), BodyError> {
        let seen = self.mark.take().unwrap_or_default();
        for byte in MARK.iter().take(seen).filter(|_| seen < MARK.len()) {
            self.byte(*byte)?;
        }
        Ok(())
    }

    fn keep(&mut self, some: &[u8]) {
        let room = MAX_KEPT.saturating_sub(self.token.len());
        self.cut |= some.len() > room;
        self.token.extend_from_slice(&some[..some.len().min(room)]);
    }

    /// One byte, and what it means where the parser is.
    fn byte(&mut self, byte: u8) -> Result<(), BodyError> {
        match (self.quotes, byte) {
            // A line end in quotes: they were never closed.
            (_, b'\n') => {
                self.end()?;
                self.line += 1;
                self.token_line = self.line;
            }
            (Quotes::Before | Quotes::None | Quotes::After, b',') => self.end()?,
            (Quotes::Before, b' ' | b'\t' | b'\r') => {}
            (Quotes::Before, b'"') => {
                self.keep(&[byte]);
                self.quotes = Quotes::Inside;
            }
            (Quotes::Before, _) => {
                self.keep(&[byte]);
                self.quotes = Quotes::None;
            }
            (Quotes::Inside, b'"') => {
                self.keep(&[byte]);
                self.quotes = Quotes::After;
            }
            (Quotes::After, b'"') => {
                self.keep(&[byte]);
                self.quotes = Quotes::Inside;
            }
            (Quotes::After, b' ' | b'\t' | b'\r') | (Quotes::None | Quotes::Inside, _) => self.keep(&[byte]),
            // Something beside the quotes: refused at the end.
            (Quotes::After, _) => {
                self.keep(&[byte]);
                self.quotes = Quotes::None;
            }
        }
        Ok(())
    }

    /// The id that is being read is complete.
    fn end(&mut self) -> Result<(), BodyError> {
        let mut token = std::mem::take(&mut self.token);
        let quotes = std::mem::replace(&mut self.quotes, Quotes::Before);
        let cut = std::mem::take(&mut self.cut);
        let result = self.take(&token, quotes, cut);
        token.clear();
        self.token = token;
        result
    }

    fn take(&mut self, token: &[u8], quotes: Quotes, cut: bool) -> Result<(), BodyError> {
        let too_long = || format!("at most {MAX_SUBJECT_ID_LENGTH} characters");
        let checked = match std::str::from_utf8(token) {
            // The cut may have gone through a character.
            _ if cut => Err(too_long()),
            Err(_) => Err("UTF-8".to_owned()),
            Ok(text) => checked(bare_id(text), quotes),
        };
        match checked {
            Ok(Some(id)) => {
                self.receive()?;
                self.body.ids.push(&id);
            }
            Ok(None) => {}
            Err(allowed) => {
                self.receive()?;
                self.body.malformed += 1;
                if self.body.malformed_lines.len() < MAX_TOLD {
                    self.body.malformed_lines.push(Malformed {
                        line: self.token_line,
                        given: given(token),
                        allowed,
                    });
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), BodyError> {
        self.body.received += 1;
        if self.body.received > self.limits.ids {
            return Err(BodyError::Ids(self.limits.ids));
        }
        Ok(())
    }

    /// The end of the body.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn finish(mut self) -> Result<Body, BodyError> {
        self.end_mark()?;
        self.end()?;
        let mut body = self.body;
        let places = body.ids.places();
        let text = |place: &_| body.ids.text(*place).to_owned();
        let (first, last) = (
            places.iter().take(ENDS).map(text).collect(),
            places[places.len().saturating_sub(ENDS)..]
                .iter()
                .map(text)
                .collect(),
        );
        (body.first, body.last) = (first, last);
        body.duplicates = body.ids.sort() as u64;
        let digest: [u8; 32] = self.hash.finalize().into();
        body.sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(body)
    }
}

/// The id of a token without the blanks around it; none where there is nothing.
fn checked(token: &str, quotes: Quotes) -> Result<Option<std::borrow::Cow<'_, str>>, String> {
    let id = match token.strip_prefix('"') {
        None => std::borrow::Cow::Borrowed(token),
        Some(_) if quotes == Quotes::Inside => return Err("a closing quote on the same line".to_owned()),
        Some(rest) => {
            let Some(inside) = rest.strip_suffix('"').filter(|inside| is_escaped(inside)) else {
                return Err("nothing after the closing quote; a quote in an id is written twice".to_owned());
            };
            let inside = bare_id(inside);
            if inside.contains('"') {
                inside.replace("\"\"", "\"").into()
            } else {
                inside.into()
            }
        }
    };
    if id.is_empty() {
        return Ok(None);
    }
    match id_refusal(&id) {
        Some(allowed) => Err(allowed),
        None => Ok(Some(id)),
    }
}

/// Whether every quote is there twice.
fn is_escaped(inside: &str) -> bool {
    !inside.replace("\"\"", "").contains('"')
}

/// What was there, shortened, control characters escaped.
fn given(token: &[u8]) -> String {
    let text = String::from_utf8_lossy(&token[..token.len().min(4 * MAX_GIVEN)]);
    let mut given: String = text
        .trim()
        .chars()
        .take(MAX_GIVEN)
        .flat_map(char::escape_debug)
        .collect();
    if text.trim().chars().count() > MAX_GIVEN || token.len() > 4 * MAX_GIVEN {
        given.push('…');
    }
    given
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> Body {
        let mut parser = Parser::new(Limits::default());
        parser.push(text.as_ref()).expect("taken");
        parser.finish().expect("taken")
    }

    fn ids(body: &Body) -> Vec<&str> {
        body.ids.places().iter().map(|p| body.ids.text(*p)).collect()
    }

    #[test]
    fn what_lists_look_like() {
        for (text, expected) in [
            ("", &[][..]),
            ("a\nb\nc\n", &["a", "b", "c"]),
            ("a\r\nb\r\n\r\n", &["a", "b"]),
            ("a,b,,c", &["a", "b", "c"]),
            ("\u{feff}a\nb", &["a", "b"]),
            ("\u{feff}\"a,b\",c", &["a,b", "c"]),
            ("\u{feff}", &[]),
            ("\u{feff}a\n\u{feff}b\n\u{feff}\n", &["a", "b"]),
            (
                "woman \u{1f469}\u{200d}\u{1f4bb}",
                &["woman \u{1f469}\u{200d}\u{1f4bb}"],
            ),
            ("\u{fe00}x", &["\u{fe00}x"]),
            ("  a \n\t b\t\n   \n", &["a", "b"]),
            ("\"a\"\r\n\"b\" , \" c \"\n\"\"\n", &["a", "b", "c"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"say \"\"hi\"\"\"", &["say \"hi\""]),
            ("Jörg \u{a0}\n日本", &["Jörg", "日本"]),
            ("in the middle", &["in the middle"]),
            ("5\" disk", &["5\" disk"]),
        ] {
            let body = parse(text);
            assert_eq!((ids(&body).as_slice(), body.malformed), (expected, 0), "{text:?}");
        }
    }

    #[test]
    fn what_is_refused_says_its_line_and_the_rest_is_taken() {
        let long = "x".repeat(513);
        let longest = "é".repeat(512);
        let mut text = format!("a\n{longest},{long}\nb\u{7}c,d,u\u{200b}1\n").into_bytes();
        text.extend_from_slice(b"\xffbad\n\"open\n\"shut\" x\nlast\n\"a\"b\"\n");
        text.extend_from_slice(&vec![b'y'; 100_000]);
        let body = parse(&text);
        assert_eq!(ids(&body), ["a", "d", "last", &longest]);
        let told: Vec<(u64, &str)> = body
            .malformed_lines
            .iter()
            .map(|m| (m.line, m.allowed.as_str()))
            .collect();
        let nothing_after = "nothing after the closing quote; a quote in an id is written twice";
        assert_eq!(
            told,
            [
                (2, "at most 512 characters"),
                (3, "no control characters"),
                (3, "no invisible characters (\\u{200b})"),
                (4, "UTF-8"),
                (5, "a closing quote on the same line"),
                (6, nothing_after),
                (8, nothing_after),
                (9, "at most 512 characters"),
            ]
        );
        assert_eq!(body.malformed_lines[1].given, "b\\u{7}c");
        assert!(body.malformed_lines[7].given.ends_with("y…"));
        assert_eq!((body.received, body.malformed, body.duplicates), (12, 8, 0));
    }

    #[test]
    fn first_and_last_are_those_of_the_body() {
        let body = parse("z\ny\nx\nm\nz\nb\na\nz\n");
        assert_eq!(ids(&body), ["a", "b", "m", "x", "y", "z"]);
        assert_eq!((body.first, body.last), (vec_of("zyx"), vec_of("baz")));
        assert_eq!((body.received, body.duplicates), (8, 2));
    }

    fn vec_of(letters: &str) -> Vec<String> {
        letters.chars().map(String::from).collect()
    }

    #[test]
    fn the_limits_are_told() {
        let limits = Limits { ids: 2, bytes: 10 };
        let mut parser = Parser::new(limits);
        assert_eq!(parser.push(b"a,b,c,"), Err(BodyError::Ids(2)));
        let mut parser = Parser::new(limits);
        parser.push(b"a,b,").expect("two");
        assert_eq!(parser.push(b"1234567"), Err(BodyError::Bytes(10)));
        let mut parser = Parser::new(limits);
        parser.push(b"a,b,c").expect("not complete");
        assert_eq!(parser.finish().expect_err("three"), BodyError::Ids(2));
    }

    #[test]
    fn utf16_is_noticed_however_it_comes() {
        for text in [&b"\xff\xfea\0\n\0"[..], b"\xfe\xff\0a\0\n"] {
            assert_eq!(Parser::new(Limits::default()).push(text), Err(BodyError::Utf16));
            let mut parser = Parser::new(Limits::default());
            parser.push(&text[..1]).expect("too little to know");
            assert_eq!(parser.push(&text[1..]), Err(BodyError::Utf16));
        }
    }

    #[test]
    fn the_hash_is_of_every_byte() {
        let body = parse("abc");
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(body.sha256, known);
    }

    proptest! {
        /// However the body is cut into pieces, the same is read.
        #[test]
        fn pieces_do_not_matter(
            text in "[ab\",\n\r \u{7}ä\u{feff}\u{fe00}]{0,60}",
            cuts in prop::collection::vec(0..200_usize, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % (bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut parser = Parser::new(Limits::default());
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                parser.push(&bytes[from..cut]).expect("taken");
                from = cut;
            }
            let (whole, pieces) = (parse(bytes), parser.finish().expect("taken"));
            prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        }

        /// What is joined by commas and line ends comes out again.
        #[test]
        fn plain_ids_come_through(texts in prop::collection::vec("[a-z0-9:_.\\-]{1,20}", 0..40), comma: bool) {
            let body = parse(texts.join(if comma { "," } else { "\r\n" }));
            let set: std::collections::BTreeSet<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(ids(&body), set.into_iter().collect::<Vec<_>>());
            prop_assert_eq!((body.received, body.malformed), (texts.len() as u64, 0));
        }
    }
}
