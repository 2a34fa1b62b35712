//! Installing the engine's library, once, into the user's cache directory.
//!
//! The directory holds one folder a package version with `libchdb.so` and `installed.json` (what was
//! installed, and how to notice that it changed), a lock file, and, while an installation runs, a folder
//! `incoming-*` with everything unfinished. A file appears in its place by rename, whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::progress::{Progress, Step};
use super::{EngineError, Package, archive, npm};

/// The environment variable that moves the directory.
pub const VARIABLE: &str = "SPLITDECK_ENGINE_DIR";

const LIBRARY: &str = "libchdb.so";
const MARKER: &str = "installed.json";
const LOCK: &str = "install.lock";
const INCOMING: &str = "incoming-";

/// A library that is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The library.
    pub library: PathBuf,
    /// Name of the package it came in.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Size, bytes.
    pub bytes: u64,
    /// sha512, hexadecimal.
    pub sha512: String,
}

/// What is in the engine directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Nothing of this version.
    Missing,
    /// The library, as it was installed.
    Installed(Installed),
    /// Something that cannot be used.
    Damaged {
        /// What is wrong with it.
        why: String,
    },
}

/// `installed.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    package: String,
    version: String,
    library_sha512: String,
    library_bytes: u64,
    /// Time of last change of the library, nanoseconds since 1970 as text (too large for JSON numbers).
    modified: String,
}

/// Looks for the library without reading all of it: size and time of last change tell whether it is what was
/// installed. If only the time differs, the file is read and compared with its digest after all.
///
/// # Errors
/// [`EngineError::Stopped`] when `progress` asks for it while the file is read.
pub fn presence(dir: &Path, package: &Package, progress: &dyn Progress) -> Result<Presence, EngineError> {
    let folder = dir.join(package.folder());
    let library = folder.join(LIBRARY);
    let marker = match fs::read(folder.join(MARKER)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Presence::Missing),
        Err(error) => {
            return Ok(Presence::Damaged {
                why: format!("{MARKER}: {error}"),
            });
        }
    };
    let marker: Marker = match serde_json::from_slice(&marker) {
        Ok(marker) => marker,
        Err(error) => {
            return Ok(Presence::Damaged {
                why: format!("{MARKER}: {error}"),
            });
        }
    };
    if marker.library_sha512 != *package.library_sha512 || marker.library_bytes != package.library_bytes {
        return Ok(Presence::Damaged {
            why: format!("{MARKER} names another library"),
        });
    }
    let data = match fs::metadata(&library) {
        Ok(data) => data,
        Err(error) => {
            return Ok(Presence::Damaged {
                why: format!("{LIBRARY}: {error}"),
            });
        }
    };
    if data.len() != package.library_bytes {
        let why = format!(
            "{LIBRARY} has {} bytes, expected {}",
            data.len(),
            package.library_bytes
        );
        return Ok(Presence::Damaged { why });
    }
    if modified(&data) != marker.modified {
        let found = match archive::digest(&library, progress) {
            Ok(sha) => sha.hex(),
            Err(EngineError::Stopped) => return Err(EngineError::Stopped),
            Err(error) => {
                return Ok(Presence::Damaged {
                    why: error.to_string(),
                });
            }
        };
        if found != *package.library_sha512 {
            return Ok(Presence::Damaged {
                why: format!("{LIBRARY} was changed, its sha512 is {found}"),
            });
        }
    }
    Ok(Presence::Installed(installed(library, package)))
}

/// Reads all of the installed library and compares it with its digest.
///
/// # Errors
/// [`EngineError::NotInstalled`], [`EngineError::Damaged`], [`EngineError::Stopped`].
pub fn verify(dir: &Path, package: &Package, progress: &dyn Progress) -> Result<Installed, EngineError> {
    let library = dir.join(package.folder()).join(LIBRARY);
    let installed = match presence(dir, package, progress)? {
        Presence::Installed(installed) => installed,
        Presence::Missing => return Err(EngineError::NotInstalled { dir: dir.to_owned() }),
        Presence::Damaged { why } => return Err(EngineError::Damaged { path: library, why }),
    };
    let found = archive::digest(&library, progress)?.hex();
    if found == *package.library_sha512 {
        Ok(installed)
    } else {
        let why = format!("its sha512 is {found}, expected {}", package.library_sha512);
        Err(EngineError::Damaged { path: library, why })
    }
}

/// Brings the library into `dir` unless it is there. Several processes may do so at once: one works, the
/// others wait for it and find the work done.
///
/// # Errors
/// Everything from npm that is missing to a full disk; nothing half-done stays behind, and what an aborted
/// run left is removed by the next one.
pub fn install(dir: &Path, package: &Package, progress: &dyn Progress) -> Result<Installed, EngineError> {
    install_with(Path::new("npm"), dir, package, progress)
}

/// As [`install`], with the npm to call: a name looked for on the PATH, or a path.
///
/// # Errors
/// As [`install`].
pub fn install_with(
    npm: &Path,
    dir: &Path,
    package: &Package,
    progress: &dyn Progress,
) -> Result<Installed, EngineError> {
    if let Presence::Installed(installed) = presence(dir, package, progress)? {
        return Ok(installed);
    }
    let unwritable = |path: &Path, error: &io::Error| EngineError::write(path, error, VARIABLE);
    fs::create_dir_all(dir).map_err(|error| unwritable(dir, &error))?;
    // Held until the end of this function, and by the system no longer than this process lives.
    let _lock = lock(&dir.join(LOCK), progress)?;
    match presence(dir, package, progress)? {
        Presence::Installed(installed) => return Ok(installed),
        Presence::Damaged { why } => progress.report(Step::Replacing { why }),
        Presence::Missing => {}
    }
    remove_remains(dir)?;
    check_space(dir, package)?;
    let incoming = tempfile::Builder::new()
        .prefix(INCOMING)
        .tempdir_in(dir)
        .map_err(|error| unwritable(dir, &error))?;
    let brought = bring(npm, dir, incoming.path(), package, progress);
    // Its removal is part of the work: 744 MB are not left behind in silence. The first failure is told.
    let removed = incoming.close().map_err(|error| unwritable(dir, &error));
    let installed = brought?;
    removed?;
    Ok(installed)
}

fn bring(
    npm: &Path,
    dir: &Path,
    incoming: &Path,
    package: &Package,
    progress: &dyn Progress,
) -> Result<Installed, EngineError> {
    let packed = npm::pack(npm, package, incoming, progress)?;
    // npm's copy is not needed any more, and its space is.
    match fs::remove_dir_all(incoming.join("npm")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(EngineError::write(incoming, &error, VARIABLE));
        }
        _ => {}
    }
    let found = archive::digest(&packed, progress)?.base64();
    if found != *package.archive_sha512 {
        return Err(EngineError::BadChecksum {
            what: format!("the archive of {}", package.spec()),
            expected: package.archive_sha512.to_string(),
            found,
        });
    }
    let folder = incoming.join("unpacked");
    fs::create_dir(&folder).map_err(|error| EngineError::write(&folder, &error, VARIABLE))?;
    archive::unpack(&packed, &folder.join(LIBRARY), package, progress)?;
    place(dir, &folder, package)
}

/// Writes the marker and moves the folder to its place, whole.
fn place(dir: &Path, folder: &Path, package: &Package) -> Result<Installed, EngineError> {
    let target = dir.join(package.folder());
    let result = (|| {
        let data = fs::metadata(folder.join(LIBRARY))?;
        let marker = Marker {
            package: package.name.to_string(),
            version: package.version.to_string(),
            library_sha512: package.library_sha512.to_string(),
            library_bytes: package.library_bytes,
            modified: modified(&data),
        };
        let mut file = File::create(folder.join(MARKER))?;
        file.write_all(serde_json::to_string_pretty(&marker)?.as_bytes())?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        fs::rename(folder, &target)?;
        File::open(dir)?.sync_all()
    })();
    result.map_err(|error: io::Error| EngineError::write(&target, &error, VARIABLE))?;
    Ok(installed(target.join(LIBRARY), package))
}

/// Takes the lock, waiting for another installation to end.
fn lock(path: &Path, progress: &dyn Progress) -> Result<File, EngineError> {
    let unwritable = |error: io::Error| EngineError::write(path, &error, VARIABLE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(unwritable)?;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.rewind().map_err(unwritable)?;
                file.read_to_string(&mut holder).map_err(unwritable)?;
                progress.report(Step::Waiting {
                    holder: holder.trim().parse().ok(),
                });
                if progress.cancelled() {
                    return Err(EngineError::Stopped);
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
    }
    file.set_len(0).map_err(unwritable)?;
    file.rewind().map_err(unwritable)?;
    write!(file, "{}", std::process::id()).map_err(unwritable)?;
    Ok(file)
}

/// Removes what an aborted installation left; the lock says that none is under way.
fn remove_remains(dir: &Path) -> Result<(), EngineError> {
    let unwritable = |error: io::Error| EngineError::write(dir, &error, VARIABLE);
    for entry in fs::read_dir(dir).map_err(unwritable)? {
        let entry = entry.map_err(unwritable)?;
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            fs::remove_dir_all(entry.path()).map_err(unwritable)?;
        }
    }
    Ok(())
}

/// Refuses at once what would fail after minutes of download.
fn check_space(dir: &Path, package: &Package) -> Result<(), EngineError> {
    let free = rustix::fs::statvfs(dir)
        .map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
        .map_err(|error| EngineError::write(dir, &error.into(), VARIABLE))?;
    // At its height: npm's copy and the archive, or the archive and the library.
    let need = package.archive_bytes + package.archive_bytes.max(package.library_bytes);
    if free >= need {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(EngineError::NoSpace {
        path: dir.to_owned(),
        need: format!(": {} MiB are needed, {} MiB are free", mib(need), mib(free)),
        variable: VARIABLE,
    })
}

fn installed(library: PathBuf, package: &Package) -> Installed {
    Installed {
        library,
        package: package.name.to_string(),
        version: package.version.to_string(),
        bytes: package.library_bytes,
        sha512: package.library_sha512.to_string(),
    }
}

fn modified(data: &fs::Metadata) -> String {
    data.modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or_else(String::new, |since| since.as_nanos().to_string())
}
