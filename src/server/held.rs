//! A locked file that is let go of when it is dropped, whoever else has it open.

use std::fs::File;

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
