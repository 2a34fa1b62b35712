//! How many different hashes there are, of any number of them, in little memory: sorted runs in a file without a name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Hashes that wait in memory, until they are written out: 256 KiB.
const HELD: usize = 1 << 15;
/// Runs from which on they are made one.
const MOST_RUNS: usize = 16;
/// Hashes that are read or written at once: 8 KiB.
const BLOCK: usize = 1 << 10;
/// Bytes of a hash.
const WIDE: usize = size_of::<u64>();

/// Sorted, different hashes in the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// The place of its first hash, in hashes.
    from: u64,
    /// How many there are.
    len: u64,
}

/// Counts different hashes.
#[derive(Debug)]
pub struct Distinct {
    /// Where the file is made, once there is need of one.
    dir: PathBuf,
    /// How many wait at most.
    most: usize,
    held: Vec<u64>,
    file: Option<File>,
    runs: Vec<Run>,
    /// Of the only run the first hash of every block; empty where there are several.
    fences: Vec<u64>,
}

impl Distinct {
    /// Nothing is counted yet. What does not fit into memory goes into a file in `dir`, which nobody else sees and
    /// which is gone with this.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            most: HELD,
            held: Vec::new(),
            file: None,
            runs: Vec::new(),
            fences: Vec::new(),
        }
    }

    /// One more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, hash: u64) -> io::Result<()> {
        if self.held.len() >= self.most {
            self.tidy();
            // Where most of them came several times there is room again.
            if self.held.len() > self.most / 2 {
                self.spill()?;
            }
        }
        self.held.push(hash);
        Ok(())
    }

    /// How many different ones there are.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn count(&mut self) -> io::Result<u64> {
        self.tidy();
        if self.runs.len() > 1 {
            self.merge()?;
        }
        let held = self.held.len() as u64;
        let Some(run) = self.runs.first() else {
            return Ok(held);
        };
        Ok(run.len + held - self.known()?)
    }

    fn tidy(&mut self) {
        self.held.sort_unstable();
        self.held.dedup();
    }

    /// How many of those that wait are in the only run too. Each block of it is read once at most.
    fn known(&self) -> io::Result<u64> {
        let (Some(run), Some(file)) = (self.runs.first(), &self.file) else {
            return Ok(0);
        };
        let mut known = 0;
        let mut block: (Option<usize>, Vec<u64>) = (None, Vec::new());
        for hash in &self.held {
            let Some(at) = self.fences.partition_point(|first| first <= hash).checked_sub(1) else {
                continue;
            };
            if block.0 != Some(at) {
                let from = (at * BLOCK) as u64;
                let len = usize::try_from(run.len - from).map_or(BLOCK, |len| len.min(BLOCK));
                block = (Some(at), read(file, run.from + from, len)?);
            }
            known += u64::from(block.1.binary_search(hash).is_ok());
        }
        Ok(known)
    }

    /// Writes those that wait as a run of their own.
    fn spill(&mut self) -> io::Result<()> {
        let from = self.runs.last().map_or(0, |run| run.from + run.len);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.dir)?),
        };
        write(file, from, &self.held)?;
        let len = self.held.len() as u64;
        self.runs.push(Run { from, len });
        self.held.clear();
        self.fences.clear();
        if self.runs.len() == 1 || self.runs.len() >= MOST_RUNS {
            self.merge()?;
        }
        Ok(())
    }

    /// Makes one run of all.
    fn merge(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut readers: Vec<Reader<'_>> = self.runs.iter().map(|run| Reader::new(file, *run)).collect();
        let mut next = BinaryHeap::new();
        for (at, reader) in readers.iter_mut().enumerate() {
            next.extend(reader.next()?.map(|hash| Reverse((hash, at))));
        }
        let merged = tempfile::tempfile_in(&self.dir)?;
        let (mut fences, mut block) = (Vec::new(), Vec::with_capacity(BLOCK));
        let (mut len, mut before) = (0_u64, None);
        while let Some(Reverse((hash, at))) = next.pop() {
            next.extend(readers[at].next()?.map(|hash| Reverse((hash, at))));
            if before.replace(hash) == Some(hash) {
                continue;
            }
            if block.is_empty() {
                fences.push(hash);
            }
            block.push(hash);
            if block.len() == BLOCK {
                write(&merged, len, &block)?;
                len += BLOCK as u64;
                block.clear();
            }
        }
        write(&merged, len, &block)?;
        len += block.len() as u64;
        self.runs = vec![Run { from: 0, len }];
        (self.file, self.fences) = (Some(merged), fences);
        Ok(())
    }
}

/// The hashes of a run, one after the other.
struct Reader<'f> {
    file: &'f File,
    left: Run,
    block: std::vec::IntoIter<u64>,
}

impl<'f> Reader<'f> {
    fn new(file: &'f File, run: Run) -> Self {
        Self {
            file,
            left: run,
            block: Vec::new().into_iter(),
        }
    }

    fn next(&mut self) -> io::Result<Option<u64>> {
        if self.block.len() == 0 && self.left.len > 0 {
            let len = usize::try_from(self.left.len).map_or(BLOCK, |len| len.min(BLOCK));
            self.block = read(self.file, self.left.from, len)?.into_iter();
            self.left.from += len as u64;
            self.left.len -= len as u64;
        }
        Ok(self.block.next())
    }
}

fn read(file: &File, from: u64, len: usize) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; len * WIDE];
    file.read_exact_at(&mut bytes, from * WIDE as u64)?;
    let (hashes, _) = bytes.as_chunks::<WIDE>();
    Ok(hashes.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect())
}

fn write(file: &File, from: u64, hashes: &[u64]) -> io::Result<()> {
    let mut at = from;
    // In pieces: as bytes they are there a second time.
    for piece in hashes.chunks(BLOCK) {
        let bytes: Vec<u8> = piece.iter().flat_map(|hash| hash.to_ne_bytes()).collect();
        file.write_all_at(&bytes, at * WIDE as u64)?;
        at += piece.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn small(most: usize) -> (tempfile::TempDir, Distinct) {
        let dir = tempfile::tempdir().expect("a directory");
        let distinct = Distinct {
            most,
            ..Distinct::new(dir.path())
        };
        (dir, distinct)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever comes, and whenever it is asked: as a set counts.
        #[test]
        fn it_counts_as_a_set_does(
            most in 1..9_usize,
            hashes in proptest::collection::vec(0..200_u64, 0..400),
            ask_every in 1..60_usize,
        ) {
            let (_dir, mut distinct) = small(most);
            let mut all = HashSet::new();
            for (at, hash) in hashes.into_iter().enumerate() {
                distinct.add(hash).expect("written");
                all.insert(hash);
                if at % ask_every == 0 {
                    prop_assert_eq!(distinct.count().expect("read"), all.len() as u64);
                }
            }
            prop_assert_eq!(distinct.count().expect("read"), all.len() as u64);
        }
    }

    /// The card of a million ids keeps to the gate: what grows with them is a hash of every thousandth.
    #[test]
    fn a_million_are_counted_in_less_than_a_megabyte() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut distinct = Distinct::new(dir.path());
        // Spread as hashes are; every tenth came before.
        let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut most = 0;
        for n in 0..1_000_000_u64 {
            let n = if n % 10 == 9 { n - 9 } else { n };
            distinct.add(spread(n)).expect("written");
            most = most.max(distinct.held.capacity() + distinct.fences.capacity());
        }
        assert_eq!(distinct.count().expect("read"), 900_000);
        let merging = (MOST_RUNS + 2) * BLOCK * 2;
        assert!((most + merging) * WIDE < 1 << 20, "{most} hashes in memory");
        // Its file has no name: whoever ends the cockpit leaves nothing behind.
        assert_eq!(std::fs::read_dir(dir.path()).expect("read").count(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let (dir, mut distinct) = small(4);
        drop(dir);
        let failed = (0..9).find_map(|hash| distinct.add(hash).err());
        assert!(failed.is_some());
    }
}
