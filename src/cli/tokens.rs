//! `splitdeck tokens`: who may do what.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::projects::{CreateToken, STILL_TAKEN, TokenList, TokenRow};
use crate::api::system::Role;
use crate::domain::Key;

use super::CliError;
use super::experiments::minute;
use super::output::{Align, Table, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck tokens`.
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
    /// Tokens of the projects that you administer
    List,
    /// Make a token; it is printed once
    Create {
        /// What the audit log writes as the actor
        name: String,
        /// What it may do where, such as shop-prod=viewer; may be repeated
        #[arg(long = "role", value_name = "PROJECT=ROLE", value_parser = role, required = true)]
        roles: Vec<(Key, Role)>,
        /// When it ends by itself, such as 2027-01-31T00:00:00Z
        #[arg(long, value_name = "TIME")]
        expires: Option<Timestamp>,
    },
    /// Revoke a token: in force at once
    Revoke {
        /// Its UUID, as `list` tells it
        id: Uuid,
    },
}

fn role(text: &str) -> Result<(Key, Role), String> {
    let (project, role) = text
        .split_once('=')
        .ok_or("it has the form PROJECT=ROLE, such as shop-prod=viewer")?;
    let project = Key::new(project).map_err(|error| error.to_string())?;
    let role = serde_json::from_value(role.into());
    Ok((project, role.map_err(|_| "the roles are viewer, editor, admin")?))
}

/// Runs `splitdeck tokens`.
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
            let list = client.tokens().await?;
            say(json, &list, || list_text(&list))
        }
        Command::Create { name, roles, expires } => {
            let body = CreateToken {
                name,
                roles: roles.into_iter().collect(),
                expires_at: expires,
            };
            let made = client.create_token(&body).await?;
            say(json, &made, || {
                let mut about = Table::pairs();
                about.pair("name", &made.row.name);
                about.pair("id", &made.row.id.to_string());
                about.pair("roles", &roles_text(&made.row.roles));
                about.pair("token", &made.token);
                format!("{}The token is not told again.\n", about.text())
            })
        }
        Command::Revoke { id } => match client.revoke_token(id).await? {
            None => say(json, &serde_json::json!({ "revoked": id }), || {
                format!("{id} is revoked\n")
            }),
            Some(left) => say(json, &left, || format!("{} {STILL_TAKEN}\n", left.name)),
        },
    })
}

fn roles_text(roles: &BTreeMap<Key, Role>) -> String {
    let each = roles
        .iter()
        .map(|(project, role)| format!("{project}={}", role.as_str()));
    each.collect::<Vec<_>>().join(" ")
}

/// What became of a token.
fn state(row: &TokenRow) -> String {
    match (row.revoked_at, row.expires_at) {
        (Some(at), _) => format!("revoked {}", minute(at)),
        (None, Some(at)) => format!("until {}", minute(at)),
        (None, None) => String::new(),
    }
}

fn list_text(list: &TokenList) -> String {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("NAME", Align::Left),
        ("ROLES", Align::Left),
        ("MADE", Align::Left),
        ("STATE", Align::Left),
    ]);
    for row in &list.tokens {
        table.row([
            row.id.to_string(),
            row.name.clone(),
            roles_text(&row.roles),
            minute(row.created_at),
            state(row),
        ]);
    }
    table.text()
}
