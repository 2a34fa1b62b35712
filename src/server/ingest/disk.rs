//! The few things the spool asks of a disk, so that tests can let them fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// A segment that is being written.
pub(super) trait SegmentFile: Send {
    /// Appends all of `bytes`.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

/// Makes segments.
pub(super) trait Disk: Send + 'static {
    /// Creates `path`, which must not exist yet, readable by its owner only.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Returns once the entries of `dir` are on the disk.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
}

/// The real one.
pub(super) struct RealDisk;

struct RealFile(File);

impl SegmentFile for RealFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The length is part of what `sync_data` must make last, as the data cannot be read without it.
        self.0.sync_data()?;
        // A file that somebody has deleted takes everything, and nothing of it is there after the next start.
        if self.0.metadata()?.nlink() == 0 {
            let why = "the segment was deleted while it was written to; leave the event spool to the server";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl Disk for RealDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        match create_private(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            created => return Ok(Box::new(RealFile(created?))),
        }
        // Somebody has deleted the spool. What comes from now on need not be lost too.
        if let Some(dir) = path.parent() {
            tracing::error!(dir = %dir.display(), "the event spool was deleted under the server; it is made again");
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)?;
        }
        Ok(Box::new(RealFile(create_private(path)?)))
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        sync_dir(dir)
    }
}

/// Creates a file that did not exist, readable by its owner only: events may be personal data.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Returns once the entries of `dir` are on the disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
