//! A `clickhouse` binary that serves instead of the library, where the user names one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EngineError;

/// The environment variable that names it: a path, or a name to be found on the PATH.
pub const VARIABLE: &str = "SPLITDECK_ENGINE_BINARY";

/// The first version that takes the engine's arguments.
const OLDEST: (u32, u32) = (26, 6);

/// The binary's path: as given, or found on `path` (the value of PATH) if it is a bare name.
///
/// # Errors
/// [`EngineError::Binary`] when there is no such file.
pub fn find(name: &Path, path: Option<&std::ffi::OsStr>) -> Result<PathBuf, EngineError> {
    let missing = |why: &str| EngineError::Binary {
        path: name.to_owned(),
        why: why.to_owned(),
    };
    if name.components().count() > 1 {
        return std::path::absolute(name)
            .ok()
            .filter(|found| found.is_file())
            .ok_or_else(|| missing(&format!("there is no such file; correct {VARIABLE}")));
    }
    path.into_iter()
        .flat_map(std::env::split_paths)
        .map(|dir| dir.join(name))
        .find(|found| found.is_file())
        .ok_or_else(|| missing(&format!("it is not on the PATH; correct {VARIABLE}")))
}

/// Asks the binary for its version and refuses one that is too old.
///
/// # Errors
/// [`EngineError::Binary`].
pub fn check(path: &Path) -> Result<String, EngineError> {
    let error = |why: String| EngineError::Binary {
        path: path.to_owned(),
        why,
    };
    let output = Command::new(path)
        .args(["local", "--version"])
        .stdin(Stdio::null())
        .output()
        .map_err(|failed| error(format!("it cannot be run: {failed}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Some((version, numbers)) = version(&said) else {
        let first = said.lines().next().unwrap_or_default();
        return Err(error(format!(
            "`local --version` answered \"{first}\", not a version of ClickHouse"
        )));
    };
    if numbers < OLDEST {
        let (major, minor) = OLDEST;
        return Err(error(format!(
            "its version is {version}; {major}.{minor} or later is needed"
        )));
    }
    Ok(version)
}

/// The first thing in `said` that looks like `26.7.2.1`, and its first two numbers.
fn version(said: &str) -> Option<(String, (u32, u32))> {
    said.split_whitespace().find_map(|word| {
        let word = word.trim_end_matches('.');
        let mut numbers = word.split('.').map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return None;
        };
        Some((word.to_owned(), (major, minor)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_the_binary_says() {
        let said = "ClickHouse local version 26.7.2.1 (official build).\n";
        assert_eq!(version(said), Some(("26.7.2.1".to_owned(), (26, 7))));
        assert_eq!(version("26.6.1.2.\n"), Some(("26.6.1.2".to_owned(), (26, 6))));
        assert_eq!(version("no version"), None);
        assert_eq!(version(""), None);
    }
}
