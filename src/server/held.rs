//! A locked file that is let go of when it is dropped, whoever else has it open.

use std::fs::File;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a server waits for one that is about to end: the locks of a process that was killed may outlive it by a
/// moment.
const LEAVING: Duration = Duration::from_secs(3);

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
}
