//! What changed, for the servers that hold it in memory.
//!
//! Every transaction that changes configuration adds a row for each object it touches. As one transaction
//! writes at a time, rows become visible in the order of their `seq`: a server that has seen one has seen all
//! before it. Numbers may be missing (a transaction that was taken back), never late.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row as _};
use uuid::Uuid;

use crate::domain::{Key, OverrideSource, OverrideSubject};

use super::{StoreError, Tx, from_word, millis, word};

/// How long a row is kept. A server that was away for longer loads everything again.
pub const KEPT: Duration = Duration::from_secs(3600);

/// What kind of object changed. A new kind needs an arm in `server/follow.rs` that says how memory follows it.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A project; the object is its id.
    Project,
    /// A token; the object is its id.
    Token,
    /// The organization; the object is its id.
    Organization,
    /// A deployment; the object is its id.
    Deployment,
    /// A lab; the object is its id.
    Lab,
    /// A flag, without its overrides; the object is its id.
    Flag,
    /// An experiment, without its overrides; the object is its id.
    Experiment,
    /// Overrides of an experiment or a flag; the object is its id. What changed is an [`OverrideChange`].
    Overrides,
}

/// A row of the feed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Its place.
    pub seq: i64,
    /// What kind of object; nothing for a kind that a newer splitdeck writes.
    pub kind: Option<Kind>,
    /// Which one.
    pub object: String,
}

/// What happened since a place of the feed.
#[derive(Debug)]
pub enum Since {
    /// These rows, in their order.
    Changes(Vec<Changed>),
    /// Some rows are gone: everything has to be loaded again.
    Pruned,
}

/// Adds a row, and says its place.
///
/// # Errors
/// See [`StoreError`].
pub async fn record(
    tx: &mut Tx,
    kind: Kind,
    project: Option<Uuid>,
    object: &str,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let sql = "INSERT INTO changes (at, project_id, kind, object_id) VALUES ($1, $2, $3, $4) RETURNING seq";
    let row = sqlx::query(sql)
        .bind(millis(now))
        .bind(project.map(|id| id.to_string()))
        .bind(word(kind)?)
        .bind(object)
        .fetch_one(&mut **tx)
        .await
        .map_err(StoreError::query("record a change"))?;
    Ok(row.get("seq"))
}

/// Place of the newest row there ever was.
///
/// # Errors
/// See [`StoreError`].
pub async fn head(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE((SELECT MAX(seq) FROM changes), pruned_to) AS head FROM feed";
    let row = sqlx::query(sql)
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("read the feed of changes"))?;
    Ok(row.get("head"))
}

/// What happened after the place `seen`.
///
/// # Errors
/// See [`StoreError`].
pub async fn since(connection: &mut AnyConnection, seen: i64) -> Result<Since, StoreError> {
    let failed = || StoreError::query("read the feed of changes");
    let rows = sqlx::query("SELECT seq, kind, object_id FROM changes WHERE seq > $1 ORDER BY seq")
        .bind(seen)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed())?;
    // After the rows: what is pruned in between is noticed.
    let feed = sqlx::query("SELECT pruned_to FROM feed")
        .fetch_one(connection)
        .await
        .map_err(failed())?;
    if feed.get::<i64, _>("pruned_to") > seen {
        return Ok(Since::Pruned);
    }
    let changed = rows.iter().map(|row| Changed {
        seq: row.get("seq"),
        kind: from_word(row.get("kind")).ok(),
        object: row.get("object_id"),
    });
    Ok(Since::Changes(changed.collect()))
}

/// Removes what is older than [`KEPT`]; changes of overrides that belong to an import stay.
///
/// # Errors
/// See [`StoreError`].
pub async fn prune(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    let failed = || StoreError::query("prune the feed of changes");
    let before = millis(now).saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX));
    let old = sqlx::query("SELECT MAX(seq) AS seq FROM changes WHERE at < $1")
        .bind(before)
        .fetch_one(&mut **tx)
        .await
        .map_err(failed())?;
    let Some(to) = old.get::<Option<i64>, _>("seq") else {
        return Ok(());
    };
    for sql in [
        "DELETE FROM changes WHERE seq <= $1",
        "DELETE FROM override_changes WHERE seq <= $1 AND import_id IS NULL",
        "UPDATE feed SET pruned_to = $1",
    ] {
        let done = sqlx::query(sql).bind(to).execute(&mut **tx).await;
        done.map_err(failed())?;
    }
    Ok(())
}

/// What a subject is forced into, and how that came to be.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Forced {
    /// The variant.
    pub variant: Key,
    /// How it came to be.
    pub source: OverrideSource,
}

/// Subjects whose override changed in the same way.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct OverrideGroup {
    /// What they had; nothing for none.
    pub from: Option<Forced>,
    /// What they have; nothing for none.
    pub to: Option<Forced>,
    /// The ids.
    pub ids: Vec<String>,
}

/// What one transaction did to the overrides of an experiment, each subject at most once.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct OverrideChange {
    /// The experiment.
    pub experiment: Uuid,
    /// What kind of ids these are.
    pub subject_type: OverrideSubject,
    /// The import it belongs to. It is kept for as long as the import can be undone.
    pub import: Option<Uuid>,
    /// The subjects.
    pub groups: Vec<OverrideGroup>,
}

/// Writes what a transaction did to overrides, under the place `seq` of its row in the feed.
///
/// # Errors
/// See [`StoreError`].
pub async fn put_overrides(
    tx: &mut Tx,
    seq: i64,
    change: &OverrideChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO override_changes (seq, at, experiment_id, subject_type, import_id, document) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(sql)
        .bind(seq)
        .bind(millis(now))
        .bind(change.experiment.to_string())
        .bind(change.subject_type.as_str())
        .bind(change.import.map(|id| id.to_string()))
        .bind(deflated(&change.groups)?)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("record a change of overrides"))?;
    Ok(())
}

/// The change of overrides at the place `seq` of the feed; nothing when it is gone.
///
/// # Errors
/// See [`StoreError`].
pub async fn overrides_at(
    connection: &mut AnyConnection,
    seq: i64,
) -> Result<Option<OverrideChange>, StoreError> {
    let sql = "SELECT experiment_id, subject_type, import_id, document FROM override_changes WHERE seq = $1";
    let row = sqlx::query(sql)
        .bind(seq)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::query("read a change of overrides"))?;
    row.map(|row| {
        let corrupt = |why: String| StoreError::corrupt(format!("change of overrides {seq}"), why);
        let id = |text: &str| Uuid::parse_str(text).map_err(|e| corrupt(e.to_string()));
        let import: Option<String> = row.get("import_id");
        let document: Vec<u8> = row.get("document");
        Ok(OverrideChange {
            experiment: id(row.get("experiment_id"))?,
            subject_type: from_word(row.get("subject_type"))?,
            import: import.as_deref().map(id).transpose()?,
            groups: inflated(&document).map_err(corrupt)?,
        })
    })
    .transpose()
}

fn deflated(groups: &[OverrideGroup]) -> Result<Vec<u8>, StoreError> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = serde_json::to_vec(groups).map_err(|source| StoreError::Json {
        what: "change of overrides",
        source,
    })?;
    let done = deflate.write_all(&written).and_then(|()| deflate.finish());
    done.map_err(|error| StoreError::query("deflate a change of overrides")(sqlx::Error::Io(error)))
}

fn inflated(document: &[u8]) -> Result<Vec<OverrideGroup>, String> {
    let mut text = Vec::new();
    let read = DeflateDecoder::new(document).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}
