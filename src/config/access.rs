//! Which server the headless commands and the cockpit speak to, as whom, and in which project.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::unknown_context;
use super::command::{self, CommandError};
use super::file::Config;

/// Environment variable with the server's address.
pub const API_VARIABLE: &str = "SPLITDECK_API";
/// Environment variable with the token.
pub const TOKEN_VARIABLE: &str = "SPLITDECK_TOKEN";
/// Environment variable with the key of the project.
pub const PROJECT_VARIABLE: &str = "SPLITDECK_PROJECT";
/// Environment variable with the name of a context.
pub const CONTEXT_VARIABLE: &str = "SPLITDECK_CONTEXT";

/// How long a command that prints a token may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// A server's address, a token for it, and what is worked in.
#[derive(Clone, Eq, PartialEq)]
pub struct Access {
    /// Address, such as `http://127.0.0.1:8620`.
    pub api: String,
    /// The bearer token.
    pub token: String,
    /// Key of the project; the token's own without one.
    pub project: Option<String>,
    /// The context it comes from.
    pub context: Option<String>,
    /// Whether the token was read from a file or printed by a program that the configuration names: another one may be
    /// there by now.
    pub from_file: bool,
    /// Whether the configuration refuses every write there.
    pub read_only: bool,
    /// Whether the configuration allows plain HTTP to it, though it is another machine.
    pub allow_plain_http: bool,
}

impl fmt::Debug for Access {
    /// Without the token, so that it cannot reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("api", &self.api)
            .field("project", &self.project)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// What the arguments of a command say about the server.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Flags {
    /// `--api`
    pub api: Option<String>,
    /// `--project`
    pub project: Option<String>,
    /// `--context`
    pub context: Option<String>,
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
        "no token for the server {api}: set {TOKEN_VARIABLE}, or `token_file` or `token_command` below [{section}] \
         in the configuration file"
    )]
    NoToken {
        /// The server.
        api: String,
        /// Where a token was looked for.
        section: String,
    },
    /// The context is not in the file.
    #[error("{0} in the configuration file")]
    NoContext(String),
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
    /// The program that should print the token did not.
    #[error("no token: {0} (`token_command` in the configuration)")]
    TokenCommand(#[from] CommandError),
}

/// Where a token comes from.
struct Credentials<'c> {
    file: Option<&'c Path>,
    command: Option<&'c [String]>,
    section: String,
}

impl Credentials<'_> {
    fn is_some(&self) -> bool {
        self.file.is_some() || self.command.is_some()
    }
}

impl Access {
    /// Address, token and project: flags go before the environment, which goes before the configuration. That is read
    /// always: `read_only` is in force however the server is named. An empty variable is as a missing one.
    ///
    /// `project` and `allow_plain_http` of `[cockpit]` are meant for the server that stands beside them: where address
    /// and token are both given apart from the file, they count unless the file names another server there.
    ///
    /// A context that a flag names stands before the environment, because it was asked for later. Credentials
    /// of `[cockpit]` are never sent to the server of a context: a token belongs to the server it was given
    /// with.
    ///
    /// `variable` looks a variable up, such as `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// See [`AccessError`]; it says what to set. And whatever `config` fails with.
    pub fn find<E: From<AccessError>>(
        flags: &Flags,
        variable: impl Fn(&str) -> Option<String>,
        config: impl FnOnce() -> Result<Config, E>,
    ) -> Result<Self, E> {
        let set = |name| {
            let value = variable(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty())
        };
        let (api, token) = (
            flags.api.clone().or_else(|| set(API_VARIABLE)),
            set(TOKEN_VARIABLE),
        );
        let project = flags.project.clone().or_else(|| set(PROJECT_VARIABLE));
        let context = flags.context.clone().or_else(|| set(CONTEXT_VARIABLE));
        let config = config()?;
        let asked_for = flags.context.is_some();
        let api_set = if asked_for { flags.api.clone() } else { api.clone() };
        // With an address of its own the environment means another server than the file's context.
        let context = context.or_else(|| config.cockpit.context.clone().filter(|_| api_set.is_none()));
        let mut found = Self::in_file(&config, context)?;
        let elsewhere = found.context.is_none()
            && token.is_some()
            && matches!((&api_set, &found.api), (Some(set), Some(own)) if !is_same_server(set, own));
        if elsewhere {
            (found.project, found.allow_plain_http) = (None, false);
        }
        let project = if asked_for {
            let named = flags.project.clone();
            named.or_else(|| found.project.clone()).or(project)
        } else {
            project.or_else(|| found.project.clone())
        };
        let api = api_set.or(found.api).or(api).ok_or(AccessError::NoServer)?;
        let (token, from_file) = match (token, found.credentials) {
            (Some(token), credentials) if !(asked_for && credentials.is_some()) => (token, false),
            (_, credentials) => (read_token(&credentials, &api)?, true),
        };
        Ok(Self {
            api,
            token,
            project,
            context: found.context,
            from_file,
            read_only: found.read_only,
            allow_plain_http: found.allow_plain_http,
        })
    }

    /// Whether every write to it is refused: the configuration says so, unless a variable or a flag overrules it. The one rule
    /// for the cockpit, plain mode and headless commands.
    #[must_use]
    pub fn refuses_writes(&self, asked: Option<bool>) -> bool {
        asked.unwrap_or(self.read_only)
    }

    /// The server of a context, as the configuration file alone says: for switching while the cockpit runs.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn of_context(config: &Config, name: &str) -> Result<Self, AccessError> {
        let flags = Flags {
            context: Some(name.to_owned()),
            ..Flags::default()
        };
        Self::find(&flags, |_| None, || Ok(config.clone()))
    }

    fn in_file(config: &Config, context: Option<String>) -> Result<InFile<'_>, AccessError> {
        let cockpit = &config.cockpit;
        let shared = Credentials {
            file: cockpit.token_file.as_deref(),
            command: cockpit.token_command.as_deref(),
            section: "cockpit".to_owned(),
        };
        let Some(name) = context else {
            return Ok(InFile {
                api: cockpit.api.clone(),
                project: cockpit.project.clone(),
                context: None,
                read_only: cockpit.read_only,
                allow_plain_http: cockpit.allow_plain_http,
                credentials: shared,
            });
        };
        let Some(found) = config.contexts.get(&name) else {
            return Err(AccessError::NoContext(unknown_context(&name, config)));
        };
        let own = Credentials {
            file: found.token_file.as_deref(),
            command: found.token_command.as_deref(),
            section: format!("contexts.{name}"),
        };
        Ok(InFile {
            api: found.api.clone().or_else(|| cockpit.api.clone()),
            project: found.project.clone(),
            context: Some(name),
            read_only: found.read_only || cockpit.read_only,
            allow_plain_http: found.allow_plain_http,
            credentials: if own.is_some() || found.api.is_some() {
                own
            } else {
                shared
            },
        })
    }
}

/// Whether two addresses are written the same, but for a slash at the end.
fn is_same_server(one: &str, other: &str) -> bool {
    one.trim().trim_end_matches('/') == other.trim().trim_end_matches('/')
}

/// What the configuration file says.
struct InFile<'c> {
    api: Option<String>,
    project: Option<String>,
    context: Option<String>,
    read_only: bool,
    allow_plain_http: bool,
    credentials: Credentials<'c>,
}

fn read_token(credentials: &Credentials<'_>, api: &str) -> Result<String, AccessError> {
    if let Some(file) = credentials.file {
        let file = in_home(file);
        let text = std::fs::read_to_string(&file).map_err(|source| AccessError::TokenFile {
            path: file.clone(),
            source,
        })?;
        let token = text.trim();
        if token.is_empty() {
            return Err(AccessError::EmptyTokenFile(file));
        }
        return Ok(token.to_owned());
    }
    match credentials.command {
        Some(argv) => Ok(command::first_line(argv, COMMAND_LIMIT)?),
        None => Err(AccessError::NoToken {
            api: api.to_owned(),
            section: credentials.section.clone(),
        }),
    }
}

/// `~/x` in the home directory; anything else as it is.
fn in_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CockpitConfig, ContextConfig};

    fn with_flags(flags: &Flags, config: &Config, set: &[(&str, &str)]) -> Result<Access, AccessError> {
        let value = |name: &str| set.iter().find(|(key, _)| *key == name);
        let variable = |name: &str| value(name).map(|(_, value)| (*value).to_owned());
        Access::find(flags, variable, || Ok(config.clone()))
    }

    fn find(config: &CockpitConfig, set: &[(&str, &str)]) -> Result<Access, AccessError> {
        let config = Config {
            cockpit: config.clone(),
            ..Config::default()
        };
        with_flags(&Flags::default(), &config, set)
    }

    fn in_context(name: &str) -> Flags {
        Flags {
            context: Some(name.to_owned()),
            ..Flags::default()
        }
    }

    fn echo(word: &str) -> Option<Vec<String>> {
        Some(vec!["/bin/echo".to_owned(), word.to_owned()])
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
            assert_eq!(access.from_file, token == "from-file");
        }
    }

    #[test]
    fn contexts_are_chosen_by_file_variable_and_flag_and_keep_their_tokens_apart() {
        let context = |api: Option<&str>, token_command, project: &str| ContextConfig {
            api: api.map(str::to_owned),
            token_command,
            project: Some(project.to_owned()),
            ..ContextConfig::default()
        };
        let config = Config {
            cockpit: CockpitConfig {
                context: Some("dev".to_owned()),
                api: Some("http://shared".to_owned()),
                token_command: echo("shared-token"),
                ..CockpitConfig::default()
            },
            contexts: [
                ("dev".to_owned(), context(None, None, "shop-dev")),
                (
                    "prod".to_owned(),
                    context(Some("http://prod"), echo("prod-token"), "shop-prod"),
                ),
                ("bare".to_owned(), context(Some("http://bare"), None, "bare")),
            ]
            .into(),
            ..Config::default()
        };
        let told = |flags: &Flags, set: &[(&str, &str)]| {
            let access = with_flags(flags, &config, set).expect("found");
            let project = access.project.unwrap_or_default();
            (
                access.api,
                access.token,
                project,
                access.context.unwrap_or_default(),
            )
        };
        let is = |api: &str, token: &str, project: &str, context: &str| {
            (
                api.to_owned(),
                token.to_owned(),
                project.to_owned(),
                context.to_owned(),
            )
        };
        let none = Flags::default();
        assert_eq!(
            told(&none, &[]),
            is("http://shared", "shared-token", "shop-dev", "dev")
        );
        assert_eq!(
            told(&none, &[("SPLITDECK_CONTEXT", "prod")]),
            is("http://prod", "prod-token", "shop-prod", "prod")
        );
        assert_eq!(
            told(
                &none,
                &[("SPLITDECK_CONTEXT", "prod"), ("SPLITDECK_PROJECT", "other")]
            ),
            is("http://prod", "prod-token", "other", "prod")
        );
        // What a flag asks for stands before what lies about in the environment.
        let lying_about = &[("SPLITDECK_API", "http://set"), ("SPLITDECK_TOKEN", "set")];
        assert_eq!(
            told(&in_context("prod"), lying_about),
            is("http://prod", "prod-token", "shop-prod", "prod")
        );
        let flags = Flags {
            project: Some("flagged".to_owned()),
            ..in_context("prod")
        };
        assert_eq!(told(&flags, &[]).2, "flagged");
        // An address in the environment is another server than that of the file's own context.
        assert_eq!(told(&none, lying_about), is("http://set", "set", "", ""));
        // The shared token is not sent to the server of a context.
        let error = with_flags(&in_context("bare"), &config, &[]).expect_err("no token");
        assert!(error.to_string().contains("[contexts.bare]"), "{error}");
        let error = with_flags(&in_context("prd"), &config, &[]).expect_err("no such context");
        assert!(error.to_string().contains("there are bare, dev, prod"), "{error}");
        assert_eq!(
            Access::of_context(&config, "prod").expect("found").token,
            "prod-token"
        );
    }

    #[test]
    fn what_the_file_refuses_counts_beside_an_address_and_a_token_of_the_environment() {
        let both = &[("SPLITDECK_API", "http://set/"), ("SPLITDECK_TOKEN", "set")];
        let config = |api: Option<&str>| CockpitConfig {
            api: api.map(str::to_owned),
            // It would fail: the token of the environment is the one that is sent.
            token_command: Some(vec!["/no/such/program".to_owned()]),
            project: Some("shop".to_owned()),
            read_only: true,
            allow_plain_http: true,
            ..CockpitConfig::default()
        };
        for (api, of_that_server) in [
            (None, true),
            (Some("http://set"), true),
            (Some("http://another"), false),
        ] {
            let access = find(&config(api), both).expect("found");
            assert_eq!(
                (access.api.as_str(), access.token.as_str()),
                ("http://set/", "set")
            );
            assert!(!access.from_file);
            assert_eq!(access.project.is_some(), of_that_server, "{api:?}");
            assert_eq!(access.allow_plain_http, of_that_server, "{api:?}");
            for (asked, refuses) in [(None, true), (Some(false), false), (Some(true), true)] {
                assert_eq!(access.refuses_writes(asked), refuses);
            }
        }
        let named = [both, &[("SPLITDECK_PROJECT", "named")][..]].concat();
        let access = find(&config(None), &named).expect("found");
        assert_eq!(access.project.as_deref(), Some("named"));
        let failing = || Err::<Config, _>(AccessError::NoServer);
        let variable = |name: &str| (!name.ends_with("CONTEXT")).then(|| format!("of {name}"));
        Access::find(&Flags::default(), variable, failing).expect_err("a file that cannot be read refuses");
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
        let command = CockpitConfig {
            token_command: Some(vec!["/no/such/program".to_owned()]),
            ..CockpitConfig::default()
        };
        let error = find(&command, api).expect_err("no program");
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }
}
