//! `splitdeck` without a subcommand: the cockpit of a server.

use super::CliError;
use crate::config::access::API_VARIABLE;
use crate::config::{Access, AccessError, Config, Paths};
use crate::runtime::{self, CockpitError, CockpitOptions};

/// Arguments of the cockpit.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// The experiment to open, by key or id.
    #[arg(long, value_name = "KEY")]
    pub experiment: Option<String>,
    /// Address of the server; else SPLITDECK_API, else the configuration.
    #[arg(long, value_name = "URL")]
    pub api: Option<String>,
    /// Refuse every change, whatever the token may do.
    #[arg(long)]
    pub read_only: bool,
    /// Allow plain HTTP to a server on another machine: the token crosses the network in the clear.
    #[arg(long)]
    pub allow_plain_http: bool,
    /// Name of the theme.
    #[arg(long, env = "SPLITDECK_THEME", value_name = "NAME")]
    pub theme: Option<String>,
    /// Draw with ASCII only.
    #[arg(long)]
    pub ascii: bool,
    /// Crash after the first frame, to see that the terminal is given back.
    #[arg(long, hide = true)]
    pub panic_after_first_frame: bool,
}

/// Opens the cockpit. What no argument and no variable says is taken from the configuration file.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args) -> Result<(), CliError> {
    let usage = |error: &dyn std::error::Error| CliError::Usage(error.to_string());
    let paths = Paths::from_env().map_err(|error| usage(&error))?;
    let config = Config::load(&paths.config_file()).map_err(|error| usage(&error))?;
    let variable = |name: &str| match &args.api {
        Some(api) if name == API_VARIABLE => Some(api.clone()),
        _ => std::env::var(name).ok(),
    };
    let access = Access::find(variable, || Ok::<_, AccessError>(config.cockpit.clone())).map_err(|error| {
        CliError::Usage(format!(
            "{error}. `splitdeck demo` starts a server with running experiments; `splitdeck --help` lists the \
             commands"
        ))
    })?;
    let mut options = CockpitOptions::new(access.api, access.token);
    options.experiment = args.experiment;
    options.read_only = args.read_only;
    options.allow_plain_http = args.allow_plain_http;
    options.theme = args.theme.unwrap_or(config.cockpit.theme);
    options.ascii = args.ascii || config.cockpit.glyphs == "ascii";
    options.keys = config.keys;
    options.panic_after_first_frame = args.panic_after_first_frame;
    runtime::run(options).map_err(|error| match error {
        CockpitError::Client(error) => error.into(),
        CockpitError::Theme(_) => CliError::Usage(error.to_string()),
        _ => CliError::Failed(error.to_string()),
    })
}
