//! A locked file that is let go of when it is dropped, whoever else has it open.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a server waits for one that is about to end: the locks of a process that was killed may outlive it by a
/// moment.
const LEAVING: Duration = Duration::from_secs(3);

/// Read and written by its owner alone: whoever can open such a file can lock it, and keep its owner out.
const PRIVATE: u32 = 0o600;

/// Opens a file to be locked, and makes it where it is missing. What stands in it stays.
///
/// The engine, which knows nothing of the server, has the same for its own. One of an earlier version that others could open is closed to them.
///
/// # Errors
/// Those of the file system.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != PRIVATE {
        file.set_permissions(Permissions::from_mode(PRIVATE))?;
    }
    Ok(file)
}

/// Tries `open` again while what it opens is in use, for as long as a server needs to end.
pub(super) async fn patiently<T, E>(
    in_use: fn(&E) -> bool,
    mut open: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let deadline = Instant::now() + LEAVING;
    loop {
        match open() {
            Err(error) if in_use(&error) && Instant::now() < deadline => sleep(LEAVING / 60).await,
            outcome => return outcome,
        }
    }
}

/// A file whose lock this process has taken, with [`File::try_lock`].
///
/// Closing a file lets go of its lock only with its last descriptor, and a process that is being started has a copy of
/// every descriptor until it runs its own program. So the lock is given up by name.
#[derive(Debug)]
pub struct Held(File);

impl Held {
    /// Keeps the lock that was taken on `file`.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self(file)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What cannot be unlocked is closed right after.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let file = File::create(&path).expect("created");
        file.try_lock().expect("nobody else has it");
        let copy = file.try_clone().expect("copied");
        let held = Held::new(file);
        let other = File::open(&path).expect("opens");
        assert!(other.try_lock().is_err());
        drop(held);
        other.try_lock().expect("it was let go of");
        drop(copy);
    }

    #[test]
    fn a_lock_is_its_owners_alone_and_keeps_what_stands_in_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let mode = || std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        drop(open(&path).expect("made"));
        assert_eq!(mode(), PRIVATE);
        std::fs::write(&path, "17").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("opened to all");
        open(&path).expect("opened").try_lock().expect("free");
        assert_eq!(
            (mode(), std::fs::read_to_string(&path).expect("read").as_str()),
            (PRIVATE, "17")
        );
    }
}
