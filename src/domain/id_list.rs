//! A list of ids, read as it comes: one a line or with commas between them.
//!
//! | in the list | what it is |
//! |---|---|
//! | a line end (`\n` or `\r\n`), a comma | the end of an id |
//! | blanks around an id, empty lines, `""` | nothing |
//! | `"a,b"` | the id `a,b`; `""` inside stands for one `"` |
//! | a byte order mark around an id, as where a file was put behind another one | nothing |
//! | an id of more than 512 characters, with a control or an invisible character, that is not UTF-8, or with something beside its quotes | refused, with its line |
//!
//! The card of the cockpit and the dry run of the server read with the same [`IdReader`]: what the one counts, the
//! other does.

use std::borrow::Cow;

use crate::domain::rule::{MAX_SUBJECT_ID_LENGTH, bare_id, id_refusal};

/// The most characters of a refused id that are repeated.
const MAX_GIVEN: usize = 40;

/// The most bytes of one id that are kept: more is refused anyway.
const MAX_KEPT: usize = 4 * MAX_SUBJECT_ID_LENGTH + 64;

const MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// What stands between two ends of an id, where that is not nothing.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Found<'a> {
    /// The line where it begins, from 1.
    pub line: u64,
    /// The id, without its quotes and the blanks around it; or why it is none.
    pub id: Result<Cow<'a, str>, Refused>,
}

/// What cannot be the id of a subject.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Refused {
    /// What was there: at most 40 characters of it, control characters escaped.
    pub given: String,
    /// What is allowed.
    pub allowed: String,
}

/// Reads a list in pieces of any size, cut anywhere.
#[derive(Debug)]
pub struct IdReader {
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
}

/// Where in an id the reader is.
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

impl Default for IdReader {
    fn default() -> Self {
        Self {
            line: 1,
            token: Vec::new(),
            token_line: 1,
            cut: false,
            quotes: Quotes::Before,
            mark: Some(0),
        }
    }
}

impl IdReader {
    /// Reads the next piece; `found` is called for every id in it that has an end.
    ///
    /// # Errors
    /// The first one of `found`: nothing more is read then.
    pub fn push<E>(
        &mut self,
        piece: &[u8],
        found: &mut impl FnMut(Found<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = piece;
        while let (Some(seen), Some((byte, after))) = (self.mark, rest.split_first()) {
            if MARK.get(seen) == Some(byte) {
                self.mark = Some(seen + 1);
                rest = after;
            } else {
                self.end_mark(found)?;
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
                    self.byte(byte, found)?;
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

    /// Nothing more comes: the last id ends here.
    ///
    /// # Errors
    /// That of `found`.
    pub fn finish<E>(&mut self, found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        self.end_mark(found)?;
        self.end(found)
    }

    /// What began like a byte order mark and is none belongs to the first id.
    fn end_mark<E>(&mut self, found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let seen = self.mark.take().unwrap_or_default();
        for byte in MARK.iter().take(seen).filter(|_| seen < MARK.len()) {
            self.byte(*byte, found)?;
        }
        Ok(())
    }

    fn keep(&mut self, some: &[u8]) {
        let room = MAX_KEPT.saturating_sub(self.token.len());
        self.cut |= some.len() > room;
        self.token.extend_from_slice(&some[..some.len().min(room)]);
    }

    /// One byte, and what it means where the reader is.
    fn byte<E>(&mut self, byte: u8, found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        match (self.quotes, byte) {
            // A line end in quotes: they were never closed.
            (_, b'\n') => {
                self.end(found)?;
                self.line += 1;
                self.token_line = self.line;
            }
            (Quotes::Before | Quotes::None | Quotes::After, b',') => self.end(found)?,
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
    fn end<E>(&mut self, found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut token = std::mem::take(&mut self.token);
        let quotes = std::mem::replace(&mut self.quotes, Quotes::Before);
        let cut = std::mem::take(&mut self.cut);
        let checked = match std::str::from_utf8(&token) {
            // The cut may have gone through a character.
            _ if cut => Err(format!("at most {MAX_SUBJECT_ID_LENGTH} characters")),
            Err(_) => Err("UTF-8".to_owned()),
            Ok(text) => checked(bare_id(text), quotes),
        };
        let line = self.token_line;
        let result = match checked {
            Ok(None) => Ok(()),
            Ok(Some(id)) => found(Found { line, id: Ok(id) }),
            Err(allowed) => {
                let given = given(&token);
                found(Found {
                    line,
                    id: Err(Refused { given, allowed }),
                })
            }
        };
        token.clear();
        self.token = token;
        result
    }
}

/// The id of a token without the blanks around it; none where there is nothing.
fn checked(token: &str, quotes: Quotes) -> Result<Option<Cow<'_, str>>, String> {
    let id = match token.strip_prefix('"') {
        None => Cow::Borrowed(token),
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
    let mut given = String::new();
    for c in text.trim().chars().take(MAX_GIVEN) {
        // A quote is what it is: only what cannot be seen is written otherwise.
        if matches!(c, '"' | '\'') {
            given.push(c);
        } else {
            given.extend(c.escape_debug());
        }
    }
    if text.trim().chars().count() > MAX_GIVEN || token.len() > 4 * MAX_GIVEN {
        given.push('…');
    }
    given
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// What is found in `pieces`: its line, and the id or what is given and allowed.
    fn found(pieces: &[&[u8]]) -> Vec<(u64, Result<String, Refused>)> {
        let mut all = Vec::new();
        let mut take = |found: Found<'_>| {
            all.push((found.line, found.id.map(Cow::into_owned)));
            Ok::<_, Infallible>(())
        };
        let mut reader = IdReader::default();
        for piece in pieces {
            reader.push(piece, &mut take).expect("taken");
        }
        reader.finish(&mut take).expect("taken");
        all
    }

    #[test]
    fn what_lists_look_like() {
        for (text, expected) in [
            ("", &[][..]),
            ("b\na\nb\n", &["b", "a", "b"]),
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
            let ids: Result<Vec<_>, _> = found(&[text.as_bytes()]).into_iter().map(|(_, id)| id).collect();
            assert_eq!(ids.expect("sound"), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_refused_says_its_line_and_the_rest_is_taken() {
        let long = "x".repeat(513);
        let longest = "é".repeat(512);
        let mut text = format!("a\n{longest},{long}\nb\u{7}c,d,u\u{200b}1\n").into_bytes();
        text.extend_from_slice(b"\xffbad\n\"open\n\"shut\" x\nlast\n\"a\"b\"\n");
        text.extend_from_slice(&vec![b'y'; 100_000]);
        let (mut ids, mut refused) = (Vec::new(), Vec::new());
        for (line, id) in found(&[&text]) {
            match id {
                Ok(id) => ids.push(id),
                Err(why) => refused.push((line, why)),
            }
        }
        assert_eq!(ids, ["a", &longest, "d", "last"]);
        let told: Vec<(u64, &str)> = refused
            .iter()
            .map(|(line, why)| (*line, why.allowed.as_str()))
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
        assert_eq!(refused[1].1.given, "b\\u{7}c");
        assert_eq!(refused[5].1.given, "\"shut\" x");
        assert!(refused[7].1.given.ends_with("y…"));
    }

    proptest! {
        /// However the list is cut into pieces, the same is read.
        #[test]
        fn pieces_do_not_matter(
            text in "[ab\",\n\r \u{7}ä\u{feff}\u{fe00}]{0,60}",
            cuts in prop::collection::vec(0..200_usize, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % (bytes.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut from = 0;
            let mut pieces = Vec::new();
            for to in cuts {
                pieces.push(&bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(found(&pieces), found(&[bytes]));
        }

        /// What is joined by commas and line ends comes out again.
        #[test]
        fn plain_ids_come_through(texts in prop::collection::vec("[a-z0-9:_.\\-]{1,20}", 0..40), comma: bool) {
            let list = texts.join(if comma { "," } else { "\r\n" });
            let ids: Vec<_> = found(&[list.as_bytes()]).into_iter().map(|(_, id)| id).collect();
            prop_assert_eq!(ids, texts.into_iter().map(Ok).collect::<Vec<_>>());
        }
    }
}
