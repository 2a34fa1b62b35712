//! Bringing the archive by `npm pack`, through whatever registry the user's npm is set up for.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::install::VARIABLE;
use super::progress::{Progress, Step};
use super::{EngineError, Package};

/// How often the growing file is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How much of npm's complaint is passed on, characters.
const SAID: usize = 600;

/// Runs `npm pack` into `folder`, which is npm's cache as well, so that an aborted run leaves nothing
/// outside of it. Returns the archive.
pub(super) fn pack(
    npm: &Path,
    package: &Package,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, EngineError> {
    let mut command = Command::new(npm);
    command
        .arg("pack")
        .arg(package.spec())
        .arg("--pack-destination")
        .arg(folder)
        .arg("--cache")
        .arg(folder.join("npm"))
        // One registry that is down is told in seconds; npm's own default is more than a minute.
        .args([
            "--fetch-retries=2",
            "--fetch-retry-mintimeout=500",
            "--fetch-retry-maxtimeout=3000",
        ])
        .args([
            "--loglevel=error",
            "--no-update-notifier",
            "--ignore-scripts",
            "--json",
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    ends_with_us(&mut command);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => EngineError::NpmMissing {
            package: package.spec(),
        },
        _ => EngineError::Npm {
            package: package.spec(),
            said: error.to_string(),
        },
    })?;
    let stderr = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            // What could not be read is missing from an error message, nothing more.
            let _ = stderr.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let ended = watch(&mut child, package, folder, progress);
    if ended.is_err() {
        // It may have ended by itself in the meantime; either way it is waited for.
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = reader.join().unwrap_or_default();
    if ended? {
        archive_in(folder).ok_or_else(|| EngineError::Npm {
            package: package.spec(),
            said: format!("it ended well and left no archive in {}", folder.display()),
        })
    } else {
        Err(complaint(package, folder, &said))
    }
}

/// Has the kernel end it when this program is ended by force, on Linux: nobody would want what it brings then.
#[cfg(target_os = "linux")]
fn ends_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Signal, set_parent_process_death_signal};

    let ask = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from);
    // SAFETY: between `fork` and `exec` it makes one system call, and touches no memory of the other threads.
    unsafe { command.pre_exec(ask) };
}

/// Elsewhere it goes on to its own end.
#[cfg(not(target_os = "linux"))]
fn ends_with_us(_command: &mut Command) {}

/// Reports the growing file until npm ends; whether it ended well.
fn watch(
    child: &mut Child,
    package: &Package,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<bool, EngineError> {
    let total = package.archive_bytes;
    let mut most = 0;
    loop {
        let failed = |error: std::io::Error| EngineError::Npm {
            package: package.spec(),
            said: error.to_string(),
        };
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status.success());
        }
        if progress.cancelled() {
            return Err(EngineError::Stopped);
        }
        // npm loads into its cache first and copies from there: the largest file is the one that grows.
        most = largest(folder).min(total).max(most);
        progress.report(Step::Downloading { done: most, total });
        thread::sleep(LOOK);
    }
}

/// The size of the largest file below `folder`; files that vanish meanwhile do not count.
fn largest(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => largest(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .max()
        .unwrap_or(0)
}

fn archive_in(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("tgz")))
}

/// The error for what npm wrote before it failed.
fn complaint(package: &Package, folder: &Path, stderr: &str) -> EngineError {
    let package = package.spec();
    let said = gist(stderr);
    let mentions = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if mentions(&["ENOSPC", "EDQUOT"]) {
        EngineError::NoSpace {
            path: folder.to_owned(),
            need: format!(": npm said: {said}"),
            variable: VARIABLE,
        }
    } else if mentions(&["E404", "ETARGET", "ENOVERSIONS"]) {
        EngineError::NotInRegistry { package, said }
    } else if mentions(&["E401", "E403", "E407", "ENEEDAUTH"]) {
        EngineError::NotLetIn { package, said }
    } else if mentions(&[
        "SELF_SIGNED_CERT",
        "UNABLE_TO_GET_ISSUER_CERT",
        "UNABLE_TO_VERIFY",
        "CERT_HAS_EXPIRED",
        "ERR_TLS_",
        "ECONNREFUSED",
        "ECONNRESET",
        "ENOTFOUND",
        "EAI_AGAIN",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ERR_SOCKET_TIMEOUT",
    ]) {
        EngineError::Unreachable { package, said }
    } else {
        EngineError::Npm { package, said }
    }
}

/// npm's own lines without their prefix and without where its log is, shortened.
fn gist(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.starts_with("npm warn"))
        .map(|line| line.trim_start_matches("npm error").trim())
        .filter(|line| {
            !line.is_empty() && !line.starts_with("A complete log") && !line.ends_with("-debug-0.log")
        })
        .collect();
    let text = lines.join(" · ");
    if text.is_empty() {
        return "it said nothing".to_owned();
    }
    match text.char_indices().nth(SAID) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        super::super::package_for("linux", "x86_64", "gnu").unwrap()
    }

    #[test]
    fn each_complaint_of_npm_becomes_its_own_error() {
        let folder = Path::new("/cache/splitdeck");
        let error = |said: &str| complaint(&package(), folder, said);
        let refused =
            "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error FetchError: request failed";
        assert!(matches!(error(refused), EngineError::Unreachable { .. }));
        assert!(matches!(
            error("npm error code SELF_SIGNED_CERT_IN_CHAIN"),
            EngineError::Unreachable { .. }
        ));
        let denied = error("npm error code E401\nnpm error Unable to authenticate");
        assert!(denied.to_string().contains("npm config list"), "{denied}");
        assert!(matches!(denied, EngineError::NotLetIn { .. }));
        let other = error("npm error code EACCES").to_string();
        assert!(
            other.contains("npm pack") && other.contains("SPLITDECK_ENGINE_BINARY"),
            "{other}"
        );
        assert!(matches!(
            error("npm error code E404\nnpm error 404 Not Found"),
            EngineError::NotInRegistry { .. }
        ));
        assert!(matches!(
            error("npm error code ENOSPC\nnpm error nospc"),
            EngineError::NoSpace { .. }
        ));
        assert!(matches!(error("npm error code EACCES"), EngineError::Npm { .. }));
    }

    #[test]
    fn the_gist_leaves_out_warnings_and_the_log_file() {
        let stderr = "npm warn Unknown user config \"x\"\nnpm error code E404\nnpm error\n\
                      npm error A complete log of this run can be found in: /root/x-debug-0.log\n";
        assert_eq!(gist(stderr), "code E404");
        assert_eq!(gist(""), "it said nothing");
        assert_eq!(gist(&"ä".repeat(1000)).chars().count(), SAID + 1);
    }
}
