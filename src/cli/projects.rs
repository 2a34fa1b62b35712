//! `splitdeck projects`: one product in one environment each.

use crate::api::projects::{CreateProject, ProjectList, UpdateProject};
use crate::domain::{Environment, Key, Project};

use super::CliError;
use super::output::{Align, Table, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck projects`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The projects in which the token has a role
    List,
    /// Create a project with its default deployment
    Create {
        /// Its key, such as shop-prod
        key: Key,
        /// The name that people read
        #[arg(long, value_name = "TEXT", default_value = "")]
        name: String,
        /// development, staging or production
        #[arg(long, value_name = "WHICH", value_parser = environment, default_value = "development")]
        environment: Environment,
        /// Dangerous actions ask for the experiment's key to be typed
        #[arg(long)]
        protected: bool,
    },
    /// Change a project
    Update {
        /// Its key or UUID
        key: String,
        /// New name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// New environment
        #[arg(long, value_name = "WHICH", value_parser = environment)]
        environment: Option<Environment>,
        /// Whether dangerous actions ask for the experiment's key to be typed
        #[arg(long, value_name = "YES")]
        protected: Option<bool>,
    },
}

fn environment(text: &str) -> Result<Environment, String> {
    let read = serde_json::from_value(text.into());
    read.map_err(|_| "allowed are development, staging, production".to_owned())
}

/// Runs `splitdeck projects`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    let Args {
        command,
        remote,
        json,
    } = args;
    remote.run(session, async |client| match command {
        Command::List => {
            let list = client.projects().await?;
            say(json, &list, || list_text(&list))
        }
        Command::Create {
            key,
            name,
            environment,
            protected,
        } => {
            let body = CreateProject {
                key,
                name,
                environment,
                protected,
            };
            let project = client.create_project(&body).await?;
            say(json, &project, || now(&project))
        }
        Command::Update {
            key,
            name,
            environment,
            protected,
        } => {
            let live = client.project(&key).await?.project;
            let body = UpdateProject {
                resource_version: live.resource_version,
                name,
                environment,
                protected,
            };
            let project = client.update_project(&live.id.to_string(), &body).await?;
            say(json, &project, || now(&project))
        }
    })
}

fn now(project: &Project) -> String {
    let protected = if project.protected { ", protected" } else { "" };
    format!(
        "{} is a project of {}{protected} (version {})\n",
        project.key,
        project.environment.as_str(),
        project.resource_version
    )
}

fn list_text(list: &ProjectList) -> String {
    let mut table = Table::new(&[
        ("KEY", Align::Left),
        ("ENVIRONMENT", Align::Left),
        ("PROTECTED", Align::Left),
        ("ROLE", Align::Left),
        ("EXPERIMENTS", Align::Right),
        ("ACTIVE", Align::Right),
        ("FLAGS", Align::Right),
        ("NAME", Align::Left),
    ]);
    for row in &list.projects {
        let project = &row.project;
        table.row([
            project.key.as_str(),
            project.environment.as_str(),
            if project.protected { "yes" } else { "no" },
            row.role.as_str(),
            &row.experiments.to_string(),
            &row.active.to_string(),
            &row.flags.to_string(),
            &project.name,
        ]);
    }
    table.text()
}
