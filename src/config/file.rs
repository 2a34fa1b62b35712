//! The configuration file: its settings, how it is read, and the example that is generated from them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::check::check;
pub use super::cockpit::{CockpitConfig, ContextConfig};

/// All settings. Everything has a default; an unknown key is an error, so that a typo is not silent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `splitdeck serve`.
    pub server: ServerConfig,
    /// The guard against sample ratio mismatch.
    pub guard: GuardConfig,
    /// Where events are stored and queried; the embedded engine where no address is given.
    pub clickhouse: ClickHouseConfig,
    /// The cockpit.
    pub cockpit: CockpitConfig,
    /// Name → a server with a project and credentials.
    pub contexts: BTreeMap<String, ContextConfig>,
    /// Action → keys. An action that is not named keeps its own keys.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// Settings of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port to listen on. Anything but loopback needs a TLS proxy in front.
    pub listen: String,
    /// Where the store (if it is SQLite), the spool and the embedded engine keep their files; the user's data directory
    /// where it is missing.
    pub data_dir: Option<PathBuf>,
    /// Where the configuration is kept: `sqlite` in the data directory, or the address of a Postgres without a
    /// password.
    pub store: String,
    /// File that holds the password of Postgres.
    pub store_password_file: Option<PathBuf>,
    /// Key of the project that is created at the first start.
    pub project: String,
    /// Its environment: `development`, `staging` or `production`.
    pub environment: String,
    /// Whether its dangerous actions ask for the experiment's key to be typed.
    pub protected: bool,
    /// The most variants of an experiment.
    pub max_variants: usize,
    /// How much the event spool may hold, MiB; beyond that tracking answers 503.
    pub max_spool_mib: u64,
    /// The most ids of one bulk import of overrides.
    pub max_import_ids: u64,
    /// How much the list of one bulk import may hold, MiB; that much memory is needed for it.
    pub max_import_mib: u64,
    /// How many days after it was applied a bulk import can be undone; 0: for ever.
    pub undo_imports_days: u32,
    /// Whether evaluations are recorded as `[Experiment] Assignment` events.
    pub assignment_events: bool,
    /// Web origins whose pages may evaluate and track; `*` for any.
    pub web_origins: Vec<String>,
    /// Requests for variants that each token and deployment may send a second; 0 is no limit.
    pub assign_per_second: u32,
    /// Requests with events that each token and deployment may send a second; 0 is no limit.
    pub track_per_second: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8620".to_owned(),
            data_dir: None,
            store: "sqlite".to_owned(),
            store_password_file: None,
            project: "default".to_owned(),
            environment: "development".to_owned(),
            protected: false,
            max_variants: 4,
            max_spool_mib: 1024,
            max_import_ids: 5_000_000,
            max_import_mib: 512,
            undo_imports_days: 30,
            assignment_events: true,
            web_origins: vec!["*".to_owned()],
            assign_per_second: 0,
            track_per_second: 0,
        }
    }
}

/// Settings of the guard against sample ratio mismatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardConfig {
    /// Whether every active experiment is tested once a night, and paused when it fails.
    pub enabled: bool,
    /// When: a cron expression.
    pub schedule: String,
    /// The time zone of the expression, by its IANA name.
    pub time_zone: String,
    /// Whether the always-valid test looks in between and may pause as well.
    pub continuous: bool,
    /// How often it looks, in seconds.
    pub interval_s: u64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            schedule: "0 2 * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            continuous: false,
            interval_s: 300,
        }
    }
}

/// Settings of a ClickHouse that is not the embedded one. Its passwords come from files or from the
/// environment, never from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// HTTP address; the embedded engine where it is missing.
    pub url: Option<String>,
    /// Database of the two tables.
    pub database: String,
    /// User that creates the tables and inserts.
    pub user: String,
    /// File that holds its password.
    pub password_file: Option<PathBuf>,
    /// User that only reads, for the cockpit.
    pub read_user: Option<String>,
    /// File that holds its password.
    pub read_password_file: Option<PathBuf>,
    /// Whether plain HTTP to a host that is not loopback is allowed.
    pub allow_plain_http: bool,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: None,
            database: "splitdeck".to_owned(),
            user: "splitdeck".to_owned(),
            password_file: None,
            read_user: None,
            read_password_file: None,
            allow_plain_http: false,
        }
    }
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that is not known.
    #[error("{path}, line {line}: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line of the mistake, from 1.
        line: usize,
        /// What is wrong, with the key.
        message: String,
    },
}

impl Config {
    /// Reads a file. A file that does not exist is the default configuration.
    ///
    /// # Errors
    /// See [`ConfigError`]; it names the file, the line and the key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            // A home such as /dev/null holds no file either.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads a file as far as it can be used: what is wrong with looks and keys counts as left out, and
    /// [`check`] names it. What decides which server is spoken to, with which token, and whether anything may be changed,
    /// is refused as by [`Self::load`].
    ///
    /// # Errors
    /// See [`ConfigError`]; it names the file, the line and the key.
    pub fn load_usable(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(_) => return Self::load(path),
        };
        let (config, mistakes) = check(&text);
        if mistakes.iter().any(|mistake| decides(&mistake.key)) {
            return Self::parse(&text, path);
        }
        Ok(config)
    }

    /// Reads the text of a file; `path` is only for the message.
    ///
    /// # Errors
    /// See [`ConfigError::Invalid`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let (config, mistakes) = check(text);
        // What keeps it from being used goes before what would only be left out.
        let Some(first) = mistakes.iter().min_by_key(|mistake| !decides(&mistake.key)) else {
            return Ok(config);
        };
        let more = match mistakes.len() {
            1 => String::new(),
            n => format!(" ({} more: `splitdeck config check` lists them)", n - 1),
        };
        Err(ConfigError::Invalid {
            path: path.to_owned(),
            line: first.line,
            message: format!("{first}{more}"),
        })
    }
}

/// Whether a key says which server is spoken to, how, or whether anything may be changed there.
fn decides(key: &str) -> bool {
    const DECIDE: [&str; 7] = [
        "context",
        "api",
        "project",
        "token_file",
        "token_command",
        "read_only",
        "allow_plain_http",
    ];
    match key.split_once('.') {
        // No TOML at all, or a section that is no section.
        None => matches!(key, "" | "cockpit" | "contexts"),
        Some(("cockpit", key)) => DECIDE
            .iter()
            .any(|decides| key.split('.').next() == Some(decides)),
        Some((section, _)) => section == "contexts",
    }
}

/// One setting of the example file.
struct Setting {
    key: &'static str,
    /// The default, or an example where there is none, as TOML.
    value: &'static str,
    help: &'static str,
}

const fn setting(key: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { key, value, help }
}

/// The sections of the example file in their order.
const SECTIONS: &[(&str, &str, &[Setting])] = &[
    (
        "server",
        "`splitdeck serve`",
        &[
            setting(
                "listen",
                "\"127.0.0.1:8620\"",
                "Address and port. Anything but loopback needs a TLS proxy in front.",
            ),
            setting(
                "data_dir",
                "\"/var/lib/splitdeck\"",
                "Store, spool and embedded engine; without it the user's data directory.",
            ),
            setting(
                "store",
                "\"sqlite\"",
                "Configuration: sqlite in the data directory, or postgres://user@host/database?sslmode=verify-full.",
            ),
            setting(
                "store_password_file",
                "\"/run/secrets/postgres\"",
                "Password of Postgres; SPLITDECK_STORE_PASSWORD goes first.",
            ),
            setting(
                "project",
                "\"default\"",
                "Key of the project that is created at the first start.",
            ),
            setting(
                "environment",
                "\"development\"",
                "Its environment: development, staging or production.",
            ),
            setting(
                "protected",
                "false",
                "Whether dangerous actions ask for the experiment's key to be typed.",
            ),
            setting("max_variants", "4", "The most variants of an experiment."),
            setting(
                "max_spool_mib",
                "1024",
                "How much the event spool may hold, MiB; beyond that tracking answers 503.",
            ),
            setting(
                "max_import_ids",
                "5000000",
                "The most ids of one bulk import of overrides.",
            ),
            setting(
                "max_import_mib",
                "512",
                "How much the list of one bulk import may hold, MiB, and take of the memory while it is read.",
            ),
            setting(
                "undo_imports_days",
                "30",
                "How many days after it was applied a bulk import can be undone; its list is kept for so long. 0: for ever.",
            ),
            setting(
                "assignment_events",
                "true",
                "Whether evaluations are recorded as assignment events, once per subject and result a day.",
            ),
            setting(
                "web_origins",
                "[\"*\"]",
                "Web origins whose pages may evaluate and track with a client key; * for any.",
            ),
            setting(
                "assign_per_second",
                "0",
                "Requests for variants that each token and deployment may send a second; beyond that 429. 0: no limit.",
            ),
            setting(
                "track_per_second",
                "0",
                "Requests with events that each token and deployment may send a second; beyond that 429. 0: no limit.",
            ),
        ],
    ),
    (
        "guard",
        "The guard against sample ratio mismatch: pauses active experiments whose split is not the configured one.",
        &[
            setting(
                "enabled",
                "true",
                "Tests every active experiment once a night (p < 0.001).",
            ),
            setting(
                "schedule",
                "\"0 2 * * *\"",
                "When: minute, hour, day of the month, month, day of the week.",
            ),
            setting(
                "time_zone",
                "\"UTC\"",
                "Time zone of the schedule, such as Europe/Berlin.",
            ),
            setting(
                "continuous",
                "false",
                "Looks in between with the always-valid test, and may pause as well.",
            ),
            setting("interval_s", "300", "How often it looks then, in seconds."),
        ],
    ),
    (
        "clickhouse",
        "A ClickHouse of your own. Without `url` the embedded engine is used.",
        &[
            setting("url", "\"https://clickhouse.internal:8443\"", "HTTP address."),
            setting("database", "\"splitdeck\"", "Database of the two tables."),
            setting(
                "user",
                "\"splitdeck\"",
                "User that creates the tables and inserts.",
            ),
            setting(
                "password_file",
                "\"/run/secrets/clickhouse\"",
                "Its password; SPLITDECK_CLICKHOUSE_PASSWORD goes first.",
            ),
            setting(
                "read_user",
                "\"splitdeck_read\"",
                "User that only reads, for the cockpit.",
            ),
            setting(
                "read_password_file",
                "\"/run/secrets/clickhouse_read\"",
                "Its password; SPLITDECK_CLICKHOUSE_READ_PASSWORD goes first.",
            ),
            setting(
                "allow_plain_http",
                "false",
                "Whether plain HTTP to a host that is not loopback is allowed.",
            ),
        ],
    ),
    (
        "cockpit",
        "The terminal. Flags go before variables, variables before this file.",
        &[
            setting(
                "context",
                "\"prod\"",
                "Which of the contexts below; SPLITDECK_CONTEXT goes first.",
            ),
            setting(
                "api",
                "\"http://127.0.0.1:8620\"",
                "The server; SPLITDECK_API goes first.",
            ),
            setting(
                "project",
                "\"shop-prod\"",
                "Key of the project, without it the token's own; SPLITDECK_PROJECT goes first.",
            ),
            setting(
                "token_file",
                "\"~/.config/splitdeck/token\"",
                "File that holds the token; SPLITDECK_TOKEN goes first.",
            ),
            setting(
                "token_command",
                "[\"pass\", \"show\", \"splitdeck\"]",
                "Or the program that prints it, with its arguments; no shell reads them. It has 10 s.",
            ),
            setting(
                "read_only",
                "false",
                "Refuse every change; SPLITDECK_READ_ONLY goes first.",
            ),
            setting(
                "allow_plain_http",
                "false",
                "Whether plain HTTP to a server on another machine is allowed.",
            ),
            setting(
                "theme",
                "\"default\"",
                "Name of a theme: of a file in themes/ beside this one, or built in; SPLITDECK_THEME goes first.",
            ),
            setting(
                "glyphs",
                "\"auto\"",
                "auto, braille, block or ascii; SPLITDECK_GLYPHS goes first.",
            ),
            setting(
                "mouse",
                "false",
                "Whether clicks select and the wheel scrolls; SPLITDECK_MOUSE goes first.",
            ),
            setting(
                "notify",
                "\"bell\"",
                "On an automatic pause or a new alarm: bell, osc9, osc777, a list of these, or off; \
                 SPLITDECK_NOTIFY goes first.",
            ),
        ],
    ),
    (
        "contexts.prod",
        "A server by name, for `context` above, --context, and `:context` in the cockpit. As many as you like.",
        &[
            setting("api", "\"https://splitdeck.internal\"", "The server."),
            setting("project", "\"shop-prod\"", "Key of the project."),
            setting(
                "token_file",
                "\"~/.config/splitdeck/prod.token\"",
                "File that holds the token.",
            ),
            setting(
                "token_command",
                "[\"op\", \"read\", \"op://infra/splitdeck/token\"]",
                "Or the program that prints it.",
            ),
            setting("read_only", "false", "Refuse every change."),
            setting(
                "allow_plain_http",
                "false",
                "Whether plain HTTP to a server on another machine is allowed.",
            ),
        ],
    ),
    (
        "keys",
        "Action = keys; docs/keys.md names the actions.",
        &[setting(
            "help",
            "[\"?\", \"f1\"]",
            "For example, a second key for the help.",
        )],
    ),
];

/// Settings of the example whose value is an example, because the default is to leave them out.
#[cfg(test)]
const WITHOUT_DEFAULT: &[&str] = &[
    "data_dir",
    "store_password_file",
    "url",
    "password_file",
    "read_user",
    "read_password_file",
    "context",
    "api",
    "project",
    "token_file",
    "token_command",
    "help",
];

/// The text of `config.example.toml`: every setting, commented out, with its default.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Every setting of splitdeck with its default, or with an example where the default is to leave it out.\n\
         # Copy to ~/.config/splitdeck/config.toml and uncomment what you change. This file is generated.\n",
    );
    for (section, about, settings) in SECTIONS {
        // A context must name a server, so that its heading is an example as well.
        let mark = if section.contains('.') { "#" } else { "" };
        text.push_str(&format!("\n# {about}\n{mark}[{section}]\n"));
        for Setting { key, value, help } in *settings {
            text.push_str(&format!("# {help}\n#{key} = {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_wrong_keeps_nobody_out_and_what_decides_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("config.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).expect("written");
            Config::load_usable(&path)
        };
        let config = load(
            "[cockpit]\napi = \"http://127.0.0.1:1\"\nglyfs = 3\nmouse = \"yes\"\n[keys]\nhelp = \"f1\"\nquit = [\"Q\"]\n",
        )
        .expect("usable");
        assert_eq!(config.cockpit.api.as_deref(), Some("http://127.0.0.1:1"));
        assert!(!config.cockpit.mouse);
        assert_eq!(config.keys.keys().collect::<Vec<_>>(), ["quit"]);
        for text in [
            "[cockpit]\nread_only = \"yes\"\n",
            "[cockpit]\napi = 3\n",
            "[cockpit]\ncontext = \"gone\"\n",
            "[contexts.prod]\ntokenfile = \"x\"\n",
            "cockpit = 3\n",
            "[cockpit\n",
        ] {
            let error = load(text).expect_err("refused");
            assert!(matches!(error, ConfigError::Invalid { .. }), "{text}: {error}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(
            Config::load_usable(&path).expect("none is the default"),
            Config::default()
        );
    }

    fn uncommented(skip: &[&str]) -> String {
        example()
            .lines()
            .filter(|line| !line.starts_with("# "))
            .map(|line| line.strip_prefix('#').unwrap_or(line))
            .filter(|line| !skip.iter().any(|key| line.starts_with(&format!("{key} ="))))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_example_says_the_defaults() {
        let path = Path::new("config.example.toml");
        assert_eq!(Config::parse(&example(), path).expect("reads"), Config::default());
        let mut config: Config = toml::from_str(&uncommented(WITHOUT_DEFAULT)).expect("reads");
        let context = config.contexts.remove("prod").expect("the example of a context");
        assert_eq!(context, ContextConfig::default());
        assert_eq!(config, Config::default());
    }

    #[test]
    fn the_example_names_every_setting() {
        // Not checked as a whole: it shows both ways to say a token.
        let config: Config = toml::from_str(&uncommented(&[])).expect("reads");
        let value = toml::Value::try_from(&config).expect("writes");
        let table = value.as_table().expect("a table");
        for (section, _, settings) in SECTIONS {
            let section_of =
                |table: &toml::Table, name: &str| table[name].as_table().expect("a section").clone();
            let found = match section.split_once('.') {
                Some((outer, inner)) => section_of(&section_of(table, outer), inner),
                None => section_of(table, section),
            };
            let there = found.keys().cloned();
            let named = settings.iter().map(|s| s.key.to_owned());
            let (mut there, mut named): (Vec<_>, Vec<_>) = (there.collect(), named.collect());
            there.sort();
            named.sort();
            assert_eq!(there, named, "[{section}]");
        }
        assert_eq!(table.len(), SECTIONS.len());
    }

    #[test]
    fn a_mistake_names_file_line_and_key() {
        let path = Path::new("/etc/splitdeck.toml");
        for (text, line, words) in [
            ("[server]\nlisten = \"x\"\nlissten = \"y\"\n", 3, "lissten"),
            ("[server]\nmax_variants = \"four\"\n", 2, "got \"four\""),
            ("[sever]\n", 1, "sever"),
            ("[server\n", 1, ""),
        ] {
            let error = Config::parse(text, path).expect_err("refused").to_string();
            assert!(
                error.starts_with(&format!("/etc/splitdeck.toml, line {line}: ")),
                "{error}"
            );
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_the_default() {
        let config = Config::load(Path::new("/nonexistent/splitdeck.toml")).expect("default");
        assert_eq!(config, Config::default());
    }
}
