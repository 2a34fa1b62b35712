//! `splitdeck audit`: who changed what, when, from and to.

use jiff::Timestamp;

use crate::api::audit::AuditQuery;
use crate::api::experiments::History;
use crate::domain::{AuditAction, AuditEntry};

use super::CliError;
use super::arguments::moment;
use super::experiments::minute;
use super::output::{plain, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only objects that had this key at that time
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only this action, such as experiment.status_changed
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<AuditAction>,
    /// Only by this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only at or after this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Only before this entry: the number that the page before ended with
    #[arg(long, value_name = "N")]
    before: Option<i64>,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn action(text: &str) -> Result<AuditAction, String> {
    match AuditAction::from(text) {
        AuditAction::Other => {
            let known: Vec<&str> = AuditAction::ALL.iter().map(|a| a.as_str()).collect();
            Err(format!("the actions are {}", known.join(", ")))
        }
        known => Ok(known),
    }
}

/// Runs `splitdeck audit`: a page of the project's log, the newest first.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    let query = AuditQuery {
        before: args.before,
        action: args.action,
        actor: args.actor,
        object_id: None,
        object_key: args.key,
        from: args.from,
        to: args.to,
    };
    args.remote.run(session, async |client| {
        let page = client.audit(&query).await?;
        say(args.json, &page, || text(&page))
    })
}

/// The entries of a page as lines, with each change below its entry.
pub(super) fn text(page: &History) -> String {
    if page.entries.is_empty() {
        return "no entries\n".to_owned();
    }
    let mut text: String = page.entries.iter().map(entry).collect();
    if let Some(before) = page.next_before {
        text.push_str(&format!("more with --before {before}\n"));
    }
    text
}

fn entry(entry: &AuditEntry) -> String {
    let mut text = format!(
        "{}  {}  {}  {} (version {})\n",
        minute(entry.at),
        plain(&entry.actor),
        entry.action.as_str(),
        plain(&entry.object_key),
        entry.resource_version
    );
    if let Some(comment) = &entry.comment {
        text.push_str(&format!("    \"{}\"\n", plain(comment)));
    }
    for change in &entry.changes {
        let line = format!("{}: {} → {}", change.field, change.from, change.to);
        text.push_str(&format!("    {}\n", plain(&line)));
    }
    text
}
