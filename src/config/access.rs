//! Which server the headless commands and the cockpit speak to, and with which token.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::CockpitConfig;

/// Environment variable with the server's address.
pub const API_VARIABLE: &str = "SPLITDECK_API";
/// Environment variable with the token.
pub const TOKEN_VARIABLE: &str = "SPLITDECK_TOKEN";

/// A server's address and a token for it.
#[derive(Clone, Eq, PartialEq)]
pub struct Access {
    /// Address, such as `http://127.0.0.1:8620`.
    pub api: String,
    /// The bearer token.
    pub token: String,
}

impl fmt::Debug for Access {
    /// Without the token, so that it cannot reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// The server or the token is not known.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nothing names a server.
    #[error(
        "no server to speak to: set {API_VARIABLE} to its address, such as http://127.0.0.1:8620, or `api` below \
         [cockpit] in the configuration file"
    )]
    NoServer,
    /// Nothing holds a token.
    #[error(
        "no token for the server {api}: set {TOKEN_VARIABLE}, or `token_file` below [cockpit] in the \
         configuration file"
    )]
    NoToken {
        /// The server.
        api: String,
    },
    /// The file that should hold the token cannot be read.
    #[error("cannot read the token from {path}, which `token_file` in the configuration names: {source}")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file that should hold the token is empty.
    #[error(
        "the token file {0}, which `token_file` in the configuration names, is empty; write the token into it"
    )]
    EmptyTokenFile(PathBuf),
}

impl Access {
    /// Address and token: the environment goes before the configuration, which is read only if it is needed.
    /// An empty variable is as a missing one.
    ///
    /// `variable` looks a variable up, such as `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// See [`AccessError`]; it says what to set. And whatever `config` fails with.
    pub fn find<E: From<AccessError>>(
        variable: impl Fn(&str) -> Option<String>,
        config: impl FnOnce() -> Result<CockpitConfig, E>,
    ) -> Result<Self, E> {
        let set = |name| {
            let value = variable(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty())
        };
        let (api, token) = (set(API_VARIABLE), set(TOKEN_VARIABLE));
        if let (Some(api), Some(token)) = (&api, &token) {
            let (api, token) = (api.clone(), token.clone());
            return Ok(Self { api, token });
        }
        let config = config()?;
        let api = api.or(config.api).ok_or(AccessError::NoServer)?;
        let token = match (token, &config.token_file) {
            (Some(token), _) => token,
            (None, Some(file)) => read_token(file)?,
            (None, None) => return Err(AccessError::NoToken { api }.into()),
        };
        Ok(Self { api, token })
    }
}

fn read_token(file: &Path) -> Result<String, AccessError> {
    let text = std::fs::read_to_string(file).map_err(|source| AccessError::TokenFile {
        path: file.to_owned(),
        source,
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(AccessError::EmptyTokenFile(file.to_owned()));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(config: &CockpitConfig, set: &[(&str, &str)]) -> Result<Access, AccessError> {
        let value = |name: &str| set.iter().find(|(key, _)| *key == name);
        let variable = |name: &str| value(name).map(|(_, value)| (*value).to_owned());
        Access::find(variable, || Ok(config.clone()))
    }

    #[test]
    fn the_environment_goes_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        std::fs::write(&file, " from-file \n").expect("written");
        let config = CockpitConfig {
            api: Some("http://configured".to_owned()),
            token_file: Some(file),
            ..CockpitConfig::default()
        };
        for (set, api, token) in [
            (&[][..], "http://configured", "from-file"),
            (&[("SPLITDECK_API", "http://set")][..], "http://set", "from-file"),
            (&[("SPLITDECK_TOKEN", "set")][..], "http://configured", "set"),
            (
                &[("SPLITDECK_API", " "), ("SPLITDECK_TOKEN", "")][..],
                "http://configured",
                "from-file",
            ),
        ] {
            let access = find(&config, set).expect("found");
            assert_eq!((access.api.as_str(), access.token.as_str()), (api, token));
            assert!(!format!("{access:?}").contains(token));
        }
    }

    #[test]
    fn a_configuration_that_is_not_needed_is_not_read() {
        let unread = || -> Result<CockpitConfig, AccessError> { panic!("read") };
        let access = Access::find(|name| Some(format!("of {name}")), unread).expect("found");
        assert_eq!(
            (access.api.as_str(), access.token.as_str()),
            ("of SPLITDECK_API", "of SPLITDECK_TOKEN")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = CockpitConfig::default();
        let error = find(&none, &[("SPLITDECK_TOKEN", "t")]).expect_err("no server");
        assert!(error.to_string().contains("set SPLITDECK_API"), "{error}");
        let error = find(&none, &[("SPLITDECK_API", "http://x")]).expect_err("no token");
        assert!(
            error.to_string().contains("http://x: set SPLITDECK_TOKEN"),
            "{error}"
        );

        let dir = tempfile::tempdir().expect("a directory");
        let with_file = |path: &Path| CockpitConfig {
            token_file: Some(path.to_owned()),
            ..CockpitConfig::default()
        };
        let api = &[("SPLITDECK_API", "http://x")];
        let error = find(&with_file(&dir.path().join("none")), api).expect_err("no file");
        assert!(matches!(error, AccessError::TokenFile { .. }), "{error}");
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "\n").expect("written");
        let error = find(&with_file(&empty), api).expect_err("empty");
        assert!(matches!(error, AccessError::EmptyTokenFile(_)), "{error}");
    }
}
