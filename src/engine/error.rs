//! What can go wrong with the embedded engine, in words for the person at the terminal.

use std::io;
use std::path::{Path, PathBuf};

/// The way out where no package can be had.
const OWN_BINARY: &str = "or install ClickHouse 26.6 or later and name its binary in SPLITDECK_ENGINE_BINARY";

/// A failure of the embedded engine. Each says what failed, on what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No package, or none whose checksum this build knows.
    #[error(
        "there is no embedded ClickHouse for {os} on {arch} ({why}); install ClickHouse 26.6 or later and name \
         its binary in SPLITDECK_ENGINE_BINARY, or set the address of a ClickHouse server in the configuration"
    )]
    UnsupportedPlatform {
        /// Operating system, as Rust names it.
        os: String,
        /// Processor, as Rust names it.
        arch: String,
        /// What is missing.
        why: String,
    },
    /// npm is not on the PATH.
    #[error(
        "cannot download {package}: npm is not on the PATH; install Node.js, which brings npm, {OWN_BINARY}"
    )]
    NpmMissing {
        /// Name and version of the package.
        package: String,
    },
    /// The registry could not be reached.
    #[error(
        "cannot download {package}: npm could not reach its registry: {said}; check the network and npm's \
         registry, proxy and certificate settings (`npm config list`), then run `splitdeck engine install`"
    )]
    Unreachable {
        /// Name and version of the package.
        package: String,
        /// What npm said.
        said: String,
    },
    /// The registry answered, and does not have the package.
    #[error(
        "cannot download {package}: the registry npm is set up for does not have it: {said}; use one that \
         carries it (`npm config list` shows the present one), {OWN_BINARY}"
    )]
    NotInRegistry {
        /// Name and version of the package.
        package: String,
        /// What npm said.
        said: String,
    },
    /// The registry answered, and wants to know who asks, or does not let them.
    #[error(
        "cannot download {package}: the registry npm is set up for does not let it in: {said}; sign in to it or \
         use another one (`npm config list` shows the present one), {OWN_BINARY}"
    )]
    NotLetIn {
        /// Name and version of the package.
        package: String,
        /// What npm said.
        said: String,
    },
    /// npm failed in another way.
    #[error(
        "cannot download {package}: npm failed: {said}; see what `npm pack {package}` says by hand, {OWN_BINARY}"
    )]
    Npm {
        /// Name and version of the package.
        package: String,
        /// What npm said.
        said: String,
    },
    /// The bytes are not those this build was made with.
    #[error(
        "{what} is not the file this build of splitdeck expects: its sha512 is {found}, expected {expected}; it \
         was deleted. Run `splitdeck engine install` again; if that repeats, the registry serves something else"
    )]
    BadChecksum {
        /// The archive or the library.
        what: String,
        /// The digest in this program.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The archive cannot be read or lacks the library.
    #[error("cannot unpack {package}: {why}; run `splitdeck engine install` again")]
    BadArchive {
        /// Name and version of the package.
        package: String,
        /// What is wrong with it.
        why: String,
    },
    /// The installed library was altered after it was installed.
    #[error("{path} is damaged ({why}); `splitdeck engine install` brings it again")]
    Damaged {
        /// The library.
        path: PathBuf,
        /// How that was noticed.
        why: String,
    },
    /// Not installed, and installing was not asked for.
    #[error("the embedded ClickHouse is not installed in {dir}; run `splitdeck engine install`")]
    NotInstalled {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// No space left.
    #[error("no space left at {path}{need}; free some, or choose another place with {variable}")]
    NoSpace {
        /// Where the space is missing.
        path: PathBuf,
        /// How much was needed and found; empty if unknown, else with a leading colon.
        need: String,
        /// The setting that moves it.
        variable: &'static str,
    },
    /// A directory or file cannot be written.
    #[error("cannot write {path}: {why}; make it writable, or choose another place with {variable}")]
    NotWritable {
        /// What cannot be written.
        path: PathBuf,
        /// What the system said.
        why: String,
        /// The setting that moves it.
        variable: &'static str,
    },
    /// Another process uses the data directory.
    #[error(
        "the data directory {dir} is in use by {holder}; stop that one, or choose another directory with \
         --data-dir"
    )]
    DataDirInUse {
        /// The directory.
        dir: PathBuf,
        /// Who holds it, such as `process 4711`.
        holder: String,
    },
    /// The named `clickhouse` binary cannot be used.
    #[error("cannot use {path} as the engine: {why}")]
    Binary {
        /// The binary.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The process of the engine could not be started.
    #[error("cannot start the engine's process {program}: {why}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The port asked for is in use.
    #[error("port {port} on 127.0.0.1 is in use by another program; choose another one")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The engine ended before it was ready.
    #[error("the engine ended at its start ({status}). Its last words:\n{last_words}\nData directory: {dir}")]
    Died {
        /// Exit code or signal.
        status: String,
        /// The end of what it wrote.
        last_words: String,
        /// The data directory.
        dir: PathBuf,
    },
    /// The engine did not answer in time.
    #[error(
        "the engine did not answer within {seconds} s of its start. Its last words:\n{last_words}\nData \
         directory: {dir}"
    )]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The end of what it wrote.
        last_words: String,
        /// The data directory.
        dir: PathBuf,
    },
    /// An option has no sense.
    #[error("cannot start the engine: {0}")]
    Options(String),
    /// The caller asked to stop.
    #[error("the engine was stopped before it was ready")]
    Stopped,
}

impl EngineError {
    /// The error for a failed write at `path`: no space, or not writable.
    pub(crate) fn write(path: &Path, error: &io::Error, variable: &'static str) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            Self::NoSpace {
                path: path.to_owned(),
                need: format!(": {error}"),
                variable,
            }
        } else {
            Self::NotWritable {
                path: path.to_owned(),
                why: error.to_string(),
                variable,
            }
        }
    }
}
