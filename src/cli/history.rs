//! `splitdeck history` and `splitdeck insights`: what the panel and the tab of these names show.

use jiff::Timestamp;
use serde::Serialize;

use super::CliError;
use super::output::{plain, print, print_json};
use super::remote::{Remote, Session};
use crate::api::experiments::HistoryQuery;
use crate::api::results::ResultsQuery;
use crate::domain::AuditEntry;
use crate::insights;

/// Arguments of `splitdeck history`.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// Key or UUID of the experiment
    key: String,
    /// Only entries before the one of this id
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `splitdeck insights`.
#[derive(Debug, clap::Args)]
pub struct InsightsArgs {
    /// Key or UUID of the experiment
    key: String,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `splitdeck history`: who changed what, the newest first.
///
/// # Errors
/// See [`CliError`].
pub fn history(args: HistoryArgs, session: &Session) -> Result<(), CliError> {
    args.remote.run(session, async |client| {
        let query = HistoryQuery {
            before: args.before,
            ..HistoryQuery::default()
        };
        let history = client.history(&args.key, &query).await?;
        if args.json {
            return print_json(&history);
        }
        let mut text: String = history.entries.iter().map(entry).collect();
        if let Some(before) = history.next_before {
            text.push_str(&format!("more with --before {before}\n"));
        }
        if text.is_empty() {
            "no changes\n".clone_into(&mut text);
        }
        print(&text)
    })
}

/// One entry: a line, and a line for each change below it.
fn entry(entry: &AuditEntry) -> String {
    let at = entry.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let version = entry.resource_version;
    let mut text = format!(
        "{at}  {}  {}  v{version}\n",
        plain(&entry.actor),
        entry.action.as_str()
    );
    if let Some(comment) = entry.comment.as_deref().filter(|comment| !comment.is_empty()) {
        text.push_str(&format!("  comment: {}\n", plain(comment)));
    }
    for change in &entry.changes {
        let value = |value: &serde_json::Value| plain(&value.to_string());
        text.push_str(&format!(
            "  {}: {} -> {}\n",
            plain(&change.field),
            value(&change.from),
            value(&change.to)
        ));
    }
    text
}

/// A paragraph, as it is printed for programs.
#[derive(Serialize)]
struct Told {
    text: String,
}

/// Runs `splitdeck insights`: the results in words, written by rules from the live numbers.
///
/// # Errors
/// See [`CliError`].
pub fn insights(args: InsightsArgs, session: &Session) -> Result<(), CliError> {
    args.remote.run(session, async |client| {
        let experiment = client.experiment(&args.key).await?;
        let results = client.results(&args.key, &ResultsQuery::default()).await?;
        let summary = insights::summary(&experiment, &results, Timestamp::now());
        let paragraphs: Vec<Told> = summary.into_iter().map(|p| Told { text: p.text }).collect();
        if args.json {
            return print_json(&paragraphs);
        }
        let texts: Vec<String> = paragraphs.iter().map(|p| plain(&p.text)).collect();
        print(&format!("{}\n", texts.join("\n\n")))
    })
}
