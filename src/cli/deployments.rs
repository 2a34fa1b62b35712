//! `splitdeck deployments`: programs that evaluate and track, and their keys.

use crate::api::deployments::{CreateDeployment, DeploymentList, RevokeKey, RotateKey};
use crate::client::Client;
use crate::domain::{Deployment, DeploymentKind};

use super::CliError;
use super::experiments::minute;
use super::output::{Align, Table, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck deployments`.
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
    /// All deployments of the project
    List,
    /// Create a deployment; its key is printed once
    Create {
        /// Its name
        name: String,
        /// Where its key lives: `client` (everybody can read it) or `server` (a secret)
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: DeploymentKind,
    },
    /// Give a deployment a new key, which is printed once
    Rotate {
        /// Name or UUID of the deployment
        name: String,
        /// Seconds for which the old key is still taken, at most 2592000
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        grace: u32,
    },
    /// End all keys of a deployment, for good
    Revoke {
        /// Name or UUID of the deployment
        name: String,
        /// Why, in words, for the audit log
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
}

fn kind(text: &str) -> Result<DeploymentKind, String> {
    serde_json::from_value(text.into()).map_err(|_| "allowed are client, server".to_owned())
}

/// Runs `splitdeck deployments`.
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
            let list = client.deployments().await?;
            say(json, &list, || list_text(&list))
        }
        Command::Create { name, kind } => {
            let made = client.create_deployment(&CreateDeployment { name, kind }).await?;
            say(json, &made, || key_text(&made))
        }
        Command::Rotate { name, grace } => {
            let live = find(&client, &name).await?;
            let body = RotateKey {
                resource_version: live.resource_version,
                grace_seconds: grace,
            };
            let rotated = client.rotate_key(&live.id.to_string(), &body).await?;
            say(json, &rotated, || key_text(&rotated))
        }
        Command::Revoke { name, comment } => {
            let live = find(&client, &name).await?;
            let body = RevokeKey {
                resource_version: live.resource_version,
                comment,
            };
            let revoked = client.revoke_deployment(&live.id.to_string(), &body).await?;
            say(json, &revoked, || {
                format!("{} is revoked: none of its keys is taken\n", revoked.name)
            })
        }
    })
}

/// The deployment with this id or name, whatever its case.
async fn find(client: &Client, name: &str) -> Result<Deployment, CliError> {
    let list = client.deployments().await?;
    let mut all = list.deployments.into_iter().map(|row| row.deployment);
    let found = all.find(|d| d.name.to_lowercase() == name.to_lowercase() || d.id.to_string() == name);
    found.ok_or_else(|| {
        CliError::Failed(format!(
            "there is no deployment `{name}` in this project; `splitdeck deployments list` names them"
        ))
    })
}

fn key_text(deployment: &Deployment) -> String {
    let mut about = Table::pairs();
    about.pair("name", &deployment.name);
    about.pair("id", &deployment.id.to_string());
    about.pair("kind", deployment.kind.as_str());
    about.pair("key", deployment.key.as_deref().unwrap_or_default());
    let once = match deployment.kind {
        DeploymentKind::Client => "",
        DeploymentKind::Server => "The key is not told again.\n",
    };
    format!("{}{once}", about.text())
}

fn list_text(list: &DeploymentList) -> String {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("KEY", Align::Left),
        ("EXPERIMENTS", Align::Right),
        ("FLAGS", Align::Right),
        ("STATE", Align::Left),
    ]);
    for row in &list.deployments {
        let d = &row.deployment;
        let state = d
            .revoked_at
            .map_or_else(String::new, |at| format!("revoked {}", minute(at)));
        table.row([
            d.name.as_str(),
            d.kind.as_str(),
            &d.key_hint,
            &row.experiments.to_string(),
            &row.flags.to_string(),
            &state,
        ]);
    }
    table.text()
}
