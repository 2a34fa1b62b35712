//! `splitdeck flags`: list, create, switch, roll out, copy and convert.

use crate::api::flags::{Convert, CreateFlag, FlagList, FlagRow, UpdateFlag};
use crate::client::Client;
use crate::domain::{Flag, Key, Percent};

use super::CliError;
use super::experiments::minute;
use super::output::{Align, Table, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck flags`.
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
    /// All flags of the project
    List {
        /// Archived ones too
        #[arg(long)]
        archived: bool,
    },
    /// One flag
    Show {
        /// Its key or UUID
        key: String,
    },
    /// Create a flag with the variant `on`, switched off
    Create {
        /// Its key
        key: Key,
        /// The name that people read
        #[arg(long, value_name = "TEXT", default_value = "")]
        name: String,
        /// Share of the subjects that get it, in percent
        #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "0")]
        rollout: Percent,
    },
    /// Switch a flag on
    Enable(Step),
    /// Switch a flag off: everybody gets `off`
    Disable(Step),
    /// Roll a flag out to a share of the subjects; nobody loses it while the share grows
    Rollout {
        #[command(flatten)]
        step: Step,
        /// The share, in percent
        #[arg(value_parser = percent)]
        percent: Percent,
    },
    /// Hide a flag
    Archive(Step),
    /// Make an experiment of a flag, linked to it
    Convert {
        /// Key or UUID of the flag
        key: String,
        /// Key of the experiment; else the flag's
        #[arg(long = "as", value_name = "KEY")]
        new_key: Option<Key>,
    },
    /// Copy a flag to another project, switched off
    Copy(super::copy::Args),
}

#[derive(Debug, clap::Args)]
struct Step {
    /// Key or UUID of the flag
    key: String,
    /// Why, in words, for the audit log
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

fn percent(text: &str) -> Result<Percent, String> {
    let number: f64 = text.parse().map_err(|_| "a number from 0 to 100".to_owned())?;
    Percent::new(number).map_err(|error| format!("allowed is {}", error.allowed))
}

/// Runs `splitdeck flags`.
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
        Command::List { archived } => {
            let list = client.flags(archived).await?;
            say(json, &list, || list_text(&list))
        }
        Command::Show { key } => {
            let flag = client.flag(&key).await?;
            say(json, &flag, || show_text(&flag))
        }
        Command::Create { key, name, rollout } => {
            let body = CreateFlag {
                key: Some(key.as_str().to_owned()),
                name,
                rollout_pct: rollout,
                ..CreateFlag::default()
            };
            let flag = client.create_flag(&body).await?;
            say(json, &flag, || now(&flag))
        }
        Command::Enable(step) => {
            let flag = change(&client, step, |body| body.enabled = Some(true)).await?;
            say(json, &flag, || now(&flag))
        }
        Command::Disable(step) => {
            let flag = change(&client, step, |body| body.enabled = Some(false)).await?;
            say(json, &flag, || now(&flag))
        }
        Command::Rollout { step, percent } => {
            let flag = change(&client, step, |body| body.rollout_pct = Some(percent)).await?;
            say(json, &flag, || now(&flag))
        }
        Command::Archive(step) => {
            let flag = change(&client, step, |body| body.archived = Some(true)).await?;
            say(json, &flag, || now(&flag))
        }
        Command::Convert { key, new_key } => {
            let live = client.flag(&key).await?.flag;
            let body = Convert {
                resource_version: live.resource_version,
                key: new_key,
            };
            let done = client.experiment_of_flag(&live.id.to_string(), &body).await?;
            say(json, &done, || {
                let (flag, experiment) = (&done.flag.key, &done.experiment.key);
                format!("{experiment} is a draft now, linked to the flag {flag}\n")
            })
        }
        Command::Copy(args) => {
            let (key, body) = args.read();
            let copy = client.copy_flag(&key, &body).await?;
            say(json, &copy, || {
                format!("{} is in {} now, switched off\n", copy.key, body.project)
            })
        }
    })
}

/// Changes a flag from the version that is live now.
async fn change(client: &Client, step: Step, set: impl FnOnce(&mut UpdateFlag)) -> Result<Flag, CliError> {
    let live = client.flag(&step.key).await?.flag;
    let mut body = UpdateFlag {
        resource_version: live.resource_version,
        comment: step.comment,
        ..UpdateFlag::default()
    };
    set(&mut body);
    Ok(client.update_flag(&live.id.to_string(), &body).await?)
}

fn state(flag: &Flag) -> &'static str {
    match (flag.archived, flag.enabled) {
        (true, _) => "archived",
        (false, true) => "on",
        (false, false) => "off",
    }
}

fn now(flag: &Flag) -> String {
    format!(
        "{} is {} now, rolled out to {} % (version {})\n",
        flag.key,
        state(flag),
        flag.rollout_pct.percent(),
        flag.resource_version
    )
}

fn list_text(list: &FlagList) -> String {
    if list.flags.is_empty() {
        return "no flags; `splitdeck flags create KEY` makes one\n".to_owned();
    }
    let mut table = Table::new(&[
        ("KEY", Align::Left),
        ("STATE", Align::Left),
        ("ROLLOUT", Align::Right),
        ("VARIANTS", Align::Left),
        ("DECIDED BY", Align::Left),
        ("OVERRIDES", Align::Right),
        ("UPDATED", Align::Left),
    ]);
    for row in &list.flags {
        let flag = &row.flag;
        let variants: Vec<&str> = flag.variants.iter().map(|v| v.key.as_str()).collect();
        table.row([
            flag.key.as_str(),
            state(flag),
            &format!("{} %", flag.rollout_pct.percent()),
            &variants.join(", "),
            row.decided_by.as_ref().map_or("", Key::as_str),
            &row.overrides.to_string(),
            &minute(flag.updated_at),
        ]);
    }
    table.text()
}

fn show_text(row: &FlagRow) -> String {
    let flag = &row.flag;
    let mut about = Table::pairs();
    about.pair("key", flag.key.as_str());
    about.pair("name", &flag.name);
    about.pair("id", &flag.id.to_string());
    about.pair("state", state(flag));
    about.pair("version", &flag.resource_version.to_string());
    about.pair("rollout", &format!("{} %", flag.rollout_pct.percent()));
    for variant in &flag.variants {
        about.pair(
            "variant",
            &format!("{} {} %", variant.key, variant.traffic_pct.percent()),
        );
    }
    about.pair("rules", &flag.rules.len().to_string());
    about.pair("overrides", &row.overrides.to_string());
    about.pair("evaluated", flag.evaluation_mode.as_str());
    about.pair("decided by", row.decided_by.as_ref().map_or("", Key::as_str));
    about.pair("description", &flag.description);
    about.text()
}
