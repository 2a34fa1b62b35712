//! What an earlier process left in the spool's directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::segment::{self, Header};
use super::shared::{Counters, Sealed, Shared};
use super::{OpenError, SEGMENT_EXTENSION, disk, quarantine};

/// Seals every segment that is left, as it is, oldest first, and hands them to the drain.
///
/// A torn end is set aside and cut off; where the disk has no room for that it stays, and is not sent. Damaged places are set aside and skipped when the segment is sent.
pub(super) fn recover(shared: &Shared) -> Result<(), OpenError> {
    let dir = &shared.dir;
    let mut paths = segments(dir).map_err(|e| OpenError::io(dir, "list", &e))?;
    // Ids are UUIDs of version 7: their order is the order in time.
    paths.sort();
    for path in paths {
        let Some(sealed) = recover_one(shared, &path, &set_aside)? else {
            continue;
        };
        let used = &shared.used_bytes;
        used.fetch_add(sealed.len, Ordering::AcqRel);
        Counters::add(&shared.counters.spooled_events, sealed.events);
        shared.push(sealed);
    }
    let aside = quarantine::count(dir).map_err(|e| OpenError::io(dir, "list the quarantine of", &e))?;
    // Those of this start are among them.
    shared.counters.quarantined.store(aside, Ordering::Relaxed);
    if aside > 0 {
        tracing::warn!(
            dir = %dir.join(quarantine::DIR).display(),
            files = aside,
            "the quarantine is not empty: events in it are not in ClickHouse; look at them"
        );
    }
    if shared.waiting() > 0 {
        tracing::info!(
            segments = shared.waiting(),
            events = Counters::get(&shared.counters.spooled_events),
            "sending what an earlier run accepted"
        );
    }
    Ok(())
}

fn segments(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == SEGMENT_EXTENSION) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Keeps bytes that are no record: [`set_aside`], or a disk that fails.
type Keep<'a> = &'a dyn Fn(&Shared, Uuid, &[u8], &segment::Bad) -> io::Result<()>;

fn recover_one(shared: &Shared, path: &Path, keep: Keep<'_>) -> Result<Option<Sealed>, OpenError> {
    let failed = |doing: &'static str| move |e: io::Error| OpenError::io(path, doing, &e);
    let bytes = std::fs::read(path).map_err(failed("read"))?;
    let scan = segment::scan(&bytes);
    let named = path.file_stem().and_then(|s| s.to_str());
    let id = match scan.header {
        Header::Sound(id) => id,
        Header::OtherForm(form) => {
            return Err(OpenError::OtherForm {
                path: path.to_owned(),
                form,
            });
        }
        // The name says which batch it is when the header does not.
        Header::Broken => named
            .and_then(|name| Uuid::parse_str(name).ok())
            .unwrap_or_else(Uuid::now_v7),
    };
    let mut end = bytes.len();
    let mut keeps_its_end = false;
    for bad in &scan.bad {
        match keep(shared, id, &bytes, bad) {
            // Bytes that nobody was told to be stored: no reason not to start. They stay where they are.
            Err(error) if bad.torn && is_full(&error) => {
                keeps_its_end = true;
                tracing::warn!(
                    path = %path.display(), bytes = bad.range.len(),
                    "a segment of the spool ends in the middle of a write, and the disk has no room to keep that end \
                     aside; it is not sent, as it was never acknowledged"
                );
            }
            kept => kept.map_err(failed("set aside a part of"))?,
        }
        if bad.torn {
            end = bad.range.start;
        }
    }
    if scan.records.is_empty() {
        if keeps_its_end {
            return Ok(None);
        }
        std::fs::remove_file(path).map_err(failed("remove"))?;
        disk::sync_dir(&shared.dir).map_err(failed("remove"))?;
        return Ok(None);
    }
    if end < bytes.len() && !keeps_its_end {
        let file = File::options().write(true).open(path).map_err(failed("open"))?;
        file.set_len(end as u64).map_err(failed("cut"))?;
        file.sync_all().map_err(failed("cut"))?;
    }
    Ok(Some(Sealed {
        id,
        path: path.to_owned(),
        len: end as u64,
        events: scan.events(),
        uncertain: true,
        refused: None,
    }))
}

/// Whether there is no room.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Keeps bytes that are no record, and says so.
pub(super) fn set_aside(shared: &Shared, id: Uuid, bytes: &[u8], bad: &segment::Bad) -> io::Result<()> {
    let why = if bad.torn {
        quarantine::Why::Torn
    } else {
        quarantine::Why::Damaged
    };
    let part = bytes.get(bad.range.clone()).unwrap_or_default();
    let new = quarantine::keep_aside(&shared.dir, id, bad.range.start, why, part)?;
    if !new {
        return Ok(());
    }
    let (segment, offset, len) = (id, bad.range.start, part.len());
    if bad.torn {
        Counters::add(&shared.counters.torn_tails, 1);
        tracing::warn!(
            %segment, offset, bytes = len,
            "a segment of the spool ends in the middle of a write, as after a crash; such bytes were never \
             acknowledged; they are kept in the quarantine"
        );
    } else {
        Counters::add(&shared.counters.quarantined, 1);
        tracing::error!(
            %segment, offset, bytes = len,
            "a part of the event spool was damaged on the disk: ACKNOWLEDGED EVENTS MAY BE LOST; its bytes are \
             kept in the quarantine, the events around it are sent; check the disk"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::held::Held;

    /// A segment with one record, and a write that broke off behind it.
    fn torn(dir: &Path, with_record: bool) -> (PathBuf, usize) {
        let id = Uuid::now_v7();
        let mut bytes = segment::header(id).to_vec();
        if with_record {
            bytes.extend(segment::record(1, b"one").expect("small"));
        }
        let sound = bytes.len();
        bytes.extend(segment::record(1, b"another one").expect("small"));
        bytes.truncate(sound + 9);
        let path = dir.join(format!("{id}.{SEGMENT_EXTENSION}"));
        std::fs::write(&path, &bytes).expect("written");
        (path, sound)
    }

    #[test]
    fn a_full_disk_keeps_nobody_from_starting_for_bytes_that_were_never_acknowledged() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = Held::new(File::create(dir.path().join("lock")).expect("a file"));
        let shared = Shared::new(dir.path().to_owned(), u64::MAX, lock);
        let full: Keep<'_> = &|_, _, _, _| Err(io::ErrorKind::StorageFull.into());
        let (path, sound) = torn(dir.path(), true);
        let before = std::fs::read(&path).expect("there");
        let sealed = recover_one(&shared, &path, full)
            .expect("starts")
            .expect("a record");
        assert_eq!((sealed.len, sealed.events), (sound as u64, 1));
        assert_eq!(std::fs::read(&path).expect("there"), before, "nothing is cut off");
        let (path, _) = torn(dir.path(), false);
        assert!(recover_one(&shared, &path, full).expect("starts").is_none());
        assert!(path.exists(), "until there is room");
        // Any other failure is one, as is the loss of what was acknowledged.
        let broken: Keep<'_> = &|_, _, _, _| Err(io::ErrorKind::PermissionDenied.into());
        assert!(recover_one(&shared, &path, broken).is_err());
        assert!(recover_one(&shared, &path, &set_aside).expect("room").is_none());
        assert!(!path.exists());
    }
}
