//! Ids for a bulk import, counted as they arrive: pasted, from a file, from standard input.
//!
//! The text is never held: [`Counter`] takes it in pieces, cut anywhere, and hands each piece back with its
//! line ends made alike, for a file. Nor are the ids: which of them came before is told by their hashes, and those
//! are handed on too. What it tells is for the person; what counts is the server's dry run.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use uuid::Uuid;

use crate::api::imports::Malformed;
use crate::domain::id_list::{Found, IdReader};

/// The most bytes that are taken in; a million ids of forty characters fit.
pub const MAX_BYTES: u64 = 64 << 20;
/// How many refused ids are kept with their lines.
const KEPT_MALFORMED: usize = 100;
/// How many of the first and of the last ids are kept.
const KEPT_ENDS: usize = 3;

/// What was counted so far.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Tally {
    /// Bytes taken in.
    pub bytes: u64,
    /// Ids, malformed ones and duplicates included.
    pub received: u64,
    /// Different ids.
    pub unique: u64,
    /// Ids that had come before.
    pub duplicates: u64,
    /// Ids that the server would refuse.
    pub malformed: u64,
    /// The first of those.
    pub malformed_lines: Vec<Malformed>,
    /// The first ids.
    pub first: Vec<String>,
    /// The last ids, each once.
    pub last: Vec<String>,
    /// Whether more came than [`MAX_BYTES`]: the rest was left out.
    pub truncated: bool,
    /// Whether the last line has no end yet.
    pub open_line: bool,
}

/// How long ids that were not sent are kept: as long as an import can be undone, where nothing else is said.
pub const KEPT_DAYS: u16 = 30;

/// Where ids come from.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Source {
    /// The clipboard, or the keyboard.
    Pasted,
    /// A file, as it was named.
    File(String),
    /// Standard input.
    Stdin,
    /// A former cockpit, which ended before they were sent.
    Kept,
}

impl Source {
    /// What the server is told.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Pasted => "pasted".to_owned(),
            Self::File(path) => path.rsplit('/').next().unwrap_or(path).to_owned(),
            Self::Stdin => "standard input".to_owned(),
            Self::Kept => "an earlier session".to_owned(),
        }
    }
}

/// What is to be done with taken ids. Each intake is a private file in the state directory, so that nothing is
/// lost with the cockpit.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Order {
    /// Looks whether a former cockpit left ids of this experiment.
    Find {
        /// The experiment.
        experiment: Uuid,
    },
    /// A new, empty intake.
    Begin {
        /// Its name.
        intake: Uuid,
        /// What it is for.
        experiment: Uuid,
    },
    /// More text.
    Add {
        /// To which intake.
        intake: Uuid,
        /// The text, cut anywhere.
        text: String,
    },
    /// All of a file, `~` meaning the home directory; or of standard input.
    Read {
        /// Into which intake.
        intake: Uuid,
        /// The file; standard input without one.
        path: Option<String>,
    },
    /// Counts what a former cockpit left.
    Recount {
        /// Which.
        intake: Uuid,
    },
    /// Nobody needs it any more.
    Drop {
        /// Which.
        intake: Uuid,
    },
    /// What the files and folders are called that begin so.
    Complete {
        /// The beginning of a path.
        path: String,
    },
}

/// What is told of an intake.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Told {
    /// What a former cockpit left: name, bytes, when it was last written.
    Found(Vec<Left>),
    /// Ids of so many cards were thrown away: nobody had sent them for [`KEPT_DAYS`].
    Swept(u64),
    /// How far it is. `done` when everything that was asked for is in.
    Counted {
        /// Which.
        intake: Uuid,
        /// What was counted.
        tally: Box<Tally>,
        /// Whether everything is in.
        done: bool,
    },
    /// It cannot be taken in, and what to do.
    Failed {
        /// Which.
        intake: Uuid,
        /// What failed, on what.
        message: String,
    },
    /// How the path goes on: as far as it is the same for all, and what there is.
    Completed {
        /// What was asked.
        asked: String,
        /// The path, as far as it is clear.
        path: String,
        /// The names, where there are several.
        names: Vec<String>,
    },
}

/// Ids that a former cockpit left.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Left {
    /// Its name.
    pub intake: Uuid,
    /// How many bytes.
    pub bytes: u64,
    /// When the last of them came, seconds since 1970.
    pub at: i64,
}

/// Counts ids as they arrive, as the dry run does: both read with an [`IdReader`].
#[derive(Debug, Default)]
pub struct Counter {
    reader: IdReader,
    /// Whether the last byte was a carriage return: a line feed right after it is part of it.
    after_return: bool,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    tally: Tally,
    /// Hashes of the ids that were not asked for yet.
    hashes: Vec<u64>,
    last: VecDeque<String>,
}

impl Counter {
    /// Takes a piece; what is to be kept of it, with line feeds as line ends.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let tally = &mut self.counts.tally;
        let room = usize::try_from(MAX_BYTES - tally.bytes).unwrap_or(usize::MAX);
        tally.truncated |= bytes.len() > room;
        let mut bytes = &bytes[..bytes.len().min(room)];
        if tally.bytes == 0 {
            bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        }
        let mut kept = Vec::with_capacity(bytes.len());
        for byte in bytes {
            let was_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    kept.push(b'\n');
                }
                byte => kept.push(*byte),
            }
        }
        if let Some(last) = kept.last() {
            tally.open_line = *last != b'\n';
        }
        tally.bytes += kept.len() as u64;
        let Self { reader, counts, .. } = self;
        // What is kept is what the server will read.
        let Ok(()) = reader.push::<Infallible>(&kept, &mut |found| {
            counts.take(found);
            Ok(())
        });
        kept
    }

    /// The hashes of the ids since this was asked last. Two of a million different ids have the same one with a chance
    /// of 3 in 100 million.
    pub fn hashes(&mut self) -> impl Iterator<Item = u64> + '_ {
        self.counts.hashes.drain(..)
    }

    /// Whether more came than is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.counts.tally.truncated
    }

    /// Whether nothing came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.tally.bytes == 0
    }

    /// What was counted so far, `unique` being how many different hashes there were; an id without an end counts only
    /// after [`Self::finish`].
    #[must_use]
    pub fn tally(&self, unique: u64) -> Tally {
        let tally = &self.counts.tally;
        Tally {
            unique,
            duplicates: tally.received.saturating_sub(tally.malformed + unique),
            last: self.counts.last.iter().cloned().collect(),
            ..tally.clone()
        }
    }

    /// Nothing more comes: the last id ends here.
    pub fn finish(&mut self) {
        let Self { reader, counts, .. } = self;
        let Ok(()) = reader.finish::<Infallible>(&mut |found| {
            counts.take(found);
            Ok(())
        });
    }
}

impl Counts {
    fn take(&mut self, found: Found<'_>) {
        let tally = &mut self.tally;
        tally.received += 1;
        let id = match found.id {
            Ok(id) => id,
            Err(refused) => {
                tally.malformed += 1;
                if tally.malformed_lines.len() < KEPT_MALFORMED {
                    tally.malformed_lines.push(Malformed {
                        line: found.line,
                        given: refused.given,
                        allowed: refused.allowed,
                    });
                }
                return;
            }
        };
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        self.hashes.push(hasher.finish());
        if tally.first.len() < KEPT_ENDS && !tally.first.iter().any(|first| *first == *id) {
            tally.first.push(id.clone().into_owned());
        }
        self.last.retain(|last| *last != *id);
        self.last.push_back(id.into_owned());
        if self.last.len() > KEPT_ENDS {
            self.last.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule::MAX_SUBJECT_ID_LENGTH;
    use std::collections::HashSet;

    use proptest::prelude::*;

    fn tally(counter: &mut Counter) -> Tally {
        let unique = counter.hashes().collect::<HashSet<u64>>().len() as u64;
        counter.tally(unique)
    }

    fn counted(pieces: &[&[u8]]) -> (Tally, Vec<u8>) {
        let mut counter = Counter::default();
        let kept = pieces.iter().flat_map(|piece| counter.feed(piece)).collect();
        counter.finish();
        (tally(&mut counter), kept)
    }

    #[test]
    fn lines_and_commas_separate_ids_and_refused_ones_have_their_line() {
        let long = "x".repeat(MAX_SUBJECT_ID_LENGTH + 1);
        let text = format!("\u{feff}u-1, u-2 ,,u-1\r\n\r\nü-3\ru\x07\n{long}\nlast");
        let (tally, kept) = counted(&[text.as_bytes()]);
        assert_eq!((tally.received, tally.unique), (7, 4));
        assert_eq!((tally.duplicates, tally.malformed), (1, 2));
        let lines: Vec<u64> = tally.malformed_lines.iter().map(|m| m.line).collect();
        assert_eq!(lines, [4, 5]);
        assert_eq!(tally.first, ["u-1", "u-2", "ü-3"]);
        assert_eq!(tally.last, ["u-1", "ü-3", "last"]);
        let kept = String::from_utf8(kept).expect("text");
        assert!(kept.starts_with("u-1, u-2 ,,u-1\n\nü-3\nu\x07\n"), "{kept:?}");
        assert_eq!(tally.bytes, kept.len() as u64);
    }

    /// A comma between quotes is part of an id, as in any table that a spreadsheet wrote.
    #[test]
    fn quotes_are_those_of_a_table_of_commas() {
        let (tally, kept) = counted(&[b"\"a,b\",c\r\"say \"\"hi\"\"\"\r\n\"open,\nc\n"]);
        assert_eq!(
            (tally.received, tally.unique, tally.duplicates, tally.malformed),
            (5, 3, 1, 1)
        );
        assert_eq!(tally.first, ["a,b", "c", "say \"hi\""]);
        let refused = &tally.malformed_lines[0];
        assert_eq!((refused.line, refused.given.as_str()), (3, "\"open,"));
        assert_eq!(refused.allowed, "a closing quote on the same line");
        assert_eq!(kept, b"\"a,b\",c\n\"say \"\"hi\"\"\"\n\"open,\nc\n");
    }

    #[test]
    fn what_is_no_text_is_refused_and_not_changed() {
        let (tally, kept) = counted(&[b"a\xff\nb"]);
        assert_eq!((tally.unique, tally.malformed), (1, 1));
        assert_eq!(kept, b"a\xff\nb");
    }

    #[test]
    fn more_than_the_limit_is_left_out_and_said() {
        let mut counter = Counter::default();
        let megabyte = "0123456789abcde\n".repeat(1 << 16);
        for _ in 0..64 {
            counter.feed(megabyte.as_bytes());
        }
        assert!(!counter.is_full());
        assert_eq!(counter.feed(b"more"), b"");
        assert!(counter.is_full());
        let tally = tally(&mut counter);
        assert!(tally.truncated);
        assert_eq!((tally.bytes, tally.unique), (MAX_BYTES, 1));
    }

    proptest! {
        #[test]
        fn where_the_text_is_cut_does_not_matter(
            text in "[a-c\",\\r\\n ü]{0,60}",
            cuts in proptest::collection::vec(0_usize..70, 0..5),
        ) {
            let bytes = text.as_bytes();
            let whole = counted(&[bytes]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut from = 0;
            let mut pieces = Vec::new();
            for to in cuts {
                pieces.push(&bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(counted(&pieces), whole);
        }
    }
}
