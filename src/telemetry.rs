//! Logs. They go to a file or to standard error, never to the cockpit's screen.
//!
//! What is logged is chosen by `SPLITDECK_LOG` (`info`, `splitdeck=debug`, …). No part of the program
//! logs a secret; should one slip in all the same, in the message of a library for instance, it is
//! struck out, once it was made known by [`keep_secret`].

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Environment variable with the filter of the log.
pub const LOG_VARIABLE: &str = "SPLITDECK_LOG";

/// What is logged where `SPLITDECK_LOG` says nothing.
const DEFAULT_FILTER: &str = "info";

/// What stands in the place of a secret.
const STRUCK_OUT: &[u8] = b"[redacted]";

/// The shortest text that is struck out: shorter ones occur in ordinary words.
const MIN_SECRET: usize = 8;

static SECRETS: RwLock<Vec<Vec<u8>>> = RwLock::new(Vec::new());

/// Has every later occurrence of `secret` in the log struck out. Texts under 8 bytes are not.
pub fn keep_secret(secret: &str) {
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let secret = secret.as_bytes();
    if secret.len() >= MIN_SECRET && !secrets.iter().any(|s| s == secret) {
        secrets.push(secret.to_vec());
    }
}

/// Where logs go.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Target {
    /// Standard error, for processes without a screen.
    Stderr,
    /// A file that is appended to, readable by its owner only.
    File(PathBuf),
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The file cannot be written.
    #[error("cannot write the log file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `SPLITDECK_LOG` is no filter.
    #[error("{LOG_VARIABLE}=\"{given}\" is no filter: {why}; write a level such as info, or splitdeck=debug")]
    Filter {
        /// What it says.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Begins to log, for the whole process. `filter` is what `SPLITDECK_LOG` says, if anything.
///
/// # Errors
/// See [`TelemetryError`].
pub fn init(target: &Target, filter: Option<&str>) -> Result<(), TelemetryError> {
    let given = filter.map(str::trim).filter(|text| !text.is_empty());
    let filter = EnvFilter::builder()
        .parse(given.unwrap_or(DEFAULT_FILTER))
        .map_err(|error| TelemetryError::Filter {
            given: given.unwrap_or(DEFAULT_FILTER).to_owned(),
            why: error.to_string(),
        })?;
    let output = match target {
        Target::Stderr => Output::Stderr,
        Target::File(path) => Output::File(Arc::new(Mutex::new(open(path)?))),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Redacting(output))
        .finish();
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)
}

fn open(path: &Path) -> Result<std::fs::File, TelemetryError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::File::options();
    options.create(true).append(true).mode(0o600);
    options.open(path).map_err(|source| TelemetryError::File {
        path: path.to_owned(),
        source,
    })
}

#[derive(Clone)]
enum Output {
    Stderr,
    File(Arc<Mutex<std::fs::File>>),
}

/// Writes lines without the secrets in them.
#[derive(Clone)]
struct Redacting(Output);

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Redacting {
    /// Takes one whole line, as the formatter of `tracing` hands them on.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = redacted(line);
        match &self.0 {
            Output::Stderr => io::stderr().lock().write_all(&clean)?,
            Output::File(file) => file
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write_all(&clean)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `line` with every secret struck out.
fn redacted(line: &[u8]) -> Vec<u8> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut clean = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.first() {
        match secrets.iter().find(|secret| rest.starts_with(secret)) {
            Some(secret) => {
                clean.extend_from_slice(STRUCK_OUT);
                rest = &rest[secret.len()..];
            }
            None => {
                clean.push(*first);
                rest = &rest[1..];
            }
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn secrets_are_struck_out_wherever_they_stand() {
        keep_secret("hunter22-hunter22");
        keep_secret("short");
        let line = b"hunter22-hunter22 url=http://u:hunter22-hunter22@x short hunter22-hunter2";
        let clean = String::from_utf8(redacted(line)).expect("text");
        assert_eq!(
            clean,
            "[redacted] url=http://u:[redacted]@x short hunter22-hunter2"
        );
    }

    #[test]
    fn a_file_is_its_owners_and_grows() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        for text in ["one\n", "two\n"] {
            let file = Arc::new(Mutex::new(open(&path).expect("opens")));
            Redacting(Output::File(file))
                .write_all(text.as_bytes())
                .expect("writes");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "one\ntwo\n");
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let missing = open(&dir.path().join("none/log")).expect_err("no directory");
        assert!(missing.to_string().contains("none/log"), "{missing}");
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let error = init(&Target::Stderr, Some("splitdeck=loud")).expect_err("refused");
        assert!(error.to_string().contains("splitdeck=loud"), "{error}");
    }
}
