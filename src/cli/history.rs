//! `splitdeck history` and `splitdeck insights`: what the panel and the tab of these names show.

use jiff::Timestamp;

use super::experiments::minute;
use super::output::{plain, say};
use super::remote::{Remote, Session};
use super::{CliError, audit};
use crate::api::banners::group;
use crate::api::experiments::HistoryQuery;
use crate::api::insights::{Insight, Paragraph};
use crate::api::results::ResultsQuery;
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
    /// The summary that was saved last: when and from what it was written, and what was changed since
    #[arg(long)]
    saved: bool,
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
        say(args.json, &history, || audit::text(&history))
    })
}

/// Runs `splitdeck insights`: the results in words, written by rules from the live numbers.
///
/// # Errors
/// See [`CliError`].
pub fn insights(args: InsightsArgs, session: &Session) -> Result<(), CliError> {
    args.remote.run(session, async |client| {
        let experiment = client.experiment(&args.key).await?;
        if args.saved {
            let saved = client.insight(&args.key).await?;
            return say(args.json, &saved, || saved_text(&saved));
        }
        let results = client.results(&args.key, &ResultsQuery::default()).await?;
        let summary = insights::summary(&experiment, &results, Timestamp::now());
        let paragraphs: Vec<Paragraph> = summary.into_iter().map(Paragraph::from).collect();
        say(args.json, &paragraphs, || told(&paragraphs))
    })
}

/// The saved summary below when it was written, and what was changed since.
fn saved_text(saved: &Insight) -> String {
    let changed = match saved.changed_since.as_slice() {
        [] => "nothing was changed since".to_owned(),
        changed => format!("changed since: {}", changed.join(", ")),
    };
    format!(
        "written {} by {} from version {}, {} subjects and {} conversions; {}\n\n{}",
        minute(saved.generated_at),
        plain(&saved.actor),
        saved.resource_version,
        group(saved.subjects),
        group(saved.conversions),
        plain(&changed),
        told(&saved.paragraphs)
    )
}

/// Each paragraph below its title: a hypothesis must not read as a finding.
fn told(paragraphs: &[Paragraph]) -> String {
    let each = paragraphs
        .iter()
        .map(|Paragraph { title, text }| format!("{}\n{}\n", plain(title), plain(text)));
    each.collect::<Vec<_>>().join("\n")
}
