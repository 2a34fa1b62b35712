//! Where things are kept on this machine.
//!
//! The XDG directories (`~/.cache/splitdeck` and so on), each of which an environment variable moves:
//!
//! | directory | variable | holds |
//! |---|---|---|
//! | cache | `SPLITDECK_CACHE_DIR` | what can be brought again: the engine's library |
//! | config | `SPLITDECK_CONFIG_DIR` | `config.toml`, themes |
//! | data | `SPLITDECK_DATA_DIR` | the server's store, the spool, the engine's tables |
//! | state | `SPLITDECK_STATE_DIR` | logs, what the cockpit remembers |
//! | engine | `SPLITDECK_ENGINE_DIR` | the engine's library alone; `engine` in the cache directory by default |

use std::ffi::OsString;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

/// The name of our directory in each of the user's.
const NAME: &str = "splitdeck";

/// The directories of this program for this user. None of them needs to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What can be brought again.
    pub cache: PathBuf,
    /// Configuration and themes.
    pub config: PathBuf,
    /// What must not be lost.
    pub data: PathBuf,
    /// Logs and what is remembered between runs.
    pub state: PathBuf,
    /// The library of the embedded engine.
    pub engine: PathBuf,
}

/// The directories cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// Neither a home directory nor the variables that would do without.
    #[error(
        "cannot tell the user's directories: no home directory; set HOME, or SPLITDECK_CACHE_DIR, \
         SPLITDECK_CONFIG_DIR, SPLITDECK_DATA_DIR and SPLITDECK_STATE_DIR"
    )]
    NoHome,
    /// A variable that moves a directory is not an absolute path.
    #[error("{variable} is {value:?}; it must be an absolute path")]
    Relative {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: OsString,
    },
}

impl Paths {
    /// From this process's environment.
    ///
    /// # Errors
    /// See [`PathsError`].
    pub fn from_env() -> Result<Self, PathsError> {
        Self::new(|name| std::env::var_os(name))
    }

    /// From variables looked up by `variable`. Unset and empty mean the same.
    ///
    /// # Errors
    /// See [`PathsError`].
    pub fn new(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, PathsError> {
        let moved = |name: &'static str| match variable(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) if PathBuf::from(&value).is_absolute() => Ok(Some(PathBuf::from(value))),
            Some(value) => Err(PathsError::Relative {
                variable: name,
                value,
            }),
        };
        let usual = |dir: fn(&Xdg) -> PathBuf| {
            let xdg = Xdg::new().map_err(|_| PathsError::NoHome)?;
            Ok(dir(&xdg).join(NAME))
        };
        let pick = |name, dir| moved(name)?.map_or_else(|| usual(dir), Ok);
        let cache = pick("SPLITDECK_CACHE_DIR", |xdg| xdg.cache_dir())?;
        Ok(Self {
            config: pick("SPLITDECK_CONFIG_DIR", |xdg| xdg.config_dir())?,
            data: pick("SPLITDECK_DATA_DIR", |xdg| xdg.data_dir())?,
            // XDG always has one; the trait allows for systems that have none.
            state: pick("SPLITDECK_STATE_DIR", |xdg| {
                xdg.state_dir().unwrap_or_else(|| xdg.data_dir())
            })?,
            engine: moved("SPLITDECK_ENGINE_DIR")?.unwrap_or_else(|| cache.join("engine")),
            cache,
        })
    }

    /// The folder of the user's own themes.
    #[must_use]
    pub fn themes(&self) -> PathBuf {
        self.config.join("themes")
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &'static [(&str, &str)]) -> Result<Paths, PathsError> {
        Paths::new(|name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn by_default_they_are_the_users_own_directories() {
        let paths = with(&[]).unwrap();
        for dir in [&paths.cache, &paths.config, &paths.data, &paths.state] {
            assert!(
                dir.is_absolute() && dir.ends_with("splitdeck"),
                "{}",
                dir.display()
            );
        }
        assert_eq!(paths.engine, paths.cache.join("engine"));
        assert!(paths.config_file().ends_with("splitdeck/config.toml"));
    }

    #[test]
    fn each_is_moved_by_its_variable() {
        let paths = with(&[
            ("SPLITDECK_CACHE_DIR", "/a"),
            ("SPLITDECK_CONFIG_DIR", "/b"),
            ("SPLITDECK_DATA_DIR", "/c"),
            ("SPLITDECK_STATE_DIR", "/d"),
        ])
        .unwrap();
        let dirs = [
            &paths.cache,
            &paths.config,
            &paths.data,
            &paths.state,
            &paths.engine,
        ];
        assert_eq!(
            dirs.map(|dir| dir.to_str().unwrap()),
            ["/a", "/b", "/c", "/d", "/a/engine"]
        );
        assert_eq!(
            with(&[("SPLITDECK_ENGINE_DIR", "/e")]).unwrap().engine,
            PathBuf::from("/e")
        );
    }

    #[test]
    fn empty_is_unset_and_relative_is_refused() {
        assert_eq!(with(&[("SPLITDECK_DATA_DIR", "")]), with(&[]));
        let error = with(&[("SPLITDECK_DATA_DIR", "here")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SPLITDECK_DATA_DIR is \"here\"; it must be an absolute path"
        );
    }
}
