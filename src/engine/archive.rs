//! Digests of files, and the library out of the package's archive.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha512};

use super::install::VARIABLE;
use super::progress::{Progress, Step};
use super::{EngineError, Package};

/// The library's path in the archive.
const MEMBER: &str = "package/libchdb.so";

/// Bytes read or written between two reports and looks at the cancellation.
const PIECE: usize = 1 << 20;

/// The sha512 of a file.
pub(super) struct Sha(sha2::digest::Output<Sha512>);

impl Sha {
    /// As npm writes it.
    pub(super) fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Lower-case hexadecimal.
    pub(super) fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Reads all of a file and returns its digest.
pub(super) fn digest(path: &Path, progress: &dyn Progress) -> Result<Sha, EngineError> {
    let unreadable = |error: io::Error| EngineError::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let total = file.metadata().map_err(unreadable)?.len();
    let mut hash = Sha512::new();
    let mut piece = vec![0_u8; PIECE];
    let mut done = 0;
    loop {
        if progress.cancelled() {
            return Err(EngineError::Stopped);
        }
        let read = file.read(&mut piece).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        done += read as u64;
        progress.report(Step::Checking { done, total });
    }
    Ok(Sha(hash.finalize()))
}

/// Writes the library out of `archive` to `target`, synced to disk, and checks it against the digest in
/// `package`. Nothing else in the archive is written anywhere.
pub(super) fn unpack(
    archive: &Path,
    target: &Path,
    package: &Package,
    progress: &dyn Progress,
) -> Result<(), EngineError> {
    let bad = |why: String| EngineError::BadArchive {
        package: package.spec(),
        why,
    };
    let file = File::open(archive).map_err(|error| bad(error.to_string()))?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::with_capacity(PIECE, file)));
    let entries = tar.entries().map_err(|error| bad(error.to_string()))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| bad(error.to_string()))?;
        let is_library = entry.path().is_ok_and(|path| path.as_ref() == Path::new(MEMBER));
        if !is_library || !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() != package.library_bytes {
            return Err(bad(format!(
                "{MEMBER} in it has {} bytes, expected {}",
                entry.size(),
                package.library_bytes
            )));
        }
        let found = copy(&mut entry, target, package, progress)?.hex();
        if found != *package.library_sha512 {
            return Err(EngineError::BadChecksum {
                what: format!("{MEMBER} of {}", package.spec()),
                expected: package.library_sha512.to_string(),
                found,
            });
        }
        return Ok(());
    }
    Err(bad(format!("{MEMBER} is not in it")))
}

fn copy(
    from: &mut impl Read,
    target: &Path,
    package: &Package,
    progress: &dyn Progress,
) -> Result<Sha, EngineError> {
    let unwritable = |error: io::Error| EngineError::write(target, &error, VARIABLE);
    let mut file = File::create(target).map_err(unwritable)?;
    let mut hash = Sha512::new();
    let mut piece = vec![0_u8; PIECE];
    let mut done = 0;
    loop {
        if progress.cancelled() {
            return Err(EngineError::Stopped);
        }
        let read = from.read(&mut piece).map_err(|error| EngineError::BadArchive {
            package: package.spec(),
            why: error.to_string(),
        })?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        file.write_all(&piece[..read]).map_err(unwritable)?;
        done += read as u64;
        progress.report(Step::Unpacking {
            done,
            total: package.library_bytes,
        });
    }
    file.sync_all().map_err(unwritable)?;
    Ok(Sha(hash.finalize()))
}
