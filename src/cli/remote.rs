//! What the commands that speak to a server have in common.

use crate::api::problem::Code;
use crate::client::{Client, ClientError, Options};
use crate::config::access::API_VARIABLE;
use crate::config::file::CockpitConfig;
use crate::config::{Access, AccessError, Config, Paths};

use super::CliError;

/// Arguments of every command that speaks to a server. The token comes from `SPLITDECK_TOKEN` or from a
/// file: an argument could be read by every user of the machine.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Remote {
    /// Address of the server; else SPLITDECK_API, else the configuration
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    api: Option<String>,
    /// Speak plain HTTP to another machine, the token readable on the way
    #[arg(long, global = true, help_heading = "Server")]
    allow_plain_http: bool,
}

impl Remote {
    /// Runs `work` with a client of the server.
    ///
    /// # Errors
    /// [`CliError`] when the server or the token is not known, and what `work` failed with.
    pub fn run<T, F>(&self, work: impl FnOnce(Client) -> F) -> Result<T, CliError>
    where
        F: Future<Output = Result<T, CliError>>,
    {
        let variable = |name: &str| match &self.api {
            Some(api) if name == API_VARIABLE => Some(api.clone()),
            _ => std::env::var(name).ok(),
        };
        let Access { api, token } = Access::find(variable, of_user)?;
        let options = Options {
            allow_plain_http: self.allow_plain_http,
            ..Options::default()
        };
        let client = Client::new(&api, token, options)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::Failed(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(work(client))
    }
}

/// The user's configuration of the cockpit: it names the server for headless commands as well.
fn of_user() -> Result<CockpitConfig, CliError> {
    let usage = |error: &dyn std::error::Error| CliError::Usage(error.to_string());
    let paths = Paths::from_env().map_err(|error| usage(&error))?;
    let config = Config::load(&paths.config_file()).map_err(|error| usage(&error))?;
    Ok(config.cockpit)
}

impl From<AccessError> for CliError {
    fn from(error: AccessError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ClientError> for CliError {
    /// What the server refused because of what was asked is a fault of the arguments.
    fn from(error: ClientError) -> Self {
        let wrong_arguments = match &error {
            ClientError::BadAddress { .. } | ClientError::BadToken => true,
            refused => matches!(refused.code(), Some(Code::Invalid | Code::Malformed)),
        };
        if wrong_arguments {
            Self::Usage(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}
