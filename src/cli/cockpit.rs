//! `splitdeck` without a subcommand: the cockpit of a server.

use std::io::IsTerminal as _;

use clap::builder::BoolishValueParser;

use super::remote::Server;
use super::{CliError, plain};
use crate::config::cockpit::{GlyphSetting, Notify};
use crate::config::{Access, AccessError, Config, Flags, Paths};
use crate::runtime::look::{Files, Fixed};
use crate::runtime::{self, CockpitError, CockpitOptions};

/// Arguments of the cockpit.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// The experiment to open, by key or id.
    #[arg(long, value_name = "KEY", group = "opened")]
    pub experiment: Option<String>,
    /// The flag to open, by key or id.
    #[arg(id = "cockpit_flag", long = "flag", value_name = "KEY", group = "opened")]
    pub flag: Option<String>,
    /// Import overrides into it: a file of ids, one a line or with commas; - for standard input.
    #[arg(long, value_name = "FILE", requires = "opened")]
    pub import: Option<String>,
    /// Address of the server; else SPLITDECK_API, else the configuration.
    #[arg(long, value_name = "URL")]
    pub api: Option<String>,
    /// Key of the project; else SPLITDECK_PROJECT, else the configuration, else the token's own.
    #[arg(long, value_name = "KEY")]
    pub project: Option<String>,
    /// A server of the configuration by name; else SPLITDECK_CONTEXT, else the configuration.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Whether anything may be changed.
    #[command(flatten)]
    pub changes: ChangesArgs,
    /// Allow plain HTTP to a server on another machine: the token crosses the network in the clear.
    #[arg(long)]
    pub allow_plain_http: bool,
    /// Lines of text instead of a screen, for screen readers and terminals that can do no more; so with TERM=dumb.
    #[arg(long)]
    pub plain: bool,
    /// How it looks and is heard.
    #[command(flatten)]
    pub look: LookArgs,
    /// Crash after the first frame, to see that the terminal is given back.
    #[arg(long, hide = true)]
    pub panic_after_first_frame: bool,
}

/// Whether anything may be changed in the cockpit.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ChangesArgs {
    /// Refuse every change, whatever the token may do; --read-only=false overrules the configuration
    #[arg(
        long,
        env = "SPLITDECK_READ_ONLY",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub read_only: Option<bool>,
}

/// How the cockpit looks and is heard.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LookArgs {
    /// Name of the theme: of a file in themes/ beside the configuration, or built in
    #[arg(long, env = "SPLITDECK_THEME", value_name = "NAME")]
    pub theme: Option<String>,
    /// Which glyphs are drawn: auto, braille, block or ascii
    #[arg(long, env = "SPLITDECK_GLYPHS", value_name = "SET", value_parser = glyphs)]
    pub glyphs: Option<GlyphSetting>,
    /// Draw with ASCII only: as --glyphs ascii
    #[arg(long, conflicts_with = "glyphs")]
    pub ascii: bool,
    /// Listen to the mouse: clicks select, the wheel scrolls
    #[arg(
        long,
        env = "SPLITDECK_MOUSE",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub mouse: Option<bool>,
    /// How to call on an automatic pause or a new alarm: bell, osc9, osc777, several with commas, or off
    #[arg(long, env = "SPLITDECK_NOTIFY", value_name = "WAYS")]
    pub notify: Option<Notify>,
}

fn glyphs(word: &str) -> Result<GlyphSetting, String> {
    let found = GlyphSetting::ALL.into_iter().find(|set| set.as_str() == word);
    found.ok_or_else(|| "allowed are auto, braille, block, ascii".to_owned())
}

/// Opens the cockpit. What no argument and no variable says is taken from the configuration file.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args) -> Result<(), CliError> {
    let (config, files) = configuration()?;
    let flags = Flags {
        api: args.api.clone(),
        project: args.project.clone(),
        context: args.context.clone(),
    };
    let variable = |name: &str| std::env::var(name).ok();
    let access = Access::find(&flags, variable, || Ok::<_, AccessError>(config.clone())).map_err(|error| {
        CliError::Usage(format!(
            "{error}. `splitdeck demo` starts a server with running experiments; `splitdeck --help` lists the \
             commands"
        ))
    })?;
    let dumb = std::env::var("TERM").is_ok_and(|term| matches!(term.trim(), "dumb" | ""));
    if args.plain || dumb {
        // There is no line above the list that could say what is wrong.
        files.config().map_err(CliError::Usage)?;
        if args.import.is_some() {
            return Err(CliError::Usage(
                "--import needs the screen; `splitdeck overrides import KEY FILE --variant VARIANT` does without, and \
                 so does `overrides import` in plain mode"
                    .to_owned(),
            ));
        }
        let server = Server {
            allow_plain_http: args.allow_plain_http || access.allow_plain_http,
            read_only: access.refuses_writes(args.changes.read_only),
            access,
        };
        let first = match (&args.experiment, &args.flag) {
            (Some(key), _) => Some(["experiments", "show", key]),
            (None, Some(key)) => Some(["flags", "show", key]),
            (None, None) => None,
        };
        return plain::run(server, first.as_ref().map(|words| &words[..]));
    }
    open(access, flags, args, config, files)
}

/// The user's configuration file as far as it can be used, and where it and the themes are. The cockpit itself says
/// what is wrong with the rest.
///
/// # Errors
/// See [`CliError`].
pub(super) fn configuration() -> Result<(Config, Files), CliError> {
    let paths = Paths::from_env().map_err(|error| CliError::Usage(error.to_string()))?;
    let config =
        Config::load_usable(&paths.config_file()).map_err(|error| CliError::Usage(error.to_string()))?;
    let files = Files {
        config: Some(paths.config_file()),
        themes: Some(paths.themes()),
    };
    Ok((config, files))
}

/// Opens the cockpit of the server at `access`.
///
/// # Errors
/// See [`CliError`].
pub(super) fn open(
    access: Access,
    asked: Flags,
    args: Args,
    config: Config,
    files: Files,
) -> Result<(), CliError> {
    // The same keys would be read in two places, and the cockpit would get none of them.
    if args.import.as_deref() == Some("-") && std::io::stdin().is_terminal() {
        return Err(CliError::Usage(
            "--import - reads ids from standard input, which is the terminal: give the path of a file, redirect \
             (--import - < ids.txt), or leave it out and paste the ids into the Overrides tab (i)"
                .to_owned(),
        ));
    }
    let mut options = CockpitOptions::new(access);
    options.asked = asked;
    options.experiment = args.experiment;
    options.flag = args.flag;
    options.import = args.import;
    options.read_only = args.changes.read_only;
    options.allow_plain_http = args.allow_plain_http;
    options.mouse = args.look.mouse.unwrap_or(config.cockpit.mouse);
    options.fixed = Fixed {
        theme: args.look.theme,
        glyphs: if args.look.ascii {
            Some(GlyphSetting::Ascii)
        } else {
            args.look.glyphs
        },
        notify: args.look.notify,
    };
    options.config = config;
    options.files = files;
    // Without a home directory the cockpit works, and says that unsaved changes end with it.
    options.state_dir = Paths::from_env().ok().map(|paths| paths.state);
    options.panic_after_first_frame = args.panic_after_first_frame;
    runtime::run(options).map_err(|error| match error {
        CockpitError::Client(error) => error.into(),
        CockpitError::Theme(_) => CliError::Usage(error.to_string()),
        _ => CliError::Failed(error.to_string()),
    })
}
