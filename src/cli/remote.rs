//! What the commands that speak to a server have in common.

use std::io::IsTerminal as _;

use crate::api::problem::Code;
use crate::client::{Client, ClientError, Options};
use crate::config::{Access, AccessError, Config, Flags, Paths};

use super::CliError;
use super::output::remark;

/// Arguments of every command that speaks to a server. The token comes from `SPLITDECK_TOKEN` or from a
/// file: an argument could be read by every user of the machine.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Remote {
    /// Address of the server; else SPLITDECK_API, else the configuration
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    api: Option<String>,
    /// Key of the project; else SPLITDECK_PROJECT, else the configuration, else the token's own
    #[arg(
        id = "server_project",
        long = "project",
        global = true,
        value_name = "KEY",
        help_heading = "Server"
    )]
    project: Option<String>,
    /// A server of the configuration by name; else SPLITDECK_CONTEXT, else the configuration
    #[arg(
        id = "server_context",
        long = "context",
        global = true,
        value_name = "NAME",
        help_heading = "Server"
    )]
    context: Option<String>,
    /// Refuse every change before it is sent; so does read_only in the configuration, unless this says false
    #[arg(
        id = "server_read_only",
        long = "read-only",
        global = true,
        env = "SPLITDECK_READ_ONLY",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "Server"
    )]
    read_only: Option<bool>,
    /// Speak plain HTTP to another machine, the token readable on the way
    #[arg(long, global = true, help_heading = "Server")]
    allow_plain_http: bool,
}

/// What a command is part of.
#[derive(Debug, Clone, Default)]
pub enum Session {
    /// A command line of its own: arguments, the environment and the configuration say which server is meant.
    #[default]
    Alone,
    /// Plain mode: every command that is typed speaks to the server that the session was started with, as it
    /// was started.
    Of(Server),
}

/// A server that commands speak to, and how.
#[derive(Debug, Clone)]
pub struct Server {
    /// The server, the token and the project.
    pub access: Access,
    /// Whether plain HTTP to another machine is allowed.
    pub allow_plain_http: bool,
    /// Whether every change is refused.
    pub read_only: bool,
}

impl Remote {
    /// The server that is meant. A session has its own: arguments can choose another project there, and refuse
    /// changes; they cannot allow what the session refuses.
    ///
    /// # Errors
    /// [`CliError`] when the server or the token is not known, or an argument names another server than that of
    /// the session.
    pub fn server(&self, session: &Session) -> Result<Server, CliError> {
        let mut server = match session {
            Session::Of(server) => {
                self.stays(server)?;
                let mut server = server.clone();
                if self.project.is_some() {
                    server.access.project.clone_from(&self.project);
                }
                server
            }
            Session::Alone => {
                let flags = Flags {
                    api: self.api.clone(),
                    project: self.project.clone(),
                    context: self.context.clone(),
                };
                let access = Access::find(&flags, |name| std::env::var(name).ok(), of_user)?;
                Server {
                    allow_plain_http: access.allow_plain_http,
                    read_only: access.refuses_writes(self.read_only),
                    access,
                }
            }
        };
        server.allow_plain_http |= self.allow_plain_http;
        server.read_only |= self.read_only == Some(true);
        Ok(server)
    }

    /// A session's token is for its own server only.
    fn stays(&self, server: &Server) -> Result<(), CliError> {
        let other = [("--api", &self.api), ("--context", &self.context)];
        match other.into_iter().find(|(_, given)| given.is_some()) {
            None => Ok(()),
            Some((name, _)) => Err(CliError::Usage(format!(
                "this session speaks to {} alone, so {name} cannot be given here; start another with \
                 `splitdeck --plain {name} …`",
                server.access.api
            ))),
        }
    }

    /// Runs `work` with a client of the server.
    ///
    /// # Errors
    /// As [`Remote::server`], and what `work` failed with.
    pub fn run<T, F>(&self, session: &Session, work: impl FnOnce(Client) -> F) -> Result<T, CliError>
    where
        F: Future<Output = Result<T, CliError>>,
    {
        let client = self.server(session)?.client()?;
        runtime()?.block_on(work(client))
    }
}

impl Server {
    /// A client of it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`CliError`] when the address, the token or the project cannot be one.
    pub fn client(&self) -> Result<Client, CliError> {
        let options = Options {
            allow_plain_http: self.allow_plain_http,
            read_only: self.read_only,
            // Who watches is told; a log of a script is for what went wrong.
            slow: std::io::stderr().is_terminal().then_some(remark),
            ..Options::default()
        };
        let Access {
            api, token, project, ..
        } = &self.access;
        Ok(Client::new(api, token, options)?.in_project(project.as_deref())?)
    }
}

/// What a command waits for its server in.
///
/// # Errors
/// [`CliError::Failed`] when the system gives none.
pub fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start the runtime: {error}")))
}

/// The user's configuration: its `[cockpit]` and contexts name the server for headless commands as well.
fn of_user() -> Result<Config, CliError> {
    let usage = |error: &dyn std::error::Error| CliError::Usage(error.to_string());
    let paths = Paths::from_env().map_err(|error| usage(&error))?;
    Config::load(&paths.config_file()).map_err(|error| usage(&error))
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
            ClientError::BadAddress { .. }
            | ClientError::BadToken
            | ClientError::BadProject { .. }
            | ClientError::BadKey { .. } => true,
            refused => matches!(refused.code(), Some(Code::Invalid | Code::Malformed)),
        };
        if wrong_arguments {
            Self::Usage(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}
