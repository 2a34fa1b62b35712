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

#[cfg(test)]
mod tests {
    use super::super::Quiet;
    use super::*;

    /// An archive with one file at `path`, and the package that describes it.
    fn archive(path: &str, content: &[u8]) -> (tempfile::NamedTempFile, Package) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let gzip = flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let package = Package {
            name: "@x/lib".into(),
            version: "1.0.0".into(),
            archive_sha512: digest(file.path(), &Quiet).unwrap().base64().into(),
            archive_bytes: file.as_file().metadata().unwrap().len(),
            library_sha512: hex(&Sha512::digest(content)).into(),
            library_bytes: content.len() as u64,
        };
        (file, package)
    }

    #[test]
    fn a_digest_is_written_as_npm_and_as_sha512sum_write_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let sha = digest(file.path(), &Quiet).unwrap();
        // FIPS 180-2, appendix C.1.
        assert!(
            sha.hex().starts_with("ddaf35a193617abacc417349ae204131"),
            "{}",
            sha.hex()
        );
        assert!(
            sha.base64().starts_with("3a81oZNherrMQXNJriBBMRLm"),
            "{}",
            sha.base64()
        );
    }

    #[test]
    fn the_library_is_unpacked_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("libchdb.so");
        let (file, package) = archive("package/libchdb.so", b"the library");
        unpack(file.path(), &target, &package, &Quiet).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"the library");

        let other = Package {
            library_sha512: "00".repeat(64).into(),
            ..package.clone()
        };
        let error = unpack(file.path(), &target, &other, &Quiet).unwrap_err();
        assert!(matches!(error, EngineError::BadChecksum { .. }), "{error}");

        let longer = Package {
            library_bytes: 12,
            ..package
        };
        let error = unpack(file.path(), &target, &longer, &Quiet).unwrap_err();
        assert!(error.to_string().contains("has 11 bytes, expected 12"), "{error}");
    }

    #[test]
    fn an_archive_without_the_library_or_cut_short_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("libchdb.so");
        let (file, package) = archive("package/other.so", b"the library");
        let error = unpack(file.path(), &target, &package, &Quiet).unwrap_err();
        assert!(
            error.to_string().contains("package/libchdb.so is not in it"),
            "{error}"
        );

        let (file, package) = archive("package/libchdb.so", &[7; 100_000]);
        file.as_file()
            .set_len(file.as_file().metadata().unwrap().len() / 2)
            .unwrap();
        let error = unpack(file.path(), &target, &package, &Quiet).unwrap_err();
        assert!(matches!(error, EngineError::BadArchive { .. }), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let (file, package) = archive("package/libchdb.so", b"the library");
        let error = unpack(file.path(), Path::new("/dev/full"), &package, &Quiet).unwrap_err();
        assert!(matches!(error, EngineError::NoSpace { .. }), "{error}");
        let said = error.to_string();
        assert!(
            said.contains("no space left at /dev/full") && said.contains(VARIABLE),
            "{said}"
        );
    }
}
