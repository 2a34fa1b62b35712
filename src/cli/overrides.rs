//! `splitdeck overrides`: who is forced into a variant.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::api::banners::group;
use crate::api::overrides::{
    DeleteOverride, ListOverrides, MAX_OVERRIDES_PER_REQUEST, OverridePage, OverridesSet, SetOverrides,
};
use crate::api::problem::Code;
use crate::client::{Client, Owner};
use crate::domain::{Key, Override, OverrideSource, OverrideSubject};

use super::CliError;
use super::experiments::minute;
use super::imports;
use super::output::{Align, Table, print, print_json};
use super::remote::{Remote, Session};

/// How many ids that were not found are named.
const UNKNOWN_SHOWN: usize = 10;

/// The largest page the server gives.
const PAGE: u32 = 1_000;

/// Arguments of `splitdeck overrides`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// The key is that of a flag
    #[arg(long, global = true)]
    flag: bool,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The overrides of an experiment, or of a flag
    List {
        /// Key or UUID of the experiment, or with --flag of the flag
        key: String,
        /// Only ids that contain this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// The most overrides to list
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: u32,
        /// List them all
        #[arg(long, conflicts_with = "limit")]
        all: bool,
    },
    /// Force subjects into a variant; one that is forced already is changed
    Set {
        /// Key or UUID of the experiment, or with --flag of the flag
        key: String,
        /// The variant
        #[arg(long, value_name = "VARIANT")]
        variant: Key,
        #[command(flatten)]
        ids: Ids,
        /// File with one user id a line, `-` for standard input: set as a bulk import
        #[arg(long, value_name = "FILE")]
        users_from: Option<PathBuf>,
        /// File with one device id a line, `-` for standard input: set as a bulk import
        #[arg(long, value_name = "FILE")]
        devices_from: Option<PathBuf>,
    },
    /// Force many ids of a list into a variant: shows the difference, asks, applies in chunks, can be undone
    Import(imports::Args),
    /// The bulk imports, how far each is, and what one of them does to each id
    Imports(super::import_list::Args),
    /// Let subjects be decided like everybody again
    Delete {
        /// Key or UUID of the experiment, or with --flag of the flag
        key: String,
        #[command(flatten)]
        ids: Ids,
    },
}

#[derive(Debug, clap::Args)]
struct Ids {
    /// User id; may be repeated
    #[arg(long = "user", value_name = "ID")]
    users: Vec<String>,
    /// Device id; may be repeated
    #[arg(long = "device", value_name = "ID")]
    devices: Vec<String>,
}

/// Runs `splitdeck overrides`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    let Args {
        command,
        flag,
        remote,
        json,
    } = args;
    match command {
        Command::List {
            key,
            search,
            limit,
            all,
        } => remote.run(session, async |client| {
            let most = if all { u32::MAX } else { limit };
            let page = list(&client, owner(flag, &key), search, most).await?;
            if json {
                print_json(&page)
            } else {
                print(&list_text(&page))
            }
        }),
        Command::Set {
            key,
            variant,
            ids,
            users_from,
            devices_from,
        } => {
            let batches = batches(ids, users_from.as_deref(), devices_from.as_deref())?;
            remote.run(session, async |client| {
                let done = set(&client, owner(flag, &key), &variant, &batches).await?;
                if json {
                    print_json(&done)
                } else {
                    print(&set_text(&variant, done))
                }
            })
        }
        Command::Import(args) => imports::run(&args, flag, &remote, session, json),
        Command::Imports(args) => remote.run(session, async |client| {
            super::import_list::tell(&client, owner(flag, &args.key), &args, json).await
        }),
        Command::Delete { key, ids } => {
            let subjects = subjects(ids);
            if subjects.is_empty() {
                return Err(nobody("--user or --device"));
            }
            remote.run(session, async |client| {
                let deleted = delete(&client, owner(flag, &key), &subjects).await?;
                if json {
                    print_json(&deleted)
                } else {
                    print(&format!("{} deleted\n", count(deleted.deleted)))
                }
            })
        }
    }
}

/// Whose overrides are meant.
pub(super) fn owner(flag: bool, key: &str) -> Owner<'_> {
    if flag {
        Owner::Flag(key)
    } else {
        Owner::Experiment(key)
    }
}

fn nobody(allowed: &str) -> CliError {
    CliError::Usage(format!("nobody to do it for: name subjects by {allowed}"))
}

fn count(overrides: u64) -> String {
    let noun = if overrides == 1 { "override" } else { "overrides" };
    format!("{} {noun}", group(overrides))
}

/// The first `most` overrides, over as many pages as it takes.
async fn list(
    client: &Client,
    owner: Owner<'_>,
    search: Option<String>,
    most: u32,
) -> Result<OverridePage, CliError> {
    let mut query = ListOverrides {
        search,
        after: None,
        limit: None,
    };
    let mut all: Vec<Override> = Vec::new();
    loop {
        let had = u32::try_from(all.len()).unwrap_or(u32::MAX);
        query.limit = Some(most.saturating_sub(had).min(PAGE));
        let page = client.overrides(owner, &query).await?;
        all.extend(page.overrides);
        query.after.clone_from(&page.next_after);
        if page.next_after.is_none() || all.len() >= most as usize {
            return Ok(OverridePage {
                overrides: all,
                ..page
            });
        }
    }
}

fn list_text(page: &OverridePage) -> String {
    let mut table = Table::new(&[
        ("SUBJECT", Align::Left),
        ("ID", Align::Left),
        ("VARIANT", Align::Left),
        ("SOURCE", Align::Left),
        ("UPDATED", Align::Left),
    ]);
    for forced in &page.overrides {
        table.row([
            forced.subject_type.as_str(),
            &forced.subject_id,
            forced.variant.as_str(),
            forced.source.as_str(),
            &minute(forced.updated_at),
        ]);
    }
    let mut text = if page.overrides.is_empty() {
        String::new()
    } else {
        table.text() + "\n"
    };
    text.push_str(&format!(
        "{} in all: {} fixed, {} manual\n",
        count(page.fixed + page.manual),
        group(page.fixed),
        group(page.manual)
    ));
    if page.next_after.is_some() {
        text.push_str("more than these; --limit or --all lists them\n");
    }
    text
}

/// Subjects that are set in the same way.
#[derive(Debug, Eq, PartialEq)]
struct Batch {
    subject: OverrideSubject,
    source: OverrideSource,
    ids: Vec<String>,
}

/// Who is set: the ids of the command line one by one, those of files in bulk.
fn batches(ids: Ids, users: Option<&Path>, devices: Option<&Path>) -> Result<Vec<Batch>, CliError> {
    let (user, device) = (OverrideSubject::User, OverrideSubject::Device);
    let (fixed, manual) = (OverrideSource::Fixed, OverrideSource::Manual);
    let from = |file: Option<&Path>| file.map_or_else(|| Ok(Vec::new()), read_ids);
    if users.is_some_and(|f| f.as_os_str() == "-") && devices.is_some_and(|f| f.as_os_str() == "-") {
        return Err(CliError::Usage(
            "standard input can be read once only: give one of the two a file".to_owned(),
        ));
    }
    let mut batches = vec![
        Batch {
            subject: user,
            source: fixed,
            ids: ids.users,
        },
        Batch {
            subject: device,
            source: fixed,
            ids: ids.devices,
        },
        Batch {
            subject: user,
            source: manual,
            ids: from(users)?,
        },
        Batch {
            subject: device,
            source: manual,
            ids: from(devices)?,
        },
    ];
    batches.retain(|batch| !batch.ids.is_empty());
    if batches.is_empty() {
        return Err(nobody("--user, --device, --users-from or --devices-from"));
    }
    Ok(batches)
}

/// One id a line; blank lines, and blanks around ids, are left out.
fn read_ids(file: &Path) -> Result<Vec<String>, CliError> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|content| text = content)
    };
    read.map_err(|error| CliError::Failed(format!("cannot read ids from {}: {error}", file.display())))?;
    let text = text.trim_start_matches('\u{feff}');
    let ids = text.lines().map(str::trim).filter(|id| !id.is_empty());
    Ok(ids.map(str::to_owned).collect())
}

/// Sets all, in as many requests as it takes.
async fn set(
    client: &Client,
    owner: Owner<'_>,
    variant: &Key,
    batches: &[Batch],
) -> Result<OverridesSet, CliError> {
    let total: usize = batches.iter().map(|batch| batch.ids.len()).sum();
    let mut sent = 0;
    let mut done = OverridesSet::default();
    for batch in batches {
        for ids in batch.ids.chunks(MAX_OVERRIDES_PER_REQUEST) {
            let body = SetOverrides {
                variant: variant.clone(),
                subject_type: batch.subject,
                subject_ids: ids.to_vec(),
                source: batch.source,
            };
            let OverridesSet {
                added,
                changed,
                unchanged,
            } = client
                .set_overrides(owner, &body)
                .await
                .map_err(|error| match sent {
                    0 => CliError::from(error),
                    _ => CliError::Failed(format!(
                        "{sent} of {total} subjects are set, then: {error}; setting all of them again is safe"
                    )),
                })?;
            sent += ids.len();
            done.added += added;
            done.changed += changed;
            done.unchanged += unchanged;
        }
    }
    Ok(done)
}

fn set_text(variant: &Key, done: OverridesSet) -> String {
    let OverridesSet {
        added,
        changed,
        unchanged,
    } = done;
    let (added, changed, unchanged) = (group(added), group(changed), group(unchanged));
    format!("{variant}: {added} added, {changed} changed, {unchanged} as they were\n")
}

fn subjects(ids: Ids) -> Vec<(OverrideSubject, String)> {
    let users = ids.users.into_iter().map(|id| (OverrideSubject::User, id));
    let devices = ids.devices.into_iter().map(|id| (OverrideSubject::Device, id));
    users.chain(devices).collect()
}

/// What `delete --json` prints.
#[derive(Debug, Serialize)]
struct Deleted {
    deleted: u64,
}

async fn delete(
    client: &Client,
    owner: Owner<'_>,
    subjects: &[(OverrideSubject, String)],
) -> Result<Deleted, CliError> {
    let (all, mut deleted) = (subjects.len(), 0);
    let mut unknown = Vec::new();
    for (subject_type, subject_id) in subjects {
        let query = DeleteOverride {
            subject_type: *subject_type,
            subject_id: subject_id.clone(),
        };
        match client.delete_override(owner, &query).await {
            Ok(()) => deleted += 1,
            Err(error) if all == 1 => return Err(error.into()),
            // The others may well have one.
            Err(error) if error.code() == Some(Code::NotFound) => unknown.push((subject_id.as_str(), error)),
            Err(error) => {
                return Err(CliError::Failed(format!(
                    "{deleted} of {all} are deleted, then: {error}"
                )));
            }
        }
    }
    if let Some((_, error)) = unknown.first() {
        let shown: Vec<&str> = unknown.iter().map(|(id, _)| *id).take(UNKNOWN_SHOWN).collect();
        let shown = shown.join(", ");
        let more = match unknown.len().saturating_sub(UNKNOWN_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Err(CliError::Failed(format!(
            "{deleted} of {all} are deleted, not found: {shown}{more}; the first: {error}"
        )));
    }
    Ok(Deleted { deleted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(users: &[&str], devices: &[&str]) -> Ids {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Ids {
            users: owned(users),
            devices: owned(devices),
        }
    }

    #[test]
    fn files_are_bulk_and_arguments_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("ids.txt");
        std::fs::write(&file, "\u{feff}alice\r\n\n  bob  \nä ö\n").expect("written");
        let batches = batches(ids(&["x"], &["d"]), Some(&file), None).expect("batches");
        let of = |subject, source, ids: &[&str]| Batch {
            subject,
            source,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        assert_eq!(
            batches,
            [
                of(OverrideSubject::User, OverrideSource::Fixed, &["x"]),
                of(OverrideSubject::Device, OverrideSource::Fixed, &["d"]),
                of(
                    OverrideSubject::User,
                    OverrideSource::Manual,
                    &["alice", "bob", "ä ö"]
                ),
            ]
        );
    }

    #[test]
    fn nobody_is_a_mistake() {
        let error = batches(ids(&[], &[]), None, None).expect_err("refused");
        assert!(
            matches!(&error, CliError::Usage(text) if text.contains("--users-from")),
            "{error}"
        );
        let stdin = Path::new("-");
        let error = batches(ids(&[], &[]), Some(stdin), Some(stdin)).expect_err("refused");
        assert!(error.to_string().contains("once only"), "{error}");
        let error = batches(ids(&[], &[]), Some(Path::new("/nonexistent")), None).expect_err("refused");
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }

    #[test]
    fn the_list_says_how_many_there_are() {
        let page: OverridePage = serde_json::from_value(serde_json::json!({
            "overrides": [
                {"subjectType": "user", "subjectId": "alice", "variant": "blue", "source": "fixed",
                 "updatedAt": "2026-01-31T09:30:59Z"},
                {"subjectType": "device", "subjectId": "d\u{1b}", "variant": "control", "source": "manual",
                 "updatedAt": "2026-01-31T09:31:00Z"},
            ],
            "nextAfter": "device:d", "fixed": 1, "manual": 39_999,
        }))
        .expect("a page");
        assert_eq!(
            list_text(&page),
            "SUBJECT  ID       VARIANT  SOURCE  UPDATED\n\
             user     alice    blue     fixed   2026-01-31 09:30Z\n\
             device   d\\u{1b}  control  manual  2026-01-31 09:31Z\n\
             \n\
             40,000 overrides in all: 1 fixed, 39,999 manual\n\
             more than these; --limit or --all lists them\n"
        );
    }
}
