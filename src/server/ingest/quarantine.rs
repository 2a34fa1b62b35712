//! Where bytes go that cannot be sent. Nothing is ever thrown away.
//!
//! `quarantine/` in the spool's directory holds, named by segment and offset:
//!
//! | name | what it is |
//! |---|---|
//! | `<id>.<offset>.torn` | the end of a file after a crash: bytes that were never acknowledged |
//! | `<id>.<offset>.damaged` | bytes that sound records follow; the disk changed them after they were written |
//! | `<id>.<offset>.unreadable` | a whole record that this program cannot read |
//! | `<id>.seg` | a segment that ClickHouse refused for its content |
//!
//! A refused segment is sent again when it is moved back to the spool's directory while the server is
//! stopped. Torn ends may be deleted at any time.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::SEGMENT_EXTENSION;
use super::disk::{create_private, sync_dir};

/// The directory in the spool's.
pub(super) const DIR: &str = "quarantine";

/// Extension of a file that is not written to its end.
const UNFINISHED: &str = "unfinished";

/// Why bytes were set aside.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub(super) enum Why {
    Torn,
    Damaged,
    Unreadable,
}

impl Why {
    fn extension(self) -> &'static str {
        match self {
            Self::Torn => "torn",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Writes `bytes`, found at `offset` of segment `id`, to a file of their own and returns once it is on the
/// disk. `false` when that was done before.
pub(super) fn keep_aside(spool: &Path, id: Uuid, offset: usize, why: Why, bytes: &[u8]) -> io::Result<bool> {
    let dir = make_dir(spool)?;
    let path = dir.join(format!("{id}.{offset}.{}", why.extension()));
    // A leftover of an attempt that was cut off would look like the real thing: the name comes last.
    let unfinished = dir.join(format!("{id}.{offset}.{UNFINISHED}"));
    if path.exists() {
        return Ok(false);
    }
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    sync_dir(&dir)?;
    Ok(true)
}

/// Moves the whole segment at `path` aside; where it is now.
pub(super) fn move_segment(spool: &Path, id: Uuid, path: &Path) -> io::Result<PathBuf> {
    let dir = make_dir(spool)?;
    let to = dir.join(format!("{id}.{SEGMENT_EXTENSION}"));
    std::fs::rename(path, &to)?;
    sync_dir(&dir)?;
    sync_dir(spool)?;
    Ok(to)
}

/// How many files lie in quarantine that may hold acknowledged events.
pub(super) fn count(spool: &Path) -> io::Result<u64> {
    let entries = match std::fs::read_dir(spool.join(DIR)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        let path = entry?.path();
        let none_of_them = [Why::Torn.extension(), UNFINISHED];
        let lost = path
            .extension()
            .is_none_or(|e| none_of_them.iter().all(|other| e != *other));
        count += u64::from(lost);
    }
    Ok(count)
}

fn make_dir(spool: &Path) -> io::Result<PathBuf> {
    let dir = spool.join(DIR);
    if !dir.is_dir() {
        std::fs::create_dir_all(&dir)?;
        sync_dir(spool)?;
    }
    Ok(dir)
}
