//! The body of an import, read as it comes: what is an id is for [`crate::domain::id_list`], here are its limits,
//! its counts and its hash.

use sha2::{Digest as _, Sha256};

use crate::api::imports::Malformed;
use crate::domain::id_list::{Found, IdReader};

use super::ids::Ids;

/// The most refused ids that are told.
pub const MAX_TOLD: usize = 100;

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
    /// It is JSON, which would be read as ids with brackets and quotes.
    #[error(
        "the body is JSON; send the ids as text, one a line or with commas between them, such as `jq -r '.[]'` makes of a list"
    )]
    Json,
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
    reader: IdReader,
    /// The first two bytes.
    start: Vec<u8>,
    /// The first two that are no blanks.
    opening: Vec<u8>,
    body: Body,
}

impl Parser {
    /// A parser that has read nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            hash: Sha256::new(),
            bytes: 0,
            reader: IdReader::default(),
            start: Vec::with_capacity(2),
            opening: Vec::with_capacity(2),
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
        let missing = 2_usize.saturating_sub(self.opening.len());
        if missing > 0 {
            // Blanks, and the bytes of a mark.
            let skipped = |byte: &&u8| byte.is_ascii_whitespace() || matches!(**byte, 0xef | 0xbb | 0xbf);
            let some = piece.iter().filter(|byte| !skipped(byte)).take(missing);
            self.opening.extend(some);
            // An id may have braces around it, as GUIDs do.
            if matches!(*self.opening, [b'[', ..] | [b'{', b'"' | b'}']) {
                return Err(BodyError::Json);
            }
        }
        self.bytes += piece.len() as u64;
        if self.bytes > self.limits.bytes {
            return Err(BodyError::Bytes(self.limits.bytes));
        }
        self.hash.update(piece);
        let Self {
            limits, reader, body, ..
        } = self;
        reader.push(piece, &mut |found| body.take(found, *limits))
    }

    /// The end of the body.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn finish(mut self) -> Result<Body, BodyError> {
        let (limits, mut body) = (self.limits, self.body);
        self.reader.finish(&mut |found| body.take(found, limits))?;
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

impl Body {
    fn take(&mut self, found: Found<'_>, limits: Limits) -> Result<(), BodyError> {
        self.received += 1;
        if self.received > limits.ids {
            return Err(BodyError::Ids(limits.ids));
        }
        match found.id {
            Ok(id) => self.ids.push(&id),
            Err(refused) => {
                self.malformed += 1;
                if self.malformed_lines.len() < MAX_TOLD {
                    self.malformed_lines.push(Malformed {
                        line: found.line,
                        given: refused.given,
                        allowed: refused.allowed,
                    });
                }
            }
        }
        Ok(())
    }
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
    fn sound_and_refused_ids_are_counted_and_the_first_hundred_refused_ones_are_told() {
        let refused = "\"open\n".repeat(MAX_TOLD + 1);
        let body = parse(format!("b,a\n\"a\"\n{refused}"));
        assert_eq!(ids(&body), ["a", "b"]);
        assert_eq!((body.received, body.duplicates, body.malformed), (104, 1, 101));
        assert_eq!(body.malformed_lines.len(), MAX_TOLD);
        let first = &body.malformed_lines[0];
        assert_eq!((first.line, first.given.as_str()), (3, "\"open"));
        assert_eq!(first.allowed, "a closing quote on the same line");
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
    fn json_is_noticed_and_braces_of_ids_are_not() {
        let read = |pieces: &[&str]| {
            let mut parser = Parser::new(Limits::default());
            pieces
                .iter()
                .try_for_each(|piece| parser.push(piece.as_bytes()))?;
            parser.finish().map(|body| body.ids.len())
        };
        for pieces in [
            &["[\"a\",\"b\"]"][..],
            &["[1, 2]"],
            &["\u{feff} [", "]"],
            &[" \n", "{", " \"ids\": []}"],
            &["{}"],
        ] {
            assert_eq!(read(pieces), Err(BodyError::Json), "{pieces:?}");
        }
        for pieces in [
            &["{6f9619ff}\n{6f9619fe}"][..],
            &["\"[a\"", "\nb"],
            &["{", "a}\n", "[b"],
        ] {
            assert_eq!(read(pieces), Ok(2), "{pieces:?}");
        }
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
