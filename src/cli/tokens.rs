//! `splitdeck tokens`: who may do what.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::projects::{CreateToken, STILL_TAKEN, TokenList, TokenRow};
use crate::api::system::Role;
use crate::client::Client;
use crate::domain::Key;

use super::CliError;
use super::arguments::moment;
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
        #[arg(long, value_name = "TIME", value_parser = moment)]
        expires: Option<Timestamp>,
    },
    /// Revoke a token: in force at once
    Revoke {
        /// Its name or its UUID, as `list` tells them
        #[arg(value_name = "TOKEN")]
        token: String,
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
            if let Some(project) = twice(&roles) {
                return Err(CliError::Usage(format!(
                    "--role {project}=… is there more than once: a token has one role in a project"
                )));
            }
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
        Command::Revoke { token } => {
            let id = named(&client, &token).await?;
            match client.revoke_token(id).await? {
                None => say(json, &serde_json::json!({ "revoked": id }), || {
                    format!("{token} is revoked\n")
                }),
                Some(left) => say(json, &left, || format!("{} {STILL_TAKEN}\n", left.name)),
            }
        }
    })
}

/// The project that is given two roles.
fn twice(roles: &[(Key, Role)]) -> Option<&Key> {
    let same = |at: usize, key: &Key| {
        roles
            .iter()
            .take(at)
            .any(|(other, _)| other.folded() == key.folded())
    };
    let mut all = roles.iter().enumerate();
    all.find_map(|(at, (key, _))| same(at, key).then_some(key))
}

/// The id of a token by its name, among those that are not revoked, or by the id itself.
async fn named(client: &Client, token: &str) -> Result<Uuid, CliError> {
    if let Ok(id) = Uuid::parse_str(token) {
        return Ok(id);
    }
    let list = client.tokens().await?;
    let mut rows = list.tokens.iter().filter(|row| row.revoked_at.is_none());
    let found = rows.find(|row| row.name == token);
    found.map(|row| row.id).ok_or_else(|| {
        CliError::Failed(format!(
            "there is no token named `{token}` in the projects that you administer; `splitdeck tokens list` shows those \
             there are"
        ))
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
