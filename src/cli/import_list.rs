//! `splitdeck overrides imports`: the bulk imports of an experiment or flag, and what one of them does to each id.

use crate::api::banners::group;
use crate::api::imports::{Import, ImportRow, ImportRows, ImportState, ListImportRows, RowEffect};
use crate::client::{Client, Owner};

use super::CliError;
use super::experiments::minute;
use super::output::{Align, Table, say};

/// The largest page the server gives.
const PAGE: u32 = 1_000;

/// Arguments of `splitdeck overrides imports`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key or UUID of the experiment, or with --flag of the flag
    pub(super) key: String,
    /// What this import does to each id, or did
    #[arg(long, value_name = "IMPORT")]
    rows: Option<String>,
    /// Only ids that are added, changed or unchanged
    #[arg(long, value_name = "EFFECT", requires = "rows", value_parser = effect)]
    effect: Option<RowEffect>,
    /// Only ids that contain this text
    #[arg(long, value_name = "TEXT", requires = "rows")]
    search: Option<String>,
    /// The most ids to list
    #[arg(long, default_value_t = 100, value_name = "N", requires = "rows")]
    limit: u32,
    /// List them all
    #[arg(long, conflicts_with = "limit", requires = "rows")]
    all: bool,
}

const EFFECTS: [(&str, RowEffect); 3] = [
    ("added", RowEffect::Added),
    ("changed", RowEffect::Changed),
    ("unchanged", RowEffect::Unchanged),
];

fn effect(word: &str) -> Result<RowEffect, String> {
    let found = EFFECTS.into_iter().find(|(name, _)| *name == word);
    found.map_or_else(
        || Err("allowed are added, changed and unchanged".to_owned()),
        |(_, effect)| Ok(effect),
    )
}

/// Lists the imports, or the ids of one.
pub(super) async fn tell(client: &Client, owner: Owner<'_>, args: &Args, json: bool) -> Result<(), CliError> {
    let Some(import) = &args.rows else {
        let list = client.imports(owner).await?;
        return say(json, &list, || list_text(&list.imports));
    };
    let most = if args.all { u32::MAX } else { args.limit };
    let mut query = ListImportRows {
        effect: args.effect,
        search: args.search.clone(),
        ..ListImportRows::default()
    };
    let mut rows: Vec<ImportRow> = Vec::new();
    let page = loop {
        let had = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        query.limit = Some(most.saturating_sub(had).min(PAGE));
        let page = client.import_rows(owner, import, &query).await?;
        rows.extend(page.rows);
        query.after = page.next_after;
        if page.next_after.is_none() || rows.len() >= most as usize {
            break ImportRows {
                rows,
                next_after: page.next_after,
            };
        }
    };
    say(json, &page, || rows_text(&page))
}

/// How far an import is, in words.
fn state(import: &Import) -> &'static str {
    match import.state {
        ImportState::Staged => "staged",
        ImportState::Applying => "applying",
        ImportState::Applied => "applied",
        ImportState::Undoing => "undoing",
        ImportState::Undone => "undone",
    }
}

fn list_text(imports: &[Import]) -> String {
    if imports.is_empty() {
        return "no imports\n".to_owned();
    }
    let mut table = Table::new(&[
        ("IMPORT", Align::Left),
        ("STATE", Align::Left),
        ("CHUNKS", Align::Right),
        ("IDS", Align::Right),
        ("VARIANT", Align::Left),
        ("STAGED", Align::Left),
        ("BY", Align::Left),
        ("OF", Align::Left),
    ]);
    for import in imports {
        table.row([
            import.id.to_string().as_str(),
            state(import),
            &format!("{} of {}", import.applied_chunks, import.chunks),
            &group(import.unique),
            import.variant.as_str(),
            &minute(import.created_at),
            &import.actor,
            import.source_name.as_deref().unwrap_or_default(),
        ]);
    }
    table.text()
}

fn rows_text(page: &ImportRows) -> String {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("EFFECT", Align::Left),
        ("FROM", Align::Left),
    ]);
    for row in &page.rows {
        let effect = EFFECTS.into_iter().find(|(_, effect)| *effect == row.effect);
        table.row([
            row.subject_id.as_str(),
            effect.map_or("", |(name, _)| name),
            row.from.as_deref().unwrap_or_default(),
        ]);
    }
    let mut text = if page.rows.is_empty() {
        "no ids\n".to_owned()
    } else {
        table.text()
    };
    if page.next_after.is_some() {
        text.push_str("more than these; --limit or --all lists them\n");
    }
    text
}
