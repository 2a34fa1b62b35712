//! The files whose locks say who uses a directory.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Read and written by its owner alone: whoever can open such a file can lock it, and keep its owner out.
const PRIVATE: u32 = 0o600;

/// Opens a file to be locked, and makes it where it is missing. What stands in it stays.
///
/// One of an earlier version that others could open is closed to them.
///
/// # Errors
/// Those of the file system.
pub fn open(path: &Path) -> io::Result<File> {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_lock_is_its_owners_alone_and_keeps_what_stands_in_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        drop(open(&path).expect("made"));
        assert_eq!(mode(), PRIVATE);
        fs::write(&path, "17").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("opened to all");
        open(&path).expect("opened").try_lock().expect("free");
        assert_eq!(
            (mode(), fs::read_to_string(&path).expect("read").as_str()),
            (PRIVATE, "17")
        );
    }
}
