//! `splitdeck labs`: what experiments are grouped by.

use crate::api::projects::{CreateLab, LabList, UpdateLab};
use crate::domain::Key;

use super::CliError;
use super::output::{Align, Table, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck labs`.
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
    /// All labs of the project
    List,
    /// Create a lab
    Create {
        /// Its key
        key: Key,
        /// The name that people read
        #[arg(long, value_name = "TEXT", default_value = "")]
        name: String,
        /// What its experiments are about
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Let a lab take no new experiments
    Archive {
        /// Its key or UUID
        key: String,
    },
}

/// Runs `splitdeck labs`.
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
            let list = client.labs().await?;
            say(json, &list, || list_text(&list))
        }
        Command::Create {
            key,
            name,
            description,
        } => {
            let body = CreateLab {
                key,
                name,
                description,
            };
            let lab = client.create_lab(&body).await?;
            say(json, &lab, || format!("{} is a lab now\n", lab.key))
        }
        Command::Archive { key } => {
            let live = client.lab(&key).await?;
            let body = UpdateLab {
                resource_version: live.resource_version,
                archived: Some(true),
                ..UpdateLab::default()
            };
            let lab = client.update_lab(&live.id.to_string(), &body).await?;
            say(json, &lab, || format!("{} is archived now\n", lab.key))
        }
    })
}

fn list_text(list: &LabList) -> String {
    let mut table = Table::new(&[
        ("KEY", Align::Left),
        ("STATE", Align::Left),
        ("NAME", Align::Left),
    ]);
    for lab in &list.labs {
        let state = if lab.archived { "archived" } else { "" };
        table.row([lab.key.as_str(), state, &lab.name]);
    }
    table.text()
}
